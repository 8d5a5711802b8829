//! One run: the model of what `news sync` does around a session. Steps between which a
//! process may die are events of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use news_core::ledger::{Clock, Mark, Moment, Process, SIGN_OF_LIFE_EVERY};
use news_core::merge::{Action, Presence};
use news_core::object::{Effects, Wait};
use news_core::plan::{Standing, Work};
use news_core::portion::Patience;
use news_core::reply::{Method, Reply};
use news_core::session::{
    Asks, Config, Fact, LEASE, Listing, Loaded, Next, Request, SETTLE, Session, Stop, Strangers, Warning,
};
use news_core::shard::Shard;
use news_core::{Key, Object, PostId};

use crate::master::Reading;
use crate::rules::{Broken, Checked, Watch, hold};
use crate::setup::Flaw;
use crate::world::{Event, World};

/// The driver asks the lock's session again after this: with what asking takes, it stays within [`LEASE`].
const CONFIRM_EVERY: Duration = Duration::from_millis(300);
/// More steps without time passing, and it spins.
const STEPS_AT_ONCE_MAX: u32 = 2000;
/// No run takes longer, whatever happens to it in these schedules.
const RUN_MAX: Duration = Duration::from_hours(1);

/// What comes back to a run.
#[derive(Debug, Clone)]
pub enum Arrival {
    Answer {
        flight: usize,
        reply: Reply,
    },
    Listing(Listing),
    /// The reply to a request for a listed object by its own address.
    Probe {
        key: Key,
        reply: Reply,
    },
    /// The reply to a request for a key that no object has.
    Filter {
        reply: Reply,
    },
}

/// A transaction of a run.
#[derive(Debug, Clone)]
pub enum Job {
    Prepare(Vec<Key>),
    Load(Vec<Key>),
    Record(Vec<Fact>),
    AskMaster(Key),
    /// Is the lock's session still there? A sign of life goes with it.
    Confirm,
    /// The log is in doubt: remember that, and plan anew.
    Replan,
    /// What needs no request is recorded, and the run is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Finished,
    Killed,
    /// Another run took the lock.
    LockLost,
}

/// What a run is about, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub shard: Option<Shard>,
    pub patience: Patience,
    /// Its plan rests on the log, not on a look.
    pub by_log: bool,
}

impl Order {
    /// A run that somebody asked for, of everything.
    pub const WHOLE: Order = Order { shard: None, patience: Patience::Tries, by_log: true };
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the model")]
pub struct Run {
    pub session: Session,
    pub watch: Watch,
    pub over: Option<Over>,
    pub warnings: Vec<Warning>,
    order: Order,
    works: BTreeMap<Key, Work>,
    marks: BTreeMap<Key, Mark>,
    nothing: Vec<(Key, Mark)>,
    bodies: BTreeMap<Key, Object>,
    unrecorded: BTreeSet<Key>,
    inbox: VecDeque<Arrival>,
    busy: bool,
    started: Duration,
    /// Another run that it excludes took the lock.
    is_superseded: bool,
    /// Its session holds the lock, or did when it was asked last.
    session_alive: bool,
    confirmed: Duration,
    alive_at: Moment,
    wakes: u64,
    steps_at_once: (Duration, u32),
    /// A later run has seen that it did not end itself.
    found_lost: bool,
}

impl Run {
    fn new(config: Config, reading: Reading, order: Order, world: &World) -> Self {
        Self {
            session: Session::new(config, &reading.plan, world.now),
            watch: Watch::new(&reading.plan, config, world.setup.column.keeps()),
            over: None,
            warnings: Vec::new(),
            order,
            works: reading.plan.works().iter().map(|work| (work.key, *work)).collect(),
            marks: reading.marks,
            nothing: reading.nothing,
            bodies: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            inbox: VecDeque::new(),
            busy: false,
            started: world.now,
            is_superseded: false,
            session_alive: true,
            confirmed: world.now,
            alive_at: world.master.moment(world.now),
            wakes: 0,
            steps_at_once: (world.now, 0),
            found_lost: false,
        }
    }

    /// Everything that the plan asked for is done.
    pub fn all_done(&self) -> bool {
        let s = self.session.summary();
        self.over == Some(Over::Finished)
            && s.stop.is_none()
            && s.on_hold.is_empty()
            && s.failed + s.parked + s.parked_before + s.held + s.untouched + s.overtaken + s.contradicted == 0
    }

    pub fn body(&self, key: Key) -> Option<&Object> {
        self.bodies.get(&key)
    }

    /// The lock's session was there not long ago.
    pub fn has_lease(&self, now: Duration) -> bool {
        now <= self.confirmed + LEASE
    }

    /// Tells the session to which post an object belongs whose row was read.
    fn tell_post(&mut self, key: Key) {
        if let Some(post) = self.bodies.get(&key).and_then(Object::parent) {
            self.session.belongs_to(key, post);
        }
    }

    /// When it began.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// Its plan rests on a look.
    pub fn is_full(&self) -> bool {
        !self.order.by_log
    }

    /// The object is there several times, by its plan.
    pub fn clears(&self, key: Key) -> bool {
        self.works.get(&key).is_some_and(|work| work.before == Presence::Doubled)
    }

    /// The object is in its plan.
    pub fn has(&self, key: Key) -> bool {
        self.works.contains_key(&key)
    }

    pub fn has_session(&self) -> bool {
        self.session_alive
    }

    pub fn lose_lock(&mut self) {
        self.session_alive = false;
    }
}

impl World {
    /// Starts a run if the lock is free. Returns its number.
    pub fn start_run(&mut self, order: Order) -> Result<Option<usize>, Broken> {
        if !self.master.is_free(order.shard) || self.looked.is_some() {
            self.note(|| "a run is refused: another one holds the lock".to_string());
            return Ok(None);
        }
        self.find_lost(order.shard);
        let clock = self.master.clock(self.now, self.setup.late);
        let reading = self.master.read(&clock, order.shard, order.patience);
        self.start(reading, order).map(Some)
    }

    /// Starts a run on what was read; the lock is free.
    pub fn start(&mut self, reading: Reading, order: Order) -> Result<usize, Broken> {
        let number = self.runs.len();
        self.supersede(order.shard);
        self.master.locks.push((number, order.shard));
        self.tell_plan(number, &reading);
        let asks = if order.by_log { Asks::Some } else { Asks::Each };
        let run = Run::new(self.config(order, asks), reading, order, self);
        self.runs.push(run);
        self.stats.runs += 1;
        self.drive(number)?;
        Ok(number)
    }

    /// Runs that lost the lock may not take it again.
    pub fn supersede(&mut self, shard: Option<Shard>) {
        for run in &mut self.runs {
            run.is_superseded |= Shard::clash(shard, run.order.shard);
        }
    }

    fn config(&self, order: Order, asks: Asks) -> Config {
        let patient = self.setup.flaw != Some(Flaw::NoSettle);
        let wait = match order.patience {
            Patience::Tries => Wait::Once,
            Patience::Leaves => Wait::Never,
        };
        let effects = if patient {
            Effects { settle: SETTLE, late: self.setup.late, wait }
        } else {
            Effects { settle: Duration::ZERO, late: Duration::ZERO, wait }
        };
        // Another shard's run may just have acknowledged something about an object that is ours by now.
        let beside = if self.setup.shards > 1 { SETTLE } else { Duration::ZERO };
        let settled_in = if patient { self.settled_at.saturating_sub(self.now).max(beside) } else { Duration::ZERO };
        let strangers = Strangers::Refused;
        let (jobs, rate_per_s, profile) = (self.setup.jobs, self.setup.rate_per_s, self.setup.column.profile());
        Config { jobs, rate_per_s, effects, settled_in, strangers, asks, profile }
    }

    fn tell_plan(&mut self, number: usize, reading: &Reading) {
        self.note(|| {
            let works = reading.plan.works().iter().map(|w| {
                let standing = if w.standing == Standing::Ready { String::new() } else { format!(" {:?}", w.standing) };
                let settles = if w.settles_in.is_zero() { String::new() } else { format!(" in {:?}", w.settles_in) };
                format!("{} {:?}>{:?}{settles}{standing}", w.key, w.before, w.after)
            });
            let nothing = reading.nothing.iter().map(|(key, _)| format!("{key} nothing"));
            format!("run {number} plans: {}", works.chain(nothing).collect::<Vec<_>>().join(", "))
        });
    }

    /// Whatever takes the lock finds the runs that did not end themselves.
    pub fn find_lost(&mut self, shard: Option<Shard>) {
        let noticed_at = self.master.moment(self.now);
        for run in &mut self.runs {
            let ended_itself = matches!(run.over, Some(Over::Finished));
            if !ended_itself && Shard::clash(shard, run.order.shard) && !core::mem::replace(&mut run.found_lost, true) {
                let process = if run.over == Some(Over::Killed) { Process::Gone } else { Process::Unknown };
                let gave_up_at = Clock::gave_up_at(run.alive_at, noticed_at, self.weather.timeout(), process);
                self.master.lost.push(gave_up_at);
                self.settled_at = self.settled_at.max(self.now + SETTLE + LEASE);
            }
        }
    }

    fn dies(&mut self, run: usize) -> bool {
        if self.rng.permille(self.kill_permille) {
            self.end_run(run, Over::Killed);
            return true;
        }
        false
    }

    /// While it held the lock it wrote signs of life, also where it had nothing else to do: the last one is no older than that.
    pub fn sign_of_life(&mut self, run: usize) {
        let run = &mut self.runs[run];
        if run.session_alive && self.setup.flaw != Some(Flaw::NoSignOfLife) {
            let last = self.master.moment(self.now.saturating_sub(SIGN_OF_LIFE_EVERY));
            run.alive_at = run.alive_at.max(last);
        }
    }

    fn end_run(&mut self, run: usize, over: Over) {
        self.sign_of_life(run);
        self.note(|| format!("run {run} is over: {over:?}"));
        self.runs[run].over = Some(over);
        self.stats.longest = self.stats.longest.max(self.now.saturating_sub(self.runs[run].started));
        self.stats.requests_max = self.stats.requests_max.max(self.runs[run].watch.requests);
        if over == Over::Finished {
            self.settled_at = self.settled_at.max(self.now + SETTLE);
        }
        if over == Over::Killed {
            self.stats.kills += 1;
        }
        // A run that lost the lock waits for its answers, and takes none of them.
        if over == Over::Killed {
            self.abandon_flights(run);
        }
        self.master.unlock(run);
    }

    /// Takes what arrived, and does what the session says, until there is something to wait for.
    pub fn drive(&mut self, run: usize) -> Checked {
        loop {
            if self.runs[run].over.is_some() || self.runs[run].busy || self.dies(run) {
                return Ok(());
            }
            hold!(self.now <= self.runs[run].started + RUN_MAX, "run {run} does not end");
            let steps = &mut self.runs[run].steps_at_once;
            *steps = if steps.0 == self.now { (self.now, steps.1 + 1) } else { (self.now, 0) };
            hold!(steps.1 < STEPS_AT_ONCE_MAX, "run {run} spins");
            if let Some(arrival) = self.runs[run].inbox.pop_front() {
                self.take(run, arrival)?;
                continue;
            }
            let confirms = self.setup.flaw != Some(Flaw::NoLease);
            if confirms && self.now > self.runs[run].confirmed + CONFIRM_EVERY {
                self.job(run, Job::Confirm);
                return Ok(());
            }
            match self.runs[run].session.next(self.now) {
                Next::Prepare(keys) => self.job(run, Job::Prepare(keys)),
                Next::Load(keys) => self.job(run, Job::Load(keys)),
                Next::Record(facts) => self.job(run, Job::Record(facts)),
                Next::AskMaster(key) => self.job(run, Job::AskMaster(key)),
                Next::Send(request) => {
                    let stop = self.runs[run].session.summary().stop.as_ref();
                    let cleans_up =
                        stop.and_then(Stop::stray).is_some() && matches!(request.method, Method::Get | Method::Delete);
                    hold!(stop.is_none() || cleans_up, "a request after a stop: {request:?}");
                    self.runs[run].watch.sent(&request, self.now)?;
                    self.is_no_orphan(run, &request)?;
                    self.send(run, request)?;
                }
                Next::CheckListing(look) => {
                    self.runs[run].watch.question_sent(self.now)?;
                    self.send_listing(run, look);
                }
                Next::Probe(key) => {
                    self.runs[run].watch.question_sent(self.now)?;
                    self.send_probe(run, key);
                }
                Next::ProbeFilter(entity) => {
                    self.runs[run].watch.question_sent(self.now)?;
                    self.send_filter(run, entity);
                }
                Next::Warn(warning) => {
                    self.note(|| format!("run {run} warns: {warning}"));
                    self.runs[run].warnings.push(warning);
                }
                Next::Wait(until) => return self.wait(run, until),
                Next::Finished => {
                    let left = self.runs[run].unrecorded.first();
                    hold!(left.is_none(), "run {run} ends without a fact for {left:?}");
                    let stop = self.runs[run].session.summary().stop.clone();
                    self.note(|| format!("run {run} ends, stop: {stop:?}"));
                    let is_doubted = matches!(stop, Some(Stop::Doubted(_)));
                    hold!(!is_doubted || self.runs[run].order.by_log, "a full sync doubts the log");
                    self.job(run, if is_doubted { Job::Replan } else { Job::End });
                    return Ok(());
                }
            }
        }
    }

    /// No comment is sent to a post whose creation was given up, unless the post's own turn in this run comes to nothing.
    fn is_no_orphan(&self, run: usize, request: &Request) -> Checked {
        let works = &self.runs[run].works;
        let post = works.get(&request.key).and_then(|work| work.parent);
        let is_tried = |post: PostId| works.get(&Key::Post(post)).is_some_and(|work| work.standing == Standing::Ready);
        let creates = matches!(request.method, Method::Post | Method::Put);
        // Others may have made it.
        let is_nowhere = |post: PostId| self.target.count(Key::Post(post)) == 0;
        let given_up = |post: &PostId| self.master.given_up().contains(post) && !is_tried(*post) && is_nowhere(*post);
        let is_orphan = creates && post.as_ref().is_some_and(given_up);
        hold!(!is_orphan, "{} is sent, and the creation of its post was given up", request.key);
        Ok(())
    }

    fn wait(&mut self, run: usize, until: Option<Duration>) -> Checked {
        self.runs[run].wakes += 1;
        let token = self.runs[run].wakes;
        if let Some(at) = until {
            hold!(at > self.now, "run {run} waits for the past: {at:?} at {:?}", self.now);
            self.at(at, Event::Wake { run, token });
        } else {
            let flying = self.flights.iter().any(|flight| flight.run == run && !flight.back);
            hold!(flying || self.questions.contains(&run), "run {run} waits for nothing, for ever");
        }
        Ok(())
    }

    pub fn wake(&mut self, run: usize, token: u64) -> Checked {
        if self.runs[run].wakes == token { self.drive(run) } else { Ok(()) }
    }

    pub fn arrive(&mut self, run: usize, arrival: Arrival) -> Checked {
        self.runs[run].inbox.push_back(arrival);
        self.drive(run)
    }

    /// The operator presses Ctrl-C.
    pub fn interrupt(&mut self, run: usize) -> Checked {
        if self.runs[run].over.is_none() {
            self.note(|| format!("run {run} is interrupted"));
            self.runs[run].session.stop(Stop::Asked);
        }
        self.drive(run)
    }

    fn take(&mut self, number: usize, arrival: Arrival) -> Checked {
        let random = self.rng.number();
        let run = &mut self.runs[number];
        match arrival {
            Arrival::Listing(listing) => {
                run.watch.question_answered();
                run.session.listed(listing, self.now, random);
            }
            Arrival::Probe { key, reply } => {
                run.watch.question_answered();
                run.session.probed(key, &reply, self.now, random);
            }
            Arrival::Filter { reply } => {
                run.watch.question_answered();
                run.session.filter_probed(&reply, self.now, random);
            }
            Arrival::Answer { flight, mut reply } => {
                let flight = &mut self.flights[flight];
                flight.back = true;
                let key = flight.request.key;
                run.watch.answered(&flight.request, self.setup.column.profile(), &reply)?;
                if self.setup.flaw == Some(Flaw::TimeoutIsNotSent)
                    && let Reply::Lost { why } = reply
                {
                    reply = Reply::NotSent { why };
                }
                let sent = run.bodies.get(&key);
                run.session.answered(key, &reply, sent, self.now, random);
            }
        }
        Ok(())
    }

    fn job(&mut self, run: usize, job: Job) {
        self.runs[run].busy = true;
        let at = self.now + self.rng.ms(1, self.setup.commit_ms);
        self.at(at, Event::Job { run, job });
    }

    /// A transaction of the run is carried out now.
    pub fn do_job(&mut self, number: usize, job: Job) -> Checked {
        if self.runs[number].over.is_some() || self.dies(number) {
            return Ok(());
        }
        self.runs[number].busy = false;
        let flawed = self.setup.flaw == Some(Flaw::RecordsAfterLockLost);
        if !self.holds_lock(number) {
            if !flawed {
                self.end_run(number, Over::LockLost);
                return Ok(());
            }
            // The flawed driver stops, and records all it is told.
            self.runs[number].session.stop(Stop::Asked);
        }
        self.runs[number].confirmed = self.now;
        if self.setup.flaw != Some(Flaw::NoSignOfLife) {
            self.runs[number].alive_at = self.master.moment(self.now);
        }
        match job {
            Job::Confirm => {}
            Job::Replan => return self.replan(number),
            Job::End => {
                self.end_nothing(number)?;
                if self.runs[number].over.is_none() {
                    self.end_run(number, Over::Finished);
                }
                return Ok(());
            }
            Job::Load(keys) => self.load(number, &keys),
            Job::AskMaster(key) => {
                let has = self.master.rows.contains_key(&key);
                self.runs[number].session.owned(key, has);
            }
            Job::Prepare(keys) => self.prepare(number, &keys)?,
            Job::Record(facts) => self.record(number, &facts)?,
        }
        self.drive(number)
    }

    /// A lost session is opened again: the lock counts if no other run had it meanwhile.
    fn holds_lock(&mut self, number: usize) -> bool {
        let run = &mut self.runs[number];
        let shard = run.order.shard;
        if !run.session_alive && !run.is_superseded && self.master.is_free(shard) {
            self.master.locks.push((number, shard));
            run.session_alive = true;
        }
        run.session_alive
    }

    /// What was to be created is there: the log is in doubt, and the plan is made anew.
    fn replan(&mut self, number: usize) -> Checked {
        self.master.doubt();
        let order = self.runs[number].order;
        let clock = self.master.clock(self.now, self.setup.late);
        let reading = self.master.read(&clock, order.shard, order.patience);
        self.tell_plan(number, &reading);
        let config = self.config(order, Asks::Each);
        let Run { started, confirmed, alive_at, .. } = self.runs[number];
        let again = Run::new(config, reading, order, self);
        self.runs[number] = Run { started, confirmed, alive_at, ..again };
        self.drive(number)
    }

    /// Records what needs no request, once the log is trusted.
    fn end_nothing(&mut self, number: usize) -> Checked {
        if !self.runs[number].session.summary().is_log_trusted {
            return Ok(());
        }
        let now = self.master.moment(self.now);
        for (key, mark) in core::mem::take(&mut self.runs[number].nothing) {
            let before = self.master.ledger.get(&key).map(|entry| entry.presence);
            let fact = Fact::Done(key, Action::Nothing, None);
            self.master.record(&fact, &mark, now);
            // That it was created was a lie of the log's, and nothing else was to be created: it stays at the target.
            if (self.lied.remove(&key) || self.spoilt.contains(&key)) && self.target.count(key) > 0 {
                self.spoilt.insert(key);
            } else {
                self.recorded(&fact, before)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, number: usize, keys: &[Key]) {
        for key in keys {
            let row = self.master.rows.get(key).cloned();
            let loaded = match &row {
                _ if self.master.holds.contains(key) => Loaded::OnHold,
                Some(_) => Loaded::Ready,
                None => Loaded::Contradicted,
            };
            let run = &mut self.runs[number];
            if loaded == Loaded::Ready {
                run.watch.loaded(*key);
            }
            run.bodies.extend(row.map(|object| (*key, object)));
            run.tell_post(*key);
            self.master.kept.get(key).into_iter().for_each(|kept| run.session.keeps(*key, *kept));
            run.session.loaded(*key, loaded, self.now);
        }
    }

    fn prepare(&mut self, number: usize, keys: &[Key]) -> Checked {
        let now = self.master.moment(self.now);
        let mut all = Vec::new();
        for key in keys {
            let run = &mut self.runs[number];
            let (Some(work), Some(mark)) = (run.works.get(key).copied(), run.marks.get(key).copied()) else {
                return Err(Broken(format!("{key} is prepared and not in the plan")));
            };
            let before = self.master.ledger.get(key).cloned();
            let loaded = self.master.prepare(&work, &mark, now);
            // What is left alone is cleared by nobody.
            if loaded != Loaded::OnHold && work.before == Presence::Doubled {
                self.clearing.insert(*key);
            }
            if loaded != Loaded::OnHold && mark.basis == news_core::ledger::Basis::Look {
                self.strangers.remove(key);
            }
            if self.setup.flaw == Some(Flaw::NoPreSendRow) {
                match before {
                    Some(entry) => self.master.ledger.insert(*key, entry),
                    None => self.master.ledger.remove(key),
                };
            }
            if loaded == Loaded::Ready {
                run.unrecorded.insert(*key);
                run.bodies.extend(self.master.rows.get(key).map(|object| (*key, object.clone())));
            }
            all.push((*key, loaded));
        }
        self.note(|| {
            format!(
                "run {number} prepares {}",
                all.iter().map(|(k, l)| format!("{k} {l:?}")).collect::<Vec<_>>().join(", ")
            )
        });
        if self.dies(number) {
            return Ok(());
        }
        for (key, loaded) in all {
            let run = &mut self.runs[number];
            // Whatever the ledger says.
            if !self.master.holds.contains(&key) {
                run.watch.prepared(key, self.now);
            }
            if loaded != Loaded::Ready {
                run.watch.overtaken(key);
                self.stats.overtaken += 1;
            }
            run.tell_post(key);
            self.master.kept.get(&key).into_iter().for_each(|kept| run.session.keeps(key, *kept));
            run.session.loaded(key, loaded, self.now);
        }
        Ok(())
    }

    fn record(&mut self, number: usize, facts: &[Fact]) -> Checked {
        self.note(|| format!("run {number} records {facts:?}"));
        let now = self.master.moment(self.now);
        for fact in facts {
            let run = &mut self.runs[number];
            run.unrecorded.remove(&fact.key());
            let Some(mark) = run.marks.get(&fact.key()).copied() else {
                return Err(Broken(format!("a fact about {}, which is not in the plan", fact.key())));
            };
            let before = run.works.get(&fact.key()).map(|work| work.before);
            self.master.record(fact, &mark, now);
            self.recorded(fact, before)?;
        }
        self.dies(number);
        Ok(())
    }
}
