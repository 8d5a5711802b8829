//! Does what a session says: requests on threads, transactions on the lock's connection.
//!
//! ```text
//!  crew (jobs + 1 threads): next() ─▶ Send ─▶ request ─▶ answered() ─▶ next() ─▶ …
//!                          │ Prepare, Record, AskMaster     ▲ loaded(), owned()
//!                          ▼                                │
//!  clerk (this thread): one transaction after the other, in the order they were asked for
//! ```
//!
//! No transaction is open while a request is on the wire for it; nothing is sent before
//! its row is committed; answers count only while the lock is ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use news_core::merge::Wish;
use news_core::plan::{Plan, Work};
use news_core::session::{Config, Fact, Loaded, Session, Stop, Summary};
use news_core::{Key, Object};

use crate::error::{Kind, OrFail, Result};
use crate::run::crew::{Crew, Errand, STACK_BYTES};
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::objects::{self, Mark};
use crate::store::rows;
use crate::target::Target;
use crate::ui::Bar;

/// A signal is noticed within so long, and an idle lock is confirmed as often: well within
/// the session's lease.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(200);

/// What a run came to, and what was said on the way.
#[derive(Debug)]
pub struct Outcome {
    /// The session's summary.
    pub summary: Summary,
    /// Warnings, as they were logged.
    pub warnings: Vec<String>,
}

/// Everything a run goes through.
pub struct Driver<'a> {
    /// The lock, for transactions.
    pub lock: &'a mut Lock,
    /// Whereto.
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
    pub fn run(self, config: Config, plan: &Plan, marks: &BTreeMap<Key, Mark>) -> Result<Outcome> {
        let works: BTreeMap<Key, Work> = plan.works().iter().map(|work| (work.key, *work)).collect();
        let (sender, errands) = channel();
        // Reading the plan may have taken longer than the lease.
        self.lock.confirm()?;
        let session = Session::new(config, plan, Duration::ZERO);
        let crew = Crew::new(session, self.target, config.jobs, sender);
        let mut clerk = Clerk { driver: self, crew: &crew, works, marks };
        thread::scope(|scope| {
            for n in 0..crew.hands() {
                let hand = thread::Builder::new().name(format!("request-{n}")).stack_size(STACK_BYTES);
                let started = hand.spawn_scoped(scope, || crew.work()).or_fail(Kind::Usage, "cannot start a thread");
                let started =
                    started.map_err(|failure| failure.hint("fewer --jobs, or a higher limit (TasksMax, ulimit -u -v)"));
                if let Err(failure) = started {
                    crew.dismiss();
                    return Err(failure);
                }
            }
            loop {
                let errand = errands.recv_timeout(LOOK_AROUND_EVERY);
                let begun = crew.now();
                let done = match errand {
                    Ok(Errand::Over) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Ok(errand) => clerk.carry_out(errand),
                    Err(RecvTimeoutError::Timeout) => clerk.driver.lock.confirm(),
                };
                match done {
                    // Whatever it was went through the lock's session.
                    Ok(()) => crew.confirm(begun),
                    Err(failure) => {
                        crew.dismiss();
                        return Err(failure);
                    }
                }
                if clerk.driver.signals.stop().is_some() {
                    crew.tell(|session, _| session.stop(Stop::Asked));
                }
            }
        })?;
        let (summary, warnings) = crew.outcome();
        Ok(Outcome { summary, warnings })
    }
}

/// Whoever does the writing.
struct Clerk<'a> {
    driver: Driver<'a>,
    crew: &'a Crew<'a>,
    works: BTreeMap<Key, Work>,
    marks: &'a BTreeMap<Key, Mark>,
}

impl Clerk<'_> {
    fn carry_out(&mut self, errand: Errand) -> Result<()> {
        match errand {
            Errand::Prepare(keys) => self.prepare(&keys),
            Errand::Record(facts) => self.record(&facts),
            Errand::AskMaster(key) => {
                let has = self.driver.lock.run(|client| rows::has(client, key))?;
                self.crew.tell(|session, _| session.owned(key, has));
                Ok(())
            }
            Errand::Over => Ok(()),
        }
    }

    fn prepare(&mut self, keys: &[Key]) -> Result<()> {
        let works = keys.iter().filter_map(|key| Some((*self.works.get(key)?, *self.marks.get(key)?)));
        let works: Vec<(Work, Mark)> = works.collect();
        let rows = self.driver.lock.run(|client| objects::prepare(client, &works))?;
        let rows: BTreeMap<Key, Arc<Object>> = rows.into_iter().map(|(key, object)| (key, Arc::new(object))).collect();
        self.crew.prepared(rows, |session, rows, now| {
            for (work, _) in &works {
                let as_wished = rows.contains_key(&work.key) == (work.after == Wish::Present);
                session.loaded(work.key, if as_wished { Loaded::Ready } else { Loaded::Overtaken }, now);
            }
        });
        Ok(())
    }

    fn record(&mut self, facts: &[Fact]) -> Result<()> {
        self.driver.lock.run(|client| objects::record(client, facts, self.marks))?;
        self.driver.bar.inc(facts.len() as u64);
        Ok(())
    }
}
