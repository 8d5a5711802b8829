//! Which database is the master: the named one, or the private PostgreSQL.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::error::{Failure, Kind, Result};
use crate::pg::{self, Purpose};
use crate::private_pg;
use crate::secret::Secret;
use crate::settings::{Database, Settings};
use crate::store::schema;
use crate::store::schema::Version;

/// A server that was killed or told to stop this moment still looks alive; after so long it does not.
const DYING_LIMIT: Duration = Duration::from_secs(10);

/// Returns the master's URL. With no database named, the private PostgreSQL is made,
/// started and migrated when needed, and a line on stderr says so.
pub fn url(settings: &Settings) -> Result<Secret> {
    match &settings.database {
        // Somebody else's schema changes when somebody says so.
        Database::Named(url) => Ok(url.clone()),
        Database::Private => {
            let (url, mut client) = private(&settings.home)?;
            match schema::version(&mut client)? {
                Version::Behind => {
                    for name in schema::migrate(&mut client)? {
                        log::debug!("applied {name}");
                    }
                }
                // Commands that need the schema refuse the last two; `news db shell` does not.
                Version::Current | Version::Ahead | Version::Unreleased => {}
            }
            Ok(url)
        }
    }
}

/// The same, for commands that have nothing to say of a database that they would have to make: whoever forgets
/// to name the database must not be told that all is well with an empty one.
///
/// Fails with [`Kind::Database`] where there is none.
pub fn existing(settings: &Settings) -> Result<Secret> {
    if let Database::Private = &settings.database
        && private_pg::state(&settings.home)?.major.is_none()
    {
        let home = settings.home.display();
        return Err(Failure::new(
            Kind::Database,
            format!("no database is configured, and there is no private one in {home}"),
        )
        .hint("Set NEWS_DATABASE_URL, or run `news import`, which creates a private one."));
    }
    url(settings)
}

/// Connects to the master as [`url`] names it, but leaves the schema as it is, for those who see to it themselves.
pub fn admin(settings: &Settings) -> Result<Client> {
    match &settings.database {
        Database::Named(url) => pg::connect(url, Purpose::Admin),
        Database::Private => private(&settings.home).map(|(_, client)| client),
    }
}

/// Sees to it that the private PostgreSQL runs, and answers.
fn private(home: &Path) -> Result<(Secret, Client)> {
    let begin = Instant::now();
    loop {
        private_pg::start(home)?;
        let url = private_pg::url(home)?;
        match pg::connect(&url, Purpose::Admin) {
            Ok(client) => return Ok((url, client)),
            Err(failure) if pg::is_lost_failure(&failure) && begin.elapsed() < DYING_LIMIT => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(failure) => return Err(failure),
        }
    }
}
