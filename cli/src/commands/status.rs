//! `news status`: how the sync goes, what is pending, what a run would do.

use crate::args::Status;
use crate::commands::{self, Outcome};
use crate::error::{Exit, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::status::StatusReport;
use crate::report::verdict::{MAX_LAG, Word};
use crate::settings::Settings;
use crate::store::{schema, tracking};
use crate::ui::Ui;
use crate::views::status;

/// Runs the command.
pub fn run(args: &Status, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let faults = tracking::faults(&mut client)?;
    let report = status::collect(&mut client, settings, &faults, args.max_lag.unwrap_or(MAX_LAG))?;
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

/// Returns what `--check` ends with: whatever makes each run exit with 3 makes this one do so, too, and so does a full sync that failed,
/// since the exit code of the next plain run hides that.
fn check(args: &Status, report: &StatusReport) -> Exit {
    let unsent = report.parked + report.held + report.on_hold;
    let is_pending = report.pending > unsent;
    // Nothing is sent until somebody does something about it, however young the change is.
    let is_refused = matches!(report.verdict.word, Word::Credentials | Word::Refused);
    let is_late = match args.max_lag {
        Some(max) => (is_pending && is_refused) || report.oldest_s.is_some_and(|oldest_s| oldest_s > max.as_secs_f64()),
        None => is_pending,
    };
    if (unsent > 0 && !args.allow_parked) || report.failed > 0 || report.failed_full.is_some() {
        Exit::Partly
    } else if is_late {
        Exit::Differ
    } else {
        Exit::Done
    }
}
