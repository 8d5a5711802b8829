//! Conversations, as rows: what is known and wished, the answers, and the requests that were sent.

use super::clearing::COPIES_MAX;
use super::*;
use alloc::vec::Vec;

const SETTLE: Duration = Duration::from_secs(2);
const EFFECTS: Effects = Effects { settle: SETTLE, late: Duration::from_secs(30), wait: Wait::Once };
/// Long after anything else.
const LONG_AFTER: Flight = Flight { sent_at: Duration::from_secs(100), back_at: Duration::from_secs(101) };

/// Plays answers; returns the requests that were sent, the last step, and what it came to.
fn play(presence: Presence, wish: Wish, answers: &[Answer]) -> (Vec<Method>, Step, Action) {
    let mut talk = Conversation::new(presence, wish, Duration::ZERO, Duration::ZERO);
    let mut sent = Vec::new();
    let (mut step, mut now) = (Step::Send, Duration::ZERO);
    for answer in answers {
        let method = talk.next().expect("a request is due");
        sent.push(method);
        now = talk.not_before().max(now);
        let flight = Flight { sent_at: now, back_at: now + Duration::from_millis(10) };
        step = talk.answered(method, *answer, flight, &EFFECTS);
        now = flight.back_at;
    }
    (sent, step, talk.did())
}

#[test]
fn conversations() {
    use Action::{Ask, Create, Delete as Remove, Renew, Update};
    use Answer::{Accepted, Broken, Different, Equal, Exists, Gone, NotSent, Refused, Throttled};
    use Method::{Delete, Get, Post, Put};
    use Presence::{Absent, Doubled, Present, Unknown};
    type Row = (Presence, Wish, &'static [Answer], &'static [Method], Step, Action);
    let rows: [Row; 20] = [
        (Absent, Wish::Present, &[Accepted], &[Post], Step::Done, Create),
        (Absent, Wish::Present, &[Exists, Different, Accepted], &[Post, Get, Put], Step::Done, Update),
        (Absent, Wish::Present, &[Broken, Gone, Accepted], &[Post, Get, Post], Step::Done, Create),
        (Absent, Wish::Present, &[Broken, Equal], &[Post, Get], Step::Done, Create),
        (Absent, Wish::Present, &[NotSent, Accepted], &[Post, Post], Step::Done, Create),
        (Absent, Wish::Present, &[Throttled, Accepted], &[Post, Post], Step::Done, Create),
        (Absent, Wish::Present, &[Gone], &[Post], Step::Refused, Ask),
        // JSONPlaceholder and an object made here.
        (Present, Wish::Present, &[Broken, Gone, Accepted], &[Put, Get, Post], Step::Done, Create),
        (Present, Wish::Present, &[Gone, Accepted], &[Put, Post], Step::Done, Create),
        (Present, Wish::Absent, &[Gone], &[Delete], Step::Done, Remove),
        (Present, Wish::Absent, &[Broken, Different, Accepted], &[Delete, Get, Delete], Step::Done, Remove),
        (Absent, Wish::Present, &[Exists, Equal], &[Post, Get], Step::Done, Ask),
        // A search, or a cache, that does not show yet what took the place: it is asked again once that has settled.
        (Absent, Wish::Present, &[Exists, Gone, Equal], &[Post, Get, Get], Step::Done, Ask),
        (Unknown, Wish::Absent, &[Gone], &[Get], Step::Done, Ask),
        // One record at a time, until nothing is left that may yet be deleted.
        (
            Doubled,
            Wish::Present,
            &[Accepted, Different, Accepted, Gone, Gone, Accepted],
            &[Delete, Get, Delete, Get, Get, Post],
            Step::Done,
            Renew,
        ),
        (
            Doubled,
            Wish::Present,
            &[Broken, Equal, NotSent, Accepted, NotSent, Gone, Gone, Accepted],
            &[Delete, Get, Delete, Delete, Get, Get, Get, Post],
            Step::Done,
            Renew,
        ),
        (Doubled, Wish::Present, &[Gone, Accepted], &[Delete, Post], Step::Done, Create),
        (Doubled, Wish::Absent, &[Accepted, Gone, Gone], &[Delete, Get, Get], Step::Done, Remove),
        (Doubled, Wish::Absent, &[Refused], &[Delete], Step::Refused, Ask),
        (
            Absent,
            Wish::Present,
            &[Exists, Gone, Gone, Exists, Gone, Gone, Exists],
            &[Post, Get, Get, Post, Get, Get, Post],
            Step::Refused,
            Ask,
        ),
    ];
    for (presence, wish, answers, requests, end, did) in rows {
        let played = play(presence, wish, answers);
        assert_eq!(played, (requests.to_vec(), end, did), "{presence:?} {wish:?} {answers:?}");
    }
}

#[test]
fn nothing_is_sent_while_an_unanswered_write_may_take_effect() {
    // It may have been sent just before the answer was given up.
    for (answer, time) in [(Answer::Broken, SETTLE), (Answer::Lost, EFFECTS.late)] {
        let mut talk = Conversation::new(Presence::Present, Wish::Present, Duration::ZERO, Duration::ZERO);
        talk.answered(Method::Put, answer, LONG_AFTER, &EFFECTS);
        assert_eq!(talk.not_before(), LONG_AFTER.back_at + time, "{answer:?}");
    }
    let fresh = Conversation::new(Presence::Unknown, Wish::Absent, LONG_AFTER.sent_at, Duration::ZERO);
    assert_eq!(fresh.not_before(), LONG_AFTER.sent_at);
    let unsettled = Conversation::new(Presence::Present, Wish::Absent, LONG_AFTER.sent_at, LONG_AFTER.back_at);
    assert_eq!(unsettled.not_before(), LONG_AFTER.back_at);
}

#[test]
fn a_lost_answer_is_waited_for_once_and_by_a_loop_not_at_all() {
    let begin = |own: Duration| Conversation::new(Presence::Present, Wish::Present, Duration::ZERO, own);
    let lose =
        |talk: &mut Conversation, effects: &Effects| talk.answered(Method::Put, Answer::Lost, LONG_AFTER, effects);
    let mut talk = begin(Duration::ZERO);
    assert_eq!(lose(&mut talk, &EFFECTS), Step::Retry(1));
    assert_eq!(talk.answered(Method::Get, Answer::Different, LONG_AFTER, &EFFECTS), Step::Send);
    assert_eq!(lose(&mut talk, &EFFECTS), Step::GiveUp);
    assert!(talk.is_unanswered());
    // It has waited for the request of an earlier run already.
    assert_eq!(lose(&mut begin(EFFECTS.late), &EFFECTS), Step::GiveUp);
    assert_eq!(lose(&mut begin(Duration::ZERO), &Effects { wait: Wait::Never, ..EFFECTS }), Step::GiveUp);
    // A question that was not answered has no effect to wait for.
    let mut talk = Conversation::new(Presence::Unknown, Wish::Present, Duration::ZERO, Duration::ZERO);
    let loops = Effects { wait: Wait::Never, ..EFFECTS };
    assert_eq!(talk.answered(Method::Get, Answer::Lost, LONG_AFTER, &loops), Step::Retry(1));
}

#[test]
fn a_404_is_believed_once_everything_earlier_has_taken_effect() {
    let at = |ms| Flight { sent_at: Duration::from_millis(ms), back_at: Duration::from_millis(ms + 10) };
    for (wish, method) in [(Wish::Present, Method::Put), (Wish::Absent, Method::Delete)] {
        let mut talk = Conversation::new(Presence::Present, wish, SETTLE, Duration::ZERO);
        assert_eq!(talk.answered(method, Answer::Gone, at(1999), &EFFECTS), Step::Send, "{method:?}");
        assert_eq!((talk.next(), talk.not_before()), (Some(Method::Get), SETTLE), "{method:?}");
        // It was on its way.
        assert_eq!(talk.answered(Method::Get, Answer::Different, at(2000), &EFFECTS), Step::Send, "{method:?}");
        assert_eq!(talk.next(), Some(method));
    }
}

#[test]
fn what_is_in_doubt_is_asked_for_once_what_was_acknowledged_has_taken_effect() {
    let mut talk = Conversation::new(Presence::Absent, Wish::Present, SETTLE, Duration::ZERO);
    assert_eq!((talk.next(), talk.not_before()), (Some(Method::Post), Duration::ZERO));
    talk.doubt();
    assert_eq!((talk.next(), talk.not_before()), (Some(Method::Get), SETTLE));
}

#[test]
fn every_conversation_ends() {
    // Whatever a target answers, for ever: no conversation is longer than its bound.
    let answers = [
        Answer::Equal,
        Answer::Different,
        Answer::Accepted,
        Answer::Gone,
        Answer::Exists,
        Answer::Broken,
        Answer::Lost,
        Answer::Unreadable,
        Answer::NotSent,
    ];
    let begins = [Presence::Unknown, Presence::Doubled];
    for (presence, first) in begins.into_iter().flat_map(|presence| answers.map(|first| (presence, first))) {
        for second in answers {
            let mut talk = Conversation::new(presence, Wish::Present, Duration::ZERO, Duration::ZERO);
            let mut requests = 0;
            while let Some(method) = talk.next() {
                let answer = if requests % 2 == 0 { first } else { second };
                requests += 1;
                match talk.answered(method, answer, LONG_AFTER, &EFFECTS) {
                    Step::Send | Step::Retry(_) | Step::Later => {
                        assert!(requests < REQUESTS_MAX + 2 * COPIES_MAX, "{presence:?} {first:?} {second:?}");
                    }
                    Step::Done | Step::GiveUp | Step::Refused => break,
                }
            }
        }
    }
}

#[test]
fn what_was_found_by_its_key_and_is_gone_is_searched_again_before_it_is_created() {
    let mut talk = Conversation::new(Presence::Present, Wish::Present, Duration::ZERO, Duration::ZERO).by_key();
    let mut sent = Vec::new();
    for answer in [Answer::Different, Answer::Gone, Answer::Different, Answer::Accepted] {
        let method = talk.next().expect("a request is due");
        sent.push(method);
        let _ = talk.answered(method, answer, LONG_AFTER, &EFFECTS);
    }
    // Another record with the key is left.
    assert_eq!(sent, [Method::Get, Method::Put, Method::Get, Method::Put]);
}
