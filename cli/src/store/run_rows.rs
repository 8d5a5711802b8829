//! The history of runs for people: lists of them, and all that is kept of one. `runs` writes it.

use std::time::Duration;

use news_core::Key;
use postgres::GenericClient;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use serde_json::Value;

use crate::error::Result;
use crate::store::ledger::key;
use crate::store::lock_keys::CLASS;
use crate::store::runs::{IN_USE, IS_LOCKED};

/// A run, as its row tells. Times are UTC, RFC 3339.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RunRow {
    /// Its id.
    pub id: i64,
    /// import, sync, full.
    pub kind: String,
    /// running, done, partly, failed, stopped, lost.
    pub status: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// How long it took, or takes, in seconds.
    pub seconds: f64,
    /// Where.
    pub host: String,
    /// Its process.
    pub pid: i32,
    /// Whose version.
    pub version: String,
    /// Whereto.
    pub target_url: String,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Requests it sent.
    pub requests: i64,
    /// Objects that it created at the target.
    pub created: i64,
    /// Objects that it updated there.
    pub updated: i64,
    /// Objects that it deleted there.
    pub deleted: i64,
    /// Objects that were parked at its end.
    pub parked: i64,
    /// What caused the exit code.
    pub first_error: Option<String>,
    /// Of a run that shared the work: which shard's, 2/4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Runs before it that are not listed: they sent nothing and came to the same, as this one did.
    pub alike: u64,
    /// When the first of these began.
    pub alike_since: Option<String>,
    /// What it came to, if it sent nothing: its report without its own id.
    #[serde(skip)]
    quiet: Option<String>,
}

impl RunRow {
    /// Says whether both sent nothing and came to the same.
    fn is_like(&self, other: &Self) -> bool {
        self.quiet.is_some()
            && self.quiet == other.quiet
            && self.is_beside(other)
            && (&self.status, self.exit_code) == (&other.status, other.exit_code)
            && (&self.target_url, &self.first_error) == (&other.target_url, &other.first_error)
    }

    /// Says whether both are about the same: runs of several shards take turns.
    fn is_beside(&self, other: &Self) -> bool {
        (&self.kind, &self.shard) == (&other.kind, &other.shard)
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct WantedRuns {
    /// Runs of these kinds; none: of any.
    pub kinds: Vec<&'static str>,
    /// Runs that ended so; none: in any way.
    pub statuses: Vec<&'static str>,
    /// Runs that began less than this ago.
    pub since: Option<Duration>,
    /// Runs with a smaller id.
    pub before: Option<i64>,
}

/// Selects what [`run_row`] reads, of the runs that `which` names. $1 is the lock's class.
fn select(which: &str) -> String {
    format!(
        r#"
    SELECT id, kind, CASE WHEN status = 'running' AND NOT {IS_LOCKED} THEN 'lost' ELSE status END AS status,
           to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8,
           host, pid, version, target_url, exit_code, coalesce((counts ->> 'requests')::bigint, 0), first_error, shard,
           CASE WHEN is_quiet THEN (counts - '{{run,started_at,finished_at,seconds}}'::text[])::text END,
           {}, {}, {}, coalesce((counts ->> 'parked')::bigint, 0), counts::text
    FROM news_sync_run r {which}"#,
        done(&["create", "renew"]),
        done(&["update"]),
        done(&["delete"]),
    )
}

/// Sums what was done, of both entities.
fn done(actions: &[&str]) -> String {
    let one = |entity: &str, action: &&str| format!("coalesce((counts #>> '{{done,{entity},{action}}}')::bigint, 0)");
    let all = actions.iter().flat_map(|action| ["posts", "comments"].map(|entity| one(entity, action)));
    all.collect::<Vec<String>>().join(" + ")
}

fn run_row(row: &postgres::Row) -> RunRow {
    RunRow {
        id: row.get(0),
        kind: row.get(1),
        status: row.get(2),
        started_at: row.get(3),
        finished_at: row.get(4),
        seconds: row.get(5),
        host: row.get(6),
        pid: row.get(7),
        version: row.get(8),
        target_url: row.get(9),
        exit_code: row.get(10),
        requests: row.get(11),
        created: row.get(15),
        updated: row.get(16),
        deleted: row.get(17),
        parked: row.get(18),
        first_error: row.get(12),
        shard: row.get(13),
        alike: 0,
        alike_since: None,
        quiet: row.get(14),
    }
}

/// Reads the last run.
pub fn last(client: &mut impl GenericClient) -> Result<Option<RunRow>> {
    Ok(list(client, &WantedRuns::default(), 1)?.runs.pop())
}

/// Runs that were read.
#[derive(Debug)]
pub struct Listed {
    /// Newest first. Runs in a row that sent nothing and came to the same count as one.
    pub runs: Vec<RunRow>,
    /// How many older ones there are.
    pub more: u64,
    /// They are the runs before this id.
    pub next: Option<i64>,
}

/// Reads the last runs.
pub fn list(client: &mut impl GenericClient, wanted: &WantedRuns, limit: usize) -> Result<Listed> {
    let which = "WHERE ($2::text[] = '{}' OR kind = ANY ($2))
           AND ($3::text[] = '{}' OR CASE WHEN status = 'running' THEN 'lost' ELSE status END = ANY ($3))
           AND ($4::float8 IS NULL OR started_at >= clock_timestamp() - $4 * interval '1 second')
           AND ($5::bigint IS NULL OR id < $5)";
    let sql = select(&format!("{which} ORDER BY id DESC"));
    let since_s = wanted.since.map(|since| since.as_secs_f64());
    let class = i64::from(CLASS);
    let values: [(&(dyn ToSql + Sync), Type); 5] = [
        (&class, Type::INT8),
        (&wanted.kinds, Type::TEXT_ARRAY),
        (&wanted.statuses, Type::TEXT_ARRAY),
        (&since_s, Type::FLOAT8),
        (&wanted.before, Type::INT8),
    ];
    let mut rows = client.query_typed_raw(&sql, values.clone())?;
    let mut runs: Vec<RunRow> = Vec::new();
    while let Some(row) = rows.next()? {
        let run = run_row(&row);
        // One that is at work is none that failed.
        if !wanted.statuses.is_empty() && !wanted.statuses.contains(&run.status.as_str()) {
            continue;
        }
        // What came between them is of another kind or shard, or it sent something and ends all rows.
        let newer = runs.iter_mut().rev().take_while(|newer| newer.quiet.is_some()).find(|newer| newer.is_beside(&run));
        if let Some(newer) = newer
            && newer.is_like(&run)
        {
            newer.alike += 1;
            newer.alike_since = Some(run.started_at);
        } else if runs.len() >= limit {
            drop(rows);
            let sql = format!("SELECT count(*) FROM news_sync_run {which} AND $1::bigint > 0 AND id <= $6");
            let rest = [values.as_slice(), &[(&run.id, Type::INT8)]].concat();
            let more: i64 = client.query_typed_one(&sql, &rest)?.get(0);
            return Ok(Listed { runs, more: more.unsigned_abs(), next: Some(run.id + 1) });
        } else {
            runs.push(run);
        }
    }
    Ok(Listed { runs, more: 0, next: None })
}

/// Reads the last run of each kind, and of each shard, that did all it was to do.
pub fn last_done(client: &mut impl GenericClient) -> Result<Vec<RunRow>> {
    let sql = select(&format!(
        "WHERE id IN (SELECT max(id) FROM {IN_USE} AS r WHERE status = 'done' GROUP BY kind, shard) ORDER BY id"
    ));
    Ok(client.query(&sql, &[&i64::from(CLASS)])?.iter().map(run_row).collect())
}

/// Reads one run, and its report as it was written.
pub fn one(client: &mut impl GenericClient, id: i64) -> Result<Option<(RunRow, Value)>> {
    let row = client.query_opt(&select("WHERE id = $2"), &[&i64::from(CLASS), &id])?;
    // It was JSON when it was written.
    Ok(row.map(|row| (run_row(&row), serde_json::from_str(row.get(19)).unwrap_or_default())))
}

/// The place of a row among those of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentPlace {
    /// When it was recorded, in microseconds since 1970.
    pub at_us: i64,
    /// Tells objects apart that were recorded in the same microsecond.
    pub id: i64,
}

/// What a run came to for one object.
#[derive(Debug)]
pub struct SentRow {
    /// Its place.
    pub place: SentPlace,
    /// The object.
    pub key: Key,
    /// created, updated, deleted, renewed, found, parked, held, waiting.
    pub came_to: String,
    /// The last request's method.
    pub method: Option<String>,
    /// Its response's status.
    pub status: Option<i32>,
    /// How long the response took, in milliseconds.
    pub ms: Option<i32>,
    /// The first and the last event that it was about.
    pub events: Option<(i64, i64)>,
    /// How many events were marked as synced.
    pub synced: i32,
    /// When that was recorded.
    pub at: String,
}

/// Reads what a run came to, at most `limit` objects in the order in which they were recorded, from behind a place; and how many
/// there are behind these.
pub fn sent(
    client: &mut impl GenericClient,
    run: i64,
    after: Option<&SentPlace>,
    limit: i64,
) -> Result<(Vec<SentRow>, u64)> {
    let (at_us, id) = after.map_or((0, 0), |after| (after.at_us, after.id));
    let rows = client.query(
        r#"SELECT entity_table, entity_pk, came_to, method, status, ms, first_event, last_event, events,
                  to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                  (extract(epoch FROM at) * 1000000)::bigint, id, count(*) OVER ()
           FROM (SELECT *, entity_pk * 2 + (entity_table = 'news_comment')::int AS id FROM news_sync_sent WHERE run_id = $1) AS s
           WHERE (at, id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4)
           ORDER BY at, id LIMIT $2"#,
        &[&run, &limit, &at_us, &id],
    )?;
    let row = |row: &postgres::Row| {
        Ok(SentRow {
            place: SentPlace { at_us: row.get(10), id: row.get(11) },
            key: key(row, 0, 1)?,
            came_to: row.get(2),
            method: row.get(3),
            status: row.get(4),
            ms: row.get(5),
            events: row.get::<_, Option<i64>>(6).zip(row.get(7)),
            synced: row.get(8),
            at: row.get(9),
        })
    };
    let count = rows.first().map_or(0, |row| row.get::<_, i64>(12)).unsigned_abs();
    Ok((rows.iter().map(row).collect::<Result<_>>()?, count.saturating_sub(rows.len() as u64)))
}
