//! What `news db` returns.

use serde::Serialize;

/// `news db migrate`
#[derive(Debug, Serialize)]
pub struct Migrated {
    /// The names of the migrations that were applied now, in order; none if there was nothing to do.
    pub applied: Vec<String>,
    /// The schema's version after that.
    pub schema_version: i32,
}
