//! `--metrics-file`: how things stand, for the node exporter's textfile collector.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{self, Outcome};
use crate::error::Result;
use crate::pg::{self, Pooling, Purpose, connect};
use crate::render::metrics;
use crate::report::metrics::{LastAttempt, MetricsState};
use crate::report::verdict::MAX_LAG;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::store::{runs, schema, tracking};
use crate::ui::Ui;
use crate::views::status;
use crate::{files, master};
use postgres::Client;

/// Passes a run's result on, and writes FILE before. Where the run itself came to its end, a file that
/// cannot be written is a failure, told after the report: [`Kind::Output`].
pub fn write_after(file: Option<&Path>, settings: &Settings, ui: &Ui, result: Result<Outcome>) -> Result<Outcome> {
    let Some(file) = file else { return result };
    match (write(file, settings, exit_code(&result)), result) {
        (Ok(()), result) => result,
        (Err(failure), Ok(outcome)) => {
            if let Some(report) = &outcome.report {
                commands::print(ui, report)?;
            }
            Err(failure)
        }
        (Err(failure), result @ Err(_)) => {
            log::warn!("{failure}");
            result
        }
    }
}

/// Writes FILE after one of many runs; a file that cannot be written is a warning.
pub fn try_to_write(file: Option<&Path>, settings: &Settings, result: &Result<Outcome>) {
    let Some(file) = file else { return };
    if let Err(failure) = write(file, settings, exit_code(result)) {
        log::warn!("{failure}; the next run tries again");
    }
}

fn exit_code(result: &Result<Outcome>) -> u8 {
    match result {
        Ok(outcome) => outcome.exit.code(),
        Err(failure) => failure.kind().code(),
    }
}

fn write(file: &Path, settings: &Settings, exit_code: u8) -> Result<()> {
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let attempt = LastAttempt { exit_code, at_s };
    let state = state(settings).inspect_err(|failure| log::debug!("metrics without the database: {failure}")).ok();
    let text = metrics::file(attempt, state.as_ref());
    // The exporter is somebody else; it reads names that end in .prom only.
    files::replace(file, 0o644, |out| out.write_all(text.as_bytes()))
}

fn state(settings: &Settings) -> Result<MetricsState> {
    read(&mut connect(&master::url(settings)?, Purpose::Run)?, settings)
}

/// Reads it for `news serve`, on a connection of its own: it may take longer than a request, and through a pooler, too.
pub fn beside_requests(url: &Secret, settings: &Settings) -> Result<MetricsState> {
    let (mut client, pooling) = pg::connect_api(url)?;
    if pooling == Pooling::None {
        pg::see_all_rows(&mut client)?;
    }
    read(&mut client, settings)
}

fn read(client: &mut Client, settings: &Settings) -> Result<MetricsState> {
    schema::require_current(client)?;
    let faults = tracking::faults(client)?;
    Ok(MetricsState { status: status::collect(client, settings, &faults, MAX_LAG)?, runs: runs::numbers(client)? })
}
