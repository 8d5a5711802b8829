//! The sequences of ids: rows and events may come with ids of their own, and the next INSERT without one must not meet them.

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, GenericClient, Row};

use super::session::{Live, Sql};
use crate::error::{Failure, Result};

const REPAIR: &str = "SELECT news_sequences_repair()";

/// Moves the sequences behind the highest id in use (migration V4). Returns how many were moved.
pub fn repair(client: &mut impl GenericClient) -> Result<i64> {
    Ok(client.query_one(REPAIR, &[])?.get(0))
}

/// Moves the sequence of the change log behind its events, where somebody has set it back: a run marks the events from the
/// first to the last that it read of an object, and what comes meanwhile must not be between them. Where our role may not
/// move it, that is a warning.
pub fn repair_log(client: &mut Client) -> Result<()> {
    let behind = client.query_typed(
        "SELECT FROM (SELECT pg_get_serial_sequence('news_modelevent', 'id')::regclass) AS s (name)
         WHERE has_sequence_privilege(name, 'SELECT,USAGE')
             AND pg_sequence_last_value(name) < (SELECT max(id) FROM news_modelevent)",
        &[],
    )?;
    if behind.is_empty() {
        return Ok(());
    }
    match repair(client) {
        Ok(_) => log::warn!("the sequence of the change log was set back: it was moved behind the log's events again"),
        Err(failure) => log::warn!(
            "the sequence of the change log was set back, and this role may not move it: {failure}; as the owner: SELECT \
             news_sequences_repair()"
        ),
    }
    Ok(())
}

/// A sequence that will give an id that is in use.
#[derive(Debug)]
pub struct Behind {
    /// Its table.
    pub table: String,
    /// The id that it gives next.
    pub next: i64,
    /// The highest id in use.
    pub highest: i64,
}

/// Lists the sequences that are behind the ids in use, of those that our role may look at.
pub fn behind(client: &mut Client) -> Result<Vec<Behind>> {
    let rows = client.query(
        "SELECT name, next, highest
         FROM (SELECT 'news_post' AS name, (SELECT max(id) FROM news_post) AS highest
               UNION ALL SELECT 'news_comment', (SELECT max(id) FROM news_comment)
               UNION ALL SELECT 'news_modelevent', (SELECT max(id) FROM news_modelevent)) AS t,
              LATERAL (SELECT seqrelid, seqincrement, seqstart FROM pg_sequence
                       WHERE seqrelid = pg_get_serial_sequence(name, 'id')::regclass) AS s,
              LATERAL (SELECT CASE WHEN has_sequence_privilege(seqrelid, 'SELECT,USAGE')
                                   THEN coalesce(pg_sequence_last_value(seqrelid) + seqincrement, seqstart) END) AS n (next)
         WHERE highest >= next",
        &[],
    )?;
    Ok(rows.iter().map(|row| Behind { table: row.get(0), next: row.get(1), highest: row.get(2) }).collect())
}

/// Runs an INSERT whose id comes from a sequence. Where the id is taken by a row that came with an id of its own, the
/// sequence is moved and the INSERT is repeated.
pub(super) fn insert(live: &mut Live, sql: &Sql, params: &[&(dyn ToSql + Sync)]) -> Result<Row, postgres::Error> {
    let taken = match live.one(sql, params) {
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => error,
        result => return result,
    };
    match live.client.query_typed_one(REPAIR, &[]).and_then(|row| row.try_get::<_, i64>(0)) {
        Ok(0) => Err(taken),
        Ok(_) => {
            log::warn!("rows came with ids past the sequence: it was moved behind them");
            live.one(sql, params)
        }
        Err(error) => {
            log::warn!("rows came with ids past the sequence, which this role may not move: {}", Failure::from(error));
            Err(taken)
        }
    }
}
