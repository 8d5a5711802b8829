//! What `news status`, `runs`, `parked`, `retry`, `discard` and `import` report.

use news_core::Key;
use serde::Serialize;

use crate::report::holds::{HoldRow, utc};
use crate::report::others::OthersRow;
use crate::report::sync::{Actions, ByEntity};
use crate::report::verdict::Verdict;
use crate::store::decisions::Discarded;
use crate::store::history::FailedFull;
use crate::store::run_rows::RunRow;

/// `news status`
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// How the sync goes, in a sentence.
    pub verdict: Verdict,
    /// The target that the database follows.
    pub target: Option<String>,
    /// Objects with unsynced changes.
    pub pending: u64,
    /// Events of these.
    pub events: u64,
    /// Of these, objects whose request a run at work has sent.
    pub in_flight: u64,
    /// Age of the oldest change that is not parked, held, on hold or in flight, in seconds.
    pub oldest_s: Option<f64>,
    /// Since when it waits.
    pub oldest_at: Option<String>,
    /// What the next run would do.
    pub plan: ByEntity<Actions>,
    /// The limit that would refuse the next run, and by how much its plan exceeds it.
    pub over_limit: Option<String>,
    /// Objects that wait for an operator.
    pub parked: u64,
    /// Objects that wait for another one.
    pub held: u64,
    /// Objects that failed in an earlier run, and that the next one tries again.
    pub waiting: u64,
    /// Objects on hold that have something pending.
    pub on_hold: u64,
    /// The first of these, by key.
    pub holds: Vec<HoldRow>,
    /// Who holds the lock.
    pub lock: Option<String>,
    /// The last run of each kind that did all it was to do.
    pub last_done: Vec<RunRow>,
    /// The last run.
    pub last_run: Option<RunRow>,
    /// How the last full sync failed, where none has succeeded since.
    pub failed_full: Option<FullRow>,
    /// The schema's version.
    pub schema: i32,
    /// Why changes are not tracked; empty where all are.
    pub tracking: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Objects that the last run failed to send and did not park.
    #[serde(skip)]
    pub failed: u64,
}

/// Full syncs that fail.
#[derive(Debug, Serialize)]
pub struct FullRow {
    /// When the first of those in a row began that failed.
    pub since: String,
    /// The exit code of the last one.
    pub exit_code: Option<u8>,
    /// Why it failed.
    pub first_error: Option<String>,
}

impl From<&FailedFull> for FullRow {
    fn from(failed: &FailedFull) -> Self {
        let FailedFull { exit_code, since, why } = failed;
        Self { since: utc((*since).into()), exit_code: *exit_code, first_error: why.clone() }
    }
}

/// `news parked`
#[derive(Debug, Serialize)]
pub struct ParkedReport {
    /// Parked objects first, then those that wait, then those on hold.
    pub objects: Vec<ParkedRow>,
    /// Objects beyond these.
    pub more: u64,
}

/// An object that a run left.
#[derive(Debug, Serialize)]
pub struct ParkedRow {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// on_hold, parked, held, waiting, sent.
    pub state: &'static str,
    /// The target's last status.
    pub status: Option<u16>,
    /// What it said.
    pub reason: Option<String>,
    /// Runs that left it, in a row.
    pub failures: u32,
    /// Since when, in seconds.
    pub since_s: f64,
    /// The same as a time.
    pub since: String,
    /// The id of its last unsynced event; 0 where there is none.
    pub event_id: i64,
    /// Of a held object: those that have to come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The group of objects with the same reason that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In how many seconds `--every` and `--follow` try it again. A plain run does at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_s: Option<f64>,
    /// Of an object on hold: the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Objects that runs leave, grouped by what the target said.
#[derive(Debug, Default, Serialize)]
pub struct GroupsReport {
    /// The largest first.
    pub groups: Vec<GroupRow>,
    /// Groups beyond these, and objects that were not looked at.
    pub more: u64,
}

/// Objects with the same reason.
#[derive(Debug, Clone, Serialize)]
pub struct GroupRow {
    /// Names the group.
    pub id: String,
    /// posts, comments.
    pub entity: &'static str,
    /// parked, waiting.
    pub state: &'static str,
    /// The target's status.
    pub status: Option<u16>,
    /// What it said of the one that was recorded last.
    pub said: String,
    /// How many objects.
    pub count: u64,
    /// Objects that are held behind them.
    pub behind: u64,
    /// Since when the first of them is left.
    pub since: String,
    /// The first of them.
    pub first: Vec<String>,
}

/// `news retry`, `news discard`, `news hold`, `news release`
#[derive(Debug, Default, Serialize)]
pub struct KeysReport {
    /// retried, discarded, on_hold, released.
    pub what: &'static str,
    /// posts/5, comments/7.
    pub keys: Vec<String>,
    /// Comments that were given up with them: their posts will not be created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<String>,
    /// Events that were given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Objects that were on hold already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub already: Vec<HoldRow>,
    /// Objects that were put on hold while a request of theirs was in flight, or may still take effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<String>,
    /// Objects that were put on hold and that the master does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_here: Vec<String>,
}

impl KeysReport {
    /// Describes changes that were given up.
    pub fn discarded(discarded: &Discarded) -> Self {
        let Discarded { named, along, events } = discarded;
        Self { what: "discarded", keys: words(named), along: words(along), events: Some(*events), ..Self::default() }
    }
}

/// Returns keys as they are written.
pub fn words<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Vec<String> {
    keys.into_iter().map(ToString::to_string).collect()
}

/// `news import`
#[derive(Debug, Default, Serialize)]
pub struct ImportReport {
    /// Where from.
    pub source: String,
    /// Posts loaded.
    pub posts: u64,
    /// Comments loaded.
    pub comments: u64,
    /// Unsynced events of earlier rows, marked as synced: what was loaded supersedes them.
    #[serde(skip_serializing_if = "crate::report::sync::is_zero")]
    pub superseded: u64,
    /// With `--adopt`: records that got a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adopted>,
    /// With `--skip-invalid`: what was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// Fields that are not ours, by entity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_fields: Vec<OthersRow>,
}

/// Records of the target that got a key of ours; with `--dry-run`, those that would.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Adopted {
    /// Posts.
    pub posts: u64,
    /// Comments.
    pub comments: u64,
    /// Records that cannot be objects of ours, and get none.
    pub left: u64,
    /// Nothing was written.
    pub dry_run: bool,
}

/// What an import left out.
#[derive(Debug, Default, Serialize)]
pub struct Skipped {
    /// Posts.
    pub posts: u64,
    /// Comments.
    pub comments: u64,
    /// Why: the first 1,000 faults.
    pub faults: Vec<FieldFault>,
    /// Faults that are not listed.
    pub more: u64,
}

/// What is wrong with one field of an object.
#[derive(Debug, Serialize)]
pub struct FieldFault {
    /// posts, comments.
    pub entity: &'static str,
    /// The id, if it has one that can be read.
    pub id: Option<i64>,
    /// Its place in the listing, from 1.
    pub element: u64,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for FieldFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { entity, id, element, field, why } = self;
        match id {
            Some(id) => write!(f, "{entity}/{id}: {field}: {why}"),
            None => write!(f, "{entity}, element {element}: {field}: {why}"),
        }
    }
}
