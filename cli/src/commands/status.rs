//! `news status`: what is pending, parked and locked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use news_core::plan::{Standing, Tally};
use news_core::{Entity, Key};
use postgres::Client;

use crate::args::Status;
use crate::commands::Outcome;
use crate::error::{Exit, Kind, Result};
use crate::master;
use crate::report::Report;
use crate::report::status::StatusReport;
use crate::report::sync::by_entity;
use crate::run;
use crate::settings::Settings;
use crate::store::log::{self as change_log, Pending};
use crate::store::{Purpose, connect, left, lock, runs, schema};
use crate::ui::Ui;

/// Objects that earlier runs left are counted up to here.
const LEFT_MAX: i64 = 100_000;

/// Runs the command.
pub fn run(args: &Status, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let report = collect(&mut client, settings)?;
    for warning in &report.warnings {
        log::warn!("{warning}");
    }
    let late = match args.max_lag {
        Some(max) => report.oldest_s.is_some_and(|oldest_s| oldest_s > max.as_secs_f64()),
        None => report.pending > 0,
    };
    let exit = if args.check && late { Exit::Differ } else { Exit::Done };
    Ok(Outcome { report: Some(Report::Status(Box::new(report))), exit })
}

/// Reads it all.
pub(super) fn collect(client: &mut Client, settings: &Settings) -> Result<StatusReport> {
    let (mut pending, mut events, mut since) = (0, 0, None::<SystemTime>);
    let oldest = |since: Option<SystemTime>, one: SystemTime| Some(since.map_or(one, |since| since.min(one)));
    let (mut posts, mut held) = (BTreeSet::new(), Vec::new());
    let mut tallies: BTreeMap<Entity, Tally> = BTreeMap::new();
    let mut count = |one: Pending| {
        pending += 1;
        events += one.merged.events;
        if let Key::Post(post) = one.key {
            posts.insert(post);
        }
        if one.standing == Standing::Ready {
            if one.held {
                held.push((one.parent, one.since));
            } else {
                since = oldest(since, one.since);
            }
            tallies.entry(one.key.entity()).or_default().add(one.work().action());
        }
    };
    change_log::each_pending(client, &mut count)?;
    change_log::unfinished(client)?.into_iter().for_each(count);
    // Whose post has arrived meanwhile is held by nobody.
    for (_, one) in held.into_iter().filter(|(parent, _)| parent.is_some_and(|post| !posts.contains(&post))) {
        since = oldest(since, one);
    }
    let now = runs::now(client)?;
    let oldest = since.map(|since| now.duration_since(since).unwrap_or_default());
    let left = left::left(client, LEFT_MAX)?;
    let count = |state: &[&str]| left.iter().filter(|row| state.contains(&row.state.as_str())).count() as u64;
    let holders: Vec<String> =
        lock::holders(client)?.iter().map(|holder| format!("{}, since {}", holder.who, holder.since)).collect();
    // Nothing is sent from here: how things stand is told, whatever is wrong with the URL.
    let (target, warning) = match run::followed(settings, client) {
        Ok(followed) => followed.map_or((None, None), |followed| (Some(followed.url), followed.warning)),
        Err(failure) if failure.kind() == Kind::Usage => (None, Some(failure.to_string())),
        Err(failure) => return Err(failure),
    };
    Ok(StatusReport {
        target,
        pending,
        events,
        oldest_s: oldest.map(|age| age.as_secs_f64()),
        plan: by_entity(&tallies),
        parked: count(&["parked"]),
        held: count(&["held"]),
        waiting: count(&["waiting", "sent"]),
        lock: (!holders.is_empty()).then(|| holders.join("; ")),
        last_done: runs::last_done(client)?,
        last_run: runs::last(client, 1)?.pop(),
        schema: schema::applied(client)?,
        warnings: warning.into_iter().collect(),
    })
}
