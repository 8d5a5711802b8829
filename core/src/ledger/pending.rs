//! Log, row and ledger -> what is pending of an object.

use alloc::collections::BTreeSet;
use core::time::Duration;

use crate::ledger::{AGAIN_AFTER_MAX, Basis, Clock, Entry, Mark, Moment, State};
use crate::merge::{Action, Merged, Presence, Wish};
use crate::model::{Key, PostId};
use crate::plan::{Standing, Work};

/// An object's unsynced events, as a run reads them in id order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Their net effect.
    pub merged: Merged,
    /// Of a comment: the post that the first of them names.
    pub home: Option<PostId>,
    /// Of a comment: the post that it belongs to by the last event after which it is there, else the first one's.
    pub parent: Option<PostId>,
    /// Of a comment: all other posts that they name. Whatever was sent meanwhile, the target has the comment under one of them
    /// all, or not at all.
    pub others: BTreeSet<PostId>,
    /// When the first of them was logged.
    pub since: Moment,
}

impl Logged {
    /// Returns what one event says. Of a comment it names the post, `parent`, and the one that the comment was moved away from
    /// with it, `former`.
    pub fn of(merged: Merged, parent: Option<PostId>, former: Option<PostId>, since: Moment) -> Self {
        let others = former.filter(|former| parent != Some(*former)).into_iter().collect();
        Self { merged, home: parent, parent, others, since }
    }

    /// Adds the next one.
    pub fn add(&mut self, next: Self) {
        self.merged = self.merged.with(next.merged);
        let named = next.home.into_iter().chain(next.others);
        self.others.extend(named.filter(|post| self.home != Some(*post)));
        // It waits for the post that it belongs to by now, not for the one that it was created under.
        if next.merged.change.after == Wish::Present {
            self.parent = next.parent;
        }
    }
}

/// The master's row of an object, as far as planning looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Of a comment: its post.
    pub parent: Option<PostId>,
}

/// An object with unsynced events, or with a conversation that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub key: Key,
    /// Is it at the target?
    pub before: Presence,
    /// Should it be?
    pub after: Wish,
    /// Its unsynced events: how many.
    pub events: u64,
    /// The id of the first of them; 0 where there is none.
    pub first_id: i64,
    /// The id of the last of them; 0 where there is none.
    pub last_id: i64,
    /// Of a comment: its post; where the comment is to go, or where it was.
    pub parent: Option<PostId>,
    /// Of a comment: other posts under which the target has it, if it has it. It was moved away from them, and that is not confirmed.
    pub leaves: BTreeSet<PostId>,
    /// Of a comment: the post by which a shard has it. That of the conversation that has begun, else that of its first
    /// unsynced event.
    pub home: Option<PostId>,
    /// When the first of its events was logged, or its conversation began.
    pub since: Moment,
    /// Does a run try it?
    pub standing: Standing,
    /// Loops let it wait for a time: it failed not long ago, or an earlier request may still take effect.
    pub waits: bool,
    /// The last run held it: it waits for another object.
    pub held: bool,
    /// It failed in an earlier run, and a run tries it again.
    pub is_retry: bool,
    /// A run prepared a request of it then, and has not told since what became of it.
    pub sent_at: Option<Moment>,
    /// How long it takes until its earlier requests have taken effect.
    pub settles_in: Duration,
}

impl Pending {
    /// Returns what a run has to do about it.
    pub fn work(&self) -> Work {
        Work {
            key: self.key,
            parent: self.parent,
            before: self.before,
            after: self.after,
            standing: self.standing,
            settles_in: self.settles_in,
        }
    }

    /// Returns how much of its events was read.
    pub fn mark(&self) -> Mark {
        let basis = if self.events == 0 { Basis::Look } else { Basis::Log };
        Mark {
            first_id: self.first_id,
            last_id: self.last_id,
            events: self.events,
            parent: self.parent,
            home: self.home,
            seen: None,
            basis,
        }
    }

    /// Says whether an earlier request may have deleted it at the target, as was wished.
    pub fn may_be_deleted(&self) -> bool {
        self.after == Wish::Absent && self.before == Presence::Unknown
    }

    /// Returns the posts under which the target may have it, of a comment.
    pub fn places(&self) -> BTreeSet<PostId> {
        let is_there = self.before != Presence::Absent;
        self.leaves.iter().copied().chain(self.parent).filter(|_| is_there).collect()
    }

    /// Says whether nothing is to be sent: its events cancel each other.
    pub fn is_nothing(&self) -> bool {
        self.standing == Standing::Ready && self.work().action() == Action::Nothing
    }
}

/// Returns what is pending of an object, from what one snapshot has of it; `None` where nothing is.
///
/// *before* is the entry's presence where there is an entry, else what the events say. *after* is the row. Where events and
/// row contradict each other, the events say nothing about *before* either.
pub fn pending(
    key: Key,
    logged: Option<&Logged>,
    row: Option<Row>,
    entry: Option<&Entry>,
    clock: &Clock,
) -> Option<Pending> {
    let begun = entry.filter(|entry| entry.state != State::Discarded);
    let after = if row.is_some() { Wish::Present } else { Wish::Absent };
    let before = match (entry, logged) {
        // Whoever gave it up may have created it by hand.
        (Some(entry), Some(_)) if entry.is_given_up() => Presence::Unknown,
        (Some(entry), _) if logged.is_some() || begun.is_some() => entry.presence,
        (None, Some(logged)) if logged.merged.change.after == after => logged.merged.change.presence(),
        (None, Some(_)) => Presence::Unknown,
        (Some(_) | None, _) => return None,
    };
    let last_id = logged.map_or(0, |logged| logged.merged.last_id);
    let is_same = |entry: &Entry| entry.event_id >= last_id;
    let stands = begun.map(|entry| entry.stands(logged.map(|logged| logged.merged.last_id)));
    let settles_in = entry.map_or(Duration::ZERO, |entry| clock.until_settled(&entry.outstanding()));
    let rests = begun.is_some_and(|entry| entry.state == State::Waiting && is_same(entry) && rests(entry, clock));
    let here = row.and_then(|row| row.parent);
    let parent = here.or(logged.and_then(|logged| logged.parent)).or(begun.and_then(|entry| entry.parent));
    let named = logged.into_iter().flat_map(|logged| logged.home.iter().chain(&logged.others));
    let there = named.chain(entry.into_iter().flat_map(|entry| &entry.there)).copied();
    Some(Pending {
        key,
        before,
        after,
        events: logged.map_or(0, |logged| logged.merged.events),
        first_id: logged.map_or(0, |logged| logged.merged.first_id),
        last_id,
        parent,
        leaves: there.filter(|post| parent != Some(*post)).collect(),
        home: begun
            .and_then(|entry| entry.home)
            .or(logged.and_then(|logged| logged.home))
            .or(begun.and_then(|entry| entry.parent))
            .or(here),
        since: match (logged, begun) {
            (Some(logged), _) => logged.since,
            (None, Some(entry)) => entry.since,
            (None, None) => clock.now,
        },
        standing: if stands == Some(State::Parked) { Standing::Parked } else { Standing::Ready },
        // What a clock that was set back since made far away is waited for in the run, or it would be left for ever.
        waits: rests || (!settles_in.is_zero() && settles_in < clock.until_max()),
        // Until it is tried, whatever has changed of it.
        held: begun.is_some_and(|entry| entry.state == State::Held),
        // What a stop left between two tries has no reason: nothing went wrong with it.
        is_retry: stands == Some(State::Waiting) && begun.is_some_and(|entry| !entry.reason.is_empty()),
        sent_at: begun.filter(|entry| entry.state == State::Sent).map(|entry| entry.updated_at),
        settles_in,
    })
}

/// Says whether the time of its next try is still to come. Farther away than any wait, it was set by a clock that has
/// been set back since.
fn rests(entry: &Entry, clock: &Clock) -> bool {
    entry.next_try_at.is_some_and(|at| at > clock.now && at.since(clock.now) <= AGAIN_AFTER_MAX)
}

/// Says whether a comment is given up with its post: it would be sent to a post that is not there. That is known of a post
/// that had to be created; else of the comments that were held for it.
pub fn goes_along(post: Option<&Pending>, comment: &Pending) -> bool {
    let creates = post.is_some_and(|post| post.after == Wish::Present && post.before == Presence::Absent);
    comment.after == Wish::Present && (creates || comment.held)
}
