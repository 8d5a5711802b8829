//! Unsynced events as they are, page by page, for whoever merges them elsewhere.

use news_core::Key;
use postgres::GenericClient;

use crate::error::Result;
use crate::store::ledger::key;

/// The place of an event among the unsynced ones: they are read by object, as their index has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsyncedPlace {
    /// The object.
    pub key: Key,
    /// The event's id.
    pub id: i64,
}

/// An event.
#[derive(Debug)]
pub struct Unsynced {
    /// Its place.
    pub place: UnsyncedPlace,
    /// CREATED, UPDATED, DELETED.
    pub kind: String,
    /// Whether it may be wrong.
    pub is_doubtful: bool,
}

/// Returns the highest id of an event that was ever logged.
pub fn highest(client: &mut impl GenericClient) -> Result<i64> {
    Ok(client.query_one("SELECT coalesce(max(id), 0) FROM news_modelevent", &[])?.get(0))
}

/// Reads at most `limit` unsynced events with ids up to `highest`, from behind a place.
pub fn page(
    client: &mut impl GenericClient,
    after: Option<UnsyncedPlace>,
    highest: i64,
    limit: i64,
) -> Result<Vec<Unsynced>> {
    // No table has an empty name.
    let (table, pk, id) = after.map_or(("", 0, 0), |at| (at.key.entity().table(), at.key.id(), at.id));
    let rows = client.query(
        "SELECT entity_table, entity_pk, id, type,
                doubt IS TRUE OR id <= (SELECT doubtful_until FROM news_sync_state)
         FROM news_modelevent
         WHERE synced_at IS NULL AND (entity_table, entity_pk, id) > ($1, $2, $3) AND id <= $4
         ORDER BY entity_table, entity_pk, id LIMIT $5",
        &[&table, &pk, &id, &highest, &limit],
    )?;
    rows.iter()
        .map(|row| {
            let place = UnsyncedPlace { key: key(row, 0, 1)?, id: row.get(2) };
            Ok(Unsynced { place, kind: row.get(3), is_doubtful: row.get::<_, Option<bool>>(4).unwrap_or_default() })
        })
        .collect()
}
