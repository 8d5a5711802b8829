//! A report onto a stream, as text or as JSON.

mod db;

use std::io::{self, Write};

use crate::report::Report;
use crate::ui::{Colour, Format};

/// Writes `report` to `out`; text is laid out for `width` columns.
pub fn render(report: &Report, format: Format, colour: Colour, width: u16, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        Format::Text => text(report, colour, width, out),
    }
}

fn text(report: &Report, _colour: Colour, width: u16, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::DbMigrated(report) => db::migrated(report, out),
        Report::DbStatus(report) => db::status(report, width, out),
        Report::DbSwitched(report) => db::switched(report, out),
    }
}
