//! Conversations with the target, as they are recorded: `news_sync_object`, and the marks
//! in the change log that follow from them.

use std::collections::BTreeMap;
use std::time::Duration;

use news_core::merge::{Presence, Wish};
use news_core::plan::Work;
use news_core::session::{Fact, Left};
use news_core::{Comment, CommentId, Entity, Key, Object, Post, PostId};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, GenericClient};

use crate::error::{Failure, Kind, Result};
use crate::store::log::presence_word;

/// An object that failed waits so long under --every and --follow, doubling from run to run.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_hours(1);
/// The comments of so many posts are asked for at once.
const POSTS_ASKED_FOR: usize = 10_000;

/// What of an object's events a run has read.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The last: exactly the unsynced ones up to it are marked.
    pub last_id: i64,
    /// Of a comment: its post.
    pub parent: Option<PostId>,
    /// Of a comment: by which post a shard has it.
    pub home: Option<PostId>,
    /// What the plan rests on.
    pub basis: Basis,
}

impl Mark {
    /// Of an object without events, in a plan that rests on a look; of a comment with its post.
    pub fn looked_at(parent: Option<PostId>) -> Self {
        Self { last_id: 0, parent, home: parent, basis: Basis::Look }
    }
}

/// What it rests on that an object is planned to be created, updated or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Its events: a newer one goes on from what they come to.
    Log,
    /// A look at both sides: what an event says that came before it, and was not read then, may be
    /// over. The next run asks.
    Look,
}

/// Columns for UNNEST.
#[derive(Default)]
struct Columns {
    tables: Vec<&'static str>,
    pks: Vec<i64>,
    last_ids: Vec<i64>,
    parents: Vec<Option<i64>>,
    homes: Vec<Option<i64>>,
    looks: Vec<bool>,
    presences: Vec<&'static str>,
}

impl Columns {
    fn push(&mut self, key: Key, mark: Mark) {
        self.tables.push(key.entity().table());
        self.pks.push(key.id());
        self.last_ids.push(mark.last_id);
        self.parents.push(mark.parent.map(PostId::get));
        self.homes.push(mark.home.map(PostId::get));
        self.looks.push(mark.basis == Basis::Look);
    }

    fn push_with(&mut self, key: Key, mark: Mark, presence: Presence) {
        self.push(key, mark);
        self.presences.push(presence_word(presence));
    }
}

/// Before requests are sent: reads the rows, and commits for every object that is still
/// wished as the plan says (a row for Present, none for Absent) that a request may be sent.
/// Of the others a newer event speaks, and nothing is recorded but that the plan rested on a look: what was
/// seen then, no event tells.
pub fn prepare(client: &mut Client, works: &[(Work, Mark)]) -> Result<BTreeMap<Key, Object>> {
    let mut transaction = client.transaction()?;
    let objects = load(&mut transaction, works.iter().map(|(work, _)| work.key))?;
    let (mut announced, mut overtaken, mut cleared) = <(Columns, Columns, Vec<i64>)>::default();
    for (work, mark) in works {
        // Whatever becomes of the next request, several records are deleted until none is left.
        let is_doubled = work.before == Presence::Doubled;
        let presence = if is_doubled { Presence::Doubled } else { Presence::Unknown };
        if objects.contains_key(&work.key) != (work.after == Wish::Present) {
            if mark.basis == Basis::Look {
                overtaken.push_with(work.key, *mark, presence);
            }
            continue;
        }
        announced.push_with(work.key, *mark, presence);
        if let (Key::Post(post), true) = (work.key, is_doubled) {
            cleared.push(post.get());
        }
    }
    announce_all(&mut transaction, &announced)?;
    leave_overtaken(&mut transaction, &overtaken)?;
    doubt_comments(&mut transaction, &cleared)?;
    transaction.commit()?;
    Ok(objects)
}

fn announce_all(client: &mut impl GenericClient, columns: &Columns) -> Result<()> {
    client.execute(
        "INSERT INTO news_sync_object AS o (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk)
         SELECT t, pk, presence, 'sent', event_id, parent, home
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS u (t, pk, presence, event_id, parent, home)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = excluded.presence, state = 'sent',
             failures = CASE WHEN o.event_id = excluded.event_id THEN o.failures ELSE 0 END,
             since = CASE WHEN o.state = 'discarded' THEN excluded.since ELSE o.since END,
             home_pk = CASE WHEN o.state = 'discarded' THEN excluded.home_pk ELSE o.home_pk END,
             event_id = excluded.event_id, parent_pk = excluded.parent_pk, next_try_at = NULL,
             updated_at = clock_timestamp()",
        &[&columns.tables, &columns.pks, &columns.presences, &columns.last_ids, &columns.parents, &columns.homes],
    )?;
    Ok(())
}

fn leave_overtaken(client: &mut impl GenericClient, columns: &Columns) -> Result<()> {
    if columns.pks.is_empty() {
        return Ok(());
    }
    client.execute(
        "INSERT INTO news_sync_object AS o (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, reason)
         SELECT t, pk, presence, 'waiting', event_id, parent, home, ''
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS u (t, pk, presence, event_id, parent, home)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = excluded.presence",
        &[&columns.tables, &columns.pks, &columns.presences, &columns.last_ids, &columns.parents, &columns.homes],
    )?;
    Ok(())
}

/// Takes note that the comments of these posts may go with a DELETE (TARGETS, "DELETE of a post"):
/// whoever comes after us asks for them.
fn doubt_comments(client: &mut impl GenericClient, posts: &[i64]) -> Result<()> {
    if posts.is_empty() {
        return Ok(());
    }
    client.execute(
        "INSERT INTO news_sync_object AS o (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, reason)
         SELECT 'news_comment', id, 'unknown', 'waiting', 0, post_id, post_id, ''
         FROM news_comment WHERE post_id = ANY ($1)
         ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = 'unknown' WHERE o.presence <> 'doubled'",
        &[&posts],
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
                left.push_with(key, mark, *presence);
                rest.push(*end, *status, why);
            }
        }
    }
    let mut transaction = client.transaction()?;
    // If the server loses this commit, the row that says "sent" is still there, and the
    // object is asked for. The end of the run is a commit that waits, for all of them.
    transaction.batch_execute("SET LOCAL synchronous_commit = off")?;
    if !done.pks.is_empty() {
        // OFFSET 0 keeps the planner from turning it round: each object is looked up by the index, whatever
        // the statistics say of tables that have grown since.
        // Exactly what was read: a newer event of the object stays pending.
        transaction.execute(
            "UPDATE news_modelevent SET synced_at = clock_timestamp() WHERE id = ANY (ARRAY(
                 SELECT e.id FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (t, pk, last_id),
                     LATERAL (SELECT id FROM news_modelevent
                              WHERE entity_table = t AND entity_pk = pk AND id <= last_id AND synced_at IS NULL OFFSET 0) AS e))",
            &[&done.tables, &done.pks, &done.last_ids],
        )?;
        transaction.execute(
            "DELETE FROM news_sync_object WHERE ctid = ANY (ARRAY(
                 SELECT o.ctid FROM unnest($1::text[], $2::bigint[]) AS u (t, pk),
                     LATERAL (SELECT ctid FROM news_sync_object WHERE entity_table = t AND entity_pk = pk OFFSET 0) AS o))",
            &[&done.tables, &done.pks],
        )?;
    }
    if done.looks.contains(&true) {
        transaction.execute(
            "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, reason)
             SELECT t, pk, 'unknown', 'waiting', last_id, parent, home, ''
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
                  AS u (t, pk, last_id, parent, home, looks),
                  LATERAL (SELECT FROM news_modelevent e WHERE e.entity_table = t AND e.entity_pk = pk AND e.synced_at IS NULL
                           ORDER BY e.entity_table, e.entity_pk, e.id LIMIT 1) AS newer
             WHERE looks
             ON CONFLICT (entity_table, entity_pk) DO NOTHING",
            &[&done.tables, &done.pks, &done.last_ids, &done.parents, &done.homes, &done.looks],
        )?;
    }
    if !left.pks.is_empty() {
        // Whom trouble left waits from run to run under --every and --follow; whom a newer
        // change overtook, or a stop left, has no trouble to tell of and goes next time.
        transaction.execute(
            "INSERT INTO news_sync_object AS o (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, status,
                 reason, failures, next_try_at)
             SELECT t, pk, presence, state, event_id, parent, home, status, reason, failed,
                 CASE WHEN state = 'waiting' AND failed = 1 THEN clock_timestamp() + $10::float8 * interval '1 second' END
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                         $8::int[], $9::text[])
                  AS u (t, pk, event_id, parent, home, presence, state, status, reason),
                  LATERAL (SELECT CASE WHEN state <> 'held' AND reason <> '' THEN 1 ELSE 0 END) AS f (failed)
             ON CONFLICT (entity_table, entity_pk) DO UPDATE SET presence = excluded.presence, state = excluded.state,
                 event_id = excluded.event_id, parent_pk = excluded.parent_pk, status = excluded.status,
                 reason = excluded.reason, failures = o.failures + excluded.failures, updated_at = clock_timestamp(),
                 next_try_at = CASE WHEN excluded.next_try_at IS NOT NULL THEN clock_timestamp() +
                     least($10::float8 * power(2, least(o.failures, 30)), $11::float8) * interval '1 second' END",
            &[&left.tables, &left.pks, &left.last_ids, &left.parents, &left.homes, &left.presences, &rest.states,
              &rest.statuses, &rest.reasons, &AGAIN_AFTER.as_secs_f64(), &AGAIN_AFTER_MAX.as_secs_f64()],
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
    states: Vec<&'static str>,
    statuses: Vec<Option<i32>>,
    reasons: Vec<String>,
}

impl LeftColumns {
    fn push(&mut self, end: Left, status: Option<u16>, why: &str) {
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

/// Calls `each` with the comments of these posts, and their post.
pub fn each_comment_of(
    client: &mut impl GenericClient,
    posts: &[PostId],
    mut each: impl FnMut(Key, PostId) -> Result<()>,
) -> Result<()> {
    for posts in posts.chunks(POSTS_ASKED_FOR) {
        let posts: Vec<i64> = posts.iter().map(|post| post.get()).collect();
        let mut rows = client.query_raw("SELECT id, post_id FROM news_comment WHERE post_id = ANY ($1)", [&posts])?;
        while let Some(row) = rows.next()? {
            if let (Ok(key), Ok(post)) = (Entity::Comment.key(row.get(0)), PostId::new(row.get(1))) {
                each(key, post)?;
            }
        }
    }
    Ok(())
}
