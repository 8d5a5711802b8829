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

/// `news db status`
#[derive(Debug, Serialize)]
pub struct DbReport {
    /// Its URL or keyword string, without a password.
    pub database: String,
    /// The private PostgreSQL, where no database is named.
    pub private: Option<Private>,
    /// Whether it answered.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// What it said, where it answered.
    #[serde(flatten)]
    pub answer: Option<DbAnswer>,
}

/// The private PostgreSQL.
#[derive(Debug, Serialize)]
pub struct Private {
    /// Whether its server runs.
    pub running: bool,
    /// The server's process id.
    pub pid: Option<i32>,
    /// Where its data is.
    pub data: String,
    /// Its major version; none if it was not made yet.
    pub version: Option<u32>,
}

/// What a database says of itself.
#[derive(Debug, Serialize)]
pub struct DbAnswer {
    /// The server's version.
    pub server_version: String,
    /// On disk, in bytes.
    pub size_bytes: i64,
    /// The database's encoding.
    pub encoding: String,
    /// The schema's version; 0 if there is none.
    pub schema_version: i32,
    /// The version that this binary wants.
    pub schema_version_wanted: i32,
    /// `current`, `behind`, `ahead` or `unreleased`.
    pub schema: Schema,
    /// Events that are not synced; none where the schema has no log.
    pub pending_events: Option<i64>,
    /// Our tables.
    pub tables: Vec<DbTable>,
}

/// How the schema stands to this binary.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// The same.
    Current,
    /// Older, or none: `news db migrate`.
    Behind,
    /// Of a newer binary.
    Ahead,
    /// From before the first release: no migration leads from there.
    Unreleased,
}

/// One table.
#[derive(Debug, Serialize)]
pub struct DbTable {
    /// Its name.
    pub name: String,
    /// Its rows, by the statistics.
    pub rows_estimated: i64,
    /// On disk, with its indexes, in bytes.
    pub size_bytes: i64,
}

/// `news db prune`
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// Events deleted.
    pub deleted: u64,
    /// Events that stay: unsynced, or synced not long enough ago.
    pub kept: u64,
    /// Transactions that the events took.
    pub batches: u64,
    /// Rows deleted of what runs came to, object by object.
    pub sent: u64,
    /// Acts of people deleted.
    pub acts: u64,
    /// What counted as old, in seconds.
    pub older_than_s: f64,
}

/// `news db start`, `news db stop`
#[derive(Debug, Serialize)]
pub struct Switched {
    /// What was done.
    pub action: Action,
    /// The server's process id: the running one's, or the stopped one's.
    pub pid: Option<i32>,
    /// Where its data is.
    pub data: String,
}

/// What `start` and `stop` found to do.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It ran already.
    RanAlready,
    /// It was started.
    Started,
    /// It was made and started.
    Made,
    /// It was stopped.
    Stopped,
    /// It did not run.
    DidNotRun,
}

/// `news db url`
#[derive(Debug, Serialize)]
pub struct Url {
    /// The whole URL, with its password, if it has one.
    pub url: String,
}
