//! What runs left, as operators see it: parked objects, another try, and giving up.

use news_core::{Entity, Key, PostId};
use postgres::{Client, GenericClient};

use crate::error::{Failure, Kind, Result};

/// An object that a run left.
#[derive(Debug)]
pub struct LeftRow {
    /// Which.
    pub key: Key,
    /// parked, held, waiting or sent.
    pub state: String,
    /// The last status.
    pub status: Option<i32>,
    /// The last trouble.
    pub reason: Option<String>,
    /// Since when.
    pub since: std::time::SystemTime,
    /// How often in a row.
    pub failures: i32,
    /// Repeated runs let it wait until then.
    pub next_try: Option<std::time::SystemTime>,
}

/// Reads what earlier runs left, parked objects first; at most `limit`. Among it is what a stop
/// left untouched, of which there is nothing to tell: it has no reason.
pub fn left(client: &mut impl GenericClient, limit: i64) -> Result<Vec<LeftRow>> {
    let rows = client.query(
        // A newer event has un-parked its object already.
        "SELECT entity_table, entity_pk, stands, status, reason, updated_at, failures,
                CASE WHEN stands = 'waiting' THEN next_try_at END
         FROM news_sync_object o,
             LATERAL (SELECT max(id) FROM news_modelevent e WHERE e.entity_table = o.entity_table
                      AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL) AS unsynced (last_id),
             LATERAL (SELECT CASE WHEN state = 'parked' AND last_id > event_id THEN 'waiting' ELSE state END) AS s (stands)
         WHERE state <> 'discarded'
         ORDER BY stands <> 'parked', stands, entity_table DESC, entity_pk LIMIT $1",
        &[&limit],
    )?;
    rows.iter()
        .map(|row| {
            let entity = Entity::of_table(row.get(0))
                .ok_or_else(|| Failure::new(Kind::Database, format!("no such table: {}", row.get::<_, &str>(0))))?;
            let key = entity.key(row.get(1)).map_err(|bad| Failure::new(Kind::Database, bad))?;
            Ok(LeftRow {
                key,
                state: row.get(2),
                status: row.get(3),
                reason: row.get(4),
                since: row.get(5),
                failures: row.get(6),
                next_try: row.get(7),
            })
        })
        .collect()
}

/// Lets parked objects be tried again: all, or these, and then none if one of them is not
/// parked. Returns who is.
pub fn unpark(client: &mut Client, keys: Option<&[Key]>) -> Result<Vec<Key>> {
    let mut transaction = client.transaction()?;
    let rows = match keys {
        None => transaction.query(
            "UPDATE news_sync_object SET state = 'waiting' WHERE state = 'parked' RETURNING entity_table, entity_pk",
            &[],
        )?,
        Some(keys) => {
            let tables: Vec<&str> = keys.iter().map(|key| key.entity().table()).collect();
            let pks: Vec<i64> = keys.iter().map(|key| key.id()).collect();
            transaction.query(
                "UPDATE news_sync_object o SET state = 'waiting' FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)
                 WHERE o.entity_table = u.t AND o.entity_pk = u.pk AND o.state = 'parked'
                 RETURNING o.entity_table, o.entity_pk",
                &[&tables, &pks],
            )?
        }
    };
    let parked = rows.iter().filter_map(|row| Entity::of_table(row.get(0))?.key(row.get(1)).ok());
    let mut parked: Vec<Key> = parked.collect();
    parked.sort_unstable();
    if keys.is_none_or(|keys| keys.iter().all(|key| parked.contains(key))) {
        transaction.commit()?;
    }
    Ok(parked)
}

/// What was given up.
#[derive(Debug, Default)]
pub struct Discarded {
    /// Of those that were named, who had something to give up.
    pub named: Vec<Key>,
    /// Comments of posts whose creation was given up: they would be sent to a post that is not there.
    pub along: Vec<Key>,
    /// Events that count as synced now.
    pub events: u64,
}

/// Gives up the pending changes of these objects: their events count as synced, and what is
/// parked is no longer.
pub fn discard(client: &mut Client, keys: &[Key]) -> Result<Discarded> {
    let mut transaction = client.transaction()?;
    let mut discarded = Discarded::default();
    let mut orphans = Vec::new();
    for key in keys {
        if let Key::Post(post) = key {
            orphans.extend(comments_without(&mut transaction, *post)?);
        }
        if let Some(events) = discard_one(&mut transaction, *key)? {
            discarded.named.push(*key);
            discarded.events += events;
        }
    }
    for key in orphans {
        if let Some(events) = discard_one(&mut transaction, key)? {
            discarded.along.push(key);
            discarded.events += events;
        }
    }
    transaction.commit()?;
    Ok(discarded)
}

/// Lists the comments that a run would send, of a post that it would have to create at the target before: one
/// that was created since the last sync, or that is known not to be there. Where that is not known, those that
/// were held for it.
fn comments_without(client: &mut impl GenericClient, post: PostId) -> Result<Vec<Key>> {
    let rows = client.query(
        "SELECT c.id FROM news_comment c
         WHERE c.post_id = $1
           AND (EXISTS (SELECT FROM news_modelevent
                        WHERE entity_table = 'news_comment' AND entity_pk = c.id AND synced_at IS NULL)
                OR EXISTS (SELECT FROM news_sync_object
                           WHERE entity_table = 'news_comment' AND entity_pk = c.id AND state <> 'discarded'))
           AND ('CREATED' = (SELECT type FROM news_modelevent
                             WHERE entity_table = 'news_post' AND entity_pk = $1 AND synced_at IS NULL ORDER BY id LIMIT 1)
                OR EXISTS (SELECT FROM news_sync_object
                           WHERE entity_table = 'news_post' AND entity_pk = $1 AND presence = 'absent')
                OR EXISTS (SELECT FROM news_sync_object
                           WHERE entity_table = 'news_comment' AND entity_pk = c.id AND state = 'held'))
         ORDER BY c.id",
        &[&post.get()],
    )?;
    Ok(rows.iter().filter_map(|row| Entity::Comment.key(row.get(0)).ok()).collect())
}

/// Returns how many events that were; `None` where there was nothing to give up.
fn discard_one(client: &mut impl GenericClient, key: Key) -> Result<Option<u64>> {
    let (table, pk) = (key.entity().table(), key.id());
    let events = client.execute(
        "UPDATE news_modelevent SET synced_at = clock_timestamp()
         WHERE entity_table = $1 AND entity_pk = $2 AND synced_at IS NULL",
        &[&table, &pk],
    )?;
    let begun = client.execute(
        "UPDATE news_sync_object SET state = 'discarded'
         WHERE entity_table = $1 AND entity_pk = $2 AND state <> 'discarded'",
        &[&table, &pk],
    )?;
    if events + begun == 0 {
        return Ok(None);
    }
    // The target has it or not, whatever the log says from now on: the next change asks, or clears.
    client.execute(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id)
         VALUES ($1, $2, 'unknown', 'discarded', 0)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET state = 'discarded', status = NULL, reason = NULL,
             failures = 0, next_try_at = NULL,
             presence = CASE news_sync_object.presence WHEN 'doubled' THEN 'doubled' ELSE 'unknown' END",
        &[&table, &pk],
    )?;
    Ok(Some(events))
}
