//! A report onto a stream, as text or as JSON.

mod config;
mod db;
mod diff;
mod doctor;
pub mod metrics;
mod status;
mod sync;
mod user;

use std::fmt::Write as _;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::json;
use crate::report::Report;
pub use crate::ui::Page;

use crate::ui::{Colour, Format};

/// Writes `report` to `out`.
pub fn render(report: &Report, format: Format, page: Page, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => {
            json::pretty(report, out)?;
            writeln!(out)
        }
        Format::Lines => match report {
            Report::Diff(report) => diff::lines_of(report, out),
            Report::Doctor(_)
            | Report::Config(_)
            | Report::DbUrl(_)
            | Report::Plan(_)
            | Report::Sync(_)
            | Report::Status(_)
            | Report::Runs(_)
            | Report::Parked(_)
            | Report::Keys(_)
            | Report::Import(_)
            | Report::DbMigrated(_)
            | Report::DbStatus(_)
            | Report::DbPruned(_)
            | Report::DbSwitched(_)
            | Report::Token(_)
            | Report::UserChange(_)
            | Report::Users(_) => {
                json::compact(report, out)?;
                writeln!(out)
            }
        },
        Format::Text => match report {
            Report::Plan(report) => sync::plan(report, page, out),
            Report::Sync(report) => sync::sync(report, page, out),
            Report::Diff(report) => diff::diff(report, page, out),
            Report::Status(report) => status::status(report, page, out),
            Report::Runs(report) => status::runs(report, page, out),
            Report::Parked(report) => status::parked(report, page, out),
            Report::Keys(report) => status::keys(report, out),
            Report::Import(report) => status::import(report, out),
            Report::Doctor(report) => doctor::doctor(report, page, out),
            Report::Config(report) => config::config(report, page, out),
            Report::DbMigrated(report) => db::migrated(report, out),
            Report::DbStatus(report) => db::status(report, page, out),
            Report::DbUrl(report) => writeln!(out, "{}", report.url),
            Report::DbPruned(report) => db::pruned(report, out),
            Report::DbSwitched(report) => db::switched(report, out),
            Report::Token(report) => writeln!(out, "{}", report.access),
            Report::UserChange(report) => user::change(report, out),
            Report::Users(report) => user::list(report, page, out),
        },
    }
}

/// Makes a table with a head; columns named in `numbers` are set to the right.
pub fn table(page: Page, head: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(page.width);
    table.set_header(head);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Makes a table of numbers by entity, posts first. A column of `rare` is left out where it has nothing to say.
pub fn tallies<'a>(
    page: Page,
    heads: &[&str],
    rare: &[&str],
    rows: impl DoubleEndedIterator<Item = (&'a str, Vec<u64>)>,
) -> Table {
    let rows: Vec<(&str, Vec<u64>)> = rows.rev().collect();
    let is_shown = |at: usize| !rare.contains(&heads[at]) || rows.iter().any(|(_, numbers)| numbers[at] > 0);
    let shown: Vec<usize> = (0..heads.len()).filter(|at| is_shown(*at)).collect();
    let head: Vec<&str> = std::iter::once("").chain(shown.iter().map(|at| heads[*at])).collect();
    let mut table = table(page, &head, &(1..head.len()).collect::<Vec<_>>());
    for (entity, numbers) in &rows {
        let mut row = vec![(*entity).to_owned()];
        row.extend(shown.iter().map(|at| number(numbers[*at])));
        table.add_row(row);
    }
    table
}

/// Writes a table, with no blanks at the ends of lines: it may be piped.
pub fn lines(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

pub fn paint(text: &str, code: &str, colour: Colour) -> String {
    match colour {
        Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}

/// Returns a time in the two units that say most: `3 d 4 h`, `12 s`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round();
    if whole < 1.0 {
        return format!("{} ms", (seconds.max(0.0) * 1000.0).round());
    }
    let units = [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)];
    let first = units.iter().position(|(_, size)| whole >= *size).unwrap_or(units.len() - 1);
    let (unit, size) = units[first];
    let mut text = format!("{} {unit}", (whole / size).floor());
    if let Some((unit, size)) = units.get(first + 1) {
        let rest = ((whole % units[first].1) / size).floor();
        if rest > 0.0 {
            // Writing to a String has no way to fail.
            let _ = write!(text, " {rest} {unit}");
        }
    }
    text
}

/// Returns a number with thousands set apart: `1,234`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `1 post`, `2 posts`.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", number(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_numbers() {
        for (seconds, text) in [
            (0.012, "12 ms"),
            (1.0, "1 s"),
            (59.6, "1 min"),
            (61.0, "1 min 1 s"),
            (7_260.0, "2 h 1 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
    }
}
