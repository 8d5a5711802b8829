//! Prometheus' text format (version 0.0.4), and the numbers that the file and `/metrics` share.

use std::fmt::{Display, Write as _};

use crate::report::metrics::{self as families, Family, LastAttempt, MetricsState};
use crate::store::runs::RunNumbers;
use crate::store::schema;

/// The text so far.
#[derive(Debug, Default)]
pub struct MetricsText(String);

impl MetricsText {
    /// Begins a family.
    pub fn family(&mut self, family: &Family) {
        let Family { name, kind, help, .. } = family;
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes a sample of the family that was begun; `labels` have their braces.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Writes a family with one sample.
    pub fn one(&mut self, family: &Family, value: impl Display) {
        self.family(family);
        self.sample(family.name, "", value);
    }

    /// Writes a family, unless it has no sample.
    pub fn each(&mut self, family: &Family, samples: impl IntoIterator<Item = (String, f64)>) {
        for (index, (labels, value)) in samples.into_iter().enumerate() {
            if index == 0 {
                self.family(family);
            }
            self.sample(family.name, &labels, value);
        }
    }

    /// Writes what this program is.
    pub fn build(&mut self) {
        let (version, schema) = (env!("CARGO_PKG_VERSION"), schema::newest());
        self.family(&families::BUILD_INFO);
        self.sample(families::BUILD_INFO.name, &format!("{{version=\"{version}\",schema=\"{schema}\"}}"), 1);
    }

    /// Writes what the database tells of the sync.
    pub fn state(&mut self, state: &MetricsState) {
        let status = &state.status;
        self.one(&families::TRACKING_UP, u8::from(status.tracking.is_empty()));
        self.one(&families::PENDING_OBJECTS, status.pending);
        self.one(&families::PENDING_EVENTS, status.events);
        self.one(&families::PENDING_OLDEST, status.oldest_s.unwrap_or(0.0));
        self.one(&families::IN_FLIGHT, status.in_flight);
        self.one(&families::PARKED, status.parked);
        self.one(&families::HELD, status.held);
        self.one(&families::ON_HOLD, status.on_hold);
        self.one(&families::WAITING, status.waiting);
        self.runs(&state.runs);
    }

    fn runs(&mut self, runs: &[RunNumbers]) {
        // The last of each kind and shard: a later one stands further on.
        let is_later = |later: &RunNumbers, run: &RunNumbers| later.kind == run.kind && later.shard == run.shard;
        let is_last = |at: usize, run: &RunNumbers| !runs.iter().skip(at + 1).any(|later| is_later(later, run));
        let last: Vec<&RunNumbers> =
            runs.iter().enumerate().filter(|(at, run)| is_last(*at, run)).map(|(_, run)| run).collect();
        let states = last.iter().flat_map(|run| {
            ["running", "done", "partly", "failed", "stopped", "lost"].map(|status| {
                (labels(run, &format!(",status=\"{status}\"")), f64::from(u8::from(run.status == status)))
            })
        });
        self.each(&families::RUN_STATUS, states);
        let of_last = |number: fn(&RunNumbers) -> Option<f64>| -> Vec<(String, f64)> {
            last.iter().filter_map(|run| Some((labels(run, ""), number(run)?))).collect()
        };
        self.each(&families::RUN_EXIT_CODE, of_last(|run| run.exit_code.map(f64::from)));
        self.each(&families::RUN_DURATION, of_last(|run| run.finished_s.map(|finished| finished - run.started_s)));
        self.each(&families::RUN_FINISHED, of_last(|run| run.finished_s));
        self.each(&families::RUN_REQUESTS, of_last(|run| Some(exact(run.requests))));
        self.each(&families::RUN_RETRIES, of_last(|run| Some(exact(run.retries))));
        self.each(&families::RUN_THROTTLED, of_last(|run| Some(run.throttled_s)));
        let is_last_good = |at: usize, run: &RunNumbers| {
            run.status == "done"
                && !runs.iter().skip(at + 1).any(|later| is_later(later, run) && later.status == "done")
        };
        let good = runs.iter().enumerate().filter(|(at, run)| is_last_good(*at, run));
        self.each(&families::LAST_SUCCESS, good.filter_map(|(_, run)| Some((labels(run, ""), run.finished_s?))));
    }

    /// Returns the text.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Returns the text of `--metrics-file`. Without `state` (the database is unavailable) it has the attempt alone, since an
/// old number is worse than none.
pub fn file(attempt: LastAttempt, state: Option<&MetricsState>) -> String {
    let mut text = MetricsText::default();
    text.build();
    text.one(&families::SYNC_EXIT_CODE, attempt.exit_code);
    text.one(&families::SYNC_TRIED, attempt.at_s);
    text.one(&families::DATABASE_UP, u8::from(state.is_some()));
    if let Some(state) = state {
        text.state(state);
    }
    text.finish()
}

fn labels(run: &RunNumbers, more: &str) -> String {
    let shard = run.shard.as_ref().map_or_else(String::new, |shard| format!(",shard=\"{shard}\""));
    format!("{{kind=\"{}\"{shard}{more}}}", run.kind)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn exact(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_database_only_the_attempt_is_told() {
        let text = file(LastAttempt { exit_code: 8, at_s: 1.5 }, None);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
        assert_eq!(samples, ["news_sync_exit_code 8", "news_sync_tried_timestamp_seconds 1.5", "news_database_up 0"]);
        assert!(text.contains("news_build_info{version="), "{text}");
    }
}
