//! Objects whose sync operators have stopped (`news_sync_hold`). `news_core::ledger::holds` has the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::Key;
use news_core::ledger::holds::HOLDS_MAX;
use news_core::ledger::{Hold, State};
use news_core::phrase::count;
use postgres::types::Type;
use postgres::{Client, GenericClient, Row};

use crate::error::{Failure, Kind, Result};
use crate::store::acts::{self, Act, By, Deed};
use crate::store::ledger::{columns, key, moment, read};
use crate::store::{lock, runs};
use crate::times::Times;

/// Returns the objects on hold.
pub fn keys(client: &mut impl GenericClient) -> Result<BTreeSet<Key>> {
    let rows = client.query_typed("SELECT entity_table, entity_pk FROM news_sync_hold", &[])?;
    rows.iter().map(|row| key(row, 0, 1)).collect()
}

/// Returns all holds: no more than [`HOLDS_MAX`].
pub fn all(client: &mut impl GenericClient) -> Result<BTreeMap<Key, Hold>> {
    let rows = client.query_typed("SELECT entity_table, entity_pk, since, who, why FROM news_sync_hold", &[])?;
    rows.iter().map(hold_of).collect()
}

/// Returns the holds of these objects.
pub fn of(client: &mut impl GenericClient, keys: &[Key]) -> Result<BTreeMap<Key, Hold>> {
    let (tables, pks) = columns(keys);
    let rows = client.query_typed(
        "SELECT h.entity_table, h.entity_pk, h.since, h.who, h.why FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)
         JOIN news_sync_hold h ON h.entity_table = t AND h.entity_pk = pk",
        &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)],
    )?;
    rows.iter().map(hold_of).collect()
}

fn hold_of(row: &Row) -> Result<(Key, Hold)> {
    let why: Option<String> = row.get(4);
    Ok((key(row, 0, 1)?, Hold { since: moment(row.get(2)), by: row.get(3), why: why.unwrap_or_default() }))
}

/// Puts objects on hold; what is on hold already stays as it is. Returns those that are new, and the others with their
/// holds.
///
/// Fails with [`Kind::Refused`], and changes nothing, where that would be more than [`HOLDS_MAX`].
pub fn hold(
    client: &mut Client,
    keys: &BTreeSet<Key>,
    by: &By,
    why: Option<&str>,
) -> Result<(Vec<Key>, BTreeMap<Key, Hold>)> {
    let mut transaction = client.transaction()?;
    // A run that prepares an object writes to this table first and reads the holds then: it meets ours, or we meet what it
    // has written ([`in_flight`]).
    transaction.batch_execute("LOCK TABLE news_sync_object IN SHARE ROW EXCLUSIVE MODE")?;
    let already = of(&mut transaction, &keys.iter().copied().collect::<Vec<Key>>())?;
    let new: Vec<Key> = keys.iter().filter(|key| !already.contains_key(key)).copied().collect();
    let held = transaction.query_one("SELECT count(*) FROM news_sync_hold", &[])?.get::<_, i64>(0);
    if u64::try_from(held).unwrap_or_default() + new.len() as u64 > HOLDS_MAX {
        let why = format!(
            "{held} on hold already, and {} more would be more than {HOLDS_MAX}",
            count(new.len() as u64, "object")
        );
        return Err(Failure::new(Kind::Refused, why).hint("Nothing was changed. Stop the sync instead."));
    }
    let (tables, pks) = columns(&new);
    transaction.execute(
        "INSERT INTO news_sync_hold (entity_table, entity_pk, who, why)
         SELECT t, pk, $3, $4 FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)",
        &[&tables, &pks, &by.who(), &why],
    )?;
    acts::record(&mut transaction, &Act { deed: Deed::Held, keys: &new, along: &[], events: None, why }, by)?;
    transaction.commit()?;
    Ok((new, already))
}

/// Releases objects: none of them where one is not on hold. Returns those that are.
pub fn release(client: &mut Client, keys: &BTreeSet<Key>, by: &By, why: Option<&str>) -> Result<BTreeSet<Key>> {
    let mut transaction = client.transaction()?;
    let (tables, pks) = columns(keys);
    let rows = transaction.query(
        "DELETE FROM news_sync_hold WHERE (entity_table, entity_pk) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
         RETURNING entity_table, entity_pk",
        &[&tables, &pks],
    )?;
    let released: BTreeSet<Key> = rows.iter().map(|row| key(row, 0, 1)).collect::<Result<_>>()?;
    if released.len() == keys.len() {
        let keys: Vec<Key> = keys.iter().copied().collect();
        acts::record(&mut transaction, &Act { deed: Deed::Released, keys: &keys, along: &[], events: None, why }, by)?;
        transaction.commit()?;
    }
    Ok(released)
}

/// Returns those of the objects that the master does not have: a hold of one is for what only the target has, or its key has a slip.
pub fn not_here(client: &mut impl GenericClient, keys: &[Key]) -> Result<Vec<Key>> {
    let (tables, pks) = columns(keys);
    let rows = client.query(
        "SELECT t, pk FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)
         WHERE NOT CASE t WHEN 'news_post' THEN EXISTS (SELECT FROM news_post WHERE id = pk)
                          ELSE EXISTS (SELECT FROM news_comment WHERE id = pk) END",
        &[&tables, &pks],
    )?;
    rows.iter().map(|row| key(row, 0, 1)).collect()
}

/// Returns those of the objects for which a request may be sent, or take effect, that a run prepared before this, and for how long; for as
/// long as a run is at work that is not known.
pub fn in_flight(client: &mut Client, keys: &[Key], times: Times) -> Result<BTreeMap<Key, Option<Duration>>> {
    let clock = runs::clock(client, times)?;
    let (_, entries) = read(client, keys)?;
    let is_run = entries.values().any(|entry| entry.state == State::Sent) && !lock::holders(client)?.is_empty();
    let open = entries.iter().map(|(key, entry)| {
        let settles_in = clock.until_settled(&entry.outstanding());
        (*key, if is_run && entry.state == State::Sent { None } else { Some(settles_in) })
    });
    Ok(open.filter(|(_, settles_in)| *settles_in != Some(Duration::ZERO)).collect())
}
