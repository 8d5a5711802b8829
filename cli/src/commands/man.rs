//! `news man`: the man pages, made from the command line's own description.

use clap::CommandFactory;

use crate::args::{Cli, Man};
use crate::commands::Outcome;
use crate::error::{Kind, OrFail, Result};
use crate::settings::Settings;
use crate::ui::Ui;

/// Writes news.1 and a page for each command.
pub fn run(args: &Man, _settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    std::fs::create_dir_all(&args.dir).or_fail(Kind::Output, format!("cannot make {}", args.dir.display()))?;
    clap_mangen::generate_to(Cli::command(), &args.dir)
        .or_fail(Kind::Output, format!("cannot write man pages to {}", args.dir.display()))?;
    Ok(Outcome::default())
}
