//! Threads that send requests: one job each at a time, replies back in any order.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use news_core::reply::Reply;
use news_core::session::{Listing, Request};
use news_core::{Key, Object, wire};

use crate::error::{Kind, OrFail, Result};
use crate::target::Target;

/// What a worker does.
pub enum Job {
    /// Send this; POST and PUT carry the object.
    Send(Request, Option<Arc<Object>>),
    /// Look at the listing.
    Look,
}

/// What it came to.
pub enum Report {
    /// A reply, for the object, with what it was compared with.
    Reply(Key, Reply, Option<Arc<Object>>),
    /// The listing.
    Listing(Listing),
}

/// A fixed number of threads.
pub struct Workers {
    jobs: Option<Sender<Job>>,
    reports: Receiver<Report>,
    threads: Vec<JoinHandle<()>>,
}

/// A request needs little of it.
const STACK_BYTES: usize = 512 * 1024;

impl Workers {
    /// Starts `count` threads.
    pub fn start(count: usize, target: &Arc<Target>) -> Result<Self> {
        let (jobs, job_queue) = channel();
        let (report, reports) = channel();
        let job_queue = Arc::new(Mutex::new(job_queue));
        let mut threads = Vec::with_capacity(count);
        for n in 0..count {
            let (queue, report, target) = (Arc::clone(&job_queue), Sender::clone(&report), Arc::clone(target));
            let thread = thread::Builder::new()
                .name(format!("request-{n}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&queue, &report, &target))
                .or_fail(Kind::Bug, "cannot start a thread")?;
            threads.push(thread);
        }
        Ok(Self { jobs: Some(jobs), reports, threads })
    }

    /// Hands a job over. The session never has more under way than there are threads.
    pub fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // Fails only when all threads are gone, which `report` would show.
            let _ = jobs.send(job);
        }
    }

    /// Returns the next report, if one comes before `until`.
    pub fn report(&self, until: Instant) -> Option<Report> {
        self.reports.recv_timeout(until.saturating_duration_since(Instant::now()).max(Duration::ZERO)).ok()
    }

    /// Returns a report that is there already.
    pub fn try_report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, report: &Sender<Report>, target: &Target) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let said = match job {
            Job::Send(request, object) => {
                let json = object.as_deref().map(wire::to_json);
                let reply = target.send(&request, json.as_deref());
                Report::Reply(request.key, reply, object)
            }
            Job::Look => Report::Listing(target.look_at_listing()),
        };
        if report.send(said).is_err() {
            return;
        }
    }
}
