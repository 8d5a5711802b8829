//! `news discard`: gives up pending changes. The target then differs, and `news diff` says so.

use news_core::Key;

use crate::args::Discard;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::KeysReport;
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::acts::By;
use crate::store::left;
use crate::store::lock::Lock;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Discard, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    watchdog::start(&Signals::install()?, watchdog::NEXT_RUN_ASKS)?;
    // A run under way has read the events already.
    let mut lock = Lock::take(&master::existing(settings)?, "discard", settings.times)?;
    let discarded = lock.once(|client| left::discard(client, &args.keys, settings.times, &By::command_line()))?;
    let has = |key: &&Key| discarded.named.contains(key) || discarded.along.contains(key);
    let without: Vec<Key> = args.keys.iter().filter(|key| !has(key)).copied().collect();
    if !without.is_empty() {
        return Err(Failure::new(Kind::Refused, format!("no pending changes: {}", listed(&without).join(", ")))
            .hint("nothing was given up"));
    }
    Ok(Outcome::done(Report::Keys(KeysReport {
        what: "discarded",
        keys: listed(&discarded.named),
        along: listed(&discarded.along),
        events: Some(discarded.events),
        ..KeysReport::default()
    })))
}

fn listed(keys: &[Key]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
