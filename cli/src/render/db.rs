//! `news db` as text.

use std::io::{self, Write};

use crate::render::{Layout, count, lines, number, span, table};
use crate::report::db::{Action, DbAnswer, DbReport, Migrated, Pruned, Schema, Switched};
use crate::ui::printable;

/// Names what was applied, a line each.
pub fn migrated(report: &Migrated, out: &mut dyn Write) -> io::Result<()> {
    for name in &report.applied {
        writeln!(out, "applied {name}")?;
    }
    writeln!(out, "the schema is at version {}", report.schema_version)
}

/// A line for each fact, then the tables.
pub fn status(report: &DbReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "database   {}", printable(&report.database))?;
    if let Some(private) = &report.private {
        let version =
            private.version.map_or_else(|| String::from("not made yet"), |version| format!("PostgreSQL {version}"));
        let server = private.pid.map_or_else(|| String::from("not running"), |pid| format!("running, pid {pid}"));
        writeln!(out, "private    {version}, {server}, data in {}", printable(&private.data))?;
    }
    if report.error.is_some() {
        // Why, and what to do about it, is said on stderr.
        writeln!(out, "reachable  no")?;
    }
    match &report.answer {
        Some(answer) => answered(answer, page, out),
        None => Ok(()),
    }
}

fn answered(answer: &DbAnswer, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let wanted = answer.schema_version_wanted;
    let schema = match answer.schema {
        Schema::Current => String::from("current"),
        Schema::Behind => format!("this binary wants {wanted}: news db migrate"),
        Schema::Ahead => format!("newer than this binary, which knows {wanted}"),
        Schema::Unreleased => String::from("made before the first release of news"),
    };
    writeln!(out, "server     PostgreSQL {}", printable(&answer.server_version))?;
    writeln!(out, "encoding   {}", answer.encoding)?;
    writeln!(out, "schema     version {}, {schema}", answer.schema_version)?;
    writeln!(out, "size       {}", bytes(answer.size_bytes))?;
    if let Some(pending) = answer.pending_events {
        writeln!(out, "pending    {}", count(pending.unsigned_abs(), "event"))?;
    }
    if answer.tables.is_empty() {
        return Ok(());
    }
    let mut table = table(page, &["table", "rows, about", "size"], &[1, 2]);
    for one in &answer.tables {
        table.add_row([one.name.clone(), one.rows_estimated.to_string(), bytes(one.size_bytes)]);
    }
    lines(&table, out)
}

/// Says what was done, in a line.
pub fn switched(report: &Switched, out: &mut dyn Write) -> io::Result<()> {
    let what = match report.action {
        Action::RanAlready => "was running already",
        Action::Started => "is running",
        Action::Made => "was made and is running",
        Action::Stopped => "is stopped",
        Action::DidNotRun => "was not running",
    };
    let pid = report.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    writeln!(out, "the private PostgreSQL {what}{pid}, data in {}", printable(&report.data))
}

/// What was deleted, and what is left.
pub fn pruned(report: &Pruned, out: &mut dyn Write) -> io::Result<()> {
    let (deleted, kept) = (count(report.deleted, "event"), number(report.kept));
    let age = span(report.older_than_s);
    writeln!(out, "{deleted} deleted that were synced more than {age} ago, {kept} kept")?;
    let (sent, acts) = (count(report.sent, "row"), number(report.acts));
    writeln!(out, "{sent} deleted of what runs came to, {acts} of what people did")
}

/// `512 B`, `7.4 MiB`
fn bytes(count: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    // In tenths of a unit: whole numbers do.
    let (mut tenths, mut unit) = (i128::from(count) * 10, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match UNITS.get(unit) {
        Some(name) if unit > 0 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        Some(_) | None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (7_800_000, "7.4 MiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }
}
