//! What an answer leads to: for its object, for the pace of all, and for the run.

use alloc::format;
use core::time::Duration;

use crate::model::{Key, Object};
use crate::object::{Flight, Step};
use crate::reply::{Answer, Method, Reply, Told};
use crate::session::base::Base;
use crate::session::order::Fate;
use crate::session::pace::Exhausted;
use crate::session::trial::{Errand, Trial};
use crate::session::types::{Left, Stop};
use crate::session::{Phase, Session, pace};

/// So many first answers, all 403, and it is the credentials.
const FORBIDDEN_FIRST_MAX: usize = 5;

impl Session {
    /// Takes the reply to the object's request. `sent` is the master's object as it was
    /// loaded; `random` any number.
    pub fn answered(&mut self, key: Key, reply: &Reply, sent: Option<&Object>, now: Duration, random: u64) {
        let Some(place) = self.place_in(key, |phase| matches!(phase, Phase::Flying(_))) else { return };
        let item = &mut self.items[place];
        let Phase::Flying(sent_at) = item.phase else { return };
        self.flying -= 1;
        let Some((method, _)) = item.errand.request(&item.talk) else { return };
        let told = item.errand.read(method, key, sent, reply);
        item.status = told.status;
        let has_told = matches!(told.answer, Answer::Equal | Answer::Different | Answer::Accepted);
        if !has_told && (told.answer != Answer::Gone || method == Method::Post) {
            item.why.clone_from(&told.why);
        }
        if told.answer == Answer::Gone && self.base != Base::Good && item.errand != Errand::AskFirst {
            item.phase = Phase::Suspended;
            self.suspended.push((place, told, sent_at));
            return;
        }
        self.take(place, &told, sent_at, now, random);
    }

    pub(super) fn take(&mut self, place: usize, told: &Told, sent_at: Duration, now: Duration, random: u64) {
        self.judge_pace(place, told, now, random);
        // That something may be read says nothing about writing.
        if self.items[place].errand != Errand::AskFirst {
            self.judge_credentials(told, now);
        }
        let item = &mut self.items[place];
        if item.errand == Errand::AskFirst {
            return self.asked(place, told, Flight { sent_at, back_at: now }, random);
        }
        if item.errand != Errand::Talk {
            return self.run_errand(place, told, sent_at, now, random);
        }
        let entity = item.work.key.entity();
        let Some(method) = item.talk.next() else { return };
        let flight = Flight { sent_at, back_at: now };
        let step = item.talk.answered(method, told.answer, flight, &self.config.effects);
        let trial = self.trials.entry(entity).or_default();
        if method == Method::Post && step == Step::Done {
            if trial.wants_proof(place, &told.named) {
                *trial = Trial::Running(place);
                let item = &mut self.items[place];
                item.talk.doubt();
                item.errand =
                    Errand::ReadBack { named: told.named.clone(), settled_at: now + self.config.effects.settle };
                item.phase = Phase::Ready;
                self.ready.push_front(place);
                return;
            }
        } else if method == Method::Post || !matches!(step, Step::Send | Step::Retry(_) | Step::Later) {
            trial.failed(place);
        }
        self.follow(place, step, told, now, random);
    }

    pub(super) fn follow(&mut self, place: usize, step: Step, told: &Told, now: Duration, random: u64) {
        match step {
            Step::Done => self.done(place, now),
            // When later: everybody waits, and the pace sees to it.
            Step::Send | Step::Later => self.go_on(place, now),
            Step::Retry(attempt) => {
                let delay = told.retry_after.unwrap_or_else(|| pace::delay(attempt, random));
                let at = self.items[place].talk.not_before().max(now.saturating_add(delay));
                self.wait(place, at);
            }
            Step::GiveUp => self.fail(place, now),
            Step::Park => self.park(place, told, now),
            Step::Forbidden => {
                if self.anything_allowed {
                    return self.park(place, told, now);
                }
                self.items[place].phase = Phase::Forbidden;
                self.forbidden.push(place);
                if self.forbidden.len() >= FORBIDDEN_FIRST_MAX {
                    self.stop(Stop::Credentials(told.why.clone()));
                }
            }
            Step::Unauthorized => {
                self.items[place].phase = Phase::Suspended;
                self.stop(Stop::Credentials(told.why.clone()));
            }
            Step::Redirected => {
                self.items[place].phase = Phase::Suspended;
                self.stop(Stop::Redirected(told.why.clone()));
            }
        }
    }

    fn judge_pace(&mut self, place: usize, told: &Told, now: Duration, random: u64) {
        match told.answer {
            Answer::Throttled => self.pace.throttle(now, told.retry_after, random),
            Answer::Broken | Answer::Lost | Answer::NotSent => {
                self.pace.trouble();
                if let Some(wait) = told.retry_after {
                    self.pace.pause(now, wait);
                }
            }
            Answer::Equal
            | Answer::Different
            | Answer::Accepted
            | Answer::Gone
            | Answer::Exists
            | Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected
            | Answer::Refused => self.pace.told(),
        }
        if matches!(told.answer, Answer::Broken | Answer::Lost | Answer::NotSent | Answer::Refused | Answer::Forbidden)
        {
            let line = format!("{}: {}", self.items[place].work.key, told.why);
            self.summary.first_error.get_or_insert_with(|| line.clone());
            self.last_trouble = line;
        }
        self.summary.retries = self.pace.retries();
        self.summary.throttled = self.pace.throttled();
        if let Some(exhausted) = self.pace.exhausted() {
            let why = if matches!(exhausted, Exhausted::Throttled(_)) { &told.why } else { &self.last_trouble };
            self.stop(Stop::Unavailable(exhausted, why.clone()));
        }
    }

    /// A 403 is the object's fault only where something else is allowed.
    fn judge_credentials(&mut self, told: &Told, now: Duration) {
        let allowed = match told.answer {
            Answer::Equal | Answer::Different | Answer::Accepted | Answer::Gone | Answer::Exists | Answer::Refused => {
                true
            }
            Answer::Throttled
            | Answer::Broken
            | Answer::Lost
            | Answer::NotSent
            | Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected => false,
        };
        if allowed && !self.anything_allowed {
            self.anything_allowed = true;
            for place in core::mem::take(&mut self.forbidden) {
                self.leave(place, Left::Parked, now);
                self.summary.parked += 1;
                self.end(place, Fate::Bad, now);
            }
        }
    }
}
