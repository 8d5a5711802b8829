//! What the next run makes of one object, and why: what it waits for, and what waits for it.
//!
//! In scope: one object among its family. Out of scope: what is pending (`ledger`), and everything that only the target's
//! responses show.
//!
//! The family is all that can decide about the object: the object, the posts under which it is or may be at the target, the
//! comments for which the same is true of one of these posts, and the posts of these comments.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::ledger::{Entry, Pending};
use crate::merge::{Action, Presence};
use crate::model::Key;
use crate::plan::{Plan, Standing, Work};
use crate::portion::{Gathering, Patience, Portion};
use crate::session::Session;

/// What a run that somebody starts now does about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRun {
    /// Nothing is pending.
    Nothing,
    /// Its events cancel each other: they are marked as synced, and nothing is sent.
    Marks,
    /// It sends what the action says.
    Sends(Action),
    /// It leaves the object alone until an operator decides, or a newer event comes.
    LeavesParked,
    /// It leaves the object alone until an operator releases it.
    LeavesOnHold,
    /// It leaves the object alone, since others have to come first.
    Holds,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// What the next run does.
    pub next: NextRun,
    /// Objects that have to come first and do not, by key.
    pub waits_for: Vec<Key>,
    /// Objects that are held behind this one, by key.
    pub holds: Vec<Key>,
}

impl Prospect {
    /// Looks ahead. `family` is what is pending of it, as the module says; `entries` is what the ledger has of the object and
    /// of the posts.
    pub fn of(key: Key, entries: &BTreeMap<Key, Entry>, family: &[Pending]) -> Self {
        let mut gathering = Gathering::new(None, Patience::Tries);
        for (key, entry) in entries {
            gathering.remember(*key, entry);
        }
        for one in family {
            gathering.take(one.clone());
        }
        let Portion { plan, nothing, .. } = gathering.finish();
        let held = held(&plan);
        let own = plan.works().iter().find(|work| work.key == key);
        let next = match own.map(|work| (work.standing, work.action())) {
            None if nothing.iter().any(|(other, _)| *other == key) => NextRun::Marks,
            None | Some((Standing::GivenUp, _)) => NextRun::Nothing,
            Some((Standing::OnHold, _)) => NextRun::LeavesOnHold,
            Some(_) if held.contains(&key) => NextRun::Holds,
            Some((Standing::Parked | Standing::Barred, _)) => NextRun::LeavesParked,
            // Neither is there without shards and loops.
            Some((Standing::Ready | Standing::Held | Standing::Waiting, action)) => NextRun::Sends(action),
        };
        let waits_for = match own {
            Some(own) if next == NextRun::Holds => in_the_way(own, &plan, &held),
            Some(_) | None => Vec::new(),
        };
        Self { next, waits_for, holds: behind(key, &plan, &held) }
    }
}

/// Returns the objects that a run would hold.
fn held(plan: &Plan) -> Vec<Key> {
    Session::untried(plan).held.into_keys().collect()
}

/// Returns what keeps `own` from being sent: a comment's post; comments that the target may have under a post that is deleted.
fn in_the_way(own: &Work, plan: &Plan, held: &[Key]) -> Vec<Key> {
    let is_in_the_way = |work: &&Work| {
        let is_untried = work.standing != Standing::Ready || held.contains(&work.key);
        let comes_first = match own.key {
            Key::Comment(_) => own.parent.map(Key::Post) == Some(work.key),
            Key::Post(post) => work.before != Presence::Absent && plan.places(work).any(|place| place == post),
        };
        is_untried && comes_first
    };
    let mut keys: Vec<Key> = plan.works().iter().filter(is_in_the_way).map(|work| work.key).collect();
    keys.sort_unstable();
    keys
}

/// Returns the objects that would not be held if a run tried the one of `key`.
fn behind(key: Key, plan: &Plan, held: &[Key]) -> Vec<Key> {
    let tried = |work: &Work| if work.key == key { Work { standing: Standing::Ready, ..*work } } else { *work };
    let freed = self::held(&plan.map(tried));
    held.iter().copied().filter(|other| *other != key && !freed.contains(other)).collect()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;
    use core::time::Duration;

    use super::*;
    use crate::ledger::{self, Clock, Moment};
    use crate::merge::Wish;
    use crate::model::PostId;

    /// Looks ahead; what lists tell of a held object is the same.
    fn ahead(key: Key, family: &[Pending]) -> Prospect {
        let prospect = Prospect::of(key, &BTreeMap::new(), family);
        let mut gathering = Gathering::new(None, Patience::Tries);
        for one in family {
            gathering.take(one.clone());
        }
        let listed = gathering.outlook().waits_for();
        assert_eq!(listed.get(&key), (prospect.next == NextRun::Holds).then_some(&prospect.waits_for));
        prospect
    }

    fn pending(key: &str, before: Presence, after: Wish, standing: Standing) -> Pending {
        let key: Key = key.parse().unwrap();
        let parent = matches!(key, Key::Comment(_)).then(|| PostId::new(5).unwrap());
        Pending {
            key,
            before,
            after,
            events: 1,
            first_id: 1,
            last_id: 1,
            parent,
            leaves: BTreeSet::new(),
            home: parent,
            since: Moment(0),
            standing,
            waits: false,
            held: false,
            is_retry: false,
            sent_at: None,
            settles_in: Duration::ZERO,
        }
    }

    fn words(keys: &[Key]) -> Vec<alloc::string::String> {
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_next_request_follows_from_what_is_pending_and_its_standing() {
        use Presence::{Absent, Present, Unknown};
        use Standing::{OnHold, Parked, Ready};
        for (before, after, standing, next) in [
            (Absent, Wish::Present, Ready, NextRun::Sends(Action::Create)),
            (Present, Wish::Present, Ready, NextRun::Sends(Action::Update)),
            (Present, Wish::Absent, Ready, NextRun::Sends(Action::Delete)),
            (Unknown, Wish::Absent, Ready, NextRun::Sends(Action::Ask)),
            (Absent, Wish::Absent, Ready, NextRun::Marks),
            (Present, Wish::Present, Parked, NextRun::LeavesParked),
            (Absent, Wish::Absent, OnHold, NextRun::LeavesOnHold),
        ] {
            let family = [pending("posts/5", before, after, standing)];
            assert_eq!(ahead(family[0].key, &family).next, next, "{before:?} {after:?} {standing:?}");
        }
        assert_eq!(ahead("posts/5".parse().unwrap(), &[]).next, NextRun::Nothing);
    }

    #[test]
    fn a_comment_waits_for_a_post_that_is_not_there_and_the_post_holds_it() {
        for standing in [Standing::Parked, Standing::OnHold] {
            let family = [
                pending("posts/5", Presence::Absent, Wish::Present, standing),
                pending("comments/7", Presence::Absent, Wish::Present, Standing::Ready),
                pending("comments/8", Presence::Absent, Wish::Present, Standing::Parked),
            ];
            let comment = ahead(family[1].key, &family);
            assert_eq!((comment.next, words(&comment.waits_for)), (NextRun::Holds, alloc::vec!["posts/5".into()]));
            let post = ahead(family[0].key, &family);
            assert_eq!((words(&post.holds), words(&post.waits_for).len()), (alloc::vec!["comments/7".into()], 0));
        }
    }

    #[test]
    fn a_comment_waits_for_a_post_whose_creation_was_given_up() {
        let key: Key = "posts/5".parse().unwrap();
        let clock = Clock { now: Moment(0), lost_until: Moment(0), late: Duration::ZERO };
        let entries = BTreeMap::from([(key, ledger::discarded(None, Presence::Absent, BTreeSet::new(), &clock))]);
        let family = [pending("comments/7", Presence::Absent, Wish::Present, Standing::Ready)];
        let comment = Prospect::of(family[0].key, &entries, &family);
        assert_eq!((comment.next, words(&comment.waits_for)), (NextRun::Holds, alloc::vec!["posts/5".into()]));
        let post = Prospect::of(key, &entries, &family);
        assert_eq!((post.next, words(&post.holds)), (NextRun::Nothing, alloc::vec!["comments/7".into()]));
    }

    #[test]
    fn a_posts_delete_waits_for_the_comments_that_are_not_deleted() {
        let family = [
            pending("posts/5", Presence::Present, Wish::Absent, Standing::Ready),
            pending("comments/7", Presence::Present, Wish::Absent, Standing::OnHold),
            pending("comments/8", Presence::Present, Wish::Absent, Standing::Ready),
        ];
        let post = ahead(family[0].key, &family);
        assert_eq!((post.next, words(&post.waits_for)), (NextRun::Holds, alloc::vec!["comments/7".into()]));
        assert_eq!(words(&ahead(family[1].key, &family).holds), ["posts/5"]);
        let other = ahead(family[2].key, &family);
        assert_eq!((other.next, other.holds.len()), (NextRun::Sends(Action::Delete), 0));
    }

    #[test]
    fn a_posts_delete_waits_for_a_comment_that_is_moved_away() {
        let from: BTreeSet<PostId> = [PostId::new(4).unwrap()].into();
        let family = [
            pending("posts/4", Presence::Present, Wish::Absent, Standing::Ready),
            pending("posts/5", Presence::Absent, Wish::Present, Standing::Parked),
            Pending { leaves: from, ..pending("comments/7", Presence::Present, Wish::Present, Standing::Ready) },
        ];
        let old = ahead(family[0].key, &family);
        assert_eq!((old.next, words(&old.waits_for)), (NextRun::Holds, alloc::vec!["comments/7".into()]));
        let comment = ahead(family[2].key, &family);
        assert_eq!((comment.next, words(&comment.waits_for)), (NextRun::Holds, alloc::vec!["posts/5".into()]));
        let parked = [family[0].clone(), Pending { standing: Standing::Parked, ..family[2].clone() }];
        assert_eq!(words(&ahead(family[2].key, &parked).holds), ["posts/4"]);
        assert_eq!(words(&ahead(family[1].key, &family).holds), ["posts/4", "comments/7"]);
        // Once it can be moved, nothing is in the way.
        assert_eq!(ahead(family[0].key, &[family[0].clone(), family[2].clone()]).next, NextRun::Sends(Action::Delete));
    }
}
