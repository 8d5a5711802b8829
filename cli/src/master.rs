//! Which database is the master: the named one, or the private PostgreSQL.

use crate::error::Result;
use crate::settings::{Database, Secret, Settings};

/// Returns the master's URL. With no database named, the private PostgreSQL is made,
/// started and migrated when needed, and a line on stderr says so.
pub fn url(settings: &Settings) -> Result<Secret> {
    match &settings.database {
        Database::Named(url) => Ok(url.clone()),
        Database::Private => unimplemented!(),
    }
}
