//! `news`: parse, run, render, exit.

mod api;
mod args;
mod clock;
mod commands;
mod compare;
mod error;
mod fake_api;
mod files;
mod http;
mod json;
mod listing;
mod master;
mod nearest;
mod pg;
mod pool;
mod private_pg;
mod profile;
mod random;
mod render;
mod report;
mod run;
mod secret;
mod settings;
mod signals;
mod source;
mod store;
mod systemd;
mod target;
mod times;
mod ui;
mod values;
mod views;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use crate::error::{Failure, Kind};
use crate::settings::Stop;
use crate::ui::Ui;

fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        ui::line(&ui::with_priority(log::Level::Error, &format!("news: a bug: {info}")));
    }));
    let arguments = args::mark_psqls(&env::args_os().collect::<Vec<_>>());
    let (cli, layers) = match settings::command_line(&arguments) {
        Ok(read) => read,
        Err(Stop::Clap(said)) => return said_by_clap(&said, &arguments),
        Err(Stop::Failure(look, failure)) => {
            // The log is told how to look by it.
            let _ui = Ui::new(look);
            return ExitCode::from(fail(&failure));
        }
    };
    let ui = Ui::new(settings::look(&cli.global));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        commands::run(&cli, layers, &ui).and_then(|outcome| {
            if let Some(report) = &outcome.report {
                commands::print(&ui, report)?;
            }
            Ok(outcome.exit.code())
        })
    }));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => fail(&failure),
        Err(_) => fail(&Failure::new(Kind::Bug, "this is a bug in news; everything that was recorded is safe")),
    };
    ExitCode::from(code)
}

/// Prints help, the version, or what is wrong with the command line. The latter is one JSON object if log lines are JSON.
fn said_by_clap(said: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if said.use_stderr()
        && let Some(look) = settings::json_look(arguments)
    {
        let _ui = Ui::new(look);
        let text = said.to_string();
        let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.trim().trim_start_matches("error: "));
        let failure = Failure::new(Kind::Usage, paragraphs.next().unwrap_or_default().to_owned());
        return ExitCode::from(fail(&paragraphs.filter(|hint| !hint.is_empty()).fold(failure, Failure::hint)));
    }
    let printed = said.print().and_then(|()| io::stdout().flush()).map_err(ui::output_failure);
    let code = match printed {
        Ok(()) => u8::try_from(said.exit_code()).unwrap_or(Kind::Usage.code()),
        Err(failure) => fail(&failure),
    };
    ExitCode::from(code)
}

fn fail(failure: &Failure) -> u8 {
    ui::failure(failure);
    failure.kind().code()
}
