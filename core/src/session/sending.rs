//! What is sent when: objects are prepared in batches, and their requests go as jobs, rate
//! and the order allow.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use crate::model::Key;
use crate::profile::To;
use crate::reply::{Method, Reply};
use crate::session::order::Fate;
use crate::session::trial::Errand;
use crate::session::types::{Left, Loaded, Next, ROW_HOLDS, Request};
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
            let item = &mut self.items[place];
            item.phase = Phase::Ready;
            // Meanwhile its row may have gone, or come back.
            item.row_holds_until = item.row_holds_until.map(|until| until.min(now));
            self.ready.push_front(place);
        }
    }

    fn may_send_now(&self, now: Duration) -> bool {
        self.under_way() < self.pace.jobs() && self.pace.free_at() <= now && !self.base.is_alone()
    }

    /// Sets aside what would be written from rows that were read too long ago, once it would be sent.
    pub(super) fn set_stale_aside(&mut self, now: Duration) {
        let first = self.ready.iter().copied().find(|place| self.may_send(*place));
        if !self.may_send_now(now) || first.is_none_or(|place| !self.is_stale(place, now)) {
            return;
        }
        let ready = core::mem::take(&mut self.ready);
        let (stale, ready): (VecDeque<usize>, _) = ready.into_iter().partition(|place| self.is_stale(*place, now));
        self.ready = ready;
        self.stale.extend(stale);
    }

    fn is_stale(&self, place: usize, now: Duration) -> bool {
        let item = &self.items[place];
        let writes = item.errand == Errand::Talk && item.talk.next().is_some_and(|method| method != Method::Get);
        writes && item.row_holds_until.is_some_and(|until| until <= now)
    }

    pub(super) fn send(&mut self, now: Duration) -> Option<Request> {
        if !self.may_send_now(now) {
            return None;
        }
        let at = self.ready.iter().position(|&place| self.may_send(place))?;
        let place = self.ready.remove(at)?;
        let request = self.request(place)?;
        let item = &mut self.items[place];
        let (key, method) = (item.work.key, request.method);
        item.phase = Phase::Flying(now);
        item.begun = true;
        if item.errand == Errand::Talk && item.talk.leads_to_create() {
            self.trials.entry(key.entity()).or_default().begin(place);
        }
        self.flying += 1;
        self.count_request(method, now);
        Some(request)
    }

    /// Returns an object's next request.
    fn request(&mut self, place: usize) -> Option<Request> {
        if let Some(request) = self.seek_post(place) {
            return Some(request);
        }
        let item = &self.items[place];
        let (method, named) = item.errand.request(&item.talk)?;
        let key = item.work.key;
        let to = match (named, method, &item.target_id) {
            (Some(named), _, _) => To::Stray(named),
            (None, Method::Put | Method::Delete, Some(id)) => To::Id(id.to_string()),
            (None, Method::Get, _) => self.config.profile.to(key),
            (None, Method::Post | Method::Put | Method::Delete, _) => To::Id(self.config.profile.id_as.write(key.id())),
        };
        let parent = match method {
            Method::Post | Method::Put => item.post.id().cloned(),
            Method::Get | Method::Delete => None,
        };
        Some(Request { key, method, to, parent })
    }

    pub(super) fn count_request(&mut self, method: Method, now: Duration) {
        self.pace.take(now);
        self.summary.requests += 1;
        *self.summary.methods.entry(method).or_default() += 1;
    }

    /// Takes back that a request was counted which has never left: a refused connection is not a request.
    pub(super) fn uncount_unsent(&mut self, method: Method, reply: &Reply) {
        if matches!(reply, Reply::NotSent { .. }) {
            self.summary.requests -= 1;
            if let Some(count) = self.summary.methods.get_mut(&method) {
                *count -= 1;
            }
            self.summary.methods.retain(|_, count| *count > 0);
        }
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
        let may_begin = low && self.open < OPEN_MAX && self.order.has_next();
        self.asking.is_over() && self.preparing == 0 && (may_begin || !self.stale.is_empty())
    }

    pub(super) fn prepare(&mut self) -> Next {
        let batch = (self.config.jobs * PREPARED_PER_JOB).clamp(PREPARED_PER_JOB, BATCH_MAX);
        let mut places: Vec<usize> = self.stale.drain(..self.stale.len().min(batch)).collect();
        if places.is_empty() {
            let batch = batch.min(OPEN_MAX - self.open);
            places.extend(core::iter::from_fn(|| self.order.pop()).take(batch));
            self.open += places.len();
        }
        self.preparing = places.len();
        let prepare = |place: usize| {
            let item = &mut self.items[place];
            item.phase = Phase::Preparing;
            item.prepared = true;
            item.work.key
        };
        Next::Prepare(places.into_iter().map(prepare).collect())
    }

    /// Says that the driver has prepared the object.
    pub fn loaded(&mut self, key: Key, loaded: Loaded, now: Duration) {
        let Some(place) = self.place_in(key, |phase| *phase == Phase::Preparing) else { return };
        self.preparing -= 1;
        if self.loaded_to_ask(place, &loaded) {
            return;
        }
        let item = &mut self.items[place];
        let was_read = item.row_holds_until.replace(now + ROW_HOLDS).is_some();
        let fate = match loaded {
            Loaded::Ready => {
                let at = item.talk.not_before();
                if at > now {
                    self.wait(place, at);
                } else {
                    item.phase = Phase::Ready;
                    if was_read { self.ready.push_front(place) } else { self.ready.push_back(place) }
                }
                return;
            }
            Loaded::Overtaken => {
                self.summary.overtaken += 1;
                Fate::Overtaken
            }
            Loaded::Contradicted => {
                self.summary.contradicted += 1;
                self.summary.first_error.get_or_insert_with(|| {
                    format!("{key}: its row is not as its events say, and no newer event explains that")
                });
                Fate::Overtaken
            }
            Loaded::OnHold => {
                self.summary.on_hold.insert(key);
                Fate::Bad
            }
            Loaded::Unreadable(why) => {
                self.items[place].why = why;
                self.summary.parked += 1;
                self.trials.entry(key.entity()).or_default().failed(place);
                self.leave(place, Left::Parked, now);
                return self.end(place, Fate::Bad, now);
            }
        };
        // Where nothing was written, nothing is recorded: what was known stays. Else it is what was learnt since.
        if was_read {
            self.items[place].why.clear();
            self.leave(place, Left::Waiting, now);
            // If it was the first create, the next one is.
            self.trials.entry(key.entity()).or_default().failed(place);
        }
        self.end(place, fate, now);
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
