//! All that the database knows of one object.

use news_core::Key;
use news_core::groups::LeftObject;
use news_core::ledger::State;
use news_core::merge::{Action, Presence, action};
use postgres::Client;
use serde::Serialize;

use crate::error::Result;
use crate::report::holds::utc;
use crate::report::show::{RunActivity, ShowReport};
use crate::store::ledger::stamp;
use crate::store::{about, lock};
use crate::times::Times;

/// `news show --offline`, and what acts on the object need to name.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    /// posts/5, comments/7.
    pub key: String,
    /// The id of its last unsynced event; 0 where there is none. An act names it, so that it is refused if another change came.
    pub event_id: i64,
    /// Whether the target has it: absent, present, unknown, doubled.
    pub presence: &'static str,
    /// What is pending.
    pub pending: Option<PendingRow>,
    /// Why runs leave it.
    pub standing: Option<StandingRow>,
    /// The rest.
    #[serde(flatten)]
    pub show: ShowReport,
}

/// What is pending of an object.
#[derive(Debug, Serialize)]
pub struct PendingRow {
    /// create, update, delete, ask, renew, nothing.
    pub action: &'static str,
    /// The id of the first event; 0 where there is none.
    pub first: i64,
    /// The id of the last one.
    pub last: i64,
    /// How many there are.
    pub events: u64,
}

/// Why runs leave an object.
#[derive(Debug, Serialize)]
pub struct StandingRow {
    /// parked, waiting.
    pub state: &'static str,
    /// The target's last status.
    pub status: Option<u16>,
    /// What it said.
    pub reason: String,
    /// Its group among the objects that runs leave.
    pub group: String,
    /// Runs that left it, in a row.
    pub failures: u32,
    /// Since when.
    pub since: String,
    /// When `--every` and `--follow` try it again. A plain run does at once.
    pub next_try_at: Option<String>,
}

/// Describes an object; `None`: nothing is known of it.
pub fn describe(client: &mut Client, key: Key, times: Times) -> Result<Option<ObjectReport>> {
    let about = about::read(client, key, times)?;
    if !about.is_known(key) {
        return Ok(None);
    }
    let runs = if lock::holders(client)?.is_empty() { RunActivity::None } else { RunActivity::AtWork };
    let own = about.family.iter().find(|one| one.key == key);
    let entry = about.entries.get(&key);
    let presence = match (own, entry, &about.row) {
        (Some(own), _, _) => own.before,
        (None, Some(entry), _) => entry.presence,
        (None, None, Some(_)) => Presence::Present,
        (None, None, None) => Presence::Absent,
    };
    let pending = own.map(|own| PendingRow {
        action: word(action(own.before, own.after)),
        first: own.first_id,
        last: own.last_id,
        events: own.events,
    });
    let left = entry.filter(|entry| matches!(entry.state, State::Parked | State::Waiting) && !entry.reason.is_empty());
    let standing = left.filter(|_| own.is_some()).map(|entry| StandingRow {
        state: entry.state.word(),
        status: entry.status,
        reason: entry.reason.clone(),
        group: LeftObject::of(key, entry).group().to_string(),
        failures: entry.failures,
        since: utc(stamp(entry.since)),
        next_try_at: entry.next_try_at.map(|at| utc(stamp(at))),
    });
    Ok(Some(ObjectReport {
        key: key.to_string(),
        event_id: own.map_or(0, |own| own.last_id),
        presence: presence.word(),
        pending,
        standing,
        show: ShowReport::new(key, about, runs, None),
    }))
}

/// Returns the word of an action in reports.
pub fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Ask => "ask",
        Action::Renew => "renew",
        Action::Nothing => "nothing",
    }
}
