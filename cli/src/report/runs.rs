//! What `news runs` reports.

use serde::Serialize;
use serde_json::Value;

use crate::store::run_rows::{RunRow, SentRow};

/// `news runs`
#[derive(Debug, Serialize)]
pub struct RunsReport {
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// Older runs that are not listed.
    pub more: u64,
}

/// `news runs ID`
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// Its row.
    pub run: RunRow,
    /// Its report, as it was written at its end; empty where it did not come to one.
    pub report: Value,
    /// What it came to for each object, in the order in which that was recorded.
    pub sent: Vec<SentReport>,
    /// Objects that are not listed here.
    pub more: u64,
}

/// What a run came to for one object.
#[derive(Debug, Serialize)]
pub struct SentReport {
    /// posts, comments.
    pub entity: &'static str,
    /// The object's id.
    pub id: i64,
    /// created, updated, deleted, renewed, found, parked, held, waiting.
    pub came_to: String,
    /// The last request's method.
    pub method: Option<String>,
    /// Its response's status.
    pub status: Option<i32>,
    /// How long the response took, in milliseconds.
    pub ms: Option<i32>,
    /// The first event that it was about.
    pub first_event: Option<i64>,
    /// The last one.
    pub last_event: Option<i64>,
    /// How many events were marked as synced.
    pub events: i32,
    /// When that was recorded.
    pub at: String,
}

impl From<SentRow> for SentReport {
    fn from(row: SentRow) -> Self {
        let SentRow { place: _, key, came_to, method, status, ms, events, synced, at } = row;
        let (first_event, last_event) = events.unzip();
        let (entity, id) = (key.entity().plural(), key.id());
        Self { entity, id, came_to, method, status, ms, first_event, last_event, events: synced, at }
    }
}
