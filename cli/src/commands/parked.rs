//! `news parked`: objects on hold, objects that a run does not send, and those that it tries again.

use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::settings::Settings;
use crate::store::{rows, schema};
use crate::views::Seen;
use crate::views::parked::{self, WantedLeft};

/// Rows shown; more are no reading matter.
const ROWS_MAX: usize = 1000;

/// Runs the command.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let mut moment = rows::snapshot(&mut client)?;
    let seen = Seen::read(&mut moment, settings.times)?;
    let page = parked::page(&mut moment, &seen, &WantedLeft::default(), ROWS_MAX)?;
    Ok(Outcome::done(Report::Parked(page.report)))
}
