//! `news parked`: objects on hold, objects that a run does not send, and those that it tries again.

use news_core::Key;
use news_core::ledger::{Clock, Entry, State};
use news_core::outlook::Outlook;
use news_core::session::Untried;

use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::status::{ParkedReport, ParkedRow};
use crate::settings::Settings;
use crate::store::{Purpose, connect, holds, ledger, left_out, log as change_log, rows, runs, schema};

/// Rows shown; more are no reading matter.
const ROWS_MAX: usize = 1000;

/// Runs the command.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let mut moment = rows::snapshot(&mut client)?;
    let clock = runs::clock(&mut moment, settings.times)?;
    let holds = holds::all(&mut moment)?;
    let outlook = change_log::outlook(&mut moment, &clock, None)?;
    let told = told(&outlook);
    let keys: Vec<Key> = told.iter().map(|(key, ..)| *key).collect();
    let mut entries = ledger::entries(&mut moment, &keys)?;
    entries.retain(|_, entry| entry.state != State::Discarded);
    // The reason of a row that no run has met yet is the one that the next run gives.
    let is_met = |key: &Key| entries.get(key).is_some_and(|entry| !entry.reason.is_empty());
    let unmet: Vec<Key> = keys.iter().copied().filter(|key| !is_met(key)).collect();
    let barred = left_out::load_to_send(&mut moment, &unmet)?;
    let pending = change_log::pending_of(&mut moment, &unmet, &clock)?;
    let told = told.into_iter().map(|(key, state, why)| {
        let why = why.or_else(|| barred.get(&key).and_then(|row| row.as_ref().err().cloned()));
        let since = pending.iter().find(|one| one.key == key).map_or(clock.now, |one| one.since);
        row(key, state, entries.get(&key), (why, since), &clock)
    });
    let on_hold = holds.iter().map(|(key, hold)| ParkedRow {
        entity: key.entity().plural(),
        id: key.id(),
        state: "on_hold",
        status: None,
        reason: Some(hold.why.clone()).filter(|why| !why.is_empty()),
        failures: 0,
        since_s: hold.since.age(clock.now).as_secs_f64(),
        next_try_s: None,
        by: Some(hold.by.clone()),
    });
    // Holds last: an operator knows of them.
    let objects: Vec<ParkedRow> = told.chain(on_hold).take(ROWS_MAX).collect();
    let Untried { parked, held, .. } = &outlook.untried;
    let all = parked.len() + held.len() + outlook.retried.len() + holds.len();
    let more = all.saturating_sub(objects.len()) as u64;
    Ok(Outcome::done(Report::Parked(ParkedReport { objects, more })))
}

/// Returns the objects to tell of, parked ones first, with what held ones wait for.
fn told(outlook: &Outlook) -> Vec<(Key, State, Option<String>)> {
    let parked = outlook.untried.parked.iter().map(|key| (*key, State::Parked, None));
    let held = outlook.untried.held.iter().map(|(key, why)| (*key, State::Held, Some(why.clone())));
    let retried = outlook.retried.iter().map(|key| (*key, State::Waiting, None));
    parked.chain(held).chain(retried).take(ROWS_MAX).collect()
}

/// `why` and `since` are told where no entry tells more.
fn row(
    key: Key,
    state: State,
    entry: Option<&Entry>,
    (why, since): (Option<String>, news_core::ledger::Moment),
    clock: &Clock,
) -> ParkedRow {
    let reason = entry.map(|entry| entry.reason.clone()).filter(|reason| !reason.is_empty());
    let next_try_at = entry.and_then(|entry| entry.next_try_at).filter(|_| state == State::Waiting);
    ParkedRow {
        entity: key.entity().plural(),
        id: key.id(),
        state: state.word(),
        status: entry.and_then(|entry| entry.status),
        // It may have failed before it was held, for a reason that no longer matters.
        reason: if state == State::Held { why } else { reason.or(why) },
        failures: entry.map_or(0, |entry| entry.failures),
        since_s: entry.map_or(since, |entry| entry.since).age(clock.now).as_secs_f64(),
        next_try_s: next_try_at.map(|at| at.since(clock.now).as_secs_f64()),
        by: None,
    }
}
