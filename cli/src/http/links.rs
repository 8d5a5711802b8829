//! The list of connections: its cap, which one to close to make room, and which answers are overdue.
//!
//! A connection that waits for its client may be closed (RFC 9112 §9.5 lets a server close idle ones at any time);
//! one whose request is being answered never is. So a few hundred slow clients cannot keep the others out.
//!
//! ```text
//! Asking ─▶ Body ─▶ Busy ─▶ Answering ─▶ Idle ─▶ Asking …
//!    └────────┴──────┴─────────┴───────────┴──▶ Closed: by an eviction, a drain or the watchdog
//! ```

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::SendFlags;

use crate::http::head::Verb;
use crate::http::limits::{ASKING_MAX, Limits, REFUSALS_MAX};
use crate::http::refusal::Refusal;
use crate::http::stats::Counters;

/// What a connection is doing. The order matters: those below `Busy` wait for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests, or lingering: a drain closes it at once.
    Idle = 0,
    /// New, or in the middle of a head. A client that has just connected has a request on its way: a drain gives it
    /// [`ASKING_MAX`] to come, since no other process will answer it.
    Asking = 1,
    /// A head is there, its body is on its way: a drain lets it come.
    Body = 2,
    /// A handler is at work, and nothing of its response has left. The watchdog may answer instead.
    Busy = 3,
    /// A response is being sent; the time is that of its last piece.
    Answering = 4,
    /// Closed by us: to make room, by a drain, or by the watchdog. Its thread has yet to notice.
    Closed = 7,
}

/// The bits of a state that are the phase. All of them set say that it is closed, whatever it was.
const PHASE_MASK: u64 = Phase::Closed as u64;
const PHASE_BITS: u32 = PHASE_MASK.count_ones();

/// One client connection, shared by its thread and the list. One descriptor, not a clone: files are scarce.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    /// Milliseconds since the epoch of the list, and the phase in the lowest bits.
    state: AtomicU64,
    /// Whether the request that is being answered is a HEAD, for a refusal from another thread.
    asked_for_head: AtomicBool,
}

impl Link {
    fn closable_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::SeqCst);
        (state & PHASE_MASK < Phase::Busy as u64).then_some(state >> PHASE_BITS)
    }

    fn entered(&self, phase: Phase) -> Option<u64> {
        let state = self.state.load(Ordering::SeqCst);
        (state & PHASE_MASK == phase as u64).then_some(state >> PHASE_BITS)
    }

    pub(super) fn set_verb(&self, verb: Verb) {
        self.asked_for_head.store(verb == Verb::Head, Ordering::Relaxed);
    }

    fn verb(&self) -> Verb {
        if self.asked_for_head.load(Ordering::Relaxed) { Verb::Head } else { Verb::Other }
    }

    /// Marks the connection as closed if its phase `fits`. Returns whether it did; then its thread begins no response.
    fn claim(&self, fits: impl Fn(u64) -> bool) -> bool {
        let closed = |state: u64| fits(state & PHASE_MASK).then_some(state | Phase::Closed as u64);
        self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, closed).is_ok()
    }

    /// Ends the receiving side of a connection that waits for its client. The response to a request that has just come
    /// in whole is still sent.
    fn close(&self, fits: impl Fn(u64) -> bool) -> bool {
        // An error of the shutdown means that the client is gone already.
        self.claim(fits) && self.stream.shutdown(Shutdown::Read).is_ok()
    }
}

struct Inner {
    open: HashMap<u64, Arc<Link>>,
    next_id: u64,
    refusing: usize,
}

pub(super) struct Links {
    inner: Mutex<Inner>,
    changed: Condvar,
    draining: AtomicBool,
    epoch: Instant,
    connections_max: usize,
    evict_age_min: Duration,
    room_max: Duration,
}

/// Whether there is room for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    Full,
}

impl Links {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            inner: Mutex::new(Inner { open: HashMap::new(), next_id: 0, refusing: 0 }),
            changed: Condvar::new(),
            draining: AtomicBool::new(false),
            epoch: Instant::now(),
            connections_max: limits.connections_max.max(1),
            evict_age_min: limits.evict_age_min,
            room_max: limits.room_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while holding it; and a list that outlives a panic is better than none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open_now(&self) -> usize {
        self.lock().open.len()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Records that `link` entered `phase` now.
    pub(super) fn enter(&self, link: &Link, phase: Phase) {
        link.state.store(self.now(phase), Ordering::SeqCst);
    }

    /// Records that a piece of a response begins or has left. Returns false if the watchdog has closed the connection.
    pub(super) fn begin_piece(&self, link: &Link) -> bool {
        let now = self.now(Phase::Answering);
        let is_open = |state: u64| (state & PHASE_MASK != Phase::Closed as u64).then_some(now);
        link.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_open).is_ok()
    }

    fn now(&self, phase: Phase) -> u64 {
        self.ms_now() << PHASE_BITS | phase as u64
    }

    fn ms_now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX >> PHASE_BITS)
    }

    /// Ends every connection whose response has not begun within `answer_max`, with a 504, or whose response has made
    /// no progress for `stall_max`.
    pub(super) fn end_overdue(&self, answer_max: Duration, stall_max: Duration, counters: &Counters) {
        let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let now = self.ms_now();
        let overdue = |link: &Link, phase, limit| link.entered(phase).is_some_and(|at| now.saturating_sub(at) > limit);
        for link in self.lock().open.values() {
            if overdue(link, Phase::Busy, ms(answer_max)) && link.claim(|phase| phase == Phase::Busy as u64) {
                counters.refuse(Refusal::Slow);
                // Without waiting: the response fits every socket's buffer.
                let _ = rustix::net::send(
                    &link.stream,
                    &Refusal::Slow.render(link.verb()),
                    SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                );
                let _ = link.stream.shutdown(Shutdown::Both);
            } else if overdue(link, Phase::Answering, ms(stall_max))
                && link.claim(|phase| phase == Phase::Answering as u64)
            {
                let _ = link.stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Waits a while for room, making some if a connection has waited long enough.
    ///
    /// `full_until` is the caller's memory from one new connection to the next: the wait is had once, not by each in a
    /// queue of them.
    pub(super) fn room(&self, full_until: &mut Option<Instant>, counters: &Counters) -> Room {
        let mut inner = self.lock();
        loop {
            if inner.open.len() < self.connections_max {
                *full_until = None;
                return Room::Free;
            }
            if self.is_draining() {
                return Room::Full;
            }
            let now = Instant::now();
            let mut until = *full_until.get_or_insert(now + self.room_max);
            if let Some(link) = self.longest_waiting(&inner, now) {
                // If it has just become busy, another one is looked for in the next round.
                if link.close(|phase| phase < Phase::Busy as u64) {
                    counters.evicted.add();
                }
                until = until.max(now + self.room_max);
                *full_until = Some(until);
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Room::Full;
            }
            // Looks again when the youngest of them has come of age, at the latest.
            let pause = left.min(self.evict_age_min.max(Duration::from_millis(1)));
            inner = self.changed.wait_timeout(inner, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn longest_waiting(&self, inner: &Inner, now: Instant) -> Option<Arc<Link>> {
        let old = now.duration_since(self.epoch).saturating_sub(self.evict_age_min);
        inner
            .open
            .values()
            .filter_map(|link| Some((link.closable_since()?, link)))
            .min_by_key(|(since, _)| *since)
            .filter(|(since, _)| u128::from(*since) <= old.as_millis())
            .map(|(_, link)| Arc::clone(link))
    }

    /// Puts a connection on the list until the guard is dropped.
    pub(super) fn enlist(self: &Arc<Self>, stream: TcpStream) -> Enlisted {
        let link = Arc::new(Link { stream, state: AtomicU64::new(0), asked_for_head: AtomicBool::new(false) });
        self.enter(&link, Phase::Asking);
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.open.insert(id, Arc::clone(&link));
        Enlisted { links: Arc::clone(self), id, link }
    }

    /// Takes one of the places for lingering refusals, if there is one.
    pub(super) fn refusing(self: &Arc<Self>) -> Option<Refusing> {
        let mut inner = self.lock();
        if inner.refusing >= REFUSALS_MAX {
            return None;
        }
        inner.refusing += 1;
        Some(Refusing { links: Arc::clone(self) })
    }

    /// Waits until something changes, at most `limit`.
    pub(super) fn pause(&self, limit: Duration) {
        let inner = self.lock();
        if !self.is_draining() {
            drop(self.changed.wait_timeout(inner, limit));
        }
    }

    /// From now on no connection is accepted, and each ends after its exchange. Closes the idle ones.
    pub(super) fn start_drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        close_those_in(Phase::Idle, &self.lock());
        self.changed.notify_all();
    }

    /// Waits until all connections have ended, at most until `deadline`; then cuts the others and returns their number.
    pub(super) fn finish_drain(&self, deadline: Instant) -> usize {
        let inner = self.wait_empty(self.lock(), deadline.min(Instant::now() + ASKING_MAX));
        close_those_in(Phase::Asking, &inner);
        let inner = self.wait_empty(inner, deadline);
        for link in inner.open.values() {
            let _ = link.stream.shutdown(Shutdown::Both);
        }
        inner.open.len()
    }

    /// Waits until the list is empty, at most until `deadline`.
    fn wait_empty<'a>(&self, inner: MutexGuard<'a, Inner>, deadline: Instant) -> MutexGuard<'a, Inner> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(inner, left, |inner| !inner.open.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn close_those_in(phase: Phase, inner: &Inner) {
    for link in inner.open.values() {
        link.close(|found| found == phase as u64);
    }
}

/// A connection's place on the list.
pub(super) struct Enlisted {
    links: Arc<Links>,
    id: u64,
    pub(super) link: Arc<Link>,
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        self.links.lock().open.remove(&self.id);
        self.links.changed.notify_all();
    }
}

/// A refusal's place.
pub(super) struct Refusing {
    links: Arc<Links>,
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.links.lock().refusing -= 1;
    }
}
