//! Who is connected: the list of client connections, its cap, and whom to close to make room.
//!
//! A connection that waits for its client may be closed (RFC 9112 §9.5 lets a server close idle ones at any time);
//! one whose request is being answered never is. So a few hundred slow clients cannot keep the others out.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::door::limits::{ASKING_MAX, Limits, REFUSALS_MAX};
use crate::door::stats::Counters;

/// What a connection is doing. The order is no accident: those below `Busy` wait for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests, or lingering: a drain closes it at once.
    Idle = 0,
    /// New, or in the middle of a head. Whoever has just been let in has a request on its way: a drain gives it
    /// [`ASKING_MAX`] to come, since nobody else will answer it.
    Asking = 1,
    /// A head is there, its body is on its way: a drain lets it come.
    Body = 2,
    /// A handler is at work, or its answer is on its way out.
    Busy = 3,
    /// Closed by us to make room, or by a drain; its thread has yet to notice.
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
}

impl Link {
    fn closable_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::SeqCst);
        (state & PHASE_MASK < Phase::Busy as u64).then_some(state >> PHASE_BITS)
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.state.load(Ordering::SeqCst) & PHASE_MASK == phase as u64
    }

    /// Ends the receiving side. The answer to a request that has just come in whole still goes out.
    fn close(&self) {
        self.state.fetch_or(Phase::Closed as u64, Ordering::SeqCst);
        // An error means that the client is gone already.
        let _ = self.stream.shutdown(Shutdown::Read);
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

/// Whether there is room for a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    Full,
}

impl Links {
    pub(super) fn new(limits: &Limits, connections_max: usize) -> Self {
        Self {
            inner: Mutex::new(Inner { open: HashMap::new(), next_id: 0, refusing: 0 }),
            changed: Condvar::new(),
            draining: AtomicBool::new(false),
            epoch: Instant::now(),
            connections_max,
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
        let ms = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX >> PHASE_BITS);
        link.state.store(ms << PHASE_BITS | phase as u64, Ordering::SeqCst);
    }

    /// Waits a while for room, making some if a connection has waited long enough.
    ///
    /// `full_until` is the caller's memory from one newcomer to the next: the wait is had once, not by everyone in a
    /// queue of newcomers.
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
                link.close();
                counters.evicted.add();
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
        let link = Arc::new(Link { stream, state: AtomicU64::new(0) });
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

    /// From now on nobody is accepted, and who finishes an exchange leaves. Closes the idle.
    pub(super) fn start_drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        close_those_in(Phase::Idle, &self.lock());
        self.changed.notify_all();
    }

    /// Waits until all have left, at most until `deadline`; then cuts those that are left and returns their number.
    pub(super) fn finish_drain(&self, deadline: Instant) -> usize {
        let inner = self.wait_empty(self.lock(), deadline.min(Instant::now() + ASKING_MAX));
        close_those_in(Phase::Asking, &inner);
        let inner = self.wait_empty(inner, deadline);
        for link in inner.open.values() {
            let _ = link.stream.shutdown(Shutdown::Both);
        }
        inner.open.len()
    }

    /// Waits until nobody is on the list, at most until `deadline`.
    fn wait_empty<'a>(&self, inner: MutexGuard<'a, Inner>, deadline: Instant) -> MutexGuard<'a, Inner> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(inner, left, |inner| !inner.open.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn close_those_in(phase: Phase, inner: &Inner) {
    for link in inner.open.values().filter(|link| link.is_in(phase)) {
        link.close();
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
