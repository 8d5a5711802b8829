//! A run: the lock, the row in the history, and the driver that does what a session says.

mod crew;
pub mod driver;
pub mod looks;
mod memory;
pub mod periodic;
mod stopped;
pub mod watchdog;

pub use stopped::{Asker, base_hint, refuses_everything, stopped};

use std::time::{Duration, SystemTime};

use news_core::Entity;
use news_core::profile::{Ids, Profile};
use postgres::{Client, GenericClient};

use crate::clock::Tick;
use crate::error::{Failure, Kind, Result};
use crate::profile::Chosen;
use crate::settings::{Settings, TargetAccess};
use crate::signals::Signals;
use crate::store;
use crate::store::lock::Lock;
use crate::store::remembered::Remembered;
use crate::store::runs::{self, RunEnd, RunKind};
use crate::target::{base_url, is_same_base};

/// A run under way: it has a row that says so.
pub struct Run<'l> {
    id: i64,
    /// When it began, by the database's clock.
    pub started_at: SystemTime,
    /// Its row was written then, or a little later.
    pub begun: Tick,
    /// The lock, and the connection that the run's transactions go through.
    pub lock: &'l mut Lock,
    /// What was odd before it began.
    pub warnings: Vec<String>,
}

impl<'l> Run<'l> {
    /// Begins one against `target_url`.
    pub fn begin(lock: &'l mut Lock, kind: RunKind, target_url: &str) -> Result<Self> {
        let begun = Tick::now();
        let (id, started_at) = runs::begin(lock, kind, target_url)?;
        Ok(Self { id, started_at, begun, lock, warnings: Vec::new() })
    }

    /// Returns its id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Writes how it ended.
    pub fn finish(self, end: &RunEnd) -> Result<()> {
        let id = self.id;
        self.lock.run(|client| runs::finish(client, id, end))
    }
}

/// Waits until nothing of earlier runs can take effect any more at the target: a listing that is asked for now could miss it.
pub fn settle(time: Duration, signals: &Signals) -> Result<()> {
    if time > QUIET {
        log::info!(
            "waiting {:.0} s: requests of an earlier run may still take effect at the target",
            time.as_secs_f64().ceil()
        );
    }
    signals.pause(time)
}

/// A wait that nobody needs to be told of.
const QUIET: Duration = Duration::from_secs(3);

/// The target that a command is about.
#[derive(Debug)]
pub struct Followed {
    /// Where it is.
    pub url: String,
    /// How to talk to it.
    pub access: TargetAccess,
    /// What is odd about following it.
    pub warning: Option<String>,
}

impl Followed {
    /// Warns of what is odd about following it.
    pub fn warn(&self) {
        if let Some(warning) = &self.warning {
            log::warn!("{warning}");
        }
    }
}

/// Returns the target that is named, else the one that the database remembers; `None` where neither is.
/// Another one than it remembers is worth a loud warning: its events were sent elsewhere.
///
/// Fails with [`Kind::Refused`] where no target is named, and another database remembered it.
pub fn followed(settings: &Settings, client: &mut impl GenericClient) -> Result<Option<Followed>> {
    let remembered = store::remembered::remembered(client)?;
    // Checked before it is shown: a URL with credentials is refused, and not repeated.
    let named = settings.target_url.as_deref().map(base_url).transpose()?;
    let mut warnings = Vec::new();
    let mut is_known = remembered.is_some();
    if let (Some(named), Some(remembered)) = (&named, &remembered)
        && !is_same_base(named, &remembered.url)
    {
        is_known = false;
        warnings.push(format!(
            "the target is {named} now, but this database followed {}: \
             what was synced is there, not here (`news sync --full` brings the new one in step)",
            remembered.url
        ));
    }
    let (chosen, warning) = profile_of(settings.target_profile.as_ref(), remembered.as_ref().filter(|_| is_known))?;
    warnings.extend(warning);
    let url = match (named, remembered) {
        (Some(named), _) => Some(named),
        (None, Some(remembered)) => Some(remembered.in_force()?),
        (None, None) => None,
    };
    let access = TargetAccess { chosen, ..settings.access.clone() };
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    Ok(url.map(|url| Followed { url, access, warning }))
}

/// Returns the profile that is named, else the one that the database remembers of this target, else the default; and what
/// is odd about it.
///
/// Fails with [`Kind::Usage`] where the one that is remembered cannot be found.
pub fn profile_of(named: Option<&Chosen>, remembered: Option<&Remembered>) -> Result<(Chosen, Option<String>)> {
    let known = remembered.and_then(|remembered| Some((remembered, remembered.profile.as_ref()?)));
    let chosen = match (named, known) {
        (Some(named), _) => named.clone(),
        (None, Some((_, (name, _)))) => Chosen::find(name)?,
        (None, None) => Chosen::default(),
    };
    let warning = known.filter(|(_, (_, print))| *print != chosen.print).map(|(remembered, (name, _))| {
        let now = if chosen.name == *name {
            "it says something else".to_owned()
        } else {
            format!("it is {} now", chosen.name)
        };
        format!(
            "this database followed {} with the target profile {name}, and {now}: \
             what was synced may be elsewhere, or in another form (`news diff` tells)",
            remembered.url
        )
    });
    Ok((chosen, warning))
}

/// Returns the target to talk to, and warns of what is odd about it; fails where there is none.
pub fn to_follow(settings: &Settings, client: &mut Client) -> Result<Followed> {
    let followed = followed(settings, client)?.ok_or_else(|| {
        Failure::new(Kind::Usage, "no target is named, and this database has not met one yet")
            .hint("name it with --target-url or NEWS_TARGET_URL; `news import` remembers the one it loads from")
    })?;
    followed.warn();
    Ok(followed)
}

/// Fails with [`Kind::Refused`] where the target does not have all of our fields.
pub fn require_fields(profile: &Profile) -> Result<()> {
    match Entity::ALL.into_iter().find(|entity| !profile.dialect(*entity).carries_all()) {
        None => Ok(()),
        Some(entity) => Err(Failure::new(
            Kind::Refused,
            format!(
                "the target does not have all fields of {entity} (target profile {}): nothing can be imported",
                profile.name
            ),
        )
        .hint("Load the rows from elsewhere, and run `news sync --full`.")),
    }
}

/// Fails with [`Kind::Refused`] where the target has no place for our ids.
pub fn require_ids(profile: &Profile) -> Result<()> {
    match profile.ids {
        Ids::Ours | Ids::Key => Ok(()),
        Ids::None => Err(Failure::new(
            Kind::Refused,
            format!(
                "the target gives ids of its own, and none of its fields is ours (target profile {}): \
                 objects cannot be asked for, nor written",
                profile.name
            ),
        )
        .hint("`news import` and `news diff` read it.")
        .hint(
            "Its owner could let the client choose the id of a new record (a profile with ids = \"ours\"), or add a field for \
             our id that can be searched (ids = \"key\").",
        )),
    }
}
