//! The rules of a conversation: presence x wish -> the next request, request x answer -> what is known now.

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
    /// It ends here: the answer is a refusal, of the object or of everything, or it cannot be understood. What is known
    /// of its presence now.
    Refused(Presence),
}

/// The conversation's rules, one line an answer. `presence` is what was known when the
/// request was sent.
#[expect(clippy::match_same_arms, reason = "one line a rule, in the rules' order")]
pub fn react(method: Method, presence: Presence, answer: Answer) -> Reaction {
    match (method, answer) {
        (_, Answer::Unauthorized | Answer::Forbidden | Answer::Redirected | Answer::Refused) => {
            Reaction::Refused(presence)
        }
        (Method::Get, Answer::Unreadable | Answer::Unfiltered) => Reaction::Refused(presence),
        // Which of them is ours? That is for a full sync, which sees them all.
        (Method::Get, Answer::Several) if presence != Presence::Doubled => Reaction::Refused(Presence::Doubled),
        (_, Answer::Unreadable) if presence == Presence::Doubled => Reaction::Refused(Presence::Doubled),
        (_, Answer::Unreadable) => Reaction::Refused(Presence::Unknown),
        (_, Answer::Throttled) => Reaction::Later,
        (_, Answer::NotSent) => Reaction::Again(presence),
        (_, Answer::Broken | Answer::Lost) if presence == Presence::Doubled => Reaction::Again(Presence::Doubled),
        // A write may have been applied, a 503 too; a GET changed nothing, but told nothing.
        (_, Answer::Broken | Answer::Lost) => Reaction::Again(Presence::Unknown),

        (Method::Get, Answer::Equal | Answer::Different | Answer::Several) if presence == Presence::Doubled => {
            Reaction::Now(Presence::Doubled)
        }
        (Method::Delete, Answer::Accepted) if presence == Presence::Doubled => Reaction::Now(Presence::Doubled),
        (Method::Delete, Answer::Gone) if presence == Presence::Doubled => Reaction::Now(Presence::Absent),

        (Method::Get, Answer::Equal) => Reaction::Done,
        (Method::Get, Answer::Different) => Reaction::Now(Presence::Present),
        (Method::Get, Answer::Gone) => Reaction::Now(Presence::Absent),

        (Method::Post | Method::Put | Method::Delete, Answer::Accepted) => Reaction::Done,
        (Method::Post, Answer::Exists) => Reaction::Now(Presence::Unknown),
        // A path that takes no POST: nothing about the object can mend that. It says nothing of the object, and makes an
        // earlier 404 doubtful: one that came from the same broken route.
        (Method::Post, Answer::Gone) => Reaction::Refused(Presence::Unknown),
        (Method::Put, Answer::Gone) => Reaction::Now(Presence::Absent),
        (Method::Delete, Answer::Gone) => Reaction::Done,

        // `reply::read` gives none of these pairs; were it to, asking again is always right.
        (Method::Get, Answer::Accepted | Answer::Exists | Answer::Several)
        | (
            Method::Post | Method::Put | Method::Delete,
            Answer::Equal | Answer::Different | Answer::Several | Answer::Unfiltered,
        )
        | (Method::Put | Method::Delete, Answer::Exists) => Reaction::Again(Presence::Unknown),
    }
}

/// Returns the write that has taken effect, or may have where the answer was lost.
pub(super) fn wrote(method: Method, answer: Answer) -> Option<Action> {
    let has_effect = matches!(answer, Answer::Accepted | Answer::Broken | Answer::Lost | Answer::Unreadable);
    match method {
        Method::Get => None,
        Method::Post => has_effect.then_some(Action::Create),
        Method::Put => has_effect.then_some(Action::Update),
        Method::Delete => (has_effect || answer == Answer::Gone).then_some(Action::Delete),
    }
}
