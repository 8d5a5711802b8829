//! Looking at the change log often and cheaply: is there something that nobody has tried?

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use news_core::Key;
use news_core::ledger::{self, Entry, Row, State};
use news_core::plan::Standing;
use postgres::{Client, Statement};

use crate::error::Result;
use crate::pg::{Purpose, connect};
use crate::secret::Secret;
use crate::store::{holds, ledger as entries, log, runs, schema, tracking};
use crate::times::Times;

/// What is pending, as far as telling two moments apart takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Nothing,
    /// Something.
    Something {
        /// Unsynced events: their number, and a sum of hashes of their ids, which no
        /// late commit of a lower id leaves as it was.
        events: (i64, String),
        /// Objects that wait for an operator; fewer after a `news retry`.
        parked: i64,
        /// Objects whose time to be tried again has come: their number, and a hash of their keys.
        due: (i64, u64),
        /// Objects on hold: a hash of their keys, which is another one after a `news release`.
        on_hold: u64,
    },
}

/// One probe of the partial index: the order keeps the planner from reading the whole log
/// where it believes that unsynced events are many.
const ANY: &str = "SELECT FROM news_modelevent WHERE synced_at IS NULL ORDER BY entity_table, entity_pk, id LIMIT 1";

/// What a full sync did not end with. The table is small.
const LEFT: &str = "SELECT FROM news_sync_object WHERE state <> 'discarded' LIMIT 1";

/// Costs what is pending; asked only when something is.
const EVENTS: &str = "
    SELECT count(*), coalesce(sum(hashint8extended(id, 0)::numeric), 0)::text FROM news_modelevent WHERE synced_at IS NULL";

/// Where nothing is tracked, nothing is ever pending, and no run would say so: it is looked at so often.
const CHECK_EVERY: Duration = Duration::from_mins(1);

/// What a look asks takes no more round trips than these.
const ROUND_TRIPS_MAX: u32 = 13;

/// A connection that looks.
pub struct Watcher {
    client: Client,
    /// When tracking was last looked at.
    checked_at: Instant,
    any: Statement,
    left: Statement,
    events: Statement,
    times: Times,
}

impl Watcher {
    /// Connects, and prepares the questions. `times` say how long a request may take.
    pub fn connect(url: &Secret, times: Times) -> Result<Self> {
        let mut client = connect(url, Purpose::Run)?;
        schema::require_current(&mut client)?;
        tracking::require(&mut client)?;
        // The partial index is right whatever the statistics say.
        client.batch_execute("SET enable_seqscan = off")?;
        let (any, left, events) = (client.prepare(ANY)?, client.prepare(LEFT)?, client.prepare(EVENTS)?);
        Ok(Self { client, checked_at: Instant::now(), any, left, events, times })
    }

    /// Looks, and returns with it how long the database worked for that, whatever the way to it takes. After a failure
    /// this connection is of no more use.
    pub fn look(&mut self) -> Result<(Watch, Duration)> {
        if self.checked_at.elapsed() >= CHECK_EVERY {
            tracking::require(&mut self.client)?;
            self.checked_at = Instant::now();
        }
        let begun = Instant::now();
        let is_left = self.client.query_opt(&self.left, &[])?.is_some();
        // A look into a small table: what it takes is the way.
        let way = begun.elapsed();
        if !is_left && self.client.query_opt(&self.any, &[])?.is_none() {
            return Ok((Watch::Nothing, Duration::ZERO));
        }
        let row = self.client.query_one(&self.events, &[])?;
        let events = (row.get(0), row.get(1));
        let parked = self.client.query_one("SELECT count(*) FROM news_sync_object WHERE state = 'parked'", &[])?.get(0);
        let holds = holds::keys(&mut self.client)?;
        let due = if is_left { self.due(&holds)? } else { (0, 0) };
        let on_hold = holds.into_iter().map(mix).fold(0, u64::wrapping_add);
        let cost = begun.elapsed().saturating_sub(way * ROUND_TRIPS_MAX);
        Ok((Watch::Something { events, parked, due, on_hold }, cost))
    }

    /// Objects that an earlier run left and that a loop would try now, but for those on hold, and those with a newer event,
    /// which calls by itself.
    fn due(&mut self, holds: &BTreeSet<Key>) -> Result<(i64, u64)> {
        let clock = runs::clock(&mut self.client, self.times)?;
        let (mut count, mut hash) = (0, 0_u64);
        let mut add = |key: Key| {
            count += 1;
            hash = hash.wrapping_add(mix(key));
        };
        for one in log::unfinished(&mut self.client, &clock)? {
            if one.standing == Standing::Ready && !one.waits && !holds.contains(&one.key) {
                add(one.key);
            }
        }
        entries::each(&mut self.client, |key, entry| {
            // Whether it is there, and whether it has events that un-park it, does not matter for its time.
            let timed = entry.next_try_at.is_some() || entry.settled_at.is_some() || entry.state == State::Sent;
            let tried = match entry.state {
                State::Parked => Entry { state: State::Waiting, ..entry },
                State::Sent | State::Waiting | State::Held | State::Discarded => entry,
            };
            let one = ledger::pending(key, None, Some(Row { parent: None }), Some(&tried), &clock);
            if timed && !holds.contains(&key) && one.is_some_and(|one| !one.waits) {
                add(key);
            }
        })?;
        Ok((count, hash))
    }
}

/// Spreads keys, so that sums of them differ (splitmix64).
fn mix(key: Key) -> u64 {
    let mut z = key.id().unsigned_abs().wrapping_add(if key.entity() == news_core::Entity::Post { 1 << 60 } else { 0 });
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
