//! A run: plan + answers + `now` -> what to do next.
//!
//! In scope: jobs, order and dependencies (`order`), rate, retries and giving up (`pace`),
//! the first create of each entity (`trial`), credentials, wrong base URLs, and what is
//! to be recorded when. Out of scope: doing any of it.
//!
//! The driver asks [`Session::next`] until it says [`Next::Finished`], does what it says,
//! and reports back. Time is what the driver says it is, counted from the run's start;
//! random numbers come from outside. The same words in the same order give the same run.
//!
//! Promises to the driver: never two requests of one object under way; no request for an
//! object before it was prepared; a fact for each object that was prepared; after a stop,
//! nothing new is sent, and what is under way is waited for.

mod order;
pub mod pace;
mod trial;
mod types;

pub use types::{Config, Fact, Left, Listing, Loaded, Next, Removed, Request, SETTLE, Stop, Summary, Warning};

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::merge::Action;
use crate::model::{Entity, Key, Object};
use crate::object::{Conversation, Step};
use crate::plan::{Plan, Standing, Work};
use crate::reply::{Answer, Method, Reply, Told};
use order::{Fate, Order};
use pace::{Exhausted, Pace};
use trial::{Errand, Trial, Verdict};

/// Objects prepared, or facts recorded, in one transaction: enough to pay for it, few
/// enough that a crash leaves little to ask for again.
const BATCH_MAX: usize = 512;
/// Objects prepared at a time, for each job: a transaction costs a few of a fast target's answers.
const PREPARED_PER_JOB: usize = 16;
/// So many are ready, for each job, while the next ones are prepared.
const READY_PER_JOB: usize = 8;
/// A fact is recorded at the latest so long after it was learnt.
const RECORD_WITHIN: Duration = Duration::from_millis(500);
/// The same refusal so often in a row is no matter of single objects (DESIGN).
const PARKED_IN_A_ROW_MAX: u32 = 20;
/// So many first answers, all 403, and it is the credentials.
const FORBIDDEN_FIRST_MAX: usize = 5;

/// Where an object stands in the run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// In the order, or waiting for another object.
    Queued,
    /// The driver prepares it.
    Preparing,
    /// Its next request may be sent.
    Ready,
    /// A request is under way, since then.
    Flying(Duration),
    /// Its next request waits for a time.
    Waiting,
    /// Its answer waits for the listing, or for the master.
    Suspended,
    /// Forbidden like everything so far: its own fault, or the credentials'.
    Forbidden,
    /// It is through.
    Ended,
}

#[derive(Debug)]
struct Item {
    work: Work,
    talk: Conversation,
    errand: Errand,
    phase: Phase,
    /// A row at the master says that a request may have been sent.
    prepared: bool,
    status: Option<u16>,
    why: String,
}

/// Whether a 404 means what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Nobody looked.
    Untried,
    /// The driver looks.
    Asking,
    /// It failed; again at that time.
    Again(Duration),
    /// GET /posts lists posts.
    Good,
}

/// A run. See the module.
#[derive(Debug)]
pub struct Session {
    config: Config,
    items: Vec<Item>,
    places: BTreeMap<Key, usize>,
    order: Order,
    pace: Pace,
    trials: BTreeMap<Entity, Trial>,
    base: Base,
    /// Answers of 404 that wait for the base URL to be believed.
    suspended: Vec<(usize, Told, Duration)>,
    /// The master is asked about a stray.
    ask_master: Option<(usize, Key)>,
    ready: VecDeque<usize>,
    timers: BTreeSet<(Duration, usize)>,
    flying: usize,
    preparing: usize,
    facts: Vec<Fact>,
    facts_since: Duration,
    warnings: VecDeque<Warning>,
    forbidden: Vec<usize>,
    anything_allowed: bool,
    parked_in_a_row: (u16, u32),
    listing_attempts: u32,
    last_trouble: String,
    summary: Summary,
}

impl Session {
    /// Starts a run of `plan` at time `now`.
    pub fn new(config: Config, plan: &Plan, now: Duration) -> Self {
        let works = plan.works();
        let items: Vec<Item> = works
            .iter()
            .map(|work| Item {
                work: *work,
                talk: Conversation::new(work.before, work.after, now, config.settle),
                errand: Errand::Talk,
                phase: Phase::Queued,
                prepared: false,
                status: None,
                why: String::new(),
            })
            .collect();
        let mut session = Self {
            config: Config { jobs: config.jobs.max(1), ..config },
            places: works.iter().enumerate().map(|(place, work)| (work.key, place)).collect(),
            order: Order::new(works),
            pace: Pace::new(config.rate_per_s, works.len() as u64),
            trials: BTreeMap::new(),
            base: Base::Untried,
            suspended: Vec::new(),
            ask_master: None,
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            flying: 0,
            preparing: 0,
            facts: Vec::new(),
            facts_since: now,
            warnings: VecDeque::new(),
            forbidden: Vec::new(),
            anything_allowed: false,
            parked_in_a_row: (0, 0),
            listing_attempts: 0,
            last_trouble: String::new(),
            summary: Summary::default(),
            items,
        };
        for place in 0..session.items.len() {
            let work = session.items[place].work;
            if session.items[place].phase == Phase::Ended {
                continue; // Held by an earlier one.
            }
            if work.standing == Standing::Parked {
                session.summary.parked_before += 1;
                session.end(place, Fate::Bad, now);
            } else if work.action() == Action::Nothing {
                session.done(place, now);
            }
        }
        session
    }

    /// Returns what the run came to; whole once it is [`Next::Finished`].
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Stops the run: nothing new is sent.
    pub fn stop(&mut self, stop: Stop) {
        self.summary.stop.get_or_insert(stop);
    }

    /// Says what to do next.
    pub fn next(&mut self, now: Duration) -> Next {
        if let Some(warning) = self.warnings.pop_front() {
            return Next::Warn(warning);
        }
        if self.facts.len() >= BATCH_MAX {
            return self.record();
        }
        if self.summary.stop.is_some() {
            return self.wind_up(now);
        }
        if let Some((_, key)) = self.ask_master {
            return Next::AskMaster(key);
        }
        self.wake(now);
        if !self.suspended.is_empty() && self.listing_due(now) {
            self.base = Base::Asking;
            return Next::CheckListing;
        }
        if let Some(request) = self.send(now) {
            return Next::Send(request);
        }
        if self.preparing == 0 && self.ready.len() < self.config.jobs * READY_PER_JOB && self.order.has_next() {
            return self.prepare();
        }
        if !self.facts.is_empty() && (now >= self.facts_since + RECORD_WITHIN || self.is_idle()) {
            return self.record();
        }
        if self.is_idle() && self.timers.is_empty() && self.ready.is_empty() && self.suspended.is_empty() {
            return self.finish(now);
        }
        Next::Wait(self.next_time(now))
    }

    /// Nothing is under way whose end would be told.
    fn is_idle(&self) -> bool {
        self.flying == 0 && self.preparing == 0 && self.base != Base::Asking
    }

    fn next_time(&self, now: Duration) -> Option<Duration> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let slot = (!self.ready.is_empty() && self.flying < self.config.jobs && self.pace.free_at() > now)
            .then(|| self.pace.free_at());
        let facts = (!self.facts.is_empty()).then(|| self.facts_since + RECORD_WITHIN);
        let base = match self.base {
            Base::Again(at) => Some(at),
            Base::Untried | Base::Asking | Base::Good => None,
        };
        [timer, slot, facts, base].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Duration) {
        while let Some(&(at, place)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.items[place].phase = Phase::Ready;
            self.ready.push_front(place);
        }
    }

    fn listing_due(&self, now: Duration) -> bool {
        match self.base {
            Base::Untried => true,
            Base::Again(at) => at <= now,
            Base::Asking | Base::Good => false,
        }
    }

    fn send(&mut self, now: Duration) -> Option<Request> {
        if self.flying >= self.config.jobs || self.pace.free_at() > now {
            return None;
        }
        let at = self.ready.iter().position(|&place| self.may_send(place))?;
        let place = self.ready.remove(at)?;
        let item = &mut self.items[place];
        let (method, id) = item.errand.request(&item.talk)?;
        let (key, entity) = (item.work.key, item.work.key.entity());
        if method == Method::Post {
            self.trials.entry(entity).or_default().begin();
        }
        item.phase = Phase::Flying(now);
        self.flying += 1;
        self.pace.take(now);
        self.summary.requests += 1;
        *self.summary.methods.entry(method).or_default() += 1;
        Some(Request { key, method, id: id.unwrap_or_else(|| key.id().to_string()) })
    }

    /// The first create of an entity goes alone (TARGETS 5).
    fn may_send(&self, place: usize) -> bool {
        let item = &self.items[place];
        let creates = item.errand == Errand::Talk && item.talk.next() == Some(Method::Post);
        !creates || self.trials.get(&item.work.key.entity()).is_none_or(|trial| trial.lets_creates_go())
    }

    fn prepare(&mut self) -> Next {
        let batch = (self.config.jobs * PREPARED_PER_JOB).clamp(PREPARED_PER_JOB, BATCH_MAX);
        let mut keys = Vec::new();
        while keys.len() < batch {
            let Some(place) = self.order.pop() else { break };
            let item = &mut self.items[place];
            item.phase = Phase::Preparing;
            item.prepared = true;
            keys.push(item.work.key);
        }
        self.preparing = keys.len();
        Next::Prepare(keys)
    }

    /// Says that the driver has prepared the object.
    pub fn loaded(&mut self, key: Key, loaded: Loaded, now: Duration) {
        let Some(place) = self.place_in(key, |phase| *phase == Phase::Preparing) else { return };
        self.preparing -= 1;
        match loaded {
            Loaded::Ready => match self.items[place].talk.not_before() {
                at if at > now => self.wait(place, at),
                _ => {
                    self.items[place].phase = Phase::Ready;
                    self.ready.push_back(place);
                }
            },
            Loaded::Overtaken => {
                self.summary.overtaken += 1;
                self.leave(place, Left::Waiting, now);
                self.end(place, Fate::Good, now);
            }
        }
    }

    fn place_in(&self, key: Key, phase: impl Fn(&Phase) -> bool) -> Option<usize> {
        let place = *self.places.get(&key)?;
        phase(&self.items[place].phase).then_some(place)
    }

    /// Puts the object where its next request is sent from, in time. Who has begun goes
    /// first: conversations end before new ones begin.
    fn go_on(&mut self, place: usize, now: Duration) {
        let at = self.items[place].talk.not_before();
        if at > now {
            self.wait(place, at);
        } else {
            self.items[place].phase = Phase::Ready;
            self.ready.push_front(place);
        }
    }

    fn wait(&mut self, place: usize, until: Duration) {
        self.items[place].phase = Phase::Waiting;
        self.timers.insert((until, place));
    }

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
        if told.answer != Answer::Equal && told.answer != Answer::Different && told.answer != Answer::Accepted {
            item.why.clone_from(&told.why);
        }
        if told.answer == Answer::Gone && self.base != Base::Good {
            item.phase = Phase::Suspended;
            self.suspended.push((place, told, sent_at));
            return;
        }
        self.take(place, &told, sent_at, now, random);
    }

    fn take(&mut self, place: usize, told: &Told, sent_at: Duration, now: Duration, random: u64) {
        self.judge_pace(place, told, now, random);
        self.judge_credentials(told, now);
        let item = &mut self.items[place];
        if item.errand != Errand::Talk {
            return self.run_errand(place, told, now, random);
        }
        let entity = item.work.key.entity();
        let Some(method) = item.talk.next() else { return };
        let step = item.talk.answered(method, told.answer, sent_at, self.config.settle);
        if method == Method::Post && self.trials.entry(entity).or_default().is_running() {
            if step == Step::Done {
                self.items[place].talk.doubt();
                self.items[place].errand =
                    Errand::ReadBack { named: told.named.clone(), settled_at: sent_at + self.config.settle };
                self.items[place].phase = Phase::Ready;
                self.ready.push_front(place);
                return;
            }
            self.trials.insert(entity, Trial::Open);
        }
        self.follow(place, step, told, now, random);
    }

    fn follow(&mut self, place: usize, step: Step, told: &Told, now: Duration, random: u64) {
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
            Answer::Broken | Answer::NotSent => {
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
        if matches!(told.answer, Answer::Broken | Answer::NotSent | Answer::Refused | Answer::Forbidden) {
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

    fn run_errand(&mut self, place: usize, told: &Told, now: Duration, random: u64) {
        let item = &mut self.items[place];
        let key = item.work.key;
        match item.errand.follow(key, told, now) {
            Verdict::Passed => {
                self.trials.insert(key.entity(), Trial::Passed);
                self.done(place, now);
            }
            Verdict::StoredDifferently => {
                self.trials.insert(key.entity(), Trial::Passed);
                self.warnings.push_back(Warning::StoredDifferently(key));
                self.done(place, now);
            }
            Verdict::Pretends => {
                self.trials.insert(key.entity(), Trial::Passed);
                self.warnings.push_back(Warning::Pretends(key));
                self.done(place, now);
            }
            Verdict::Next(errand) => {
                item.errand = errand;
                item.phase = Phase::Ready;
                self.ready.push_front(place);
            }
            Verdict::At(time, errand) => {
                item.errand = errand;
                self.wait(place, time);
            }
            Verdict::AskMaster(stray) => {
                item.phase = Phase::Suspended;
                self.ask_master = Some((place, stray));
            }
            Verdict::OwnIds { named, removed } => {
                item.talk = Conversation::new(crate::merge::Presence::Absent, item.work.after, now, Duration::ZERO);
                item.phase = Phase::Suspended;
                self.stop(Stop::OwnIds { key, named, removed });
            }
            Verdict::Trouble => {
                let step = item.talk.answered(Method::Get, told.answer, now, Duration::ZERO);
                match step {
                    Step::Retry(attempt) => {
                        let delay = told.retry_after.unwrap_or_else(|| pace::delay(attempt, random));
                        self.wait(place, now.saturating_add(delay));
                    }
                    Step::Later => {
                        item.phase = Phase::Ready;
                        self.ready.push_front(place);
                    }
                    Step::Done
                    | Step::Send
                    | Step::GiveUp
                    | Step::Park
                    | Step::Forbidden
                    | Step::Unauthorized
                    | Step::Redirected => {
                        self.trials.insert(key.entity(), Trial::Open);
                        self.follow(place, step, told, now, random);
                    }
                }
            }
        }
    }

    /// Says whether the master has the object that it was asked about.
    pub fn owned(&mut self, key: Key, has: bool) {
        let Some((place, asked)) = self.ask_master else { return };
        if asked != key {
            return;
        }
        self.ask_master = None;
        let item = &mut self.items[place];
        item.phase = Phase::Ready;
        item.errand.owned(has);
        self.ready.push_front(place);
    }

    /// Says what `GET /posts` looks like; `random` is any number.
    pub fn listed(&mut self, listing: Listing, now: Duration, random: u64) {
        if self.base != Base::Asking {
            return;
        }
        match listing {
            Listing::Good => {
                self.base = Base::Good;
                for (place, told, sent_at) in core::mem::take(&mut self.suspended) {
                    self.take(place, &told, sent_at, now, random);
                }
            }
            Listing::Other(what) => {
                self.base = Base::Untried;
                self.stop(Stop::WrongBase(what));
            }
            Listing::None(why) => {
                self.listing_attempts += 1;
                if self.listing_attempts >= crate::object::ATTEMPTS_MAX {
                    self.base = Base::Untried;
                    self.stop(Stop::NoListing(why));
                } else {
                    self.base = Base::Again(now + pace::delay(self.listing_attempts, random));
                }
            }
        }
    }

    fn done(&mut self, place: usize, now: Duration) {
        let work = self.items[place].work;
        self.parked_in_a_row = (0, 0);
        self.summary.count_done(work.key.entity(), work.action());
        self.fact(Fact::Done(work.key), now);
        self.end(place, Fate::Good, now);
    }

    fn fail(&mut self, place: usize, now: Duration) {
        self.summary.failed += 1;
        self.leave(place, Left::Waiting, now);
        self.end(place, Fate::Bad, now);
    }

    fn park(&mut self, place: usize, told: &Told, now: Duration) {
        self.summary.parked += 1;
        self.leave(place, Left::Parked, now);
        self.end(place, Fate::Bad, now);
        let status = told.status.unwrap_or(0);
        let (last, count) = self.parked_in_a_row;
        let count = if last == status { count + 1 } else { 1 };
        self.parked_in_a_row = (status, count);
        if count >= PARKED_IN_A_ROW_MAX {
            self.stop(Stop::Refusing { status, count });
        }
    }

    fn leave(&mut self, place: usize, end: Left, now: Duration) {
        let item = &self.items[place];
        let fact = Fact::Left {
            key: item.work.key,
            presence: item.talk.presence(),
            end,
            status: item.status,
            why: item.why.clone(),
        };
        self.fact(fact, now);
    }

    fn fact(&mut self, fact: Fact, now: Duration) {
        if self.facts.is_empty() {
            self.facts_since = now;
        }
        self.facts.push(fact);
    }

    /// Ends the object's part, and that of all who are held by it.
    fn end(&mut self, place: usize, fate: Fate, now: Duration) {
        let mut ending = alloc::vec![(place, fate)];
        while let Some((place, fate)) = ending.pop() {
            self.items[place].phase = Phase::Ended;
            for held in self.order.ended(&self.items[place].work, fate) {
                self.summary.held += 1;
                self.leave(held, Left::Held, now);
                ending.push((held, Fate::Bad));
            }
        }
    }

    fn record(&mut self) -> Next {
        let rest = self.facts.split_off(self.facts.len().min(BATCH_MAX));
        Next::Record(core::mem::replace(&mut self.facts, rest))
    }

    /// After a stop: waits for what is under way, then leaves the rest as it is.
    fn wind_up(&mut self, now: Duration) -> Next {
        if !self.is_idle() {
            return Next::Wait(None);
        }
        self.ready.clear();
        self.timers.clear();
        self.suspended.clear();
        self.ask_master = None;
        for place in 0..self.items.len() {
            if self.items[place].phase == Phase::Ended {
                continue;
            }
            self.items[place].phase = Phase::Ended;
            self.summary.untouched += 1;
            if self.items[place].prepared {
                self.leave(place, Left::Waiting, now);
            }
        }
        if self.facts.is_empty() { Next::Finished } else { self.record() }
    }

    fn finish(&mut self, now: Duration) -> Next {
        if let Some(&place) = self.forbidden.first() {
            self.stop(Stop::Credentials(self.items[place].why.clone()));
            return self.wind_up(now);
        }
        // Objects that nobody will ever release would be a bug in `order`; they are left
        // pending, never lost.
        if self.items.iter().any(|item| item.phase != Phase::Ended) {
            self.stop(Stop::Asked);
            return self.wind_up(now);
        }
        // Few objects make no streak, but if nothing came through at the end, it is the target.
        if self.summary.failed > 0 && self.pace.streak() >= crate::object::ATTEMPTS_MAX {
            let streak = Exhausted::Streak(self.pace.streak());
            self.stop(Stop::Unavailable(streak, self.last_trouble.clone()));
        }
        Next::Finished
    }
}
