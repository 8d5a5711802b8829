//! One run: the model of what `news sync` does around a session. Steps between which a
//! process may die are events of their own.

use std::time::Duration;

use news_core::ledger::{Clock, Process, SIGN_OF_LIFE_EVERY};
use news_core::object::{Effects, Wait};
use news_core::plan::Standing;
use news_core::portion::Patience;
use news_core::reply::{Method, Reply};
use news_core::session::{Asks, Config, LEASE, Next, Request, SETTLE, Stop, Strangers};
use news_core::shard::Shard;
use news_core::{Key, PostId};

use crate::event::Event;
use crate::master::Reading;
use crate::rules::{Broken, Checked, hold};
use crate::run::{Arrival, Job, Order, Over, Run};
use crate::setup::Flaw;
use crate::world::World;

/// The driver asks the lock's session again after this: with what asking takes, it stays within [`LEASE`].
const CONFIRM_EVERY: Duration = Duration::from_millis(300);
/// More steps without time passing, and it spins.
const STEPS_AT_ONCE_MAX: u32 = 2000;
/// No run takes longer, whatever happens to it in these schedules.
const RUN_MAX: Duration = Duration::from_hours(1);

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

    pub fn config(&self, order: Order, asks: Asks) -> Config {
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

    pub fn tell_plan(&mut self, number: usize, reading: &Reading) {
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

    pub fn dies(&mut self, run: usize) -> bool {
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

    pub fn end_run(&mut self, run: usize, over: Over) {
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
    pub fn is_no_orphan(&self, run: usize, request: &Request) -> Checked {
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

    pub fn wait(&mut self, run: usize, until: Option<Duration>) -> Checked {
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

    pub fn take(&mut self, number: usize, arrival: Arrival) -> Checked {
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
}
