//! Conversations with the target, as they are recorded: `news_sync_object`, and the marks
//! in the change log that follow from them.

use std::collections::BTreeMap;
use std::time::Duration;

use news_core::merge::{Presence, Wish};
use news_core::session::{Fact, Left};
use news_core::{Comment, CommentId, Entity, Key, Object, Post, PostId};
use postgres::{Client, GenericClient};

use crate::error::{Failure, Kind, Result};
use crate::store::log::presence_word;

/// An object that failed waits so long under --every and --follow, doubling from run to run.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_hours(1);

/// What of an object's events a run has read.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The last: exactly the unsynced ones up to it are marked.
    pub last_id: i64,
    /// Of a comment: its post.
    pub parent: Option<PostId>,
}

/// Columns for UNNEST.
#[derive(Default)]
struct Columns {
    tables: Vec<&'static str>,
    pks: Vec<i64>,
    last_ids: Vec<i64>,
    parents: Vec<Option<i64>>,
}

impl Columns {
    fn push(&mut self, key: Key, mark: Mark) {
        self.tables.push(key.entity().table());
        self.pks.push(key.id());
        self.last_ids.push(mark.last_id);
        self.parents.push(mark.parent.map(PostId::get));
    }
}

/// Before requests are sent: reads the rows, and commits for every object that is still
/// wished as the plan says (a row for Present, none for Absent) that a request may be sent.
/// Nothing is recorded of the others: a newer event speaks for them.
pub fn prepare(client: &mut Client, works: &[(Key, Wish, Mark)]) -> Result<BTreeMap<Key, Object>> {
    let mut transaction = client.transaction()?;
    let objects = load(&mut transaction, works.iter().map(|(key, _, _)| *key))?;
    let mut columns = Columns::default();
    for (key, wish, mark) in works {
        if objects.contains_key(key) == (*wish == Wish::Present) {
            columns.push(*key, *mark);
        }
    }
    announce_all(&mut transaction, &columns)?;
    transaction.commit()?;
    Ok(objects)
}

fn announce_all(client: &mut impl GenericClient, columns: &Columns) -> Result<()> {
    client.execute(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk)
         SELECT t, pk, 'unknown', 'sent', event_id, parent
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (t, pk, event_id, parent)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = 'unknown', state = 'sent',
             failures = CASE WHEN news_sync_object.event_id = excluded.event_id THEN news_sync_object.failures ELSE 0 END,
             event_id = excluded.event_id, parent_pk = excluded.parent_pk, next_try_at = NULL,
             updated_at = clock_timestamp()",
        &[&columns.tables, &columns.pks, &columns.last_ids, &columns.parents],
    )?;
    Ok(())
}

/// Reads rows by key; keys without a row are left out.
pub fn load(client: &mut impl GenericClient, keys: impl Iterator<Item = Key>) -> Result<BTreeMap<Key, Object>> {
    let (mut posts, mut comments) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            Key::Post(id) => posts.push(id.get()),
            Key::Comment(id) => comments.push(id.get()),
        }
    }
    let mut objects = BTreeMap::new();
    if !posts.is_empty() {
        for row in client.query(&format!("{} WHERE id = ANY($1)", select(Entity::Post)), &[&posts])? {
            let object = object(Entity::Post, &row)?;
            objects.insert(object.key(), object);
        }
    }
    if !comments.is_empty() {
        for row in client.query(&format!("{} WHERE id = ANY($1)", select(Entity::Comment)), &[&comments])? {
            let object = object(Entity::Comment, &row)?;
            objects.insert(object.key(), object);
        }
    }
    Ok(objects)
}

/// The SELECT that [`object`] reads. A database that was taken over may have a smaller user_id.
pub fn select(entity: Entity) -> &'static str {
    match entity {
        Entity::Post => "SELECT id, user_id::bigint, title, body FROM news_post",
        Entity::Comment => "SELECT id, post_id, name, email, body FROM news_comment",
    }
}

/// Makes an object of a row of [`select`].
pub fn object(entity: Entity, row: &postgres::Row) -> Result<Object> {
    let bad = |why: String| Failure::new(Kind::Database, format!("{entity}/{}: {why}", row.get::<_, i64>(0)));
    let faults = |faults: Vec<news_core::model::Fault>| {
        bad(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    match entity {
        Entity::Post => {
            let id = PostId::new(row.get(0)).map_err(|error| bad(error.to_string()))?;
            Post::new(id, row.get(1), row.get(2), row.get(3)).map(Object::Post).map_err(faults)
        }
        Entity::Comment => {
            let id = CommentId::new(row.get(0)).map_err(|error| bad(error.to_string()))?;
            let post = PostId::new(row.get(1)).map_err(|error| bad(error.to_string()))?;
            Comment::new(id, post, row.get(2), row.get(3), row.get(4)).map(Object::Comment).map_err(faults)
        }
    }
}

/// After answers: commits what they came to, in one transaction. May be repeated.
pub fn record(client: &mut Client, facts: &[Fact], marks: &BTreeMap<Key, Mark>) -> Result<()> {
    let (mut done, mut left, mut rest) = (Columns::default(), Columns::default(), LeftColumns::default());
    for fact in facts {
        let key = fact.key();
        let Some(mark) = marks.get(&key).copied() else { continue };
        match fact {
            Fact::Done(_) => done.push(key, mark),
            Fact::Left { presence, end, status, why, .. } => {
                left.push(key, mark);
                rest.push(*presence, *end, *status, why);
            }
        }
    }
    let mut transaction = client.transaction()?;
    // If the server loses this commit, the row that says "sent" is still there, and the
    // object is asked for. The end of the run is a commit that waits, for all of them.
    transaction.batch_execute("SET LOCAL synchronous_commit = off")?;
    if !done.pks.is_empty() {
        // Exactly what was read: a newer event of the object stays pending.
        transaction.execute(
            "UPDATE news_modelevent e SET synced_at = clock_timestamp()
             FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (t, pk, last_id)
             WHERE e.entity_table = u.t AND e.entity_pk = u.pk AND e.id <= u.last_id AND e.synced_at IS NULL",
            &[&done.tables, &done.pks, &done.last_ids],
        )?;
        // No event said what was there before, so a newer one does not either: the next run asks.
        transaction.execute(
            "UPDATE news_sync_object o SET presence = 'unknown', state = 'waiting', reason = NULL, status = NULL
             FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (t, pk, last_id)
             WHERE o.entity_table = u.t AND o.entity_pk = u.pk AND u.last_id = 0 AND EXISTS (
                 SELECT FROM news_modelevent e WHERE e.entity_table = u.t AND e.entity_pk = u.pk AND e.synced_at IS NULL)",
            &[&done.tables, &done.pks, &done.last_ids],
        )?;
        transaction.execute(
            "DELETE FROM news_sync_object o USING unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (t, pk, last_id)
             WHERE o.entity_table = u.t AND o.entity_pk = u.pk AND (u.last_id <> 0 OR NOT EXISTS (
                 SELECT FROM news_modelevent e WHERE e.entity_table = u.t AND e.entity_pk = u.pk AND e.synced_at IS NULL))",
            &[&done.tables, &done.pks, &done.last_ids],
        )?;
    }
    if !left.pks.is_empty() {
        // Whom trouble left waits from run to run under --every and --follow; whom a newer
        // change overtook, or a stop left, has no trouble to tell of and goes next time.
        transaction.execute(
            "INSERT INTO news_sync_object AS o (entity_table, entity_pk, presence, state, event_id, parent_pk, status,
                 reason, failures, next_try_at)
             SELECT t, pk, presence, state, event_id, parent, status, reason, failed,
                 CASE WHEN state = 'waiting' AND failed = 1 THEN clock_timestamp() + $9::float8 * interval '1 second' END
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::text[])
                  AS u (t, pk, event_id, parent, presence, state, status, reason),
                  LATERAL (SELECT CASE WHEN state <> 'held' AND reason <> '' THEN 1 ELSE 0 END) AS f (failed)
             ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = excluded.presence, state = excluded.state,
                 event_id = excluded.event_id, parent_pk = excluded.parent_pk, status = excluded.status,
                 reason = excluded.reason, failures = o.failures + excluded.failures, updated_at = clock_timestamp(),
                 next_try_at = CASE WHEN excluded.next_try_at IS NOT NULL THEN clock_timestamp() +
                     least($9::float8 * power(2, least(o.failures, 30)), $10::float8) * interval '1 second' END",
            &[&left.tables, &left.pks, &left.last_ids, &left.parents, &rest.presences, &rest.states, &rest.statuses,
              &rest.reasons, &AGAIN_AFTER.as_secs_f64(), &AGAIN_AFTER_MAX.as_secs_f64()],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

/// Takes back that objects wait from run to run, of those that `run` left: the target was
/// away, which says nothing about any of them.
pub fn forgive(client: &mut Client, run: i64) -> Result<()> {
    client.execute(
        "UPDATE news_sync_object SET next_try_at = NULL, failures = greatest(failures - 1, 0)
         WHERE state = 'waiting' AND next_try_at IS NOT NULL
           AND updated_at >= (SELECT started_at FROM news_sync_run WHERE id = $1)",
        &[&run],
    )?;
    Ok(())
}

#[derive(Default)]
struct LeftColumns {
    presences: Vec<&'static str>,
    states: Vec<&'static str>,
    statuses: Vec<Option<i32>>,
    reasons: Vec<String>,
}

impl LeftColumns {
    fn push(&mut self, presence: Presence, end: Left, status: Option<u16>, why: &str) {
        self.presences.push(presence_word(presence));
        self.states.push(match end {
            Left::Waiting => "waiting",
            Left::Held => "held",
            Left::Parked => "parked",
        });
        self.statuses.push(status.map(i32::from));
        // U+0000 is impossible in PostgreSQL; `reply` leaves none, a driver's error might.
        self.reasons.push(why.replace('\0', " "));
    }
}

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

/// Lists the comments of these posts, each with its post.
pub fn comments_of(client: &mut impl GenericClient, posts: &[PostId]) -> Result<Vec<(Key, PostId)>> {
    let posts: Vec<i64> = posts.iter().map(|post| post.get()).collect();
    let rows = client.query("SELECT id, post_id FROM news_comment WHERE post_id = ANY($1)", &[&posts])?;
    let pair = |row: &postgres::Row| Some((Entity::Comment.key(row.get(0)).ok()?, PostId::new(row.get(1)).ok()?));
    Ok(rows.iter().filter_map(pair).collect())
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

/// Lists the pending comments of a post that is yet to be created at the target.
fn comments_without(client: &mut impl GenericClient, post: PostId) -> Result<Vec<Key>> {
    let rows = client.query(
        "SELECT c.id FROM news_comment c
         WHERE c.post_id = $1
           AND EXISTS (SELECT FROM news_modelevent WHERE entity_table = 'news_comment' AND entity_pk = c.id AND synced_at IS NULL)
           AND 'CREATED' = (SELECT type FROM news_modelevent
                            WHERE entity_table = 'news_post' AND entity_pk = $1 AND synced_at IS NULL ORDER BY id LIMIT 1)
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
    // The target has it or not, whatever the log says from now on: the next change asks.
    client.execute(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id)
         VALUES ($1, $2, 'unknown', 'discarded', 0)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = 'unknown', state = 'discarded', status = NULL,
             reason = NULL, failures = 0, next_try_at = NULL",
        &[&table, &pk],
    )?;
    Ok(Some(events))
}
