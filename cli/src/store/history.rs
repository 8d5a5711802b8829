//! What the history of runs tells about how the sync goes. `runs` writes it.

use news_core::portion::AtWork;
use postgres::{GenericClient, Row};
use time::OffsetDateTime;

use crate::error::Result;
use crate::store::ledger::moment;
use crate::store::lock_keys::CLASS;
use crate::store::runs::{IS_LOCKED, RunKind};

/// Runs looked at: of each of 256 shards there are some.
const RUNS_MAX: i64 = 1024;
/// Runs whose distance is looked at.
const DISTANCES: i64 = 21;

/// How the last run ended.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// It was a full sync.
    pub is_full: bool,
    /// Its exit code; a run that was killed has none.
    pub exit_code: Option<u8>,
    /// When the first of the runs in a row began that ended so.
    pub since: OffsetDateTime,
    /// What caused that.
    pub why: Option<String>,
    /// Objects that failed in it and are not parked; differences that `--verify` found included.
    pub failed: u64,
}

/// Returns the runs that are at work.
pub fn at_work(client: &mut impl GenericClient) -> Result<Vec<AtWork>> {
    let sql = format!("SELECT shard, started_at FROM news_sync_run r WHERE finished_at IS NULL AND {IS_LOCKED}");
    let rows = client.query(&sql, &[&i64::from(CLASS)])?;
    let shard = |row: &Row| row.get::<_, Option<&str>>(0).and_then(|shard| shard.parse().ok());
    Ok(rows.iter().map(|row| AtWork { shard: shard(row), since: moment(row.get(1)) }).collect())
}

/// Returns how the last run ended that sends. Left out are runs that were stopped or lost, and those that the command line refused
/// (`--checksum`): they say nothing of the target. Where shards share the work, it is the last one of a shard that did not end well.
pub fn last_run(client: &mut impl GenericClient) -> Result<Option<LastRun>> {
    let rows = client.query(
        "WITH latest AS (
             SELECT * FROM news_sync_run
             WHERE kind <> 'import' AND finished_at IS NOT NULL AND status NOT IN ('stopped', 'lost')
               AND counts ->> 'cause' IS DISTINCT FROM 'command line'
             ORDER BY id DESC LIMIT $1
         ), division AS (
             SELECT substring(shard FROM '/.*') AS name FROM latest ORDER BY id DESC LIMIT 1
         ), ends AS (
             SELECT DISTINCT ON (shard) latest.* FROM latest, division
             WHERE substring(shard FROM '/.*') IS NOT DISTINCT FROM division.name ORDER BY shard, id DESC
         )
         SELECT exit_code, first_error, started_at,
                coalesce((counts ->> 'failed')::bigint, 0) + coalesce((counts ->> 'contradicted')::bigint, 0)
                + coalesce((counts ->> 'waiting')::bigint, 0) + coalesce((counts ->> 'drift')::bigint, 0), id, shard, kind = 'full'
         FROM ends ORDER BY exit_code IS DISTINCT FROM 0 DESC, id DESC LIMIT 1",
        &[&RUNS_MAX],
    )?;
    let Some(row) = rows.first() else { return Ok(None) };
    let exit_code = row.get::<_, Option<i32>>(0).and_then(|code| u8::try_from(code).ok());
    let since = match exit_code {
        Some(0) | None => row.get(2),
        Some(code) => {
            // The first of those in a row that ended so.
            let sql = "SELECT min(started_at) FROM news_sync_run
                 WHERE kind <> 'import' AND finished_at IS NOT NULL AND shard IS NOT DISTINCT FROM $3 AND id <= $1 AND id > (
                     SELECT coalesce(max(id), 0) FROM news_sync_run
                     WHERE kind <> 'import' AND finished_at IS NOT NULL AND shard IS NOT DISTINCT FROM $3 AND id < $1
                       AND exit_code IS DISTINCT FROM $2 AND status NOT IN ('stopped', 'lost')
                       AND counts ->> 'cause' IS DISTINCT FROM 'command line')";
            let (id, shard): (i64, Option<String>) = (row.get(4), row.get(5));
            client
                .query_one(sql, &[&id, &i32::from(code), &shard])?
                .get::<_, Option<_>>(0)
                .unwrap_or_else(|| row.get(2))
        }
    };
    let failed = row.get::<_, i64>(3).unsigned_abs();
    Ok(Some(LastRun { is_full: row.get(6), exit_code, since, why: row.get(1), failed }))
}

/// How full syncs fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedFull {
    /// The exit code of the last one; a run that was killed has none.
    pub exit_code: Option<u8>,
    /// When the first of those in a row began that failed.
    pub since: OffsetDateTime,
    /// Why the last one failed.
    pub why: Option<String>,
}

/// Returns how the last full sync failed, unless a full sync or an import has made both sides equal since. Full syncs that a person
/// interrupted, and those that the command line refused, say nothing. One that was terminated is a failure: a service manager ends
/// a timer's run that takes too long.
pub fn failed_full(client: &mut impl GenericClient) -> Result<Option<FailedFull>> {
    const ENDS: &str = "kind = 'full' AND finished_at IS NOT NULL AND (status <> 'stopped' OR exit_code = 143)
        AND counts ->> 'cause' IS DISTINCT FROM 'command line'";
    const IS_GOOD: &str = "coalesce(exit_code IN (0, 3), false)";
    let last = format!(
        "SELECT id, exit_code, first_error, {IS_GOOD} FROM news_sync_run WHERE {ENDS} ORDER BY id DESC LIMIT 1"
    );
    let Some(row) = client.query_opt(&last, &[])?.filter(|row| !row.get::<_, bool>(3)) else { return Ok(None) };
    let since = format!(
        "SELECT min(started_at) FROM news_sync_run
         WHERE {ENDS} AND id <= $1
           AND id > coalesce((SELECT max(id) FROM news_sync_run WHERE {ENDS} AND {IS_GOOD} AND id < $1), 0)
           AND NOT EXISTS (SELECT 1 FROM news_sync_run WHERE kind = 'import' AND {IS_GOOD} AND id > $1)"
    );
    let since: Option<OffsetDateTime> = client.query_one(&since, &[&row.get::<_, i64>(0)])?.get(0);
    let exit_code = row.get::<_, Option<i32>>(1).and_then(|code| u8::try_from(code).ok());
    Ok(since.map(|since| FailedFull { exit_code, since, why: row.get(2) }))
}

/// Returns when the last runs of a kind began, newest first; of a shard, those of its own.
pub fn begun(client: &mut impl GenericClient, kind: RunKind) -> Result<Vec<OffsetDateTime>> {
    let rows = client.query(
        "SELECT started_at FROM news_sync_run WHERE kind = $2 AND shard IS NOT DISTINCT FROM (
             SELECT shard FROM news_sync_run WHERE kind = $2 ORDER BY id DESC LIMIT 1)
         ORDER BY id DESC LIMIT $1",
        &[&DISTANCES, &kind.word()],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
