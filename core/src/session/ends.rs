//! How objects and runs end, and what is recorded of it.

use alloc::format;
use core::time::Duration;

use crate::merge::{Action, Presence, Wish};
use crate::model::Key;
use crate::object::ATTEMPTS_MAX;
use crate::plan::{Stage, Standing, Work};
use crate::session::order::Fate;
use crate::session::outcome::Stop;
use crate::session::pace::Exhausted;
use crate::session::trial::Errand;
use crate::session::types::{Fact, Left, Next};
use crate::session::{BATCH_MAX, Item, Phase, RECORD_WITHIN, Session};

impl Session {
    pub(super) fn done(&mut self, place: usize, now: Duration) {
        let Item { work, talk, errand, kept, .. } = &mut self.items[place];
        *errand = Errand::Talk;
        let key = work.key;
        let did = talk.did();
        let kept = kept.filter(|_| work.after == Wish::Present && did != Action::Nothing);
        self.summary.altered += u64::from(kept.is_some());
        self.summary.count_done(key.entity(), did);
        if let Some(trouble) = self.troubles.remove(&place) {
            self.summary.overcome.get_or_insert(trouble);
        }
        self.fact(Fact::Done(key, did, kept), now);
        self.end(place, Fate::Good, now);
    }

    pub(super) fn fail(&mut self, place: usize, now: Duration) {
        self.summary.failed += 1;
        // If it was the first create, the next one is.
        self.trials.entry(self.items[place].work.key.entity()).or_default().failed(place);
        let unanswered = self.items[place].talk.is_unanswered();
        self.leave(place, if unanswered { Left::Unanswered } else { Left::Waiting }, now);
        self.end(place, Fate::Bad, now);
    }

    /// Leaves an object to a later run, whatever it waits for.
    pub(super) fn give_up(&mut self, place: usize, now: Duration) {
        if self.items[place].errand == Errand::AskFirst {
            return self.leave_unasked(place);
        }
        self.fail(place, now);
    }

    pub(super) fn leave(&mut self, place: usize, end: Left, now: Duration) {
        self.troubles.remove(&place);
        let item = &self.items[place];
        if end != Left::Held && !item.why.is_empty() {
            let (key, why) = (item.work.key, &item.why);
            self.summary.first_error.get_or_insert_with(|| format!("{key}: {why}"));
        }
        let fact = Fact::Left {
            key: item.work.key,
            presence: item.talk.presence(),
            end,
            status: item.status,
            why: item.why.clone(),
            settles_in: item.talk.own_settled_at().saturating_sub(now),
        };
        self.fact(fact, now);
    }

    /// An operator has stopped its sync: nothing is recorded, and what depends on it is held.
    pub(super) fn leave_on_hold(&mut self, place: usize, now: Duration) {
        self.summary.on_hold.insert(self.items[place].work.key);
        self.end(place, Fate::Bad, now);
    }

    fn fact(&mut self, fact: Fact, now: Duration) {
        if self.facts.is_empty() {
            self.facts_since = now;
        }
        self.facts.push(fact);
    }

    /// Ends the object's part, and that of all who are held by it.
    pub(super) fn end(&mut self, place: usize, fate: Fate, now: Duration) {
        let mut ending = alloc::vec![(place, fate)];
        while let Some((place, fate)) = ending.pop() {
            let item = &mut self.items[place];
            item.phase = Phase::Ended;
            self.open -= usize::from(item.prepared);
            // An update that failed leaves the post as it was: its comments need not wait. Unless it was not there.
            let is_there = item.work.stage() == Stage::UpdatePosts && !item.talk.was_missing();
            // A comment that the target does not have is under no post there: that post's delete need not wait.
            let is_nowhere = item.work.parent.is_some() && item.talk.presence() == Presence::Absent;
            let fate = if is_there || is_nowhere { Fate::Good } else { fate };
            let Work { key: ended, standing, .. } = item.work;
            for (held, fate) in self.order.ended(&item.work, fate) {
                if fate == Fate::Overtaken {
                    self.summary.overtaken += 1;
                    ending.push((held, fate));
                    continue;
                }
                self.summary.held += 1;
                let held_item = &mut self.items[held];
                held_item.why = match held_item.work.key {
                    Key::Comment(_) if standing == Standing::GivenUp => {
                        format!("waits for {ended}, which is not at the target: its creation was given up")
                    }
                    Key::Comment(_) | Key::Post(_) => format!("waits for {ended}"),
                };
                self.leave(held, Left::Held, now);
                ending.push((held, fate));
            }
        }
    }

    pub(super) fn record(&mut self) -> Next {
        let rest = self.facts.split_off(self.facts.len().min(BATCH_MAX));
        Next::Record(core::mem::replace(&mut self.facts, rest))
    }

    /// After a stop: waits for what is under way, then leaves the rest as it is.
    pub(super) fn wind_up(&mut self, now: Duration) -> Next {
        if !self.is_idle() {
            return Next::Wait(None);
        }
        self.summary.throttled = self.pace.throttled(now);
        self.tell_of_strays();
        self.tell_of_unproven();
        self.leave_kept(now);
        self.ready.clear();
        self.timers.clear();
        self.suspended.clear();
        self.questions.clear();
        for place in 0..self.items.len() {
            if self.items[place].phase == Phase::Ended {
                continue;
            }
            self.items[place].phase = Phase::Ended;
            self.summary.untouched += 1;
            if self.items[place].prepared {
                // Whom a wish to stop left between two tries has not failed.
                if self.summary.stop == Some(Stop::Asked) {
                    self.items[place].why.clear();
                }
                self.leave(place, Left::Waiting, now);
            }
        }
        if let Some(warning) = self.warnings.pop_front() {
            return Next::Warn(warning);
        }
        if self.facts.is_empty() { Next::Finished } else { self.record() }
    }

    pub(super) fn finish(&mut self, now: Duration) -> Next {
        // What waits for those that were refused may be accepted.
        if self.release_kept(now) {
            return self.next(now);
        }
        if let Some(why) = self.unjudged() {
            self.stop(Stop::Credentials(why));
            return self.wind_up(now);
        }
        self.summary.throttled = self.pace.throttled(now);
        self.tell_of_unproven();
        if let Some(warning) = self.warnings.pop_front() {
            return Next::Warn(warning);
        }
        if !self.facts.is_empty() {
            return self.record();
        }
        // Objects that nobody will ever release would be a bug in `order`; they are left
        // pending, never lost.
        if self.items.iter().any(|item| item.phase != Phase::Ended) {
            self.stop(Stop::Asked);
            return self.wind_up(now);
        }
        // Few objects make no streak, but if nothing came through at the end, it is the target.
        if self.summary.failed > 0 && self.pace.streak() >= ATTEMPTS_MAX {
            let streak = Exhausted::Streak(self.pace.streak());
            self.stop(Stop::Unavailable(streak, self.last_trouble.clone()));
        }
        Next::Finished
    }

    /// Nothing can be done any more but to judge what was refused.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_idle()
            && self.timers.is_empty()
            && self.ready.is_empty()
            && self.suspended.is_empty()
            && !self.may_prepare()
    }

    /// Nothing is under way whose end would be told.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way() == 0 && self.preparing == 0
    }

    /// Returns how many jobs are taken.
    pub(super) fn under_way(&self) -> usize {
        self.flying + usize::from(self.base.is_asking())
    }

    pub(super) fn next_time(&self, now: Duration) -> Option<Duration> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let slot = (!self.ready.is_empty() && self.under_way() < self.pace.jobs() && self.pace.free_at() > now)
            .then(|| self.pace.free_at());
        let facts = (!self.facts.is_empty()).then(|| self.facts_since + RECORD_WITHIN);
        [timer, slot, facts, self.base_at()].into_iter().flatten().min()
    }
}
