//! `news sync`: sends the changes to the target.

use std::time::Duration;

use news_core::object::{Effects, Wait};
use news_core::phrase::counted;
use news_core::plan::OverLimit;
use news_core::portion::{Patience, Portion};
use news_core::session::SETTLE;

use crate::args::Sync;
use crate::commands::send::{self, Sending, Task, check_checksum, check_limit, limits, target};
use crate::commands::{Outcome, full, metrics};
use crate::error::{Exit, Failure, Kind, Result};
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::run::periodic::{self, Turn};
use crate::run::{self, Followed, Run, watchdog};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::log as change_log;
use crate::store::runs::{self, RunEnd, RunKind, Sent};
use crate::store::watch::{Watch, Watcher};
use crate::store::{holds, rows, schema, tracking};
use crate::times::Times;
use crate::ui::Ui;
use crate::{commands, master, views};
use postgres::Client;

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    if args.dry_run && !args.full {
        return dry_run(args, settings, ui);
    }
    let signals = Signals::install()?;
    watchdog::start(&signals, watchdog::NEXT_RUN_ASKS)?;
    if let Some(period) = args.every {
        return Err(periodic::every(period, &signals, || repeated(args, settings, &signals, ui).map(drop)));
    }
    if args.follow {
        let mut watcher = None;
        let look = || look(&mut watcher, settings);
        return Err(periodic::follow(&signals, look, || repeated(args, settings, &signals, ui)));
    }
    let result = once(args, settings, &signals, Patience::Tries, ui);
    metrics::write_after(args.metrics_file.as_deref(), settings, ui, result)
}

/// One of many runs: reported where there is something to tell.
fn repeated(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<Turn> {
    let result = once(args, settings, signals, Patience::Leaves, ui);
    // What watches the loop must not end it: a disk that is full for a while stops no change.
    metrics::try_to_write(args.metrics_file.as_deref(), settings, &result);
    let outcome = result?;
    if let Some(report) = &outcome.report {
        match commands::print_line(ui, report) {
            Err(failure) if failure.kind() == Kind::Output => log::warn!("the report is lost: {failure}"),
            printed => printed?,
        }
    }
    Ok(if outcome.report.is_some() { Turn::Worked } else { Turn::Idle })
}

/// Looks for something to do, on a connection that lives as long as it can. Returns how long that took the database, too.
fn look(watcher: &mut Option<Watcher>, settings: &Settings) -> Result<(Watch, Duration)> {
    let mut ours = match watcher.take() {
        Some(ours) => ours,
        None => Watcher::connect(&master::url(settings)?, settings.times)?,
    };
    let looked = ours.look()?;
    *watcher = Some(ours);
    Ok(looked)
}

fn once(args: &Sync, settings: &Settings, signals: &Signals, patience: Patience, ui: &Ui) -> Result<Outcome> {
    let outcome =
        if args.full { full::run(args, settings, signals, ui) } else { plain(args, settings, signals, patience, ui) }?;
    if args.verify { verify(settings, signals, ui, outcome) } else { Ok(outcome) }
}

fn plain(args: &Sync, settings: &Settings, signals: &Signals, patience: Patience, ui: &Ui) -> Result<Outcome> {
    let mut lock = Lock::take_for(&master::url(settings)?, "sync", args.shard, settings.times)?;
    let (target, warnings) = target(args, settings, &mut lock)?;
    let times = settings.times.at(target.profile());
    let SyncReading { portion, over } = read(lock.client(), times, args, patience)?;
    if args.follow && portion.is_idle() {
        // Somebody else's change, or what the last run left: not worth a line in the history.
        let exit = if portion.plan.works().is_empty() { Exit::Done } else { Exit::Partly };
        return Ok(Outcome { report: None, exit });
    }
    let mut run = Run::begin(&mut lock, RunKind::Sync, target.url())?;
    run.warnings = warnings;
    if let Err(failure) = check_limit(args, over).and_then(|()| check_checksum(args, &portion.plan)) {
        return Err(commands::end_failed(run, failure, Sent::Nothing));
    }
    let wait = match patience {
        Patience::Tries => Wait::Once,
        Patience::Leaves => Wait::Never,
    };
    let effects = Effects { settle: SETTLE, late: times.late, wait };
    let replan = |lock: &mut Lock| {
        let SyncReading { portion, over } = read(lock.client(), times, args, patience)?;
        check_limit(args, over)?;
        check_checksum(args, &portion.plan)?;
        Ok(task(portion))
    };
    let sending = Sending { args, target: &target, effects, times, replan: Some(&replan), signals, ui };
    sending.carry_out(run, task(portion))
}

fn task(portion: Portion) -> Task {
    let Portion { plan, marks, nothing, .. } = portion;
    Task { plan, marks: marks.into_iter().collect(), nothing }
}

/// What was read of one moment.
struct SyncReading {
    portion: Portion,
    /// The limit that refuses it.
    over: Option<OverLimit>,
}

/// Reads the run's part of what is pending: log, rows and ledger of one moment.
fn read(client: &mut Client, times: Times, args: &Sync, patience: Patience) -> Result<SyncReading> {
    let mut moment = rows::snapshot(client)?;
    let clock = runs::clock(&mut moment, times)?;
    let portion = change_log::portion(&mut moment, &clock, args.shard, patience)?;
    let over = views::refusal(&mut moment, &portion.plan, &portion.pressure, limits(args))?;
    Ok(SyncReading { portion, over })
}

fn dry_run(args: &Sync, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::url(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    tracking::require(&mut client)?;
    let Followed { warning, .. } = run::to_follow(settings, &mut client)?;
    let warnings = warning.into_iter().collect();
    let mut moment = rows::snapshot(&mut client)?;
    let clock = runs::clock(&mut moment, settings.times)?;
    let outlook = change_log::outlook(&mut moment, &clock, args.shard)?;
    let over = views::refusal(&mut moment, &outlook.plan, &outlook.pressure, limits(args))?;
    let holds = holds::all(&mut moment)?;
    let checked = check_limit(args, over).and_then(|()| check_checksum(args, &outlook.plan));
    send::show(args, &outlook, &holds, warnings, checked, ui)
}

/// Compares both sides after a run that came to its end: a 2xx is not proof.
fn verify(settings: &Settings, signals: &Signals, ui: &Ui, mut outcome: Outcome) -> Result<Outcome> {
    let Some(Report::Sync(report)) = &mut outcome.report else { return Ok(outcome) };
    let drift = commands::diff::count_drift(settings, signals, ui)? as u64;
    report.drift = Some(drift);
    if drift == 0 {
        return Ok(outcome);
    }
    let what = counted(drift, "object", ["differs", "differ"]);
    let failure = Failure::new(Kind::Partly, format!("{what} at the target that no pending change explains"))
        .hint("`news diff` shows which, `news sync --full` repairs them");
    let counts = serde_json::to_string(&report).unwrap_or_else(|_| String::from("{}"));
    let mut client = connect(&master::url(settings)?, Purpose::Run)?;
    runs::correct(&mut client, report.run, &RunEnd { counts, ..commands::failed_end(&failure) })?;
    if let Some(report) = &outcome.report {
        commands::print(ui, report)?;
    }
    Err(failure)
}
