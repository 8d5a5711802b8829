//! The ledger: what is remembered of an object whose conversation with the target has begun.
//!
//! An object that is in sync with its events has no entry. An entry's presence is a recorded fact and takes
//! precedence over what the events say. In scope: every way in which an entry comes to be, changes and goes, as
//! pure functions; the store reads entries, calls these, and writes what they return.
//!
//! ```text
//!            prepared            recorded: Done, nothing newer
//!  (none) ──────────────▶ sent ─────────────────────────────────▶ (none)
//!     ▲                   │  ▲
//!     │         recorded: │  │ prepared
//!     │             Left  ▼  │
//!     │        waiting · held · parked ──unparked──▶ waiting
//!     │                   │
//!     │        discarded  ▼            a newer event, prepared
//!     └─────────────── discarded ──────────────────────────────▶ sent
//! ```
//!
//! - `kill -9` leaves *sent*. Requests of such an entry may take effect until [`Clock::lost_until`].
//! - An object stays *doubled* until the ledger records it as done: one GET cannot tell how many records are left.
//! - *Parked* holds only while the object's last unsynced event is the one that was refused.

pub mod holds;
mod pending;
mod stranded;
#[cfg(test)]
mod tests;
mod time;

pub use holds::Hold;
pub use pending::{Logged, Pending, Row, goes_along, pending};
pub use stranded::{deletes, stranded};
pub use time::{Clock, Moment, Outstanding, Process, SIGN_OF_LIFE_EVERY};

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::time::Duration;

use crate::merge::{Presence, Wish};
use crate::model::PostId;
use crate::plan::Work;
use crate::session::{Fact, Left, Loaded};

/// An object that failed waits so long under `--every` and `--follow`, doubling from run to run.
pub const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// It waits no longer than this.
pub const AGAIN_AFTER_MAX: Duration = Duration::from_hours(1);

/// The state of a conversation that has begun and not ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// A request may be in flight.
    Sent,
    /// Given up for now: the next run goes on with it.
    Waiting,
    /// Waits for an operator or for a newer event.
    Parked,
    /// Waits for another object.
    Held,
    /// An operator dropped its changes: nothing is pending until a newer event comes.
    Discarded,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] = [State::Sent, State::Waiting, State::Parked, State::Held, State::Discarded];

    /// Returns the word in the database and in reports.
    pub fn word(self) -> &'static str {
        match self {
            State::Sent => "sent",
            State::Waiting => "waiting",
            State::Parked => "parked",
            State::Held => "held",
            State::Discarded => "discarded",
        }
    }

    /// Returns the state that `word` means.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl From<Left> for State {
    fn from(end: Left) -> Self {
        match end {
            Left::Waiting | Left::Unanswered => State::Waiting,
            Left::Held => State::Held,
            Left::Parked => State::Parked,
        }
    }
}

/// What is remembered of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Is it at the target? Of a discarded object, *absent* says that its creation was given up.
    pub presence: Presence,
    /// The state of the conversation.
    pub state: State,
    /// The last event that the conversation is about; 0 where no event is.
    pub event_id: i64,
    /// Of a comment: its post.
    pub parent: Option<PostId>,
    /// Of a comment: the post by which a shard has it.
    pub home: Option<PostId>,
    /// Of a comment: posts under which the target may have it, besides those that its unsynced events name.
    pub there: BTreeSet<PostId>,
    /// The last status, if there was one.
    pub status: Option<u16>,
    /// The last trouble, in a line; empty where there was none.
    pub reason: String,
    /// Failed runs in a row.
    pub failures: u32,
    /// Loops do not try it before.
    pub next_try_at: Option<Moment>,
    /// Until then an earlier request of it may take effect.
    pub settled_at: Option<Moment>,
    /// When the conversation began.
    pub since: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

impl Entry {
    fn begun(presence: Presence, state: State, mark: &Mark, now: Moment) -> Self {
        Self {
            presence,
            state,
            event_id: mark.last_id,
            parent: mark.parent,
            home: mark.home,
            there: mark.seen.into_iter().collect(),
            status: None,
            reason: String::new(),
            failures: 0,
            next_try_at: None,
            settled_at: None,
            since: now,
            updated_at: now,
        }
    }

    /// Returns its unanswered requests.
    pub fn outstanding(&self) -> Outstanding {
        Outstanding { settled_at: self.settled_at, is_sent: self.state == State::Sent }
    }

    /// Says whether the object's creation was given up: it is not at the target, and no newer change was tried.
    pub fn is_given_up(&self) -> bool {
        self.state == State::Discarded && self.presence == Presence::Absent
    }

    /// Returns the state that holds while `last_id` is the object's last unsynced event, if it has one: a newer event
    /// un-parks its object.
    pub fn stands(&self, last_id: Option<i64>) -> State {
        match self.state {
            State::Parked if last_id.is_some_and(|last_id| last_id > self.event_id) => State::Waiting,
            State::Sent | State::Waiting | State::Parked | State::Held | State::Discarded => self.state,
        }
    }
}

/// How much of an object's events a run has read, and what its plan rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The first. Exactly the unsynced events from it to the last are marked as synced: a sequence that somebody restarted
    /// gives later events lower ids.
    pub first_id: i64,
    /// The last; 0: there is none.
    pub last_id: i64,
    /// How many there are.
    pub events: u64,
    /// Of a comment: its post.
    pub parent: Option<PostId>,
    /// Of a comment: the post by which a shard has it.
    pub home: Option<PostId>,
    /// Of a comment in a plan that rests on a look: the post under which the target has it.
    pub seen: Option<PostId>,
    /// What the plan rests on.
    pub basis: Basis,
}

impl Mark {
    /// Returns the mark of an object without events, in a plan that rests on a look; `parent` is a comment's post.
    pub fn looked_at(parent: Option<PostId>) -> Self {
        Self { first_id: 0, last_id: 0, events: 0, parent, home: parent, seen: None, basis: Basis::Look }
    }
}

/// What a plan rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The object's events: a newer one continues from their net effect.
    Log,
    /// A look at both sides, which may have seen more than the events that were read: what a newer event says
    /// of the time before it may be over. The next run asks.
    Look,
}

/// What the master has of an object when its request is prepared. Rows are read first, then events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterRow {
    /// The row.
    pub row: FoundRow,
    /// Is there an unsynced event besides those of the mark? Needed only where the row contradicts the plan.
    pub is_newer: bool,
    /// Has an operator stopped its sync since it was planned?
    pub is_on_hold: bool,
}

/// A row, as far as preparing looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundRow {
    /// There is none.
    None,
    /// There is one.
    Some {
        /// Of a comment: its post.
        parent: Option<PostId>,
    },
    /// There is one with a value that cannot be sent: why.
    Unreadable(String),
}

/// What preparing an object leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What the session is told.
    pub loaded: Loaded,
    /// The entry to commit before any request; `None`: what is remembered stays.
    pub entry: Option<Entry>,
}

/// Before a request of `work` is sent. `old` is its entry; `now` the database's clock.
///
/// Nothing is sent for an object on hold, and nothing is recorded. Where the row contradicts the plan nothing is sent either. Then nothing is recorded either, but for a plan that rests
/// on a look: no event tells what was seen then.
pub fn prepare(work: &Work, mark: &Mark, old: Option<&Entry>, found: &MasterRow, now: Moment) -> Prepared {
    if found.is_on_hold {
        return Prepared { loaded: Loaded::OnHold, entry: None };
    }
    // Several records are deleted until none is left, whatever becomes of the next request.
    let presence = if work.before == Presence::Doubled { Presence::Doubled } else { Presence::Unknown };
    let is_as_planned = match (&found.row, work.after) {
        // A comment that was moved since would be sent to a post that may not be at the target.
        (FoundRow::Some { parent }, Wish::Present) => *parent == work.parent,
        (FoundRow::Unreadable(_), Wish::Present) | (FoundRow::None, Wish::Absent) => true,
        (FoundRow::None, Wish::Present) | (FoundRow::Some { .. } | FoundRow::Unreadable(_), Wish::Absent) => false,
    };
    if !is_as_planned {
        let entry = (mark.basis == Basis::Look).then(|| match old {
            Some(old) => Entry { presence, ..old.clone() },
            None => Entry::begun(presence, State::Waiting, mark, now),
        });
        return Prepared { loaded: if found.is_newer { Loaded::Overtaken } else { Loaded::Contradicted }, entry };
    }
    let loaded = match &found.row {
        FoundRow::Unreadable(why) => Loaded::Unreadable(why.clone()),
        FoundRow::None | FoundRow::Some { .. } => Loaded::Ready,
    };
    let begun = Entry::begun(presence, State::Sent, mark, now);
    let entry = match old {
        None => begun,
        // The conversation that is given up is over; what it sent may still be on its way.
        Some(old) if old.state == State::Discarded => {
            Entry { there: still_there(old, mark), settled_at: old.settled_at, ..begun }
        }
        Some(old) => Entry {
            failures: if old.event_id == mark.last_id { old.failures } else { 0 },
            since: old.since,
            home: old.home,
            there: still_there(old, mark),
            settled_at: old.settled_at,
            ..begun
        },
    };
    Prepared { loaded, entry: Some(entry) }
}

/// Returns the posts under which the target may have a comment after a request for it was sent, besides those that its events
/// name. A look is newer than what was remembered.
fn still_there(old: &Entry, mark: &Mark) -> BTreeSet<PostId> {
    mark.seen.map_or_else(|| old.there.clone(), |seen| BTreeSet::from([seen]))
}

/// The comments of a post that is about to be cleared may go with it: whoever comes next asks for them. `post` is the
/// comment's.
pub fn uprooted(old: Option<&Entry>, post: PostId, now: Moment) -> Entry {
    match old {
        None => Entry::begun(Presence::Unknown, State::Waiting, &Mark::looked_at(Some(post)), now),
        Some(old) if old.presence == Presence::Doubled => old.clone(),
        Some(old) => Entry { presence: Presence::Unknown, ..old.clone() },
    }
}

/// After an answer: returns the entry that remains, or `None` where the object is in sync. `is_newer`: there is an unsynced
/// event besides those of the mark. `now` is the database's clock.
pub fn recorded(fact: &Fact, mark: &Mark, old: Option<&Entry>, is_newer: Newer, now: Moment) -> Option<Entry> {
    let (presence, end, status, why, settles_in) = match fact {
        Fact::Done(..) if mark.basis == Basis::Look && is_newer == Newer::Some => {
            return Some(Entry::begun(Presence::Unknown, State::Waiting, mark, now));
        }
        Fact::Done(..) => return None,
        Fact::Left { presence, end, status, why, settles_in, .. } => (*presence, *end, *status, why, *settles_in),
    };
    let begun = Entry::begun(presence, end.into(), mark, now);
    let before = old.map_or(0, |old| old.failures);
    // An object that a stop left between two tries, or that waits for another one, has not failed.
    let has_failed = !why.is_empty() && end != Left::Held;
    let settled_at = (!settles_in.is_zero()).then(|| now + settles_in);
    let next_try_at = match (end, settled_at) {
        _ if !has_failed => None,
        (Left::Held | Left::Parked, _) => None,
        // It may have done what was asked: the first time, that is no failure yet.
        (Left::Unanswered, Some(settled_at)) if before == 0 => Some(settled_at),
        (Left::Waiting | Left::Unanswered, _) => Some((now + back_off(before)).max(settled_at.unwrap_or(now))),
    };
    Some(Entry {
        status,
        reason: why.clone(),
        failures: before + u32::from(has_failed),
        next_try_at,
        settled_at,
        home: old.and_then(|old| old.home).or(begun.home),
        there: old.map_or_else(|| begun.there.clone(), |old| still_there(old, mark)),
        since: old.map_or(now, |old| old.since),
        ..begun
    })
}

/// Is there an unsynced event besides those of a mark?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// It does.
    Some,
    /// It does not, or that does not matter.
    None,
}

/// Returns how long an object waits from run to run that failed in `failures` runs before this one.
fn back_off(failures: u32) -> Duration {
    AGAIN_AFTER.saturating_mul(1 << failures.min(16)).min(AGAIN_AFTER_MAX)
}

/// Takes back that an object waits from run to run: the target was unavailable, which says nothing about the object.
pub fn forgiven(entry: &Entry) -> Entry {
    match entry.state {
        State::Waiting if entry.next_try_at.is_some() => {
            Entry { next_try_at: None, failures: entry.failures.saturating_sub(1), ..entry.clone() }
        }
        State::Sent | State::Waiting | State::Parked | State::Held | State::Discarded => entry.clone(),
    }
}

/// An operator lets a parked object be tried again. `None`: it is not parked.
pub fn unparked(entry: &Entry) -> Option<Entry> {
    (entry.state == State::Parked).then(|| Entry { state: State::Waiting, ..entry.clone() })
}

/// An operator drops the object's changes, of which `before` was known. The target has it or not, whatever the log says from
/// now on: the next change asks, or clears, once what is in flight has had its effect. `there` are the posts under which the target
/// may have it, of a comment ([`Pending::places`]).
pub fn discarded(old: Option<&Entry>, before: Presence, there: BTreeSet<PostId>, clock: &Clock) -> Entry {
    let presence = match before {
        Presence::Doubled => Presence::Doubled,
        Presence::Absent => Presence::Absent,
        // Nothing was sent since.
        Presence::Unknown if old.is_some_and(Entry::is_given_up) => Presence::Absent,
        Presence::Present | Presence::Unknown => Presence::Unknown,
    };
    let begun = Entry { there, ..Entry::begun(presence, State::Discarded, &Mark::looked_at(None), clock.now) };
    match old {
        None => begun,
        Some(old) => Entry {
            event_id: old.event_id,
            parent: old.parent,
            home: old.home,
            // Its state no longer says that a request may be in flight.
            settled_at: Some(clock.now + clock.until_settled(&old.outstanding())).filter(|at| *at > clock.now),
            since: old.since,
            ..begun
        },
    }
}
