//! Differences -> the plan of a full sync.
//!
//! A full sync also talks about objects that no event speaks for, and its plan rests on a look that may have seen
//! newer rows than the events that were read: *before* is what was seen, and each mark says so
//! ([`Basis::Look`]).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::diff::Kind;
use crate::ledger::{Basis, Mark, Pending};
use crate::merge::{Presence, Wish};
use crate::model::{Key, PostId};
use crate::plan::{Leaving, Plan, Standing, Work};

/// A confirmed difference, as far as repairing looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The object.
    pub key: Key,
    /// How it differs.
    pub kind: Kind,
    /// Of a comment: its post, on the side where it is.
    pub parent: Option<PostId>,
    /// Of a comment: the post under which the target has it.
    pub there: Option<PostId>,
    /// Does the master have it?
    pub is_local: bool,
}

/// What brings the target in sync with the master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repair {
    /// What is sent.
    pub plan: Plan,
    /// Of each object of the plan, and of each equal one: which of its events the look makes up for.
    pub marks: BTreeMap<Key, Mark>,
    /// Objects that are as wished already, and of which a change or a conversation is recorded, or may be.
    pub equal: Vec<Key>,
}

/// Returns the posts that are about to be deleted at the target, or are not there: their comments may go with them, or
/// as orphans (ARCHITECTURE.md, "Order"). A post on hold stays as it is.
pub fn uprooting(sightings: &[Sighting], holds: &BTreeSet<Key>) -> BTreeSet<PostId> {
    let uproots = |kind| match kind {
        Kind::Duplicate | Kind::Missing => true,
        Kind::Extra | Kind::Different | Kind::Unreadable => false,
    };
    let goes = |seen: &&Sighting| uproots(seen.kind) && !holds.contains(&seen.key);
    let posts = sightings.iter().filter(goes).filter_map(|seen| match seen.key {
        Key::Post(post) => Some(post),
        Key::Comment(_) => None,
    });
    posts.collect()
}

impl Repair {
    /// Plans it. `uprooted` are the master's comments of the posts that are [`uprooting`], equal ones included, with their
    /// post; `pending` is what was pending when the comparison began; `settled` are objects that differed at the first look
    /// and no longer at the second; `holds` are objects on hold, which are neither repaired nor equal.
    pub fn new(
        sightings: &[Sighting],
        uprooted: impl IntoIterator<Item = (Key, PostId)>,
        pending: &[Pending],
        settled: &[Key],
        holds: &BTreeSet<Key>,
    ) -> Self {
        let uprooting = uprooting(sightings, holds);
        let settles: BTreeMap<Key, Duration> =
            pending.iter().filter(|one| !one.settles_in.is_zero()).map(|one| (one.key, one.settles_in)).collect();
        let settles_in = |key: &Key| settles.get(key).copied().unwrap_or_default();
        let mut works: Vec<Work> = sightings.iter().map(|seen| work(seen, &uprooting, settles_in(&seen.key))).collect();
        let seen: BTreeSet<Key> = sightings.iter().map(|seen| seen.key).collect();
        works.extend(uprooted.into_iter().filter(|(key, _)| !seen.contains(key)).map(|(key, post)| Work {
            key,
            parent: Some(post),
            before: Presence::Unknown,
            after: Wish::Present,
            standing: Standing::Ready,
            settles_in: settles_in(&key),
        }));
        for work in works.iter_mut().filter(|work| holds.contains(&work.key)) {
            work.standing = Standing::OnHold;
        }
        // Nothing but the look says what is there: not even the events that were read.
        let marks = pending.iter().map(|one| (one.key, Mark { basis: Basis::Look, ..one.mark() }));
        let mut marks: BTreeMap<Key, Mark> = marks.collect();
        // A row that came in between, and is equal to what was there already: its event does not know that.
        for key in settled {
            marks.entry(*key).or_insert(Mark::looked_at(None));
        }
        for seen in sightings {
            // An object without events has none to mark.
            let mark = marks.entry(seen.key).or_insert(Mark::looked_at(seen.parent));
            mark.seen = seen.there;
        }
        let planned: BTreeSet<Key> = works.iter().map(|work| work.key).collect();
        let equal = marks.keys().filter(|key| !planned.contains(key) && !holds.contains(key)).copied().collect();
        for work in &works {
            marks.entry(work.key).or_insert(Mark::looked_at(work.parent));
        }
        // Where the look shows no post, the comment may be under those that were known before.
        let mut leaving: Leaving = pending.iter().map(|one| (one.key, one.leaves.clone())).collect();
        for (key, there) in sightings.iter().filter_map(|seen| Some((seen.key, seen.there?))) {
            leaving.insert(key, BTreeSet::from([there]));
        }
        for work in &works {
            let is_own = |post: &PostId| work.parent == Some(*post);
            leaving.entry(work.key).and_modify(|posts| posts.retain(|post| !is_own(post)));
        }
        leaving.retain(|key, posts| planned.contains(key) && !posts.is_empty());
        Self { plan: Plan::new(works).with_leaving(leaving), marks, equal }
    }

    /// Takes objects out of those that are equal: they were left alone.
    #[must_use]
    pub fn without(mut self, spared: &BTreeSet<Key>) -> Self {
        self.equal.retain(|key| !spared.contains(key));
        self
    }
}

fn work(seen: &Sighting, uprooting: &BTreeSet<PostId>, settles_in: Duration) -> Work {
    let after = if seen.is_local { Wish::Present } else { Wish::Absent };
    let is_uprooted = seen.is_local && seen.parent.is_some_and(|post| uprooting.contains(&post));
    let before = match seen.kind {
        // A capped listing must not make duplicates: asked for before it is created.
        Kind::Missing => Presence::Unknown,
        Kind::Duplicate => Presence::Doubled,
        Kind::Extra | Kind::Different | Kind::Unreadable if is_uprooted => Presence::Unknown,
        Kind::Extra | Kind::Different | Kind::Unreadable => Presence::Present,
    };
    Work { key: seen.key, parent: seen.parent, before, after, standing: Standing::Ready, settles_in }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Action;

    const NO_HOLDS: BTreeSet<Key> = BTreeSet::new();

    fn seen(key: &str, kind: Kind, parent: Option<i64>, is_local: bool) -> Sighting {
        let parent = parent.and_then(|id| PostId::new(id).ok());
        Sighting { key: key.parse().unwrap(), kind, parent, there: parent, is_local }
    }

    #[test]
    fn each_kind_of_difference_has_its_action() {
        for (kind, is_local, action) in [
            (Kind::Missing, true, Action::Ask),
            (Kind::Extra, false, Action::Delete),
            (Kind::Different, true, Action::Update),
            (Kind::Duplicate, true, Action::Renew),
            (Kind::Duplicate, false, Action::Delete),
        ] {
            let repair = Repair::new(&[seen("posts/5", kind, None, is_local)], [], &[], &[], &NO_HOLDS);
            assert_eq!(repair.plan.works()[0].action(), action, "{kind:?}, local: {is_local}");
        }
    }

    #[test]
    fn what_is_pending_of_a_spared_object_is_not_taken_for_sent() {
        let spared: BTreeSet<Key> = ["posts/5".parse().unwrap()].into_iter().collect();
        let settled = ["posts/5".parse().unwrap(), "posts/6".parse().unwrap()];
        let repair = Repair::new(&[], [], &[], &settled, &NO_HOLDS).without(&spared);
        assert_eq!(repair.equal, settled[1..]);
    }

    #[test]
    fn comments_of_a_post_that_is_cleared_are_asked_for() {
        let sightings =
            [seen("posts/5", Kind::Duplicate, None, true), seen("comments/1", Kind::Different, Some(5), true)];
        let post = PostId::new(5).unwrap();
        let (one, two) = ("comments/1".parse().unwrap(), "comments/2".parse().unwrap());
        let repair = Repair::new(&sightings, [(one, post), (two, post)], &[], &[], &NO_HOLDS);
        let comments: Vec<(Key, Action)> =
            repair.plan.works().iter().skip(1).map(|work| (work.key, work.action())).collect();
        assert_eq!(comments, [(one, Action::Ask), (two, Action::Ask)]);
        assert_eq!(repair.marks[&two], Mark::looked_at(Some(post)));
        assert_eq!(uprooting(&sightings, &NO_HOLDS).into_iter().collect::<Vec<_>>(), [post]);
    }

    #[test]
    fn a_post_is_deleted_after_comments_that_the_target_has_under_it() {
        let [old, new] = [4, 5].map(|id| PostId::new(id).unwrap());
        let gone = seen("posts/4", Kind::Extra, None, false);
        let moved = Sighting { there: Some(old), ..seen("comments/1", Kind::Different, Some(5), true) };
        let places = |sighting: Sighting, holds: &BTreeSet<Key>| {
            let repair = Repair::new(&[gone, sighting], [], &[], &[], holds);
            let work = repair.plan.works().iter().find(|work| work.key == sighting.key).copied().unwrap();
            (repair.plan.places(&work).collect::<Vec<PostId>>(), repair.marks[&sighting.key].seen)
        };
        assert_eq!(places(moved, &NO_HOLDS), (alloc::vec![old], Some(old)));
        assert_eq!(places(moved, &[moved.key].into()), (alloc::vec![old], Some(old)));
        assert_eq!(places(Sighting { there: Some(new), ..moved }, &NO_HOLDS).0, []);
        assert_eq!(places(Sighting { kind: Kind::Missing, there: None, ..moved }, &NO_HOLDS).0, []);
    }

    #[test]
    fn what_differed_at_first_only_is_equal_by_now() {
        let key: Key = "posts/7".parse().unwrap();
        let repair = Repair::new(&[], [], &[], &[key], &NO_HOLDS);
        assert_eq!((repair.equal.as_slice(), repair.marks[&key].basis), (&[key][..], Basis::Look));
    }

    #[test]
    fn an_object_on_hold_is_neither_repaired_nor_taken_for_equal() {
        let (held, other): (Key, Key) = ("posts/5".parse().unwrap(), "posts/6".parse().unwrap());
        let holds: BTreeSet<Key> = [held].into_iter().collect();
        for kind in [Kind::Missing, Kind::Extra, Kind::Different, Kind::Duplicate, Kind::Unreadable] {
            let is_local = kind != Kind::Extra;
            let sightings = [seen("posts/5", kind, None, is_local), seen("posts/6", kind, None, is_local)];
            let repair = Repair::new(&sightings, [], &[], &[], &holds);
            let standing = |key| repair.plan.works().iter().find(|work| work.key == key).map(|work| work.standing);
            assert_eq!((standing(held), standing(other)), (Some(Standing::OnHold), Some(Standing::Ready)), "{kind:?}");
            let uproots = matches!(kind, Kind::Missing | Kind::Duplicate);
            assert_eq!(uprooting(&sightings, &holds).len(), usize::from(uproots), "{kind:?}");
        }
        assert_eq!(Repair::new(&[], [], &[], &[held, other], &holds).equal, [other]);
    }
}
