//! `news status`, `runs`, `parked`, `retry`, `discard`, `import` for people.

use std::io::{self, Write};

use crate::render::{Layout, count, lines, number, span, sync, table};
use crate::report::others::LOST;
use crate::report::status::{ImportReport, KeysReport, ParkedReport, ParkedRow, StatusReport};
use crate::store::run_rows::RunRow;
use crate::ui::printable;

/// Objects on hold that `news status` names; `news parked` names all.
const HOLDS_NAMED: usize = 5;

/// `news status`
pub fn status(report: &StatusReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(&report.verdict.text))?;
    let target = report.target.as_deref().unwrap_or("none yet");
    writeln!(out, "target     {target}")?;
    let oldest = report.oldest_s.map_or_else(String::new, |s| format!(", the oldest {} old", span(s)));
    let pending = format!("{}, {}", count(report.pending, "object"), count(report.events, "event"));
    writeln!(out, "pending    {pending}{oldest}")?;
    if report.in_flight > 0 {
        writeln!(out, "in flight  {}", count(report.in_flight, "object"))?;
    }
    let [parked, held, waiting] = [report.parked, report.held, report.waiting].map(number);
    writeln!(out, "left       {parked} parked, {held} held, {waiting} waiting")?;
    if !report.holds.is_empty() {
        writeln!(out, "on hold    {} with changes; `news parked` names those on hold", number(report.on_hold))?;
    }
    for hold in report.holds.iter().take(HOLDS_NAMED) {
        writeln!(out, "           {}/{} {}", hold.entity, hold.id, printable(&hold.words()))?;
    }
    writeln!(out, "lock       {}", report.lock.as_deref().unwrap_or("free"))?;
    writeln!(out, "schema     {}", report.schema)?;
    for fault in &report.tracking {
        writeln!(out, "untracked  {}", printable(fault))?;
    }
    if let Some(run) = &report.last_run {
        writeln!(out, "last run   {}", line(run))?;
    }
    for run in &report.last_done {
        writeln!(out, "last done  {}", line(run))?;
    }
    if let Some(failed) = &report.failed_full {
        let code = failed.exit_code.map_or_else(String::new, |code| format!(" (exit {code})"));
        let why = failed.first_error.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        writeln!(out, "full sync  fails since {}{code}{}", failed.since, printable(&why))?;
    }
    if let Some(over) = &report.over_limit {
        writeln!(out, "limit      the next run will be refused: {over}")?;
    }
    writeln!(out, "next run:")?;
    lines(&sync::planned(&report.plan, page), out)
}

fn line(run: &RunRow) -> String {
    format!("{} {} ({}), {} for {}", run.kind, run.id, run.status, run.started_at, span(run.seconds))
}

/// `news parked`
pub fn parked(report: &ParkedReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.objects.is_empty() {
        return writeln!(out, "nothing waits for an operator");
    }
    let mut table = table(page, &["object", "state", "status", "since", "runs", "next", "why"], &[2, 4]);
    for object in &report.objects {
        table.add_row([
            format!("{}/{}", object.entity, object.id),
            object.state.replace('_', " "),
            object.status.map_or_else(String::new, |status| status.to_string()),
            span(object.since_s),
            object.failures.to_string(),
            object.next_try_s.map_or_else(String::new, |s| format!("in {}", span(s))),
            printable(&why(object)),
        ]);
    }
    lines(&table, out)?;
    if report.more > 0 { writeln!(out, "and {} more", number(report.more)) } else { Ok(()) }
}

/// Returns why an object waits.
fn why(object: &ParkedRow) -> String {
    let reason = object.reason.clone().unwrap_or_default();
    match &object.by {
        Some(by) if reason.is_empty() => format!("by {by}"),
        Some(by) => format!("by {by}: {reason}"),
        None => reason,
    }
}

/// `news retry`, `news discard`, `news hold`, `news release`
pub fn keys(report: &KeysReport, out: &mut dyn Write) -> io::Result<()> {
    let what = report.what.replace('_', " ");
    for key in &report.keys {
        writeln!(out, "{what} {key}")?;
    }
    for key in &report.along {
        writeln!(out, "{what} {key}, since its post will not be created")?;
    }
    for hold in &report.already {
        // Whoever names another reason has to see that it was not taken.
        writeln!(out, "{}/{} was on hold already, and stays so {}", hold.entity, hold.id, printable(&hold.words()))?;
    }
    for key in &report.in_flight {
        writeln!(out, "{key}: a request that was sent before may still take effect")?;
    }
    for key in &report.not_here {
        writeln!(out, "{key}: the master has no such object; the hold is for one that only the target has")?;
    }
    let objects = count((report.keys.len() + report.along.len()) as u64, "object");
    match report.events {
        Some(events) => writeln!(out, "{objects}, {} {what}", count(events, "event")),
        None => writeln!(out, "{objects} {what}"),
    }
}

/// `news import`
pub fn import(report: &ImportReport, out: &mut dyn Write) -> io::Result<()> {
    let counted = |posts, comments| format!("{} and {}", count(posts, "post"), count(comments, "comment"));
    if let Some(adopted) = report.adopted {
        let what = if adopted.dry_run { "would get a key" } else { "got a key" };
        writeln!(out, "{what}: {} of {}", counted(adopted.posts, adopted.comments), report.source)?;
        if adopted.left > 0 {
            writeln!(out, "not adopted: {}, not valid as a post or comment of ours", count(adopted.left, "record"))?;
        }
        if adopted.dry_run {
            return Ok(());
        }
    }
    writeln!(out, "imported {} from {}", counted(report.posts, report.comments), report.source)?;
    if report.superseded > 0 {
        writeln!(out, "{} of earlier rows superseded", count(report.superseded, "unsynced event"))?;
    }
    for others in &report.other_fields {
        writeln!(out, "{}; {LOST}", printable(&others.to_string()))?;
    }
    let Some(skipped) = &report.skipped else { return Ok(()) };
    if skipped.posts + skipped.comments > 0 {
        writeln!(out, "left out {}:", counted(skipped.posts, skipped.comments))?;
    }
    for fault in &skipped.faults {
        writeln!(out, "  {}", printable(&fault.to_string()))?;
    }
    if skipped.more > 0 {
        writeln!(out, "and {} more", number(skipped.more))?;
    }
    Ok(())
}
