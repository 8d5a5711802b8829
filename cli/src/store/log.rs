//! The change log, read merged with rows and ledger: what is pending, object by object.

use std::collections::BTreeMap;

use news_core::Key;
use news_core::PostId;
use news_core::ledger::{self, Clock, Entry, Logged, Pending, holds};
use news_core::left_out;
use news_core::merge::{Event, EventType, Merged};
use news_core::outlook::Outlook;
use news_core::portion::{Gathering, Patience, Portion};
use news_core::shard::Shard;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use postgres::{GenericClient, Row};

use crate::error::Result;
use crate::store::ledger as entries;
use crate::store::ledger::{moment, odd};

/// The partial index in its order: an object's events come in a row, by id. No join, no sort, and never a pass over the
/// synced events, whatever the planner expects of them: after a large run its statistics are of another time. The row is
/// looked up by its key; LIMIT keeps the planner from reading the table instead.
const UNSYNCED: &str = "
    SELECT e.entity_table, e.entity_pk, e.id, e.type, e.parent_pk, e.former_pk, e.logged_at,
           e.doubt IS TRUE OR e.id <= s.doubtful_until AS doubtful, r.here IS TRUE AS here, r.post_id
    FROM news_modelevent e
    CROSS JOIN (SELECT doubtful_until FROM news_sync_state) AS s
    LEFT JOIN LATERAL (
        SELECT true AS here, NULL::bigint AS post_id FROM news_post p
        WHERE e.entity_table = 'news_post' AND p.id = e.entity_pk
        UNION ALL
        SELECT true, c.post_id FROM news_comment c WHERE e.entity_table = 'news_comment' AND c.id = e.entity_pk
        LIMIT 1) AS r ON true
    WHERE e.synced_at IS NULL";
const IN_ORDER: &str = "ORDER BY e.entity_table, e.entity_pk, e.id";
const OF_THESE: &str = "AND (e.entity_table, e.entity_pk) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))";
const BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off";
const AS_BEFORE: &str = "SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT;
    SET LOCAL enable_sort = DEFAULT; SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_mergejoin = DEFAULT;
    SET LOCAL enable_material = DEFAULT";

/// Reads all objects with unsynced events, by table and id.
pub fn pending(client: &mut impl GenericClient, clock: &Clock) -> Result<Vec<Pending>> {
    let mut all = Vec::new();
    each_pending(client, clock, |pending| all.push(pending))?;
    Ok(all)
}

/// Streams them. Holds in memory only the ledger, never events.
pub fn each_pending(client: &mut impl GenericClient, clock: &Clock, each: impl FnMut(Pending)) -> Result<()> {
    let mut transaction = client.transaction()?;
    let mut known = BTreeMap::new();
    entries::each(&mut transaction, |key, entry| {
        known.insert(key, entry);
    })?;
    transaction.batch_execute(BY_INDEX)?;
    let none: [(&str, Type); 0] = [];
    let mut rows = transaction.query_typed_raw(&format!("{UNSYNCED} {IN_ORDER}"), none)?;
    let mut reading = LogReading { known: &known, clock, open: None, each };
    while let Some(row) = rows.next()? {
        reading.take(&row)?;
    }
    reading.end();
    drop(rows);
    transaction.batch_execute(AS_BEFORE)?;
    transaction.commit()?;
    Ok(())
}

/// Reads what is pending of these objects, those without events included.
pub fn pending_of(client: &mut impl GenericClient, keys: &[Key], clock: &Clock) -> Result<Vec<Pending>> {
    let (_, known) = entries::read(client, keys)?;
    let (tables, pks): (Vec<&str>, Vec<i64>) = keys.iter().map(|key| (key.entity().table(), key.id())).unzip();
    let rows = client.query(&format!("{UNSYNCED} {OF_THESE} {IN_ORDER}"), &[&tables, &pks])?;
    let mut all = Vec::new();
    let mut reading = LogReading { known: &known, clock, open: None, each: |pending| all.push(pending) };
    for row in &rows {
        reading.take(row)?;
    }
    reading.end();
    let logged: Vec<Key> = all.iter().map(|one| one.key).collect();
    let rest =
        unfinished(client, clock)?.into_iter().filter(|one| keys.contains(&one.key) && !logged.contains(&one.key));
    all.extend(rest);
    Ok(all)
}

/// Rows of [`UNSYNCED`] on their way to one [`Pending`] an object.
struct LogReading<'k, F> {
    known: &'k BTreeMap<Key, Entry>,
    clock: &'k Clock,
    open: Option<(Key, Logged, Option<ledger::Row>)>,
    each: F,
}

impl<F: FnMut(Pending)> LogReading<'_, F> {
    fn take(&mut self, row: &Row) -> Result<()> {
        let (key, logged) = event(row)?;
        match &mut self.open {
            Some((open, whole, _)) if *open == key => whole.add(logged),
            Some(_) | None => {
                self.end();
                let here = row.get::<_, bool>("here").then(|| ledger::Row { parent: post(row, "post_id") });
                self.open = Some((key, logged, here));
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some((key, logged, here)) = self.open.take()
            && let Some(pending) = ledger::pending(key, Some(&logged), here, self.known.get(&key), self.clock)
        {
            (self.each)(pending);
        }
    }
}

/// Conversations that have begun and no event speaks for: those of a full sync that did not come to their end.
fn unfinished_sql() -> String {
    format!(
        "SELECT o.entity_table, o.entity_pk, p.id IS NOT NULL OR c.id IS NOT NULL AS here, c.post_id, {}
         FROM news_sync_object o
         LEFT JOIN news_post p ON o.entity_table = 'news_post' AND p.id = o.entity_pk
         LEFT JOIN news_comment c ON o.entity_table = 'news_comment' AND c.id = o.entity_pk
         WHERE o.state <> 'discarded' AND NOT EXISTS (
             SELECT FROM news_modelevent e
             WHERE e.entity_table = o.entity_table AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL)
         ORDER BY o.entity_table, o.entity_pk",
        entries::COLUMNS
    )
}

/// Reads objects without unsynced events whose conversation has not come to its end.
pub fn unfinished(client: &mut impl GenericClient, clock: &Clock) -> Result<Vec<Pending>> {
    let mut all = Vec::new();
    for row in &client.query_typed(&unfinished_sql(), &[])? {
        let key = entries::key(row, 0, 1)?;
        let here = row.get::<_, bool>("here").then(|| ledger::Row { parent: post(row, "post_id") });
        all.extend(ledger::pending(key, None, here, Some(&entries::entry(row, 4)?), clock));
    }
    Ok(all)
}

/// Reads a run's part of what is pending.
pub fn portion(
    client: &mut impl GenericClient,
    clock: &Clock,
    shard: Option<Shard>,
    patience: Patience,
) -> Result<Portion> {
    Ok(gather(client, clock, Gathering::new(shard, patience))?.finish())
}

/// Reads what a run would do that somebody starts now, in the snapshot of `client`. What a run at work has sent is apart.
pub fn outlook(client: &mut impl GenericClient, clock: &Clock, shard: Option<Shard>) -> Result<Outlook> {
    let beside = super::history::at_work(client)?;
    Ok(gather(client, clock, Gathering::new(shard, Patience::Tries).beside(beside))?.outlook())
}

fn gather(client: &mut impl GenericClient, clock: &Clock, mut gathering: Gathering) -> Result<Gathering> {
    entries::each_discarded(client, |key, entry| gathering.remember(key, &entry))?;
    let (left_out, held) = (super::left_out::pending(client)?, super::holds::keys(client)?);
    let mut take = |one| gathering.take(holds::on_hold(&held, left_out::in_view_of(&left_out, one)));
    each_pending(client, clock, &mut take)?;
    unfinished(client, clock)?.into_iter().for_each(take);
    Ok(gathering)
}

fn post(row: &Row, column: &str) -> Option<PostId> {
    row.get::<_, Option<i64>>(column).and_then(|id| PostId::new(id).ok())
}

fn event(row: &Row) -> Result<(Key, Logged)> {
    let kind = EventType::of_word(row.get("type")).ok_or_else(|| odd("type", row.get("type")))?;
    let key = entries::key(row, 0, 1)?;
    let event = Event { id: row.get("id"), key, kind, doubtful: row.get("doubtful") };
    let (parent, former) = (post(row, "parent_pk"), post(row, "former_pk"));
    Ok((key, Logged::of(Merged::of(&event), parent, former, moment(row.get("logged_at")))))
}
