//! A report onto a stream, as text or as JSON.

mod user;

use std::io::{self, Write};

use crate::report::Report;
use crate::ui::{Colour, Format};

/// Writes `report` to `out`; text is laid out for `width` columns.
pub fn render(report: &Report, format: Format, colour: Colour, width: u16, out: &mut dyn Write) -> io::Result<()> {
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut *out, report)?;
        return writeln!(out);
    }
    let _ = colour;
    match report {
        Report::Token(report) => writeln!(out, "{}", report.access),
        Report::UserChange(report) => user::change(report, out),
        Report::Users(report) => user::list(report, width, out),
    }
}
