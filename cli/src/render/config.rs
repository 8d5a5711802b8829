//! `news config` as text.

use std::io::{self, Write};

use crate::render::{Layout, lines, table};
use crate::report::config::ConfigReport;
use crate::ui::printable;

/// A line for each setting, or the profile.
pub fn config(report: &ConfigReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.is_profile_alone {
        return out.write_all(report.profile.as_bytes());
    }
    let mut table = table(page, &["setting", "value", "from"], &[]);
    for one in &report.settings {
        table.add_row([one.name.to_owned(), printable(one.value.as_deref().unwrap_or("-")), printable(&one.from)]);
    }
    lines(&table, out)
}
