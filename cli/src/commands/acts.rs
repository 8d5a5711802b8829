//! `news acts`: what people did with objects, and who.

use crate::args::Acts;
use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::settings::Settings;
use crate::store::acts::{self, WantedActs};
use crate::store::schema;

/// Runs the command.
pub fn run(args: &Acts, settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let wanted = WantedActs { since: args.since, before: None };
    Ok(Outcome::done(Report::Acts(acts::newest(&mut client, wanted, usize::from(args.limit))?)))
}
