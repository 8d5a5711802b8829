//! The change log, read merged: one row for each object with unsynced events.

use std::time::SystemTime;

use news_core::merge::{Change, EventType, Merged, Presence, Wish};
use news_core::plan::{Standing, Work};
use news_core::{Entity, Key, PostId};
use postgres::{GenericClient, Row};

use crate::error::{Failure, Kind, Result};

/// An object with unsynced events.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// Which.
    pub key: Key,
    /// What its events come to.
    pub merged: Merged,
    /// Of a comment: its post, by its first unsynced event.
    pub parent: Option<PostId>,
    /// When the first of them was logged.
    pub since: SystemTime,
    /// Its presence, where a conversation has begun: it then no longer follows from the events.
    pub recorded: Option<Presence>,
    /// Whether a run tries it.
    pub standing: Standing,
    /// It failed not long ago, in runs in a row: who runs again and again lets it wait.
    pub waits: bool,
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

/// One pass over the partial index gives each object's ends; the two events there are
/// then found by their ids. The events in between are never read.
const PENDING: &str = "
    WITH ends AS (
        SELECT entity_table, entity_pk, min(id) AS first_id, max(id) AS last_id, count(*) AS events
        FROM news_modelevent WHERE synced_at IS NULL
        GROUP BY entity_table, entity_pk
    )
    SELECT ends.entity_table, ends.entity_pk, ends.first_id, ends.last_id, ends.events,
           first.type AS first_type, last.type AS last_type, first.parent_pk, first.logged_at,
           o.presence, o.state = 'parked' AND o.event_id >= ends.last_id AS parked,
           o.state = 'waiting' AND o.next_try_at > clock_timestamp() AND o.event_id >= ends.last_id AS waits
    FROM ends
    JOIN news_modelevent first ON first.id = ends.first_id
    JOIN news_modelevent last ON last.id = ends.last_id
    LEFT JOIN news_sync_object o ON o.entity_table = ends.entity_table AND o.entity_pk = ends.entity_pk";

/// Reads all objects with unsynced events.
pub fn pending(client: &mut impl GenericClient) -> Result<Vec<Pending>> {
    client.query(PENDING, &[])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Pending> {
    let entity =
        Entity::of_table(row.get("entity_table")).ok_or_else(|| odd("entity_table", row.get("entity_table")))?;
    let key = entity.key(row.get("entity_pk")).map_err(|bad| Failure::new(Kind::Database, bad))?;
    let event = |column| EventType::of_word(row.get(column)).ok_or_else(|| odd(column, row.get(column)));
    let parent: Option<i64> = row.get("parent_pk");
    let recorded = match row.get("presence") {
        Some(word) => Some(presence_of(word).ok_or_else(|| odd("presence", word))?),
        None => None,
    };
    let (parked, waits): (Option<bool>, Option<bool>) = (row.get("parked"), row.get("waits"));
    Ok(Pending {
        key,
        merged: Merged {
            change: Change { before: Presence::before(event("first_type")?), after: Wish::after(event("last_type")?) },
            first_id: row.get("first_id"),
            last_id: row.get("last_id"),
            events: u64::try_from(row.get::<_, i64>("events")).unwrap_or_default(),
        },
        parent: parent.and_then(|id| PostId::new(id).ok()),
        since: row.get("logged_at"),
        recorded,
        standing: if parked == Some(true) { Standing::Parked } else { Standing::Ready },
        waits: waits == Some(true),
    })
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
    }
}

fn presence_of(word: &str) -> Option<Presence> {
    [Presence::Absent, Presence::Present, Presence::Unknown].into_iter().find(|p| presence_word(*p) == word)
}
