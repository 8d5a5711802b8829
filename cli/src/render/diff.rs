//! `news diff` for people, and as lines of JSON.

mod words;

use std::io::{self, Write};

use serde::Serialize;

use crate::render::{Page, lines, number, paint, table};
use crate::report::diff::{DiffReport, Sides};
use crate::report::sync::ByEntity;

/// The summary, then the differences.
pub fn diff(report: &DiffReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let head = ["", "master", "target", "missing", "extra", "different", "double", "broken", "pending"];
    let mut table = table(page, &head, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for (entity, sides) in report.summary.iter().rev() {
        let Sides { local, target, missing, extra, different, duplicate, unreadable, pending, nameless } = sides;
        let numbers = [*local, *target, *missing, *extra, *different, *duplicate, unreadable + nameless, *pending];
        let mut row = vec![(*entity).to_owned()];
        row.extend(numbers.map(number));
        table.add_row(row);
    }
    lines(&table, out)?;
    for difference in &report.differences {
        let mark = match difference.kind {
            "missing" => paint("+", "32", page.colour),
            "extra" => paint("-", "31", page.colour),
            _ => paint("~", "33", page.colour),
        };
        let pending = if difference.pending { " (pending)" } else { "" };
        writeln!(out, "{mark} {}/{} {}{pending}", difference.entity, difference.id, difference.kind)?;
        for field in &difference.fields {
            writeln!(out, "    {}: {}", field.field, words::changed(field, page.colour))?;
        }
    }
    if report.more > 0 && report.more < report.found() {
        writeln!(out, "and {} more", number(report.more))?;
    }
    let pending: u64 = report.summary.values().map(|sides| sides.pending).sum();
    let verdict = match (report.equal, pending) {
        (true, 0) => String::from("equal"),
        (true, pending) => format!("equal but for {} pending", number(pending)),
        (false, _) => String::from("different"),
    };
    writeln!(out, "{verdict}: this database and {}", report.target)
}

/// A difference a line, then the summary, which alone has no `id`.
pub fn lines_of(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Summary<'a> {
        equal: bool,
        target: &'a str,
        #[serde(rename = "summary")]
        sides: &'a ByEntity<Sides>,
        more: u64,
    }
    for difference in &report.differences {
        serde_json::to_writer(&mut *out, difference)?;
        writeln!(out)?;
    }
    let DiffReport { equal, target, summary, more, .. } = report;
    serde_json::to_writer(&mut *out, &Summary { equal: *equal, target, sides: summary, more: *more })?;
    writeln!(out)
}
