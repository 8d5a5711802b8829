//! `--metrics-file`: how things stand, for the node exporter's textfile collector.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{Outcome, status};
use crate::error::{Kind, OrFail, Result};
use crate::master;
use crate::render::metrics;
use crate::report::metrics::{Attempt, State};
use crate::settings::Settings;
use crate::store::{Purpose, connect, runs, schema};

/// Passes a run's result on, and writes FILE before. Where the run itself went well, a file that cannot
/// be written is a failure: [`Kind::Output`].
pub fn write_after(file: Option<&Path>, settings: &Settings, result: Result<Outcome>) -> Result<Outcome> {
    let Some(file) = file else { return result };
    let exit_code = match &result {
        Ok(outcome) => outcome.exit.code(),
        Err(failure) => failure.kind().code(),
    };
    match (write(file, settings, exit_code), result) {
        (Ok(()), result) => result,
        (Err(failure), Ok(_)) => Err(failure),
        (Err(failure), result @ Err(_)) => {
            log::warn!("{failure}");
            result
        }
    }
}

fn write(file: &Path, settings: &Settings, exit_code: u8) -> Result<()> {
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let attempt = Attempt { exit_code, at_s };
    let state = state(settings).inspect_err(|failure| log::debug!("metrics without the database: {failure}")).ok();
    let mut text = Vec::new();
    metrics::metrics(attempt, state.as_ref(), &mut text).or_fail(Kind::Bug, "cannot write metrics")?;
    replace(file, &text).or_fail(Kind::Output, format!("cannot write {}", file.display()))
}

fn state(settings: &Settings) -> Result<State> {
    let mut client = connect(&master::url(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    Ok(State { status: status::collect(&mut client, settings)?, runs: runs::numbers(&mut client)? })
}

/// Puts a whole file in the place of another: whoever reads sees the old or the new one. The
/// collector reads names that end in .prom only, which a file on its way must not.
fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    // The exporter is somebody else.
    let readable = std::fs::Permissions::from_mode(0o644);
    let mut new = tempfile::Builder::new().prefix(".news-metrics-").permissions(readable).tempfile_in(folder)?;
    new.write_all(text)?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
