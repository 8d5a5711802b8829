//! HTTP out: every call to the target.
//!
//! In scope: the client's time-outs and limits, telling "surely not sent" from "maybe
//! sent", and reading a listing as a stream. Out of scope: what an answer means
//! (`news_core::reply`), and whether to try again (`news_core::session`).

mod base;
mod connections;
mod credentials;
mod given;
mod keys;
mod lease;
mod listing;
mod look;
mod pages;
mod probe;
mod proxy;
mod reader;
mod resolver;
mod trouble;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use news_core::profile::{Profile, Verb};
use news_core::reply::{Method, Reply};
use news_core::session::Request;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::error::Result;
use crate::profile::Chosen;
use crate::settings::TargetAccess;
use credentials::Credentials;
use keys::Keys;
pub use keys::Stranger;

pub use base::{base_url, is_same_base};
pub use lease::Lease;
pub use probe::SeenListing;
pub use proxy::Proxy;
pub use reader::{Peer, Reader, Tries};

use connections::{Connections, Departure, observed};
use trouble::describe;

/// JSONPlaceholder itself: the default of `import` alone. A forgotten variable must not
/// send a company's posts there and mark them synced.
pub const PUBLIC: &str = "https://jsonplaceholder.typicode.com";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The head of the answer may take as long as the settings say; a single request, its body included, takes no longer than this
/// beyond that. A listing may: it only has to flow.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// A listing that stands still for so long is cut.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A whole listing takes no longer, however steadily it comes: whoever lists may hold the lock.
const LISTING_TIMEOUT: Duration = Duration::from_hours(1);
/// Targets cut idle connections after about 5 s; ours are younger.
const IDLE_AGE_MAX: Duration = Duration::from_millis(3500);
/// A quota that is spent, without word of when it is renewed.
const QUOTA_WAIT: Duration = Duration::from_mins(1);
/// A larger number of seconds is a Unix time: nobody waits for thirty years.
const UNIX_TIMES_FROM: Duration = Duration::from_secs(1_000_000_000);
/// An answer about one object is read up to here.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// The target: a base URL and a client.
#[derive(Debug)]
pub struct Target {
    base: String,
    chosen: Chosen,
    profile: &'static Profile,
    agent: Agent,
    credentials: Credentials,
    lease: Arc<Lease>,
    /// A single request takes no longer.
    request_timeout: Duration,
    proxy: Option<Proxy>,
    listing_timeout: Duration,
    keys: Mutex<Keys>,
}

impl Target {
    /// Makes a client for `url`, good for `jobs` requests at the same time, each answered within `timeout`.
    ///
    /// Fails with [`Kind::Usage`] where `url` is not a plain http(s) base URL, or where a proxy is configured that
    /// cannot be used.
    pub fn new(url: &str, access: &TargetAccess, jobs: usize, timeout: Duration) -> Result<Self> {
        let (base, chosen) = (base_url(url)?, access.chosen.clone());
        let profile = chosen.profile;
        base::require_api(&base, profile)?;
        let proxy = Proxy::of(&base)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected write would be sent again, to who knows where.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(READ_TIMEOUT))
            .timeout_per_write(Some(READ_TIMEOUT))
            .max_idle_age(IDLE_AGE_MAX)
            .max_idle_connections(jobs + 1)
            .max_idle_connections_per_host(jobs + 1)
            .user_agent(concat!("news/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .proxy(proxy.as_ref().map(Proxy::client))
            .build();
        let credentials = Credentials::new(profile, access)?;
        let lease = Arc::new(Lease::default());
        let connections = Arc::new(Connections::default());
        let connector = connections::connector(&lease, &connections, proxy.as_ref().and_then(Proxy::authority));
        let agent = Agent::with_parts(config, connector, resolver::Remembering::default());
        let request_timeout = timeout + BODY_TIMEOUT;
        Ok(Self {
            base,
            chosen,
            profile,
            agent,
            credentials,
            lease,
            request_timeout,
            proxy,
            listing_timeout: LISTING_TIMEOUT,
            keys: Mutex::default(),
        })
    }

    /// Returns the same target, where no request takes longer than `time`, a whole listing included.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        let (request_timeout, listing_timeout) = (self.request_timeout.min(time), self.listing_timeout.min(time));
        Self { request_timeout, listing_timeout, ..self }
    }

    /// Returns the proxy that requests go through, if one does.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Describes an error of the client, and names the proxy that is in the way.
    fn describe(&self, error: &ureq::Error) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} (through {proxy})", describe(error)),
            None => describe(error),
        }
    }

    /// Returns the target's dialect.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Returns its profile, as it is remembered.
    pub fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// Returns the base URL, as it is remembered and shown.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns what to do where the target refuses our credentials.
    pub fn credentials_hint(&self) -> String {
        self.credentials.hint()
    }

    /// Returns what says until when requests go out.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Sends a request of a session; POST and PUT carry `json`. Never fails: whatever
    /// happens is a reply.
    pub fn send(&self, request: &Request, json: Option<&str>) -> Reply {
        let used = self.credentials.header();
        let reply = self.send_once(request, json);
        // A token that was rotated since the run began, or has run out: what was refused for its sake had no effect.
        match reply {
            Reply::Http { status: 401 | 403, .. }
                if self.credentials.renew(used.as_ref().map(|(_, value)| value.as_str())) =>
            {
                self.send_once(request, json)
            }
            Reply::Http { .. } | Reply::NotSent { .. } | Reply::Lost { .. } => reply,
        }
    }

    fn send_once(&self, request: &Request, json: Option<&str>) -> Reply {
        let entity = request.key.entity();
        let (verb, path) = self.profile.call(entity, request.method, &request.to);
        self.send_to((verb, &path), self.profile.dialect(entity).condition(request.method), json)
    }

    /// Sends a request, under a condition if there is one.
    fn send_to(&self, (verb, path): (Verb, &str), condition: Option<(&str, &str)>, json: Option<&str>) -> Reply {
        let url = format!("{}{path}", self.base);
        if let Err(reply) = self.log_in() {
            return reply;
        }
        let json = json.unwrap_or_default();
        let carries = |with| {
            let with = self.with_headers(with).content_type("application/json");
            condition.into_iter().fold(with, |with, (name, value)| with.header(name, value)).send(json)
        };
        let (result, departure) = observed(|| match verb {
            Verb::Get => self.with_headers(self.get(&url)).call(),
            Verb::Delete => self.with_headers(self.agent.delete(&url)).call(),
            Verb::Post => carries(self.agent.post(&url)),
            Verb::Put => carries(self.agent.put(&url)),
            Verb::Patch => carries(self.agent.patch(&url)),
        });
        let reply = match (result, departure) {
            (Ok(response), _) => match self.read_reply(response) {
                Reply::Http { status, retry_after, location, body } => {
                    Reply::Http { status, retry_after, location, body: self.credentials.hide(body) }
                }
                reply @ (Reply::NotSent { .. } | Reply::Lost { .. }) => reply,
            },
            (Err(error), Departure::NotSent) => Reply::NotSent { why: self.describe(&error) },
            (Err(error), Departure::Sent) => Reply::Lost { why: self.describe(&error) },
        };
        match &reply {
            Reply::Http { status, .. } => log::debug!("{} {url}: {status}", verb.name()),
            Reply::NotSent { why } | Reply::Lost { why } => log::debug!("{} {url}: {why}", verb.name()),
        }
        reply
    }

    /// Does the login that the profile wants, where there is no token yet. The reply is that to the request which needs it:
    /// a login that is refused is an answer of 401, and in all other trouble that request surely was not sent.
    fn log_in(&self) -> std::result::Result<(), Reply> {
        let Some(login) = self.credentials.login() else { return Ok(()) };
        let url = format!("{}{}", self.base, login.path());
        let asked = self.agent.post(&url).config().timeout_global(Some(self.request_timeout)).build();
        let result = asked.content_type("application/json").send(login.body().as_bytes());
        let reply = match result {
            Ok(response) => self.read_reply(response),
            Err(error) => return Err(Reply::NotSent { why: format!("the login: {}", self.describe(&error)) }),
        };
        match reply {
            Reply::Http { status: 200..=299, body, .. } => login.take(&body).map_err(|failure| Reply::Http {
                status: 401,
                retry_after: None,
                location: None,
                body: failure.to_string(),
            }),
            // Some say 400 to a wrong password.
            Reply::Http { status: 400 | 401 | 403, body, .. } => {
                let body = self.credentials.hide(body);
                Err(Reply::Http { status: 401, retry_after: None, location: None, body })
            }
            Reply::Http { status, body, .. } => {
                let why =
                    format!("the login: status {status} {}", news_core::reply::excerpt(&self.credentials.hide(body)));
                Err(Reply::NotSent { why })
            }
            Reply::NotSent { why } | Reply::Lost { why } => Err(Reply::NotSent { why: format!("the login: {why}") }),
        }
    }

    /// Makes each GET, of an object or of a listing.
    fn get(&self, url: &str) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        let request = self.agent.get(url);
        match Method::Get.freshness() {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    fn with_headers<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.config().timeout_global(Some(self.request_timeout)).build();
        self.authorised(request)
    }

    /// Adds what the profile says that each request has.
    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let headers = self.profile.headers.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(*name, *value));
        match self.credentials.header() {
            Some((name, value)) => request.header(name, value.as_str()),
            None => request,
        }
    }

    fn read_reply(&self, response: Response<Body>) -> Reply {
        let status = response.status().as_u16();
        let retry_after = told_to_wait(response.headers());
        let location = header(response.headers(), "location").map(str::to_owned);
        // A connection is used again only when the body was read to its end.
        match response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string() {
            Ok(body) => Reply::Http { status, retry_after, location, body },
            Err(error) => Reply::Lost { why: format!("status {status}, then {}", self.describe(&error)) },
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Returns how long the target asks us to wait: Retry-After, or the time until a spent quota is renewed. A date is meant
/// by the target's own clock.
fn told_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let date = header(headers, "date").and_then(|text| httpdate::parse_http_date(text).ok());
    let now = date.unwrap_or_else(SystemTime::now);
    header(headers, "retry-after").and_then(|text| retry_after(text, now)).or_else(|| quota_renewed_in(headers, now))
}

/// Reads `X-RateLimit-Remaining` and `X-RateLimit-Reset`, with or without `X-`: the reset is a number of seconds, or, as
/// at GitHub, a Unix time.
fn quota_renewed_in(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { header(headers, name)?.parse().ok() };
    let remaining = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining"))?;
    if remaining > 0 {
        return None;
    }
    let reset = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset")).map(Duration::from_secs);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(match reset {
        None => QUOTA_WAIT,
        Some(time) if time >= UNIX_TIMES_FROM => time.saturating_sub(now),
        Some(time) => time,
    })
}

/// Reads Retry-After: seconds, or an HTTP date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("18446744073709551616", Some(u64::MAX)),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        // The target's clock is years behind, and still it means ten seconds.
        let mut headers = HeaderMap::new();
        headers.insert("date", "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        headers.insert("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT".parse().unwrap());
        assert_eq!(told_to_wait(&headers), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_spent_quota_is_waited_for() {
        for (fields, seconds) in [
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")][..], Some(30)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")], Some(30)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000000007")], Some(7)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000000000")], Some(0)),
            (&[("x-ratelimit-remaining", "0")], Some(60)),
            (&[("x-ratelimit-remaining", "0"), ("retry-after", "5")], Some(5)),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")], None),
            (&[("x-ratelimit-reset", "30")], None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("date", "Sun, 09 Sep 2001 01:46:40 GMT".parse().unwrap());
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(told_to_wait(&headers), seconds.map(Duration::from_secs), "{fields:?}");
        }
    }
}
