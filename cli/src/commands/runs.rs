//! `news runs`

use crate::args::Runs;
use crate::commands::Outcome;
use crate::error::Result;
use crate::settings::Settings;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Runs, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    unimplemented!("{args:?} {settings:?} {ui:?}")
}
