//! The listings of a target: asked for again while it is in trouble, or wants us to wait, until one begins.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use news_core::Entity;
use news_core::coverage::Coverage;
use news_core::reply::Reply;
use news_core::session::pace;
use news_core::wire::Element;
use ureq::Body;
use ureq::http::Response;

use super::trouble::Plain;
use super::{Target, header, told_to_wait};
use crate::error::{Failure, Kind, Result};
use crate::listing::{self, Extent, Progress};
use crate::random::random;
use crate::signals::Signals;

/// Attempts that trouble may cost. Few: whoever compares can come again, and nothing is half done.
const ATTEMPTS_MAX: u32 = 4;

/// So much is read of what a target says about its trouble, and no longer than this.
const EXCERPT_BYTES_MAX: u64 = 4096;
const EXCERPT_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no listing, and whether there may be one soon.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) failure: Failure,
    again: Again,
}

impl Away {
    /// The target is in trouble.
    pub(super) fn trouble(failure: Failure) -> Self {
        Self { failure, again: Again::Trouble(None) }
    }

    /// The next answer would be the same.
    pub(super) fn never(failure: Failure) -> Self {
        Self { failure, again: Again::Never }
    }
}

/// How a wait is spent.
pub(super) enum Patience<'a> {
    /// It lasts as long as the target's trouble may, and a signal ends it.
    Waits(&'a Signals),
    /// Nothing is waited for: who asks comes again.
    None,
}

#[derive(Debug, Clone, Copy)]
enum Again {
    /// The next answer would be the same.
    Never,
    /// The target is in trouble.
    Trouble(Option<Duration>),
    /// It is asked too often: waiting costs no attempt.
    Throttled(Option<Duration>),
}

impl Target {
    /// Reads the whole listing of an entity, element by element, as [`listing::Source::list`]
    /// says. Returns how many there were. ([`super::Reader`] is for everybody else.)
    ///
    /// Fails with [`Kind::Target`] where it cannot be had or is not whole, with
    /// [`Kind::Refused`] where it is no listing, with [`Kind::Credentials`] on 401 and 403,
    /// with what `each` fails with, and where a signal comes while it waits for the target.
    pub(super) fn list(
        &self,
        entity: Entity,
        patience: &Patience<'_>,
        begun: impl FnOnce(Extent) -> Result<()>,
        each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        match self.profile.key_field(entity) {
            Some(_) => self.list_keyed(entity, patience, begun, each),
            None => self.list_plainly(entity, patience, begun, each),
        }
    }

    /// Reads the whole listing of an entity as it is.
    pub(super) fn list_plainly(
        &self,
        entity: Entity,
        patience: &Patience<'_>,
        begun: impl FnOnce(Extent) -> Result<()>,
        each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        if !self.lists_at_once() {
            return self.list_pages(entity, patience, begun, each);
        }
        let what = self.what(entity);
        let response = self.patiently(patience, || {
            let response = self.judge(&what, self.ask_for_listing(entity)?)?;
            match coverage(&response).is_part() {
                None => Ok(response),
                Some(why) => Err(Away::never(part(&what, why))),
            }
        })?;
        let coverage = coverage(&response);
        begun(extent(coverage.total(), &response))?;
        let read = listing::read(&what, self.profile, entity, Plain(response.into_body().into_reader()), each)?;
        match coverage.contradicts(read) {
            Some(why) => Err(part(&what, &why)),
            None => Ok(read),
        }
    }

    /// Asks until it is answered, or there is no use in it.
    pub(super) fn patiently<T>(
        &self,
        patience: &Patience<'_>,
        ask: impl Fn() -> std::result::Result<T, Away>,
    ) -> Result<T> {
        let (mut attempts, mut throttles, mut renewed, begun) = (0, 0, false, Instant::now());
        loop {
            let used = self.credentials.header();
            let Away { failure, again } = match ask() {
                Ok(answer) => return Ok(answer),
                Err(away) => away,
            };
            // A token that has run out, once.
            if failure.kind() == Kind::Credentials
                && !renewed
                && self.credentials.renew(used.as_ref().map(|(_, value)| value.as_str()))
            {
                renewed = true;
                continue;
            }
            let signals = match patience {
                Patience::Waits(signals) => signals,
                Patience::None => return Err(failure),
            };
            let (attempt, told) = match again {
                Again::Never => return Err(failure),
                Again::Trouble(told) => {
                    attempts += 1;
                    if attempts >= ATTEMPTS_MAX {
                        return Err(failure);
                    }
                    (attempts, told)
                }
                Again::Throttled(told) => {
                    throttles += 1;
                    (throttles, told)
                }
            };
            let wait =
                told.unwrap_or_else(|| pace::delay(attempt, random().unwrap_or_default())).max(pace::THROTTLE_MIN);
            // However slowly it says so.
            if begun.elapsed().saturating_add(wait) > pace::THROTTLED_MAX {
                return Err(failure);
            }
            log::info!("{failure}; asking again in {:.1} s", wait.as_secs_f64());
            signals.pause(wait)?;
        }
    }

    pub(super) fn what(&self, entity: Entity) -> String {
        let call = self.profile.dialect(entity).list;
        format!("{} {}{}", call.verb.name(), self.base, call.before)
    }

    /// Asks for the listing of an entity, or for its first page.
    pub(super) fn ask_for_listing(&self, entity: Entity) -> std::result::Result<Response<Body>, Away> {
        let url = format!("{}{}", self.base, self.profile.dialect(entity).list.before);
        self.ask_listing(&self.what(entity), &url)
    }

    /// Asks for a listing, or a page of one.
    pub(super) fn ask_listing(&self, what: &str, url: &str) -> std::result::Result<Response<Body>, Away> {
        if let Err(reply) = self.log_in() {
            return Err(match reply {
                Reply::Http { body, .. } => {
                    let why = format!("{what}: the login was refused: {}", news_core::reply::excerpt(&body));
                    Away::never(Failure::new(Kind::Credentials, why).hint(self.credentials_hint()))
                }
                Reply::NotSent { why } | Reply::Lost { why } => {
                    Away::trouble(Failure::new(Kind::Target, format!("{what}: {why}")))
                }
            });
        }
        let request = self.get(url).config().timeout_global(Some(self.listing_timeout)).build();
        self.authorised(request).call().map_err(|error| {
            let failure = Failure::new(Kind::Target, format!("{what}: {}", self.describe(&error)));
            Away::trouble(failure.hint("is the target running, and is the URL right?"))
        })
    }

    /// Lets an answer through that may be a listing.
    pub(super) fn judge(&self, what: &str, response: Response<Body>) -> std::result::Result<Response<Body>, Away> {
        let status = response.status().as_u16();
        let failure = |kind, hint: &str| Failure::new(kind, format!("{what}: status {status}")).hint(hint);
        let never = |kind, hint: &str| Err(Away { failure: failure(kind, hint), again: Again::Never });
        match status {
            200 | 206 => Ok(response),
            401 | 403 if self.credentials.are_set() => never(
                Kind::Credentials,
                &format!("it refuses {}: {}", self.credentials.name(), self.credentials_hint()),
            ),
            401 | 403 => never(Kind::Credentials, "it wants a token: set NEWS_TARGET_TOKEN"),
            301..=303 | 307 | 308 => {
                let to = header(response.headers(), "location").unwrap_or("nowhere");
                let failure = Failure::new(Kind::Usage, format!("{what}: status {status} to {to}"));
                Err(Away { failure: failure.hint("use the URL that it names, if you trust it"), again: Again::Never })
            }
            404 | 410 => {
                let path = self.profile.posts.list.before;
                never(Kind::Target, &format!("is this the API's base URL? it is what comes before {path}"))
            }
            429 | 425 => {
                let again = Again::Throttled(told_to_wait(response.headers()));
                Err(Away { failure: failure(Kind::Target, "it limits how often it is asked: try later"), again })
            }
            _ => {
                let again = match status {
                    408 | 500.. => Again::Trouble(told_to_wait(response.headers())),
                    _ => Again::Never,
                };
                let excerpt = self.credentials.hide(beginning(response.into_body().into_reader()));
                let excerpt = news_core::reply::excerpt(&excerpt);
                let line = format!("{what}: status {status} {excerpt}").trim_end().to_owned();
                let failure = Failure::new(Kind::Target, line).hint("the target is in trouble: its own log says more");
                Err(Away { failure, again })
            }
        }
    }
}

pub(super) fn coverage(response: &Response<Body>) -> Coverage {
    let fields = response.headers().iter();
    // What is not text is none of the fields that count.
    let fields = fields.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    Coverage::read(response.status().as_u16(), fields)
}

/// A part of a listing looks like a target from which the rest was deleted.
pub(super) fn part(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Target, format!("{what}: the listing is not whole: {why}"))
        .hint("Let the target answer with all of them at once: a part of a listing is never compared or imported.")
}

/// Returns how a body begins, as much of it as comes soon.
fn beginning(body: impl Read) -> String {
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    let mut body = body.take(EXCERPT_BYTES_MAX);
    let mut piece = [0; 1024];
    while begun.elapsed() < EXCERPT_WITHIN {
        match body.read(&mut piece) {
            Ok(n @ 1..) => bytes.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns how long a listing is. What is packed is longer than its Content-Length.
fn extent(total: Option<u64>, response: &Response<Body>) -> Extent {
    if let Some(total) = total {
        return Extent::Elements(total);
    }
    let is_packed = header(response.headers(), "content-encoding").is_some();
    match header(response.headers(), "content-length").and_then(|text| text.parse().ok()) {
        Some(bytes) if !is_packed => Extent::Bytes(bytes),
        Some(_) | None => Extent::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use crate::settings::TargetAccess;

    use super::*;

    #[test]
    fn a_listing_that_never_ends_ends_at_its_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // It flows all the time: no pause is long enough to be a time-out of its own.
        let dripping = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[").unwrap();
            while stream.write_all(b" ").is_ok() {
                thread::park_timeout(Duration::from_millis(5));
            }
        });
        let mut target = Target::new(&url, &TargetAccess::default(), 1, Duration::from_secs(30)).unwrap();
        target.listing_timeout = Duration::from_millis(300);
        let signals = Signals::install().unwrap();
        let failure = target.list(Entity::Post, &Patience::Waits(&signals), |_| Ok(()), |_, _| Ok(())).unwrap_err();
        assert_eq!(failure.kind(), Kind::Target);
        assert!(failure.to_string().ends_with("not whole: no complete answer in time"), "{failure}");
        drop(target);
        dripping.join().unwrap();
    }
}
