//! What `news show` reports: one object, everything that is known of it.

use std::time::SystemTime;

use crate::report::phrase::count;
use news_core::Key;
use news_core::ledger::{Moment, Pending, State};
use news_core::merge::{Action, EventType, Presence};
use news_core::model::Value;
use news_core::prospect::{NextRun, Prospect};
use serde::Serialize;

use crate::report::diff::{DifferenceRow, FieldRow};
use crate::report::holds::{HoldRow, utc};
use crate::store::about::{About, Event, PastAct, SentByRun};

/// Keys that are named of the objects that wait for this one, and of those that it waits for.
const KEYS_NAMED: usize = 100;

/// `news show`
#[derive(Debug, Serialize)]
pub struct ShowReport {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// in_sync, pending, in_flight, waiting, parked, held, on_hold, not_here.
    pub state: &'static str,
    /// The state, why it is so, and what the next run does, in words.
    pub sentence: String,
    /// What the next run does: create, update, delete, ask, renew, mark, nothing.
    pub next: &'static str,
    /// The master's row; `None`: there is none.
    pub row: Option<Vec<RowField>>,
    /// Why the row cannot be sent.
    pub row_fault: Option<String>,
    /// Unsynced events.
    pub events_total: u64,
    /// The last of them, newest first.
    pub events: Vec<Event>,
    /// What the last runs came to, newest first.
    pub sent: Vec<SentByRun>,
    /// The target's last response to a run.
    pub last_answer: Option<AnswerRow>,
    /// What people did, newest first.
    pub acts: Vec<PastAct>,
    /// Its hold.
    pub hold: Option<HoldRow>,
    /// Objects that have to come first: `posts/5`.
    pub waits_for: Vec<String>,
    /// Objects that are held behind this one.
    pub holds_back: Vec<String>,
    /// Why an import left out the target's object of this id.
    pub left_out: Option<String>,
    /// The target now; `None` with `--offline`.
    pub target: Option<TargetNow>,
}

/// A field of the row.
#[derive(Debug, Serialize)]
pub struct RowField {
    /// Its name at the target.
    pub field: &'static str,
    /// Its value.
    pub value: String,
}

/// The target's last response.
#[derive(Debug, Serialize)]
pub struct AnswerRow {
    /// The run's id.
    pub run: i64,
    /// The request's method.
    pub method: Option<String>,
    /// The status.
    pub status: Option<i32>,
    /// When the request was sent, or else when the response was recorded.
    pub at: Option<String>,
    /// How long the target took, in milliseconds.
    pub ms: Option<i32>,
    /// The start of the body; kept only of an object that is not done.
    pub body: Option<String>,
}

/// The target, asked for the object.
#[derive(Debug, Default, Serialize)]
pub struct TargetNow {
    /// Its URL.
    pub url: Option<String>,
    /// Why it could not be asked.
    pub error: Option<String>,
    /// The response's status.
    pub status: Option<u16>,
    /// How long the target took, in milliseconds.
    pub ms: Option<i32>,
    /// Whether it has the object.
    pub there: Option<bool>,
    /// The difference; `None`: equal, or unknown.
    pub difference: Option<DifferenceRow>,
    /// Fields that the target has altered; the object is then equal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<FieldRow>,
}

/// Whether a run is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunActivity {
    /// One is.
    AtWork,
    /// None is.
    None,
}

impl ShowReport {
    /// Describes what is known of the object of this `key`.
    pub fn new(key: Key, about: About, runs: RunActivity, target: Option<TargetNow>) -> Self {
        let prospect = Prospect::of(key, &about.entries, &about.family);
        let own = about.family.iter().find(|one| one.key == key);
        let differs = target.as_ref().is_some_and(|target| target.difference.is_some());
        let state = match state(&about, own, &prospect, runs) {
            "in_sync" if differs => "drift",
            state => state,
        };
        let sentence = sentence(key, &about, own, &prospect, state);
        let (row, row_fault) = match about.row {
            None => (None, None),
            Some(Err(why)) => (None, Some(why)),
            Some(Ok(object)) => {
                let value = |value: Value<'_>| match value {
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => text.to_owned(),
                };
                let fields = object.fields().map(|(field, it)| RowField { field, value: value(it) });
                (Some(fields.collect()), None)
            }
        };
        let status = about.entries.get(&key).and_then(|entry| entry.status).map(i32::from);
        let kept = about.answer.map(|answer| AnswerRow {
            run: answer.run,
            method: Some(answer.method),
            status,
            at: answer.at.map(utc),
            ms: answer.ms,
            body: answer.body,
        });
        let last = about.sent.iter().find(|one| one.method.is_some()).map(|one| AnswerRow {
            run: one.run,
            method: one.method.clone(),
            status: one.status,
            at: Some(one.at.clone()),
            ms: one.ms,
            body: None,
        });
        Self {
            entity: key.entity().plural(),
            id: key.id(),
            state,
            sentence,
            next: next_word(prospect.next),
            row,
            row_fault,
            events_total: own.map_or(0, |own| own.events),
            events: about.events,
            last_answer: kept.or(last),
            sent: about.sent,
            acts: about.acts,
            hold: about.hold.map(|hold| HoldRow::new(key, &hold)),
            waits_for: named(&prospect.waits_for),
            holds_back: named(&prospect.holds),
            left_out: about.left_out,
            target,
        }
    }
}

fn named(keys: &[Key]) -> Vec<String> {
    keys.iter().take(KEYS_NAMED).map(ToString::to_string).collect()
}

fn next_word(next: NextRun) -> &'static str {
    match next {
        NextRun::Sends(Action::Create) => "create",
        NextRun::Sends(Action::Update) => "update",
        NextRun::Sends(Action::Delete) => "delete",
        NextRun::Sends(Action::Ask) => "ask",
        NextRun::Sends(Action::Renew) => "renew",
        NextRun::Marks => "mark",
        NextRun::Sends(Action::Nothing)
        | NextRun::Nothing
        | NextRun::LeavesParked
        | NextRun::LeavesOnHold
        | NextRun::Holds => "nothing",
    }
}

fn state(about: &About, own: Option<&Pending>, prospect: &Prospect, runs: RunActivity) -> &'static str {
    let entry = own.and_then(|own| about.entries.get(&own.key));
    match prospect.next {
        _ if about.hold.is_some() => "on_hold",
        NextRun::LeavesOnHold => "on_hold",
        NextRun::Nothing if about.row.is_some() => "in_sync",
        NextRun::Nothing => "not_here",
        NextRun::LeavesParked => "parked",
        _ if entry.is_some_and(|entry| entry.state == State::Sent) && runs == RunActivity::AtWork => "in_flight",
        NextRun::Holds => "held",
        NextRun::Marks | NextRun::Sends(_) => {
            // Of a comment that was deleted with its old post, after its own change was dropped, the reason says so.
            let is_stranded = own.is_some_and(|own| own.events == 0) && entry.is_some_and(|entry| entry.failures == 0);
            let has_failed = entry.is_some_and(|entry| entry.state == State::Waiting && !entry.reason.is_empty());
            let has_failed = has_failed && !is_stranded;
            if has_failed { "waiting" } else { "pending" }
        }
    }
}

/// The state, why it is so, and what the next run does.
fn sentence(key: Key, about: &About, own: Option<&Pending>, prospect: &Prospect, state: &str) -> String {
    let reason = about.entries.get(&key).map_or("", |entry| entry.reason.as_str());
    let failures = about.entries.get(&key).map_or(0, |entry| entry.failures);
    let changes = own.map_or_else(String::new, |own| match own.events {
        0 if failures == 0 && !reason.is_empty() => reason.to_owned(),
        0 => String::from("a full sync has begun with it and not ended"),
        1 => format!("1 change, since {}", utc(stamp(own.since))),
        n => format!("{}, the first of {}", count(n, "change"), utc(stamp(own.since))),
    });
    let next = next_words(prospect.next, own, about);
    let lost = match about.lost_run {
        Some(run) => format!("; run {run} was lost before it recorded the answer"),
        None => String::new(),
    };
    match (state, &about.hold) {
        (_, Some(hold)) => {
            let words = HoldRow::new(key, hold).words();
            let pending = if own.is_some() { format!("it has {changes}") } else { String::from("nothing is pending") };
            format!("on hold {words}; {pending}. No run sends anything for it until `news release {key}`")
        }
        ("in_sync", _) => String::from("in sync: nothing is pending"),
        ("drift", _) => String::from("nothing is pending, but the target differs: `news sync --full` repairs it"),
        ("not_here", _) => String::from("the master does not have it, and nothing is pending"),
        ("parked", _) => format!(
            "parked: {reason}. No run tries it until `news retry {key}`, `news discard {key}` or its next change"
        ),
        ("in_flight", _) => format!("pending ({changes}): a run at work has prepared its request"),
        ("held", _) => {
            let first = prospect.waits_for.first().map_or_else(|| String::from("another object"), ToString::to_string);
            let more = prospect.waits_for.len().saturating_sub(1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("held ({changes}): it waits for {first}{more}. The next run does not send it before that")
        }
        ("waiting", _) => {
            let after = match failures {
                // The target was unavailable: that is not held against the object.
                0 => String::new(),
                n => format!(" after {}", count(n.into(), "failed run")),
            };
            format!("waiting{after} ({changes}): {reason}. {next}")
        }
        _ => format!("pending: {changes}{lost}. {next}"),
    }
}

fn next_words(next: NextRun, own: Option<&Pending>, about: &About) -> String {
    // The first unsynced event: without it, the target had the object.
    let first = about.events.last().map(|event| event.kind.as_str());
    let why = match own.map(|own| own.before) {
        Some(Presence::Unknown) if about.lost_run.is_some() && first == Some(EventType::Updated.word()) => {
            ", since it is not known whether the target has the newest version"
        }
        Some(Presence::Unknown) => ", since it is not known whether the target has it",
        Some(Presence::Doubled) => ", since the target lists it more than once",
        Some(Presence::Absent | Presence::Present) | None => "",
    };
    let does = match next {
        NextRun::Sends(Action::Create) => "creates it (POST)",
        NextRun::Sends(Action::Update) => "updates it (PUT)",
        NextRun::Sends(Action::Delete) => "deletes it (DELETE)",
        NextRun::Sends(Action::Ask) => "asks the target first (GET)",
        NextRun::Sends(Action::Renew) => "deletes and creates it",
        NextRun::Marks => "sends nothing: its changes cancel each other",
        NextRun::Sends(Action::Nothing)
        | NextRun::Nothing
        | NextRun::LeavesParked
        | NextRun::LeavesOnHold
        | NextRun::Holds => "sends nothing",
    };
    format!("The next run {does}{why}")
}

fn stamp(moment: Moment) -> SystemTime {
    crate::store::ledger::stamp(moment)
}
