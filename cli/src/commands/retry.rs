//! `news retry`: lets parked objects be tried again by the next run.

use crate::args::Retry;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::status::{KeysReport, words};
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::acts::By;
use crate::store::decisions::{self, Done, Saw};
use crate::store::lock::Busy;
use crate::store::schema;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Retry, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    watchdog::start(&Signals::install()?, watchdog::NEXT_RUN_ASKS)?;
    let busy = Busy::begin();
    let saw = Saw::unseen(&args.keys);
    let why = args.why.as_deref().filter(|why| !why.is_empty());
    let done = decisions::unpark(&mut client, (!args.all).then_some(&saw[..]), why, &By::command_line())?;
    drop(busy);
    let keys = match done {
        Done::All(keys) => words(&keys),
        // Nobody has looked: nothing can have changed since.
        Done::Unfit(keys) | Done::Changed(keys) => {
            return Err(Failure::new(Kind::Refused, format!("not parked: {}", words(&keys).join(", ")))
                .hint("`news parked` tells which are; what is held goes once the object that it waits for has gone"));
        }
    };
    Ok(Outcome::done(Report::Keys(KeysReport { what: "retried", keys, ..KeysReport::default() })))
}
