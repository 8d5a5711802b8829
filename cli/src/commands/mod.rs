//! The commands, a file each: arguments and settings in, a report and an exit out.

mod acts;
mod adopt;
mod completions;
mod config;
mod db;
mod diff;
mod discard;
mod doctor;
mod fake_api;
mod full;
mod hold;
mod import;
mod log;
mod man;
mod metrics;
mod parked;
mod prune;
mod retry;
mod runs;
mod send;
mod serve;
mod show;
mod status;
mod sync;
mod token;
mod user;

use crate::args::{Cli, Command};
use crate::error::{Cause, Exit, Failure, Kind, Result};
use crate::render;
use crate::report::Report;
use crate::run::Run;
use crate::settings::{Layers, Settings};
use crate::store::runs::{RunEnd, RunStatus, Sent};
use crate::target::base_url;
use crate::ui::{Format, Ui};
use time::OffsetDateTime;

/// What a command that ran to its end leaves: something to print, and how it ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The report for stdout, if there is one.
    pub report: Option<Report>,
    /// The exit.
    pub exit: Exit,
}

impl Outcome {
    /// A report, and exit 0.
    pub fn done(report: Report) -> Self {
        Self { report: Some(report), exit: Exit::Done }
    }
}

/// Runs the command.
pub fn run(cli: &Cli, layers: Layers, ui: &Ui) -> Result<Outcome> {
    // These tell of what is wrong with the settings, too.
    if let Command::Config(args) = &cli.command {
        return config::run(args, &cli.global, &layers);
    }
    if let Command::Doctor(args) = &cli.command {
        return doctor::run(args, &cli.global, &layers, ui);
    }
    let settings = Settings::new(&cli.global, layers)?;
    // A command that does not use the target refuses a wrong URL, too: the next one will use it.
    settings.target_url.as_deref().map(base_url).transpose()?;
    match &cli.command {
        Command::Serve(args) => serve::run(args, &settings, ui),
        Command::Import(args) => import::run(args, &settings, ui),
        Command::Sync(args) => sync::run(args, &settings, ui),
        Command::Diff(args) => diff::run(args, &settings, ui),
        Command::Status(args) => status::run(args, &settings, ui),
        Command::Show(args) => show::run(args, &settings, ui),
        Command::Runs(args) => runs::run(args, &settings, ui),
        Command::Acts(args) => acts::run(args, &settings),
        Command::Log(args) => log::run(args, &settings, ui),
        Command::Parked => parked::run(&settings),
        Command::Retry(args) => retry::run(args, &settings, ui),
        Command::Discard(args) => discard::run(args, &settings, ui),
        Command::Hold(args) => hold::run(args, &settings, ui),
        Command::Release(args) => hold::release(args, &settings, ui),
        Command::User(args) => user::run(args, &settings, ui),
        Command::Token(args) => token::run(args, &settings, ui),
        Command::Db(args) => db::run(args, &settings, ui),
        Command::Config(_) | Command::Doctor(_) => Ok(Outcome::default()),
        Command::FakeApi(args) => fake_api::run(args, &settings, ui),
        Command::Completions(args) => completions::run(args, ui),
        Command::Man(args) => man::run(args, &settings, ui),
    }
}

/// Prints a report: at the end, or before a failure that it explains.
pub fn print(ui: &Ui, report: &Report) -> Result<()> {
    ui.report(|out| render::render(report, ui.format(), ui.page(), out))
}

/// Prints the report of one of many runs, in one line.
fn print_line(ui: &Ui, report: &Report) -> Result<()> {
    let format = if ui.format() == Format::Json { Format::Lines } else { ui.format() };
    ui.report(|out| match (report, format) {
        (Report::Sync(report), Format::Text) => render::sync_line(report, OffsetDateTime::now_utc(), out),
        (report, format) => render::render(report, format, ui.page(), out),
    })
}

/// Ends a run with the failure, and hands it back: it is what counts. The database may be
/// what is away; the run is then found "lost" by the next one.
fn end_failed(run: Run<'_>, failure: Failure, sent: Sent) -> Failure {
    drop(run.finish(&RunEnd { sent, ..failed_end(&failure) }));
    failure
}

/// Returns how a run is written down that ended with `failure`.
fn failed_end(failure: &Failure) -> RunEnd {
    RunEnd {
        status: match failure.kind() {
            Kind::Interrupted | Kind::Terminated => RunStatus::Stopped,
            Kind::Partly => RunStatus::Partly,
            Kind::Usage
            | Kind::Refused
            | Kind::Target
            | Kind::Credentials
            | Kind::Database
            | Kind::Locked
            | Kind::Bug
            | Kind::Output
            | Kind::ClosedPipe => RunStatus::Failed,
        },
        exit_code: failure.kind().code(),
        counts: String::from(match failure.cause() {
            // The verdict passes over it (`store::history`).
            Cause::CommandLine => r#"{"cause": "command line"}"#,
            Cause::Kind | Cause::Refusals => "{}",
        }),
        first_error: Some(failure.to_string()),
        sent: Sent::Something,
    }
}
