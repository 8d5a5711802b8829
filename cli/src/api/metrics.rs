//! Numbers for Prometheus (text format 0.0.4): what was asked, what was answered, and how long it took.
//!
//! Counting is a few atomic additions a request. What must be asked of the database is asked once in a while, however
//! often the numbers are read.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::process;
use super::routes::ROUTES;
use crate::http::Watch;
use crate::store::{Sessions, Vitals};

/// What the database tells is so old at most: short beside the usual 15 s between two scrapes.
const VITALS_AGE_MAX: Duration = Duration::from_secs(5);
/// The statuses that are counted one by one, ascending; any other one counts as 0.
const STATUSES: [u16; 20] =
    [0, 200, 201, 204, 301, 303, 304, 400, 401, 404, 405, 406, 408, 412, 413, 415, 431, 500, 503, 504];
/// The upper bounds of the durations' buckets, in microseconds: from an answer out of memory to a time-out.
const BUCKETS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];
/// The name of requests that no route takes, which anybody may make up as many of as they like.
const NO_ROUTE: &str = "none";

/// One route's counters.
#[derive(Debug, Default)]
struct OfRoute {
    statuses: [AtomicU64; STATUSES.len()],
    /// Not cumulative: that is done when they are read. The last one is for those above all bounds.
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

/// All counters of a service.
#[derive(Debug)]
pub struct Metrics {
    /// One for each route, and one for no route.
    routes: Vec<OfRoute>,
    vitals: Mutex<Option<(Instant, Option<Vitals>)>>,
    began: Instant,
}

/// The server's counters; the server is there only after the service behind it.
pub type WatchCell = OnceLock<Watch>;

impl Metrics {
    /// Begins to count.
    pub fn new() -> Self {
        let routes = (0..=ROUTES.len()).map(|_| OfRoute::default()).collect();
        Self { routes, vitals: Mutex::new(None), began: Instant::now() }
    }

    /// Counts an answer. `pattern` is its route's, if there was one.
    pub fn count(&self, pattern: Option<&'static str>, status: u16, took: Duration) {
        let index = ROUTES.iter().position(|route| Some(route.pattern) == pattern).unwrap_or(ROUTES.len());
        let Some(route) = self.routes.get(index) else { return };
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let status = STATUSES.binary_search(&status).unwrap_or(0);
        let bucket = BUCKETS_US.partition_point(|&bound| bound < took_us);
        for counter in [route.statuses.get(status), route.buckets.get(bucket)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        route.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Returns what the database tells, asked anew by `ask` where the last answer is too old. While one asks, others
    /// get what is there.
    pub fn vitals(&self, ask: impl FnOnce() -> Option<Vitals>) -> Option<Vitals> {
        let mut known = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((at, vitals)) if at.elapsed() < VITALS_AGE_MAX => return vitals,
            Some((_, vitals)) => *known = Some((Instant::now(), vitals)),
            None => *known = Some((Instant::now(), None)),
        }
        drop(known);
        let vitals = ask();
        *self.vitals.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), vitals));
        vitals
    }

    /// Writes all numbers.
    pub fn render(&self, server: Option<&Watch>, sessions: &Sessions, vitals: Option<Vitals>) -> String {
        let mut text = Text::default();
        self.requests(&mut text);
        self.durations(&mut text);
        if let Some(server) = server {
            of_server(&mut text, server);
        }
        text.family("news_database_sessions", "gauge", "Open connections to the database.");
        text.sample("news_database_sessions", "", sessions.open());
        text.family("news_database_sessions_leased", "gauge", "Database sessions at work for a request.");
        text.sample("news_database_sessions_leased", "", sessions.leased());
        text.family("news_database_up", "gauge", "Whether the database answered when it was last asked.");
        text.sample("news_database_up", "", u8::from(vitals.is_some()));
        if let Some(Vitals { events_pending, last_sync_s, is_tracking }) = vitals {
            text.family("news_tracking_up", "gauge", "Whether each change comes into the change log.");
            text.sample("news_tracking_up", "", u8::from(is_tracking));
            text.family("news_events_pending", "gauge", "Events of the change log that are not synced yet.");
            text.sample("news_events_pending", "", events_pending);
            if let Some(at) = last_sync_s {
                let name = "news_last_sync_success_timestamp_seconds";
                text.family(name, "gauge", "When a sync last did all it was to do.");
                text.sample(name, "", at);
            }
        }
        text.family("news_uptime_seconds", "gauge", "Since the service began.");
        text.sample("news_uptime_seconds", "", self.began.elapsed().as_secs());
        process::render(&mut text);
        text.0
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &OfRoute)> {
        ROUTES.iter().map(|route| route.pattern).chain([NO_ROUTE]).zip(&self.routes)
    }

    fn requests(&self, text: &mut Text) {
        let name = "news_http_requests_total";
        text.family(name, "counter", "Requests answered, by the route's pattern and the status.");
        for (pattern, route) in self.named() {
            for (status, counter) in STATUSES.iter().zip(&route.statuses) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    text.sample(name, &format!("{{route=\"{pattern}\",status=\"{status}\"}}"), count);
                }
            }
        }
    }

    fn durations(&self, text: &mut Text) {
        let name = "news_http_request_duration_seconds";
        text.family(name, "histogram", "From a whole request to the end of its response.");
        for (pattern, route) in self.named() {
            let counts = route.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
            let total: u64 = counts.iter().sum();
            if total == 0 {
                continue;
            }
            let mut so_far = 0;
            for (bound, count) in BUCKETS_US.iter().zip(counts) {
                so_far += count;
                let labels = format!("{{route=\"{pattern}\",le=\"{}\"}}", seconds(*bound));
                text.sample(&format!("{name}_bucket"), &labels, so_far);
            }
            text.sample(&format!("{name}_bucket"), &format!("{{route=\"{pattern}\",le=\"+Inf\"}}"), total);
            let labels = format!("{{route=\"{pattern}\"}}");
            text.sample(&format!("{name}_sum"), &labels, seconds(route.sum_us.load(Ordering::Relaxed)));
            text.sample(&format!("{name}_count"), &labels, total);
        }
    }
}

fn of_server(text: &mut Text, server: &Watch) {
    let stats = server.stats();
    text.family("news_http_connections_open", "gauge", "Client connections open now.");
    text.sample("news_http_connections_open", "", stats.connections_open);
    let counters = [
        ("news_http_connections_accepted_total", "Client connections accepted.", stats.accepted),
        (
            "news_http_connections_refused_total",
            "Client connections refused: no room, files or threads.",
            stats.refused,
        ),
        ("news_http_connections_evicted_total", "Waiting connections closed to make room.", stats.evicted),
        ("news_http_accept_errors_total", "Errors of accept() waited out.", stats.accept_errors),
        ("news_http_responses_cut_total", "Responses that were not sent to their end.", stats.cut),
        ("news_http_panics_total", "Panics while a request was answered.", stats.panics),
    ];
    for (name, help, value) in counters {
        text.family(name, "counter", help);
        text.sample(name, "", value);
    }
    let name = "news_http_refusals_total";
    text.family(name, "counter", "Requests that the HTTP server answered by itself, by status.");
    for (status, count) in stats.refusals {
        text.sample(name, &format!("{{status=\"{status}\"}}"), count);
    }
}

/// Writes microseconds as seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The text so far.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins the samples of a name.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample; `labels` are empty or in braces.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[test]
    fn counted_and_written() {
        assert!(STATUSES.is_sorted() && BUCKETS_US.is_sorted());
        let metrics = Metrics::new();
        let sessions = Sessions::new(&Secret::new("postgresql://127.0.0.1:9/none".to_owned()), 1);
        metrics.count(Some("/healthz"), 200, Duration::from_micros(250));
        metrics.count(Some("/healthz"), 200, Duration::from_micros(251));
        metrics.count(Some("/healthz"), 503, Duration::from_mins(1));
        metrics.count(None, 404, Duration::from_millis(3));
        metrics.count(Some("/healthz"), 418, Duration::ZERO);
        let text = metrics.render(
            None,
            &sessions,
            Some(Vitals { events_pending: 7, last_sync_s: Some(1_700_000_000.25), is_tracking: true }),
        );
        for line in [
            "# TYPE news_http_requests_total counter",
            "news_http_requests_total{route=\"/healthz\",status=\"200\"} 2",
            "news_http_requests_total{route=\"/healthz\",status=\"0\"} 1",
            "news_http_requests_total{route=\"none\",status=\"404\"} 1",
            "news_http_request_duration_seconds_bucket{route=\"/healthz\",le=\"0.00025\"} 2",
            "news_http_request_duration_seconds_bucket{route=\"/healthz\",le=\"0.0005\"} 3",
            "news_http_request_duration_seconds_bucket{route=\"/healthz\",le=\"10\"} 3",
            "news_http_request_duration_seconds_bucket{route=\"/healthz\",le=\"+Inf\"} 4",
            "news_http_request_duration_seconds_sum{route=\"/healthz\"} 60.000501",
            "news_events_pending 7",
            "news_tracking_up 1",
            "news_last_sync_success_timestamp_seconds 1700000000.25",
            "news_database_up 1",
            "# TYPE process_threads gauge",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} is not in\n{text}");
        }
        assert!(!metrics.render(None, &sessions, None).contains("news_events_pending"));
    }

    #[test]
    fn the_database_is_not_asked_each_time() {
        let metrics = Metrics::new();
        let vitals = Some(Vitals { events_pending: 1, last_sync_s: None, is_tracking: false });
        assert_eq!(metrics.vitals(|| vitals), vitals);
        assert_eq!(metrics.vitals(|| None), vitals);
    }
}
