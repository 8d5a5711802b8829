//! What commands return: plain data, ready for JSON, that knows nothing of screens.

pub mod db;

use serde::Serialize;

/// A command's report. In JSON it is its content alone: the command says which it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// `news db migrate`
    DbMigrated(db::Migrated),
    /// `news db status`
    DbStatus(db::Status),
    /// `news db start`, `news db stop`
    DbSwitched(db::Switched),
}
