//! What the target keeps in place of rows whose texts it has altered (`news_sync_kept`). `news_core::kept` has the rules.

use std::collections::BTreeMap;

use news_core::Key;
use news_core::fingerprint::Fingerprint;
use news_core::kept::Kept;
use news_core::session::{Fact, Texts};
use postgres::types::Type;
use postgres::{GenericClient, Transaction};

use crate::error::{Failure, Kind, Result};
use crate::store::ledger::{columns, key};

/// Whether an object has an entry, as far as is known: most targets alter nothing, and then nothing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// No object has.
    None,
    /// Some may.
    Some,
}

/// Looks whether there is an entry.
pub fn any(client: &mut impl GenericClient) -> Result<Entries> {
    let none: [(&(dyn postgres::types::ToSql + Sync), Type); 0] = [];
    let rows = client.query_typed("SELECT FROM news_sync_kept LIMIT 1", &none)?;
    Ok(if rows.is_empty() { Entries::None } else { Entries::Some })
}

/// Returns the entries of these objects.
pub fn of(client: &mut impl GenericClient, keys: &[Key]) -> Result<BTreeMap<Key, Kept>> {
    let (tables, pks) = columns(keys);
    let rows = client.query_typed(
        "SELECT k.entity_table, k.entity_pk, k.sent, k.kept
         FROM unnest($1::text[], $2::bigint[]) AS u (t, pk)
         JOIN LATERAL (SELECT * FROM news_sync_kept WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS k ON true",
        &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)],
    )?;
    rows.iter().map(|row| Ok((key(row, 0, 1)?, Kept { sent: print(row.get(2))?, kept: print(row.get(3))? }))).collect()
}

/// Reads a fingerprint.
pub(super) fn print(bytes: &[u8]) -> Result<Fingerprint> {
    let odd = |_| Failure::new(Kind::Database, "news_sync_kept: expected a fingerprint of 16 bytes");
    Ok(Fingerprint(u128::from_le_bytes(bytes.try_into().map_err(odd)?)))
}

/// Records what these facts say. `entries` is what was known before.
pub(super) fn record(transaction: &mut Transaction<'_>, facts: &[&Fact], entries: Entries) -> Result<()> {
    let mut altered = Vec::new();
    let mut as_sent = Vec::new();
    for fact in facts {
        match fact.texts() {
            Texts::Stay => {}
            Texts::AsSent => as_sent.push(fact.key()),
            Texts::Altered(kept) => altered.push((fact.key(), kept)),
        }
    }
    if entries == Entries::Some && !as_sent.is_empty() {
        forget(transaction, &as_sent)?;
    }
    if altered.is_empty() {
        return Ok(());
    }
    let (tables, pks) = columns(altered.iter().map(|(key, _)| key));
    let of = |print: fn(&Kept) -> Fingerprint| -> Vec<Vec<u8>> {
        altered.iter().map(|(_, kept)| print(kept).0.to_le_bytes().to_vec()).collect()
    };
    transaction.execute_typed(
        "INSERT INTO news_sync_kept (entity_table, entity_pk, sent, kept)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[])
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET sent = excluded.sent, kept = excluded.kept",
        &[
            (&tables, Type::TEXT_ARRAY),
            (&pks, Type::INT8_ARRAY),
            (&of(|kept| kept.sent), Type::BYTEA_ARRAY),
            (&of(|kept| kept.kept), Type::BYTEA_ARRAY),
        ],
    )?;
    Ok(())
}

/// Forgets what another target than `url` kept.
pub fn forget_of_others(client: &mut impl GenericClient, url: &str) -> Result<()> {
    client.execute_typed(
        "DELETE FROM news_sync_kept USING news_sync_state s WHERE s.target_url <> $1",
        &[(&url, Type::TEXT)],
    )?;
    Ok(())
}

fn forget(client: &mut impl GenericClient, keys: &[Key]) -> Result<()> {
    let (tables, pks) = columns(keys);
    client.execute_typed(
        "DELETE FROM news_sync_kept WHERE ctid = ANY (ARRAY(
             SELECT k.ctid FROM unnest($1::text[], $2::bigint[]) AS u (t, pk),
                 LATERAL (SELECT ctid FROM news_sync_kept WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS k))",
        &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)],
    )?;
    Ok(())
}

/// Forgets the entries of these objects, which a full sync has found as they were sent, and those without a row.
pub fn tidy(client: &mut impl GenericClient, as_sent: &[Key]) -> Result<()> {
    if any(client)? == Entries::None {
        return Ok(());
    }
    forget(client, as_sent)?;
    client.execute(
        "DELETE FROM news_sync_kept
         WHERE (entity_table = 'news_post' AND NOT EXISTS (SELECT FROM news_post p WHERE p.id = entity_pk))
             OR (entity_table = 'news_comment' AND NOT EXISTS (SELECT FROM news_comment c WHERE c.id = entity_pk))",
        &[],
    )?;
    Ok(())
}
