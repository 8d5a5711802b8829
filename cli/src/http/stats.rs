//! What the server has done, counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::refusal::{Refusal, STATUSES};
use news_core::phrase::count;

/// A counter that only grows. Relaxed: the numbers are for looking at, nothing is decided by them.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) evicted: Counter,
    pub(super) accept_errors: Counter,
    pub(super) requests: Counter,
    pub(super) cut: Counter,
    pub(super) panics: Counter,
    refusals: [Counter; STATUSES.len()],
}

impl Counters {
    pub(super) fn refuse(&self, refusal: Refusal) {
        if let Ok(at) = STATUSES.binary_search(&refusal.status())
            && let Some(counter) = self.refusals.get(at)
        {
            counter.add();
        }
    }

    pub(super) fn snapshot(&self, connections_open: usize) -> Stats {
        let mut refusals = [(0, 0); STATUSES.len()];
        for ((slot, status), counter) in refusals.iter_mut().zip(STATUSES).zip(&self.refusals) {
            *slot = (status, counter.get());
        }
        Stats {
            connections_open,
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            evicted: self.evicted.get(),
            accept_errors: self.accept_errors.get(),
            requests: self.requests.get(),
            cut: self.cut.get(),
            panics: self.panics.get(),
            refusals,
        }
    }
}

/// The counters at one moment, for `/metrics`. All but the `_open` ones only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Client connections open now.
    pub connections_open: usize,
    /// Client connections accepted.
    pub accepted: u64,
    /// Client connections turned away with 503: no room, no files, no thread.
    pub refused: u64,
    /// Waiting client connections closed to make room for others.
    pub evicted: u64,
    /// Accept errors waited out (EMFILE and the like).
    pub accept_errors: u64,
    /// Requests passed on to the handler.
    pub requests: u64,
    /// Responses that were not sent to their end: the client left or was too slow, or the handler failed.
    pub cut: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Requests that the server answered by itself: (status, how many), ascending.
    pub refusals: [(u16, u64); STATUSES.len()],
}

/// One line, for the log: what never happened is left out.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", count(self.requests, "request"), count(self.accepted, "connection"))?;
        let rare = [
            (self.connections_open as u64, "connections still open"),
            (self.refused, "refused"),
            (self.evicted, "closed to make room"),
            (self.accept_errors, "accept errors"),
            (self.cut, "responses cut"),
            (self.panics, "panics"),
        ];
        for (count, what) in rare.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        for (status, count) in self.refusals.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {count} times {status}")?;
        }
        Ok(())
    }
}
