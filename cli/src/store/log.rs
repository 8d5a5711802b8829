//! The change log, read merged: one row for each object with unsynced events.

use std::collections::BTreeMap;
use std::time::SystemTime;

use news_core::merge::{Change, EventType, Merged, Presence, Wish};
use news_core::plan::{Standing, Work};
use news_core::{Entity, Key, PostId};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{GenericClient, Row};

use crate::error::{Failure, Kind, Result};

/// An object with unsynced events, or with a conversation that has not come to its end.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// Which.
    pub key: Key,
    /// What its events come to.
    pub merged: Merged,
    /// Of a comment: its post; where the comment is to go, or where it was.
    pub parent: Option<PostId>,
    /// Of a comment: by which post a shard has it. That of the conversation that has begun, else that of its first
    /// unsynced event.
    pub home: Option<PostId>,
    /// When the first of them was logged.
    pub since: SystemTime,
    /// Its presence, where a conversation has begun: it then no longer follows from the events.
    pub recorded: Option<Presence>,
    /// Whether a run tries it.
    pub standing: Standing,
    /// It failed not long ago, in runs in a row: who runs again and again lets it wait.
    pub waits: bool,
    /// The last run held it: it waits for another object.
    pub held: bool,
}

impl Pending {
    /// Returns what a run has to do about it.
    pub fn work(&self) -> Work {
        Work {
            key: self.key,
            parent: self.parent,
            before: self.recorded.unwrap_or(self.merged.change.before),
            after: self.merged.change.after,
            standing: self.standing,
        }
    }
}

/// The partial index in its order: an object's events come in a row, by id. No join, no
/// sort, and never a pass over the synced events, whatever the planner believes of them: after
/// a large run its statistics are of another time.
const UNSYNCED: &str = "
    SELECT entity_table, entity_pk, id, type, parent_pk, logged_at
    FROM news_modelevent WHERE synced_at IS NULL ORDER BY entity_table, entity_pk, id";
const BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";
const AS_BEFORE: &str =
    "SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT; SET LOCAL enable_sort = DEFAULT";

/// Reads all objects with unsynced events, by table and id.
pub fn pending(client: &mut impl GenericClient) -> Result<Vec<Pending>> {
    let mut all = Vec::new();
    each_pending(client, |pending| all.push(pending))?;
    Ok(all)
}

/// Streams them: memory holds no events, and of objects those whose conversation has begun.
pub fn each_pending(client: &mut impl GenericClient, mut each: impl FnMut(Pending)) -> Result<()> {
    let mut transaction = client.transaction()?;
    let begun = begun(&mut transaction)?;
    transaction.batch_execute(BY_INDEX)?;
    let none: [&str; 0] = [];
    let mut rows = transaction.query_raw(UNSYNCED, none)?;
    let mut open: Option<Pending> = None;
    while let Some(row) = rows.next()? {
        let (key, merged) = event(&row)?;
        match &mut open {
            Some(pending) if pending.key == key => {
                pending.merged = pending.merged.with(merged);
                // It waits for the post that it belongs to by now, not for the one that it was created under.
                if pending.merged.change.after == Wish::Present {
                    pending.parent = parent(&row, "parent_pk");
                }
            }
            _ => {
                let first = Pending {
                    key,
                    merged,
                    parent: parent(&row, "parent_pk"),
                    home: parent(&row, "parent_pk"),
                    since: row.get("logged_at"),
                    recorded: None,
                    standing: Standing::Ready,
                    waits: false,
                    held: false,
                };
                if let Some(whole) = open.replace(first) {
                    each(with_conversation(whole, &begun));
                }
            }
        }
    }
    drop(rows);
    if let Some(whole) = open {
        each(with_conversation(whole, &begun));
    }
    transaction.batch_execute(AS_BEFORE)?;
    transaction.commit()?;
    Ok(())
}

/// Conversations that have begun and no event speaks for: a full sync's that did not come to
/// their end. What is wished is what the master has now.
const UNFINISHED: &str = "
    SELECT o.entity_table, o.entity_pk, o.presence, o.state = 'parked' AS parked, o.state = 'held' AS held, o.since AS logged_at,
           coalesce(o.next_try_at > clock_timestamp(), false) AS waits,
           p.id IS NOT NULL OR c.id IS NOT NULL AS here, coalesce(c.post_id, o.parent_pk) AS parent_pk,
           coalesce(o.home_pk, o.parent_pk, c.post_id) AS home_pk
    FROM news_sync_object o
    LEFT JOIN news_post p ON o.entity_table = 'news_post' AND p.id = o.entity_pk
    LEFT JOIN news_comment c ON o.entity_table = 'news_comment' AND c.id = o.entity_pk
    WHERE o.state <> 'discarded' AND NOT EXISTS (
        SELECT FROM news_modelevent e
        WHERE e.entity_table = o.entity_table AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL)
    ORDER BY o.entity_table, o.entity_pk";

/// Reads objects without unsynced events whose conversation has not come to its end. Their events
/// are none, and the last one's id is 0: there is nothing to mark.
pub fn unfinished(client: &mut impl GenericClient) -> Result<Vec<Pending>> {
    let rows = client.query(UNFINISHED, &[])?;
    rows.iter()
        .map(|row| {
            let presence = presence_of(row.get("presence")).ok_or_else(|| odd("presence", row.get("presence")))?;
            let after = if row.get("here") { Wish::Present } else { Wish::Absent };
            Ok(Pending {
                key: key(row)?,
                merged: Merged { change: Change { before: presence, after }, first_id: 0, last_id: 0, events: 0 },
                parent: parent(row, "parent_pk"),
                home: parent(row, "home_pk"),
                since: row.get("logged_at"),
                recorded: Some(presence),
                standing: if row.get("parked") { Standing::Parked } else { Standing::Ready },
                waits: row.get("waits"),
                held: row.get("held"),
            })
        })
        .collect()
}

fn key(row: &Row) -> Result<Key> {
    let table = row.get("entity_table");
    let entity = Entity::of_table(table).ok_or_else(|| odd("entity_table", table))?;
    entity.key(row.get("entity_pk")).map_err(|bad| Failure::new(Kind::Database, bad))
}

fn parent(row: &Row, column: &str) -> Option<PostId> {
    row.get::<_, Option<i64>>(column).and_then(|id| PostId::new(id).ok())
}

fn event(row: &Row) -> Result<(Key, Merged)> {
    let kind = EventType::of_word(row.get("type")).ok_or_else(|| odd("type", row.get("type")))?;
    let id = row.get("id");
    Ok((key(row)?, Merged { change: Change::of(kind), first_id: id, last_id: id, events: 1 }))
}

/// What is recorded of a conversation that has begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    presence: Presence,
    /// The last event that it is about.
    event_id: i64,
    parked: bool,
    waits: bool,
    held: bool,
    home: Option<PostId>,
}

fn begun(client: &mut impl GenericClient) -> Result<BTreeMap<Key, Begun>> {
    let none: [&str; 0] = [];
    let mut rows = client.query_raw(
        "SELECT entity_table, entity_pk, presence, event_id, state = 'parked' AS parked, state = 'held' AS held,
                coalesce(state = 'waiting' AND next_try_at > clock_timestamp(), false) AS waits,
                CASE WHEN state <> 'discarded' THEN home_pk END AS home_pk
         FROM news_sync_object",
        none,
    )?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let presence = presence_of(row.get("presence")).ok_or_else(|| odd("presence", row.get("presence")))?;
        let begun = Begun {
            presence,
            event_id: row.get("event_id"),
            parked: row.get("parked"),
            waits: row.get("waits"),
            held: row.get("held"),
            home: parent(&row, "home_pk"),
        };
        all.insert(key(&row)?, begun);
    }
    Ok(all)
}

/// Adds what is recorded. A newer event un-parks its object, and lets it wait no longer.
fn with_conversation(pending: Pending, begun: &BTreeMap<Key, Begun>) -> Pending {
    let Some(begun) = begun.get(&pending.key) else { return pending };
    let still = begun.event_id >= pending.merged.last_id;
    Pending {
        home: begun.home.or(pending.home),
        recorded: Some(begun.presence),
        standing: if begun.parked && still { Standing::Parked } else { Standing::Ready },
        waits: begun.waits && still,
        // Until it is tried, whatever has changed of it.
        held: begun.held,
        ..pending
    }
}

fn odd(column: &str, word: &str) -> Failure {
    Failure::new(Kind::Database, format!("{column} says {word:?}, which this version does not know"))
}

/// Returns the word of `news_sync_object.presence`.
pub fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Absent => "absent",
        Presence::Present => "present",
        Presence::Unknown => "unknown",
        Presence::Doubled => "doubled",
    }
}

fn presence_of(word: &str) -> Option<Presence> {
    let all = [Presence::Absent, Presence::Present, Presence::Unknown, Presence::Doubled];
    all.into_iter().find(|presence| presence_word(*presence) == word)
}
