//! What commands return: plain data, ready for JSON, that knows nothing of screens.

pub mod config;
pub mod db;
pub mod diff;
pub mod doctor;
pub mod holds;
pub mod log;
pub mod metrics;
pub mod others;
pub mod phrase;
pub mod runs;
pub mod show;
pub mod status;
pub mod sync;
pub mod token;
pub mod user;
pub mod verdict;

use serde::Serialize;

/// A command's report. In JSON it is its content alone: the command says which it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// `news doctor`
    Doctor(doctor::DoctorReport),
    /// `news config`
    Config(config::ConfigReport),
    /// `news db migrate`
    DbMigrated(db::Migrated),
    /// `news db status`
    DbStatus(db::DbReport),
    /// `news db start`, `news db stop`
    DbSwitched(db::Switched),
    /// `news db url`
    DbUrl(db::Url),
    /// `news db prune`
    DbPruned(db::Pruned),
    /// `news sync --dry-run`
    Plan(sync::PlanReport),
    /// `news sync`
    Sync(Box<sync::SyncReport>),
    /// `news diff`
    Diff(diff::DiffReport),
    /// `news status`
    Status(Box<status::StatusReport>),
    /// `news show`
    Show(Box<show::ShowReport>),
    /// `news runs`
    Runs(runs::RunsReport),
    /// `news runs ID`
    Run(Box<runs::RunReport>),
    /// `news acts`
    Acts(crate::store::acts::ListedActs),
    /// `news log`
    Log(log::LogReport),
    /// `news log --follow`: some of its events, a line each
    LogRows(Vec<log::LogRow>),
    /// `news parked`
    Parked(status::ParkedReport),
    /// `news retry`, `news discard`, `news hold`, `news release`
    Keys(status::KeysReport),
    /// `news import`
    Import(status::ImportReport),
    /// `news token`
    Token(token::TokenReport),
    /// `news user add|passwd|staff|remove`
    UserChange(user::UserChange),
    /// `news user list`
    Users(user::Users),
}
