//! Prometheus' text format (version 0.0.4): how things stand, in numbers.

use std::io::{self, Write};

use crate::report::metrics::{Attempt, State};
use crate::store::runs::RunNumbers;

/// Writes the metrics; without `state` (the database is away) those of the attempt alone,
/// since an old number is worse than none.
pub fn metrics(attempt: Attempt, state: Option<&State>, out: &mut dyn Write) -> io::Result<()> {
    let none = "";
    let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| -> io::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP news_{name} {help}\n# TYPE news_{name} gauge")?;
        values.iter().try_for_each(|(labels, value)| writeln!(out, "news_{name}{labels} {value}"))
    };
    let one = |value: f64| vec![(String::from(none), value)];
    gauge("sync_exit_code", "Exit code of the last run that was tried.", &one(f64::from(attempt.exit_code)))?;
    gauge("sync_tried_timestamp_seconds", "When the last run that was tried ended.", &one(attempt.at_s))?;
    gauge("database_up", "Whether the database answered after that.", &one(f64::from(u8::from(state.is_some()))))?;
    let Some(State { status, runs }) = state else { return Ok(()) };
    let is_tracking = f64::from(u8::from(status.tracking.is_empty()));
    gauge("tracking_up", "Whether each change comes into the change log.", &one(is_tracking))?;
    gauge("pending_objects", "Objects with changes that the target does not have.", &one(exact(status.pending)))?;
    gauge("pending_events", "Changes of these in the log.", &one(exact(status.events)))?;
    gauge(
        "pending_oldest_seconds",
        "Age of the oldest pending change that is neither parked nor held.",
        &one(status.oldest_s.unwrap_or(0.0)),
    )?;
    gauge("parked_objects", "Objects that wait for an operator.", &one(exact(status.parked)))?;
    gauge("held_objects", "Objects that wait for another one.", &one(exact(status.held)))?;
    gauge("waiting_objects", "Objects that wait for their next try after trouble.", &one(exact(status.waiting)))?;
    let shard = |run: &RunNumbers| run.shard.as_ref().map_or_else(String::new, |shard| format!(",shard=\"{shard}\""));
    let label = |run: &RunNumbers| format!("{{kind=\"{}\"{}}}", run.kind, shard(run));
    // The last of each kind and shard: a later one stands further on.
    let is_later = |later: &RunNumbers, run: &RunNumbers| later.kind == run.kind && later.shard == run.shard;
    let last: Vec<&RunNumbers> = runs
        .iter()
        .enumerate()
        .filter(|(i, run)| !runs.iter().skip(i + 1).any(|later| is_later(later, run)))
        .map(|(_, run)| run)
        .collect();
    let of_last = |number: &dyn Fn(&RunNumbers) -> Option<f64>| -> Vec<(String, f64)> {
        last.iter().filter_map(|run| Some((label(run), number(run)?))).collect()
    };
    let mut states = Vec::new();
    for run in &last {
        for status in ["running", "done", "partly", "failed", "stopped", "lost"] {
            let labels = format!("{{kind=\"{}\"{},status=\"{status}\"}}", run.kind, shard(run));
            states.push((labels, f64::from(u8::from(run.status == status))));
        }
    }
    gauge("run_status", "1 for how the last run of a kind ended.", &states)?;
    gauge("run_exit_code", "Exit code of the last run of a kind.", &of_last(&|run| run.exit_code.map(f64::from)))?;
    gauge(
        "run_duration_seconds",
        "How long it took.",
        &of_last(&|run| run.finished_s.map(|finished| finished - run.started_s)),
    )?;
    gauge("run_finished_timestamp_seconds", "When it ended.", &of_last(&|run| run.finished_s))?;
    gauge("run_requests", "Requests it sent.", &of_last(&|run| u64::try_from(run.requests).ok().map(exact)))?;
    gauge("run_retries", "Attempts it spent on trouble.", &of_last(&|run| u64::try_from(run.retries).ok().map(exact)))?;
    gauge("run_throttled_seconds", "Time that the target made it wait.", &of_last(&|run| Some(run.throttled_s)))?;
    let good: Vec<(String, f64)> = runs
        .iter()
        .filter(|run| run.status == "done")
        .filter_map(|run| Some((label(run), run.finished_s?)))
        .rev()
        .fold(Vec::new(), |mut all, one| {
            if !all.iter().any(|(labels, _)| *labels == one.0) {
                all.push(one);
            }
            all
        });
    gauge("last_success_timestamp_seconds", "When the last run of a kind ended that did all it was to do.", &good)
}

/// Counts far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of objects are far below 2^53")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_database_only_the_attempt_is_told() {
        let mut text = Vec::new();
        metrics(Attempt { exit_code: 8, at_s: 1.5 }, None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples, ["news_sync_exit_code 8", "news_sync_tried_timestamp_seconds 1.5", "news_database_up 0"]);
    }
}
