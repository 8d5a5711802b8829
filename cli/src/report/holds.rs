//! Objects on hold, in reports.

use std::collections::BTreeMap;
use std::time::SystemTime;

use news_core::Key;
use news_core::ledger::Hold;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::store::ledger::stamp;

/// Holds named in a report of something else.
pub const NAMED_MAX: usize = 100;

/// Returns a time in UTC, RFC 3339, in whole seconds.
pub fn utc(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    // A zero fraction is left out.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

/// An object on hold.
#[derive(Debug, Clone, Serialize)]
pub struct HoldRow {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// Since when.
    pub since: String,
    /// The operator: ada@host.
    pub by: String,
    /// The operator's reason.
    pub why: Option<String>,
}

impl HoldRow {
    /// Describes a hold.
    pub fn new(key: Key, hold: &Hold) -> Self {
        let since = utc(stamp(hold.since));
        let why = Some(hold.why.clone()).filter(|why| !why.is_empty());
        Self { entity: key.entity().plural(), id: key.id(), since, by: hold.by.clone(), why }
    }

    /// Describes the first of these holds, by key.
    pub fn first(holds: &BTreeMap<Key, Hold>) -> Vec<Self> {
        holds.iter().take(NAMED_MAX).map(|(key, hold)| Self::new(*key, hold)).collect()
    }

    /// Returns since when, by whom and why, in words.
    pub fn words(&self) -> String {
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        format!("since {}, by {}{why}", self.since, self.by)
    }
}
