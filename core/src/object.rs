//! One object's conversation with the target: presence x wish -> the next request,
//! request x answer -> what we know now.
//!
//! The master decides; the answer moves the presence; the next request follows from the
//! table in `merge`. In scope: that, and the bounds of one conversation. Out of scope:
//! other objects, order, rates (`session`).

use core::time::Duration;

use crate::merge::{Action, Presence, Wish, action};
use crate::reply::{Answer, Method};

/// Returns the request that leads from `presence` to `wish`, or `None` where nothing is to be done.
pub fn next_request(presence: Presence, wish: Wish) -> Option<Method> {
    match action(presence, wish) {
        Action::Create => Some(Method::Post),
        Action::Update => Some(Method::Put),
        Action::Delete | Action::Renew => Some(Method::Delete),
        Action::Ask => Some(Method::Get),
        Action::Nothing => None,
    }
}

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reaction {
    /// The target is as wished.
    Done,
    /// We know more: go on from there.
    Now(Presence),
    /// Not the object's fault, and surely not applied: again later, attempts not counted.
    Later,
    /// Trouble: again later from this presence, and the attempt counts.
    Again(Presence),
    /// The object will not do: it waits for an operator or for a newer event.
    Park,
    /// 403: the object's fault, or our credentials' if everything is forbidden.
    Forbidden,
    /// 401: nothing else will do, either.
    Unauthorized,
    /// The base URL is wrong.
    Redirected,
}

/// The conversation's rules, one line an answer. Of what is there more than once one is deleted
/// at a time, and then asked whether any is left: a DELETE that is answered 404 tells that, too. `presence` is what was known when the
/// request was sent.
#[expect(clippy::match_same_arms, reason = "one line a rule, in the rules' order")]
pub fn react(method: Method, presence: Presence, answer: Answer) -> Reaction {
    match (method, answer) {
        (_, Answer::Unauthorized) => Reaction::Unauthorized,
        (_, Answer::Forbidden) => Reaction::Forbidden,
        (_, Answer::Redirected) => Reaction::Redirected,
        (_, Answer::Refused) => Reaction::Park,
        (_, Answer::Throttled) => Reaction::Later,
        (_, Answer::NotSent) => Reaction::Again(presence),
        (_, Answer::Broken) if presence == Presence::Doubled => Reaction::Again(Presence::Doubled),
        // A write may have been applied, a 503 too; a GET changed nothing, but told nothing.
        (_, Answer::Broken) => Reaction::Again(Presence::Unknown),

        (Method::Get, Answer::Equal | Answer::Different) if presence == Presence::Doubled => {
            Reaction::Now(Presence::Doubled)
        }
        (Method::Delete, Answer::Accepted) if presence == Presence::Doubled => Reaction::Now(Presence::Doubled),
        (Method::Delete, Answer::Gone) if presence == Presence::Doubled => Reaction::Now(Presence::Absent),

        (Method::Get, Answer::Equal) => Reaction::Done,
        (Method::Get, Answer::Different) => Reaction::Now(Presence::Present),
        (Method::Get, Answer::Gone) => Reaction::Now(Presence::Absent),

        (Method::Post | Method::Put | Method::Delete, Answer::Accepted) => Reaction::Done,
        (Method::Post, Answer::Exists) => Reaction::Now(Presence::Unknown),
        // A path that takes no POST: nothing about the object can mend that.
        (Method::Post, Answer::Gone) => Reaction::Park,
        (Method::Put, Answer::Gone) => Reaction::Now(Presence::Absent),
        (Method::Delete, Answer::Gone) => Reaction::Done,

        // `reply::read` gives none of these pairs; were it to, asking again is always right.
        (Method::Get, Answer::Accepted | Answer::Exists)
        | (Method::Post | Method::Put | Method::Delete, Answer::Equal | Answer::Different)
        | (Method::Put | Method::Delete, Answer::Exists) => Reaction::Again(Presence::Unknown),
    }
}

/// Returns the write that has taken effect, or may have where the answer was lost.
fn wrote(method: Method, answer: Answer) -> Option<Action> {
    let has_effect = matches!(answer, Answer::Accepted | Answer::Broken);
    match method {
        Method::Get => None,
        Method::Post => has_effect.then_some(Action::Create),
        Method::Put => has_effect.then_some(Action::Update),
        Method::Delete => (has_effect || answer == Answer::Gone).then_some(Action::Delete),
    }
}

/// Attempts that trouble may cost one object in one run.
pub const ATTEMPTS_MAX: u32 = 5;
/// Requests of one object in one run, whatever the answers: the longest honest
/// conversation (PUT, GET, POST, GET, each after trouble) is shorter.
pub const REQUESTS_MAX: u32 = 24;
/// More records under one id than this are another problem than ours.
const COPIES_MAX: u32 = 100;
/// After so many DELETEs in a row the target is given its time before it is asked whether any
/// record is left: it may acknowledge first and do later.
const COPIES_AT_ONCE: u32 = 8;
/// A target that says twice that an object exists, and then that it does not, is not
/// asked a third time.
const EXISTS_MAX: u32 = 2;

/// One object's conversation in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    presence: Presence,
    wish: Wish,
    attempts: u32,
    requests: u32,
    exists: u32,
    /// Records of a doubled object that were deleted.
    copies: u32,
    /// Of these, since the target was last given its time.
    at_once: u32,
    /// One was; whether any is left is asked next.
    looks: bool,
    /// The last write that took effect, as far as is known.
    wrote: Option<Action>,
    /// Nothing is sent before: a request that was sent and not answered may still take effect.
    not_before: Duration,
    /// From then on every earlier request has taken its effect, those of earlier runs, too:
    /// a 404 to what was sent before tells nothing. A target may acknowledge first and do later.
    settled_at: Duration,
}

/// When a request was on its way: between its handing over and its answer, or the news that
/// there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// It was sent then or later.
    pub sent_at: Duration,
    /// It was sent before.
    pub back_at: Duration,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The target is as wished.
    Done,
    /// Send the next request as soon as may be, not before [`Conversation::not_before`].
    Send,
    /// The same, after a delay for the attempt of this number (from 1).
    Retry(u32),
    /// Throttled: after a delay that concerns everybody.
    Later,
    /// Enough attempts for this run; the next one goes on.
    GiveUp,
    /// The object waits for an operator or for a newer event.
    Park,
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 3xx.
    Redirected,
}

impl Conversation {
    /// Begins one. Requests of earlier runs have taken their effect at `settled_at`; with an
    /// unknown presence, or one of several records, one may be on its way, and that has to pass first.
    pub fn new(presence: Presence, wish: Wish, settled_at: Duration) -> Self {
        let not_before = match presence {
            Presence::Unknown | Presence::Doubled => settled_at,
            Presence::Absent | Presence::Present => Duration::ZERO,
        };
        Self {
            presence,
            wish,
            attempts: 0,
            requests: 0,
            exists: 0,
            copies: 0,
            at_once: 0,
            looks: false,
            wrote: None,
            not_before,
            settled_at,
        }
    }

    /// Returns what is known now.
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Returns what is wished.
    pub fn wish(&self) -> Wish {
        self.wish
    }

    /// Returns the time before which nothing is sent.
    pub fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Forgets what was known: a create was accepted, and it is yet to be seen what of it is there.
    pub fn doubt(&mut self) {
        self.presence = Presence::Unknown;
    }

    /// Returns the next request, or `None` where the target is as wished.
    pub fn next(&self) -> Option<Method> {
        if self.looks { Some(Method::Get) } else { next_request(self.presence, self.wish) }
    }

    /// Returns what this conversation came to, whatever was planned: the last write that took
    /// effect; [`Action::Ask`] where asking was enough.
    pub fn did(&self) -> Action {
        match self.wrote {
            Some(Action::Create) if self.copies > 0 => Action::Renew,
            Some(wrote) => wrote,
            None if self.requests > 0 => Action::Ask,
            None => Action::Nothing,
        }
    }

    /// Takes the answer to `method`, and says what follows.
    pub fn answered(&mut self, method: Method, answer: Answer, flight: Flight, settle: Duration) -> Step {
        self.requests += 1;
        self.wrote = wrote(method, answer).or(self.wrote);
        let mut reaction = react(method, self.presence, answer);
        if answer == Answer::Broken && method != Method::Get {
            // It may take effect within `settle` of its sending, which was before the answer was
            // lost; a GET before that, or another write, could be overtaken by it.
            self.settled_at = self.settled_at.max(flight.back_at + settle);
            self.not_before = self.settled_at;
        }
        if self.presence == Presence::Doubled && method == Method::Delete && answer == Answer::Accepted {
            // Acknowledged now and done later, it must not meet what is created in its place.
            self.settled_at = self.settled_at.max(flight.back_at + settle);
            self.at_once += 1;
            if self.at_once >= COPIES_AT_ONCE {
                self.at_once = 0;
                self.not_before = self.settled_at;
            }
        }
        let too_early = answer == Answer::Gone && method != Method::Post && flight.sent_at < self.settled_at;
        if too_early {
            let still = if self.presence == Presence::Doubled { Presence::Doubled } else { Presence::Unknown };
            reaction = Reaction::Now(still);
            self.not_before = self.settled_at;
        }
        match reaction {
            Reaction::Done => return Step::Done,
            Reaction::Park => return Step::Park,
            Reaction::Forbidden => return Step::Forbidden,
            Reaction::Unauthorized => return Step::Unauthorized,
            Reaction::Redirected => return Step::Redirected,
            // The pace bounds how long a target may put us off.
            Reaction::Later => {
                self.requests -= 1;
                return Step::Later;
            }
            Reaction::Now(presence) => {
                if presence == Presence::Doubled && method == Method::Delete && !too_early {
                    // Trouble counts in a row: whatever came before is over.
                    (self.copies, self.attempts) = (self.copies + 1, 0);
                }
                self.looks = presence == Presence::Doubled && (method == Method::Delete || too_early);
                self.presence = presence;
                self.exists += u32::from(answer == Answer::Exists);
                if self.exists > EXISTS_MAX || (self.copies >= COPIES_MAX && !self.looks) {
                    return Step::Park;
                }
            }
            Reaction::Again(presence) => {
                self.looks = presence == Presence::Doubled && (self.looks || answer == Answer::Broken);
                self.presence = presence;
                self.attempts += 1;
                if self.attempts >= ATTEMPTS_MAX {
                    return Step::GiveUp;
                }
            }
        }
        match (self.next(), reaction) {
            (None, _) => Step::Done,
            (Some(_), _) if self.requests >= REQUESTS_MAX + 2 * self.copies => Step::GiveUp,
            (Some(_), Reaction::Again(_)) => Step::Retry(self.attempts),
            (Some(_), _) => Step::Send,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SETTLE: Duration = Duration::from_secs(2);
    /// Long after anything else.
    const LATE: Flight = Flight { sent_at: Duration::from_secs(100), back_at: Duration::from_secs(101) };

    /// Plays answers; returns the requests that were sent, the last step, and what it came to.
    fn play(presence: Presence, wish: Wish, answers: &[Answer]) -> (Vec<Method>, Step, Action) {
        let mut talk = Conversation::new(presence, wish, Duration::ZERO);
        let mut sent = Vec::new();
        let (mut step, mut now) = (Step::Send, Duration::ZERO);
        for answer in answers {
            let method = talk.next().expect("a request is due");
            sent.push(method);
            now = talk.not_before().max(now);
            let flight = Flight { sent_at: now, back_at: now + Duration::from_millis(10) };
            step = talk.answered(method, *answer, flight, SETTLE);
            now = flight.back_at;
        }
        (sent, step, talk.did())
    }

    #[test]
    fn conversations() {
        use Action::{Ask, Create, Delete as Remove, Update};
        use Answer::{Accepted, Broken, Different, Equal, Exists, Gone, NotSent, Throttled};
        use Method::{Delete, Get, Post, Put};
        use Presence::{Absent, Present, Unknown};
        type Row = (Presence, Wish, &'static [Answer], &'static [Method], Step, Action);
        let rows: [Row; 14] = [
            (Absent, Wish::Present, &[Accepted], &[Post], Step::Done, Create),
            (Absent, Wish::Present, &[Exists, Different, Accepted], &[Post, Get, Put], Step::Done, Update),
            (Absent, Wish::Present, &[Broken, Gone, Accepted], &[Post, Get, Post], Step::Done, Create),
            (Absent, Wish::Present, &[Broken, Equal], &[Post, Get], Step::Done, Create),
            (Absent, Wish::Present, &[NotSent, Accepted], &[Post, Post], Step::Done, Create),
            (Absent, Wish::Present, &[Throttled, Accepted], &[Post, Post], Step::Done, Create),
            (Absent, Wish::Present, &[Gone], &[Post], Step::Park, Ask),
            // TARGETS 4: JSONPlaceholder and an object made here.
            (Present, Wish::Present, &[Broken, Gone, Accepted], &[Put, Get, Post], Step::Done, Create),
            (Present, Wish::Present, &[Gone, Accepted], &[Put, Post], Step::Done, Create),
            (Present, Wish::Absent, &[Gone], &[Delete], Step::Done, Remove),
            (Present, Wish::Absent, &[Broken, Different, Accepted], &[Delete, Get, Delete], Step::Done, Remove),
            (Absent, Wish::Present, &[Exists, Equal], &[Post, Get], Step::Done, Ask),
            (Unknown, Wish::Absent, &[Gone], &[Get], Step::Done, Ask),
            (
                Absent,
                Wish::Present,
                &[Exists, Gone, Exists, Gone, Exists],
                &[Post, Get, Post, Get, Post],
                Step::Park,
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
        let mut talk = Conversation::new(Presence::Present, Wish::Present, Duration::ZERO);
        talk.answered(Method::Put, Answer::Broken, LATE, SETTLE);
        // It may have been sent just before the answer was given up.
        assert_eq!(talk.not_before(), LATE.back_at + SETTLE);
        let fresh = Conversation::new(Presence::Unknown, Wish::Absent, LATE.sent_at);
        assert_eq!(fresh.not_before(), LATE.sent_at);
    }

    #[test]
    fn a_404_is_believed_once_everything_earlier_has_taken_effect() {
        let at = |ms| Flight { sent_at: Duration::from_millis(ms), back_at: Duration::from_millis(ms + 10) };
        for (wish, method) in [(Wish::Present, Method::Put), (Wish::Absent, Method::Delete)] {
            let mut talk = Conversation::new(Presence::Present, wish, SETTLE);
            assert_eq!(talk.answered(method, Answer::Gone, at(1999), SETTLE), Step::Send, "{method:?}");
            assert_eq!((talk.next(), talk.not_before()), (Some(Method::Get), SETTLE), "{method:?}");
            // It was on its way.
            assert_eq!(talk.answered(Method::Get, Answer::Different, at(2000), SETTLE), Step::Send, "{method:?}");
            assert_eq!(talk.next(), Some(method));
        }
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
            Answer::NotSent,
        ];
        for first in answers {
            for second in answers {
                let mut talk = Conversation::new(Presence::Unknown, Wish::Present, Duration::ZERO);
                let mut requests = 0;
                while let Some(method) = talk.next() {
                    let answer = if requests % 2 == 0 { first } else { second };
                    requests += 1;
                    match talk.answered(method, answer, LATE, SETTLE) {
                        Step::Send | Step::Retry(_) | Step::Later => assert!(requests < REQUESTS_MAX),
                        Step::Done
                        | Step::GiveUp
                        | Step::Park
                        | Step::Forbidden
                        | Step::Unauthorized
                        | Step::Redirected => break,
                    }
                }
            }
        }
    }
}
