//! `news sync` for people.

use std::io::{self, Write};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::render::{Layout, count, counted, lines, number, span, tallies};
use crate::report::holds::HoldRow;
use crate::report::sync::{Actions, ByEntity, PlanReport, SyncReport};
use crate::ui::printable;

/// Objects on hold that are named.
const HOLDS_NAMED: usize = 10;

/// A plan: counts, then its actions.
pub fn plan(report: &PlanReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    lines(&planned(&report.plan, page), out)?;
    for action in &report.actions {
        writeln!(out, "{:<7} {}/{}", action.action, action.entity, action.id)?;
    }
    if report.more > 0 {
        writeln!(out, "and {} more (--limit)", number(report.more))?;
    }
    if report.parked > 0 {
        writeln!(out, "{} parked, not tried: `news parked` says why", number(report.parked))?;
    }
    if report.held > 0 {
        writeln!(out, "{} held, not tried: they wait for another object", number(report.held))?;
    }
    if report.waiting > 0 {
        writeln!(out, "{} of these are waiting: they failed in an earlier run", number(report.waiting))?;
    }
    if report.in_flight > 0 {
        writeln!(out, "{} in flight: a run at work has sent them", number(report.in_flight))?;
    }
    on_hold(report.on_hold, &report.holds, out)?;
    writeln!(out, "checksum {}", report.checksum)
}

/// A run: counts, then what is left.
pub fn sync(report: &SyncReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    lines(&actions(["created", "updated", "deleted", "found", "nothing", "renewed"], &report.done, page), out)?;
    let methods: Vec<String> = report.methods.iter().map(|(method, n)| format!("{} {method}", number(*n))).collect();
    let methods = if methods.is_empty() { String::new() } else { format!(" ({})", methods.join(", ")) };
    writeln!(
        out,
        "run {} to {}: {}{methods}, {}",
        report.run,
        report.target,
        count(report.requests, "request"),
        count(report.retries, "retry")
    )?;
    if report.altered > 0 {
        let objects = count(report.altered, "object");
        writeln!(out, "the target keeps {objects} with other texts than it was sent: `news diff --strict` shows them")?;
    }
    if report.throttled_s > 0.0 {
        writeln!(out, "the target made us wait {}", span(report.throttled_s))?;
    }
    let left = [
        (report.failed, "failed, and are waiting: the next run tries them again"),
        (report.parked, "parked: `news parked` says why"),
        (report.waiting, "waiting: they failed in earlier runs, and their next try is later"),
        (report.held, "held: they wait for another object"),
        (report.overtaken, "overtaken by newer changes: the next run sends those"),
        (report.untouched, "untouched, since the run stopped"),
    ];
    for (count, what) in left.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{} {what}", number(count))?;
    }
    on_hold(report.on_hold, &report.holds, out)?;
    if let Some(error) = &report.first_error {
        writeln!(out, "first trouble: {error}")?;
    }
    if let Some(trouble) = &report.overcome {
        writeln!(out, "a retry overcame: {trouble}")?;
    }
    match report.drift {
        Some(0) => writeln!(out, "verified: the target has everything as it was sent")?,
        Some(drift) => {
            writeln!(
                out,
                "verified: {} that no pending change explains",
                counted(drift, "object", ["differs", "differ"])
            )?;
        }
        None => {}
    }
    Ok(())
}

/// Objects on hold that have something pending: how many, and the first ones.
fn on_hold(count: u64, holds: &[HoldRow], out: &mut dyn Write) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    writeln!(out, "{} on hold, not tried: `news release` resumes their sync", number(count))?;
    let named = &holds[..holds.len().min(HOLDS_NAMED)];
    for hold in named {
        writeln!(out, "    {}/{} {}", hold.entity, hold.id, printable(&hold.words()))?;
    }
    let rest = count - named.len() as u64;
    if rest > 0 && !named.is_empty() { writeln!(out, "    and {} more", number(rest)) } else { Ok(()) }
}

/// A run in a line: when it ended, what it did, what is left.
pub fn line(report: &SyncReport, at: OffsetDateTime, out: &mut dyn Write) -> io::Result<()> {
    let all = |count: fn(&Actions) -> u64| report.done.values().map(count).sum::<u64>();
    let numbers = [
        (all(|done| done.create), "created"),
        (all(|done| done.update), "updated"),
        (all(|done| done.delete), "deleted"),
        (all(|done| done.renew), "renewed"),
        (report.failed, "failed"),
        (report.parked, "parked"),
        (report.held, "held"),
        (report.waiting, "waiting"),
        (report.on_hold, "on hold"),
    ];
    let told: Vec<String> =
        numbers.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(*n))).collect();
    let told = if told.is_empty() { String::from("nothing to do") } else { told.join(", ") };
    let at = at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default();
    let requests = count(report.requests, "request");
    let why = report.first_error.as_ref().map_or_else(String::new, |why| format!("; {}", printable(why)));
    writeln!(out, "{at} run {}: {told} ({requests}){why}", report.run)
}

/// Counts of a plan, by entity and action.
pub fn planned(plan: &ByEntity<Actions>, page: Layout) -> comfy_table::Table {
    actions(["create", "update", "delete", "ask", "nothing", "renew"], plan, page)
}

fn actions(heads: [&str; 6], actions: &ByEntity<Actions>, page: Layout) -> comfy_table::Table {
    let numbers = |a: &Actions| vec![a.create, a.update, a.delete, a.ask, a.nothing, a.renew];
    tallies(page, &heads, &heads[5..], actions.iter().map(|(entity, actions)| (*entity, numbers(actions))))
}
