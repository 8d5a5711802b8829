//! `news completions`

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::commands::Outcome;
use crate::error::Result;
use crate::ui::Ui;

/// Prints the script for the shell.
pub fn run(args: &Completions, ui: &Ui) -> Result<Outcome> {
    // clap_complete panics where a write fails; into memory, none does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "news", &mut script);
    ui.report(|out| out.write_all(&script))?;
    Ok(Outcome::default())
}
