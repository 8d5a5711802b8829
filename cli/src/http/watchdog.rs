//! Ends connections whose handler takes too long: one thread that looks at all of them now and then.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::http::limits::Limits;
use crate::http::links::Links;
use crate::http::stats::Counters;

/// A look costs a lock and a few loads for each connection; a limit is exceeded by a quarter at most.
const LOOKS_PER_LIMIT: u32 = 4;
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The thread; it ends when this is dropped.
pub(super) struct Watchdog {
    _ended: Sender<()>,
}

impl Watchdog {
    pub(super) fn start(limits: &Limits, links: &Arc<Links>, counters: &Arc<Counters>) -> io::Result<Self> {
        let (answer_max, write_max) = (limits.answer_max, limits.write_max);
        let pause = (answer_max / LOOKS_PER_LIMIT).clamp(PAUSE_MIN, PAUSE_MAX);
        let (links, counters) = (Arc::clone(links), Arc::clone(counters));
        let (sender, ended) = channel::<()>();
        thread::Builder::new().name("watchdog".into()).spawn(move || {
            while matches!(ended.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                // A piece on its way has a deadline of its own.
                links.end_overdue(answer_max, answer_max.max(write_max), &counters);
            }
        })?;
        Ok(Self { _ended: sender })
    }
}
