//! Which database is the master: the named one, or the private PostgreSQL.

use crate::error::Result;
use crate::private_pg;
use crate::settings::{Database, Secret, Settings};
use crate::store::schema::Version;
use crate::store::{self, Purpose, schema};

/// Returns the master's URL. With no database named, the private PostgreSQL is made,
/// started and migrated when needed, and a line on stderr says so.
pub fn url(settings: &Settings) -> Result<Secret> {
    let url = unmigrated_url(settings)?;
    match settings.database {
        // Somebody else's schema changes when somebody says so.
        Database::Named(_) => {}
        Database::Private => {
            let mut client = store::connect(&url, Purpose::Admin)?;
            match schema::version(&mut client)? {
                Version::Behind => {
                    for name in schema::migrate(&mut client)? {
                        log::debug!("applied {name}");
                    }
                }
                // A newer one is refused by whoever needs the schema.
                Version::Current | Version::Ahead => {}
            }
        }
    }
    Ok(url)
}

/// As [`url`], but for those who look at the schema themselves: it is left as it is.
pub fn unmigrated_url(settings: &Settings) -> Result<Secret> {
    match &settings.database {
        Database::Named(url) => Ok(url.clone()),
        Database::Private => {
            private_pg::start(&settings.home)?;
            private_pg::url(&settings.home)
        }
    }
}
