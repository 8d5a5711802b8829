//! What `news sync` and `news sync --full` share: limits, the drive, the report, the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use news_core::ledger::{Hold, Mark};
use news_core::merge::Action;
use news_core::object::Effects;
use news_core::outlook::Outlook;
use news_core::phrase;
use news_core::plan::{Limits, OverLimit, Plan};
use news_core::profile::Ids;
use news_core::session::{Asks, Config, Fact, SETTLE, Stop, Strangers, Summary, Vanished};
use news_core::{Entity, Key};

use crate::args::Sync;
use crate::commands::{self, Outcome};
use crate::error::{Cause, Exit, Failure, Kind, Result};
use crate::report::Report;
use crate::report::holds::{self, HoldRow};
use crate::report::sync::{PlanReport, SyncReport, by_entity};
use crate::run::driver::{self, Driver};
use crate::run::{self, Asker, Followed, Run};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::kept::Entries;
use crate::store::lock::Lock;
use crate::store::remembered::{self, Remembered};
use crate::store::runs::{self, RunStatus, Sent};
use crate::store::sent::{Attempt, Recorded};
use crate::store::{self, kept, ledger};
use crate::target::{Target, is_same_base};
use crate::times::Times;
use crate::ui::{Format, Ui};

/// Actions of each kind shown of a plan to people who do not say how many.
const ACTIONS_SHOWN: usize = 50;

/// Makes the client, good for the jobs. Returns with it what is odd about the target.
pub(super) fn target(args: &Sync, settings: &Settings, lock: &mut Lock) -> Result<(Arc<Target>, Vec<String>)> {
    let Followed { url, access, warning } = run::to_follow(settings, lock.client())?;
    let target = Target::new(&url, &access, usize::from(args.jobs), settings.times.timeout)?;
    run::require_ids(target.profile())?;
    if !args.force {
        require_same_keys(&target, remembered::remembered(lock.client())?)?;
    }
    Ok((Arc::new(target), warning.into_iter().collect()))
}

/// Fails with [`Kind::Refused`] where a target that chooses the ids was followed with another profile: under keys of another form
/// no record would be found, and every object would be created again.
fn require_same_keys(target: &Target, remembered: Option<Remembered>) -> Result<()> {
    let Some(Remembered { url, profile: Some((name, print)), .. }) = remembered else { return Ok(()) };
    let now = target.chosen();
    // A built-in constant has no fingerprint.
    let is_same = print == now.print && (!print.is_empty() || name == now.name);
    if is_same || target.profile().ids != Ids::Key || !is_same_base(&url, target.url()) {
        return Ok(());
    }
    let what = format!(
        "the target profile {} is not as it was when this database last followed {url}: objects may not be found by their keys",
        now.name
    );
    Err(Failure::new(Kind::Refused, what).hint("If `key` and `find` are as before, go on with --force."))
}

/// Facts recorded in one transaction.
const RECORD_BATCH: usize = 1000;

/// Records of objects that need no request that they are done.
pub(super) fn record_done<'m>(lock: &mut Lock, run: i64, marks: impl Iterator<Item = (Key, &'m Mark)>) -> Result<()> {
    let mut marks = marks.peekable();
    while marks.peek().is_some() {
        let batch: BTreeMap<Key, Mark> = marks.by_ref().take(RECORD_BATCH).map(|(key, mark)| (key, *mark)).collect();
        let told: Vec<Recorded> =
            batch.keys().map(|key| Recorded::unasked(Fact::Done(*key, Action::Nothing, None))).collect();
        // Nothing is kept of what needed no request: repeating that adds nothing.
        lock.run(|client| ledger::record(client, run, &told, &batch, Attempt::First, Entries::None))?;
    }
    Ok(())
}

/// How many objects of each entity need a record and no request.
pub(super) type Nothing = BTreeMap<Entity, u64>;

/// Returns the limits of a plain sync.
pub(super) fn limits(args: &Sync) -> Limits {
    Limits { deletes_max: args.max_deletes }
}

/// Fails with [`Kind::Refused`] where a limit, or the checksum, says no.
pub(super) fn check(args: &Sync, plan: &Plan) -> Result<()> {
    check_limit(args, plan.check(limits(args)).err())?;
    check_checksum(args, plan)
}

/// Fails with [`Kind::Refused`] where the plan is another one than the command line means.
pub(super) fn check_checksum(args: &Sync, plan: &Plan) -> Result<()> {
    match &args.checksum {
        Some(wanted) if *wanted != plan.checksum() => Err(Failure::new(
            Kind::Refused,
            format!("the plan's checksum is {}, not {wanted}", plan.checksum()),
        )
        .hint(
            "the changes are others than those that were looked at, or one look was --full: look again with --dry-run",
        )
        .of_command_line()),
        Some(_) | None => Ok(()),
    }
}

/// Fails with [`Kind::Refused`] where the plan exceeds a limit.
pub(super) fn check_limit(args: &Sync, over: Option<OverLimit>) -> Result<()> {
    over.filter(|_| !args.force).map_or(Ok(()), |over| Err(over_limit(args, over)))
}

fn over_limit(args: &Sync, over: OverLimit) -> Failure {
    Failure::new(Kind::Refused, over).hint(if args.dry_run {
        "this is what a run would say; --max-deletes N allows N deletes in all, --force any number"
    } else {
        "nothing was sent; --dry-run shows the plan, --max-deletes N allows N deletes in all, --force any number"
    })
}

/// Ends a dry run: shows what a run would do, and then how one would end that sends nothing, or is refused. `holds` are all there
/// are.
pub(super) fn show(
    args: &Sync,
    outlook: &Outlook,
    holds: &BTreeMap<Key, Hold>,
    warnings: Vec<String>,
    checked: Result<()>,
    ui: &Ui,
) -> Result<Outcome> {
    let limit = match (args.limit, ui.format()) {
        (Some(limit), _) => limit,
        (None, Format::Text) => ACTIONS_SHOWN,
        (None, Format::Json | Format::Lines) => usize::MAX,
    };
    let refused = checked.as_ref().err().filter(|failure| failure.cause() != Cause::CommandLine);
    let over_limit = refused.map(ToString::to_string);
    let report = PlanReport { over_limit, ..PlanReport::new(outlook, holds, limit, warnings) };
    let exit = match (report.is_empty(), report.parked + report.held + report.on_hold) {
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

/// What a run is about.
#[derive(Default)]
pub(super) struct Task {
    /// What is sent.
    pub plan: Plan,
    /// What of each object's events was read.
    pub marks: BTreeMap<Key, Mark>,
    /// Objects that need a record and no request.
    pub nothing: Vec<(Key, Mark)>,
}

impl Task {
    fn nothing(&self) -> Nothing {
        let mut counts = Nothing::new();
        for (key, _) in &self.nothing {
            *counts.entry(key.entity()).or_default() += 1;
        }
        counts
    }
}

/// Plans anew, where what the log says turned out to be in doubt.
pub(super) type Replan<'a> = &'a dyn Fn(&mut Lock) -> Result<Task>;

/// How a task is sent.
pub(super) struct Sending<'a> {
    /// What the user wants.
    pub args: &'a Sync,
    /// The target.
    pub target: &'a Arc<Target>,
    /// How long requests may take to have their effect, and what the run does about that.
    pub effects: Effects,
    /// How long the target may take.
    pub times: Times,
    /// Plans anew; `None` for a plan that does not rest on the log.
    pub replan: Option<Replan<'a>>,
    /// What asks for a stop.
    pub signals: &'a Signals,
    /// Shows progress.
    pub ui: &'a Ui,
}

impl Sending<'_> {
    /// Sends the task and ends the run, whatever comes of it.
    pub(super) fn carry_out(self, mut run: Run<'_>, task: Task) -> Result<Outcome> {
        match self.send(&mut run, task) {
            Ok((task, driver::RunOutcome { summary, warnings })) => self.end(run, &task, &summary, &warnings),
            Err(failure) => Err(commands::end_failed(run, failure, Sent::Something)),
        }
    }

    /// Sends the task; once more, planned anew, where something that it would create is at the target already. Returns the
    /// task that was sent, and what came of it.
    fn send(&self, run: &mut Run<'_>, task: Task) -> Result<(Task, driver::RunOutcome)> {
        let asks = if self.replan.is_some() { Asks::Some } else { Asks::Each };
        let done = self.drive(run, &task, asks)?;
        let (Some(Stop::Doubted(key)), Some(replan)) = (&done.summary.stop, self.replan) else {
            return Ok((task, done));
        };
        log::warn!(
            "{key} is at the target already, though the log says that it was created since the last sync: asking for each"
        );
        run.lock.run(ledger::doubt_the_log)?;
        let task = replan(run.lock)?;
        let mut again = self.drive(run, &task, Asks::Each)?;
        again.summary.requests += done.summary.requests;
        for (method, count) in done.summary.methods {
            *again.summary.methods.entry(method).or_default() += count;
        }
        Ok((task, again))
    }

    fn drive(&self, run: &mut Run<'_>, task: &Task, asks: Asks) -> Result<driver::RunOutcome> {
        let Self { args, target, effects, signals, ui, .. } = self;
        // Another shard's run may just have acknowledged something about an object that is this one's by now.
        let beside = if args.shard.is_some() { SETTLE } else { Duration::ZERO };
        let settled_in = runs::settled_in(run.lock.client(), self.times)?.max(beside);
        let strangers = if args.force { Strangers::Overwritten } else { Strangers::Refused };
        let (jobs, rate_per_s, effects) = (usize::from(args.jobs), args.rate, *effects);
        let profile = target.profile();
        let config = Config { jobs, rate_per_s, effects, settled_in, strangers, asks, profile };
        let bar = ui.bar("sync", Some(task.plan.works().len() as u64), "objects");
        let driver = Driver { run: run.id(), signed: run.begun, lock: &mut *run.lock, target, signals, bar: &bar };
        let done = driver.run(config, &task.plan, &task.marks);
        bar.finish();
        let done = done?;
        // Not before: until then the log may turn out to be in doubt, and what cancels itself there with it.
        if done.summary.is_log_trusted {
            record_done(run.lock, run.id(), task.nothing.iter().map(|(key, mark)| (*key, mark)))?;
        }
        Ok(done)
    }

    fn end(&self, run: Run<'_>, task: &Task, summary: &Summary, met: &[String]) -> Result<Outcome> {
        let id = run.id();
        let is_targets = |stop: &Stop| {
            run::refuses_everything(stop) || {
                matches!(stop, Stop::Unavailable(..) | Stop::NoListing(_) | Stop::WrongBase(_) | Stop::NotOurs(_))
            }
        };
        // What stopped the run says nothing of any object.
        if summary.stop.as_ref().is_some_and(is_targets) {
            run.lock.run(|client| ledger::forgive(client, id))?;
        }
        // Not before: a URL with a slip in it must not be what the next run follows.
        if has_written(summary) {
            run.lock.run(|client| kept::forget_of_others(client, self.target.url()))?;
            run.lock.run(|client| remembered::remember(client, self.target.url(), self.target.chosen()))?;
        }
        let ended = ending(summary, self.target, self.signals);
        let cause = cause(&ended, summary);
        let tallies = Outlook::of(task.plan.clone()).tallies;
        let mut report = SyncReport::new(id, self.target.url(), by_entity(&tallies), summary);
        if summary.is_log_trusted {
            report.count_nothing(&task.nothing());
        }
        // The log's deletes may have been done by others; of a full sync's, the listing has just said otherwise.
        let vanished = if self.replan.is_none() { vanished(summary) } else { None };
        let vanished = vanished.inspect(|warning| log::warn!("{warning}"));
        report.ran(run.started_at, run.begun.elapsed());
        report.first_error.clone_from(&cause);
        report.warnings = [run.warnings.as_slice(), met, vanished.as_slice()].concat();
        let on_hold: Vec<Key> = summary.on_hold.iter().copied().take(holds::NAMED_MAX).collect();
        if !on_hold.is_empty() {
            report.holds = HoldRow::first(&run.lock.run(|client| store::holds::of(client, &on_hold))?);
        }
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
            first_error: cause,
            // A full sync that sends nothing tells that both sides agree.
            sent: if self.replan.is_some() && report.sent_nothing() { Sent::Nothing } else { Sent::Something },
        };
        run.finish(&end)?;
        let report = Report::Sync(Box::new(report));
        match ended {
            Ok(exit) => Ok(Outcome { report: Some(report), exit }),
            Err(failure) => {
                if self.args.every.is_some() || self.args.follow {
                    commands::print_line(self.ui, &report)?;
                } else {
                    commands::print(self.ui, &report)?;
                }
                Err(failure)
            }
        }
    }
}

/// Tells of objects that were listed, and answered with 404 when they were to be deleted.
fn vanished(summary: &Summary) -> Option<String> {
    let Vanished { count, first } = summary.vanished;
    let what = match count {
        0 => return None,
        1 => String::from("1 object was listed, and its DELETE"),
        _ => format!("{} were listed, and their DELETE", phrase::count(count, "object")),
    };
    Some(format!(
        "{what} was answered with 404, the first {}: it was deleted meanwhile, or the target lists what it does not know; \
         `news diff` tells",
        first?
    ))
}

/// Says whether the target accepted a write.
fn has_written(summary: &Summary) -> bool {
    summary.done.values().any(|tally| tally.requests() > 0)
}

/// Names the first of the objects that an operator put on hold.
fn on_hold(first: Key, all: usize) -> String {
    let more = if all > 1 { format!(", and {} more", all - 1) } else { String::new() };
    format!("{first} is on hold{more}: `news release` resumes its sync")
}

/// Returns what caused the exit code.
fn cause(ended: &Result<Exit>, summary: &Summary) -> Option<String> {
    let unsent = |count: u64, how: &str| match count {
        0 => None,
        _ => Some(format!("{} {how} by earlier runs: `news parked` says why", phrase::count(count, "object"))),
    };
    match ended {
        Err(failure) => Some(failure.to_string()),
        Ok(Exit::Done | Exit::Differ) => None,
        Ok(Exit::Partly) => (summary.first_error.clone())
            .or_else(|| unsent(summary.parked_before, "parked"))
            .or_else(|| unsent(summary.waiting, "left waiting"))
            .or_else(|| summary.on_hold.first().map(|key| on_hold(*key, summary.on_hold.len())))
            .or_else(|| unsent(summary.held, "held")),
    }
}

/// Returns how a run with this summary ends.
fn ending(summary: &Summary, target: &Target, signals: &Signals) -> Result<Exit> {
    match &summary.stop {
        Some(Stop::NotOurs(why)) if !has_written(summary) => {
            Err(Failure::new(Kind::Refused, Stop::NotOurs(why.clone())).hint(run::base_hint(target)))
        }
        Some(stop) => Err(run::stopped(stop, target, signals, Asker::Run)),
        None if summary.left() > 0 => Ok(Exit::Partly),
        None => Ok(Exit::Done),
    }
}
