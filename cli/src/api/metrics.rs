//! Numbers for Prometheus (text format 0.0.4): what was asked, what was answered, and how long it took.
//!
//! Counting is a few atomic additions a request. What must be asked of the database is asked once in a while, however
//! often the numbers are read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::process;
use super::routes;
use crate::http::ServerWatch;
use crate::render::metrics::MetricsText;
use crate::report::metrics::{self as families, MetricsState};
use crate::store::Sessions;

/// What the database tells is so old at least: short beside the usual 15 s between two scrapes.
const STATE_AGE: Duration = Duration::from_secs(5);
/// Asking takes at most one part in so many of the time, however much is pending.
const STATE_SHARE: u32 = 50;
/// The statuses that are counted one by one, ascending; any other one counts as 0.
const STATUSES: [u16; 24] = [
    0, 200, 201, 204, 301, 303, 304, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 415, 429, 431, 500, 502, 503,
    504,
];
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

/// What the database told last.
#[derive(Debug, Clone)]
struct Known {
    /// It is good until then.
    until: Instant,
    state: Option<Arc<MetricsState>>,
}

/// All counters of a service.
#[derive(Debug)]
pub struct Metrics {
    /// One for each route, and one for no route.
    routes: Vec<OfRoute>,
    known: Mutex<Option<Known>>,
    began: Instant,
}

/// The server's counters; the server is there only after the service behind it.
pub type WatchCell = OnceLock<ServerWatch>;

impl Metrics {
    /// Begins to count.
    pub fn new() -> Self {
        let routes = (0..=routes::all().count()).map(|_| OfRoute::default()).collect();
        Self { routes, known: Mutex::new(None), began: Instant::now() }
    }

    /// Counts an answer. `pattern` is its route's, if there was one.
    pub fn count(&self, pattern: Option<&'static str>, status: u16, took: Duration) {
        // The last one is for requests that no route takes.
        let index = routes::all().position(|route| Some(route.pattern) == pattern);
        let Some(route) = self.routes.get(index.unwrap_or(self.routes.len() - 1)) else { return };
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
    pub fn state(&self, ask: impl FnOnce() -> Option<MetricsState>) -> Option<Arc<MetricsState>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        match &mut *known {
            Some(Known { until, state }) if begun < *until => return state.clone(),
            Some(Known { until, .. }) => *until = begun + STATE_AGE,
            None => *known = Some(Known { until: begun + STATE_AGE, state: None }),
        }
        drop(known);
        let state = ask().map(Arc::new);
        let until = Instant::now() + STATE_AGE.max(begun.elapsed() * STATE_SHARE);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { until, state: state.clone() });
        state
    }

    /// Writes all numbers. `is_up`: the database answers; it may do so and not tell its state.
    pub fn render(
        &self,
        server: Option<&ServerWatch>,
        sessions: &Sessions,
        is_up: bool,
        state: Option<&MetricsState>,
    ) -> String {
        let mut text = MetricsText::default();
        text.build();
        self.requests(&mut text);
        self.durations(&mut text);
        if let Some(server) = server {
            of_server(&mut text, server);
        }
        text.one(&families::SESSIONS, sessions.open());
        text.one(&families::SESSIONS_LEASED, sessions.leased());
        text.one(&families::DATABASE_UP, u8::from(is_up));
        if let Some(state) = state {
            text.state(state);
        }
        text.one(&families::UPTIME, self.began.elapsed().as_secs());
        process::render(&mut text);
        text.finish()
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &OfRoute)> {
        routes::all().map(|route| route.pattern).chain([NO_ROUTE]).zip(&self.routes)
    }

    fn requests(&self, text: &mut MetricsText) {
        let name = families::HTTP_REQUESTS.name;
        text.family(&families::HTTP_REQUESTS);
        for (pattern, route) in self.named() {
            for (status, counter) in STATUSES.iter().zip(&route.statuses) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    text.sample(name, &format!("{{route=\"{pattern}\",status=\"{status}\"}}"), count);
                }
            }
        }
    }

    fn durations(&self, text: &mut MetricsText) {
        let name = families::HTTP_DURATION.name;
        text.family(&families::HTTP_DURATION);
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

fn of_server(text: &mut MetricsText, server: &ServerWatch) {
    let stats = server.stats();
    text.one(&families::HTTP_OPEN, stats.connections_open);
    for (family, value) in [
        (&families::HTTP_ACCEPTED, stats.accepted),
        (&families::HTTP_REFUSED, stats.refused),
        (&families::HTTP_EVICTED, stats.evicted),
        (&families::HTTP_ACCEPT_ERRORS, stats.accept_errors),
        (&families::HTTP_CUT, stats.cut),
        (&families::HTTP_PANICS, stats.panics),
    ] {
        text.one(family, value);
    }
    text.family(&families::HTTP_REFUSALS);
    let name = families::HTTP_REFUSALS.name;
    for (status, count) in stats.refusals {
        text.sample(name, &format!("{{status=\"{status}\"}}"), count);
    }
}

/// Writes microseconds as seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

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
        let text = metrics.render(None, &sessions, true, None);
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
            "news_database_up 1",
            "# TYPE process_threads gauge",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_database_is_not_asked_each_time() {
        let metrics = Metrics::new();
        assert!(metrics.state(|| None).is_none());
        let asked = std::cell::Cell::new(0);
        let state = metrics.state(|| {
            asked.set(1);
            None
        });
        assert_eq!((state.is_none(), asked.get()), (true, 0));
    }
}
