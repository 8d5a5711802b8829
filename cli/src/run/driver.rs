//! Does what a session says: requests on threads, transactions on the lock's connection.
//!
//! ```text
//!  crew (jobs + 1 threads): next() ─▶ Send ─▶ request ─▶ answered() ─▶ next() ─▶ …
//!                          │ Prepare, Load, Record, AskMaster     ▲ loaded(), owned()
//!                          ▼                                      │
//!  clerk (this thread): one transaction after the other, in the order they were asked for
//! ```
//!
//! No transaction is open while a request is on the wire for it; nothing is sent before
//! its row is committed; answers count only while the lock is ours.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use news_core::kept::Kept;
use news_core::ledger::Mark;
use news_core::plan::{Plan, Work};
use news_core::session::{Config, LEASE, Loaded, Session, Stop, Summary, Texts};
use news_core::{Key, Object};

use crate::clock::Tick;
use crate::error::Result;
use crate::run::crew::{Alarm, Crew, Errand};
use crate::run::memory;
use crate::signals::Signals;
use crate::store::kept::{self, Entries};
use crate::store::ledger;
use crate::store::lock::Lock;
use crate::store::sent::{Attempt, Recorded};
use crate::store::{holds, left_out, rows, runs};
use crate::target::Target;
use crate::ui::Bar;

/// A signal is noticed within so long, and an idle lock is confirmed as often: well within
/// the session's lease.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(200);
/// A sign of life is written so often: well within [`SIGN_OF_LIFE_EVERY`](news_core::ledger::SIGN_OF_LIFE_EVERY), which is
/// counted on after a crash.
const SIGN_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// At the start of the requests the lock's session was known to be there no longer ago than this: half of the lease.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// What a run came to, and what was said on the way.
#[derive(Debug)]
pub struct RunOutcome {
    /// The session's summary.
    pub summary: Summary,
    /// Warnings, as they were logged.
    pub warnings: Vec<String>,
}

/// Everything a run goes through.
pub struct Driver<'a> {
    /// The run's id in the history.
    pub run: i64,
    /// When it last wrote a sign of life.
    pub signed: Tick,
    /// The lock, for transactions.
    pub lock: &'a mut Lock,
    /// The target.
    pub target: &'a Arc<Target>,
    /// What asks for a stop.
    pub signals: &'a Signals,
    /// Shows objects that are through.
    pub bar: &'a Bar,
}

impl Driver<'_> {
    /// Carries out `plan`; `marks` says for each object what of its events was read.
    ///
    /// Fails where the database or the lock is lost for good. What the target does is in the summary.
    pub fn run(self, config: Config, plan: &Plan, marks: &BTreeMap<Key, Mark>) -> Result<RunOutcome> {
        let works: BTreeMap<Key, Work> = plan.works().iter().map(|work| (work.key, *work)).collect();
        let (sender, errands) = channel();
        // Reading the plan may have taken longer than the lease, and longer than signs of life may be apart.
        let (run, mut signed) = (self.run, self.signed);
        if signed.elapsed() >= KNOWN_FOR {
            signed = Tick::now();
            self.lock.run(|client| runs::sign_of_life(client, run))?;
        }
        let kept_before = self.lock.run(kept::any)?;
        let mut session = Session::new(config, plan, Duration::ZERO);
        session.recall(memory::recall(self.target.url()), Duration::ZERO);
        let target = self.target;
        target.lease().renew(signed + LEASE);
        let crew = Crew::new(session, &**target, config.jobs, sender);
        let mut clerk = Clerk { driver: self, crew: &crew, works, marks, kept: kept_before };
        thread::scope(|scope| {
            let _alarm = Alarm(&crew);
            crew.start(scope)?;
            loop {
                let errand = errands.recv_timeout(LOOK_AROUND_EVERY);
                let is_due = signed.elapsed() >= SIGN_AGAIN_AFTER;
                let (begun, now) = (crew.now(), Tick::now());
                let done = if is_due { clerk.sign_of_life() } else { Ok(()) };
                let done = done.and_then(|()| match errand {
                    Ok(Errand::Over) | Err(RecvTimeoutError::Disconnected) => Ok(DriverTurn::Over),
                    Ok(errand) => clerk.carry_out(errand).map(|()| DriverTurn::Next),
                    Err(RecvTimeoutError::Timeout) if is_due => Ok(DriverTurn::Next),
                    Err(RecvTimeoutError::Timeout) => clerk.driver.lock.confirm().map(|()| DriverTurn::Next),
                });
                match done {
                    Ok(DriverTurn::Over) => return Ok(()),
                    // Everything went through the lock's session.
                    Ok(DriverTurn::Next) => crew.confirm(begun),
                    Err(failure) => {
                        crew.dismiss();
                        return Err(failure);
                    }
                }
                if is_due {
                    signed = now;
                }
                if clerk.driver.signals.stop().is_some() {
                    crew.tell(|session, _| session.stop(Stop::Asked));
                }
            }
        })?;
        let (summary, warnings, learnt) = crew.outcome();
        memory::keep(target.url(), learnt);
        Ok(RunOutcome { summary, warnings })
    }
}

enum DriverTurn {
    Next,
    Over,
}

/// Does the writing.
struct Clerk<'a> {
    driver: Driver<'a>,
    crew: &'a Crew<'a>,
    works: BTreeMap<Key, Work>,
    marks: &'a BTreeMap<Key, Mark>,
    /// Texts that the target has altered, before this run or in it.
    kept: Entries,
}

impl Clerk<'_> {
    fn carry_out(&mut self, errand: Errand) -> Result<()> {
        match errand {
            Errand::Prepare(keys) => self.prepare(&keys),
            Errand::Load(keys) => self.load(&keys),
            Errand::Record(told) => self.record(&told),
            Errand::AskMaster(key) => {
                let has = self.driver.lock.run(|client| rows::has(client, key))?;
                self.crew.tell(|session, _| session.owned(key, has));
                Ok(())
            }
            Errand::Over => Ok(()),
        }
    }

    fn sign_of_life(&mut self) -> Result<()> {
        let run = self.driver.run;
        self.driver.lock.run(|client| runs::sign_of_life(client, run))
    }

    fn prepare(&mut self, keys: &[Key]) -> Result<()> {
        let works = keys.iter().filter_map(|key| Some((*self.works.get(key)?, *self.marks.get(key)?)));
        let works: Vec<(Work, Mark)> = works.collect();
        let batch = self.driver.lock.run(|client| ledger::prepare(client, &works))?;
        let kept = self.kept_of(keys)?;
        let rows = batch.objects.into_iter().map(|(key, object)| (key, Arc::new(self.carried(object)))).collect();
        self.crew.loaded(rows, &kept, batch.loaded);
        Ok(())
    }

    fn load(&mut self, keys: &[Key]) -> Result<()> {
        let (loaded, on_hold) =
            self.driver.lock.run(|client| Ok((left_out::load_to_send(client, keys)?, holds::of(client, keys)?)))?;
        let mut rows = BTreeMap::new();
        let mut said = Vec::new();
        for key in keys {
            said.push(match loaded.get(key) {
                _ if on_hold.contains_key(key) => (*key, Loaded::OnHold),
                None => (*key, Loaded::Contradicted),
                Some(Err(why)) => (*key, Loaded::Unreadable(why.clone())),
                Some(Ok(object)) => {
                    rows.insert(*key, Arc::new(self.carried(object.clone())));
                    (*key, Loaded::Ready)
                }
            });
        }
        let kept = self.kept_of(keys)?;
        self.crew.loaded(rows, &kept, said);
        Ok(())
    }

    /// Returns an object as the target can have it.
    fn carried(&self, object: Object) -> Object {
        self.driver.target.profile().dialect(object.key().entity()).carried(object)
    }

    /// Returns what the target keeps in place of these objects.
    fn kept_of(&mut self, keys: &[Key]) -> Result<BTreeMap<Key, Kept>> {
        match self.kept {
            Entries::None => Ok(BTreeMap::new()),
            Entries::Some => self.driver.lock.run(|client| kept::of(client, keys)),
        }
    }

    fn record(&mut self, told: &[Recorded]) -> Result<()> {
        let run = self.driver.run;
        let mut attempt = Attempt::First;
        self.driver.lock.run(|client| {
            let now = mem::replace(&mut attempt, Attempt::Again);
            ledger::record(client, run, told, self.marks, now, self.kept)
        })?;
        if told.iter().any(|one| matches!(one.fact.texts(), Texts::Altered(_))) {
            self.kept = Entries::Some;
        }
        self.driver.bar.inc(told.len() as u64);
        Ok(())
    }
}
