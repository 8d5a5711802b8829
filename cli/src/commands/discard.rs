//! `news discard`: gives up pending changes. The target then differs, and `news diff` says so.

use crate::args::Discard;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::KeysReport;
use crate::settings::Settings;
use crate::store::lock::Lock;
use crate::store::objects;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Discard, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    // A run under way has read the events already.
    let mut lock = Lock::take(&master::url(settings)?, "discard")?;
    let discarded = objects::discard(lock.client(), &args.keys)?;
    let none: Vec<String> =
        discarded.iter().filter(|(_, events)| *events == 0).map(|(key, _)| key.to_string()).collect();
    if !none.is_empty() && none.len() == discarded.len() {
        return Err(Failure::new(Kind::Refused, format!("no pending changes: {}", none.join(", "))));
    }
    let keys = discarded.iter().map(|(key, _)| key.to_string()).collect();
    let events = Some(discarded.iter().map(|(_, events)| events).sum());
    Ok(Outcome::done(Report::Keys(KeysReport { what: "discarded", keys, events })))
}
