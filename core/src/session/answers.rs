//! What an answer leads to: for its object, for the pace of all, and for the run.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::merge::{Action, Presence, Wish};
use crate::model::{Key, Object};
use crate::object::{Flight, Step};
use crate::reply::{Answer, Method, Reply, Sent, Told};
use crate::session::finding::Post;
use crate::session::outcome::Stop;
use crate::session::pace::Exhausted;
use crate::session::trial::{Errand, Trial};
use crate::session::{Phase, Session, pace};

/// An object that waits for longer than this while others go on is left to a later run.
const ALONE_MAX: Duration = Duration::from_secs(10);
/// So is one that is put off so often while others go on.
const PUT_OFFS_MAX: u32 = 5;
/// Of so many objects at a time the trouble is remembered, for the report to say what a retry overcame.
const TROUBLES_MAX: usize = 64;

impl Session {
    /// Takes the reply to the object's request. `sent` is the master's object as it was
    /// loaded; `random` any number.
    pub fn answered(&mut self, key: Key, reply: &Reply, sent: Option<&Object>, now: Duration, random: u64) {
        let Some(place) = self.place_in(key, |phase| matches!(phase, Phase::Flying(_))) else { return };
        let item = &mut self.items[place];
        let Phase::Flying(sent_at) = item.phase else { return };
        self.flying -= 1;
        if let Post::Sought(post) = item.post
            && item.errand == Errand::Talk
        {
            return self.post_sought(place, post, reply, Flight { sent_at, back_at: now }, random);
        }
        let Some((method, _)) = item.errand.request(&item.talk) else { return };
        let about = sent.map(|object| Sent { object, parent: item.post.id(), kept: item.kept });
        let mut told = item.errand.read(self.config.profile, method, key, about, reply);
        if let Some(sent) = sent {
            self.take_texts(place, method, sent, &mut told, sent_at);
        }
        self.uncount_unsent(method, reply);
        let item = &mut self.items[place];
        item.status = told.status;
        if item.errand == Errand::Look {
            self.sight(key, &told, reply);
        }
        let item = &mut self.items[place];
        let has_told = matches!(told.answer, Answer::Equal | Answer::Different | Answer::Accepted);
        if !has_told && (told.answer != Answer::Gone || method == Method::Post) {
            item.why.clone_from(&told.why);
        }
        if told.answer == Answer::Unfiltered {
            return self.stop_unfiltered(place, key.entity(), &told);
        }
        self.take_target_id(place, &told);
        // A create that is answered so is refused; what is asked for first is proved by the create itself, if it is asked for
        // by the id that we chose.
        let is_proved = self.items[place].errand == Errand::AskFirst && self.is_filtered(key.entity());
        let is_missing = told.answer == Answer::Gone && method != Method::Post && !is_proved;
        // What comes too early to be believed is asked for again, whatever the addresses are.
        let is_missing = is_missing && !self.is_early(place, sent_at);
        if is_missing && !self.believes(place, now) {
            self.items[place].phase = Phase::Suspended;
            self.suspended.push((place, told, sent_at));
            return;
        }
        self.take(place, &told, sent_at, now, random);
    }

    /// Says whether a request that was sent at `sent_at` may have been answered by a state before an earlier write.
    pub(super) fn is_early(&self, place: usize, sent_at: Duration) -> bool {
        let item = &self.items[place];
        match &item.errand {
            Errand::Talk => sent_at < item.talk.settled_at(),
            Errand::ReadBack { settled_at, .. } | Errand::Confirm { settled_at, .. } => sent_at < *settled_at,
            Errand::Look | Errand::AskFirst | Errand::LookStray { .. } | Errand::DropStray { .. } => false,
        }
    }

    pub(super) fn take(&mut self, place: usize, told: &Told, sent_at: Duration, now: Duration, random: u64) {
        self.judge_pace(place, told, now, random);
        let is_its_own = match self.items[place].errand {
            Errand::Talk | Errand::Look | Errand::AskFirst | Errand::ReadBack { .. } | Errand::Confirm { .. } => true,
            Errand::LookStray { .. } | Errand::DropStray { .. } => false,
        };
        if is_its_own && matches!(told.answer, Answer::Equal | Answer::Different | Answer::Several) {
            self.found(self.items[place].work.key.entity(), now, random);
        }
        let item = &mut self.items[place];
        if item.errand == Errand::AskFirst {
            return self.asked(place, told, Flight { sent_at, back_at: now }, random);
        }
        if item.errand == Errand::Look {
            return self.looked(place, told, Flight { sent_at, back_at: now }, random);
        }
        if item.errand != Errand::Talk {
            return self.run_errand(place, told, sent_at, now, random);
        }
        let entity = item.work.key.entity();
        let Some(method) = item.talk.next() else { return };
        let flight = Flight { sent_at, back_at: now };
        let was_doubled = item.talk.presence() == Presence::Doubled;
        let is_first = item.talk.did() == Action::Nothing;
        // Found by its key, or not, before it is deleted.
        let is_sought = item.work.after == Wish::Absent
            && item.work.before == Presence::Present
            && self.config.profile.key_field(entity).is_some();
        if (method == Method::Delete || is_sought)
            && told.answer == Answer::Gone
            && is_first
            && !self.goes_with_its_post(place)
        {
            self.summary.vanished.count += 1;
            self.summary.vanished.first.get_or_insert(self.items[place].work.key);
        }
        let carries = matches!(method, Method::Post | Method::Put);
        if carries && told.answer == Answer::Refused && self.doubts_post(place, now) {
            return;
        }
        let item = &mut self.items[place];
        let step = item.talk.answered(method, told.answer, flight, &self.config.effects);
        if told.answer == Answer::Accepted {
            self.accept(place, sent_at, now);
            if !was_doubled && method != Method::Post && self.wants_confirmation(place, method, told, now) {
                return;
            }
        }
        let trial = self.trials.entry(entity).or_default();
        if method == Method::Post && step == Step::Done {
            if trial.wants_proof(self.config.profile.ids, place, told) {
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

    /// Says whether this is a comment of a post that is cleared: the target may delete them together.
    fn goes_with_its_post(&self, place: usize) -> bool {
        let post = self.items[place].work.parent.and_then(|post| self.places.get(&Key::Post(post)));
        post.is_some_and(|post| self.items[*post].work.before == Presence::Doubled)
    }

    pub(super) fn follow(&mut self, place: usize, step: Step, told: &Told, now: Duration, random: u64) {
        match step {
            Step::Done => self.done(place, now),
            Step::Send => self.go_on(place, now),
            Step::Later => self.postpone(place, now),
            Step::Retry(attempt) => {
                let delay = told.retry_after.unwrap_or_else(|| pace::delay(attempt, random));
                let at = self.items[place].talk.not_before().max(now.saturating_add(delay));
                if told.retry_after.is_some() {
                    self.put_off.insert(place);
                }
                self.wait(place, at);
            }
            Step::GiveUp => self.fail(place, now),
            Step::Refused => self.refuse(place, told, now),
        }
    }

    /// Asks once more what an errand asks, where `step` says so. Otherwise returns the step.
    pub(super) fn ask_again(
        &mut self,
        place: usize,
        step: Step,
        told: &Told,
        now: Duration,
        random: u64,
    ) -> Option<Step> {
        match step {
            Step::Retry(attempt) => {
                let delay = told.retry_after.unwrap_or_else(|| pace::delay(attempt, random));
                self.wait(place, now.saturating_add(delay));
                None
            }
            Step::Later => {
                self.postpone(place, now);
                None
            }
            Step::Done | Step::Send | Step::GiveUp | Step::Refused => Some(step),
        }
    }

    /// An object was put off: it waits for its time, or is left to a later run.
    pub(super) fn postpone(&mut self, place: usize, now: Duration) {
        if self.is_put_off_too_often(place) {
            return self.fail(place, now);
        }
        // If it is to show that creates are kept, another one shows it meanwhile.
        let item = &self.items[place];
        if item.errand == Errand::Talk {
            self.trials.entry(item.work.key.entity()).or_default().failed(place);
        }
        self.put_off.insert(place);
        self.wait(place, self.items[place].put_off_until);
    }

    pub(super) fn is_put_off_too_often(&self, place: usize) -> bool {
        self.items[place].put_offs >= PUT_OFFS_MAX
    }

    pub(super) fn judge_pace(&mut self, place: usize, told: &Told, now: Duration, random: u64) {
        match told.answer {
            Answer::Throttled => {
                let until = self.pace.throttle(place, now, told.retry_after, random);
                let others = self.pace.told_count();
                let item = &mut self.items[place];
                if item.put_offs == 0 || item.told_at_put_off < others {
                    item.put_offs += 1;
                }
                (item.put_off_until, item.told_at_put_off) = (until, others);
            }
            Answer::Broken | Answer::Lost | Answer::NotSent => {
                self.pace.trouble();
                if let Some(wait) = told.retry_after {
                    self.pace.hold(place, now, wait);
                }
            }
            Answer::Equal
            | Answer::Different
            | Answer::Several
            | Answer::Unfiltered
            | Answer::Accepted
            | Answer::Gone
            | Answer::Exists
            | Answer::Unreadable
            | Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected
            | Answer::Refused => {
                self.pace.told();
                self.items[place].put_offs = 0;
                self.leave_those_put_off(place, now);
            }
        }
        if matches!(
            told.answer,
            Answer::Broken | Answer::Lost | Answer::NotSent | Answer::Unreadable | Answer::Refused | Answer::Forbidden
        ) {
            let line = format!("{}: {}", self.items[place].work.key, told.why);
            if self.summary.overcome.is_none() && self.troubles.len() < TROUBLES_MAX {
                self.troubles.entry(place).or_insert_with(|| line.clone());
            }
            self.last_trouble = line;
        }
        self.summary.retries = self.pace.retries();
        self.stop_if_exhausted(&told.why);
    }

    pub(super) fn stop_if_exhausted(&mut self, why: &str) {
        if let Some(exhausted) = self.pace.exhausted() {
            let why = if matches!(exhausted, Exhausted::Throttled(_)) { why } else { &self.last_trouble };
            self.stop(Stop::Unavailable(exhausted, why.into()));
        }
    }

    /// The object at `place` was answered: the target does not put off everybody. Objects that would have to wait long
    /// are left to a later run.
    fn leave_those_put_off(&mut self, place: usize, now: Duration) {
        let is_long = |(at, other): &(Duration, usize)| {
            *other != place && *at > now.saturating_add(ALONE_MAX) && self.put_off.contains(other)
        };
        let left: Vec<(Duration, usize)> = self.timers.iter().filter(|timer| is_long(timer)).copied().collect();
        for timer in left {
            self.timers.remove(&timer);
            self.put_off.remove(&timer.1);
            self.give_up(timer.1, now);
        }
    }

    /// Everybody is put off by an answer that is about no object of the plan.
    pub(super) fn throttled_all(&mut self, told: &Told, now: Duration, random: u64) {
        let wait = told.retry_after.unwrap_or_else(|| pace::delay(1, random)).max(pace::THROTTLE_MIN);
        self.pace.pause(now, wait);
        self.stop_if_exhausted(&told.why);
    }

    /// Where nothing is left but objects that were put off, everybody waits for them. Says whether that is too long.
    pub(super) fn wait_for_those_put_off(&mut self, now: Duration) {
        let only = self.is_idle()
            && self.ready.is_empty()
            && self.suspended.is_empty()
            && !self.may_prepare()
            && !self.timers.is_empty()
            && self.only_put_off_wait();
        if let (true, Some((until, place))) = (only, self.timers.first().copied()) {
            self.pace.pause(now, until.saturating_sub(now));
            let why = self.items[place].why.clone();
            self.stop_if_exhausted(&why);
        }
    }
}
