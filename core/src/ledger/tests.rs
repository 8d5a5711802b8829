//! Rows: what is remembered, what happens, and what is remembered then.

mod moved;

use super::*;
use crate::merge::{Action, Event, EventType, Merged};
use crate::model::Key;
use crate::plan::Standing;

const NOW: Moment = Moment(1_000_000_000);
const LATE: Duration = Duration::from_secs(30);
const CLOCK: Clock = Clock { now: NOW, lost_until: Moment(0), late: LATE };

fn key() -> Key {
    "posts/5".parse().unwrap()
}

fn mark(last_id: i64, basis: Basis) -> Mark {
    Mark { first_id: 1, last_id, events: 1, parent: None, home: None, seen: None, basis }
}

fn entry(presence: Presence, state: State) -> Entry {
    Entry { since: Moment(7), ..Entry::begun(presence, state, &mark(4, Basis::Log), Moment(9)) }
}

fn work(before: Presence, after: Wish) -> Work {
    Work { key: key(), parent: None, before, after, standing: Standing::Ready, settles_in: Duration::ZERO }
}

fn found(row: FoundRow, is_newer: bool) -> MasterRow {
    MasterRow { row, is_newer, is_on_hold: false }
}

/// The events of one object, from id 1 on; `!` marks a doubtful one: `C U! D`.
fn logged(events: &str) -> Option<Logged> {
    let event = |(id, word): (i64, &str)| {
        let kind = match &word[..1] {
            "C" => EventType::Created,
            "U" => EventType::Updated,
            _ => EventType::Deleted,
        };
        Logged::of(Merged::of(&Event { id, key: key(), kind, doubtful: word.ends_with('!') }), None, None, Moment(3))
    };
    (1..).zip(events.split_whitespace()).map(event).reduce(|mut whole, next| {
        whole.add(next);
        whole
    })
}

#[test]
fn a_request_is_announced_as_unknown_and_a_doubled_object_stays_doubled() {
    for (before, presence) in [
        (Presence::Absent, Presence::Unknown),
        (Presence::Present, Presence::Unknown),
        (Presence::Unknown, Presence::Unknown),
        (Presence::Doubled, Presence::Doubled),
    ] {
        let prepared = prepare(
            &work(before, Wish::Present),
            &mark(4, Basis::Log),
            None,
            &found(FoundRow::Some { parent: None }, false),
            NOW,
        );
        let entry = prepared.entry.unwrap();
        assert_eq!(
            (prepared.loaded, entry.presence, entry.state),
            (Loaded::Ready, presence, State::Sent),
            "{before:?}"
        );
    }
}

#[test]
fn nothing_is_recorded_of_an_object_that_was_put_on_hold_since_it_was_planned() {
    for row in [FoundRow::None, FoundRow::Some { parent: None }, FoundRow::Unreadable(String::from("why"))] {
        for basis in [Basis::Log, Basis::Look] {
            for old in [None, Some(entry(Presence::Doubled, State::Parked))] {
                let found = MasterRow { is_on_hold: true, ..found(row.clone(), false) };
                let prepared =
                    prepare(&work(Presence::Present, Wish::Present), &mark(4, basis), old.as_ref(), &found, NOW);
                assert_eq!(prepared, Prepared { loaded: Loaded::OnHold, entry: None }, "{row:?} {basis:?}");
            }
        }
    }
}

#[test]
fn a_row_that_contradicts_the_plan_is_overtaken_only_if_a_newer_event_explains_it() {
    use FoundRow::None as Gone;
    const HERE: FoundRow = FoundRow::Some { parent: None };
    for (after, row, is_newer, loaded) in [
        (Wish::Present, Gone, true, Loaded::Overtaken),
        (Wish::Present, Gone, false, Loaded::Contradicted),
        (Wish::Absent, HERE, true, Loaded::Overtaken),
        (Wish::Absent, HERE, false, Loaded::Contradicted),
        (Wish::Absent, Gone, false, Loaded::Ready),
    ] {
        let by_log =
            prepare(&work(Presence::Present, after), &mark(4, Basis::Log), None, &found(row.clone(), is_newer), NOW);
        assert_eq!(by_log.loaded, loaded, "{after:?} {row:?}");
        assert_eq!(by_log.entry.is_some(), loaded == Loaded::Ready, "{after:?} {row:?}");
        // What a look has seen, no event tells.
        let by_look = prepare(&work(Presence::Doubled, after), &mark(4, Basis::Look), None, &found(row, is_newer), NOW);
        assert_eq!(by_look.entry.map(|entry| entry.presence), Some(Presence::Doubled));
    }
}

#[test]
fn a_value_that_cannot_be_sent_concerns_its_object() {
    let bad = found(FoundRow::Unreadable("body: NULL".into()), false);
    let prepared = prepare(&work(Presence::Present, Wish::Present), &mark(4, Basis::Log), None, &bad, NOW);
    assert_eq!(prepared.loaded, Loaded::Unreadable("body: NULL".into()));
}

#[test]
fn preparing_again_keeps_what_an_earlier_run_has_sent_in_mind() {
    let old = Entry {
        failures: 2,
        settled_at: Some(Moment(77)),
        home: PostId::new(1).ok(),
        ..entry(Presence::Unknown, State::Waiting)
    };
    let again = |last_id, old: &Entry| {
        let prepared = prepare(
            &work(Presence::Unknown, Wish::Present),
            &mark(last_id, Basis::Log),
            Some(old),
            &found(FoundRow::Some { parent: None }, false),
            NOW,
        );
        let entry = prepared.entry.unwrap();
        (entry.failures, entry.since, entry.home, entry.settled_at)
    };
    assert_eq!(again(4, &old), (2, Moment(7), PostId::new(1).ok(), Some(Moment(77))));
    // A newer event: it has not failed with that.
    assert_eq!(again(5, &old).0, 0);
    // What was given up is over, but for what is on its way.
    let discarded = Entry { state: State::Discarded, ..old };
    assert_eq!(again(4, &discarded), (0, NOW, None, Some(Moment(77))));
}

fn left(end: Left, why: &str, settles_in: Duration) -> Fact {
    Fact::Left { key: key(), presence: Presence::Unknown, end, status: Some(500), why: why.into(), settles_in }
}

#[test]
fn what_is_done_is_forgotten_unless_a_look_may_have_seen_more_than_the_log() {
    let old = entry(Presence::Unknown, State::Sent);
    for (basis, newer, remains) in [
        (Basis::Log, Newer::None, None),
        (Basis::Log, Newer::Some, None),
        (Basis::Look, Newer::None, None),
        (Basis::Look, Newer::Some, Some((Presence::Unknown, State::Waiting))),
    ] {
        let entry = recorded(&Fact::Done(key(), Action::Update, None), &mark(4, basis), Some(&old), newer, NOW);
        assert_eq!(entry.map(|entry| (entry.presence, entry.state)), remains, "{basis:?} {newer:?}");
    }
}

#[test]
fn loops_let_a_failed_object_wait_longer_each_time() {
    let s = Duration::from_secs;
    let after = |failures, fact: &Fact| {
        let old = Entry { failures, ..entry(Presence::Unknown, State::Sent) };
        let entry = recorded(fact, &mark(4, Basis::Log), Some(&old), Newer::None, NOW).unwrap();
        (entry.failures - failures, entry.next_try_at.map(|at| at.since(NOW)))
    };
    let failed = left(Left::Waiting, "status 500", Duration::ZERO);
    for (failures, waits) in [(0, 60), (1, 120), (3, 480), (9, 3600), (40, 3600)] {
        assert_eq!(after(failures, &failed), (1, Some(s(waits))), "{failures}");
    }
    // Its answer was lost: the first time it waits only until that has had its effect.
    let unanswered = left(Left::Unanswered, "timed out", s(30));
    assert_eq!((after(0, &unanswered), after(1, &unanswered)), ((1, Some(s(30))), (1, Some(s(120)))));
    // A stop between two tries, another object, an operator: no failure, or no wait.
    assert_eq!(after(0, &left(Left::Waiting, "", Duration::ZERO)), (0, None));
    assert_eq!(after(0, &left(Left::Held, "waits for posts/5", Duration::ZERO)), (0, None));
    assert_eq!(after(0, &left(Left::Parked, "status 422", Duration::ZERO)), (1, None));
    let old = Entry { failures: 3, next_try_at: Some(NOW), ..entry(Presence::Unknown, State::Waiting) };
    assert_eq!((forgiven(&old).failures, forgiven(&old).next_try_at), (2, None));
}

#[test]
fn giving_up_leaves_a_doubt_or_a_double() {
    use Presence::{Absent, Doubled, Present, Unknown};
    for (old, before, presence) in [
        (None, Present, Unknown),
        (None, Unknown, Unknown),
        (Some((Present, State::Parked)), Present, Unknown),
        (Some((Doubled, State::Parked)), Doubled, Doubled),
        // It was to be created: that holds until something is sent.
        (None, Absent, Absent),
        (Some((Absent, State::Parked)), Absent, Absent),
        (Some((Absent, State::Discarded)), Unknown, Absent),
        (Some((Unknown, State::Discarded)), Unknown, Unknown),
    ] {
        let old = old.map(|(presence, state)| entry(presence, state));
        let gone = discarded(old.as_ref(), before, BTreeSet::new(), &CLOCK);
        assert_eq!((gone.presence, gone.state, gone.settled_at), (presence, State::Discarded, None));
    }
    // What is in flight is not forgotten.
    let lost_until = NOW + Duration::from_secs(20);
    let sent = discarded(Some(&entry(Unknown, State::Sent)), Unknown, BTreeSet::new(), &Clock { lost_until, ..CLOCK });
    assert_eq!(sent.settled_at, Some(lost_until));
    assert_eq!(unparked(&entry(Presence::Absent, State::Held)), None);
    assert_eq!(unparked(&entry(Presence::Absent, State::Parked)).unwrap().state, State::Waiting);
}

#[test]
fn comments_of_a_cleared_post_are_in_doubt() {
    let post = PostId::new(5).unwrap();
    let presence = |old: Option<&Entry>| uprooted(old, post, NOW).presence;
    assert_eq!(presence(None), Presence::Unknown);
    assert_eq!(presence(Some(&entry(Presence::Present, State::Held))), Presence::Unknown);
    assert_eq!(presence(Some(&entry(Presence::Doubled, State::Held))), Presence::Doubled);
}

#[test]
fn what_is_pending_follows_from_log_row_and_ledger() {
    use Presence::{Absent, Doubled, Present, Unknown};
    let row = Some(Row { parent: None });
    let known = |presence, state| Some(entry(presence, state));
    let rows = [
        // The log alone: it is honest.
        ("C", row, None, Some((Absent, Action::Create))),
        ("U", row, None, Some((Present, Action::Update))),
        ("D", None, None, Some((Present, Action::Delete))),
        ("C U D", None, None, Some((Absent, Action::Nothing))),
        ("U D C", row, None, Some((Present, Action::Update))),
        // An event is in doubt, or two neighbours contradict each other.
        ("C!", row, None, Some((Unknown, Action::Ask))),
        ("C U!", row, None, Some((Unknown, Action::Ask))),
        ("C C", row, None, Some((Unknown, Action::Ask))),
        ("D U", row, None, Some((Unknown, Action::Ask))),
        ("D D", None, None, Some((Unknown, Action::Ask))),
        // The row contradicts the log: the row says what is wished.
        ("D", row, None, Some((Unknown, Action::Ask))),
        ("C", None, None, Some((Unknown, Action::Ask))),
        ("C D", row, None, Some((Unknown, Action::Ask))),
        // What is recorded takes precedence over the log.
        ("C", row, known(Present, State::Waiting), Some((Present, Action::Update))),
        ("U!", row, known(Absent, State::Parked), Some((Absent, Action::Create))),
        ("D", None, known(Doubled, State::Sent), Some((Doubled, Action::Delete))),
        ("U", row, known(Unknown, State::Discarded), Some((Unknown, Action::Ask))),
        ("U", row, known(Absent, State::Discarded), Some((Unknown, Action::Ask))),
        // No event speaks for it.
        ("", row, known(Doubled, State::Sent), Some((Doubled, Action::Renew))),
        ("", None, known(Unknown, State::Waiting), Some((Unknown, Action::Ask))),
        ("", row, known(Unknown, State::Discarded), None),
        ("", row, known(Absent, State::Discarded), None),
        ("", row, None, None),
    ];
    for (events, row, entry, expected) in rows {
        let one = pending(key(), logged(events).as_ref(), row, entry.as_ref(), &CLOCK);
        let seen = one.map(|one| (one.before, one.work().action()));
        assert_eq!(seen, expected, "events {events:?}, row {row:?}, {entry:?}");
    }
}

#[test]
fn a_parked_object_waits_for_a_newer_event() {
    let parked = entry(Presence::Absent, State::Parked);
    let standing = |events: &str| {
        pending(key(), logged(events).as_ref(), Some(Row { parent: None }), Some(&parked), &CLOCK).unwrap().standing
    };
    assert_eq!(
        (standing("C U U U"), standing("C U U U U"), standing("")),
        (Standing::Parked, Standing::Ready, Standing::Parked)
    );
}

#[test]
fn no_clock_hides_an_object_or_makes_it_wait_for_ever() {
    let s = Duration::from_secs;
    let waits = |entry: &Entry, clock: &Clock| {
        let one = pending(key(), logged("U").as_ref(), Some(Row { parent: None }), Some(entry), clock).unwrap();
        (one.waits, one.settles_in)
    };
    let failed = |at| Entry { next_try_at: Some(at), ..entry(Presence::Unknown, State::Waiting) };
    assert_eq!(waits(&failed(NOW + s(60)), &CLOCK), (true, Duration::ZERO));
    assert_eq!(waits(&failed(NOW), &CLOCK), (false, Duration::ZERO));
    // The clock was set back by a day.
    assert_eq!(waits(&failed(NOW + s(86_400)), &CLOCK), (false, Duration::ZERO));
    let unanswered = |at| Entry { settled_at: Some(at), ..entry(Presence::Unknown, State::Waiting) };
    assert_eq!(waits(&unanswered(NOW + s(20)), &CLOCK), (true, s(20)));
    // A loop does not leave it for a day: it is tried, after the longest wait that there is.
    assert_eq!(waits(&unanswered(NOW + s(86_400)), &CLOCK), (false, CLOCK.until_max()));
    // A run was killed: a request of it may take effect, of what it has only planned nothing can.
    let clock = Clock { lost_until: NOW + s(26), ..CLOCK };
    assert_eq!(waits(&entry(Presence::Unknown, State::Sent), &clock), (true, s(26)));
    assert_eq!(waits(&entry(Presence::Unknown, State::Waiting), &clock), (false, Duration::ZERO));
    assert_eq!((NOW.age(NOW + s(5)), (NOW + s(900)).age(NOW)), (s(5), s(900)));
}

#[test]
fn a_lost_run_has_given_up_when_its_process_or_its_time_out_is_over() {
    let s = Duration::from_secs;
    let gave_up = |noticed_s, process| Clock::gave_up_at(NOW, NOW + s(noticed_s), s(30), process).since(NOW);
    // A sign of life is 5 s old at the most, a lease lasts 1 s, an answer is waited for 30 s.
    for (noticed_s, gone_s, unknown_s) in [(0, 0, 31), (1, 1, 32), (20, 20, 36), (300, 36, 36)] {
        assert_eq!(gave_up(noticed_s, Process::Gone), s(gone_s), "gone, noticed after {noticed_s} s");
        assert_eq!(gave_up(noticed_s, Process::Unknown), s(unknown_s), "unknown, noticed after {noticed_s} s");
    }
}
