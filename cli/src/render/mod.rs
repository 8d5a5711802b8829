//! A report onto a stream, as text or as JSON.

mod acts;
mod config;
mod db;
mod diff;
mod doctor;
mod log;
pub mod metrics;
mod runs;
mod show;
mod status;
mod sync;
mod user;

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::json;
use crate::report::Report;
pub use crate::report::phrase::{count, counted, number, span};
pub use crate::ui::Layout;
pub use sync::line as sync_line;

use crate::ui::{Colour, Format};

/// Writes `report` to `out`.
pub fn render(report: &Report, format: Format, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    // Lines come as events do: no document is ever whole.
    if let (Report::LogRows(rows), Format::Json | Format::Lines) = (report, format) {
        return log::json_lines(rows, out);
    }
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
            | Report::Run(_)
            | Report::Acts(_)
            | Report::Log(_)
            | Report::LogRows(_)
            | Report::Show(_)
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
            Report::Show(report) => show::show(report, page, out),
            Report::Runs(report) => runs::runs(report, page, out),
            Report::Run(report) => runs::run(report, page, out),
            Report::Acts(report) => acts::acts(report, page, out),
            Report::Log(report) => log::log(report, page, out),
            Report::LogRows(rows) => rows.iter().try_for_each(|row| log::line(row, out)),
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
pub fn table(page: Layout, head: &[&str], numbers: &[usize]) -> Table {
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
    page: Layout,
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
