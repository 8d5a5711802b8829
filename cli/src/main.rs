//! `news`: parse, run, render, exit.

mod api;
mod args;
mod commands;
mod error;
mod logging;
mod master;
mod render;
mod report;
mod settings;
mod store;
mod ui;
mod values;

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::error::{Failure, Kind};
use crate::ui::Ui;

fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| ui::line(&format!("news: a bug: {info}"))));
    let cli = Cli::parse();
    let ui = Ui::new(settings::look(&cli.global));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        commands::run(&cli, &ui).and_then(|outcome| {
            if let Some(report) = &outcome.report {
                ui.report(|out| render::render(report, ui.format(), ui.colour(), ui.width(), out))?;
            }
            Ok(outcome.exit.code())
        })
    }));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => fail(&failure),
        Err(_) => fail(&Failure::new(Kind::Bug, "this is a bug of ours; nothing that was recorded is lost")),
    };
    ExitCode::from(code)
}

fn fail(failure: &Failure) -> u8 {
    ui::failure(failure);
    failure.kind().code()
}
