//! `news db prune`: deletes old, synced events.

use std::time::Duration;

use crate::commands::{self, Outcome};
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::db::Pruned;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{Purpose, connect, prune, schema};
use crate::ui::Ui;

/// Runs the command. A signal ends it between two batches: what was deleted by then is, and is told.
pub fn run(older_than: Duration, batch: u32, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let signals = Signals::install()?;
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let cutoff = prune::cutoff(&mut client, older_than)?;
    let mut report = Pruned { deleted: 0, kept: 0, batches: 0, older_than_s: older_than.as_secs_f64() };
    let bar = ui.bar("prune", None, "events");
    let mut after_id = i64::MIN;
    loop {
        if let Some(stopped) = signals.stop() {
            bar.finish();
            commands::print(ui, &Report::DbPruned(report))?;
            return Err(stopped);
        }
        let done = prune::batch(&mut client, cutoff, after_id, batch)?;
        let Some(last_id) = done.last_id else { break };
        after_id = last_id;
        report.batches += 1;
        report.deleted += done.deleted;
        report.kept += done.seen.saturating_sub(done.deleted);
        bar.inc(done.seen);
    }
    bar.finish();
    Ok(Outcome::done(Report::DbPruned(report)))
}
