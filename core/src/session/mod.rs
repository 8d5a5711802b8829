//! A run: plan + answers + `now` -> what to do next.
//!
//! In scope: order and dependencies (`order`), what is sent when (`sending`), rate, retries
//! and giving up (`pace`), what answers lead to (`answers`), wrong base URLs (`base`), asking before the first
//! write (`asking`), targets that choose the ids (`finding`), texts that the target alters (`altering`), the first create of each entity (`trial`), sessions that only look (`looks`), what is recorded and how runs end (`ends`).
//! Out of scope: doing any of it.
//!
//! The driver asks [`Session::next`] until it says [`Next::Finished`], does what it says,
//! and reports back. Time is what the driver says it is, counted from the run's start;
//! random numbers come from outside. The same words in the same order give the same run.
//!
//! Promises to the driver: never two requests of one object under way; no request for an
//! object before it was prepared, and no write from a row that was read more than [`ROW_HOLDS`] ago, or before
//! the object had to wait; a fact for each object that was prepared, unless it was
//! overtaken; after a stop, nothing new is sent, and what is under way is waited for (but
//! for strays: what a target has stored under ids of its own is removed).
//!
//! The driver's part: every request comes to an end; nothing is sent later than
//! [`LEASE`] after the lock's session was known to be there. That all this holds together
//! is tried in `tests/simulation`.

mod altering;
mod answers;
mod asking;
mod base;
mod came_to;
mod confirming;
mod ends;
mod finding;
mod looks;
mod memory;
mod order;
mod outcome;
pub mod pace;
mod refusals;
mod sending;
#[cfg(test)]
mod tests;
mod trial;
mod types;

pub use came_to::{CameTo, WasAsked};
pub use finding::IMPOSSIBLE_ID;
pub use looks::{LOOK_WITHIN, Sight};
pub use memory::Memory;
pub use outcome::{Removed, Stop, Summary, Untried, Vanished};
pub use types::{
    Asks, Config, Fact, LATE, LEASE, Left, Listing, Loaded, Look, Next, ROW_HOLDS, Request, SETTLE, Sample, Strangers,
    Texts, Warning,
};

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::kept::{Before, Kept};
use crate::merge::Action;
use crate::model::{Entity, Key};
use crate::object::{Conversation, Effects, Wait};
use crate::plan::{Plan, Standing, Work};
use crate::profile::JSON_SERVER;
use crate::reply::Told;
use crate::target_id::TargetId;
use asking::Asking;
use base::Base;
use confirming::Confirmations;
use finding::{Finding, Post};
use order::{Fate, Order};
use pace::Pace;
use refusals::Refusals;
use trial::{Errand, Trial};

/// Objects prepared, or facts recorded, in one transaction: enough to pay for it, few
/// enough that a crash leaves little to ask for again.
const BATCH_MAX: usize = 512;
/// A fact is recorded at the latest so long after it was learnt.
const RECORD_WITHIN: Duration = Duration::from_millis(500);

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
    /// It was refused, and it is not known yet whose fault that is.
    Refused,
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
    /// From then on its row is read again before it is written; `None`: it was not read yet.
    row_holds_until: Option<Duration>,
    /// A request of it was sent in this run.
    begun: bool,
    status: Option<u16>,
    why: String,
    /// Where the target chooses the ids: its id of the object, and what is known of that of its post.
    target_id: Option<TargetId>,
    post: Post,
    /// What the target keeps in place of the row, and what was there before a write.
    kept: Option<Kept>,
    before: Before,
    /// How often it was put off while others were answered, in a row.
    put_offs: u32,
    put_off_until: Duration,
    /// How many answers had told something by then.
    told_at_put_off: u64,
}

impl Item {
    fn new(work: Work, talk: Conversation) -> Self {
        Self {
            work,
            talk,
            errand: Errand::Talk,
            phase: Phase::Queued,
            prepared: false,
            row_holds_until: None,
            begun: false,
            status: None,
            why: String::new(),
            target_id: None,
            post: Post::None,
            kept: None,
            before: Before::Unknown,
            put_offs: 0,
            put_off_until: Duration::ZERO,
            told_at_put_off: 0,
        }
    }
}

/// A run. See the module.
#[derive(Debug)]
pub struct Session {
    config: Config,
    items: Vec<Item>,
    places: BTreeMap<Key, usize>,
    order: Order,
    pace: Pace,
    asking: Asking,
    trials: BTreeMap<Entity, Trial>,
    base: Base,
    finding: Finding,
    /// Answers of 404 that are not believed yet.
    suspended: Vec<(usize, Told, Duration)>,
    /// The master is asked about strays, one after the other.
    questions: VecDeque<(usize, Key)>,
    /// After a stop, too.
    removes_strays: bool,
    ready: VecDeque<usize>,
    /// Places whose row is to be read again.
    stale: VecDeque<usize>,
    timers: BTreeSet<(Duration, usize)>,
    flying: usize,
    preparing: usize,
    /// Objects that are prepared and not through.
    open: usize,
    facts: Vec<Fact>,
    facts_since: Duration,
    warnings: VecDeque<Warning>,
    refusals: Refusals,
    /// Places that wait since the target put them off.
    put_off: BTreeSet<usize>,
    confirmations: Confirmations,
    /// Of a session that only looks: what was seen, and how many attempts an object has.
    sights: BTreeMap<Key, Sight>,
    look_attempts_max: u32,
    /// When objects that met trouble were asked for first, by place.
    looks_begun: BTreeMap<usize, Duration>,
    last_trouble: String,
    /// The first trouble of some objects that are still tried, by place.
    troubles: BTreeMap<usize, String>,
    summary: Summary,
}

impl Session {
    /// Starts a run of `plan` at time `now`.
    pub fn new(config: Config, plan: &Plan, now: Duration) -> Self {
        let works = plan.works();
        let items: Vec<Item> = works
            .iter()
            .map(|work| {
                let settled_at = now + config.settled_in;
                let talk = Conversation::new(work.before, work.after, settled_at, now + work.settles_in);
                let is_by_key = config.profile.key_field(work.key.entity()).is_some();
                Item::new(*work, if is_by_key { talk.by_key() } else { talk })
            })
            .collect();
        let mut session = Self {
            config: Config { jobs: config.jobs.max(1), ..config },
            places: works.iter().enumerate().map(|(place, work)| (work.key, place)).collect(),
            order: Order::new(plan),
            pace: Pace::new(config.rate_per_s, config.jobs, works.len() as u64),
            asking: Asking::new(works, config.asks),
            trials: BTreeMap::new(),
            base: Base::default(),
            finding: Finding::default(),
            suspended: Vec::new(),
            questions: VecDeque::new(),
            removes_strays: false,
            ready: VecDeque::new(),
            stale: VecDeque::new(),
            timers: BTreeSet::new(),
            flying: 0,
            preparing: 0,
            open: 0,
            facts: Vec::new(),
            facts_since: now,
            warnings: VecDeque::new(),
            refusals: Refusals::default(),
            put_off: BTreeSet::new(),
            confirmations: Confirmations::default(),
            sights: BTreeMap::new(),
            look_attempts_max: 0,
            looks_begun: BTreeMap::new(),
            last_trouble: String::new(),
            troubles: BTreeMap::new(),
            summary: Summary::default(),
            items,
        };
        session.summary.is_log_trusted = session.asking.is_over();
        for place in 0..session.items.len() {
            let work = session.items[place].work;
            if config.asks == Asks::Each && work.action() == Action::Create {
                session.items[place].talk.doubt();
            }
            if session.items[place].phase == Phase::Ended {
                continue; // Held by an earlier one.
            }
            match work.standing {
                Standing::Ready | Standing::Barred if work.action() == Action::Nothing => session.done(place, now),
                Standing::Ready | Standing::Barred => {}
                Standing::Parked => session.leave_untried(place, |summary| &mut summary.parked_before, now),
                Standing::Held => session.leave_untried(place, |summary| &mut summary.held, now),
                Standing::Waiting => session.leave_untried(place, |summary| &mut summary.waiting, now),
                Standing::GivenUp => session.end(place, Fate::Bad, now),
                Standing::OnHold => session.leave_on_hold(place, now),
            }
        }
        session
    }

    /// Returns the objects that a run of `plan` would not send: the run knows of them before its first request.
    pub fn untried(plan: &Plan) -> Untried {
        let mut untried = Untried::default();
        if plan.works().iter().all(|work| work.standing == Standing::Ready) {
            return untried;
        }
        // What the run parks when it prepares it is as good as parked; of comments these are the ones that do not wait for
        // their post. Nothing waits for them.
        let standing = |work: &Work| match (work.standing, work.key) {
            (Standing::Barred, Key::Post(_)) => Standing::Parked,
            (
                Standing::Ready
                | Standing::Barred
                | Standing::Parked
                | Standing::Held
                | Standing::Waiting
                | Standing::GivenUp
                | Standing::OnHold,
                _,
            ) => work.standing,
        };
        let plan = plan.map(|work| Work { standing: standing(work), ..*work });
        let effects = Effects { settle: SETTLE, late: LATE, wait: Wait::Once };
        let strangers = Strangers::Refused;
        let (jobs, settled_in, asks) = (1, Duration::ZERO, Asks::Some);
        let profile = &JSON_SERVER;
        let config = Config { jobs, rate_per_s: None, effects, settled_in, strangers, asks, profile };
        let session = Self::new(config, &plan, Duration::ZERO);
        for Item { work, why, phase, .. } in session.items {
            match (work.standing, phase == Phase::Ended) {
                (Standing::Parked, _) | (Standing::Barred, false) => drop(untried.parked.insert(work.key)),
                (Standing::Waiting, _) => drop(untried.waiting.insert(work.key)),
                (Standing::OnHold, _) => drop(untried.on_hold.insert(work.key)),
                (Standing::Held, _) => drop(untried.held.insert(work.key, String::from("waits for another shard"))),
                (Standing::GivenUp, _) | (Standing::Ready, false) => {}
                // What needs no request has ended, too, and well.
                (Standing::Ready | Standing::Barred, true) if work.action() == Action::Nothing => {}
                (Standing::Ready | Standing::Barred, true) => drop(untried.held.insert(work.key, why)),
            }
        }
        untried
    }

    fn leave_untried(&mut self, place: usize, count: impl Fn(&mut Summary) -> &mut u64, now: Duration) {
        *count(&mut self.summary) += 1;
        self.end(place, Fate::Bad, now);
    }

    /// Returns what the run came to; whole once it is [`Next::Finished`].
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Stops the run: nothing new is sent. Strays that were found are still removed, until something
    /// else stops the run as well.
    pub fn stop(&mut self, stop: Stop) {
        match (&self.summary.stop, &stop) {
            (None, _) => {
                self.removes_strays = stop.stray().is_some();
                self.summary.stop = Some(stop);
            }
            // Of several it is the one that is still there that has to be told of.
            (Some(first), _) => match (first.stray(), stop.stray()) {
                (Some(_), Some(Removed::No)) => self.summary.stop = Some(stop),
                (_, Some(_)) => {}
                (_, None) => self.removes_strays = false,
            },
        }
    }

    /// Says what to do next.
    pub fn next(&mut self, now: Duration) -> Next {
        if let Some(warning) = self.warnings.pop_front() {
            return Next::Warn(warning);
        }
        if self.facts.len() >= BATCH_MAX {
            return self.record();
        }
        let is_stopped = self.summary.stop.is_some();
        if is_stopped && !self.removes_strays {
            return self.wind_up(now);
        }
        if is_stopped {
            self.keep_errands();
        }
        if let Some((_, key)) = self.questions.front() {
            return Next::AskMaster(*key);
        }
        if !is_stopped && let Some(next) = self.ask_first() {
            return next;
        }
        // Concluding may have stopped the run.
        if !is_stopped && self.summary.stop.is_some() {
            return self.next(now);
        }
        self.wake(now);
        if self.base_at().is_some_and(|at| at <= now)
            && let Some(next) = self.ask_base(now)
        {
            return next;
        }
        if !is_stopped {
            self.set_stale_aside(now);
            // First: it takes a transaction, and until then those who are ready are sent.
            if self.may_prepare() {
                return self.prepare();
            }
        }
        if let Some(request) = self.send(now) {
            return Next::Send(request);
        }
        if !self.facts.is_empty() && (now >= self.facts_since + RECORD_WITHIN || self.is_idle()) {
            return self.record();
        }
        let has_nothing = self.timers.is_empty() && self.ready.is_empty() && self.suspended.is_empty();
        if self.is_idle() && has_nothing && self.base_at().is_none() {
            return if is_stopped { self.wind_up(now) } else { self.finish(now) };
        }
        self.wait_for_those_put_off(now);
        if !is_stopped && self.summary.stop.is_some() {
            return self.next(now);
        }
        Next::Wait(self.next_time(now))
    }
}
