//! What is sent when: objects are prepared in batches, and their requests go as jobs, rate
//! and the order allow.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use crate::model::Key;
use crate::reply::Method;
use crate::session::order::Fate;
use crate::session::trial::Errand;
use crate::session::types::{Left, Loaded, Next, Request};
use crate::session::{BATCH_MAX, Phase, Session};

/// Objects prepared and not through: the driver holds their rows.
const OPEN_MAX: usize = 4096;
/// Objects prepared at a time, for each job: a transaction costs a few of a fast target's answers.
const PREPARED_PER_JOB: usize = 16;
/// So many are ready, for each job, while the next ones are prepared.
const READY_PER_JOB: usize = 8;

impl Session {
    pub(super) fn wake(&mut self, now: Duration) {
        while let Some(&(at, place)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.put_off.remove(&place);
            self.items[place].phase = Phase::Ready;
            self.ready.push_front(place);
        }
    }

    pub(super) fn send(&mut self, now: Duration) -> Option<Request> {
        if self.under_way() >= self.pace.jobs() || self.pace.free_at() > now || self.base.is_alone() {
            return None;
        }
        let at = self.ready.iter().position(|&place| self.may_send(place))?;
        let place = self.ready.remove(at)?;
        let item = &mut self.items[place];
        let (method, id) = item.errand.request(&item.talk)?;
        let key = item.work.key;
        item.phase = Phase::Flying(now);
        item.begun = true;
        if item.errand == Errand::Talk && item.talk.leads_to_create() {
            self.trials.entry(key.entity()).or_default().begin(place);
        }
        self.flying += 1;
        self.count_request(method, now);
        Some(Request { key, method, id: id.unwrap_or_else(|| key.id().to_string()) })
    }

    pub(super) fn count_request(&mut self, method: Method, now: Duration) {
        self.pace.take(now);
        self.summary.requests += 1;
        *self.summary.methods.entry(method).or_default() += 1;
    }

    fn may_send(&self, place: usize) -> bool {
        let item = &self.items[place];
        let creates = item.errand == Errand::Talk && item.talk.leads_to_create();
        if creates && !self.lets_create_go(place) {
            return false;
        }
        // In trouble, those who have begun find out whether it is over.
        item.begun || !self.pace.is_cautious() || (self.under_way() == 0 && self.only_put_off_wait())
    }

    /// Says whether no object waits but those that were put off.
    pub(super) fn only_put_off_wait(&self) -> bool {
        self.timers.iter().all(|(_, place)| self.put_off.contains(place))
    }

    pub(super) fn may_prepare(&self) -> bool {
        let low = self.ready.len() < self.config.jobs * READY_PER_JOB;
        self.asking.is_over() && self.preparing == 0 && low && self.open < OPEN_MAX && self.order.has_next()
    }

    pub(super) fn prepare(&mut self) -> Next {
        let batch = (self.config.jobs * PREPARED_PER_JOB).clamp(PREPARED_PER_JOB, BATCH_MAX).min(OPEN_MAX - self.open);
        let mut keys = Vec::new();
        while keys.len() < batch {
            let Some(place) = self.order.pop() else { break };
            let item = &mut self.items[place];
            item.phase = Phase::Preparing;
            item.prepared = true;
            keys.push(item.work.key);
        }
        self.preparing = keys.len();
        self.open += keys.len();
        Next::Prepare(keys)
    }

    /// Says that the driver has prepared the object.
    pub fn loaded(&mut self, key: Key, loaded: Loaded, now: Duration) {
        let Some(place) = self.place_in(key, |phase| *phase == Phase::Preparing) else { return };
        self.preparing -= 1;
        if self.loaded_to_ask(place, &loaded) {
            return;
        }
        match loaded {
            Loaded::Ready => {
                let at = self.items[place].talk.not_before();
                if at > now {
                    self.wait(place, at);
                } else {
                    self.items[place].phase = Phase::Ready;
                    self.ready.push_back(place);
                }
            }
            // Nothing was written, so nothing is recorded: what was known stays.
            Loaded::Overtaken => {
                self.summary.overtaken += 1;
                self.end(place, Fate::Good, now);
            }
            Loaded::Contradicted => {
                self.summary.contradicted += 1;
                self.end(place, Fate::Good, now);
            }
            Loaded::Unreadable(why) => {
                self.items[place].why = why;
                self.summary.first_error.get_or_insert_with(|| format!("{key}: {}", self.items[place].why));
                self.summary.parked += 1;
                self.leave(place, Left::Parked, now);
                self.end(place, Fate::Bad, now);
            }
        }
    }

    pub(super) fn place_in(&self, key: Key, phase: impl Fn(&Phase) -> bool) -> Option<usize> {
        let place = *self.places.get(&key)?;
        phase(&self.items[place].phase).then_some(place)
    }

    /// Puts the object where its next request is sent from, in time. Who has begun goes
    /// first: conversations end before new ones begin.
    pub(super) fn go_on(&mut self, place: usize, now: Duration) {
        let at = self.items[place].talk.not_before();
        if at > now {
            self.wait(place, at);
        } else {
            self.items[place].phase = Phase::Ready;
            self.ready.push_front(place);
        }
    }

    pub(super) fn wait(&mut self, place: usize, until: Duration) {
        self.items[place].phase = Phase::Waiting;
        self.timers.insert((until, place));
    }
}
