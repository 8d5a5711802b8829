//! `news log` for people.

use std::io::{self, Write};

use crate::json;
use crate::render::{Layout, lines, table};
use crate::report::log::{LogReport, LogRow};
use crate::ui::printable;

/// All events, as a table.
pub fn log(report: &LogReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.events.is_empty() && !report.has_more {
        return writeln!(out, "no changes");
    }
    let mut table = table(page, &["event", "time", "object", "change", "by", "synced"], &[0]);
    for row in &report.events {
        table.add_row(cells(row));
    }
    lines(&table, out)?;
    if report.has_more { writeln!(out, "and older ones (--limit)") } else { Ok(()) }
}

/// One event of a log that is followed: its line does not wait for the others' width.
pub fn line(row: &LogRow, out: &mut dyn Write) -> io::Result<()> {
    let [event, time, object, change, by, synced] = cells(row);
    let line = format!("{event:>8}  {time}  {object:<14}  {change:<7}  {by:<24}  {synced}");
    writeln!(out, "{}", line.trim_end())
}

/// Events as JSON, a document a line.
pub fn json_lines(rows: &[LogRow], out: &mut dyn Write) -> io::Result<()> {
    rows.iter().try_for_each(|row| {
        json::compact(row, out)?;
        writeln!(out)
    })
}

fn cells(row: &LogRow) -> [String; 6] {
    [
        row.event.to_string(),
        row.logged_at.clone(),
        format!("{}/{}", row.entity, row.id),
        printable(&row.kind),
        printable(row.actor.as_deref().unwrap_or("")),
        synced(row),
    ]
}

fn synced(row: &LogRow) -> String {
    match (&row.synced_at, row.run, &row.discarded_by) {
        (None, _, _) => String::from("pending"),
        (Some(_), Some(run), _) => format!("run {run}: {}", row.came_to.as_deref().unwrap_or("")),
        (Some(_), None, Some(who)) => format!("discarded by {}", printable(who)),
        // It came to nothing, it is older than the history, or an import superseded it.
        (Some(at), None, None) => format!("at {at}"),
    }
}
