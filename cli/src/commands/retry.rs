//! `news retry`: lets parked objects be tried again by the next run.

use crate::args::Retry;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::KeysReport;
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::acts::By;
use crate::store::lock::Busy;
use crate::store::{Purpose, connect, left, schema};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Retry, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    watchdog::start(&Signals::install()?, watchdog::NEXT_RUN_ASKS)?;
    let busy = Busy::begin();
    let keys = left::unpark(&mut client, (!args.all).then_some(&args.keys[..]), &By::command_line())?;
    drop(busy);
    let missed: Vec<String> = args.keys.iter().filter(|key| !keys.contains(key)).map(ToString::to_string).collect();
    if !missed.is_empty() {
        return Err(Failure::new(Kind::Refused, format!("not parked: {}", missed.join(", ")))
            .hint("`news parked` tells which are; what is held goes once the object that it waits for has gone"));
    }
    let keys = keys.iter().map(ToString::to_string).collect();
    Ok(Outcome::done(Report::Keys(KeysReport { what: "retried", keys, ..KeysReport::default() })))
}
