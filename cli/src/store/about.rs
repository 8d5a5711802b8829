//! Everything that the database knows of one object, for `news show`: read in one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use news_core::ledger::{Clock, Entry, Hold, Pending, State, holds};
use news_core::{Entity, Key, Object, PostId, left_out as rules};
use postgres::{Client, GenericClient};
use serde::Serialize;

use crate::error::Result;
use crate::store::objects::{self, Loaded};
use crate::store::{holds as held, ledger, left_out, log, rows, runs};
use crate::times::Times;

/// Unsynced events, runs, and acts that are read: the last ones.
const EVENTS_MAX: i64 = 100;
const RUNS_MAX: i64 = 50;
const ACTS_MAX: i64 = 20;
/// Ids that are read of the events that a run was about, and names of those who made them.
const RANGE_IDS_MAX: i64 = 10_000;
const ACTORS_MAX: i64 = 10;
/// Pending comments of one post that are looked at: they may depend on the object.
const FAMILY_MAX: i64 = 10_000;

/// What is known.
#[derive(Debug)]
pub struct About {
    /// The master's row.
    pub row: Option<Loaded>,
    /// What is pending of the object's family ([`news_core::prospect`]), in view of holds and of what imports left out.
    pub family: Vec<Pending>,
    /// What the ledger has of the object, and of the posts under which it is or may be.
    pub entries: BTreeMap<Key, Entry>,
    /// The run that prepared a request of it, if that has not recorded what came of it.
    pub lost_run: Option<i64>,
    /// The last response that is kept with the ledger's entry.
    pub answer: Option<Answer>,
    /// The last unsynced events, newest first.
    pub events: Vec<Event>,
    /// The last runs that recorded something of it, newest first.
    pub sent: Vec<SentByRun>,
    /// What people did with it, newest first.
    pub acts: Vec<PastAct>,
    /// Its hold.
    pub hold: Option<Hold>,
    /// Why an import left out the target's object of this id.
    pub left_out: Option<String>,
}

impl About {
    /// Says whether the database knows anything of the object.
    pub fn is_known(&self, key: Key) -> bool {
        let has_more = self.entries.contains_key(&key) || self.hold.is_some() || self.left_out.is_some();
        let has_history = !(self.events.is_empty() && self.sent.is_empty() && self.acts.is_empty());
        self.row.is_some() || has_more || has_history || self.family.iter().any(|one| one.key == key)
    }
}

/// A response of the target.
#[derive(Debug)]
pub struct Answer {
    /// The run whose request it was.
    pub run: i64,
    /// The request's method.
    pub method: String,
    /// When it was sent.
    pub at: Option<SystemTime>,
    /// How long the target took, in milliseconds.
    pub ms: Option<i32>,
    /// The start of the body.
    pub body: Option<String>,
}

/// An unsynced event of the change log. Times are UTC, RFC 3339.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Its id.
    pub id: i64,
    /// CREATED, UPDATED, DELETED.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was logged.
    pub at: String,
    /// Who made the change.
    pub actor: Option<String>,
}

/// What a run came to for the object.
#[derive(Debug, Serialize)]
pub struct SentByRun {
    /// The run.
    pub run: i64,
    /// sync, full; nothing where the run is no longer in the history.
    pub kind: Option<String>,
    /// created, updated, deleted, renewed, found, parked, held, waiting.
    pub came_to: String,
    /// The last request's method.
    pub method: Option<String>,
    /// The response's status.
    pub status: Option<i32>,
    /// How long the target took, in milliseconds.
    pub ms: Option<i32>,
    /// Events that were marked as synced.
    pub events: i32,
    /// Who made the changes that it was about, as far as the log still has them.
    pub by: Vec<String>,
    /// When it was recorded.
    pub at: String,
}

/// What somebody did with the object.
#[derive(Debug, Serialize)]
pub struct PastAct {
    /// When.
    pub at: String,
    /// retried, discarded, `on_hold`, released.
    pub what: String,
    /// Who: ada@host.
    pub who: String,
    /// The reason.
    pub why: Option<String>,
}

/// Reads it all.
pub fn read(client: &mut Client, key: Key, times: Times) -> Result<About> {
    let mut moment = rows::snapshot(client)?;
    let clock = runs::clock(&mut moment, times)?;
    let row = objects::load(&mut moment, &[key])?.remove(&key);
    let posts: BTreeSet<PostId> = match key {
        Key::Post(post) => BTreeSet::from([post]),
        Key::Comment(_) => posts_of(&mut moment, key, row.as_ref(), &clock)?,
    };
    let near: BTreeSet<Key> = posts.iter().copied().map(Key::Post).chain([key]).collect();
    let entries = ledger::entries(&mut moment, &near.iter().copied().collect::<Vec<Key>>())?;
    let comments: Vec<Key> =
        pending_comments(&mut moment, &posts)?.into_iter().filter(|comment| !near.contains(comment)).collect();
    let mut family =
        log::pending_of(&mut moment, &[&near.into_iter().collect::<Vec<Key>>(), &*comments].concat(), &clock)?;
    // A comment may wait for its own post, and another post for the comment.
    let known: BTreeSet<Key> = family.iter().map(|one| one.key).collect();
    let theirs: BTreeSet<Key> = family.iter().filter_map(|one| one.parent).map(Key::Post).collect();
    let theirs: Vec<Key> = theirs.difference(&known).copied().collect();
    family.extend(log::pending_of(&mut moment, &theirs, &clock)?);
    let (all_left_out, all_held) = (left_out::pending(&mut moment)?, held::keys(&mut moment)?);
    let family =
        family.into_iter().map(|one| holds::on_hold(&all_held, rules::in_view_of(&all_left_out, one))).collect();
    let about = About {
        row,
        family,
        lost_run: lost(&mut moment, entries.get(&key))?,
        answer: answer(&mut moment, key)?,
        events: events(&mut moment, key)?,
        sent: sent(&mut moment, key)?,
        acts: acts(&mut moment, key)?,
        hold: held::of(&mut moment, &[key])?.remove(&key),
        left_out: left_out::all(&mut moment)?.remove(&key),
        entries,
    };
    moment.commit()?;
    Ok(about)
}

/// Returns the post that a comment belongs to, or belonged to, and those under which the target may have it.
fn posts_of(
    client: &mut impl GenericClient,
    key: Key,
    row: Option<&Loaded>,
    clock: &Clock,
) -> Result<BTreeSet<PostId>> {
    let own = row.and_then(|row| row.as_ref().ok()).and_then(Object::parent);
    let pending = log::pending_of(client, &[key], clock)?;
    Ok(pending.into_iter().flat_map(|one| one.leaves.into_iter().chain(one.parent)).chain(own).collect())
}

/// Returns the comments of these posts of which something is pending: those that belong to one, and those that did.
fn pending_comments(client: &mut impl GenericClient, posts: &BTreeSet<PostId>) -> Result<Vec<Key>> {
    let is_here = "EXISTS (SELECT FROM news_comment c WHERE c.id = entity_pk AND c.post_id = ANY ($1))";
    let posts: Vec<i64> = posts.iter().map(|post| post.get()).collect();
    let rows = client.query(
        &format!(
            "SELECT entity_pk FROM news_modelevent
             WHERE synced_at IS NULL AND entity_table = 'news_comment'
                 AND (parent_pk = ANY ($1) OR former_pk = ANY ($1) OR {is_here})
             UNION SELECT entity_pk FROM news_sync_object
             WHERE entity_table = 'news_comment' AND (parent_pk = ANY ($1) OR there_pks && $1 OR {is_here})
             LIMIT $2"
        ),
        &[&posts, &FAMILY_MAX],
    )?;
    Ok(rows.iter().filter_map(|row| Entity::Comment.key(row.get(0)).ok()).collect())
}

fn answer(client: &mut impl GenericClient, key: Key) -> Result<Option<Answer>> {
    let row = client.query_opt(
        "SELECT run_id, method, asked_at, ms, body FROM news_sync_object
         WHERE entity_table = $1 AND entity_pk = $2 AND run_id IS NOT NULL AND method IS NOT NULL",
        &[&key.entity().table(), &key.id()],
    )?;
    Ok(row.map(|row| Answer { run: row.get(0), method: row.get(1), at: row.get(2), ms: row.get(3), body: row.get(4) }))
}

fn events(client: &mut impl GenericClient, key: Key) -> Result<Vec<Event>> {
    let rows = client.query(
        &format!(
            "SELECT id, type, {}, actor FROM news_modelevent
             WHERE entity_table = $1 AND entity_pk = $2 AND synced_at IS NULL ORDER BY id DESC LIMIT $3",
            utc("logged_at")
        ),
        &[&key.entity().table(), &key.id(), &EVENTS_MAX],
    )?;
    let event = |row: &postgres::Row| Event { id: row.get(0), kind: row.get(1), at: row.get(2), actor: row.get(3) };
    Ok(rows.iter().map(event).collect())
}

/// Selects a time as reports have it.
fn utc(column: &str) -> String {
    format!(r#"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#)
}

fn sent(client: &mut impl GenericClient, key: Key) -> Result<Vec<SentByRun>> {
    // Events of one object may be far apart: of a longer range the beginning and the last one are read.
    let rows = client.query(
        &format!(
            "SELECT s.run_id, r.kind, s.came_to, s.method, s.status, s.ms, s.events, {}, ARRAY(
                 SELECT DISTINCT e.actor FROM (
                     SELECT * FROM news_modelevent WHERE id BETWEEN s.first_event AND least(s.last_event, s.first_event + $4)
                     UNION ALL SELECT * FROM news_modelevent WHERE id = s.last_event) AS e
                 WHERE e.entity_table = $1 AND e.entity_pk = $2 AND e.actor IS NOT NULL ORDER BY e.actor LIMIT $5)
             FROM (SELECT * FROM news_sync_sent WHERE entity_table = $1 AND entity_pk = $2
                   ORDER BY run_id DESC, at DESC LIMIT $3) AS s
             LEFT JOIN news_sync_run r ON r.id = s.run_id ORDER BY s.run_id DESC, s.at DESC",
            utc("s.at")
        ),
        &[&key.entity().table(), &key.id(), &RUNS_MAX, &RANGE_IDS_MAX, &ACTORS_MAX],
    )?;
    let sent = |row: &postgres::Row| SentByRun {
        run: row.get(0),
        kind: row.get(1),
        came_to: row.get(2),
        method: row.get(3),
        status: row.get(4),
        ms: row.get(5),
        events: row.get(6),
        at: row.get(7),
        by: row.get(8),
    };
    Ok(rows.iter().map(sent).collect())
}

fn acts(client: &mut impl GenericClient, key: Key) -> Result<Vec<PastAct>> {
    let rows = client.query(
        &format!(
            "SELECT {}, what, who, why FROM news_sync_act WHERE keys || along @> ARRAY[$1] ORDER BY id DESC LIMIT $2",
            utc("at")
        ),
        &[&key.to_string(), &ACTS_MAX],
    )?;
    let act = |row: &postgres::Row| PastAct { at: row.get(0), what: row.get(1), who: row.get(2), why: row.get(3) };
    Ok(rows.iter().map(act).collect())
}

/// Returns the run that prepared a request of the object and ended without a word, if the entry tells of one.
fn lost(client: &mut impl GenericClient, entry: Option<&Entry>) -> Result<Option<i64>> {
    let Some(entry) = entry.filter(|entry| entry.state == State::Sent) else { return Ok(None) };
    let row = client.query_opt(
        "SELECT id FROM news_sync_run WHERE kind <> 'import' AND status IN ('lost', 'running') AND started_at <= $1
         ORDER BY id DESC LIMIT 1",
        &[&ledger::stamp(entry.updated_at)],
    )?;
    Ok(row.map(|row| row.get(0)))
}
