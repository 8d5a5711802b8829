//! The numbers for Prometheus: one table of names, for `--metrics-file` and for `/metrics`.

use crate::report::status::StatusReport;
use crate::store::runs::RunNumbers;

/// The run that was just tried, whether or not it came as far as the history.
#[derive(Debug, Clone, Copy)]
pub struct LastAttempt {
    /// Its exit code.
    pub exit_code: u8,
    /// When it ended, in seconds since the epoch.
    pub at_s: f64,
}

/// What the database tells.
#[derive(Debug)]
pub struct MetricsState {
    /// As `news status` shows it.
    pub status: StatusReport,
    /// The last runs.
    pub runs: Vec<RunNumbers>,
}

/// A metric: samples of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// gauge, counter, histogram.
    pub kind: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Where it is written.
    pub place: MetricPlace,
}

/// Where a metric is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricPlace {
    /// In the file of `news sync --metrics-file`.
    File,
    /// At `/metrics` of `news serve`.
    Serve,
    /// In both.
    Both,
}

/// Declares the families, and the table of them all.
macro_rules! families {
    ($($constant:ident = $name:literal, $kind:literal, $place:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Family = Family { name: $name, kind: $kind, help: $help, place: MetricPlace::$place };
        )*
        /// Every family there is.
        #[cfg(test)]
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD_INFO = "news_build_info", "gauge", Both, "1, with the version of the program and of its schema as labels.";
    SYNC_EXIT_CODE = "news_sync_exit_code", "gauge", File, "Exit code of the last attempted run.";
    SYNC_TRIED = "news_sync_tried_timestamp_seconds", "gauge", File, "Unix time when the last attempted run ended.";
    DATABASE_UP = "news_database_up", "gauge", Both, "1 if the last query of the database succeeded.";
    TRACKING_UP = "news_tracking_up", "gauge", Both, "1 if every change is written to the change log.";
    PENDING_OBJECTS = "news_pending_objects", "gauge", Both, "Objects with changes that the target does not have.";
    PENDING_EVENTS = "news_pending_events", "gauge", Both, "Unsynced events of the pending objects.";
    PENDING_OLDEST = "news_pending_oldest_seconds", "gauge", Both, "Age of the oldest change that is not parked, held, on hold or in flight.";
    IN_FLIGHT = "news_in_flight_objects", "gauge", Both, "Objects whose request has been sent and not recorded yet.";
    PARKED = "news_parked_objects", "gauge", Both, "Objects that wait for an operator.";
    HELD = "news_held_objects", "gauge", Both, "Objects that wait for another object.";
    ON_HOLD = "news_on_hold_objects", "gauge", Both, "Objects whose sync an operator has stopped.";
    WAITING = "news_waiting_objects", "gauge", Both, "Objects that failed in an earlier run and that the next run retries.";
    RUN_STATUS = "news_run_status", "gauge", Both, "1 for the status of the last run of a kind.";
    RUN_EXIT_CODE = "news_run_exit_code", "gauge", Both, "Exit code of the last run of a kind.";
    RUN_DURATION = "news_run_duration_seconds", "gauge", Both, "Duration of the last run of a kind.";
    RUN_FINISHED = "news_run_finished_timestamp_seconds", "gauge", Both, "Unix time when the last run of a kind ended.";
    RUN_REQUESTS = "news_run_requests", "gauge", Both, "Requests of the last run of a kind.";
    RUN_RETRIES = "news_run_retries", "gauge", Both, "Retries of the last run of a kind.";
    RUN_THROTTLED = "news_run_throttled_seconds", "gauge", Both, "How long rate limits of the target delayed the last run of a kind.";
    LAST_SUCCESS = "news_last_success_timestamp_seconds", "gauge", Both, "Unix time when a run of a kind last ended with everything sent.";
    HTTP_REQUESTS = "news_http_requests_total", "counter", Serve, "Requests answered, by route and status.";
    HTTP_DURATION = "news_http_request_duration_seconds", "histogram", Serve, "Time from the complete request to the end of its response.";
    HTTP_OPEN = "news_http_connections_open", "gauge", Serve, "Open client connections.";
    HTTP_ACCEPTED = "news_http_connections_accepted_total", "counter", Serve, "Client connections accepted.";
    HTTP_REFUSED = "news_http_connections_refused_total", "counter", Serve, "Client connections refused for lack of places, file descriptors or threads.";
    HTTP_EVICTED = "news_http_connections_evicted_total", "counter", Serve, "Idle connections closed to make room.";
    HTTP_ACCEPT_ERRORS = "news_http_accept_errors_total", "counter", Serve, "Errors of accept() after which the server waited.";
    HTTP_CUT = "news_http_responses_cut_total", "counter", Serve, "Responses that were not sent completely.";
    HTTP_PANICS = "news_http_panics_total", "counter", Serve, "Panics while a request was answered.";
    HTTP_REFUSALS = "news_http_refusals_total", "counter", Serve, "Requests that the HTTP server refused before the API saw them, by status.";
    SESSIONS = "news_database_sessions", "gauge", Serve, "Open connections to the database.";
    SESSIONS_LEASED = "news_database_sessions_leased", "gauge", Serve, "Database sessions in use by a request.";
    UPTIME = "news_uptime_seconds", "gauge", Serve, "Time since the service started.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", "gauge", Serve, "Resident memory.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", "gauge", Serve, "Virtual memory.";
    PROCESS_THREADS = "process_threads", "gauge", Serve, "Threads.";
    PROCESS_FILES = "process_open_fds", "gauge", Serve, "Open file descriptors.";
    PROCESS_FILES_MAX = "process_max_fds", "gauge", Serve, "Maximum open file descriptors.";
    PROCESS_CPU = "process_cpu_seconds_total", "counter", Serve, "CPU time, user and system.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_table_is_this_one() {
        let document = include_str!("../../../docs/operations.md");
        let is_row = |line: &&str| ["| `news_", "| `process_"].iter().any(|name| line.starts_with(name));
        let rows: Vec<&str> = document.lines().filter(is_row).collect();
        let wanted = FAMILIES.iter().map(|Family { name, kind, help, place }| {
            let place = match place {
                MetricPlace::File => "file",
                MetricPlace::Serve => "`/metrics`",
                MetricPlace::Both => "both",
            };
            format!("| `{name}` | {kind} | {place} | {help} |")
        });
        assert_eq!(rows, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn the_example_alerts_use_metrics_that_there_are() {
        let rules = include_str!("../../../packaging/prometheus/news.rules.yml");
        let expressions: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
        assert!(expressions.len() >= 9, "{expressions:?}");
        for expression in expressions {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names: Vec<&str> = words.filter(|word| word.starts_with("news_")).collect();
            assert!(!names.is_empty(), "{expression}");
            for name in names {
                assert!(FAMILIES.iter().any(|family| family.name == name), "{name}");
            }
        }
    }
}
