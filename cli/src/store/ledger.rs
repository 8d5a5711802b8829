//! The ledger (`news_sync_object`), and the marks in the change log that follow from it. This reads entries, calls
//! `news_core::ledger`, and writes what that returns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use news_core::ledger::{
    self, Basis, Clock, Entry, FoundRow, Mark, MasterRow, Moment, Newer, Outstanding, Prepared, State,
};
use news_core::merge::{Presence, Wish};
use news_core::plan::Work;
use news_core::session::{Fact, Loaded};
use news_core::{Entity, Key, Object, PostId};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{Client, GenericClient, Row, Transaction};

use crate::error::{Failure, Kind, Result};
use crate::store::sent::{self, Attempt, Recorded};
use crate::store::{holds, kept, left_out, stranded};

/// The columns of an entry, as [`entry`] reads them, of `news_sync_object o`.
pub(super) const COLUMNS: &str =
    "o.presence, o.state, o.event_id, o.parent_pk, o.home_pk, o.there_pks, o.status, o.reason, o.failures,
    o.next_try_at, o.settled_at, o.since, o.updated_at";

/// Reads the entry from `row`, whose columns [`COLUMNS`] begin at `at`.
pub(super) fn entry(row: &Row, at: usize) -> Result<Entry> {
    let post = |column: usize| row.get::<_, Option<i64>>(at + column).and_then(|id| PostId::new(id).ok());
    let time = |column: usize| row.get::<_, Option<SystemTime>>(at + column).map(moment);
    let (presence, state): (&str, &str) = (row.get(at), row.get(at + 1));
    Ok(Entry {
        presence: Presence::of_word(presence).ok_or_else(|| odd("presence", presence))?,
        state: State::of_word(state).ok_or_else(|| odd("state", state))?,
        event_id: row.get(at + 2),
        parent: post(3),
        home: post(4),
        there: row.get::<_, Vec<i64>>(at + 5).into_iter().filter_map(|id| PostId::new(id).ok()).collect(),
        status: row.get::<_, Option<i32>>(at + 6).and_then(|status| u16::try_from(status).ok()),
        reason: row.get::<_, Option<String>>(at + 7).unwrap_or_default(),
        failures: u32::try_from(row.get::<_, i32>(at + 8)).unwrap_or_default(),
        next_try_at: time(9),
        settled_at: time(10),
        since: moment(row.get(at + 11)),
        updated_at: moment(row.get(at + 12)),
    })
}

/// Reads the key from a table's name and an id, at these columns.
pub(super) fn key(row: &Row, table: usize, pk: usize) -> Result<Key> {
    let name = row.get(table);
    let entity = Entity::of_table(name).ok_or_else(|| odd("entity_table", name))?;
    entity.key(row.get(pk)).map_err(|bad| Failure::new(Kind::Database, bad))
}

/// Returns a stamp as the core counts time.
pub fn moment(time: SystemTime) -> Moment {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    Moment(time.duration_since(UNIX_EPOCH).map_or_else(|before| -micros(before.duration()), micros))
}

/// Returns what the database takes for a stamp of the core's.
pub fn stamp(moment: Moment) -> SystemTime {
    let time = Duration::from_micros(moment.0.unsigned_abs());
    let stamp = if moment.0 < 0 { UNIX_EPOCH.checked_sub(time) } else { UNIX_EPOCH.checked_add(time) };
    stamp.unwrap_or(UNIX_EPOCH)
}

pub(super) fn odd(column: &str, word: &str) -> Failure {
    Failure::new(Kind::Database, format!("{column} is {word:?}, which this version does not know"))
}

/// Keys as columns for UNNEST.
pub(super) fn columns<'k>(keys: impl IntoIterator<Item = &'k Key>) -> (Vec<&'static str>, Vec<i64>) {
    keys.into_iter().map(|key| (key.entity().table(), key.id())).unzip()
}

/// The first and last ids of marks as columns.
pub(super) fn ids<'m>(marks: impl Iterator<Item = &'m Mark>) -> (Vec<i64>, Vec<i64>) {
    marks.map(|mark| (mark.first_id, mark.last_id)).unzip()
}

/// Reads the entries of these objects, and the database's clock. Each is looked up by the index: OFFSET 0 keeps the planner
/// from turning it round, whatever the statistics say of a table that has grown since.
pub(super) fn read(client: &mut impl GenericClient, keys: &[Key]) -> Result<(Moment, BTreeMap<Key, Entry>)> {
    let (tables, pks) = columns(keys);
    let sql = format!(
        "SELECT clock_timestamp(), o.entity_table, o.entity_pk, {COLUMNS}
         FROM (SELECT) AS one
         LEFT JOIN (unnest($1::text[], $2::bigint[]) AS u (t, pk)
                    JOIN LATERAL (SELECT * FROM news_sync_object WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS o ON true)
             ON true"
    );
    let rows = client.query_typed(&sql, &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)])?;
    let now = rows.first().map_or(Moment(0), |row| moment(row.get(0)));
    let known = rows.iter().filter(|row| row.get::<_, Option<&str>>(1).is_some());
    let entries = known.map(|row| Ok((key(row, 1, 2)?, entry(row, 3)?)));
    Ok((now, entries.collect::<Result<_>>()?))
}

/// Reads the entries of these objects.
pub fn entries(client: &mut impl GenericClient, keys: &[Key]) -> Result<BTreeMap<Key, Entry>> {
    Ok(read(client, keys)?.1)
}

/// Calls `each` with every entry, in the table's order.
pub(super) fn each(client: &mut impl GenericClient, each: impl FnMut(Key, Entry)) -> Result<()> {
    each_where(client, "true", each)
}

/// Calls `each` with the entries of objects whose changes an operator dropped.
pub fn each_discarded(client: &mut impl GenericClient, each: impl FnMut(Key, Entry)) -> Result<()> {
    each_where(client, "o.state = 'discarded'", each)
}

fn each_where(client: &mut impl GenericClient, these: &str, mut each: impl FnMut(Key, Entry)) -> Result<()> {
    let none: [(&str, Type); 0] = [];
    let sql = format!("SELECT o.entity_table, o.entity_pk, {COLUMNS} FROM news_sync_object o WHERE {these}");
    let mut rows = client.query_typed_raw(&sql, none)?;
    while let Some(row) = rows.next()? {
        each(key(&row, 0, 1)?, entry(&row, 2)?);
    }
    Ok(())
}

/// Writes entries, and removes those that are `None`.
pub(super) fn write<'e>(
    transaction: &mut Transaction<'_>,
    entries: impl IntoIterator<Item = (Key, Option<&'e Entry>)>,
) -> Result<()> {
    let mut gone = Vec::new();
    let mut kept: Vec<(Key, &Entry)> = Vec::new();
    for (key, entry) in entries {
        match entry {
            Some(entry) => kept.push((key, entry)),
            None => gone.push(key),
        }
    }
    if !gone.is_empty() {
        let (tables, pks) = columns(&gone);
        transaction.execute_typed(
            "DELETE FROM news_sync_object WHERE ctid = ANY (ARRAY(
                 SELECT o.ctid FROM unnest($1::text[], $2::bigint[]) AS u (t, pk),
                     LATERAL (SELECT ctid FROM news_sync_object WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS o))",
            &[(&tables, Type::TEXT_ARRAY), (&pks, Type::INT8_ARRAY)],
        )?;
    }
    if kept.is_empty() {
        return Ok(());
    }
    let (tables, pks) = columns(kept.iter().map(|(key, _)| key));
    let of = |column: fn(&Entry) -> Option<i64>| kept.iter().map(|(_, entry)| column(entry)).collect::<Vec<_>>();
    let times = |column: fn(&Entry) -> Option<Moment>| {
        kept.iter().map(|(_, entry)| column(entry).map(stamp)).collect::<Vec<Option<SystemTime>>>()
    };
    let texts = |column: fn(&Entry) -> &'static str| kept.iter().map(|(_, entry)| column(entry)).collect::<Vec<_>>();
    // U+0000 is impossible in PostgreSQL; `reply` leaves none, a driver's error might.
    let reasons: Vec<String> = kept.iter().map(|(_, entry)| entry.reason.replace('\0', " ")).collect();
    let there: Vec<String> = kept.iter().map(|(_, entry)| stranded::array(&entry.there)).collect();
    let status: Vec<Option<i32>> = kept.iter().map(|(_, entry)| entry.status.map(i32::from)).collect();
    let failures: Vec<i32> = kept.iter().map(|(_, entry)| i32::try_from(entry.failures).unwrap_or(i32::MAX)).collect();
    let values: [(&(dyn ToSql + Sync), Type); 15] = [
        (&tables, Type::TEXT_ARRAY),
        (&pks, Type::INT8_ARRAY),
        (&texts(|entry| entry.presence.word()), Type::TEXT_ARRAY),
        (&texts(|entry| entry.state.word()), Type::TEXT_ARRAY),
        (&of(|entry| Some(entry.event_id)), Type::INT8_ARRAY),
        (&of(|entry| entry.parent.map(PostId::get)), Type::INT8_ARRAY),
        (&of(|entry| entry.home.map(PostId::get)), Type::INT8_ARRAY),
        (&there, Type::TEXT_ARRAY),
        (&status, Type::INT4_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
        (&failures, Type::INT4_ARRAY),
        (&times(|entry| entry.next_try_at), Type::TIMESTAMPTZ_ARRAY),
        (&times(|entry| entry.settled_at), Type::TIMESTAMPTZ_ARRAY),
        (&times(|entry| Some(entry.since)), Type::TIMESTAMPTZ_ARRAY),
        (&times(|entry| Some(entry.updated_at)), Type::TIMESTAMPTZ_ARRAY),
    ];
    // Sent whole, as all statements of a run are: preparing one would be another round trip.
    transaction.execute_typed(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, there_pks, status, reason,
             failures, next_try_at, settled_at, since, updated_at)
         SELECT t, pk, presence, state, event_id, parent, home, there::bigint[], status, reason, failures, next_try_at, settled_at,
             since, updated_at
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
             $9::int[], $10::text[], $11::int[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[])
             AS u (t, pk, presence, state, event_id, parent, home, there, status, reason, failures, next_try_at, settled_at,
                 since, updated_at)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = excluded.presence, state = excluded.state,
             event_id = excluded.event_id, parent_pk = excluded.parent_pk, home_pk = excluded.home_pk,
             there_pks = excluded.there_pks, status = excluded.status, reason = excluded.reason, failures = excluded.failures,
             next_try_at = excluded.next_try_at, settled_at = excluded.settled_at, since = excluded.since,
             updated_at = excluded.updated_at",
        &values,
    )?;
    Ok(())
}

/// What preparing a batch came to.
#[derive(Debug, Default)]
pub struct PreparedBatch {
    /// What the session is told of each object.
    pub loaded: Vec<(Key, Loaded)>,
    /// The rows of those that are sent.
    pub objects: BTreeMap<Key, Object>,
}

/// Before requests are sent: reads the rows, and commits for each object that a request may be sent.
pub fn prepare(client: &mut Client, works: &[(Work, Mark)]) -> Result<PreparedBatch> {
    let mut on_hold = BTreeSet::new();
    loop {
        match prepare_but(client, works, &on_hold)? {
            Ok(batch) => return Ok(batch),
            // Since the plan was made.
            Err(held) => on_hold = held,
        }
    }
}

/// The same, for all but those that are known to be on hold. If others are, nothing is committed, and all that are are
/// returned.
fn prepare_but(
    client: &mut Client,
    works: &[(Work, Mark)],
    on_hold: &BTreeSet<Key>,
) -> Result<std::result::Result<PreparedBatch, BTreeSet<Key>>> {
    let mut transaction = client.transaction()?;
    let keys: Vec<Key> = works.iter().map(|(work, _)| work.key).collect();
    let mut rows = left_out::load_to_send(&mut transaction, &keys)?;
    let (now, old) = read(&mut transaction, &keys)?;
    let contradicts = |work: &Work| rows.contains_key(&work.key) != (work.after == Wish::Present);
    let doubted: Vec<(Key, Mark)> =
        works.iter().filter(|(work, _)| contradicts(work)).map(|(work, mark)| (work.key, *mark)).collect();
    let newer = newer(&mut transaction, &doubted)?;
    let mut batch = PreparedBatch::default();
    let (mut entries, mut cleared) = (Vec::new(), Vec::new());
    for (work, mark) in works {
        let row = rows.remove(&work.key);
        let found = MasterRow {
            row: match &row {
                None => FoundRow::None,
                Some(Ok(object)) => FoundRow::Some { parent: object.parent() },
                Some(Err(why)) => FoundRow::Unreadable(why.clone()),
            },
            is_newer: newer.contains(&work.key),
            is_on_hold: on_hold.contains(&work.key),
        };
        let Prepared { loaded, entry } = ledger::prepare(work, mark, old.get(&work.key), &found, now);
        if let (Key::Post(post), Presence::Doubled, Loaded::Ready) = (work.key, work.before, &loaded) {
            cleared.push(post);
        }
        entries.extend(entry.map(|entry| (work.key, entry)));
        if let Some(Ok(object)) = row {
            batch.objects.insert(work.key, object);
        }
        batch.loaded.push((work.key, loaded));
    }
    write(&mut transaction, entries.iter().map(|(key, entry)| (*key, Some(entry))))?;
    stranded::doubt(&mut transaction, &cleared, now)?;
    // Only now: who puts an object on hold waits for what we have written, and sees it.
    let held: BTreeSet<Key> = holds::of(&mut transaction, &keys)?.into_keys().collect();
    if !held.is_subset(on_hold) {
        return Ok(Err(held));
    }
    transaction.commit()?;
    Ok(Ok(batch))
}

/// Returns those of the objects that have an unsynced event besides those of their mark.
fn newer(client: &mut impl GenericClient, marks: &[(Key, Mark)]) -> Result<Vec<Key>> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let (tables, pks) = columns(marks.iter().map(|(key, _)| key));
    let (firsts, lasts) = ids(marks.iter().map(|(_, mark)| mark));
    let rows = client.query_typed(
        "SELECT t, pk FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (t, pk, first_id, last_id)
         WHERE EXISTS (SELECT FROM news_modelevent
                       WHERE entity_table = t AND entity_pk = pk AND id NOT BETWEEN first_id AND last_id AND synced_at IS NULL)",
        &[
            (&tables, Type::TEXT_ARRAY),
            (&pks, Type::INT8_ARRAY),
            (&firsts, Type::INT8_ARRAY),
            (&lasts, Type::INT8_ARRAY),
        ],
    )?;
    rows.iter().map(|row| key(row, 0, 1)).collect()
}

/// After answers: commits what they came to in `run`, in one transaction. May be repeated.
pub fn record(
    client: &mut Client,
    run: i64,
    told: &[Recorded],
    marks: &BTreeMap<Key, Mark>,
    attempt: Attempt,
    kept_before: kept::Entries,
) -> Result<()> {
    let known: Vec<(&Recorded, Mark)> =
        told.iter().filter_map(|one| Some((one, *marks.get(&one.fact.key())?))).collect();
    let mut transaction = client.transaction()?;
    // If the server loses this commit, the entry that says "sent" is still there, and the object is asked for. The end
    // of the run is a commit that waits, for all of them.
    transaction.batch_execute("SET LOCAL synchronous_commit = off")?;
    sent::keep(&mut transaction, run, &known, attempt)?;
    let known: Vec<(&Fact, Mark)> = known.iter().map(|(one, mark)| (&one.fact, *mark)).collect();
    // Only these depend on what was known before, and on what came since.
    let lasting = known.iter().filter(|(fact, mark)| !matches!(fact, Fact::Done(..)) || mark.basis == Basis::Look);
    let keys: Vec<Key> = lasting.map(|(fact, _)| fact.key()).collect();
    let (now, old) = if keys.is_empty() { (Moment(0), BTreeMap::new()) } else { read(&mut transaction, &keys)? };
    let looks = known.iter().filter(|(fact, mark)| matches!(fact, Fact::Done(..)) && mark.basis == Basis::Look);
    let looks: Vec<(Key, Mark)> = looks.map(|(fact, mark)| (fact.key(), *mark)).collect();
    let newer = newer(&mut transaction, &looks)?;
    let entries = known.iter().map(|(fact, mark)| {
        let is_newer = if newer.contains(&fact.key()) { Newer::Some } else { Newer::None };
        (fact.key(), ledger::recorded(fact, mark, old.get(&fact.key()), is_newer, now))
    });
    let entries: Vec<(Key, Option<Entry>)> = entries.collect();
    write(&mut transaction, entries.iter().map(|(key, entry)| (*key, entry.as_ref())))?;
    let facts: Vec<&Fact> = known.iter().map(|(fact, _)| *fact).collect();
    stranded::record(&mut transaction, &facts)?;
    kept::record(&mut transaction, &facts, kept_before)?;
    sent::keep_answers(&mut transaction, run, told)?;
    transaction.commit()?;
    Ok(())
}

/// Remembers that every event logged until now is doubtful: something that was to be created was found at the target.
pub fn doubt_the_log(client: &mut Client) -> Result<()> {
    client.execute(
        "UPDATE news_sync_state SET doubtful_until = greatest(doubtful_until, (SELECT coalesce(max(id), 0) FROM news_modelevent))",
        &[],
    )?;
    Ok(())
}

/// Takes back that objects wait from run to run, of those that `run` left: the target was unavailable.
pub fn forgive(client: &mut Client, run: i64) -> Result<()> {
    let mut transaction = client.transaction()?;
    let sql = format!(
        "SELECT o.entity_table, o.entity_pk, {COLUMNS} FROM news_sync_object o
         WHERE state = 'waiting' AND next_try_at IS NOT NULL
           AND updated_at >= (SELECT started_at FROM news_sync_run WHERE id = $1)"
    );
    let rows = transaction.query(&sql, &[&run])?;
    let entries: Vec<(Key, Entry)> =
        rows.iter().map(|row| Ok((key(row, 0, 1)?, ledger::forgiven(&entry(row, 2)?)))).collect::<Result<_>>()?;
    write(&mut transaction, entries.iter().map(|(key, entry)| (*key, Some(entry))))?;
    transaction.commit()?;
    Ok(())
}

/// Returns how long it takes until every unanswered request of earlier runs has had its effect.
pub fn settles_in(client: &mut impl GenericClient, clock: &Clock) -> Result<Duration> {
    let row = client
        .query_one("SELECT max(settled_at), coalesce(bool_or(state = 'sent'), false) FROM news_sync_object", &[])?;
    let settled_at = row.get::<_, Option<SystemTime>>(0).map(moment);
    Ok(clock.until_settled(&Outstanding { settled_at, is_sent: row.get(1) }))
}

/// Forgets what is remembered of objects that an import brings: `true` for all, `false` for those that have a row now. Of the
/// others it is unknown from now on whether the target has them.
pub fn start_afresh(transaction: &mut Transaction<'_>, scope: Scope) -> Result<u64> {
    let here = "((entity_table = 'news_post' AND EXISTS (SELECT FROM news_post p WHERE p.id = entity_pk))
                 OR (entity_table = 'news_comment' AND EXISTS (SELECT FROM news_comment c WHERE c.id = entity_pk)))";
    let which = match scope {
        Scope::All => "true",
        Scope::Rows => here,
    };
    let synced = transaction.execute(
        &format!("UPDATE news_modelevent SET synced_at = clock_timestamp() WHERE synced_at IS NULL AND {which}"),
        &[],
    )?;
    transaction.execute(&format!("DELETE FROM news_sync_object WHERE {which}"), &[])?;
    if scope == Scope::Rows {
        transaction
            .execute("UPDATE news_modelevent SET doubt = true WHERE synced_at IS NULL AND doubt IS NOT TRUE", &[])?;
        transaction.execute(
            "UPDATE news_sync_object SET presence = 'unknown' WHERE presence NOT IN ('unknown', 'doubled')",
            &[],
        )?;
    }
    transaction.execute(&format!("DELETE FROM news_sync_kept WHERE {which}"), &[])?;
    transaction.execute("DELETE FROM news_sync_left_out", &[])?;
    Ok(synced)
}

/// What an import starts afresh with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: it was loaded from the target itself.
    All,
    /// The objects that it brought: it was loaded from files, and the target may have others.
    Rows,
}
