//! One run: the model of what `news sync` does around a session. Steps between which a
//! process may die are events of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use news_core::merge::{Merged, Presence};
use news_core::reply::{Method, Reply};
use news_core::session::{Config, Fact, LEASE, Listing, Loaded, Next, SETTLE, Session, Stop, Warning};
use news_core::{Key, Object};

use crate::master::{Basis, Marks, Reading, Row};
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
    Answer { flight: usize, reply: Reply },
    Listing(Listing),
}

/// A transaction of a run.
#[derive(Debug, Clone)]
pub enum Job {
    Prepare(Vec<Key>),
    Record(Vec<Fact>),
    AskMaster(Key),
    /// Is the lock's session still there?
    Confirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Finished,
    Killed,
    /// Another run took the lock.
    LockLost,
}

#[derive(Debug)]
pub struct Run {
    pub session: Session,
    pub watch: Watch,
    pub over: Option<Over>,
    pub warnings: Vec<Warning>,
    merged: BTreeMap<Key, Merged>,
    befores: BTreeMap<Key, Presence>,
    basis: Basis,
    bodies: BTreeMap<Key, Object>,
    unrecorded: BTreeSet<Key>,
    inbox: VecDeque<Arrival>,
    busy: bool,
    started: Duration,
    epoch: u64,
    /// Its session holds the lock, or did when it was asked last.
    session_alive: bool,
    confirmed: Duration,
    wakes: u64,
    steps_at_once: (Duration, u32),
    /// A later run has seen that it did not end itself.
    found_lost: bool,
}

impl Run {
    fn new(config: Config, reading: Reading, world: &World) -> Self {
        Self {
            session: Session::new(config, &reading.plan, world.now),
            watch: Watch::new(&reading.plan, config, world.setup.column.keeps()),
            over: None,
            warnings: Vec::new(),
            befores: reading.plan.works().iter().map(|work| (work.key, work.before)).collect(),
            merged: reading.merged,
            basis: reading.basis,
            bodies: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            inbox: VecDeque::new(),
            busy: false,
            started: world.now,
            epoch: world.master.epoch,
            session_alive: true,
            confirmed: world.now,
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
            && s.failed + s.parked + s.parked_before + s.held + s.untouched + s.overtaken == 0
    }

    pub fn body(&self, key: Key) -> Option<&Object> {
        self.bodies.get(&key)
    }

    /// The lock's session was there not long ago.
    pub fn has_lease(&self, now: Duration) -> bool {
        now <= self.confirmed + LEASE
    }

    pub fn lose_lock(&mut self) {
        self.session_alive = false;
    }
}

impl World {
    /// Starts a run if the lock is free. Returns its number.
    pub fn start_run(&mut self) -> Result<Option<usize>, Broken> {
        if self.master.lock.is_some() || self.looked.is_some() {
            self.note(|| "a run is refused: another one holds the lock".to_string());
            return Ok(None);
        }
        let reading = self.master.read();
        self.find_lost();
        self.start(reading).map(Some)
    }

    /// Starts a run on what was read; the lock is free.
    pub fn start(&mut self, reading: Reading) -> Result<usize, Broken> {
        let number = self.runs.len();
        self.master.lock = Some(number);
        self.master.epoch += 1;
        self.note(|| {
            let works = reading.plan.works().iter();
            let works = works.map(|w| {
                format!(
                    "{} {:?}>{:?}{}",
                    w.key,
                    w.before,
                    w.after,
                    if w.standing == news_core::plan::Standing::Parked { " parked" } else { "" }
                )
            });
            format!("run {number} starts: {}", works.collect::<Vec<_>>().join(", "))
        });
        let patient = self.setup.flaw != Some(Flaw::NoSettle);
        let settle = if patient { SETTLE } else { Duration::ZERO };
        let settled_in = if patient { self.settled_at.saturating_sub(self.now) } else { Duration::ZERO };
        let config = Config { jobs: self.setup.jobs, rate_per_s: self.setup.rate_per_s, settle, settled_in };
        let run = Run::new(config, reading, self);
        self.runs.push(run);
        self.stats.runs += 1;
        self.drive(number)?;
        Ok(number)
    }

    /// Who takes the lock finds the runs that did not end themselves.
    pub fn find_lost(&mut self) {
        for run in &mut self.runs {
            if run.over != Some(Over::Finished) && !core::mem::replace(&mut run.found_lost, true) {
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

    fn end_run(&mut self, run: usize, over: Over) {
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
        if self.master.lock == Some(run) {
            self.master.lock = None;
        }
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
                Next::Record(facts) => self.job(run, Job::Record(facts)),
                Next::AskMaster(key) => self.job(run, Job::AskMaster(key)),
                Next::Send(request) => {
                    let stop = self.runs[run].session.summary().stop.as_ref();
                    let cleans_up = matches!(stop, Some(Stop::OwnIds { .. }))
                        && matches!(request.method, Method::Get | Method::Delete);
                    hold!(stop.is_none() || cleans_up, "a request after a stop: {request:?}");
                    self.runs[run].watch.sent(&request, self.now)?;
                    self.send(run, request)?;
                }
                Next::CheckListing => {
                    self.runs[run].watch.listing_sent(self.now)?;
                    self.send_listing(run);
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
                    self.end_run(run, Over::Finished);
                }
            }
        }
    }

    fn wait(&mut self, run: usize, until: Option<Duration>) -> Checked {
        self.runs[run].wakes += 1;
        let token = self.runs[run].wakes;
        if let Some(at) = until {
            hold!(at > self.now, "run {run} waits for the past: {at:?} at {:?}", self.now);
            self.at(at, Event::Wake { run, token });
        } else {
            let flying = self.flights.iter().any(|flight| flight.run == run && !flight.back);
            hold!(flying || self.listings.contains(&run), "run {run} waits for nothing, for ever");
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
                run.watch.listing_answered();
                run.session.listed(listing, self.now, random);
            }
            Arrival::Answer { flight, mut reply } => {
                let flight = &mut self.flights[flight];
                flight.back = true;
                let (key, method) = (flight.request.key, flight.request.method);
                run.watch.answered(key, method, &reply)?;
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
        match job {
            Job::Confirm => {}
            Job::AskMaster(key) => {
                let has = self.master.rows.contains_key(&key);
                self.runs[number].session.owned(key, has);
            }
            Job::Prepare(keys) => self.prepare(number, &keys)?,
            Job::Record(facts) => self.record(number, &facts)?,
        }
        self.drive(number)
    }

    /// A lost session is opened again: the lock counts if nobody else had it meanwhile.
    fn holds_lock(&mut self, number: usize) -> bool {
        let run = &mut self.runs[number];
        if !run.session_alive && self.master.lock.is_none() && self.master.epoch == run.epoch {
            self.master.lock = Some(number);
            run.session_alive = true;
        }
        run.session_alive
    }

    fn prepare(&mut self, number: usize, keys: &[Key]) -> Checked {
        let mut loaded = Vec::new();
        for key in keys {
            let run = &mut self.runs[number];
            let Some(merged) = run.merged.get(key) else {
                return Err(Broken(format!("{key} is prepared and not in the plan")));
            };
            let before = self.master.remembered.get(key).copied();
            let before_sent = run.befores.get(key).copied().unwrap_or(Presence::Unknown);
            let clears = before_sent == Presence::Doubled;
            let kept = if self.setup.flaw == Some(Flaw::ForgetsDoubled) { Presence::Unknown } else { before_sent };
            let row = self.master.prepare(*key, kept, merged);
            if clears {
                self.clearing.insert(*key);
            }
            let looks = run.basis == Basis::Look || merged.events == 0;
            if looks {
                self.strangers.remove(key);
            }
            if row == Row::Overtaken {
                if looks && self.setup.flaw != Some(Flaw::ForgetsOvertaken) {
                    self.master.leave_overtaken(*key, kept, merged);
                }
            } else if let (Key::Post(post), true) = (*key, clears && self.setup.flaw != Some(Flaw::DoubtsNoComments)) {
                self.master.doubt_comments(post);
            }
            if self.setup.flaw == Some(Flaw::NoPreSendRow) {
                match before {
                    Some(row) => self.master.remembered.insert(*key, row),
                    None => self.master.remembered.remove(key),
                };
            }
            match row {
                Row::Overtaken => loaded.push((*key, Loaded::Overtaken)),
                Row::There(_) | Row::NotNeeded => {
                    run.unrecorded.insert(*key);
                    loaded.push((*key, Loaded::Ready));
                }
            }
            if let Row::There(object) = row {
                run.bodies.insert(*key, object);
            }
        }
        self.note(|| {
            format!(
                "run {number} prepares {}",
                loaded.iter().map(|(k, l)| format!("{k} {l:?}")).collect::<Vec<_>>().join(", ")
            )
        });
        if self.dies(number) {
            return Ok(());
        }
        let run = &mut self.runs[number];
        for (key, loaded) in loaded {
            if loaded == Loaded::Overtaken {
                run.watch.overtaken(key);
                self.stats.overtaken += 1;
            }
            run.session.loaded(key, loaded, self.now);
        }
        Ok(())
    }

    fn record(&mut self, number: usize, facts: &[Fact]) -> Checked {
        self.note(|| format!("run {number} records {facts:?}"));
        let marks = if self.setup.flaw == Some(Flaw::MarksAll) { Marks::All } else { Marks::Read };
        for fact in facts {
            let run = &mut self.runs[number];
            run.unrecorded.remove(&fact.key());
            let Some(merged) = run.merged.get(&fact.key()) else {
                return Err(Broken(format!("a fact about {}, which is not in the plan", fact.key())));
            };
            let before = run.befores.get(&fact.key()).copied();
            let believes = self.setup.flaw == Some(Flaw::BelievesOldEvents);
            let basis = if believes { Basis::Log } else { run.basis };
            self.master.record(fact, merged, basis, marks);
            self.recorded(fact, before)?;
        }
        self.dies(number);
        Ok(())
    }
}
