//! `news status`: how the sync goes, what is pending, what a run would do.

use news_core::session::Untried;
use postgres::Client;
use time::OffsetDateTime;

use crate::args::Status;
use crate::commands::{self, Outcome};
use crate::error::{Exit, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::holds::HoldRow;
use crate::report::status::StatusReport;
use crate::report::sync::by_entity;
use crate::report::verdict::{Facts, MAX_LAG, Verdict, Word};
use crate::run;
use crate::settings::Settings;
use crate::store::tracking::{self, Fault};
use crate::store::{Purpose, connect, history, holds, ledger, lock, log as change_log, rows, run_rows, runs, schema};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Status, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let faults = tracking::faults(&mut client)?;
    let report = collect(&mut client, settings, &faults, args.max_lag.unwrap_or(MAX_LAG))?;
    for warning in &report.warnings {
        log::warn!("{warning}");
    }
    let exit = if args.check { check(args, &report) } else { Exit::Done };
    let report = Report::Status(Box::new(report));
    match faults.first() {
        // What is not tracked is not pending: a check would say for ever that all is sent.
        Some(fault) if args.check => {
            commands::print(ui, &report)?;
            Err(fault.failure())
        }
        Some(fault) => {
            log::warn!("{fault}");
            Ok(Outcome { report: Some(report), exit })
        }
        None => Ok(Outcome { report: Some(report), exit }),
    }
}

/// Returns what `--check` ends with: whatever makes each run exit with 3 makes this one do so, too.
fn check(args: &Status, report: &StatusReport) -> Exit {
    let unsent = report.parked + report.held + report.on_hold;
    let is_pending = report.pending > unsent;
    // Nothing is sent until somebody does something about it, however young the change is.
    let is_refused = matches!(report.verdict.word, Word::Credentials | Word::Refused);
    let is_late = match args.max_lag {
        Some(max) => (is_pending && is_refused) || report.oldest_s.is_some_and(|oldest_s| oldest_s > max.as_secs_f64()),
        None => is_pending,
    };
    if (unsent > 0 && !args.allow_parked) || report.failed > 0 {
        Exit::Partly
    } else if is_late {
        Exit::Differ
    } else {
        Exit::Done
    }
}

/// Reads it all. A change that waits longer than `max_lag` is late.
pub(super) fn collect(
    client: &mut Client,
    settings: &Settings,
    faults: &[Fault],
    max_lag: std::time::Duration,
) -> Result<StatusReport> {
    let mut moment = rows::snapshot(client)?;
    let clock = runs::clock(&mut moment, settings.times)?;
    let outlook = change_log::outlook(&mut moment, &clock, None)?;
    let last = history::last_run(&mut moment)?;
    let begun = history::begun(&mut moment)?;
    let at_work = history::at_work(&mut moment)?;
    let holds = holds::all(&mut moment)?;
    moment.commit()?;
    let holders: Vec<String> =
        lock::holders(client)?.iter().map(|holder| format!("{}, since {}", holder.who, holder.since)).collect();
    // Nothing is sent from here: how things stand is told, whatever is wrong with the URL.
    let (target, warning) = match run::followed(settings, client) {
        Ok(followed) => followed.map_or((None, None), |followed| (Some(followed.url), followed.warning)),
        Err(failure) if matches!(failure.kind(), Kind::Usage | Kind::Refused) => (None, Some(failure.with_hints())),
        Err(failure) => return Err(failure),
    };
    let oldest = outlook.oldest.map(|since| since.age(clock.now));
    let Untried { parked, held, on_hold, .. } = &outlook.untried;
    let [parked, held, on_hold] = [parked.len(), held.len(), on_hold.len()].map(|count| count as u64);
    let time = |moment| OffsetDateTime::from(ledger::stamp(moment));
    let failed = last.as_ref().map_or(0, |last| last.failed);
    let verdict = Verdict::of(&Facts {
        now: time(clock.now),
        untracked: faults.first().map(ToString::to_string),
        last,
        running_since: at_work.iter().map(|run| time(run.since)).min(),
        begun,
        oldest,
        max_lag,
        pending: outlook.objects,
        parked: parked + on_hold,
        held,
    });
    Ok(StatusReport {
        verdict,
        target,
        pending: outlook.objects,
        events: outlook.events,
        in_flight: outlook.in_flight,
        oldest_s: oldest.map(|age| age.as_secs_f64()),
        plan: by_entity(&outlook.tallies),
        parked,
        held,
        waiting: outlook.retried.len() as u64,
        on_hold,
        holds: HoldRow::first(&holds),
        lock: (!holders.is_empty()).then(|| holders.join("; ")),
        last_done: run_rows::last_done(client)?,
        last_run: run_rows::last(client)?,
        schema: schema::applied(client)?,
        tracking: faults.iter().map(ToString::to_string).collect(),
        warnings: warning.into_iter().collect(),
        failed,
    })
}
