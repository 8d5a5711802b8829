//! What `news sync` and `news sync --full` share: limits, the drive, the report, the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use news_core::Key;
use news_core::plan::{Limits, Plan};
use news_core::session::{Config, Removed, SETTLE, Stop, Summary};

use crate::args::Sync;
use crate::commands::{self, Outcome};
use crate::error::{Exit, Failure, Kind, Result};
use crate::report::Report;
use crate::report::sync::{PlanReport, SyncReport, by_entity};
use crate::run::driver::{self, Driver};
use crate::run::{self, Followed, Run};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::log::Pending;
use crate::store::objects::{self, Basis, Mark};
use crate::store::runs::{self, RunStatus};
use crate::target::Target;
use crate::ui::{Format, Ui};

/// Actions of each kind shown of a plan to people who do not say how many.
const ACTIONS_SHOWN: usize = 50;

/// Makes the client, good for the jobs. Returns with it what is odd about the target.
pub(super) fn target(args: &Sync, settings: &Settings, lock: &mut Lock) -> Result<(Arc<Target>, Vec<String>)> {
    let Followed { url, warning } = run::to_follow(settings, lock.client())?;
    let target = Target::new(&url, settings.target_token.as_ref(), usize::from(args.jobs))?;
    Ok((Arc::new(target), warning.into_iter().collect()))
}

/// Returns what of each object's events was read.
pub(super) fn marks(pending: &[Pending]) -> BTreeMap<Key, Mark> {
    let mark = |pending: &Pending| Mark {
        last_id: pending.merged.last_id,
        parent: pending.parent,
        home: pending.home,
        basis: if pending.merged.events == 0 { Basis::Look } else { Basis::Log },
    };
    pending.iter().map(|pending| (pending.key, mark(pending))).collect()
}

/// Fails with [`Kind::Refused`] where a limit, or the checksum, says no.
pub(super) fn check(args: &Sync, plan: &Plan) -> Result<()> {
    if !args.force {
        let over = plan.check(Limits { deletes_max: args.max_deletes });
        over.map_err(|over| {
            Failure::new(Kind::Refused, over).hint(if args.dry_run {
                "this is what a run would say; --force lifts the limit"
            } else {
                "nothing was sent; --force lifts the limit, --dry-run shows the plan"
            })
        })?;
    }
    match &args.checksum {
        Some(wanted) if *wanted != plan.checksum() => Err(Failure::new(
            Kind::Refused,
            format!("the plan's checksum is {}, not {wanted}", plan.checksum()),
        )
        .hint(
            "the changes are others than those that were looked at, or one look was --full: look again with --dry-run",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Ends a dry run: shows the plan, and then how a run would end that sends nothing, or is refused.
/// `held` objects of the plan wait for another shard's post.
pub(super) fn show(
    args: &Sync,
    plan: &Plan,
    held: u64,
    warnings: Vec<String>,
    checked: Result<()>,
    ui: &Ui,
) -> Result<Outcome> {
    let limit = match (args.limit, ui.format()) {
        (Some(limit), _) => limit,
        (None, Format::Text) => ACTIONS_SHOWN,
        (None, Format::Json | Format::Lines) => usize::MAX,
    };
    let mut report = PlanReport::new(plan, limit);
    // Those are among its parked ones.
    report.parked = report.parked.saturating_sub(held);
    report.held += held;
    report.warnings = warnings;
    let exit = match (report.is_empty(), report.parked + report.held) {
        (false, _) => Exit::Differ,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Partly,
    };
    let report = Report::Plan(report);
    if let Err(failure) = checked {
        commands::print(ui, &report)?;
        return Err(failure);
    }
    Ok(Outcome { report: Some(report), exit })
}

/// A plan on its way out.
pub(super) struct Sending<'a> {
    /// How.
    pub args: &'a Sync,
    /// Whereto.
    pub target: &'a Arc<Target>,
    /// What.
    pub plan: &'a Plan,
    /// What of each object's events was read.
    pub marks: &'a BTreeMap<Key, Mark>,
    /// What asks for a stop.
    pub signals: &'a Signals,
    /// Where it shows.
    pub ui: &'a Ui,
}

impl Sending<'_> {
    /// Drives the plan and ends the run, whatever it comes to.
    pub(super) fn carry_out(self, run: Run<'_>) -> Result<Outcome> {
        let Self { args, target, plan, marks, signals, ui } = self;
        let settled_in = runs::settled_in(run.lock.client())?;
        let config = Config { jobs: usize::from(args.jobs), rate_per_s: args.rate, settle: SETTLE, settled_in };
        let bar = ui.bar("sync", Some(plan.works().len() as u64), "objects");
        let id = run.id();
        let driver = Driver { lock: &mut *run.lock, target, signals, bar: &bar };
        let done = driver.run(config, plan, marks);
        bar.finish();
        let driver::Outcome { summary, warnings: met } = match done {
            Ok(done) => done,
            Err(failure) => {
                return Err(commands::end_failed(run, failure));
            }
        };
        if matches!(summary.stop, Some(Stop::Unavailable(..) | Stop::NoListing(_) | Stop::WrongBase(_))) {
            run.lock.run(|client| objects::forgive(client, id))?;
        }
        // Not before: a URL with a slip in it must not be what the next run follows.
        if summary.done.values().any(|tally| tally.requests() > 0) {
            run.lock.run(|client| runs::remember_target(client, target.url()))?;
        }
        let ended = ending(&summary, signals);
        let mut report = SyncReport::new(id, target.url(), by_entity(&plan.tally()), &summary);
        report.warnings = [run.warnings.as_slice(), met.as_slice()].concat();
        report.parked = report.parked.saturating_sub(run.waiting + run.held);
        report.held += run.held;
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
            (Kind::Refused, "what was created there was deleted again; `news diff` shows how both sides stand")
        }
        Stop::OwnIds { removed: Removed::No, .. } => (Kind::Refused, "look at that object at the target"),
        Stop::Refusing { .. } => (Kind::Partly, "`news parked` shows what it says; `news retry --all` tries again"),
        Stop::Asked => return signals.stop().unwrap_or_else(|| Failure::new(Kind::Bug, "the run got stuck")),
    };
    Failure::new(kind, stop.to_string()).hint(hint)
}
