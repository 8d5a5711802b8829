//! `news sync`: sends the changes to the target.

use std::collections::BTreeMap;
use std::sync::Arc;

use news_core::plan::{Limits, Plan, Standing, Work};
use news_core::session::{Config, Removed, SETTLE, Stop, Summary};

use crate::args::Sync;
use crate::commands::{Outcome, full, metrics};
use crate::error::{Exit, Failure, Kind, Result};
use crate::report::Report;
use crate::report::sync::{PlanReport, SyncReport, by_entity};
use crate::run::driver::{self, Driver};
use crate::run::{self, Run, periodic};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::log::{self as change_log, Pending};
use crate::store::objects::{self, Mark};
use crate::store::runs::{self, RunKind, RunStatus};
use crate::store::watch::{Watch, Watcher};
use crate::store::{Purpose, connect, schema};
use crate::target::Target;
use crate::ui::{Format, Ui};
use crate::{commands, master};

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    if args.dry_run && !args.full {
        return dry_run(args, settings);
    }
    let signals = Signals::install()?;
    if let Some(period) = args.every {
        return Err(periodic::every(period, &signals, || repeated(args, settings, &signals, ui)));
    }
    if args.follow {
        let mut watcher = None;
        let look = || look(&mut watcher, settings);
        return Err(periodic::follow(&signals, look, || repeated(args, settings, &signals, ui)));
    }
    let result = once(args, settings, &signals, Patience::Tries, ui);
    metrics::write_after(args.metrics_file.as_deref(), settings, result)
}

/// What becomes of an object that failed in an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// It is tried: somebody asked for this run.
    Tries,
    /// It waits for its time: these runs come by themselves.
    Waits,
}

/// One of many runs: reported where there is something to tell.
fn repeated(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<()> {
    let result = once(args, settings, signals, Patience::Waits, ui);
    let outcome = metrics::write_after(args.metrics_file.as_deref(), settings, result)?;
    match &outcome.report {
        Some(report @ Report::Sync(sync)) if sync.requests > 0 || ui.format() == Format::Json => {
            commands::print(ui, report)
        }
        Some(_) | None => Ok(()),
    }
}

/// Looks for something to do, on a connection that lives as long as it can.
fn look(watcher: &mut Option<Watcher>, settings: &Settings) -> Result<Watch> {
    let mut ours = match watcher.take() {
        Some(ours) => ours,
        None => Watcher::connect(&master::url(settings)?)?,
    };
    let watch = ours.look()?;
    *watcher = Some(ours);
    Ok(watch)
}

fn once(args: &Sync, settings: &Settings, signals: &Signals, patience: Patience, ui: &Ui) -> Result<Outcome> {
    if args.full {
        return full::run(args, settings, signals, ui);
    }
    let mut lock = Lock::take(&master::url(settings)?, "sync")?;
    let target = target(args, settings, &mut lock)?;
    let pending = change_log::pending(lock.client())?;
    let waiting = pending.iter().filter(|p| waits(p, patience)).count() as u64;
    let plan = Plan::new(pending.iter().map(|p| work(p, patience)).collect());
    check(args, &plan)?;
    let marks = marks(&pending);
    let mut run = Run::begin(&mut lock, RunKind::Sync, target.url())?;
    run.waiting = waiting;
    runs::remember_target(run.lock.client(), target.url())?;
    let result = carry_out(args, run, &target, &plan, &marks, signals, ui);
    match result {
        Ok(outcome) if args.verify && outcome.exit != Exit::Partly => {
            drop(lock);
            verify(settings, ui, outcome)
        }
        result => result,
    }
}

fn waits(pending: &Pending, patience: Patience) -> bool {
    patience == Patience::Waits && pending.waits && pending.standing == Standing::Ready
}

/// Returns what a run has to do about an object; what waits is left alone as if it were
/// parked, and what depends on it is held.
fn work(pending: &Pending, patience: Patience) -> Work {
    let standing = if waits(pending, patience) { Standing::Parked } else { pending.standing };
    Work { standing, ..pending.work() }
}

/// Makes the client, good for the jobs.
pub(super) fn target(args: &Sync, settings: &Settings, lock: &mut Lock) -> Result<Arc<Target>> {
    let url = run::target_url(settings, lock.client())?;
    Target::new(&url, settings.target_token.as_ref(), usize::from(args.jobs)).map(Arc::new)
}

/// Returns what of each object's events was read.
pub(super) fn marks(pending: &[Pending]) -> BTreeMap<news_core::Key, Mark> {
    pending.iter().map(|p| (p.key, Mark { last_id: p.merged.last_id, parent: p.parent })).collect()
}

/// Fails with [`Kind::Refused`] where a limit, or the checksum, says no.
pub(super) fn check(args: &Sync, plan: &Plan) -> Result<()> {
    if !args.force {
        let over = plan.check(Limits { deletes_max: args.max_deletes });
        over.map_err(|over| {
            Failure::new(Kind::Refused, over)
                .hint("nothing was sent; --force lifts the limit, --dry-run shows the plan")
        })?;
    }
    match &args.checksum {
        Some(wanted) if *wanted != plan.checksum() => {
            Err(Failure::new(Kind::Refused, format!("the plan's checksum is {}, not {wanted}", plan.checksum()))
                .hint("the changes are others than those that were looked at: look again with --dry-run"))
        }
        Some(_) | None => Ok(()),
    }
}

fn dry_run(args: &Sync, settings: &Settings) -> Result<Outcome> {
    let mut client = connect(&master::url(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let plan = Plan::new(change_log::pending(&mut client)?.iter().map(Pending::work).collect());
    check(args, &plan)?;
    let exit = if plan.tally().values().all(|tally| tally.requests() == 0) { Exit::Done } else { Exit::Differ };
    Ok(Outcome { report: Some(Report::Plan(PlanReport::new(&plan))), exit })
}

/// Drives the plan and ends the run, whatever it comes to.
pub(super) fn carry_out(
    args: &Sync,
    run: Run<'_>,
    target: &Arc<Target>,
    plan: &Plan,
    marks: &BTreeMap<news_core::Key, Mark>,
    signals: &Signals,
    ui: &Ui,
) -> Result<Outcome> {
    let config = Config { jobs: usize::from(args.jobs), rate_per_s: args.rate, settle: SETTLE };
    let bar = ui.bar("sync", Some(plan.works().len() as u64), "objects");
    let id = run.id();
    let driver = Driver { lock: &mut *run.lock, target, signals, bar: &bar };
    let done = driver.run(config, plan, marks);
    bar.finish();
    let driver::Outcome { summary, warnings } = match done {
        Ok(done) => done,
        Err(failure) => {
            let end = commands::failed_end(&failure);
            // The database may be what is away: the run is then found "lost" by the next one.
            drop(run.finish(&end));
            return Err(failure);
        }
    };
    if matches!(summary.stop, Some(Stop::Unavailable(..) | Stop::NoListing(_) | Stop::WrongBase(_))) {
        run.lock.run(|client| objects::forgive(client, id))?;
    }
    let ended = ending(&summary, signals);
    let mut report = SyncReport::new(id, target.url(), by_entity(&plan.tally()), &summary, warnings);
    report.parked = report.parked.saturating_sub(run.waiting);
    report.waiting = run.waiting;
    let end = runs::RunEnd {
        status: match &ended {
            Ok(Exit::Done | Exit::Differ) => RunStatus::Done,
            Ok(Exit::Partly) => RunStatus::Partly,
            Err(failure) if matches!(failure.kind(), Kind::Interrupted | Kind::Terminated) => RunStatus::Stopped,
            Err(_) => RunStatus::Failed,
        },
        exit_code: match &ended {
            Ok(exit) => exit.code(),
            Err(failure) => failure.kind().code(),
        },
        counts: serde_json::to_string(&report).unwrap_or_else(|_| String::from("{}")),
        first_error: summary.first_error.clone().or_else(|| ended.as_ref().err().map(ToString::to_string)),
    };
    run.finish(&end)?;
    let report = Report::Sync(Box::new(report));
    match ended {
        Ok(exit) => Ok(Outcome { report: Some(report), exit }),
        Err(failure) => {
            commands::print(ui, &report)?;
            Err(failure)
        }
    }
}

/// Returns how a run with this summary ends.
fn ending(summary: &Summary, signals: &Signals) -> Result<Exit> {
    match &summary.stop {
        Some(stop) => Err(stopped(stop, signals)),
        None if summary.failed + summary.parked + summary.parked_before + summary.held > 0 => Ok(Exit::Partly),
        None => Ok(Exit::Done),
    }
}

fn stopped(stop: &Stop, signals: &Signals) -> Failure {
    let (kind, hint) = match stop {
        Stop::Credentials(_) => (Kind::Credentials, "set NEWS_TARGET_TOKEN to a token that may write"),
        Stop::Redirected(_) => (Kind::Usage, "name the URL that it points to, if you trust it, with --target-url"),
        Stop::Unavailable(..) | Stop::NoListing(_) => {
            (Kind::Target, "what was answered is recorded; run `news sync` again later")
        }
        Stop::WrongBase(_) => (Kind::Target, "check --target-url: GET URL/posts has to answer with a list"),
        Stop::OwnIds { removed: Removed::Yes, .. } => {
            (Kind::Refused, "what was created there was deleted again; nothing is left behind")
        }
        Stop::OwnIds { removed: Removed::No, .. } => (Kind::Refused, "look at that object at the target"),
        Stop::Refusing { .. } => (Kind::Partly, "`news parked` shows what it says; `news retry --all` tries again"),
        Stop::Asked => return signals.stop().unwrap_or_else(|| Failure::new(Kind::Bug, "the run got stuck")),
    };
    Failure::new(kind, stop.to_string()).hint(hint)
}

/// Compares both sides after a run that went well: a 2xx is not proof (TARGETS 6).
fn verify(settings: &Settings, ui: &Ui, outcome: Outcome) -> Result<Outcome> {
    let differences = commands::diff::count_drift(settings, ui)?;
    if differences == 0 {
        return Ok(outcome);
    }
    if let Some(report) = &outcome.report {
        commands::print(ui, report)?;
    }
    Err(Failure::new(
        Kind::Partly,
        format!("{differences} objects differ at the target although it accepted everything"),
    )
    .hint("`news diff` shows them, `news sync --full` repairs them"))
}
