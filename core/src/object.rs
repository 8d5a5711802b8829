//! One object's conversation with the target: presence x wish -> the next request,
//! request x answer -> what we know now.
//!
//! The master decides; the answer moves the presence; the next request follows from the
//! table in `merge`. In scope: that, and the bounds of one conversation. Out of scope:
//! other objects, order, rates (`session`).

mod clearing;
mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Reaction, next_request, react};

use core::time::Duration;

use crate::merge::{Action, Presence, Wish};
use crate::reply::{Answer, Method};
use clearing::Clearing;
use rules::wrote;

/// How long requests may take to have their effect, and what a run does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effects {
    /// An answered write has had its effect so long after its answer, also where the answer was a 500 or 503.
    pub settle: Duration,
    /// An unanswered write (a time-out, a cut connection, 408, 502, 504) may have its effect so long after its answer
    /// was lost. At a target that chooses the ids, that has the time after which a search shows the effect
    /// ([`Profile::search_takes`](crate::profile::Profile::search_takes)) in it.
    pub late: Duration,
    /// What a run does about that.
    pub wait: Wait,
}

/// What a run does about an object whose answer was lost. Until [`Effects::late`] has passed, nothing else is sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It waits, once for each object, and goes on: somebody asked for this run.
    Once,
    /// It leaves the object to a later run: a loop comes back.
    Never,
}

/// Attempts that trouble may cost one object in one run.
pub const ATTEMPTS_MAX: u32 = 5;
/// Requests of one object in one run, whatever the answers: the longest honest
/// conversation (PUT, GET, POST, GET, each after trouble) is shorter.
pub const REQUESTS_MAX: u32 = 24;
/// A target that says twice that an object exists, and then that it does not, is not
/// asked a third time.
const EXISTS_MAX: u32 = 2;

/// How a request names its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By the id that we chose.
    Ours,
    /// By the target's id, which is not known: the object has to be found by its key before it is changed.
    ToFind,
    /// By the target's id, which was found in this run.
    Found,
}

/// One object's conversation in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    presence: Presence,
    wish: Wish,
    naming: Naming,
    attempts: u32,
    requests: u32,
    exists: u32,
    clearing: Clearing,
    /// The last write that took effect, as far as is known.
    wrote: Option<Action>,
    /// The target had it not, at some time in this run.
    was_missing: bool,
    /// This run has waited for a lost answer's effect, or waits from its beginning.
    has_waited: bool,
    /// The last request was a write, and its answer was lost.
    is_unanswered: bool,
    /// Nothing is sent before: a request that was sent and not answered may still take effect.
    not_before: Duration,
    /// From then on every earlier request has taken its effect, those of earlier runs, too:
    /// a 404 to what was sent before tells nothing. A target may acknowledge first and do later.
    settled_at: Duration,
    /// The same of the object's own requests that were not answered, or only acknowledged: what a later run has to know.
    own_settled_at: Duration,
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
    /// It ends here: refused, or answered in a way that cannot be understood, or as it was asked for in vain.
    Refused,
}

impl Conversation {
    /// Begins one. Acknowledged requests of earlier runs have taken their effect at `settled_at`, the object's own
    /// unanswered ones at `own_settled_at`. With an unknown presence, or one of several records, one may be on its
    /// way, and both have to pass first.
    pub fn new(presence: Presence, wish: Wish, settled_at: Duration, own_settled_at: Duration) -> Self {
        let all_settled_at = settled_at.max(own_settled_at);
        let not_before = match presence {
            Presence::Unknown | Presence::Doubled => all_settled_at,
            Presence::Absent | Presence::Present => own_settled_at,
        };
        Self {
            presence,
            wish,
            naming: Naming::Ours,
            attempts: 0,
            requests: 0,
            exists: 0,
            clearing: Clearing::default(),
            wrote: None,
            was_missing: false,
            has_waited: own_settled_at > settled_at,
            is_unanswered: false,
            not_before,
            settled_at: all_settled_at,
            own_settled_at,
        }
    }

    /// The same at a target that chooses the ids.
    #[must_use]
    pub fn by_key(self) -> Self {
        Self { naming: Naming::ToFind, ..self }
    }

    /// Returns what is known now.
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Says whether the target had it not, at some time in this run.
    pub fn was_missing(&self) -> bool {
        self.was_missing
    }

    /// Returns what is wished.
    pub fn wish(&self) -> Wish {
        self.wish
    }

    /// Returns the time before which nothing is sent.
    pub fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Returns from when every earlier request has taken its effect.
    pub fn settled_at(&self) -> Duration {
        self.settled_at
    }

    /// Returns from when every request of the object itself has taken its effect that was not answered.
    pub fn own_settled_at(&self) -> Duration {
        self.own_settled_at
    }

    /// Says whether the last request was a write whose answer was lost.
    pub fn is_unanswered(&self) -> bool {
        self.is_unanswered
    }

    /// Forgets what was known: the target may have the object, whatever the log says, or what was just created is yet to
    /// be seen there. An acknowledged request of an earlier run may be on its way, as for any unknown object.
    pub fn doubt(&mut self) {
        self.presence = Presence::Unknown;
        self.not_before = self.not_before.max(self.settled_at);
    }

    /// Returns the next request, or `None` where the target is as wished.
    pub fn next(&self) -> Option<Method> {
        if self.clearing.looks {
            return Some(Method::Get);
        }
        match next_request(self.presence, self.wish) {
            Some(Method::Put | Method::Delete) if self.naming == Naming::ToFind => Some(Method::Get),
            next => next,
        }
    }

    /// Says whether a create is what the next request is, or only makes room for.
    pub fn leads_to_create(&self) -> bool {
        match self.presence {
            Presence::Absent | Presence::Doubled => self.wish == Wish::Present,
            Presence::Present | Presence::Unknown => false,
        }
    }

    /// Returns what this conversation came to, whatever was planned: the last write that took
    /// effect; [`Action::Ask`] where asking was enough.
    pub fn did(&self) -> Action {
        match self.wrote {
            Some(Action::Create) if self.clearing.copies > 0 => Action::Renew,
            Some(wrote) => wrote,
            None if self.requests > 0 => Action::Ask,
            None => Action::Nothing,
        }
    }

    /// Takes the answer to `method`, and says what follows.
    pub fn answered(&mut self, method: Method, answer: Answer, flight: Flight, effects: &Effects) -> Step {
        self.requests += 1;
        self.wrote = wrote(method, answer).or(self.wrote);
        self.is_unanswered = method != Method::Get && answer == Answer::Lost;
        let settle = effects.settle;
        let reaction = react(method, self.presence, answer);
        // What has its effect is found by a search a little later.
        let search = if self.naming == Naming::Ours { Duration::ZERO } else { settle };
        let takes = if self.is_unanswered { effects.late } else { settle + search };
        if matches!(answer, Answer::Broken | Answer::Lost | Answer::Unreadable) && method != Method::Get {
            // It may take effect until then; a GET before that, or another write, could be overtaken by it.
            self.own_settled_at = self.own_settled_at.max(flight.back_at + takes);
            self.settled_at = self.settled_at.max(self.own_settled_at);
            self.not_before = self.settled_at;
        }
        if answer == Answer::Exists {
            // What took its place was acknowledged a moment ago, by this very request where the network doubled it.
            self.settled_at = self.settled_at.max(flight.back_at + search + settle);
        }
        let mut reaction = self.learn_place(method, answer, reaction);
        let is_doubled = self.presence == Presence::Doubled;
        if is_doubled && method == Method::Delete && answer == Answer::Accepted {
            // Acknowledged now and done later, it must not meet what is created in its place.
            self.own_settled_at = self.own_settled_at.max(flight.back_at + settle);
            self.settled_at = self.settled_at.max(self.own_settled_at);
            if self.clearing.deleted() {
                self.not_before = self.settled_at;
            }
            // Trouble counts in a row: whatever came before is over.
            self.attempts = 0;
        }
        let too_early = answer == Answer::Gone && method != Method::Post && flight.sent_at < self.settled_at;
        if too_early {
            reaction = Reaction::Now(if is_doubled { Presence::Doubled } else { Presence::Unknown });
            self.not_before = self.settled_at;
        }
        match reaction {
            Reaction::Done => return Step::Done,
            Reaction::Refused(presence) => {
                self.presence = presence;
                return Step::Refused;
            }
            // The pace bounds how long a target may put us off.
            Reaction::Later => {
                self.requests -= 1;
                return Step::Later;
            }
            Reaction::Now(presence) => {
                let remains = method == Method::Get && !too_early && presence == Presence::Doubled;
                self.clearing.looks = presence == Presence::Doubled && !remains;
                self.presence = presence;
                self.was_missing |= presence == Presence::Absent;
                self.exists += u32::from(answer == Answer::Exists);
                if self.exists > EXISTS_MAX || (remains && self.clearing.is_in_vain()) {
                    return Step::Refused;
                }
            }
            Reaction::Again(presence) => {
                self.clearing.looks |= is_doubled && matches!(answer, Answer::Broken | Answer::Lost);
                self.presence = presence;
                self.attempts += 1;
                let may_wait = match effects.wait {
                    Wait::Never => false,
                    Wait::Once => !self.has_waited,
                };
                self.has_waited |= self.is_unanswered;
                if self.attempts >= ATTEMPTS_MAX || (self.is_unanswered && !may_wait) {
                    return Step::GiveUp;
                }
            }
        }
        match (self.next(), reaction) {
            (None, _) => Step::Done,
            (Some(_), _) if self.requests >= REQUESTS_MAX + 2 * self.clearing.copies => Step::GiveUp,
            (Some(_), Reaction::Again(_)) => Step::Retry(self.attempts),
            (Some(_), _) => Step::Send,
        }
    }

    /// Where the target chooses the ids: takes note of whether the object's is known now, and says what the answer comes to.
    fn learn_place(&mut self, method: Method, answer: Answer, reaction: Reaction) -> Reaction {
        let was_to_find = self.naming == Naming::ToFind;
        if self.naming == Naming::Ours {
            return reaction;
        }
        match (method, answer) {
            (Method::Get, Answer::Equal | Answer::Different | Answer::Several) => self.naming = Naming::Found,
            // Each copy has its own id.
            (Method::Put | Method::Delete, Answer::Gone) | (Method::Delete, Answer::Accepted) => {
                self.naming = Naming::ToFind;
            }
            (_, _) => {}
        }
        match (method, answer) {
            // It was only asked for to be found: an earlier write that was acknowledged may be on its way, and be undone
            // by the one that is to follow.
            (Method::Get, Answer::Equal) if was_to_find && self.presence == Presence::Present => {
                Reaction::Now(Presence::Present)
            }
            // One is left of several: it stays.
            (Method::Get, Answer::Equal | Answer::Different) if self.presence == Presence::Doubled => {
                Reaction::Now(Presence::Present)
            }
            // What was found is gone; there may be another one with its key.
            (Method::Put, Answer::Gone) => Reaction::Now(Presence::Unknown),
            (Method::Delete, Answer::Gone) if self.presence == Presence::Doubled => Reaction::Now(Presence::Doubled),
            (_, _) => reaction,
        }
    }
}
