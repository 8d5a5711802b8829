//! `news parked`: what waits for an operator, and what waits for that.

use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::status::{ParkedReport, ParkedRow};
use crate::settings::Settings;
use crate::store::{Purpose, connect, left, runs, schema};

/// Rows shown; more are no reading matter.
const ROWS_MAX: usize = 1000;
/// Read of what earlier runs left.
const LEFT_MAX: i64 = 100_000;

/// Runs the command.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let now = runs::now(&mut client)?;
    let left = left::left(&mut client, LEFT_MAX)?.into_iter();
    // Whom a stop left untouched goes with the next run: there is nothing to do about it.
    let told = left.filter(|row| {
        !matches!(row.state.as_str(), "waiting" | "sent")
            || row.reason.as_deref().is_some_and(|reason| !reason.is_empty())
    });
    let objects = told.take(ROWS_MAX).map(|row| ParkedRow {
        entity: row.key.entity().plural(),
        id: row.key.id(),
        state: row.state,
        status: row.status,
        reason: row.reason.filter(|reason| !reason.is_empty()),
        failures: row.failures,
        since_s: now.duration_since(row.since).unwrap_or_default().as_secs_f64(),
        next_try_s: row.next_try.map(|time| time.duration_since(now).unwrap_or_default().as_secs_f64()),
    });
    Ok(Outcome::done(Report::Parked(ParkedReport { objects: objects.collect() })))
}
