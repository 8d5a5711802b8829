//! `news runs` for people.

use std::io::{self, Write};

use serde_json::Value;

use crate::render::{Layout, lines, number, span, sync, table};
use crate::report::runs::{RunReport, RunsReport};
use crate::report::sync::SyncReport;
use crate::store::run_rows::RunRow;
use crate::ui::printable;

/// The list.
pub fn runs(report: &RunsReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let heads = [
        "run", "kind", "status", "exit", "started", "took", "requests", "created", "updated", "deleted", "parked",
        "where",
    ];
    let mut table = table(page, &heads, &[0, 3, 6, 7, 8, 9, 10]);
    for run in &report.runs {
        table.add_row([
            run.id.to_string(),
            kind(run),
            run.status.clone(),
            run.exit_code.map_or_else(String::new, |code| code.to_string()),
            run.started_at.clone(),
            span(run.seconds),
            run.requests.to_string(),
            run.created.to_string(),
            run.updated.to_string(),
            run.deleted.to_string(),
            run.parked.to_string(),
            place(run),
        ]);
    }
    lines(&table, out)?;
    // Long, and not of every run: no column.
    for run in &report.runs {
        let error = run.first_error.as_deref().map(printable);
        let alike = run.alike_since.as_ref().map(|since| format!("and {} like it since {since}", number(run.alike)));
        if error.is_some() || alike.is_some() {
            let told: Vec<String> = error.into_iter().chain(alike).collect();
            writeln!(out, "run {}: {}", run.id, told.join("; "))?;
        }
    }
    if report.more > 0 { writeln!(out, "and {} more (--limit)", number(report.more)) } else { Ok(()) }
}

fn kind(run: &RunRow) -> String {
    let shard = run.shard.as_ref().map_or_else(String::new, |shard| format!(" {shard}"));
    format!("{}{shard}", run.kind)
}

fn place(run: &RunRow) -> String {
    format!("{}@{}", run.pid, run.host)
}

/// All that is kept of one run.
pub fn run(report: &RunReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    let RunReport { run, report, sent, more } = report;
    let exit = run.exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
    writeln!(out, "run        {} ({}), {}{exit}", run.id, kind(run), run.status)?;
    writeln!(out, "started    {}, took {}", run.started_at, span(run.seconds))?;
    writeln!(out, "where      {}, news {}", printable(&place(run)), printable(&run.version))?;
    writeln!(out, "target     {}", printable(&run.target_url))?;
    if let Some(error) = &run.first_error {
        writeln!(out, "trouble    {}", printable(error))?;
    }
    if let Some(synced) = SyncReport::kept(report) {
        for warning in &synced.warnings {
            writeln!(out, "warning    {}", printable(warning))?;
        }
        // The row has its trouble already.
        sync::sync(&SyncReport { first_error: None, ..synced }, page, out)?;
    } else {
        report.as_object().into_iter().flatten().try_for_each(|(name, value)| told(name, value, out))?;
    }
    if sent.is_empty() {
        return Ok(());
    }
    let mut table = table(page, &["object", "came to", "request", "status", "took", "events", "recorded"], &[3, 5]);
    for row in sent {
        table.add_row([
            format!("{}/{}", row.entity, row.id),
            row.came_to.clone(),
            row.method.clone().unwrap_or_default(),
            row.status.map_or_else(String::new, |status| status.to_string()),
            row.ms.map_or_else(String::new, |ms| format!("{ms} ms")),
            row.events.to_string(),
            row.at.clone(),
        ]);
    }
    lines(&table, out)?;
    if *more > 0 {
        writeln!(out, "and {} more (--limit)", number(*more))?;
    }
    Ok(())
}

/// Writes one entry of a report, whichever release wrote it; what is zero or empty has nothing to say.
fn told(name: &str, value: &Value, out: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::Null | Value::Bool(false) => Ok(()),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(()),
        Value::String(text) => writeln!(out, "{name:<10} {}", printable(text)),
        Value::Array(values) => values.iter().try_for_each(|value| told(name, value, out)),
        Value::Object(values) => values.iter().try_for_each(|(of, value)| told(&format!("{name} {of}"), value, out)),
        Value::Bool(true) | Value::Number(_) => writeln!(out, "{name:<10} {value}"),
    }
}
