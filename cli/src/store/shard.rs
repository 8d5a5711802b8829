//! Several workers on one database: each has a part of the objects, a lock and an epoch of its own.
//!
//! A run without shards holds the whole lock alone; a run of a shard shares it with the other shards
//! of the same division, and holds its own. So a run without shards, an import, or a run
//! of another division is in the way of all of them, and they of it.

use std::time::Duration;

use news_core::shard::{SHARDS_MAX, Shard};
use postgres::types::Type;
use postgres::{Client, GenericClient};

use crate::error::Result;
use crate::store::lock_keys::{self, CLASS, GATE, WHOLE};
use crate::store::runs;

/// Takes the locks of a run, or none of them.
pub(super) fn try_lock(client: &mut Client, shard: Option<Shard>) -> Result<bool> {
    let Some(shard) = shard else {
        return Ok(client
            .query_typed_one("SELECT pg_try_advisory_lock($1, $2)", &[(&CLASS, Type::INT4), (&WHOLE, Type::INT4)])?
            .get(0));
    };
    let mut gate = client.transaction()?;
    gate.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&CLASS, &GATE])?;
    let taken = gate.query_one("SELECT pg_try_advisory_lock_shared($1, $2)", &[&CLASS, &WHOLE])?.get(0);
    let taken = taken && {
        let own = is_division_free(&mut gate, shard)?
            && gate.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&CLASS, &lock_keys::shard(shard)])?.get(0);
        if !own {
            gate.execute("SELECT pg_advisory_unlock_shared($1, $2)", &[&CLASS, &WHOLE])?;
        }
        own
    };
    gate.commit()?;
    Ok(taken)
}

/// Says whether no shard of another division is at work.
fn is_division_free(client: &mut impl GenericClient, shard: Shard) -> Result<bool> {
    let row = client.query_one(
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
             AND classid = $1::bigint::oid AND objid::bigint BETWEEN $2 AND $3 AND objid::bigint / $2 <> $4
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        &[
            &i64::from(CLASS),
            &i64::from(lock_keys::PER_DIVISION),
            &(i64::from(lock_keys::PER_DIVISION) * (i64::from(SHARDS_MAX) + 1)),
            &i64::from(shard.parts().1),
        ],
    )?;
    Ok(row.get(0))
}

/// Gives them back.
pub(super) fn unlock(client: &mut Client, shard: Option<Shard>) -> Result<()> {
    match shard {
        None => {
            client.execute_typed("SELECT pg_advisory_unlock($1, $2)", &[(&CLASS, Type::INT4), (&WHOLE, Type::INT4)])?
        }
        Some(shard) => client.execute(
            "SELECT pg_advisory_unlock($1, $2), pg_advisory_unlock_shared($1, $3)",
            &[&CLASS, &lock_keys::shard(shard), &WHOLE],
        )?,
    };
    Ok(())
}

/// What tells a run whether another one, that it excludes, had the lock: it is another then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Raised by each run without shards.
    pub whole: i64,
    /// Raised by each run of the shards that are excluded: the same shard, and other divisions.
    pub shards: i64,
}

/// Begins an epoch of this run, and ends the runs that lost the lock without a word: they
/// are still called running.
pub(super) fn begin(client: &mut Client, shard: Option<Shard>, timeout: Duration) -> Result<Epoch> {
    let of = shard.map(Shard::parts).map(|(number, of)| (i32::from(number), i32::from(of)));
    match of {
        None => client.execute_typed("UPDATE news_sync_state SET epoch = epoch + 1", &[])?,
        Some((number, of)) => client.execute(
            "INSERT INTO news_sync_shard AS s (shards, shard, epoch) VALUES ($1, $2, 1)
             ON CONFLICT (shards, shard) DO UPDATE SET epoch = s.epoch + 1",
            &[&of, &number],
        )?,
    };
    runs::end_lost(client, shard, timeout)?;
    epoch(client, shard)
}

/// Reads the epoch as it is now.
pub(super) fn epoch(client: &mut impl GenericClient, shard: Option<Shard>) -> Result<Epoch> {
    let (number, of) = shard.map(Shard::parts).map(|(number, of)| (i32::from(number), i32::from(of))).unzip();
    let row = client.query_typed_one(
        "SELECT (SELECT epoch FROM news_sync_state),
                (SELECT coalesce(sum(epoch), 0)::bigint FROM news_sync_shard
                 WHERE $1::int IS NULL OR shards <> $1 OR shard = $2)",
        &[(&of, Type::INT4), (&number, Type::INT4)],
    )?;
    Ok(Epoch { whole: row.get(0), shards: row.get(1) })
}
