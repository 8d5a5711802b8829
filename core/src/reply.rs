//! What came back from the target -> what it means. One place for every status code.
//!
//! In scope: telling answers apart. Out of scope: what to do about them (`object`), and
//! waiting (`session`).

mod echo;
mod page;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::chars::misleads;
use crate::model::{Key, Object};
use crate::profile::Profile;
use crate::wire::{BYTE_ORDER_MARK, Element, text_at};
pub use echo::Echo;
use page::is_page;

/// What a request is for. The verb on the wire is the profile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Ask.
    Get,
    /// Create.
    Post,
    /// Update: it carries all of our fields.
    Put,
    /// Delete.
    Delete,
}

impl Method {
    /// Returns the name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    /// Returns the header field, name and value, with which a request asks for the target's own answer: that of a cache may
    /// be older than what was sent (RFC 9111 section 5.2.1.4). Each GET asks so, of one object or of a listing.
    pub fn freshness(self) -> Option<(&'static str, &'static str)> {
        match self {
            Method::Get => Some(("Cache-Control", "no-cache")),
            Method::Post | Method::Put | Method::Delete => None,
        }
    }
}

/// What a request came to, as the driver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer with a status, read to its end.
    Http {
        /// The status code.
        status: u16,
        /// How long the target asks us to wait: Retry-After (RFC 9110 section 10.2.3), or the time until a spent quota
        /// is renewed.
        retry_after: Option<Duration>,
        /// Location, of a redirect.
        location: Option<String>,
        /// The body; the driver cuts it at its limit.
        body: String,
    },
    /// It surely never left: no connection was made.
    NotSent {
        /// Why.
        why: String,
    },
    /// It may have been sent and may have taken effect: a time-out, a cut connection.
    Lost {
        /// Why.
        why: String,
    },
}

/// What an answer means to one object's conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// GET: it is there, equal to the master's.
    Equal,
    /// GET: it is there, and not equal (or should not be).
    Different,
    /// A write was accepted.
    Accepted,
    /// 404, 410, or what else the profile says.
    Gone,
    /// A POST found that it exists already.
    Exists,
    /// 429, 425, and a 403 that says when to come again: later, and no fault of the object.
    Throttled,
    /// 5xx: a write may have been applied.
    Broken,
    /// A 2xx that cannot be understood: a page of HTML, or another object than was asked for. A write may have been applied.
    Unreadable,
    /// No answer, or a gateway's (408, 502, 504): a write may have been applied, and may still be on its way.
    Lost,
    /// No connection: surely not applied.
    NotSent,
    /// 401: our credentials.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 3xx: the base URL is not where the API is.
    Redirected,
    /// Any other 4xx: this object will not do.
    Refused,
}

/// An answer, with what a report or a wait needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it means.
    pub answer: Answer,
    /// The status, if there was one.
    pub status: Option<u16>,
    /// How long the target asks us to wait.
    pub retry_after: Option<Duration>,
    /// One line: the status or the error, and the start of the body.
    pub why: String,
    /// Of an accepted POST: the id the answer names.
    pub named: Named,
    /// What the body of an accepted write says about it.
    pub echo: Echo,
}

/// The id in the answer to a POST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Named {
    /// Ours, or none at all.
    #[default]
    AsSent,
    /// Another one: the target may assign its own.
    Other(String),
}

/// An error body is kept up to here, in characters.
pub const EXCERPT_CHARS_MAX: usize = 200;
/// An id that a target makes up is believed up to here, in characters.
const NAMED_CHARS_MAX: usize = 64;

/// Reads a reply to `method` for `key`. `sent` is the master's object, where there is one:
/// what a GET is compared with.
pub fn read(profile: &Profile, method: Method, key: Key, sent: Option<&Object>, reply: &Reply) -> Told {
    let (status, retry_after, location, body) = match reply {
        Reply::NotSent { why } => return told(Answer::NotSent, why.clone()),
        Reply::Lost { why } => return told(Answer::Lost, why.clone()),
        Reply::Http { status, retry_after, location, body } => (*status, *retry_after, location, body),
    };
    let body = without_mark(body);
    let answer = match (status, method) {
        (200..=299, Method::Get) if is_nothing(body) => Answer::Gone,
        (200..=299, Method::Get) => match text_at(body, profile.item) {
            // What has no place for an object is no answer to the question.
            None => Answer::Unreadable,
            Some(item) if is_nothing(item) => Answer::Gone,
            Some(item) => found(profile, key, sent, item),
        },
        // A page of a proxy or a guest network: whatever wrote it, it was not the API.
        (200..=299, Method::Post | Method::Put | Method::Delete) if is_page(body) => Answer::Unreadable,
        (200..=299, Method::Post | Method::Put | Method::Delete) => Answer::Accepted,
        (300..=399, _) => Answer::Redirected,
        (401, _) => Answer::Unauthorized,
        // A limit in other words, as GitHub has it.
        (403, _) if retry_after.is_some() => Answer::Throttled,
        (status, method) if profile.is_missing(status, method) => Answer::Gone,
        (403, _) => Answer::Forbidden,
        (409, Method::Post) => Answer::Exists,
        // Some say it with a status of their own choosing.
        (400 | 422, Method::Post) if says_exists(body) => Answer::Exists,
        (429 | 425, _) => Answer::Throttled,
        (408 | 502 | 504, _) => Answer::Lost,
        (400..=499, _) => Answer::Refused,
        (_, _) => Answer::Broken,
    };
    let said = excerpt(body);
    let why = match (answer, location) {
        (Answer::Redirected, Some(to)) => format!("status {status} to {}", excerpt(to)),
        (Answer::Unreadable, _) if is_page(body) => format!("status {status} with a page of HTML: {said}"),
        (Answer::Unreadable, _) => format!("status {status} with an unreadable body: {said}"),
        (_, _) if said.is_empty() => format!("status {status}"),
        (_, _) => format!("status {status}: {said}"),
    };
    let named =
        if answer == Answer::Accepted && method == Method::Post { named(profile, key, body) } else { Named::AsSent };
    let echo = if answer == Answer::Accepted { echo::read(profile, method, key, sent, body) } else { Echo::Plain };
    Told { answer, status: Some(status), retry_after, why, named, echo }
}

/// Reads the reply to a GET of an id that the target made up for `key`: [`Answer::Equal`]
/// if it has the fields that were sent, whatever its id.
pub fn read_stray(profile: &Profile, key: Key, sent: Option<&Object>, reply: &Reply) -> Told {
    let mut told = read(profile, Method::Get, key, sent, reply);
    if let Reply::Http { status: 200..=299, body, .. } = reply {
        let body = without_mark(body);
        let item = text_at(body, profile.item).unwrap_or_default();
        told.answer = match Element::read(profile, key.entity(), item.as_bytes()) {
            _ if is_nothing(body) || is_nothing(item) => Answer::Gone,
            Ok(element) if sent.is_some_and(|object| element.same_fields(object)) => Answer::Equal,
            Ok(_) => Answer::Different,
            // Cut on its way: that the stray is another's would be a guess.
            Err(_) => Answer::Broken,
        };
    }
    told
}

fn told(answer: Answer, why: String) -> Told {
    Told { answer, status: None, retry_after: None, why, named: Named::AsSent, echo: Echo::Plain }
}

fn found(profile: &Profile, key: Key, sent: Option<&Object>, body: &str) -> Answer {
    match Element::read(profile, key.entity(), body.as_bytes()) {
        // Something else than what was asked for is no answer to the question.
        Ok(element) if element.id() != Some(key.id()) => Answer::Unreadable,
        Ok(element) => match sent {
            Some(object) if element.same_fields(object) => Answer::Equal,
            Some(_) | None => Answer::Different,
        },
        Err(_) => Answer::Unreadable,
    }
}

/// Some programs put a byte order mark in front of their JSON.
pub(crate) fn without_mark(body: &str) -> &str {
    body.as_bytes().strip_prefix(BYTE_ORDER_MARK).and_then(|rest| core::str::from_utf8(rest).ok()).unwrap_or(body)
}

/// Says whether a 2xx to GET means that there is no such object: PostgREST answers `[]`, others `null` or `{}`.
fn is_nothing(body: &str) -> bool {
    let marks: String = body.chars().filter(|c| !c.is_ascii_whitespace()).take(5).collect();
    matches!(marks.as_str(), "null" | "{}" | "[]")
}

fn says_exists(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    ["already exist", "duplicate", "already been taken", "not_unique"].iter().any(|sign| body.contains(sign))
}

fn named(profile: &Profile, key: Key, body: &str) -> Named {
    let item = text_at(body, profile.item).unwrap_or_default();
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(item) else {
        return Named::AsSent;
    };
    let text = match fields.get(profile.dialect(key.entity()).id) {
        Some(serde_json::Value::Number(id)) => format!("{id}"),
        Some(serde_json::Value::String(id)) => id.to_owned(),
        Some(_) | None => return Named::AsSent,
    };
    if text == profile.id_as.write(key.id()) || text.is_empty() || text.chars().count() > NAMED_CHARS_MAX {
        Named::AsSent
    } else {
        Named::Other(text)
    }
}

/// An answer's body is kept up to here, in characters, for an operator who looks into one object.
pub const KEPT_CHARS_MAX: usize = 2000;

/// Returns the first 2,000 characters, with spaces for what misleads.
pub fn kept(body: &str) -> String {
    body.chars().take(KEPT_CHARS_MAX).map(|c| if misleads(c) { ' ' } else { c }).collect()
}

/// Returns the first 200 characters in one line, with spaces for what misleads; of a page of HTML those of its words.
pub fn excerpt(body: &str) -> String {
    if is_page(body) {
        return first_line(&page::words(body));
    }
    first_line(body)
}

fn first_line(body: &str) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for word in body.split(|c: char| misleads(c) || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if chars == EXCERPT_CHARS_MAX {
                line.push('…');
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    line
}
