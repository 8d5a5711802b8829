//! A 2xx is not proof: some targets answer 200 to an update or a delete, and say in the body that nothing was done, or
//! show another object or other content. Then the object is asked for, once for each entity and run; further ones are
//! counted and told in one warning. Where the profile says that a 2xx to an update proves nothing (`writes`), each is asked
//! for whose response does not show it.
//!
//! ```text
//! PUT 2xx, contradicted ─▶ GET ─ equal ────────────────────────────────────▶ done
//!                              ├ gone ─────────────────────────────────────▶ the conversation goes on with that
//!                              └ different, and again after settle ─ its content was shown ─▶ kept, differently
//!                                                                  └ else ─▶ refused
//! PUT 2xx, and the profile wants to be shown ─▶ the same
//! DELETE 2xx, contradicted ─▶ GET ─ gone ──────────────────────────────────▶ done
//!                                 └ there, and again after settle ─────────▶ refused
//! ```

use alloc::collections::BTreeSet;
use core::time::Duration;

use crate::merge::Wish;
use crate::model::{Entity, Key};
use crate::object::Flight;
use crate::profile::Writes;
use crate::reply::{Answer, Echo, Method, Told};
use crate::session::trial::Errand;
use crate::session::types::Warning;
use crate::session::{Phase, Session};

/// What was confirmed in a run, and what was not.
#[derive(Debug, Default)]
pub struct Confirmations {
    begun: BTreeSet<Entity>,
    /// Further contradictions: how many, and the first.
    unproven: u64,
    example: Option<Key>,
}

impl Session {
    /// Takes the body of an accepted PUT or DELETE. Returns whether the object is asked for now.
    pub(super) fn wants_confirmation(&mut self, place: usize, method: Method, told: &Told, now: Duration) -> bool {
        let key = self.items[place].work.key;
        let writes = match method {
            Method::Put => self.config.profile.writes,
            // What is not there any more cannot be shown.
            Method::Get | Method::Post | Method::Delete => Writes::Trusted,
        };
        let is_shown = match (writes, told.echo) {
            (Writes::Trusted, Echo::Plain | Echo::Shown) | (Writes::Echoed, Echo::Shown) => true,
            (Writes::Trusted | Writes::Echoed | Writes::Read, _) => false,
        };
        if is_shown {
            return false;
        }
        if writes == Writes::Trusted && !self.confirmations.begun.insert(key.entity()) {
            self.confirmations.unproven += 1;
            self.confirmations.example.get_or_insert(key);
            return false;
        }
        let item = &mut self.items[place];
        item.why.clone_from(&told.why);
        item.talk.doubt();
        item.errand = Errand::Confirm { method, echo: told.echo, settled_at: now + self.config.effects.settle };
        item.phase = Phase::Ready;
        self.ready.push_front(place);
        true
    }

    /// Takes the answer to such a question, which was sent at `sent_at`.
    pub(super) fn confirm(&mut self, place: usize, told: &Told, sent_at: Duration, now: Duration, random: u64) {
        let Errand::Confirm { echo, settled_at, .. } = self.items[place].errand else { return };
        let wish = self.items[place].work.after;
        let is_early = sent_at < settled_at;
        match (told.answer, wish) {
            (Answer::Equal, Wish::Present) => self.done(place, now),
            (Answer::Different | Answer::Equal | Answer::Gone, _) if is_early => self.wait(place, settled_at),
            (Answer::Gone, Wish::Absent) => self.done(place, now),
            (Answer::Gone, Wish::Present) => {
                self.items[place].errand = Errand::Talk;
                self.go_on(place, now);
            }
            (Answer::Different, Wish::Present) if echo == Echo::OtherContent => {
                self.warnings.push_back(Warning::StoredDifferently(self.items[place].work.key));
                self.done(place, now);
            }
            (Answer::Different | Answer::Equal, _) => {
                self.items[place].errand = Errand::Talk;
                // What it said at first is the reason.
                let why = self.items[place].why.clone();
                self.refuse(place, &Told { answer: Answer::Refused, why, ..told.clone() }, now);
            }
            (
                Answer::Accepted
                | Answer::Exists
                | Answer::Several
                | Answer::Unfiltered
                | Answer::Throttled
                | Answer::Broken
                | Answer::Lost
                | Answer::Unreadable
                | Answer::NotSent
                | Answer::Unauthorized
                | Answer::Forbidden
                | Answer::Redirected
                | Answer::Refused,
                _,
            ) => {
                let flight = Flight { sent_at, back_at: now };
                let step = self.items[place].talk.answered(Method::Get, told.answer, flight, &self.config.effects);
                if let Some(step) = self.ask_again(place, step, told, now, random) {
                    self.items[place].errand = Errand::Talk;
                    self.follow(place, step, told, now, random);
                }
            }
        }
    }

    /// Tells of what was accepted in contradiction and not asked for.
    pub(super) fn tell_of_unproven(&mut self) {
        let count = core::mem::take(&mut self.confirmations.unproven);
        if let (1.., Some(key)) = (count, self.confirmations.example) {
            self.warnings.push_back(Warning::Unproven { count, key });
        }
    }
}
