//! `news diff` for people.

use std::io::{self, Write};

use crate::logging::printable;
use crate::render::{Page, lines, number, table};
use crate::report::diff::{DiffReport, FieldRow, Sides};
use crate::ui::Colour;

/// The summary, then the differences.
pub fn diff(report: &DiffReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let head = ["", "master", "target", "missing", "extra", "different", "double", "broken", "pending"];
    let mut table = table(page, &head, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for (entity, sides) in report.summary.iter().rev() {
        let Sides { local, target, missing, extra, different, duplicate, unreadable, pending, nameless } = sides;
        let numbers = [*local, *target, *missing, *extra, *different, *duplicate, unreadable + nameless, *pending];
        let mut row = vec![(*entity).to_owned()];
        row.extend(numbers.map(number));
        table.add_row(row);
    }
    lines(&table, out)?;
    for difference in &report.differences {
        let mark = match difference.kind {
            "missing" => paint("+", "32", page.colour),
            "extra" => paint("-", "31", page.colour),
            _ => paint("~", "33", page.colour),
        };
        let pending = if difference.pending { " (pending)" } else { "" };
        writeln!(out, "{mark} {}/{} {}{pending}", difference.entity, difference.id, difference.kind)?;
        for field in &difference.fields {
            let (there, here) = changed(field);
            // On a narrow page the values stand one below the other.
            let columns = field.field.len() + there.chars().count() + here.chars().count() + "    :  -> ".len();
            let between = if columns > usize::from(page.width) {
                format!("\n{:1$}-> ", "", field.field.len() + 3)
            } else {
                " -> ".into()
            };
            let (there, here) = (paint(&there, "31", page.colour), paint(&here, "32", page.colour));
            writeln!(out, "    {}: {there}{between}{here}", field.field)?;
        }
    }
    if report.more > 0 {
        writeln!(out, "and {} more", number(report.more))?;
    }
    let pending: u64 = report.summary.values().map(|sides| sides.pending).sum();
    let verdict = match (report.equal, pending) {
        (true, 0) => String::from("equal"),
        (true, pending) => format!("equal but for {} pending", number(pending)),
        (false, _) => String::from("different"),
    };
    writeln!(out, "{verdict}: this database and {}", report.target)
}

fn paint(text: &str, code: &str, colour: Colour) -> String {
    match colour {
        Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}

/// Shown of a value, in characters.
const SHOWN_CHARS: usize = 60;
/// Shown of what is the same before the change, in characters.
const LEAD_CHARS: usize = 15;

/// Returns the target's and the master's value, cut around the first character that differs.
fn changed(field: &FieldRow) -> (String, String) {
    let Some(target) = &field.target else {
        return (String::from("(unreadable)"), cut(&field.local, 0));
    };
    let same = field.local.chars().zip(target.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(LEAD_CHARS);
    (cut(target, from), cut(&field.local, from))
}

fn cut(text: &str, from: usize) -> String {
    let shown: String = text.chars().skip(from).take(SHOWN_CHARS).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if text.chars().nth(from + SHOWN_CHARS).is_some() { "…" } else { "" };
    format!("{before}\"{}\"{after}", printable(&shown))
}
