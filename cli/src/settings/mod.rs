//! What is in force: flags, then environment, then `news.toml`, then defaults. Secrets come from the
//! environment or from files, never from flags of their own.

mod file;
pub mod keys;
mod layers;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::args::Global;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::profile::{Chosen, is_path};
use crate::secret::Secret;
use crate::settings::layers::secret_in_environment;
pub use crate::settings::layers::{Found, Layers, Origin, Stop, command_line, json_look};
use crate::times::Times;
use crate::ui::{Format, Look};

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A URL or a keyword string; it may hold a password.
    Named(Secret),
    /// The private PostgreSQL, below [`Settings::home`].
    Private,
}

/// How to talk to the target.
#[derive(Debug, Clone, Default)]
pub struct TargetAccess {
    /// Its dialect.
    pub chosen: Chosen,
    /// A token for it.
    pub token: Option<Secret>,
    /// Who logs in there, where the dialect wants a login.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
}

/// What is in force for a command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The master.
    pub database: Database,
    /// The target, where flags, environment or file name one.
    pub target_url: Option<String>,
    /// The target's dialect, where flags, environment or file name one.
    pub target_profile: Option<Chosen>,
    /// How to talk to the target, if it is not one that the database remembers with another dialect.
    pub access: TargetAccess,
    /// How long the target may take.
    pub times: Times,
    /// Where the private PostgreSQL and its secrets live.
    pub home: PathBuf,
    layers: Arc<Layers>,
}

impl Settings {
    /// Puts flags and what else was found together.
    ///
    /// Fails with [`Kind::Usage`] where a variable is not text, or a `NAME_FILE` cannot be read.
    pub fn new(global: &Global, layers: Layers) -> Result<Self> {
        let target_profile = target_profile(global, &layers)?.map(|found| found.value);
        Ok(Self {
            database: database(global, &layers)?.map_or(Database::Private, |found| Database::Named(found.value)),
            target_url: target_url(global, &layers)?.map(|found| found.value),
            access: access(target_profile.clone().unwrap_or_default(), &layers)?,
            target_profile,
            times: Times::new(global.target_timeout, global.target_late)?,
            home: home(&layers)?.value,
            layers: Arc::new(layers),
        })
    }

    /// Returns a secret that only some commands need.
    pub fn secret(&self, key: &keys::Key) -> Result<Option<Secret>> {
        Ok(self.layers.secret(key)?.map(|found| found.value))
    }

    /// Returns how many deletes a run may send, where environment or file say so.
    pub fn deletes_max(&self) -> Result<Option<u64>> {
        // clap has checked it.
        Ok(self.layers.text(keys::SYNC_MAX_DELETES)?.and_then(|found| found.value.parse().ok()))
    }
}

/// Returns the named database: none means the private PostgreSQL.
pub fn database(global: &Global, layers: &Layers) -> Result<Option<Found<Secret>>> {
    if let Some(url) = &global.database_url {
        let origin = layers.flag("database_url").unwrap_or(Origin::Default);
        return Ok(Some(Found { value: Secret::new(url.clone()), origin }));
    }
    let found = layers.secret(keys::DATABASE_URL)?;
    // What many programs know comes after our own variable, and before our file.
    match found {
        Some(found) if matches!(found.origin, Origin::Environment(_)) => Ok(Some(found)),
        Some(_) | None => Ok(secret_in_environment("DATABASE_URL")?.or(found)),
    }
}

/// Returns the named target: none means the one that the database remembers.
pub fn target_url(global: &Global, layers: &Layers) -> Result<Option<Found<String>>> {
    match &global.target_url {
        Some(url) => {
            Ok(Some(Found { value: url.clone(), origin: layers.flag("target_url").unwrap_or(Origin::Default) }))
        }
        None => layers.text(keys::TARGET_URL),
    }
}

/// Returns the named dialect of the target: none means the one that the database remembers, else the default.
///
/// Fails with [`Kind::Usage`] where there is no such profile, or its file says what cannot be.
pub fn target_profile(global: &Global, layers: &Layers) -> Result<Option<Found<Chosen>>> {
    let named = match &global.target_profile {
        Some(name) => {
            Some(Found { value: name.clone(), origin: layers.flag("target_profile").unwrap_or(Origin::Default) })
        }
        None => layers.text(keys::TARGET_PROFILE)?,
    };
    let Some(Found { value: name, origin }) = named else { return Ok(None) };
    let name = match &origin {
        // As all paths in the file.
        Origin::File(file, _) if is_path(&name) => {
            let folder = file.parent().unwrap_or(Path::new("/"));
            folder.join(&name).display().to_string()
        }
        Origin::Flag(_) | Origin::Environment(_) | Origin::File(..) | Origin::Database | Origin::Default => name,
    };
    let value = Chosen::find(&name).map_err(|failure| failure.hint(format!("It is named by: {origin}.")))?;
    Ok(Some(Found { value, origin }))
}

/// Puts together how to talk to a target with this dialect.
pub fn access(chosen: Chosen, layers: &Layers) -> Result<TargetAccess> {
    Ok(TargetAccess {
        chosen,
        token: layers.secret(keys::TARGET_TOKEN)?.map(|found| found.value),
        user: layers.text(keys::TARGET_USER)?.map(|found| found.value),
        password: layers.secret(keys::TARGET_PASSWORD)?.map(|found| found.value),
    })
}

/// Returns what of stdout and stderr the flags ask for.
pub fn look(global: &Global) -> Look {
    let level = match (global.quiet, global.verbose) {
        (0, 0) => log::LevelFilter::Info,
        (0, _) => log::LevelFilter::Debug,
        (1, _) => log::LevelFilter::Warn,
        (_, _) => log::LevelFilter::Error,
    };
    let format = if global.json { Format::Json } else { Format::Text };
    Look { format, color: global.color, progress: global.progress, log_format: global.log_format, level }
}

/// Returns a variable's text; an empty one counts as unset.
pub fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::new(Kind::Usage, format!("{name} is not UTF-8"))),
    }
}

/// Returns a secret that is in no file of ours: from the variable `name`, or from the file that `name`_FILE names.
pub fn secret(name: &str) -> Result<Option<Secret>> {
    Ok(secret_in_environment(name)?.map(|found| found.value))
}

/// Root's home for the private PostgreSQL: /root is closed to the user that its server runs as.
const HOME_OF_ROOT: &str = "/var/lib/news";

/// Returns NEWS_HOME or the file's `home`, else `news` in the XDG data folder; for root that is in /var/lib where
/// XDG_DATA_HOME is unset.
pub fn home(layers: &Layers) -> Result<Found<PathBuf>> {
    if let Some(found) = layers.text(keys::HOME)? {
        let here = || env::current_dir().or_fail(Kind::Usage, "cannot tell the current folder");
        let home = PathBuf::from(found.value);
        let value = if home.is_absolute() { home } else { here()?.join(home) };
        return Ok(Found { value, origin: found.origin });
    }
    // XDG base directories: a relative value is to be ignored.
    let xdg = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    if xdg.is_none() && rustix::process::geteuid().is_root() {
        return Ok(Found { value: PathBuf::from(HOME_OF_ROOT), origin: Origin::Default });
    }
    let home = xdg.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    home.map(|data| Found { value: data.join("news"), origin: Origin::Default }).ok_or_else(|| {
        Failure::new(Kind::Usage, "no home directory").hint("Set NEWS_HOME to a directory that news may use.")
    })
}
