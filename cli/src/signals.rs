//! SIGINT and SIGTERM: the first asks for a clean stop, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Failure, Kind, OrFail, Result};

/// Which signal came.
#[derive(Debug, Clone)]
pub struct Signals(Arc<AtomicUsize>);

/// A pause notices a signal so soon.
pub const NOTICED_WITHIN: Duration = Duration::from_millis(200);

const NUMBER_INT: usize = 2;
const NUMBER_TERM: usize = 15;

impl Signals {
    /// Begins to listen.
    pub fn install() -> Result<Self> {
        let (came, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for (signal, number) in [(SIGINT, NUMBER_INT), (SIGTERM, NUMBER_TERM)] {
            // Before the flag is set, so that the second signal finds it set.
            flag::register_conditional_default(signal, Arc::clone(&again))
                .or_fail(Kind::Bug, "cannot listen to signals")?;
            flag::register_usize(signal, Arc::clone(&came), number).or_fail(Kind::Bug, "cannot listen to signals")?;
            flag::register(signal, Arc::clone(&again)).or_fail(Kind::Bug, "cannot listen to signals")?;
        }
        Ok(Self(came))
    }

    /// Listens to nothing: for a service, which lets requests end before it does.
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// Sleeps, but not through a signal: fails with how a command ends that stops now.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            if let Some(stop) = self.stop() {
                return Err(stop);
            }
            match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Ok(()),
                rest => thread::sleep(rest.min(NOTICED_WITHIN)),
            }
        }
    }

    /// Returns how a command that stops now ends, if a signal came.
    pub fn stop(&self) -> Option<Failure> {
        match self.0.load(Ordering::Relaxed) {
            NUMBER_INT => Some(Failure::new(Kind::Interrupted, "interrupted")),
            NUMBER_TERM => Some(Failure::new(Kind::Terminated, "terminated")),
            _ => None,
        }
    }
}
