//! `news diff` for people, and as lines of JSON.

mod words;

use std::io::{self, Write};

use serde::Serialize;

use crate::json;
use crate::render::{Layout, count, lines, number, paint, tallies};
use crate::report::diff::{DiffReport, DifferenceRow, EntitySides, FieldRow, LeftOutRow};
use crate::report::sync::ByEntity;
use crate::ui::printable;

/// Objects that an import left out, and that are named.
const LEFT_OUT_NAMED: usize = 3;

/// The summary, then the differences.
pub fn diff(report: &DiffReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let heads = [
        "master",
        "target",
        "missing",
        "extra",
        "different",
        "altered",
        "duplicate",
        "unreadable",
        "pending",
        "on hold",
        "left out",
    ];
    let rows = report.summary.iter().map(|(entity, sides)| {
        let EntitySides {
            local,
            target,
            missing,
            extra,
            different,
            altered,
            duplicate,
            unreadable,
            pending,
            on_hold,
            left_out,
            nameless: _,
            strangers: _,
        } = sides;
        let found = [*missing, *extra, *different, *altered, *duplicate, *unreadable, *pending, *on_hold, *left_out];
        (*entity, [&[*local, *target], &found[..]].concat())
    });
    lines(&tallies(page, &heads, &["altered", "duplicate", "unreadable", "on hold", "left out"], rows), out)?;
    for difference in &report.differences {
        let mark = match difference.kind {
            "missing" => paint("+", "32", page.colour),
            "extra" => paint("-", "31", page.colour),
            _ => paint("~", "33", page.colour),
        };
        let words = [
            (difference.pending, "pending"),
            (difference.on_hold, "on hold"),
            (difference.altered, "altered by the target"),
        ];
        let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
        writeln!(out, "{mark} {}/{} {}{words}", difference.entity, difference.id, difference.kind)?;
        changes(difference, page, out)?;
    }
    if report.more > 0 && report.more < report.found() {
        writeln!(out, "and {} more", number(report.more))?;
    }
    for (entity, sides) in report.summary.iter().rev().filter(|(_, sides)| sides.nameless > 0) {
        let elements = count(sides.nameless, "element");
        writeln!(out, "{elements} of {entity} with no id that could be ours")?;
    }
    for (entity, sides) in report.summary.iter().rev().filter(|(_, sides)| sides.strangers > 0) {
        let records = count(sides.strangers, "record");
        writeln!(out, "{records} of {entity} without a key of ours: not compared")?;
    }
    left_out(report, out)?;
    let pending: u64 = report.summary.values().map(|sides| sides.pending).sum();
    let on_hold: u64 = report.summary.values().map(|sides| sides.on_hold).sum();
    let altered: u64 = report.summary.values().map(|sides| sides.altered).sum();
    if altered > 0 && report.equal {
        let objects = count(altered, "object");
        writeln!(out, "{objects} with texts that the target has altered: `news diff --strict` shows them")?;
    }
    let verdict = match (report.equal, pending, on_hold) {
        (true, 0, 0) => String::from("equal"),
        (true, pending, 0) => format!("equal but for {} pending", number(pending)),
        (true, 0, on_hold) => format!("equal but for {} on hold", number(on_hold)),
        (true, pending, on_hold) => {
            format!("equal but for {} pending, {} on hold", number(pending), number(on_hold))
        }
        (false, _, _) => String::from("different"),
    };
    let what = match report.keys.len() {
        0 => String::from("this database"),
        keys => format!("{} of this database", count(keys as u64, "object")),
    };
    writeln!(out, "{verdict}: {what} and {}", report.target)
}

/// The fields in which an object differs, or what is wrong with it.
pub(super) fn changes(difference: &DifferenceRow, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    fields(&difference.fields, page, out)?;
    for fault in &difference.faults {
        writeln!(out, "    {}: {}", fault.field, printable(&fault.why))?;
    }
    Ok(())
}

/// Fields with other texts, a line each.
pub(super) fn fields(fields: &[FieldRow], page: Layout, out: &mut dyn Write) -> io::Result<()> {
    for field in fields {
        writeln!(out, "    {}: {}", field.field, words::changed(field, page.colour))?;
    }
    Ok(())
}

/// Names a few of the objects that an import left out.
fn left_out(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let all: u64 = report.summary.values().map(|sides| sides.left_out).sum();
    if all == 0 {
        return Ok(());
    }
    let objects = count(all, "object");
    writeln!(out, "{objects} of the target left out by an import: neither compared nor changed")?;
    let named = &report.left_out[..report.left_out.len().min(LEFT_OUT_NAMED)];
    for object in named {
        writeln!(out, "    {}/{} ({})", object.entity, object.id, printable(&object.why))?;
    }
    let rest = all - named.len() as u64;
    if rest > 0 && !named.is_empty() { writeln!(out, "    and {} more", number(rest)) } else { Ok(()) }
}

/// A difference a line, then the summary, which alone has no `id`.
pub fn lines_of(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Summary<'a> {
        equal: bool,
        target: &'a str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        keys: &'a [String],
        #[serde(rename = "summary")]
        sides: &'a ByEntity<EntitySides>,
        more: u64,
        left_out: &'a [LeftOutRow],
    }
    for difference in &report.differences {
        json::compact(difference, out)?;
        writeln!(out)?;
    }
    let DiffReport { equal, target, keys, summary, more, left_out, .. } = report;
    json::compact(&Summary { equal: *equal, target, keys, sides: summary, more: *more, left_out }, out)?;
    writeln!(out)
}
