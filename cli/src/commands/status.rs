//! `news status`: what is pending, parked and locked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::ledger::{Pending, State};
use news_core::plan::{Standing, Tally};
use news_core::{Entity, Key, PostId};
use postgres::Client;

use crate::args::Status;
use crate::commands::{self, Outcome};
use crate::error::{Exit, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::StatusReport;
use crate::report::sync::by_entity;
use crate::run;
use crate::settings::Settings;
use crate::store::tracking::{self, Fault};
use crate::store::{Purpose, connect, left, lock, log as change_log, rows, runs, schema};
use crate::ui::Ui;

/// Objects that earlier runs left are counted up to here.
const LEFT_MAX: usize = 100_000;

/// Runs the command.
pub fn run(args: &Status, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let faults = tracking::faults(&mut client)?;
    let report = collect(&mut client, settings, &faults)?;
    for warning in &report.warnings {
        log::warn!("{warning}");
    }
    let late = match args.max_lag {
        Some(max) => report.oldest_s.is_some_and(|oldest_s| oldest_s > max.as_secs_f64()),
        None => report.pending > 0,
    };
    let exit = if args.check && late { Exit::Differ } else { Exit::Done };
    let report = Report::Status(Box::new(report));
    match faults.first() {
        // What is not tracked is not pending: a check would say for ever that all is sent.
        Some(fault) if args.check => {
            commands::print(ui, &report)?;
            Err(fault.failure())
        }
        Some(fault) => {
            log::warn!("{fault}");
            Ok(Outcome { report: Some(report), exit })
        }
        None => Ok(Outcome { report: Some(report), exit }),
    }
}

/// Reads it all.
pub(super) fn collect(client: &mut Client, settings: &Settings, faults: &[Fault]) -> Result<StatusReport> {
    let mut moment = rows::snapshot(client)?;
    let clock = runs::clock(&mut moment, settings.times)?;
    let (mut pending, mut events, mut oldest) = (0, 0, None::<Duration>);
    let mut posts = BTreeSet::new();
    // The post that each held object waits for, and its age.
    let mut held: Vec<(Option<PostId>, Duration)> = Vec::new();
    let mut tallies: BTreeMap<Entity, Tally> = BTreeMap::new();
    let mut count = |one: Pending| {
        pending += 1;
        events += one.events;
        if let Key::Post(post) = one.key {
            posts.insert(post);
        }
        if one.standing == Standing::Ready {
            let age = one.since.age(clock.now);
            if one.held {
                held.push((one.parent, age));
            } else {
                oldest = oldest.max(Some(age));
            }
            tallies.entry(one.key.entity()).or_default().add(one.work().action());
        }
    };
    change_log::each_pending(&mut moment, &clock, &mut count)?;
    change_log::unfinished(&mut moment, &clock)?.into_iter().for_each(count);
    // Nothing holds an object whose post has arrived meanwhile.
    let free = held.into_iter().filter(|(parent, _)| parent.is_some_and(|post| !posts.contains(&post)));
    oldest = free.map(|(_, age)| Some(age)).fold(oldest, Option::max);
    let left = left::list(&mut moment, LEFT_MAX)?;
    moment.commit()?;
    let count = |states: &[State]| left.iter().filter(|one| states.contains(&one.stands)).count() as u64;
    let holders: Vec<String> =
        lock::holders(client)?.iter().map(|holder| format!("{}, since {}", holder.who, holder.since)).collect();
    // Nothing is sent from here: how things stand is told, whatever is wrong with the URL.
    let (target, warning) = match run::followed(settings, client) {
        Ok(followed) => followed.map_or((None, None), |followed| (Some(followed.url), followed.warning)),
        Err(failure) if matches!(failure.kind(), Kind::Usage | Kind::Refused) => (None, Some(failure.with_hints())),
        Err(failure) => return Err(failure),
    };
    Ok(StatusReport {
        target,
        pending,
        events,
        oldest_s: oldest.map(|age| age.as_secs_f64()),
        plan: by_entity(&tallies),
        parked: count(&[State::Parked]),
        held: count(&[State::Held]),
        waiting: count(&[State::Waiting, State::Sent]),
        lock: (!holders.is_empty()).then(|| holders.join("; ")),
        last_done: runs::last_done(client)?,
        last_run: runs::last(client, 1)?.pop(),
        schema: schema::applied(client)?,
        tracking: faults.iter().map(ToString::to_string).collect(),
        warnings: warning.into_iter().collect(),
    })
}
