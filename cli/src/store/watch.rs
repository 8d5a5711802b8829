//! Looking at the change log often and cheaply: is there something that nobody has tried?

use postgres::{Client, Statement};

use crate::error::Result;
use crate::settings::Secret;
use crate::store::{Purpose, connect, schema};

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
        /// Objects whose time to be tried again has come: their number, and a sum of hashes.
        due: (i64, String),
    },
}

/// One probe of the partial index: the order keeps the planner from reading the whole log
/// where it believes that unsynced events are many.
const ANY: &str = "SELECT FROM news_modelevent WHERE synced_at IS NULL ORDER BY entity_table, entity_pk, id LIMIT 1";

/// What a full sync did not end with. The table is small.
const LEFT: &str = "SELECT FROM news_sync_object WHERE state IN ('sent', 'waiting', 'held') LIMIT 1";

/// Costs what is pending; asked only when something is.
const WHAT: &str = "
    SELECT events.n, events.hash, (SELECT count(*) FROM news_sync_object WHERE state = 'parked'), due.n, due.hash
    FROM (SELECT count(*) AS n, coalesce(sum(hashint8extended(id, 0)::numeric), 0)::text AS hash
          FROM news_modelevent WHERE synced_at IS NULL) AS events,
         (SELECT count(*) AS n,
                 coalesce(sum(hashint8extended(entity_pk, hashtext(entity_table))::numeric), 0)::text AS hash
          FROM news_sync_object o
          WHERE state IN ('sent', 'waiting', 'held') AND coalesce(next_try_at <= clock_timestamp(), NOT EXISTS (
              SELECT FROM news_modelevent e
              WHERE e.entity_table = o.entity_table AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL))) AS due";

/// A connection that looks.
pub struct Watcher {
    client: Client,
    any: Statement,
    left: Statement,
    what: Statement,
}

impl Watcher {
    /// Connects, and prepares the questions.
    pub fn connect(url: &Secret) -> Result<Self> {
        let mut client = connect(url, Purpose::Run)?;
        schema::require_current(&mut client)?;
        // The partial index is right whatever the statistics say.
        client.batch_execute("SET enable_seqscan = off")?;
        let (any, left, what) = (client.prepare(ANY)?, client.prepare(LEFT)?, client.prepare(WHAT)?);
        Ok(Self { client, any, left, what })
    }

    /// Looks. After a failure this connection is of no more use.
    pub fn look(&mut self) -> Result<Watch> {
        if self.client.query_opt(&self.any, &[])?.is_none() && self.client.query_opt(&self.left, &[])?.is_none() {
            return Ok(Watch::Nothing);
        }
        let row = self.client.query_one(&self.what, &[])?;
        Ok(Watch::Something { events: (row.get(0), row.get(1)), parked: row.get(2), due: (row.get(3), row.get(4)) })
    }
}
