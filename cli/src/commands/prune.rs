//! `news db prune`: deletes old, synced events, and the history of that time.

use std::time::Duration;

use crate::commands::{self, Outcome};
use crate::error::Result;
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::db::Pruned;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{prune, schema};
use crate::ui::Ui;

/// Runs the command. A signal ends it between two batches: what was deleted by then is, and is told.
pub fn run(older_than: Duration, batch: u32, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let signals = Signals::install()?;
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    schema::wait_for_no_standby(&mut client)?;
    let cutoff = prune::cutoff(&mut client, older_than)?;
    let mut report = Pruned { older_than_s: older_than.as_secs_f64(), ..Pruned::default() };
    let bar = ui.bar("prune", None, "events");
    let mut part = PruneStage::Events { after_id: i64::MIN };
    loop {
        if let Some(stopped) = signals.stop() {
            bar.finish();
            commands::print(ui, &Report::DbPruned(report))?;
            return Err(stopped);
        }
        part = match part {
            PruneStage::Events { after_id } => {
                let done = prune::batch(&mut client, cutoff, after_id, batch)?;
                report.batches += u64::from(done.last_id.is_some());
                report.deleted += done.deleted;
                report.kept += done.seen.saturating_sub(done.deleted);
                bar.inc(done.seen);
                done.last_id.map_or(PruneStage::Sent, |after_id| PruneStage::Events { after_id })
            }
            PruneStage::Sent => {
                let deleted = prune::sent(&mut client, cutoff, batch)?;
                report.sent += deleted;
                if deleted < u64::from(batch) { PruneStage::Acts } else { PruneStage::Sent }
            }
            PruneStage::Acts => {
                let deleted = prune::acts(&mut client, cutoff, batch)?;
                report.acts += deleted;
                if deleted < u64::from(batch) {
                    break;
                }
                PruneStage::Acts
            }
        };
    }
    bar.finish();
    Ok(Outcome::done(Report::DbPruned(report)))
}

/// What is pruned, one after the other.
enum PruneStage {
    /// The change log, from the next event on.
    Events { after_id: i64 },
    /// What runs came to.
    Sent,
    /// What people did.
    Acts,
}
