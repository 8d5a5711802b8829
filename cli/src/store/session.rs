//! A worker's one connection: opened when needed, its statements prepared once each, thrown away
//! when it is lost, opened again with backoff.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row, Statement};

use super::{Pooling, connect_api, is_lost};
use crate::error::Failure;
use crate::settings::Secret;

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
    /// It is away, busy or starting: try again later. Whether a write was applied is unknown.
    Away,
    /// It said no, which it should not have.
    Refused(postgres::Error),
}

/// A live connection and its statements.
pub struct Live {
    pub(super) client: Client,
    pooling: Pooling,
    prepared: HashMap<&'static str, Statement>,
    used_at: Instant,
    _counted: Counted,
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
    live: Option<Live>,
    /// No attempt to connect before this moment.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Session {
    /// Makes a session; it connects when it is used, and counts in `gauge` then.
    pub fn new(url: Secret, gauge: Gauge) -> Self {
        Self { url, gauge, live: None, not_before: None, pause: PAUSE_MIN }
    }

    /// Throws the connection away: the next statement opens another one.
    pub fn forget(&mut self) {
        self.live = None;
    }

    /// Runs a statement that changes nothing: once more, on a new connection, where the old one was lost.
    pub fn read<T>(&mut self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        let was_live = self.live.is_some();
        match self.attempt(&run) {
            // A connection that was new is lost for a reason that is still there.
            Err(Trouble::Away) if was_live && self.live.is_none() => self.attempt(&run),
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
        self.attempt(&run)
    }

    fn attempt<T>(&mut self, run: &impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Trouble> {
        let live = self.connected()?;
        let result = run(live);
        live.used_at = Instant::now();
        result.map_err(|error| {
            if is_lost(&error) {
                log::warn!("lost the database: {}", Failure::from(error));
                self.live = None;
                return Trouble::Away;
            }
            if is_stale(&error) {
                log::warn!("preparing the statements again: {}", Failure::from(error));
                self.live = None;
                return Trouble::Away;
            }
            if is_unfit(&error) {
                log::warn!("the database is not as it should be (`news doctor` tells more): {}", Failure::from(error));
                return Trouble::Away;
            }
            if is_passing(&error) {
                log::warn!("the database is busy: {}", Failure::from(error));
                return Trouble::Away;
            }
            Trouble::Refused(error)
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
}

impl Live {
    fn new(client: Client, pooling: Pooling, counted: Counted) -> Self {
        Self { client, pooling, prepared: HashMap::new(), used_at: Instant::now(), _counted: counted }
    }

    /// Runs a statement that returns exactly one row.
    pub(super) fn one(&mut self, sql: &Sql, params: &[&(dyn ToSql + Sync)]) -> Result<Row, postgres::Error> {
        match self.prepared(sql)? {
            Some(statement) => self.client.query_one(&statement, params),
            None => self.client.query_typed_one(sql.text, &typed(params, sql.types)),
        }
    }

    /// Runs a statement and returns its rows.
    pub(super) fn all(&mut self, sql: &Sql, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, postgres::Error> {
        match self.prepared(sql)? {
            Some(statement) => self.client.query(&statement, params),
            None => self.client.query_typed(sql.text, &typed(params, sql.types)),
        }
    }

    /// Returns the statement, prepared once for the session and not before it is needed: planning a write
    /// waits for who has locked its table, and whoever reads has no part in that.
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

/// Says whether the prepared statements no longer fit: the schema was changed, or a proxy dropped them.
fn is_stale(error: &postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME].contains(code))
}

/// Says whether the statement does not fit this schema, or this role: it is not migrated, or not granted.
fn is_unfit(error: &postgres::Error) -> bool {
    // Class 42, "Syntax Error or Access Rule Violation" (PostgreSQL, appendix A).
    error.code().is_some_and(|code| code.code().starts_with("42"))
}

/// Says whether the same statement may well succeed in a moment; it was rolled back.
fn is_passing(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        let passing = [
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        // Class 53, "Insufficient Resources": a full disk, no memory, no connections (PostgreSQL, appendix A).
        passing.contains(code) || code.code().starts_with("53")
    })
}

/// Returns the version of the schema; nothing where none was applied.
pub fn schema_version(live: &mut Live) -> Result<Option<i32>, postgres::Error> {
    live.client.query_typed_one("SELECT max(version) FROM news_schema_history", &[])?.try_get(0)
}

/// What `/metrics` tells of the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vitals {
    /// Events that are not synced yet. It costs what there is of them, by a partial index.
    pub events_pending: i64,
    /// When a sync last did all it was to do, in seconds since 1970.
    pub last_sync_s: Option<f64>,
}

/// Returns what `/metrics` tells of the database.
pub fn vitals(live: &mut Live) -> Result<Vitals, postgres::Error> {
    let row = live.client.query_typed_one(
        "SELECT (SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL),
                (SELECT extract(epoch FROM max(finished_at))::float8 FROM news_sync_run
                 WHERE kind IN ('sync', 'full') AND status = 'done')",
        &[],
    )?;
    Ok(Vitals { events_pending: row.try_get(0)?, last_sync_s: row.try_get(1)? })
}
