//! `news discard`: gives up pending changes. The target then differs, and `news diff` says so.

use crate::args::Discard;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::{KeysReport, words};
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::acts::By;
use crate::store::decisions::{self, Discarding, Done, Saw};
use crate::store::lock::Lock;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Discard, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    watchdog::start(&Signals::install()?, watchdog::NEXT_RUN_ASKS)?;
    // A run under way has read the events already.
    let mut lock = Lock::take(&master::existing(settings)?, "discard", settings.times)?;
    let saw = Saw::unseen(&args.keys);
    let how = (Discarding::Anyhow, args.why.as_deref().filter(|why| !why.is_empty()));
    match lock.once(|client| decisions::discard(client, &saw, how, settings.times, &By::command_line()))? {
        Done::All(discarded) => Ok(Outcome::done(Report::Keys(KeysReport::discarded(&discarded)))),
        // Nobody has looked: nothing can have changed since.
        Done::Unfit(keys) | Done::Changed(keys) => {
            Err(Failure::new(Kind::Refused, format!("no pending changes: {}", words(&keys).join(", ")))
                .hint("nothing was given up"))
        }
    }
}
