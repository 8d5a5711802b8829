//! What `news log` reports.

use serde::Serialize;

use crate::store::events::EventRow;

/// `news log`
#[derive(Debug, Serialize)]
pub struct LogReport {
    /// In the order of the log.
    pub events: Vec<LogRow>,
    /// There are older ones.
    pub has_more: bool,
}

/// An event of the change log.
#[derive(Debug, Serialize)]
pub struct LogRow {
    /// Its id.
    pub event: i64,
    /// When it was logged.
    pub logged_at: String,
    /// posts, comments.
    pub entity: &'static str,
    /// The object's id.
    pub id: i64,
    /// CREATED, UPDATED, DELETED.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who made the change.
    pub actor: Option<String>,
    /// When it was marked as synced.
    pub synced_at: Option<String>,
    /// Which run synced it.
    pub run: Option<i64>,
    /// What that run came to for the object.
    pub came_to: Option<String>,
    /// Who discarded it.
    pub discarded_by: Option<String>,
}

impl From<EventRow> for LogRow {
    fn from(row: EventRow) -> Self {
        let EventRow { id, logged_at, key, kind, actor, synced_at, run, discarded_by } = row;
        let (run, came_to) = run.unzip();
        let (entity, event) = (key.entity().plural(), id);
        Self { event, logged_at, entity, id: key.id(), kind, actor, synced_at, run, came_to, discarded_by }
    }
}
