//! The history of runs.

use postgres::Transaction;

use crate::error::Result;
use crate::report::runs::{RunReport, SentReport};
use crate::store::run_rows::{self, SentPlace};

/// Describes what is kept of a run, with at most `limit` objects that were recorded behind `after`; `None`: there is no such run.
pub fn one(
    moment: &mut Transaction<'_>,
    id: i64,
    after: Option<&SentPlace>,
    limit: i64,
) -> Result<Option<(RunReport, Option<SentPlace>)>> {
    let Some((run, report)) = run_rows::one(moment, id)? else { return Ok(None) };
    let (sent, more) = run_rows::sent(moment, id, after, limit)?;
    let next = sent.last().filter(|_| more > 0).map(|row| row.place.clone());
    let sent = sent.into_iter().map(SentReport::from).collect();
    Ok(Some((RunReport { run, report, sent, more }, next)))
}
