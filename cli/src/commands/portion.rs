//! Which of the pending objects a run is about, and which of these it leaves alone.

use std::collections::BTreeSet;

use news_core::merge::{Presence, Wish};
use news_core::plan::{Plan, Standing};
use news_core::session::Session;
use news_core::{Key, PostId};
use postgres::GenericClient;

use crate::error::Result;
use crate::store::log::{self as change_log, Pending};
use crate::store::shard::Shard;

/// What becomes of an object that failed in an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It is tried: somebody asked for this run.
    Tries,
    /// It waits for its time: these runs come by themselves.
    Waits,
}

/// A run's part of what is pending.
#[derive(Debug)]
pub(super) struct Portion {
    /// The objects.
    pub pending: Vec<Pending>,
    /// What is to be done about them. Whoever waits or is held is among the parked ones.
    pub plan: Plan,
    /// Objects that wait for their time.
    pub waiting: u64,
    /// Comments held until another shard has created their post.
    pub held: u64,
}

impl Portion {
    /// Says whether a run would try nothing, nor end what comes to nothing.
    pub fn is_idle(&self) -> bool {
        let untried = Session::untried(&self.plan).keys;
        self.plan.works().iter().all(|work| untried.contains(&work.key))
    }
}

/// Reads what is pending, and what a full sync did not end, of a shard or all of it.
pub(super) fn read(client: &mut impl GenericClient, shard: Option<Shard>, patience: Patience) -> Result<Portion> {
    let mut pending = Vec::new();
    // Posts that other shards have yet to create.
    let mut coming = BTreeSet::new();
    let mut take = |one: Pending| {
        if shard.is_none_or(|shard| shard.has(one.key, one.home)) {
            pending.push(one);
        } else if let (Key::Post(post), true) = (one.key, is_created(&one)) {
            coming.insert(post);
        }
    };
    change_log::each_pending(client, &mut take)?;
    change_log::unfinished(client)?.into_iter().for_each(take);
    Ok(divide(pending, &coming, patience))
}

fn divide(pending: Vec<Pending>, coming: &BTreeSet<PostId>, patience: Patience) -> Portion {
    let (mut waiting, mut held) = (0, 0);
    let works = pending.iter().map(|one| {
        let mut work = one.work();
        if work.standing == Standing::Ready {
            // A comment is in its post's shard, unless it was moved to the post of another one.
            if work.after == Wish::Present && one.parent.is_some_and(|post| coming.contains(&post)) {
                held += 1;
                work.standing = Standing::Parked;
            } else if patience == Patience::Waits && one.waits {
                waiting += 1;
                work.standing = Standing::Parked;
            }
        }
        work
    });
    let plan = Plan::new(works.collect());
    Portion { pending, plan, waiting, held }
}

fn is_created(post: &Pending) -> bool {
    let work = post.work();
    work.after == Wish::Present && work.before != Presence::Present
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use news_core::merge::{Change, Merged};

    use super::*;

    fn comment(id: i64, post: i64, waits: bool) -> Pending {
        let change = Change { before: Presence::Present, after: Wish::Present };
        let post = PostId::new(post).ok();
        Pending {
            key: format!("comments/{id}").parse().unwrap(),
            merged: Merged { change, first_id: 1, last_id: 1, events: 1 },
            parent: post,
            home: post,
            since: SystemTime::UNIX_EPOCH,
            recorded: None,
            standing: Standing::Ready,
            waits,
            held: false,
        }
    }

    #[test]
    fn who_waits_and_who_is_held_is_not_tried() {
        let coming = BTreeSet::from([PostId::new(2).unwrap()]);
        let all = || vec![comment(1, 1, false), comment(2, 2, false), comment(3, 1, true)];
        let patient = divide(all(), &coming, Patience::Waits);
        assert_eq!((patient.held, patient.waiting, patient.is_idle()), (1, 1, false));
        let hasty = divide(all(), &coming, Patience::Tries);
        assert_eq!((hasty.held, hasty.waiting, hasty.is_idle()), (1, 0, false));
        assert!(divide(all().split_off(1), &coming, Patience::Waits).is_idle());
    }
}
