//! `news show` for people.

use std::io::{self, Write};

use crate::render::diff::{changes, fields};
use crate::render::{Layout, count, lines, number, table};
use crate::report::show::{AnswerRow, ShowReport, TargetNow};
use crate::ui::printable;

/// Shown of a text, in characters.
const TEXT_CHARS_MAX: usize = 120;
/// Shown of a response's body.
const BODY_CHARS_MAX: usize = 200;
/// Events, runs and acts shown of each.
const ROWS_MAX: usize = 10;
/// Keys named in a line.
const KEYS_MAX: usize = 10;

/// One object.
pub fn show(report: &ShowReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let ShowReport { entity, id, sentence, .. } = report;
    writeln!(out, "{entity}/{id}: {}.", printable(sentence.trim_end_matches('.')))?;
    row(report, out)?;
    if let Some(why) = &report.left_out {
        writeln!(out, "\nleft out by an import: {}", printable(why))?;
    }
    names("waits for", &report.waits_for, out)?;
    names("waiting for it", &report.holds_back, out)?;
    if let Some(target) = &report.target {
        now(target, page, out)?;
    }
    if let Some(answer) = &report.last_answer {
        last(answer, out)?;
    }
    events(report, page, out)?;
    runs(report, page, out)?;
    acts(report, page, out)
}

fn row(report: &ShowReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nrow of the master")?;
    if let Some(why) = &report.row_fault {
        writeln!(out, "  cannot be sent: {}", printable(why))?;
    }
    match &report.row {
        Some(fields) => {
            for field in fields {
                writeln!(out, "  {:<7} {}", field.field, printable(&shortened(&field.value, TEXT_CHARS_MAX)))?;
            }
            Ok(())
        }
        None if report.row_fault.is_none() => writeln!(out, "  none"),
        None => Ok(()),
    }
}

fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max).chain(['…']).collect()
}

fn names(what: &str, keys: &[String], out: &mut dyn Write) -> io::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let rest = keys.len().saturating_sub(KEYS_MAX);
    let more = if rest > 0 { format!(" and {} more", number(rest as u64)) } else { String::new() };
    let named = keys.iter().take(KEYS_MAX).cloned().collect::<Vec<String>>().join(", ");
    writeln!(out, "\n{what}: {named}{more}")
}

/// The target now.
fn now(target: &TargetNow, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let url = target.url.as_deref().unwrap_or("none");
    writeln!(out, "\ntarget now ({})", printable(url))?;
    if let Some(error) = &target.error {
        return writeln!(out, "  not known: {}", printable(error));
    }
    match &target.difference {
        None if target.there == Some(false) => writeln!(out, "  does not have it"),
        None if !target.altered.is_empty() => {
            writeln!(out, "  equal, with texts that the target has altered")?;
            fields(&target.altered, page, out)
        }
        None => writeln!(out, "  equal"),
        Some(difference) => {
            writeln!(out, "  {}", difference.kind)?;
            changes(difference, page, out)
        }
    }
}

fn last(answer: &AnswerRow, out: &mut dyn Write) -> io::Result<()> {
    let AnswerRow { run, method, status, at, ms, body } = answer;
    let status = status.map_or_else(|| String::from("no response"), |status| format!("status {status}"));
    let (method, at) = (method.as_deref().unwrap_or("-"), at.as_deref().unwrap_or("-"));
    let took = ms.map_or_else(String::new, |ms| format!(", {ms} ms"));
    writeln!(out, "\nlast response, to run {run}: {method}, {status}, {at}{took}")?;
    match body {
        Some(body) => writeln!(out, "  {}", printable(&shortened(body.trim(), BODY_CHARS_MAX))),
        None => Ok(()),
    }
}

fn events(report: &ShowReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.events.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nunsynced changes: {}", count(report.events_total, "event"))?;
    let mut table = table(page, &["event", "type", "at", "by"], &[0]);
    for event in report.events.iter().take(ROWS_MAX) {
        let by = printable(event.actor.as_deref().unwrap_or(""));
        table.add_row([event.id.to_string(), event.kind.clone(), event.at.clone(), by]);
    }
    lines(&table, out)
}

fn runs(report: &ShowReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.sent.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nruns that sent it")?;
    let mut table = table(
        page,
        &["run", "kind", "came to", "request", "status", "ms", "events", "at", "changed by"],
        &[0, 4, 5, 6],
    );
    let told = |number: Option<i32>| number.map_or_else(String::new, |number| number.to_string());
    for sent in report.sent.iter().take(ROWS_MAX) {
        table.add_row([
            sent.run.to_string(),
            sent.kind.clone().unwrap_or_default(),
            sent.came_to.clone(),
            sent.method.clone().unwrap_or_default(),
            told(sent.status),
            told(sent.ms),
            sent.events.to_string(),
            sent.at.clone(),
            printable(&sent.by.join(", ")),
        ]);
    }
    lines(&table, out)
}

fn acts(report: &ShowReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.acts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nwhat people did")?;
    let mut table = table(page, &["at", "what", "by", "why"], &[]);
    for act in report.acts.iter().take(ROWS_MAX) {
        let why = printable(act.why.as_deref().unwrap_or(""));
        table.add_row([act.at.clone(), act.what.clone(), printable(&act.who), why]);
    }
    lines(&table, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shortened() {
        assert_eq!((shortened("äöü", 3), shortened("äöüß", 3)), (String::from("äöü"), String::from("äöü…")));
    }
}
