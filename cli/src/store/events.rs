//! The change log for people: events, who made them, and which run synced them.

use std::collections::BTreeSet;
use std::time::Duration;

use news_core::Key;
use news_core::tail::{GivenUp, Tail};
use postgres::types::Type;
use postgres::{Client, GenericClient, Row};

use crate::error::{Failure, Kind, Result};
use crate::pg::{Purpose, connect};
use crate::secret::Secret;
use crate::store::ledger::{columns, key};
use crate::store::schema;

/// Behind the newest event so many ids are searched for the events of an object: there is no index by object over the whole log, as it
/// would cost every change. Older ones are found by what runs came to.
pub const LOOK_BACK_IDS: i64 = 1_000_000;
/// Of a run that was about events further apart than this, the first and the last are shown.
const RANGE_IDS_MAX: i64 = 10_000;
/// A follower that begins waits for ids that are missing among so many before the newest one.
const BEGINS_BEFORE_IDS: i64 = 10_000;
/// Events read at a time.
const READ_MAX: i64 = 1000;

/// An event.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its id.
    pub id: i64,
    /// When it was logged: UTC, RFC 3339.
    pub logged_at: String,
    /// Of which object.
    pub key: Key,
    /// CREATED, UPDATED, DELETED.
    pub kind: String,
    /// Who made the change, if that is known.
    pub actor: Option<String>,
    /// When it was marked as synced: UTC, RFC 3339.
    pub synced_at: Option<String>,
    /// Which run synced it, and what that came to.
    pub run: Option<(i64, String)>,
    /// Who discarded it.
    pub discarded_by: Option<String>,
}

/// Selects the events of `ids (id)`, in the order of the log.
const SELECT: &str = r#"
    SELECT e.id, to_char(e.logged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), e.entity_table, e.entity_pk, e.type,
           e.actor, to_char(e.synced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), s.run_id, s.came_to, a.who
    FROM (SELECT DISTINCT id FROM ids) AS ids
    JOIN LATERAL (SELECT * FROM news_modelevent WHERE id = ids.id OFFSET 0) AS e ON true
    LEFT JOIN LATERAL (
        SELECT run_id, came_to FROM news_sync_sent
        WHERE entity_table = e.entity_table AND entity_pk = e.entity_pk AND events > 0
            AND e.id BETWEEN first_event AND last_event AND e.synced_at IS NOT NULL
        ORDER BY run_id DESC, at DESC LIMIT 1) AS s ON true
    LEFT JOIN LATERAL (
        SELECT who FROM news_sync_act
        WHERE s.run_id IS NULL AND what = 'discarded' AND at = e.synced_at
            AND keys || along @> ARRAY[CASE e.entity_table WHEN 'news_post' THEN 'posts/' ELSE 'comments/' END || e.entity_pk]
        LIMIT 1) AS a ON true"#;

fn event(row: &Row) -> Result<EventRow> {
    let run: Option<i64> = row.get(7);
    Ok(EventRow {
        id: row.get(0),
        logged_at: row.get(1),
        key: key(row, 2, 3)?,
        kind: row.get(4),
        actor: row.get(5),
        synced_at: row.get(6),
        run: run.map(|run| (run, row.get(8))),
        discarded_by: row.get(9),
    })
}

/// Events that were read.
#[derive(Debug)]
pub struct Newest {
    /// In the order of the log.
    pub events: Vec<EventRow>,
    /// There are older ones.
    pub has_more: bool,
}

/// Reads the newest `limit` events, in the order of the log: of these objects, or of all where none is named; those that were logged
/// less than `since` ago.
pub fn newest(client: &mut impl GenericClient, keys: &[Key], limit: i64, since: Option<Duration>) -> Result<Newest> {
    let (tables, pks) = columns(keys);
    let one_more = limit + 1;
    let since_s = since.map(|since| since.as_secs_f64());
    let ids = if keys.is_empty() {
        "SELECT id FROM news_modelevent WHERE $1::text[] = '{}' AND $2::bigint[] = '{}' ORDER BY id DESC LIMIT $3"
    } else {
        "WITH k AS MATERIALIZED (SELECT DISTINCT t, pk FROM unnest($1::text[], $2::bigint[]) AS k (t, pk)),
              low AS MATERIALIZED (SELECT coalesce(max(id), 0) - $5 AS id FROM news_modelevent)
         (SELECT e.id FROM news_modelevent e JOIN k ON e.entity_table = t AND e.entity_pk = pk WHERE e.id > (SELECT id FROM low)
          ORDER BY e.id DESC LIMIT $3)
         UNION ALL
         SELECT e.id FROM k, LATERAL (SELECT id FROM news_modelevent WHERE entity_table = t AND entity_pk = pk AND synced_at IS NULL
                                      ORDER BY id DESC LIMIT $3) AS e
         UNION ALL
         SELECT e.id FROM k,
             LATERAL (SELECT first_event, last_event FROM news_sync_sent
                      WHERE entity_table = t AND entity_pk = pk AND first_event <= (SELECT id FROM low)
                      ORDER BY run_id DESC LIMIT $3) AS s,
             LATERAL (SELECT id FROM news_modelevent
                      WHERE id BETWEEN first_event AND last_event AND last_event - first_event <= $6
                          AND entity_table = t AND entity_pk = pk
                      UNION ALL SELECT id FROM news_modelevent WHERE id IN (first_event, last_event)) AS e"
    };
    // The types of all parameters are known in either text.
    let sql = format!(
        "WITH ids AS (SELECT id FROM ({ids}) AS found WHERE $5::bigint > 0 AND $6::bigint > 0 ORDER BY id DESC),
              shown AS ({SELECT} WHERE $4::float8 IS NULL OR e.logged_at >= clock_timestamp() - $4 * interval '1 second'
                        ORDER BY e.id DESC LIMIT $3)
         SELECT * FROM shown ORDER BY id"
    );
    let rows = client.query_typed(
        &sql,
        &[
            (&tables, Type::TEXT_ARRAY),
            (&pks, Type::INT8_ARRAY),
            (&one_more, Type::INT8),
            (&since_s, Type::FLOAT8),
            (&LOOK_BACK_IDS, Type::INT8),
            (&RANGE_IDS_MAX, Type::INT8),
        ],
    )?;
    let mut events: Vec<EventRow> = rows.iter().map(event).collect::<Result<_>>()?;
    let has_more = i64::try_from(events.len()).is_ok_and(|count| count > limit);
    if has_more {
        events.remove(0);
    }
    Ok(Newest { events, has_more })
}

/// A connection that follows the log.
pub struct Follower {
    client: Client,
    /// The last id that was handed out, as the look before this one saw it.
    handed_out: Option<i64>,
}

/// What a look found.
#[derive(Debug)]
pub struct LookedEvents {
    /// Events that were committed since the last look, in the order of the log.
    pub events: Vec<EventRow>,
    /// Whether there may be more.
    pub more: More,
    /// Ids that are not waited for any longer.
    pub given_up: Option<GivenUp>,
    /// From where to where somebody has set back the log's sequence, if so: the reader has to begin again.
    pub set_back: Option<(i64, i64)>,
}

/// Whether a look has read all there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// There is more.
    Perhaps,
    /// That was all.
    No,
}

impl Follower {
    /// Connects. Fails with [`Kind::Database`] at a standby, which does not tell who writes.
    pub fn connect(url: &Secret) -> Result<Self> {
        let mut client = connect(url, Purpose::Run)?;
        schema::require_current(&mut client)?;
        if client.query_one("SELECT pg_is_in_recovery()", &[])?.get(0) {
            return Err(Failure::new(Kind::Database, "expected the primary server to follow, found a standby")
                .hint("Connect to the primary: a standby does not tell which transactions are open."));
        }
        // The events are found by their ids, whatever the statistics say.
        client.batch_execute("SET enable_seqscan = off")?;
        Ok(Self { client, handed_out: None })
    }

    /// Returns where to begin, and the newest events: what is committed from now on is for [`Follower::look`].
    pub fn begin(&mut self, keys: &[Key], limit: i64, since: Option<Duration>) -> Result<(Tail, Vec<EventRow>)> {
        let mut moment = super::rows::snapshot(&mut self.client)?;
        let rows = moment.query_typed(
            "WITH low AS MATERIALIZED (SELECT coalesce(max(id), 0) - $1 AS id FROM news_modelevent)
             SELECT id, (SELECT id FROM low) AS floor FROM news_modelevent WHERE id > (SELECT id FROM low) ORDER BY id",
            &[(&BEGINS_BEFORE_IDS, Type::INT8)],
        )?;
        let floor = rows.first().map_or(0, |row| row.get::<_, i64>(1).max(0));
        let tail = Tail::new(floor, rows.iter().map(|row| row.get(0)));
        let events = if limit > 0 { newest(&mut moment, keys, limit, since)?.events } else { Vec::new() };
        moment.commit()?;
        Ok((tail, events))
    }

    /// Looks for events that were committed since the last look.
    pub fn look(&mut self, tail: &mut Tail) -> Result<LookedEvents> {
        // First: what is committed by a transaction that has ended by now is in the snapshot of the next statement. A prepared
        // transaction is among them.
        let rows = self.client.query_typed(
            "SELECT writer, handed_out
             FROM (SELECT pg_get_serial_sequence('news_modelevent', 'id') AS name) AS sequence,
                 LATERAL (SELECT CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT')
                     THEN pg_sequence_last_value(name::regclass) END AS handed_out) AS ids
                 LEFT JOIN (
                     SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
                     WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                         AND relation = 'news_modelevent'::regclass) AS writers ON true",
            &[],
        )?;
        let handed_out: Option<i64> = rows.first().and_then(|row| row.get(1));
        let before = core::mem::replace(&mut self.handed_out, handed_out);
        // RESTART leaves a sequence without a last value.
        let set_back = before.zip(Some(handed_out.unwrap_or(0))).filter(|(before, now)| now < before);
        let writers: BTreeSet<String> = rows.iter().filter_map(|row| row.get(0)).collect();
        let (firsts, lasts): (Vec<i64>, Vec<i64>) = tail.gaps().unzip();
        let sql = format!(
            "WITH ids AS (
                 (SELECT e.id FROM unnest($1::bigint[], $2::bigint[]) AS gap (first_id, last_id),
                     LATERAL (SELECT id FROM news_modelevent WHERE id BETWEEN first_id AND last_id OFFSET 0) AS e LIMIT $4)
                 UNION ALL (SELECT id FROM news_modelevent WHERE id > $3 ORDER BY id LIMIT $4))
             {SELECT} ORDER BY e.id"
        );
        let rows = self.client.query_typed(
            &sql,
            &[
                (&firsts, Type::INT8_ARRAY),
                (&lasts, Type::INT8_ARRAY),
                (&tail.highest(), Type::INT8),
                (&READ_MAX, Type::INT8),
            ],
        )?;
        let events: Vec<EventRow> = rows.iter().map(event).collect::<Result<_>>()?;
        let behind = events.iter().filter(|event| event.id > tail.highest()).count();
        let is_full = |count: usize| i64::try_from(count) == Ok(READ_MAX);
        let ids = events.iter().map(|event| event.id);
        // Where the gaps have more events than were read, none of them may go yet.
        let is_part = is_full(events.len() - behind);
        let more = if is_part || is_full(behind) { More::Perhaps } else { More::No };
        let given_up = if is_part {
            tail.read(ids);
            None
        } else {
            tail.look(&writers, ids)
        };
        Ok(LookedEvents { events, more, given_up, set_back })
    }
}
