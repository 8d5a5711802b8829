//! Objects of the target that imports have left out (`news_sync_left_out`). `news_core::left_out` has the rules.

use std::collections::{BTreeMap, BTreeSet};

use news_core::left_out;
use news_core::{Entity, Key, Object};
use postgres::types::Type;
use postgres::{GenericClient, Row, Transaction};

use crate::error::Result;
use crate::store::ledger::columns;
use crate::store::objects::{self, Loaded};

/// Rows written by one statement.
const BATCH: usize = 1000;

/// Remembers objects that the target has and the master cannot hold, with the reason.
pub fn remember(transaction: &mut Transaction<'_>, objects: &BTreeMap<Key, String>) -> Result<()> {
    let rows: Vec<(&Key, String)> = objects.iter().map(|(key, why)| (key, why.replace('\0', " "))).collect();
    for batch in rows.chunks(BATCH) {
        let (tables, pks) = columns(batch.iter().map(|(key, _)| *key));
        let reasons: Vec<&str> = batch.iter().map(|(_, why)| why.as_str()).collect();
        transaction.execute(
            "INSERT INTO news_sync_left_out (entity_table, entity_pk, reason)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])",
            &[&tables, &pks, &reasons],
        )?;
    }
    Ok(())
}

/// Forgets these.
pub fn forget(client: &mut impl GenericClient, keys: &[Key]) -> Result<()> {
    let (tables, pks) = columns(keys);
    client.execute(
        "DELETE FROM news_sync_left_out
         WHERE (entity_table, entity_pk) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))",
        &[&tables, &pks],
    )?;
    Ok(())
}

/// Returns all of them, with the reason.
pub fn all(client: &mut impl GenericClient) -> Result<BTreeMap<Key, String>> {
    let rows = client.query("SELECT entity_table, entity_pk, reason FROM news_sync_left_out", &[])?;
    Ok(rows.iter().filter_map(|row| Some((key(row)?, row.get(2)))).collect())
}

/// Returns those whose ids no row has, by table and id, at most `limit` from behind one.
pub fn places(client: &mut impl GenericClient, after: Option<Key>, limit: usize) -> Result<Vec<Key>> {
    let (table, pk) = after.map_or(("", 0), |key| (key.entity().table(), key.id()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = client.query(
        "SELECT entity_table, entity_pk FROM news_sync_left_out
         WHERE (entity_table, entity_pk) > ($1, $2)
           AND NOT CASE entity_table WHEN 'news_post' THEN EXISTS (SELECT FROM news_post WHERE id = entity_pk)
                                     ELSE EXISTS (SELECT FROM news_comment WHERE id = entity_pk) END
         ORDER BY 1, 2 LIMIT $3",
        &[&table, &pk, &limit],
    )?;
    Ok(rows.iter().filter_map(key).collect())
}

/// Returns those of which something is pending, and the posts among them of whose comments something is.
pub fn pending(client: &mut impl GenericClient) -> Result<BTreeSet<Key>> {
    let rows = client.query_typed(
        "SELECT l.entity_table, l.entity_pk FROM news_sync_left_out l
         WHERE EXISTS (SELECT FROM news_modelevent e WHERE e.entity_table = l.entity_table
                       AND e.entity_pk = l.entity_pk AND e.synced_at IS NULL)
            OR EXISTS (SELECT FROM news_sync_object o WHERE o.entity_table = l.entity_table AND o.entity_pk = l.entity_pk)
            OR (l.entity_table = 'news_post' AND l.entity_pk IN (
                SELECT parent_pk FROM news_modelevent WHERE entity_table = 'news_comment' AND synced_at IS NULL
                UNION ALL SELECT parent_pk FROM news_sync_object WHERE entity_table = 'news_comment'))",
        &[],
    )?;
    Ok(rows.iter().filter_map(key).collect())
}

/// Reads rows that are to be sent, as [`objects::load`] does. A row that must not be written over what the target has is an
/// error, too.
pub fn load_to_send(client: &mut impl GenericClient, keys: &[Key]) -> Result<BTreeMap<Key, Loaded>> {
    let mut rows = objects::load(client, keys)?;
    let parent = |row: &Loaded| row.as_ref().ok().and_then(Object::parent);
    let asked: BTreeSet<Key> = rows.values().filter_map(parent).map(Key::Post).chain(rows.keys().copied()).collect();
    if asked.is_empty() {
        return Ok(rows);
    }
    let (tables, pks) = columns(&asked);
    // Each is looked up by the index, as the ledger's entries are.
    let found = client.query_typed(
        "SELECT l.entity_table, l.entity_pk, l.reason FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)
         JOIN LATERAL (SELECT * FROM news_sync_left_out WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS l ON true",
        &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)],
    )?;
    let left_out: BTreeMap<Key, String> = found.iter().filter_map(|row| Some((key(row)?, row.get(2)))).collect();
    for (key, row) in &mut rows {
        if let Some(why) = left_out::bar(*key, parent(row), &left_out) {
            *row = Err(why);
        }
    }
    Ok(rows)
}

/// Reads the key from the first two columns.
fn key(row: &Row) -> Option<Key> {
    Entity::of_table(row.get(0))?.key(row.get(1)).ok()
}
