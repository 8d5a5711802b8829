//! What is pending -> a run's part of it, and which objects of that the run leaves alone.
//!
//! In scope: whose work is whose, and whose turn it is. Out of scope: what is pending (`ledger`), in which order it is
//! sent (`plan`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::ledger::{Mark, Pending};
use crate::merge::{Presence, Wish};
use crate::model::{Entity, Key, PostId};
use crate::plan::{Plan, Pressure, Standing};
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
    /// What is to be done about them. What waits or is held is among its parked objects.
    pub plan: Plan,
    /// Objects whose events cancel each other: they need a record, no request. They are not in the plan, so that they
    /// cost next to nothing.
    pub nothing: Vec<(Key, Mark)>,
    /// What all pending objects are about to make of the target, those of other shards and those that wait included.
    pub pressure: BTreeMap<Entity, Pressure>,
    /// Objects that wait for their time.
    pub waiting: u64,
    /// Comments held until another shard has created their post.
    pub held: u64,
}

impl Portion {
    /// Says whether a run would try nothing, and record nothing.
    pub fn is_idle(&self) -> bool {
        let untried = Session::untried(&self.plan).keys;
        self.nothing.is_empty() && self.plan.works().iter().all(|work| untried.contains(&work.key))
    }

    /// Returns how many objects of an entity need a record and no request.
    pub fn nothing_of(&self, entity: Entity) -> u64 {
        self.nothing.iter().filter(|(key, _)| key.entity() == entity).count() as u64
    }
}

/// Takes what is pending, object by object, in any order.
#[derive(Debug)]
pub struct Gathering {
    shard: Option<Shard>,
    patience: Patience,
    pending: Vec<Pending>,
    nothing: Vec<(Key, Mark)>,
    /// Posts that other shards have yet to create.
    coming: BTreeSet<PostId>,
    pressure: BTreeMap<Entity, Pressure>,
}

impl Gathering {
    /// Begins one for a run of `shard`, or of everything.
    pub fn new(shard: Option<Shard>, patience: Patience) -> Self {
        let (coming, pressure) = (BTreeSet::new(), BTreeMap::new());
        Self { shard, patience, pending: Vec::new(), nothing: Vec::new(), coming, pressure }
    }

    /// Takes an object.
    pub fn take(&mut self, one: Pending) {
        self.pressure.entry(one.key.entity()).or_default().add(one.before, one.after);
        if self.shard.is_none_or(|shard| shard.has(one.key, one.home)) {
            if one.is_nothing() {
                self.nothing.push((one.key, one.mark()));
            } else {
                self.pending.push(one);
            }
        } else if let (Key::Post(post), true) = (one.key, is_created(&one)) {
            self.coming.insert(post);
        }
    }

    /// Returns the run's part.
    pub fn finish(self) -> Portion {
        let (mut waiting, mut held) = (0, 0);
        let mut marks = Vec::with_capacity(self.pending.len());
        let works = self.pending.iter().map(|one| {
            marks.push((one.key, one.mark()));
            let mut work = one.work();
            if work.standing == Standing::Ready {
                // A comment is in its post's shard, unless it was moved to the post of another one.
                if work.after == Wish::Present && one.parent.is_some_and(|post| self.coming.contains(&post)) {
                    held += 1;
                    work.standing = Standing::Parked;
                } else if self.patience == Patience::Leaves && one.waits {
                    waiting += 1;
                    work.standing = Standing::Parked;
                }
            }
            work
        });
        let plan = Plan::new(works.collect());
        Portion { marks, plan, nothing: self.nothing, pressure: self.pressure, waiting, held }
    }
}

fn is_created(post: &Pending) -> bool {
    post.after == Wish::Present && post.before != Presence::Present
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::ledger::Moment;

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
            home: post,
            since: Moment(0),
            standing: Standing::Ready,
            waits,
            held: false,
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
        let all = || vec![comment(1, 1, false), moved, coming, comment(3, 1, true)];
        let loops = portion(Patience::Leaves, all());
        assert_eq!((loops.held, loops.waiting, loops.is_idle()), (1, 1, false));
        let single = portion(Patience::Tries, all());
        assert_eq!((single.held, single.waiting, single.is_idle()), (1, 0, false));
        assert!(portion(Patience::Leaves, all().split_off(1)).is_idle());
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
    fn what_cancels_itself_is_in_no_plan() {
        let nothing = Pending { before: Presence::Absent, after: Wish::Absent, ..comment(1, 1, false) };
        let parked = Pending { standing: Standing::Parked, ..nothing };
        let portion = portion(Patience::Tries, vec![nothing, Pending { key: "comments/5".parse().unwrap(), ..parked }]);
        assert_eq!((portion.nothing.len(), portion.plan.works().len(), portion.is_idle()), (1, 1, false));
    }
}
