//! `news db` as text.

use std::io::{self, Write};

use crate::report::db::Migrated;

/// Names what was applied, a line each.
pub fn migrated(report: &Migrated, out: &mut dyn Write) -> io::Result<()> {
    for name in &report.applied {
        writeln!(out, "applied {name}")?;
    }
    writeln!(out, "the schema is at version {}", report.schema_version)
}
