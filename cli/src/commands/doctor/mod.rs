//! `news doctor`: what is wrong, and what to do about it. It starts nothing, and changes nothing unless `--write-test` asks for it.

mod database;
mod local;
mod profile;
mod target;

use crate::args::{Doctor as Args, Global};
use crate::commands::{self, Outcome};
use crate::error::{Failure, Kind, Result};
use crate::report::Report;
use crate::report::doctor::{Check, CheckVerdict, DoctorReport};
use crate::settings::Layers;
use crate::ui::Ui;

/// Runs the command.
///
/// Fails with the worst kind of what failed; the report is printed before.
pub fn run(args: &Args, global: &Global, layers: &Layers, ui: &Ui) -> Result<Outcome> {
    let mut findings = Findings::default();
    local::configuration(layers, &mut findings);
    let asked = database::check(global, layers, &mut findings);
    target::check(args, global, layers, &asked, &mut findings);
    local::credentials(global, layers, &mut findings);
    local::disk(global, layers, &mut findings);
    let failed = findings.kinds.len();
    let worst = findings.kinds.iter().copied().min_by_key(|kind| rank(*kind));
    let verdict = findings.checks.iter().map(|check| check.verdict).max().unwrap_or(CheckVerdict::Ok);
    let report = Report::Doctor(DoctorReport { verdict, checks: findings.checks });
    let Some(kind) = worst else { return Ok(Outcome::done(report)) };
    commands::print(ui, &report)?;
    let checks = if failed == 1 { "check" } else { "checks" };
    Err(Failure::new(kind, format!("{failed} {checks} failed")))
}

/// Where several apply: 7 before 8 before 5 (the exit codes' rule), then the others.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Credentials => 0,
        Kind::Database => 1,
        Kind::Target => 2,
        Kind::Usage => 3,
        Kind::Output => 4,
        Kind::Partly
        | Kind::Refused
        | Kind::Locked
        | Kind::Bug
        | Kind::ClosedPipe
        | Kind::Interrupted
        | Kind::Terminated => 5,
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    checks: Vec<Check>,
    kinds: Vec<Kind>,
}

impl Findings {
    fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, CheckVerdict::Ok, text.into(), Vec::new(), None);
    }

    fn warn(&mut self, name: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        self.add(name, CheckVerdict::Warn, text.into(), vec![hint.into()], None);
    }

    fn fail(&mut self, name: &'static str, failure: &Failure) {
        self.kinds.push(failure.kind());
        let code = Some(failure.kind().code());
        self.add(name, CheckVerdict::Fail, failure.to_string(), failure.hints().to_vec(), code);
    }

    fn add(
        &mut self,
        name: &'static str,
        verdict: CheckVerdict,
        text: String,
        hints: Vec<String>,
        exit_code: Option<u8>,
    ) {
        self.checks.push(Check { name, verdict, text, hints, exit_code });
    }
}
