//! HTTP out: every call to the target.
//!
//! In scope: the client's time-outs and limits, telling "surely not sent" from "maybe
//! sent", and reading a listing as a stream. Out of scope: what an answer means
//! (`news_core::reply`), and whether to try again (`news_core::session`).

mod bearer;
mod lease;
mod listing;
mod probe;
mod resolver;

use std::fmt::Write as _;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use news_core::Entity;
use news_core::reply::{Method, Reply};
use news_core::session::{Listing, Request};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::error::{Failure, Kind, Result};
use crate::settings::Secret;
use bearer::Bearer;

pub use lease::Lease;

/// JSONPlaceholder itself: the default of `import` alone. A forgotten variable must not
/// send a company's posts there and mark them synced.
pub const PUBLIC: &str = "https://jsonplaceholder.typicode.com";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The head of the answer may take as long as the settings say; a single request, its body included, takes no longer than this
/// beyond that. A listing may: it only has to flow.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// A listing that stands still for so long is cut.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Targets cut idle connections after about 5 s (TARGETS 14); ours are younger.
const IDLE_AGE_MAX: Duration = Duration::from_millis(3500);
/// In front of a listing; more is none.
const BLANKS_MAX: u64 = 64 * 1024;
/// An answer about one object is read up to here.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// The target: a base URL and a client.
#[derive(Debug)]
pub struct Target {
    base: String,
    agent: Agent,
    bearer: Option<Bearer>,
    lease: Arc<Lease>,
    /// A single request takes no longer.
    request_timeout: Duration,
}

impl Target {
    /// Makes a client for `url`, good for `jobs` requests at the same time, each answered within `timeout`.
    ///
    /// Fails with [`Kind::Usage`] where `url` is no plain http(s) base URL.
    pub fn new(url: &str, token: Option<&Secret>, jobs: usize, timeout: Duration) -> Result<Self> {
        let base = base_url(url)?;
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
            .build();
        let bearer = token.map(Bearer::new).transpose()?;
        let lease = Arc::new(Lease::default());
        let agent = Agent::with_parts(config, lease::connector(&lease), resolver::Remembering::default());
        Ok(Self { base, agent, bearer, lease, request_timeout: timeout + BODY_TIMEOUT })
    }

    /// Returns the base URL, as it is remembered and shown.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns what to do where the target refuses our credentials.
    pub fn credentials_hint(&self) -> String {
        match &self.bearer {
            Some(bearer) => bearer.hint(),
            None => String::from("Set NEWS_TARGET_TOKEN to a token that may write."),
        }
    }

    /// Returns what says until when requests go out.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Sends a request of a session; POST and PUT carry `json`. Never fails: whatever
    /// happens is a reply.
    pub fn send(&self, request: &Request, json: Option<&str>) -> Reply {
        let reply = self.send_once(request, json);
        // A token that was rotated since the run began: what was refused for its sake had no effect.
        match (&reply, &self.bearer) {
            (Reply::Http { status: 401 | 403, .. }, Some(bearer)) if bearer.renew() => self.send_once(request, json),
            _ => reply,
        }
    }

    fn send_once(&self, request: &Request, json: Option<&str>) -> Reply {
        let entity = request.key.entity();
        let url = match request.method {
            Method::Post => format!("{}/{entity}", self.base),
            Method::Get | Method::Put | Method::Delete => format!("{}/{entity}/{}", self.base, escape(&request.id)),
        };
        let json = json.unwrap_or_default();
        let result = match request.method {
            Method::Get => self.with_headers(self.agent.get(&url)).call(),
            Method::Delete => self.with_headers(self.agent.delete(&url)).call(),
            Method::Post => self.with_headers(self.agent.post(&url)).content_type("application/json").send(json),
            Method::Put => self.with_headers(self.agent.put(&url)).content_type("application/json").send(json),
        };
        let reply = match result {
            Ok(response) => read_reply(response),
            Err(error) if is_unsent(&error) => Reply::NotSent { why: describe(&error) },
            Err(error) => Reply::Lost { why: describe(&error) },
        };
        match &reply {
            Reply::Http { status, .. } => log::debug!("{} {url}: {status}", request.method.name()),
            Reply::NotSent { why } | Reply::Lost { why } => log::debug!("{} {url}: {why}", request.method.name()),
        }
        reply
    }

    fn with_headers<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.config().timeout_global(Some(self.request_timeout)).build();
        self.authorised(request)
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.bearer {
            Some(bearer) => request.header("Authorization", bearer.header().as_str()),
            None => request,
        }
    }

    /// Looks whether `GET /posts` begins to answer with a list.
    pub fn look_at_listing(&self) -> Listing {
        let url = format!("{}/{}", self.base, Entity::Post);
        let response = match self.with_headers(self.agent.get(&url)).call() {
            Ok(response) => response,
            Err(error) => return Listing::None(describe(&error)),
        };
        let status = response.status().as_u16();
        match status {
            200 => {}
            401 | 403 => return Listing::Forbidden(format!("GET /posts: status {status}")),
            408 | 425 | 429 | 500.. => return Listing::None(format!("GET /posts: status {status}")),
            _ => return Listing::Other(format!("status {status}")),
        }
        // Read no further than to the first character that counts, and drop the rest.
        let start = response.into_body().into_reader().take(BLANKS_MAX);
        for byte in BufReader::with_capacity(64, start).bytes() {
            match byte {
                Ok(b' ' | b'\t' | b'\r' | b'\n') => {}
                Ok(b'[') => return Listing::Good,
                Ok(other) => return Listing::Other(format!("a body that begins with {:?}", char::from(other))),
                Err(error) => return Listing::None(format!("GET /posts: {error}")),
            }
        }
        Listing::Other(String::from("a body with nothing in it"))
    }
}

/// Checks and trims a base URL: what is remembered, compared and shown.
///
/// Fails with [`Kind::Usage`]; the failure does not repeat the URL, which may hold credentials.
pub fn base_url(url: &str) -> Result<String> {
    let usage = |why: &str, hint: &str| Failure::new(Kind::Usage, format!("target URL: {why}")).hint(hint);
    let example = "write http://HOST:PORT or https://HOST/PATH";
    let uri: ureq::http::Uri = url.parse().map_err(|_| usage("not a URL", example))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(usage("neither http:// nor https://", example));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(usage(
            "credentials in the URL would be remembered and shown",
            "put a bearer token into NEWS_TARGET_TOKEN",
        ));
    }
    // The http crate takes any text for a port, and passes over what is none: the default's would be asked.
    let authority = uri.authority().map(ureq::http::uri::Authority::as_str).unwrap_or_default();
    let (host, behind) = match authority.split_once(']') {
        Some((host, behind)) => (host.trim_start_matches('['), behind),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(usage("it names no host", example));
    }
    let digits = behind.strip_prefix(':').unwrap_or_default();
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0);
    if !behind.is_empty() && !is_port {
        return Err(usage("what stands behind the host is no colon and port", example));
    }
    if url.contains(['?', '#']) {
        return Err(usage("a base URL has no query", example));
    }
    // Below an object json-server answers `[]` to anything, which looks like an empty target.
    let mut parts = uri.path().trim_end_matches('/').rsplit('/');
    let is_id = parts.next().is_some_and(|last| last.parse::<u64>().is_ok());
    if is_id && parts.next().is_some_and(|part| Entity::ALL.iter().any(|entity| entity.to_string() == part)) {
        return Err(usage("it names an object, not the API", example));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Escapes what a target made up as an id, so that it stays one segment of a path (RFC 3986 §3.3).
fn escape(id: &str) -> String {
    id.bytes().fold(String::with_capacity(id.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a String has no way to fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn read_reply(response: Response<Body>) -> Reply {
    let status = response.status().as_u16();
    let retry_after = told_to_wait(response.headers());
    let location = header(response.headers(), "location").map(str::to_owned);
    // A connection is used again only when the body was read to its end.
    match response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string() {
        Ok(body) => Reply::Http { status, retry_after, location, body },
        Err(error) => Reply::Lost { why: format!("status {status}, then {}", describe(&error)) },
    }
}

/// Returns how long the target asks us to wait.
fn told_to_wait(headers: &HeaderMap) -> Option<Duration> {
    header(headers, "retry-after").and_then(|text| retry_after(text, SystemTime::now()))
}

/// Reads Retry-After: seconds, or an HTTP date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Says whether no byte of the request can have reached the target.
fn is_unsent(error: &ureq::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    if let ureq::Error::Io(error) = error {
        return matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable);
    }
    matches!(
        error,
        ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::BadUri(_)
            | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
    )
}

fn describe(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("InvalidContentType") {
        // rustls's word for an answer that is no TLS.
        return String::from("it does not speak TLS there: is it http:// and not https://?");
    }
    text.trim_start_matches("io: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        assert_eq!(base_url("http://127.0.0.1:3000/").unwrap(), "http://127.0.0.1:3000");
        assert_eq!(base_url("https://host/api/v1").unwrap(), "https://host/api/v1");
        assert_eq!(base_url("http://[::1]/api").unwrap(), "http://[::1]/api");
        assert_eq!(base_url("http://[::1]:65535/api").unwrap(), "http://[::1]:65535/api");
        assert_eq!(base_url("http://host/posts.example").unwrap(), "http://host/posts.example");
        let urls = ["", "host:80", "ftp://host", "http://u:p@host", "http://host/?a=1", "http://host/#x", "http://"];
        let ports = ["http://host:85836", "http://host:abc/api", "http://host:0", "http://host:", "http://[::1]:x"];
        let hosts = ["http://[::1]18778", "http://[]:80", "http://:80", "http://host:+80", "http://host:80:80"];
        for url in
            urls.into_iter().chain(ports).chain(hosts).chain(["http://host/api/comments/7/", "http://host/posts/2"])
        {
            assert_eq!(base_url(url).unwrap_err().kind(), Kind::Usage, "{url}");
        }
    }

    #[test]
    fn ids_stay_one_segment() {
        assert_eq!(escape("../a b?é"), "%2E%2E%2Fa%20b%3F%C3%A9");
    }

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
    }
}
