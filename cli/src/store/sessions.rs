//! The API's sessions: leased for the database work of a request, first come, first served, with a bounded wait.
//!
//! What may hold its session for long never holds all of them: a write may wait for a lock, or its commit for a
//! synchronous standby, and a whole list waits for its reader. So reads go on, and a health check is answered.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::session::{Gauge, Live, Session, Trouble, Writable};
use crate::pool::{Leased, Pool, PoolPlace, Queue};
use crate::secret::Secret;

/// A client that waited this long is better told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// All sessions of a service.
pub struct Sessions {
    pool: Pool<Session>,
    /// For work that may hold its session for long: one fewer than there are sessions, if there are several.
    long: Queue,
    /// For whole lists: half of the sessions.
    lists: Queue,
    open: Gauge,
    writable: Arc<Writable>,
}

/// A session that reads a whole list.
pub struct ListSession<'a> {
    session: Leased<'a, Session>,
    _long: PoolPlace,
    _list: PoolPlace,
}

/// The end of a wait.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn new() -> Self {
        Self(Instant::now() + WAIT_MAX)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

impl Sessions {
    /// Makes `count` sessions with the database that `url` names; each connects when it is first used.
    pub fn new(url: &Secret, count: usize) -> Self {
        let count = count.max(1);
        let (open, writable) = (Gauge::default(), Arc::new(Writable::default()));
        let sessions = (0..count).map(|_| Session::new(url.clone(), open.clone(), Arc::clone(&writable)));
        Self {
            pool: Pool::new(sessions),
            long: Queue::new((count - 1).max(1)),
            lists: Queue::new((count / 2).max(1)),
            open,
            writable,
        }
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Returns the number of sessions that are leased.
    pub fn leased(&self) -> usize {
        self.pool.leased()
    }

    /// What the database said of writes last.
    pub fn writable(&self) -> &Writable {
        &self.writable
    }

    /// Runs a statement that changes nothing.
    pub fn read<T>(&self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        self.lease(Deadline::new())?.read(run)
    }

    /// Runs a statement that changes something, once. When it returns, the change is committed.
    pub fn write<T>(&self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        let deadline = Deadline::new();
        let _long = self.long.take(deadline.left()).ok_or(Trouble::Busy)?;
        self.lease(deadline)?.write(run)
    }

    /// Leases a session for a whole list.
    pub fn list(&self) -> Result<ListSession<'_>, Trouble> {
        let deadline = Deadline::new();
        let list = self.lists.take(deadline.left()).ok_or(Trouble::Busy)?;
        let long = self.long.take(deadline.left()).ok_or(Trouble::Busy)?;
        Ok(ListSession { session: self.lease(deadline)?, _long: long, _list: list })
    }

    fn lease(&self, deadline: Deadline) -> Result<Leased<'_, Session>, Trouble> {
        self.pool.lease(deadline.left(), Session::forget).ok_or(Trouble::Busy)
    }
}

impl Deref for ListSession<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for ListSession<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
