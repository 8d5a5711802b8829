//! `news runs`: the history.

use crate::args::Runs;
use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::status::RunsReport;
use crate::settings::Settings;
use crate::store::{Purpose, connect, runs, schema};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Runs, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let runs = runs::last(&mut client, i64::from(args.limit))?;
    Ok(Outcome::done(Report::Runs(RunsReport { runs })))
}
