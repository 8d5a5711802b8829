//! The history of runs, and which target the database follows.

use std::time::{Duration, SystemTime};

use news_core::ledger::{Clock, Moment, Process};
use news_core::session::SETTLE;
use news_core::shard::Shard;
use postgres::types::Type;
use postgres::{Client, GenericClient};

use crate::error::Result;
use crate::store::ledger::{self, moment, stamp};
use crate::store::lock::{Lock, exists, host};
use crate::store::lock_keys::CLASS;
use crate::times::Times;

/// Runs in the history that had something to do: a day of `--follow` under constant change.
const RUNS_KEPT: i64 = 100_000;
/// Runs in the history that sent nothing: three days of a timer that starts one every 5 minutes.
const QUIET_KEPT: i64 = 1000;
const THIN_EVERY: i64 = 100;

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// `news import`
    Import,
    /// `news sync`
    Sync,
    /// `news sync --full`
    Full,
}

impl RunKind {
    /// Returns the word in the table.
    pub fn word(self) -> &'static str {
        match self {
            RunKind::Import => "import",
            RunKind::Sync => "sync",
            RunKind::Full => "full",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// Everything is done.
    Done,
    /// Some objects are not.
    Partly,
    /// It could not go on.
    Failed,
    /// It was told to stop.
    Stopped,
}

impl RunStatus {
    fn word(self) -> &'static str {
        match self {
            RunStatus::Done => "done",
            RunStatus::Partly => "partly",
            RunStatus::Failed => "failed",
            RunStatus::Stopped => "stopped",
        }
    }
}

/// Writes that a run begins. Returns its id, and when it began, by the database's clock.
pub fn begin(lock: &mut Lock, kind: RunKind, target_url: &str) -> Result<(i64, SystemTime)> {
    let (epoch, pid) = (lock.epoch(), i32::try_from(std::process::id()).unwrap_or(i32::MAX));
    let shard = lock.shard().map(|shard| shard.to_string());
    lock.once(|client| {
        let row = client.query_typed_one(
            "INSERT INTO news_sync_run (kind, host, pid, version, target_url, epoch, shard)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id, started_at",
            &[
                (&kind.word(), Type::TEXT),
                (&host(), Type::TEXT),
                (&pid, Type::INT4),
                (&env!("CARGO_PKG_VERSION"), Type::TEXT),
                (&target_url, Type::TEXT),
                (&epoch, Type::INT8),
                (&shard, Type::TEXT),
            ],
        )?;
        let id = row.get(0);
        recognise(client, target_url)?;
        thin(client, id)?;
        Ok((id, row.get(1)))
    })
}

/// Marks the runs that lost the lock without a word, of those that a run of `shard` excludes: they are still called running.
/// `timeout` is how long they waited for an answer.
pub(super) fn end_lost(client: &mut Client, shard: Option<Shard>, timeout: Duration) -> Result<()> {
    let rows = client.query_typed(
        "SELECT id, host, pid, alive_at, clock_timestamp() FROM news_sync_run
         WHERE status = 'running'
           AND ($1::text IS NULL OR shard IS NULL OR shard = $1 OR split_part(shard, '/', 2) <> split_part($1, '/', 2))",
        &[(&shard.map(|shard| shard.to_string()), Type::TEXT)],
    )?;
    for row in &rows {
        let (id, gave_up_at) = (row.get::<_, i64>(0), stamp(gave_up_at(row, 1, timeout)));
        client.execute(
            "UPDATE news_sync_run SET status = 'lost', finished_at = clock_timestamp(), alive_at = $2 WHERE id = $1",
            &[&id, &gave_up_at],
        )?;
    }
    Ok(())
}

/// Returns when a run that ended without a word gave up its last request, by its host, process, last sign of life, and the
/// database's clock in the columns from `at` on.
fn gave_up_at(row: &postgres::Row, at: usize, timeout: Duration) -> Moment {
    let (on, pid): (&str, i32) = (row.get(at), row.get(at + 1));
    let process = if on == host() && !exists(pid) { Process::Gone } else { Process::Unknown };
    Clock::gave_up_at(moment(row.get(at + 2)), moment(row.get(at + 3)), timeout, process)
}

/// Reads the database's clock, and until when requests of runs that ended without a word may take effect.
pub fn clock(client: &mut impl GenericClient, times: Times) -> Result<Clock> {
    let History { now, gave_up_at, .. } = History::read(client, times)?;
    let until = gave_up_at.into_iter().map(|gave_up_at| gave_up_at + times.late);
    Ok(Clock { now, lost_until: until.max().unwrap_or(now), late: times.late })
}

/// What the history tells of requests that may still take effect.
struct History {
    /// The database's clock.
    now: Moment,
    /// When the last runs that ended without a word gave up their last request, as far as it may still take effect.
    gave_up_at: Vec<Moment>,
    /// When the last run ended that said so.
    ended_at: Option<Moment>,
}

impl History {
    /// Reads it, in one round trip.
    fn read(client: &mut impl GenericClient, times: Times) -> Result<Self> {
        // Runs whose lock is free, and that no run has found yet, are still called running.
        let sql = format!(
            "SELECT '', 0, clock_timestamp(), clock_timestamp(), 'now' UNION ALL
             SELECT '', 0, max(finished_at), clock_timestamp(), 'ended' FROM news_sync_run
             WHERE kind <> 'import' AND status <> 'lost' AND finished_at > clock_timestamp() - $2 * interval '1 second' UNION ALL
             SELECT '', 0, alive_at, clock_timestamp(), 'lost' FROM news_sync_run
             WHERE kind <> 'import' AND status = 'lost' AND alive_at > clock_timestamp() - $3 * interval '1 second' UNION ALL
             SELECT host, pid, alive_at, clock_timestamp(), 'running' FROM news_sync_run r
             WHERE kind <> 'import' AND finished_at IS NULL AND NOT {IS_LOCKED}"
        );
        let (settle_s, late_s) = (SETTLE.as_secs_f64(), times.late.as_secs_f64());
        let rows = client.query_typed(
            &sql,
            &[(&i64::from(CLASS), Type::INT8), (&settle_s, Type::FLOAT8), (&late_s, Type::FLOAT8)],
        )?;
        let mut history = Self { now: Moment(0), gave_up_at: Vec::new(), ended_at: None };
        for row in &rows {
            let at = row.get::<_, Option<SystemTime>>(2).map(moment);
            match row.get(4) {
                "now" => history.now = at.unwrap_or(history.now),
                "ended" => history.ended_at = at,
                "lost" => history.gave_up_at.extend(at),
                _ => history.gave_up_at.push(gave_up_at(row, 0, times.timeout)),
            }
        }
        Ok(history)
    }
}

/// Returns how long it takes until acknowledged requests of earlier runs have had their effect: [`SETTLE`] after the end of
/// the last one, or after the last that a run that was lost can have sent.
pub fn settled_in(client: &mut impl GenericClient, times: Times) -> Result<Duration> {
    let History { now, gave_up_at, ended_at } = History::read(client, times)?;
    let clock = Clock { now, lost_until: now, late: times.late };
    let last = gave_up_at.into_iter().chain(ended_at).max();
    Ok(last.map_or(Duration::ZERO, |last| clock.until(last + SETTLE)))
}

/// Returns how long it takes until nothing of earlier runs can take effect any more, answered or not: what a listing that is
/// asked for now could miss.
pub fn all_settled_in(client: &mut impl GenericClient, times: Times) -> Result<Duration> {
    let clock = clock(client, times)?;
    Ok(settled_in(client, times)?.max(ledger::settles_in(client, &clock)?))
}

/// Writes a sign of life of the run, on disk whatever the session's default is.
pub fn sign_of_life(client: &mut impl GenericClient, id: i64) -> Result<()> {
    client
        .execute_typed("UPDATE news_sync_run SET alive_at = clock_timestamp() WHERE id = $1", &[(&id, Type::INT8)])?;
    Ok(())
}

/// Whether a run sent or recorded anything of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It did, or may have.
    Something,
    /// It did not: where the run before it ended in the same way, it tells nothing new.
    Nothing,
}

/// How a run went, for its row.
#[derive(Debug)]
pub struct RunEnd {
    /// How it ended.
    pub status: RunStatus,
    /// The exit code.
    pub exit_code: u8,
    /// The report, as JSON text.
    pub counts: String,
    /// What caused the exit code.
    pub first_error: Option<String>,
    /// Whether it sent anything.
    pub sent: Sent,
}

/// Writes how a run ended.
pub fn finish(client: &mut impl GenericClient, id: i64, end: &RunEnd) -> Result<()> {
    let first_error = end.first_error.as_ref().map(|text| text.replace('\0', " "));
    client.execute_typed(
        "UPDATE news_sync_run SET status = $2, exit_code = $3, counts = $4::text::jsonb, first_error = $5,
             is_quiet = $6, finished_at = clock_timestamp() WHERE id = $1 AND status = 'running'",
        &[
            (&id, Type::INT8),
            (&end.status.word(), Type::TEXT),
            (&i32::from(end.exit_code), Type::INT4),
            (&end.counts, Type::TEXT),
            (&first_error, Type::TEXT),
            (&(end.sent == Sent::Nothing), Type::BOOL),
        ],
    )?;
    Ok(())
}

/// Writes that a run came to something else than it said when it ended.
pub fn correct(client: &mut impl GenericClient, id: i64, end: &RunEnd) -> Result<()> {
    client.execute(
        "UPDATE news_sync_run SET status = $2, exit_code = $3, counts = $4::text::jsonb,
             first_error = coalesce(first_error, $5), is_quiet = false WHERE id = $1",
        &[&id, &end.status.word(), &i32::from(end.exit_code), &end.counts, &end.first_error],
    )?;
    Ok(())
}

/// Who was killed is called running until the next run finds it; its lock tells before that.
pub(super) const IS_LOCKED: &str = "EXISTS (
    SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::bigint::oid AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      -- Of another role's session not everything is shown.
      AND (a.application_name LIKE '% ' || r.pid || '@%') IS NOT FALSE)";

/// Runs of the division into shards that is in use, by kind: each shard's tell of its part alone.
pub(super) const IN_USE: &str = "
    (SELECT r.* FROM (VALUES ('import'), ('sync'), ('full')) AS k (kind)
     CROSS JOIN LATERAL (SELECT substring(shard FROM '/.*') AS division FROM news_sync_run
                         WHERE kind = k.kind ORDER BY id DESC LIMIT 1) AS l
     JOIN news_sync_run r ON r.kind = k.kind AND substring(r.shard FROM '/.*') IS NOT DISTINCT FROM l.division)";

/// A run in numbers, for who draws curves.
#[derive(Debug, Clone)]
pub struct RunNumbers {
    /// import, sync, full.
    pub kind: String,
    /// Of a run that shared the work: which shard's, 2/4.
    pub shard: Option<String>,
    /// done, partly, failed, stopped, lost, running.
    pub status: String,
    /// When it began, in seconds since the epoch.
    pub started_s: f64,
    /// When it ended, in seconds since the epoch.
    pub finished_s: Option<f64>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Requests sent.
    pub requests: i64,
    /// Attempts spent on trouble.
    pub retries: i64,
    /// Time that the target made it wait, in seconds.
    pub throttled_s: f64,
}

/// Reads the last run of each kind and shard, and the last of each that did all it was to do.
pub fn numbers(client: &mut impl GenericClient) -> Result<Vec<RunNumbers>> {
    let sql = format!(
        "SELECT kind, shard, status, extract(epoch FROM started_at)::float8, extract(epoch FROM finished_at)::float8, exit_code,
                coalesce((counts ->> 'requests')::bigint, 0), coalesce((counts ->> 'retries')::bigint, 0),
                coalesce((counts ->> 'throttled_s')::float8, 0)
         FROM news_sync_run
         WHERE id IN (SELECT max(id) FROM {IN_USE} AS r GROUP BY kind, shard
                      UNION ALL SELECT max(id) FROM {IN_USE} AS r WHERE status = 'done' GROUP BY kind, shard)
         ORDER BY id",
    );
    let rows = client.query(&sql, &[])?;
    let numbers = |row: &postgres::Row| RunNumbers {
        kind: row.get(0),
        shard: row.get(1),
        status: row.get(2),
        started_s: row.get(3),
        finished_s: row.get(4),
        exit_code: row.get(5),
        requests: row.get(6),
        retries: row.get(7),
        throttled_s: row.get(8),
    };
    Ok(rows.iter().map(numbers).collect())
}

/// Thins the history: so many runs are kept that sent something, fewer that did not, and the last good one of each kind and
/// shard. Somebody who follows every change makes thousands a day.
fn thin(client: &mut impl GenericClient, newest: i64) -> Result<()> {
    if newest % THIN_EVERY == 0 {
        client.execute(
            "DELETE FROM news_sync_run
             WHERE ((NOT is_quiet AND id <= (SELECT id FROM news_sync_run WHERE NOT is_quiet ORDER BY id DESC OFFSET $1 LIMIT 1))
                    OR (is_quiet AND id <= (SELECT id FROM news_sync_run WHERE is_quiet ORDER BY id DESC OFFSET $2 LIMIT 1)))
               AND id NOT IN (SELECT max(id) FROM news_sync_run WHERE status = 'done' GROUP BY kind, shard)",
            &[&RUNS_KEPT, &QUIET_KEPT],
        )?;
    }
    Ok(())
}

/// Records that it is this database that follows `url`, if that is remembered already: whoever named it said so, or it was
/// followed by this database before.
fn recognise(client: &mut impl GenericClient, url: &str) -> Result<()> {
    client.execute_typed(
        "UPDATE news_sync_state SET target_identity = news_identity()
         WHERE target_url = $1 AND target_identity IS DISTINCT FROM news_identity()",
        &[(&url, Type::TEXT)],
    )?;
    Ok(())
}

/// Returns the database's clock.
pub fn now(client: &mut Client) -> Result<std::time::SystemTime> {
    Ok(client.query_one("SELECT clock_timestamp()", &[])?.get(0))
}

/// Says whether a run was under way at any time since `begun`.
pub fn any_since(client: &mut Client, begun: std::time::SystemTime) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM news_sync_run r
                        WHERE kind <> 'import' AND (finished_at >= $2 OR (finished_at IS NULL AND {IS_LOCKED})))"
    );
    Ok(client.query_one(&sql, &[&i64::from(CLASS), &begun])?.get(0))
}
