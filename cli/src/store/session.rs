//! A session of the API: a connection that is opened when needed, whose statements are prepared once each, which is
//! thrown away when it is lost, and opened again with backoff.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postgres::types::{ToSql, Type};
use postgres::{Client, Row, Statement};

use crate::error::Failure;
use crate::pg::{Pooling, StatementFault, connect_api};
use crate::secret::Secret;

/// A connection that was idle for longer is tried before a write is sent on it: a write whose
/// connection breaks cannot be repeated. Reads can.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// The first pause after a failed attempt to connect; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause: a server that is back is noticed so soon.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Why the database gave no answer.
#[derive(Debug)]
pub enum Trouble {
    /// It is unavailable, busy or starting, and nothing was changed: try again later.
    Away,
    /// Every session was busy for too long, and nothing was changed: try again later.
    Busy,
    /// The answer to a write was lost: it may have been applied.
    Unknown,
    /// It said no, which it should not have.
    Refused(postgres::Error),
}

/// Whether a statement changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Read,
    Write,
}

/// What the database said of writes last.
#[derive(Debug, Default)]
pub struct Writable(AtomicBool);

impl Writable {
    /// Says whether a write failed since the last that succeeded, because none can: the disk is full, the database
    /// is read-only.
    pub fn is_doubtful(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Records that a write succeeded.
    pub fn confirm(&self) {
        // Mostly it is known: then the others' caches keep it.
        if self.is_doubtful() {
            self.0.store(false, Ordering::Relaxed);
        }
    }

    fn doubt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A live connection and its statements.
pub struct Live {
    pub(super) client: Client,
    pooling: Pooling,
    prepared: HashMap<&'static str, Statement>,
    used_at: Instant,
    /// Whether the last statement was sent, beyond being prepared.
    sent: SentStatement,
    _counted: Counted,
}

/// Whether a statement has been sent to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SentStatement {
    No,
    Maybe,
}

/// How many connections are open, of all sessions that share it.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Returns the number.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

/// One open connection.
struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that comes back.
pub struct Session {
    url: Secret,
    gauge: Gauge,
    writable: Arc<Writable>,
    live: Option<Live>,
    /// No attempt to connect before this moment.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Session {
    /// Makes a session; it connects when it is used, and counts in `gauge` then.
    pub fn new(url: Secret, gauge: Gauge, writable: Arc<Writable>) -> Self {
        Self { url, gauge, writable, live: None, not_before: None, pause: PAUSE_MIN }
    }

    /// Throws the connection away: the next statement opens another one.
    pub fn forget(&mut self) {
        self.live = None;
    }

    /// Runs a statement that changes nothing: once more, on a new connection, where the old one was lost.
    pub fn read<T>(&mut self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        let was_live = self.live.is_some();
        match self.attempt(&run, Effect::Read) {
            // A connection that was new is lost for a reason that is still there.
            Err(Trouble::Away) if was_live && self.live.is_none() => self.attempt(&run, Effect::Read),
            result => result,
        }
    }

    /// Runs a statement that changes something, once. When it returns, the change is committed.
    pub fn write<T>(&mut self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        if let Some(live) = &mut self.live
            && live.used_at.elapsed() > TRUSTED_FOR
            && live.client.check_connection().is_err()
        {
            self.live = None;
        }
        let result = self.attempt(&run, Effect::Write);
        if result.is_ok() {
            self.writable.confirm();
        }
        result
    }

    fn attempt<T>(
        &mut self,
        run: &impl Fn(&mut Live) -> Result<T, postgres::Error>,
        effect: Effect,
    ) -> Result<T, Trouble> {
        let live = self.connected()?;
        live.sent = SentStatement::No;
        let result = run(live);
        live.used_at = Instant::now();
        let sent = live.sent;
        result.map_err(|error| {
            let fault = StatementFault::of(&error);
            match fault {
                StatementFault::Lost | StatementFault::Ended | StatementFault::Stale => self.live = None,
                StatementFault::Unwritable => self.writable.doubt(),
                StatementFault::Unfit | StatementFault::Passing => {}
                StatementFault::Other => return Trouble::Refused(error),
            }
            log::warn!("{}: {}", fault.words(), Failure::from(error));
            let is_unknown = fault == StatementFault::Lost && effect == Effect::Write && sent == SentStatement::Maybe;
            if is_unknown { Trouble::Unknown } else { Trouble::Away }
        })
    }

    /// Returns the connection, opened if need be.
    pub fn connected(&mut self) -> Result<&mut Live, Trouble> {
        let live = match self.live.take() {
            Some(live) => live,
            None => self.open()?,
        };
        Ok(self.live.insert(live))
    }

    fn open(&mut self) -> Result<Live, Trouble> {
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return Err(Trouble::Away);
        }
        match connect_api(&self.url) {
            Ok((client, pooling)) => {
                self.not_before = None;
                self.pause = PAUSE_MIN;
                Ok(Live::new(client, pooling, self.gauge.count()))
            }
            Err(failure) => {
                log::warn!("{}", failure.with_hints());
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                Err(Trouble::Away)
            }
        }
    }
}

/// A statement of the API, with the types of its parameters.
pub(super) struct Sql {
    text: &'static str,
    types: &'static [Type],
}

impl Sql {
    pub(super) const fn new(text: &'static str, types: &'static [Type]) -> Self {
        Self { text, types }
    }

    /// The same of a text that is made, once in a process: it stays.
    pub(super) fn made(text: String, types: Vec<Type>) -> Self {
        Self::new(text.leak(), types.leak())
    }
}

impl Live {
    fn new(client: Client, pooling: Pooling, counted: Counted) -> Self {
        Self {
            client,
            pooling,
            prepared: HashMap::new(),
            used_at: Instant::now(),
            sent: SentStatement::No,
            _counted: counted,
        }
    }

    /// Runs a statement that returns exactly one row.
    pub(super) fn one(&mut self, sql: &Sql, params: &[&(dyn ToSql + Sync)]) -> Result<Row, postgres::Error> {
        let statement = self.prepared(sql)?;
        self.sent = SentStatement::Maybe;
        match statement {
            Some(statement) => self.client.query_one(&statement, params),
            None => self.client.query_typed_one(sql.text, &typed(params, sql.types)),
        }
    }

    /// Runs a statement and returns its rows.
    pub(super) fn all(&mut self, sql: &Sql, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, postgres::Error> {
        let statement = self.prepared(sql)?;
        self.sent = SentStatement::Maybe;
        match statement {
            Some(statement) => self.client.query(&statement, params),
            None => self.client.query_typed(sql.text, &typed(params, sql.types)),
        }
    }

    /// Returns the statement, prepared once for the session and not before it is needed: planning a write
    /// waits for whatever has locked its table, and a read need not.
    ///
    /// Behind a pooler that gives the next transaction another session, where what this one
    /// prepared is unknown, there is none: it is sent whole, with its parameters, in one round trip.
    fn prepared(&mut self, sql: &Sql) -> Result<Option<Statement>, postgres::Error> {
        if self.pooling == Pooling::Transaction {
            return Ok(None);
        }
        if let Some(statement) = self.prepared.get(sql.text) {
            return Ok(Some(statement.clone()));
        }
        let statement = self.client.prepare_typed(sql.text, sql.types)?;
        self.prepared.insert(sql.text, statement.clone());
        Ok(Some(statement))
    }
}

fn typed<'a>(params: &[&'a (dyn ToSql + Sync)], types: &[Type]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().copied().zip(types.iter().cloned()).collect()
}
