//! Objects of the target that an import left out, since the master cannot hold them.
//!
//! "The master cannot hold it" is not "the master does not want it": no sync deletes such an object or writes over it. A row
//! of the master may still get the id of one. The row is then another object than the one at the target.
//!
//! ```text
//! left out | at the master | at the target
//!    no    |      any      |      any      the usual rules
//!    no    |      no       |      yes      a comment of a post that was left out: left alone
//!   yes    |      no       |      yes      left alone
//!   yes    |      yes      |      yes      the row is parked, its comments are held
//!   yes    |      yes      |    the same   the entry is forgotten
//!   yes    |      yes      |      no       the entry is forgotten, the row is created
//! ```
//!
//! Only a full sync forgets an entry, since only a look at both sides shows what the target has.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::diff::Kind;
use crate::ledger::Pending;
use crate::merge::{Presence, Wish};
use crate::model::{Key, PostId};
use crate::plan::{Standing, Work};
use crate::repair::Sighting;

/// Whose place at the target a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The master's.
    Ours,
    /// That of an object that was left out, or that belongs to one.
    LeftOut,
    /// That of an object that was left out; a row has its id.
    Contested,
    /// A row's; the object that was left out is no longer listed there.
    Vacant,
}

impl Place {
    /// Returns whose place this difference is about.
    pub fn of(seen: &Sighting, left_out: &BTreeSet<Key>) -> Self {
        let belongs = seen.parent.is_some_and(|post| left_out.contains(&Key::Post(post)));
        match (left_out.contains(&seen.key), seen.is_local, seen.kind) {
            (false, false, _) if belongs => Place::LeftOut,
            (false, _, _) => Place::Ours,
            (true, false, _) => Place::LeftOut,
            (true, true, Kind::Missing) => Place::Vacant,
            (true, true, Kind::Extra | Kind::Different | Kind::Duplicate | Kind::Unreadable) => Place::Contested,
        }
    }
}

/// Confirmed differences, as a full sync has to look at them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sorted {
    /// What is to be repaired. A row whose place is taken is among it as missing: it is not at the target.
    pub rest: Vec<Sighting>,
    /// Objects that are neither deleted nor overwritten.
    pub spared: BTreeSet<Key>,
    /// Entries to forget if the target has no such object at its own address, either.
    pub vacant: Vec<Key>,
    /// Entries to forget: the row is equal to what the target has.
    pub equal: Vec<Key>,
}

impl Sorted {
    /// Sorts them. `pending` is what was pending when the comparison began.
    pub fn new(sightings: Vec<Sighting>, pending: &[Pending], left_out: &BTreeSet<Key>) -> Self {
        let mut sorted = Self::default();
        let seen: BTreeSet<Key> = sightings.iter().map(|seen| seen.key).collect();
        let is_equal =
            |one: &&Pending| one.after == Wish::Present && left_out.contains(&one.key) && !seen.contains(&one.key);
        sorted.equal.extend(pending.iter().filter(is_equal).map(|one| one.key));
        for sighting in sightings {
            let key = sighting.key;
            match (Place::of(&sighting, left_out), sighting.kind, sighting.is_local) {
                // Nothing says that the master does not want it.
                (Place::LeftOut, _, _) | (Place::Ours, Kind::Unreadable, false) => drop(sorted.spared.insert(key)),
                (Place::Ours, _, _) => sorted.rest.push(sighting),
                (Place::Contested, _, _) => sorted.rest.push(Sighting { kind: Kind::Missing, ..sighting }),
                (Place::Vacant, _, _) => {
                    sorted.vacant.push(key);
                    sorted.rest.push(sighting);
                }
            }
        }
        sorted
    }
}

/// Returns what is pending as it is in view of `left_out`: whatever the log says, the master's object of such an id is not at
/// the target. Deleting the row needs no request, and neither the row nor a comment of it is sent.
#[must_use]
pub fn in_view_of(left_out: &BTreeSet<Key>, mut one: Pending) -> Pending {
    if left_out.contains(&one.key) {
        one.before = Presence::Absent;
    }
    one.standing = standing(left_out, &one.work());
    one
}

/// Returns whether a run sends an object, in view of `left_out`. [`bar`] says why it does not.
#[must_use]
pub fn standing(left_out: &BTreeSet<Key>, work: &Work) -> Standing {
    let is_left_out = |key: Key| left_out.contains(&key);
    let is_barred = is_left_out(work.key) || work.parent.is_some_and(|post| is_left_out(Key::Post(post)));
    let is_sent = work.standing == Standing::Ready && work.after == Wish::Present;
    if is_sent && is_barred { Standing::Barred } else { work.standing }
}

/// Returns why a row is not sent, if so; `parent` is a comment's post. `left_out` has the reasons of the import.
pub fn bar(key: Key, parent: Option<PostId>, left_out: &BTreeMap<Key, String>) -> Option<String> {
    if let Some(why) = left_out.get(&key) {
        return Some(format!(
            "an import left out the target's {key} ({why}), and nothing is written over it: give the row another id, or \
             delete that object at the target and run `news sync --full`"
        ));
    }
    let post = parent.map(Key::Post)?;
    let why = left_out.get(&post)?;
    Some(format!("an import left out the target's {post} ({why}): a comment of the row {post} does not belong there"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::ledger::Moment;
    use crate::plan::{Plan, Stage};
    use crate::repair::Repair;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    fn keys(all: &[&str]) -> BTreeSet<Key> {
        all.iter().copied().map(key).collect()
    }

    fn seen(text: &str, kind: Kind, parent: Option<i64>, is_local: bool) -> Sighting {
        Sighting { key: key(text), kind, parent: parent.and_then(|id| PostId::new(id).ok()), there: None, is_local }
    }

    fn pending(text: &str, before: Presence, after: Wish) -> Pending {
        Pending {
            key: key(text),
            before,
            after,
            events: 1,
            first_id: 1,
            last_id: 1,
            parent: None,
            leaves: BTreeSet::new(),
            home: None,
            since: Moment(0),
            standing: Standing::Ready,
            waits: false,
            held: false,
            is_retry: false,
            sent_at: None,
            settles_in: Duration::ZERO,
        }
    }

    #[test]
    fn what_the_master_cannot_hold_is_left_alone() {
        use Place::{Contested, LeftOut, Ours, Vacant};
        let left_out = keys(&["posts/5", "comments/9"]);
        for (sighting, place, spared) in [
            (seen("posts/5", Kind::Extra, None, false), LeftOut, true),
            (seen("posts/5", Kind::Unreadable, None, false), LeftOut, true),
            (seen("posts/5", Kind::Duplicate, None, false), LeftOut, true),
            (seen("comments/9", Kind::Duplicate, Some(1), false), LeftOut, true),
            (seen("comments/8", Kind::Extra, Some(5), false), LeftOut, true),
            (seen("comments/8", Kind::Extra, Some(6), false), Ours, false),
            (seen("comments/8", Kind::Missing, Some(5), true), Ours, false),
            // Only the target has it, and it cannot be read: nobody knows what it is.
            (seen("posts/6", Kind::Unreadable, None, false), Ours, true),
            (seen("posts/6", Kind::Unreadable, None, true), Ours, false),
            (seen("posts/6", Kind::Extra, None, false), Ours, false),
            // A row has come with its id.
            (seen("posts/5", Kind::Different, None, true), Contested, false),
            (seen("posts/5", Kind::Unreadable, None, true), Contested, false),
            (seen("posts/5", Kind::Duplicate, None, true), Contested, false),
            (seen("posts/5", Kind::Missing, None, true), Vacant, false),
        ] {
            assert_eq!(Place::of(&sighting, &left_out), place, "{sighting:?}");
            let sorted = Sorted::new(vec![sighting], &[], &left_out);
            assert_eq!((sorted.spared.len(), sorted.rest.len()), if spared { (1, 0) } else { (0, 1) }, "{sighting:?}");
            assert_eq!(sorted.vacant.len(), usize::from(place == Vacant), "{sighting:?}");
        }
    }

    #[test]
    fn a_row_in_a_place_that_is_taken_is_missing_and_its_comments_wait_for_it() {
        let left_out = keys(&["posts/5"]);
        for kind in [Kind::Different, Kind::Duplicate, Kind::Unreadable, Kind::Missing] {
            let sorted = Sorted::new(vec![seen("posts/5", kind, None, true)], &[], &left_out);
            let repair = Repair::new(&sorted.rest, [], &[], &[], &BTreeSet::new());
            let work = repair.plan.works()[0];
            assert_eq!((work.stage(), work.deletes()), (Stage::CreatePosts, false), "{kind:?}");
        }
    }

    #[test]
    fn an_entry_is_forgotten_once_the_target_has_what_the_row_says() {
        let left_out = keys(&["posts/5", "posts/6", "posts/7"]);
        let pending = [
            pending("posts/5", Presence::Absent, Wish::Present),
            pending("posts/6", Presence::Absent, Wish::Present),
            pending("posts/7", Presence::Absent, Wish::Absent),
            pending("posts/8", Presence::Absent, Wish::Present),
        ];
        let sorted = Sorted::new(vec![seen("posts/6", Kind::Different, None, true)], &pending, &left_out);
        assert_eq!((sorted.equal, sorted.vacant), (vec![key("posts/5")], vec![]));
    }

    #[test]
    fn whatever_the_log_says_the_masters_object_of_such_an_id_is_not_at_the_target() {
        let left_out = keys(&["posts/5"]);
        for before in [Presence::Absent, Presence::Present, Presence::Unknown, Presence::Doubled] {
            for after in [Wish::Absent, Wish::Present] {
                let one = in_view_of(&left_out, pending("posts/5", before, after));
                let plan = Plan::new(vec![one.work()]);
                assert!(!plan.works()[0].deletes() && one.before == Presence::Absent, "{before:?} {after:?}");
                assert_eq!(one.is_nothing(), after == Wish::Absent);
                assert_eq!(one.standing == Standing::Barred, after == Wish::Present);
                let other = pending("posts/6", before, after);
                assert_eq!(in_view_of(&left_out, other.clone()), other);
            }
        }
    }

    #[test]
    fn a_row_is_not_sent_into_the_place_of_another_object() {
        let left_out: BTreeMap<Key, String> = [(key("posts/5"), "title: too long".to_string())].into_iter().collect();
        let why =
            |text: &str, parent: Option<i64>| bar(key(text), parent.and_then(|id| PostId::new(id).ok()), &left_out);
        for (text, parent, says) in [
            ("posts/5", None, Some("posts/5 (title: too long), and nothing is written over it")),
            ("comments/1", Some(5), Some("posts/5 (title: too long): a comment")),
            ("comments/5", Some(6), None),
            ("posts/6", None, None),
        ] {
            assert_eq!(why(text, parent).is_some(), says.is_some(), "{text}");
            assert!(says.is_none_or(|says| why(text, parent).unwrap().contains(says)), "{text}");
        }
    }
}
