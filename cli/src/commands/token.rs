//! `news token`

use crate::args::Token;
use crate::commands::Outcome;
use crate::error::Result;
use crate::settings::Settings;
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Token, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    unimplemented!("{args:?} {settings:?} {ui:?}")
}
