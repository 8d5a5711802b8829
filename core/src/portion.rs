//! What is pending -> a run's part of it, and which objects of that the run leaves alone.
//!
//! In scope: whose work is whose, and whose turn it is. Out of scope: what is pending (`ledger`), in which order it is
//! sent (`plan`), what of it can be told before the run (`outlook`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::ledger::{Entry, Mark, Moment, Pending};
use crate::merge::{Presence, Wish};
use crate::model::{Entity, Key, PostId};
use crate::plan::{Plan, Pressure, Standing, Work};
use crate::session::Session;
use crate::shard::Shard;

/// What becomes of objects that wait: that failed in an earlier run, or whose earlier requests may still take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// They are tried, after a wait where that is needed: somebody asked for this run.
    Tries,
    /// They are left to a later run: a loop comes back.
    Leaves,
}

/// A run's part of what is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// What of each object's events was read: the plan's objects.
    pub marks: Vec<(Key, Mark)>,
    /// What is to be done about them.
    pub plan: Plan,
    /// Objects whose events cancel each other: they need a record, no request. They are not in the plan, so that they
    /// cost next to nothing.
    pub nothing: Vec<(Key, Mark)>,
    /// What all pending objects are about to make of the target, those of other shards and those that wait included.
    pub pressure: BTreeMap<Entity, Pressure>,
}

impl Portion {
    /// Says whether a run would prepare nothing, and record nothing.
    pub fn is_idle(&self) -> bool {
        let is_prepared = |work: &Work| work.standing.is_prepared();
        if !self.nothing.is_empty() {
            return false;
        }
        let untried = Session::untried(&self.plan);
        !self.plan.works().iter().any(|work| is_prepared(work) && !untried.held.contains_key(&work.key))
    }
}

/// A run at work. What it has prepared is its business until it tells what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtWork {
    /// Its shard, if the work is shared.
    pub shard: Option<Shard>,
    /// When it began.
    pub since: Moment,
}

impl AtWork {
    fn has_sent(&self, one: &Pending) -> bool {
        let is_its = self.shard.is_none_or(|shard| shard.has(one.key, one.home));
        is_its && one.sent_at.is_some_and(|at| at >= self.since)
    }
}

/// What was seen of all that is pending.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub objects: u64,
    pub events: u64,
    /// Objects whose request a run at work has sent.
    pub in_flight: u64,
    /// When the first of the events was logged that cancel each other.
    pub nothing_since: Option<Moment>,
}

/// Takes what is pending, object by object, in any order.
#[derive(Debug)]
pub struct Gathering {
    shard: Option<Shard>,
    patience: Patience,
    beside: Vec<AtWork>,
    pub(crate) seen: Seen,
    pub(crate) pending: Vec<Pending>,
    nothing: Vec<(Key, Mark)>,
    /// Posts that other shards have yet to create.
    coming: BTreeSet<PostId>,
    /// Posts under which the target may have comments that other shards have yet to delete or to move away.
    places: BTreeSet<PostId>,
    /// Posts whose creation was given up, and of which nothing is pending.
    given_up: BTreeSet<PostId>,
    pressure: BTreeMap<Entity, Pressure>,
}

impl Gathering {
    /// Begins one for a run of `shard`, or of everything.
    pub fn new(shard: Option<Shard>, patience: Patience) -> Self {
        let (coming, places, given_up) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (beside, seen, pressure) = (Vec::new(), Seen::default(), BTreeMap::new());
        let (pending, nothing) = (Vec::new(), Vec::new());
        Self { shard, patience, beside, seen, pending, nothing, coming, places, given_up, pressure }
    }

    /// Leaves alone what these runs have sent: for a look at what is pending while they are at work.
    #[must_use]
    pub fn beside(self, runs: Vec<AtWork>) -> Self {
        Self { beside: runs, ..self }
    }

    /// Takes what is remembered of an object whose changes an operator dropped: before anything that is pending.
    pub fn remember(&mut self, key: Key, entry: &Entry) {
        if let (Key::Post(post), true) = (key, entry.is_given_up()) {
            self.given_up.insert(post);
        }
    }

    /// Takes an object.
    pub fn take(&mut self, one: Pending) {
        self.pressure.entry(one.key.entity()).or_default().add(one.before, one.after);
        if let Key::Post(post) = one.key {
            self.given_up.remove(&post);
        }
        if self.shard.is_none_or(|shard| shard.has(one.key, one.home)) {
            self.seen.objects += 1;
            self.seen.events += one.events;
            if self.beside.iter().any(|run| run.has_sent(&one)) {
                self.seen.in_flight += 1;
            } else if one.is_nothing() {
                self.seen.nothing_since = Some(self.seen.nothing_since.map_or(one.since, |since| since.min(one.since)));
                self.nothing.push((one.key, one.mark()));
            } else {
                self.pending.push(one);
            }
        } else if let (Key::Post(post), true) = (one.key, is_created(&one)) {
            self.coming.insert(post);
        } else if let Key::Comment(_) = one.key {
            // A post on its way out does not take such a comment along.
            let own = one.parent.filter(|_| one.after == Wish::Present);
            self.places.extend(one.places().into_iter().filter(|post| own != Some(*post)));
        }
    }

    /// Returns the run's part.
    pub fn finish(self) -> Portion {
        let mut marks = Vec::with_capacity(self.pending.len());
        let works = self.pending.iter().map(|one| {
            marks.push((one.key, one.mark()));
            let mut work = one.work();
            if work.standing.is_prepared() {
                // A comment is in its post's shard, unless it was moved to the post of another one.
                let holds = match (work.key, work.after) {
                    (Key::Comment(_), Wish::Present) => one.parent.is_some_and(|post| self.coming.contains(&post)),
                    // Its comments are in its shard, unless one was moved away.
                    (Key::Post(post), Wish::Absent) => self.places.contains(&post),
                    (Key::Post(_), Wish::Present) | (Key::Comment(_), Wish::Absent) => false,
                };
                if holds {
                    work.standing = Standing::Held;
                } else if self.patience == Patience::Leaves && one.waits {
                    work.standing = Standing::Waiting;
                }
            }
            work
        });
        let mut works: Vec<Work> = works.collect();
        // What depends on such a post is held, and names it.
        let awaited = works.iter().filter(|work| work.after == Wish::Present).filter_map(|work| work.parent);
        let awaited: BTreeSet<PostId> = awaited.filter(|post| self.given_up.contains(post)).collect();
        works.extend(awaited.into_iter().map(|post| Work {
            key: Key::Post(post),
            parent: None,
            before: Presence::Absent,
            after: Wish::Present,
            standing: Standing::GivenUp,
            settles_in: Duration::ZERO,
        }));
        let leaving = self.pending.into_iter().filter(|one| !one.leaves.is_empty()).map(|one| (one.key, one.leaves));
        let plan = Plan::new(works).with_leaving(leaving.collect());
        Portion { marks, plan, nothing: self.nothing, pressure: self.pressure }
    }
}

fn is_created(post: &Pending) -> bool {
    post.after == Wish::Present && post.before != Presence::Present
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;
    use crate::ledger::holds::on_hold;
    use crate::ledger::{self, Clock};
    use crate::session::Untried;

    fn comment(id: i64, post: i64, waits: bool) -> Pending {
        let post = PostId::new(post).ok();
        Pending {
            key: format!("comments/{id}").parse().unwrap(),
            before: Presence::Present,
            after: Wish::Present,
            events: 1,
            first_id: 1,
            last_id: 1,
            parent: post,
            leaves: BTreeSet::new(),
            home: post,
            since: Moment(0),
            standing: Standing::Ready,
            waits,
            held: false,
            is_retry: false,
            sent_at: None,
            settles_in: Duration::ZERO,
        }
    }

    fn portion(patience: Patience, objects: Vec<Pending>) -> Portion {
        let mut gathering = Gathering::new("1/2".parse().ok(), patience);
        for one in objects {
            gathering.take(one);
        }
        gathering.finish()
    }

    #[test]
    fn what_waits_or_is_held_is_not_tried() {
        let moved = Pending { home: PostId::new(1).ok(), ..comment(2, 2, false) };
        let coming =
            Pending { key: "posts/2".parse().unwrap(), before: Presence::Absent, parent: None, ..comment(9, 2, false) };
        let all = || vec![comment(1, 1, false), moved.clone(), coming.clone(), comment(3, 1, true)];
        let loops = portion(Patience::Leaves, all());
        let untried = |portion: &Portion| {
            let Untried { held, waiting, .. } = Session::untried(&portion.plan);
            (held.len(), waiting.len(), portion.is_idle())
        };
        assert_eq!(untried(&loops), (1, 1, false));
        let single = portion(Patience::Tries, all());
        assert_eq!(untried(&single), (1, 0, false));
        assert!(portion(Patience::Leaves, all().split_off(1)).is_idle());
    }

    #[test]
    fn a_post_is_not_deleted_while_another_shard_has_to_move_a_comment_away() {
        let post = |id: i64| PostId::new(id).unwrap();
        // posts/1 is this shard's, posts/2 the other one's.
        let gone =
            Pending { key: Key::Post(post(1)), after: Wish::Absent, parent: None, home: None, ..comment(9, 1, false) };
        for (leaves, before, held) in
            [(Some(1), Presence::Present, 1), (Some(3), Presence::Present, 0), (None, Presence::Present, 0)]
        {
            let moved = Pending { leaves: leaves.map(post).into_iter().collect(), before, ..comment(2, 2, false) };
            let portion = portion(Patience::Tries, vec![gone.clone(), moved]);
            assert_eq!(Session::untried(&portion.plan).held.len(), held, "{leaves:?}");
        }
        let deleted = Pending { after: Wish::Absent, home: Some(post(2)), ..comment(2, 1, false) };
        assert_eq!(Session::untried(&portion(Patience::Tries, vec![gone, deleted]).plan).held.len(), 1);
    }

    #[test]
    fn a_comment_of_a_post_whose_creation_was_given_up_is_held() {
        let clock = Clock { now: Moment(0), lost_until: Moment(0), late: Duration::ZERO };
        let held = |before: Presence, posts: &[Pending]| {
            let mut gathering = Gathering::new(None, Patience::Tries);
            gathering.remember("posts/1".parse().unwrap(), &ledger::discarded(None, before, BTreeSet::new(), &clock));
            let comment = comment(1, 1, false);
            posts.iter().chain(&[comment]).for_each(|one| gathering.take(one.clone()));
            Session::untried(&gathering.finish().plan).held
        };
        assert_eq!(held(Presence::Absent, &[]).len(), 1);
        // It may be at the target.
        assert_eq!(held(Presence::Present, &[]).len(), 0);
        // It has a newer change.
        let post = Pending { key: "posts/1".parse().unwrap(), parent: None, ..comment(1, 1, false) };
        assert_eq!(held(Presence::Absent, &[post]).len(), 0);
    }

    #[test]
    fn what_other_shards_delete_and_what_waits_counts_for_the_limits() {
        let gone = |one: Pending| Pending { after: Wish::Absent, ..one };
        // posts/2 is the other shard's.
        let all = vec![gone(comment(1, 1, false)), gone(comment(2, 2, false)), gone(comment(3, 1, true))];
        let portion = portion(Patience::Leaves, all);
        assert_eq!(portion.pressure[&Entity::Comment].deletes, 3);
        assert_eq!(portion.plan.works().len(), 2);
    }

    #[test]
    fn an_object_on_hold_is_not_tried_whatever_is_pending_of_it() {
        let nothing = Pending { before: Presence::Absent, after: Wish::Absent, ..comment(1, 1, false) };
        let parked = Pending { standing: Standing::Parked, ..comment(3, 1, false) };
        let all = [nothing, comment(2, 1, true), parked, comment(4, 1, false)];
        let holds = all[..3].iter().map(|one| one.key).collect();
        let held: Vec<Pending> = all.iter().map(|one| on_hold(&holds, one.clone())).collect();
        let portion = portion(Patience::Tries, held);
        let on_hold = portion.plan.works().iter().filter(|work| work.standing == Standing::OnHold).count();
        assert_eq!((on_hold, portion.nothing.len(), portion.is_idle()), (3, 0, false));
        assert_eq!(Session::untried(&portion.plan).on_hold, holds);
    }

    #[test]
    fn what_cancels_itself_is_in_no_plan() {
        let nothing = Pending { before: Presence::Absent, after: Wish::Absent, ..comment(1, 1, false) };
        let parked = Pending { standing: Standing::Parked, ..nothing.clone() };
        let portion = portion(Patience::Tries, vec![nothing, Pending { key: "comments/5".parse().unwrap(), ..parked }]);
        assert_eq!((portion.nothing.len(), portion.plan.works().len(), portion.is_idle()), (1, 1, false));
    }
}
