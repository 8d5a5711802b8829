//! Does what a session says: transactions on the lock's connection, requests on threads.
//!
//! No transaction is open while a request is on the wire for it; nothing is sent before
//! its row is committed; answers count only while the lock is ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use news_core::merge::Wish;
use news_core::plan::Plan;
use news_core::reply::Method;
use news_core::session::{Config, Fact, Loaded, Next, Session, Stop, Summary};
use news_core::{Key, Object};

use crate::error::Result;
use crate::run::workers::{Job, Report, Workers};
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::objects::{self, Mark};
use crate::store::rows;
use crate::target::Target;
use crate::ui::Bar;

/// A signal is noticed within so long.
const SIGNAL_CHECK: Duration = Duration::from_millis(200);

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
        let started = Instant::now();
        let wishes: BTreeMap<Key, Wish> = plan.works().iter().map(|work| (work.key, work.after)).collect();
        let mut run = Underway {
            session: Session::new(config, plan, Duration::ZERO),
            workers: Workers::start(config.jobs, self.target)?,
            driver: self,
            wishes,
            marks,
            objects: BTreeMap::new(),
            warnings: Vec::new(),
            started,
        };
        run.finish()?;
        Ok(Outcome { summary: run.session.summary().clone(), warnings: run.warnings })
    }
}

struct Underway<'a> {
    session: Session,
    workers: Workers,
    driver: Driver<'a>,
    wishes: BTreeMap<Key, Wish>,
    marks: &'a BTreeMap<Key, Mark>,
    /// Rows of objects that are prepared and not through.
    objects: BTreeMap<Key, Arc<Object>>,
    warnings: Vec<String>,
    started: Instant,
}

impl Underway<'_> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn finish(&mut self) -> Result<()> {
        loop {
            if self.driver.signals.stop().is_some() {
                self.session.stop(Stop::Asked);
            }
            while let Some(report) = self.workers.try_report() {
                self.take(report)?;
            }
            match self.session.next(self.now()) {
                Next::Prepare(keys) => self.prepare(&keys)?,
                Next::Send(request) => {
                    // A GET is compared with the object, so it goes along.
                    let object = match request.method {
                        Method::Get | Method::Post | Method::Put => self.objects.get(&request.key).cloned(),
                        Method::Delete => None,
                    };
                    self.workers.submit(Job::Send(request, object));
                }
                Next::CheckListing => self.workers.submit(Job::Look),
                Next::AskMaster(key) => {
                    let has = self.driver.lock.run(|client| rows::has(client, key))?;
                    self.session.owned(key, has);
                }
                Next::Record(facts) => self.record(&facts)?,
                Next::Warn(warning) => {
                    log::warn!("{warning}");
                    self.warnings.push(warning.to_string());
                }
                Next::Wait(until) => self.wait(until)?,
                Next::Finished => return Ok(()),
            }
        }
    }

    fn wait(&mut self, until: Option<Duration>) -> Result<()> {
        let check = Instant::now() + SIGNAL_CHECK;
        let until = until.map_or(check, |until| (self.started + until).min(check));
        match self.workers.report(until) {
            Some(report) => self.take(report),
            None => Ok(()),
        }
    }

    fn take(&mut self, report: Report) -> Result<()> {
        let random = super::random()?;
        match report {
            Report::Reply(key, reply, object) => {
                self.session.answered(key, &reply, object.as_deref(), self.now(), random);
            }
            Report::Listing(listing) => self.session.listed(listing, self.now(), random),
        }
        Ok(())
    }

    fn prepare(&mut self, keys: &[Key]) -> Result<()> {
        let works = keys.iter().filter_map(|key| Some((*key, *self.wishes.get(key)?, *self.marks.get(key)?)));
        let works: Vec<(Key, Wish, Mark)> = works.collect();
        let rows = self.driver.lock.run(|client| objects::prepare(client, &works))?;
        let now = self.now();
        for (key, wish, _) in &works {
            let as_wished = rows.contains_key(key) == (*wish == Wish::Present);
            self.session.loaded(*key, if as_wished { Loaded::Ready } else { Loaded::Overtaken }, now);
        }
        self.objects.extend(rows.into_iter().map(|(key, object)| (key, Arc::new(object))));
        Ok(())
    }

    fn record(&mut self, facts: &[Fact]) -> Result<()> {
        self.driver.lock.run(|client| objects::record(client, facts, self.marks))?;
        for fact in facts {
            self.objects.remove(&fact.key());
        }
        self.driver.bar.inc(facts.len() as u64);
        Ok(())
    }
}
