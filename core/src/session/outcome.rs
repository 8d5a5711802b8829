//! What a run came to, and why it stopped.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use crate::merge::Action;
use crate::model::{Entity, Key};
use crate::phrase::count;
use crate::plan::Tally;
use crate::reply::Method;
use crate::session::pace::Exhausted;

/// Why a run stopped before its plan was through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// 401, or 403 for everything.
    #[error("the target refused our credentials ({0})")]
    Credentials(String),
    /// A 3xx.
    #[error("the target answered {0}: the base URL is not where the API is")]
    Redirected(String),
    /// No use any more.
    #[error("the target is unavailable: {}", describe(.0, .1))]
    Unavailable(Exhausted, String),
    /// 404 from something that refuses to list.
    #[error("the target does not look like our API: {0}")]
    WrongBase(String),
    /// Its listing is something else: a page of HTML, say.
    #[error("the target does not look like our API: {0}")]
    NotOurs(String),
    /// Its listing and the objects' own addresses do not agree.
    #[error("the target lists {0}, and has none of them at their own addresses")]
    Contradicts(String),
    /// The listing could not be had.
    #[error("the target is unavailable: {0}")]
    NoListing(String),
    /// What was created was found under another id.
    #[error("the target assigns its own ids ({key} became {named}): it cannot be kept in step")]
    OwnIds {
        /// What was sent.
        key: Key,
        /// The target's id for it.
        named: String,
        /// Whether the stray was deleted again.
        removed: Removed,
    },
    /// What was created cannot be found by its key.
    #[error("{key} became {named} at the target, and is not found there by its key: it cannot be kept in sync")]
    KeyLost {
        /// What was sent.
        key: Key,
        /// The target's id for it.
        named: String,
        /// Whether the stray was deleted again.
        removed: Removed,
    },
    /// Asked for one key, it shows others.
    #[error("the target does not search the key of the profile: {0}")]
    Unfiltered(String),
    /// Many creates, and what is to be created is there with other content.
    #[error("{key} is at the target already, with other content, and {creates} {} are to be created", .key.entity())]
    Strangers {
        /// One that is there.
        key: Key,
        /// Creates of its entity in the plan.
        creates: u64,
    },
    /// What is to be created is there. Nothing was written: remember that every event logged until now is doubtful, plan anew, and
    /// ask for each ([`Asks::Each`]).
    #[error("{0} is at the target already, though the log says that it was created since")]
    Doubted(Key),
    /// It refuses everything.
    #[error("the target refuses {what}: {why}")]
    Refusing {
        /// What it refuses.
        what: String,
        /// What it says.
        why: String,
    },
    /// The operator or the driver said so.
    #[error("stopped")]
    Asked,
}

impl Stop {
    /// Returns what became of the stray, where the run stopped since the target stored an object that it cannot be asked for.
    pub fn stray(&self) -> Option<Removed> {
        match self {
            Stop::OwnIds { removed, .. } | Stop::KeyLost { removed, .. } => Some(*removed),
            Stop::Credentials(_)
            | Stop::Redirected(_)
            | Stop::Unavailable(..)
            | Stop::WrongBase(_)
            | Stop::NotOurs(_)
            | Stop::Contradicts(_)
            | Stop::NoListing(_)
            | Stop::Unfiltered(_)
            | Stop::Strangers { .. }
            | Stop::Doubted(_)
            | Stop::Refusing { .. }
            | Stop::Asked => None,
        }
    }
}

/// What became of an object that a target stored under an id of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It was deleted again.
    Yes,
    /// It is still there.
    No,
}

fn describe(exhausted: &Exhausted, why: &str) -> String {
    match exhausted {
        Exhausted::Streak(n) => alloc::format!("{} in a row, the last: {why}", count((*n).into(), "failure")),
        Exhausted::Retries(n) => {
            alloc::format!("{}, more than this run may make; the last failure: {why}", count(*n, "retry"))
        }
        Exhausted::Throttled(time) => alloc::format!("it asks us to wait {} s in all ({why})", time.as_secs()),
    }
}

/// Objects that a run will not send, known before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Untried {
    /// Objects that are parked, or that the run parks without a request.
    pub parked: BTreeSet<Key>,
    /// Objects that wait for another object, with what they wait for.
    pub held: BTreeMap<Key, String>,
    /// Objects that a loop leaves to a later run.
    pub waiting: BTreeSet<Key>,
    /// Objects whose sync an operator has stopped.
    pub on_hold: BTreeSet<Key>,
}

impl Untried {
    /// Returns whether this object is one of them.
    pub fn has(&self, key: Key) -> bool {
        [&self.parked, &self.waiting, &self.on_hold].into_iter().any(|keys| keys.contains(&key))
            || self.held.contains_key(&key)
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// What was done, which may be other than was planned; asked: found as it should be.
    pub done: BTreeMap<Entity, Tally>,
    /// Of what was done, objects that the target keeps with other texts than it was sent.
    pub altered: u64,
    /// Objects that the next run goes on with, after trouble.
    pub failed: u64,
    /// Objects parked now.
    pub parked: u64,
    /// Objects parked before this run, and not tried.
    pub parked_before: u64,
    /// Objects that failed in earlier runs, and that this run left to a later one.
    pub waiting: u64,
    /// Objects that wait for another one.
    pub held: u64,
    /// Objects that have something pending, and whose sync an operator has stopped.
    pub on_hold: BTreeSet<Key>,
    /// Objects that a stop left untouched.
    pub untouched: u64,
    /// Objects that a newer change overtook.
    pub overtaken: u64,
    /// Objects whose row is not as the plan says, though no newer change says so: the next run goes on with them.
    pub contradicted: u64,
    /// Requests sent.
    pub requests: u64,
    /// Of these, requests by method: POST, PUT, DELETE, GET.
    pub methods: BTreeMap<Method, u64>,
    /// Attempts spent on trouble.
    pub retries: u64,
    /// Time the target made us wait.
    pub throttled: Duration,
    /// The log was checked against the target, as far as creates called for it: what it says of other objects may be recorded.
    pub is_log_trusted: bool,
    /// The first object that was not sent, and why, in a line.
    pub first_error: Option<String>,
    /// The first object whose trouble a retry overcame, and the trouble, in a line.
    pub overcome: Option<String>,
    /// Objects that the plan deletes and the target did not know.
    pub vanished: Vanished,
    /// Why it stopped early, if it did.
    pub stop: Option<Stop>,
}

/// Objects whose first request was a DELETE that was answered with 404 or 410. In a full sync they were listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vanished {
    /// How many.
    pub count: u64,
    /// One of them.
    pub first: Option<Key>,
}

impl Summary {
    /// Counts the objects that the run left to a later run, or to an operator. A newer change, which overtakes an object, is
    /// no trouble, and neither is a stop.
    pub fn left(&self) -> u64 {
        let counted = self.failed + self.parked + self.parked_before + self.waiting + self.held + self.contradicted;
        counted + self.on_hold.len() as u64
    }

    /// Counts an object that is done.
    pub(super) fn count_done(&mut self, entity: Entity, action: Action) {
        self.done.entry(entity).or_default().add(action);
    }
}
