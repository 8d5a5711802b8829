//! What is in force: flags, then environment, then defaults. Secrets come from the
//! environment or from the file that `NAME_FILE` names, never from flags of their own.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::args::Global;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::ui::{Format, Look};

/// A secret: it prints as stars and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `text` secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A URL or a keyword string; it may hold a password.
    Named(Secret),
    /// The private PostgreSQL, below [`Settings::home`].
    Private,
}

/// What is in force for a command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The master.
    pub database: Database,
    /// The target, where flags or environment name one.
    pub target_url: Option<String>,
    /// A bearer token for the target.
    pub target_token: Option<Secret>,
    /// Where the private PostgreSQL and its secrets live.
    pub home: PathBuf,
}

/// A secret file larger than this is no secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

impl Settings {
    /// Puts flags and environment together.
    ///
    /// Fails with [`Kind::Usage`] where a variable is not text, or a `NAME_FILE` cannot be read.
    pub fn new(global: &Global) -> Result<Self> {
        let database = match &global.database_url {
            Some(url) => Some(Secret::new(url.clone())),
            None => match secret("NEWS_DATABASE_URL")? {
                Some(url) => Some(url),
                None => secret("DATABASE_URL")?,
            },
        };
        let target_url = match &global.target_url {
            Some(url) => Some(url.clone()),
            None => variable("NEWS_TARGET_URL")?,
        };
        Ok(Self {
            database: database.map_or(Database::Private, Database::Named),
            target_url,
            target_token: secret("NEWS_TARGET_TOKEN")?,
            home: home()?,
        })
    }
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

/// Returns a secret from the variable `name`, or from the file that `name`_FILE names
/// (its last line break does not count).
pub fn secret(name: &str) -> Result<Option<Secret>> {
    let file_variable = format!("{name}_FILE");
    let file = variable(&file_variable)?;
    match (variable(name)?, file) {
        (Some(_), Some(_)) => {
            Err(Failure::new(Kind::Usage, format!("both {name} and {file_variable} are set")).hint("unset one of them"))
        }
        (Some(text), None) => Ok(Some(Secret::new(text))),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let context = || format!("cannot read {path}, named by {file_variable}");
            let size = fs::metadata(&path).or_fail(Kind::Usage, context())?.len();
            if size > SECRET_BYTES_MAX {
                return Err(Failure::new(Kind::Usage, format!("{path} has {size} bytes, too many for a secret")));
            }
            let text = fs::read_to_string(&path).or_fail(Kind::Usage, context())?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                // A mount that failed must not make `news` go on without the secret.
                return Err(Failure::new(Kind::Usage, format!("{path}, named by {file_variable}, is empty")));
            }
            Ok(Some(Secret::new(text.to_owned())))
        }
    }
}

/// Root's home for the private PostgreSQL: /root is closed to the user that its server runs as.
const HOME_OF_ROOT: &str = "/var/lib/news";

/// Returns NEWS_HOME, or `news` in the XDG data folder; for root that is in /var/lib where XDG_DATA_HOME is unset.
fn home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("NEWS_HOME").filter(|v| !v.is_empty()) {
        let home = PathBuf::from(home);
        if home.is_absolute() {
            return Ok(home);
        }
        let here = env::current_dir().or_fail(Kind::Usage, "cannot tell the current folder")?;
        return Ok(here.join(home));
    }
    // XDG base directories: a relative value is to be ignored.
    let xdg = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    if xdg.is_none() && rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(HOME_OF_ROOT));
    }
    let home = xdg.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    home.map(|data| data.join("news"))
        .ok_or_else(|| Failure::new(Kind::Usage, "no home folder").hint("set NEWS_HOME to a folder that news may use"))
}
