//! Unsynced events, for a page that merges them itself, and what it needs besides to come to the same plan.

use std::collections::BTreeMap;

use news_core::Key;
use news_core::merge::{Presence, action};
use news_core::session::Untried;
use postgres::Transaction;
use serde::Serialize;

use super::parked::How;
use super::{Seen, object};
use crate::error::Result;
use crate::store::unsynced::{self, UnsyncedPlace};
use crate::store::{ledger, log};
use crate::times::Times;

/// A page of events.
#[derive(Debug, Serialize)]
pub struct UnsyncedReport {
    /// The highest id of the log. The following pages have no newer events.
    pub as_of: i64,
    /// Id, key and type, by object and id.
    pub events: Vec<(i64, String, String)>,
    /// The ids of those that may be wrong.
    pub doubtful: Vec<i64>,
    /// Presences of the page's objects that do not follow from their events: from the ledger, or since the row contradicts them.
    pub recorded: BTreeMap<String, &'static str>,
    /// With the first page: all objects that a run leaves, and how.
    pub standing: BTreeMap<String, &'static str>,
    /// With the first page: objects that are pending without an event, and the action.
    pub without_events: BTreeMap<String, &'static str>,
    /// The place behind which the next page begins.
    #[serde(skip)]
    pub next: Option<UnsyncedPlace>,
}

/// Reads at most `limit` events from behind a place; with the first page goes what is known of all objects.
pub fn describe(
    moment: &mut Transaction<'_>,
    after: Option<UnsyncedPlace>,
    as_of: Option<i64>,
    limit: usize,
    times: Times,
) -> Result<UnsyncedReport> {
    let as_of = match as_of {
        Some(as_of) => as_of,
        None => unsynced::highest(moment)?,
    };
    let found = unsynced::page(moment, after, as_of, i64::try_from(limit).unwrap_or(i64::MAX))?;
    let next = found.last().map(|event| event.place).filter(|_| found.len() == limit);
    let mut keys: Vec<Key> = found.iter().map(|event| event.place.key).collect();
    keys.dedup();
    let clock = crate::store::runs::clock(moment, times)?;
    let entries = ledger::entries(moment, &keys)?;
    let is_other = |one: &news_core::ledger::Pending| {
        matches!(one.before, Presence::Unknown | Presence::Doubled) || entries.contains_key(&one.key)
    };
    let pending = if keys.is_empty() { Vec::new() } else { log::pending_of(moment, &keys, &clock)? };
    let recorded = pending.iter().filter(|one| is_other(one) && one.events > 0);
    let recorded = recorded.map(|one| (one.key.to_string(), one.before.word())).collect();
    let (standing, without_events) = if after.is_none() { of_all(moment, times)? } else { Default::default() };
    Ok(UnsyncedReport {
        as_of,
        doubtful: found.iter().filter(|event| event.is_doubtful).map(|event| event.place.id).collect(),
        events: found.into_iter().map(|event| (event.place.id, event.place.key.to_string(), event.kind)).collect(),
        recorded,
        standing,
        without_events,
        next,
    })
}

type ByKey = BTreeMap<String, &'static str>;

fn of_all(moment: &mut Transaction<'_>, times: Times) -> Result<(ByKey, ByKey)> {
    let seen = Seen::read(moment, times)?;
    let Untried { parked, held, on_hold, .. } = &seen.outlook.untried;
    let word = |how: How| move |key: &Key| (key.to_string(), how.word());
    let standing = parked.iter().map(word(How::Parked)).chain(held.keys().map(word(How::Held)));
    let standing = standing.chain(on_hold.iter().map(word(How::OnHold))).collect();
    let unfinished = log::unfinished(moment, &seen.clock)?;
    let without = unfinished.iter().map(|one| (one.key.to_string(), object::word(action(one.before, one.after))));
    Ok((standing, without.collect()))
}
