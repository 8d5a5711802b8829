//! `news acts` for people.

use std::io::{self, Write};

use crate::render::{Layout, count, lines, number, table};
use crate::store::acts::{ActRow, ListedActs};
use crate::ui::printable;

/// Objects that are named; `news --json acts` names ten.
const NAMED: usize = 3;

/// All acts, as a table.
pub fn acts(report: &ListedActs, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.acts.is_empty() && report.next.is_none() {
        return writeln!(out, "no operator has done anything");
    }
    let mut table = table(page, &["time", "who", "did", "objects", "events", "why"], &[4]);
    for act in &report.acts {
        table.add_row([
            act.at.clone(),
            printable(&act.who),
            act.what.replace('_', " "),
            objects(act),
            act.events.map_or_else(String::new, |events| number(events.unsigned_abs())),
            printable(act.why.as_deref().unwrap_or("")),
        ]);
    }
    lines(&table, out)?;
    if report.next.is_some() { writeln!(out, "and older ones (--limit)") } else { Ok(()) }
}

/// Names the first of an act's objects.
fn objects(act: &ActRow) -> String {
    let first = act.keys.iter().take(NAMED).cloned().collect::<Vec<String>>().join(", ");
    let more = act.count.saturating_sub(act.keys.len().min(NAMED) as u64);
    let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
    let along = if act.along > 0 { format!(", {} along", count(act.along, "comment")) } else { String::new() };
    format!("{first}{more}{along}")
}
