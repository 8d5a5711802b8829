//! Deleting old events from the change log, and the history that goes with them, in batches.
//!
//! No lock is taken: a run reads and marks unsynced events only, and here only synced ones
//! go. Ids are not given out again: the log's sequence stays where it is.

use std::time::{Duration, SystemTime};

use postgres::Client;

use crate::error::Result;

/// What a batch came to.
#[derive(Debug, Clone, Copy)]
pub struct PrunedBatch {
    /// The last id that it looked at; `None` at the log's end.
    pub last_id: Option<i64>,
    /// Events looked at.
    pub seen: u64,
    /// Of these, events deleted.
    pub deleted: u64,
}

/// Returns the database's time `age` ago; before 1970 nothing was ever synced.
pub fn cutoff(client: &mut Client, age: Duration) -> Result<SystemTime> {
    let now = super::runs::now(client)?;
    Ok(now.checked_sub(age).map_or(SystemTime::UNIX_EPOCH, |time| time.max(SystemTime::UNIX_EPOCH)))
}

/// Looks at the next `limit` events after `after_id`, and deletes those that were synced before `cutoff`: one
/// statement, one transaction. There is no index by time, and none is needed: each event is
/// looked at once, in the order of the log.
pub fn batch(client: &mut Client, cutoff: SystemTime, after_id: i64, limit: u32) -> Result<PrunedBatch> {
    let row = client.query_one(
        "WITH stretch AS MATERIALIZED (
             SELECT id, synced_at FROM news_modelevent WHERE id > $1 ORDER BY id LIMIT $2
         ), gone AS (
             DELETE FROM news_modelevent e USING (SELECT id FROM stretch WHERE synced_at < $3) s
             WHERE e.id = s.id AND e.synced_at < $3 RETURNING 1
         )
         SELECT max(id), count(*), (SELECT count(*) FROM gone) FROM stretch",
        &[&after_id, &i64::from(limit), &cutoff],
    )?;
    let count = |column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    Ok(PrunedBatch { last_id: row.get(0), seen: count(1), deleted: count(2) })
}

/// Deletes what runs came to, before `cutoff`, at most `limit` rows: one transaction, oldest runs first. Returns how many rows
/// were deleted; fewer than `limit` are the last ones. What a run came to is as old as the events that it marked, or younger.
pub fn sent(client: &mut Client, cutoff: SystemTime, limit: u32) -> Result<u64> {
    // No run that began later has older rows: they are not looked at.
    delete(
        client,
        "news_sync_sent",
        "at < $1 AND run_id < coalesce((SELECT id FROM news_sync_run WHERE started_at >= $1 ORDER BY id LIMIT 1), 9223372036854775807)
         ORDER BY run_id",
        cutoff,
        limit,
    )
}

/// Deletes what people did before `cutoff`, in the same way.
pub fn acts(client: &mut Client, cutoff: SystemTime, limit: u32) -> Result<u64> {
    delete(client, "news_sync_act", "at < $1 ORDER BY at", cutoff, limit)
}

fn delete(client: &mut Client, table: &str, which: &str, cutoff: SystemTime, limit: u32) -> Result<u64> {
    let sql = format!("DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {which} LIMIT $2))");
    Ok(client.execute(&sql, &[&cutoff, &i64::from(limit)])?)
}
