//! `news parked`

use crate::commands::Outcome;
use crate::error::Result;
use crate::settings::Settings;

/// Runs the command.
pub fn run(settings: &Settings) -> Result<Outcome> {
    unimplemented!("{settings:?}")
}
