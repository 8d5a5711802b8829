//! `news parked`: what waits for an operator, and what waits for that.

use news_core::ledger::State;

use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::status::{ParkedReport, ParkedRow};
use crate::settings::Settings;
use crate::store::left::{self, Left};
use crate::store::{Purpose, connect, runs, schema};

/// Rows shown; more are no reading matter.
const ROWS_MAX: usize = 1000;
/// Read of what earlier runs left.
const LEFT_MAX: usize = 100_000;

/// Runs the command.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let clock = runs::clock(&mut client, settings.times)?;
    let left = left::list(&mut client, LEFT_MAX)?.into_iter();
    // The next run sends what a stop left untouched: there is nothing to do about it.
    let told = left.filter(|one| !matches!(one.stands, State::Waiting | State::Sent) || !one.entry.reason.is_empty());
    let objects = told.take(ROWS_MAX).map(|Left { key, entry, stands }| ParkedRow {
        entity: key.entity().plural(),
        id: key.id(),
        state: stands.word(),
        status: entry.status,
        next_try_s: entry.next_try_at.filter(|_| stands == State::Waiting).map(|at| at.since(clock.now).as_secs_f64()),
        since_s: entry.updated_at.age(clock.now).as_secs_f64(),
        reason: Some(entry.reason).filter(|reason| !reason.is_empty()),
        failures: entry.failures,
    });
    Ok(Outcome::done(Report::Parked(ParkedReport { objects: objects.collect() })))
}
