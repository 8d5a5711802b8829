//! Comments that are moved to other posts: under which posts the target may have them.

use super::*;
use crate::merge::EventType::{Created as C, Deleted as D, Updated as U};

#[test]
fn the_target_may_have_a_comment_under_each_post_that_its_events_name() {
    let post = |id: i64| PostId::new(id).unwrap();
    let comment: Key = "comments/7".parse().unwrap();
    let log = |events: &[(EventType, i64, Option<i64>)]| {
        let one = |(id, (kind, parent, former)): (i64, &(EventType, i64, Option<i64>))| {
            let event = Event { id, key: comment, kind: *kind, doubtful: false };
            Logged::of(Merged::of(&event), Some(post(*parent)), former.map(post), Moment(3))
        };
        (1..).zip(events).map(one).reduce(|mut whole, next| {
            whole.add(next);
            whole
        })
    };
    let there = |ids: &[i64]| ids.iter().copied().map(post).collect::<BTreeSet<PostId>>();
    let remembered = |state| Some(Entry { there: there(&[8]), ..entry(Presence::Unknown, state) });
    for (events, row, entry, leaves) in [
        (&[(U, 1, None)][..], Some(1), None, &[][..]),
        (&[(U, 2, Some(1))], Some(2), None, &[1]),
        (&[(U, 2, Some(1)), (U, 3, Some(2))], Some(3), None, &[1, 2]),
        // It came back.
        (&[(U, 2, Some(1)), (U, 1, Some(2))], Some(1), None, &[2]),
        (&[(U, 2, Some(1)), (D, 2, None)], None, None, &[1]),
        (&[(D, 1, None), (C, 2, None)], Some(2), None, &[1]),
        // The log may be wrong about what was there before.
        (&[(C, 1, None), (U, 2, Some(1))], Some(2), None, &[1]),
        (&[(C, 1, None), (U, 2, Some(1))], Some(2), remembered(State::Sent), &[1, 8]),
        (&[], Some(2), remembered(State::Waiting), &[8]),
        (&[(U, 2, None)], Some(2), remembered(State::Discarded), &[8]),
    ] {
        let row = row.map(|id| Row { parent: Some(post(id)) });
        let one = pending(comment, log(events).as_ref(), row, entry.as_ref(), &CLOCK).unwrap();
        assert_eq!(one.leaves, there(leaves), "{events:?}");
    }
}

#[test]
fn where_a_comment_may_be_is_remembered_until_it_is_done() {
    let [old, new] = [1, 2].map(|id| PostId::new(id).unwrap());
    let mark = |seen, basis| Mark { parent: Some(new), seen, ..mark(4, basis) };
    let work = Work { parent: Some(new), ..work(Presence::Present, Wish::Present) };
    let row = found(FoundRow::Some { parent: Some(new) }, false);
    let prepared = |mark: &Mark, old: Option<&Entry>| prepare(&work, mark, old, &row, NOW).entry.unwrap();
    let sent = prepared(&mark(Some(old), Basis::Look), None);
    assert_eq!(sent.there, [old].into());
    // The next run goes by the log.
    assert_eq!(prepared(&mark(None, Basis::Log), Some(&sent)).there, [old].into());
    // A newer look has seen it elsewhere, or not at all.
    assert_eq!(prepared(&mark(Some(new), Basis::Look), Some(&sent)).there, [new].into());
    assert_eq!(prepared(&mark(None, Basis::Look), Some(&sent)).there, [old].into());
    let parked =
        recorded(&left(Left::Parked, "422", Duration::ZERO), &mark(None, Basis::Log), Some(&sent), Newer::None, NOW)
            .unwrap();
    assert_eq!(parked.there, [old].into());
    // A look that came to no request is a look, too.
    let held = left(Left::Held, "waits for posts/2", Duration::ZERO);
    let held = recorded(&held, &mark(Some(new), Basis::Look), Some(&sent), Newer::None, NOW).unwrap();
    assert_eq!(held.there, [new].into());
    // A comment that was moved since its plan was made may be sent to a post that is not there.
    let moved = found(FoundRow::Some { parent: Some(old) }, true);
    assert_eq!(prepare(&work, &mark(None, Basis::Log), None, &moved, NOW).loaded, Loaded::Overtaken);
}
