//! What runs came to, object by object (`news_sync_sent`), and the marks in the change log that go with it.

use news_core::Key;
use news_core::ledger::Mark;
use news_core::reply::{self, Method, Reply};
use news_core::session::{CameTo, Fact, WasAsked};
use postgres::Transaction;
use postgres::types::{ToSql, Type};

use crate::clock::Tick;
use crate::error::Result;
use crate::store::ledger::columns;

/// As much as [`reply::kept`] may want of a body: a character has at most four bytes.
const BODY_BYTES_MAX: usize = reply::KEPT_CHARS_MAX * 4;

/// A request for an object, and its response.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request's method.
    pub method: Method,
    /// The response's status, if there was a response.
    pub status: Option<u16>,
    /// The start of its body.
    body: String,
    /// When the request was sent.
    pub sent_at: Tick,
    /// When its response was there, or given up.
    pub back_at: Tick,
}

impl Exchange {
    /// Keeps what matters of a request that was sent at `sent_at`, and of its reply, which was there at `back_at`.
    pub fn new(method: Method, reply: Reply, sent_at: Tick, back_at: Tick) -> Self {
        let (status, mut body) = match reply {
            Reply::Http { status, body, .. } => (Some(status), body),
            Reply::NotSent { .. } | Reply::Lost { .. } => (None, String::new()),
        };
        // Most bodies are dropped with the object that is done: what is kept of the others is chosen when it is written.
        if body.len() > BODY_BYTES_MAX {
            body.truncate(body.floor_char_boundary(BODY_BYTES_MAX));
            body.shrink_to_fit();
        }
        Self { method, status, body, sent_at, back_at }
    }

    /// Returns how long the target took, in milliseconds.
    pub fn ms(&self) -> i32 {
        i32::try_from(self.back_at.since(self.sent_at).as_millis()).unwrap_or(i32::MAX)
    }
}

/// A fact, and the object's last exchange of the run.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What is to be recorded.
    pub fact: Fact,
    /// The last exchange; `None` where the run sent nothing for the object.
    pub last: Option<Exchange>,
}

impl Recorded {
    /// Records an object that needed no request.
    pub fn unasked(fact: Fact) -> Self {
        Self { fact, last: None }
    }

    fn is_done(&self) -> bool {
        matches!(self.fact, Fact::Done(..))
    }

    fn kept(&self) -> Option<&'static str> {
        let asked = if self.last.is_some() { WasAsked::Yes } else { WasAsked::No };
        CameTo::kept(&self.fact, asked).map(CameTo::word)
    }
}

/// Whether a record may have been committed before: the answer to its commit was lost with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It was not.
    First,
    /// It may have been.
    Again,
}

/// Marks as synced what was read (of each object that is done, the unsynced events of its mark), and keeps what `run` came to for
/// each object that is worth it.
pub(super) fn keep(
    transaction: &mut Transaction<'_>,
    run: i64,
    known: &[(&Recorded, Mark)],
    attempt: Attempt,
) -> Result<()> {
    let keys: Vec<Key> = known.iter().map(|(one, _)| one.fact.key()).collect();
    let (tables, pks) = columns(&keys);
    let of = |column: fn(&Mark) -> i64| -> Vec<Option<i64>> {
        known.iter().map(|(_, mark)| (mark.last_id > 0).then(|| column(mark))).collect()
    };
    let is_done: Vec<bool> = known.iter().map(|(one, _)| one.is_done()).collect();
    let synced = |(one, mark): &(&Recorded, Mark)| if one.is_done() { mark.events } else { 0 };
    let events: Vec<i32> = known.iter().map(|one| i32::try_from(synced(one)).unwrap_or(i32::MAX)).collect();
    let came_to: Vec<Option<&str>> = known.iter().map(|(one, _)| one.kept()).collect();
    let last = || known.iter().map(|(one, _)| one.last.as_ref());
    let methods: Vec<Option<&str>> = last().map(|last| last.map(|last| last.method.name())).collect();
    let statuses: Vec<Option<i32>> = last().map(|last| last.and_then(|last| last.status.map(i32::from))).collect();
    let times_ms: Vec<Option<i32>> = last().map(|last| last.map(Exchange::ms)).collect();
    let is_again = attempt == Attempt::Again;
    let values: [(&(dyn ToSql + Sync), Type); 12] = [
        (&tables, Type::TEXT_ARRAY),
        (&pks, Type::INT8_ARRAY),
        (&of(|mark| mark.first_id), Type::INT8_ARRAY),
        (&of(|mark| mark.last_id), Type::INT8_ARRAY),
        (&is_done, Type::BOOL_ARRAY),
        (&came_to, Type::TEXT_ARRAY),
        (&methods, Type::TEXT_ARRAY),
        (&statuses, Type::INT4_ARRAY),
        (&times_ms, Type::INT4_ARRAY),
        (&events, Type::INT4_ARRAY),
        (&run, Type::INT8),
        (&is_again, Type::BOOL),
    ];
    // One statement: each costs a round trip.
    transaction.execute_typed(
        "WITH u AS MATERIALIZED (
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bool[], $6::text[], $7::text[],
                 $8::int[], $9::int[], $10::int[]) AS u (t, pk, first_id, last_id, is_done, came_to, method, status, ms, events)
         ), marked AS (
             UPDATE news_modelevent SET synced_at = clock_timestamp() WHERE id = ANY (ARRAY(
                 SELECT e.id FROM u,
                     LATERAL (SELECT id FROM news_modelevent
                              WHERE entity_table = t AND entity_pk = pk AND id BETWEEN first_id AND last_id
                                  AND synced_at IS NULL OFFSET 0) AS e
                 WHERE is_done))
         )
         INSERT INTO news_sync_sent
             (run_id, entity_table, entity_pk, came_to, method, status, ms, first_event, last_event, events)
         SELECT $11, t, pk, came_to, method, status, ms, first_id, last_id, events
         FROM u
         WHERE came_to IS NOT NULL AND (NOT $12 OR NOT EXISTS (
             SELECT FROM news_sync_sent s
             WHERE s.entity_table = u.t AND s.entity_pk = u.pk AND s.run_id = $11 AND s.came_to = u.came_to))",
        &values,
    )?;
    Ok(())
}

/// Keeps the last response with the ledger's entry, of each object that has one.
pub(super) fn keep_answers(transaction: &mut Transaction<'_>, run: i64, told: &[Recorded]) -> Result<()> {
    let answers: Vec<(Key, &Exchange)> = told
        .iter()
        .filter(|one| !matches!(one.fact, Fact::Done(..)))
        .filter_map(|one| Some((one.fact.key(), one.last.as_ref()?)))
        .collect();
    if answers.is_empty() {
        return Ok(());
    }
    let (tables, pks) = columns(answers.iter().map(|(key, _)| key));
    let methods: Vec<&str> = answers.iter().map(|(_, last)| last.method.name()).collect();
    let times_ms: Vec<i32> = answers.iter().map(|(_, last)| last.ms()).collect();
    let ages_s: Vec<f64> = answers.iter().map(|(_, last)| last.sent_at.elapsed().as_secs_f64()).collect();
    let bodies: Vec<String> = answers.iter().map(|(_, last)| reply::kept(&last.body)).collect();
    transaction.execute_typed(
        "UPDATE news_sync_object o SET run_id = $1, method = u.method, ms = u.ms, body = nullif(u.body, ''),
             asked_at = clock_timestamp() - u.age_s * interval '1 second'
         FROM unnest($2::text[], $3::bigint[], $4::text[], $5::int[], $6::float8[], $7::text[])
             AS u (t, pk, method, ms, age_s, body)
         WHERE o.ctid = (SELECT ctid FROM news_sync_object WHERE entity_table = u.t AND entity_pk = u.pk)",
        &[
            (&run, Type::INT8),
            (&tables, Type::TEXT_ARRAY),
            (&pks, Type::INT8_ARRAY),
            (&methods, Type::TEXT_ARRAY),
            (&times_ms, Type::INT4_ARRAY),
            (&ages_s, Type::FLOAT8_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
        ],
    )?;
    Ok(())
}
