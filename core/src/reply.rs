//! What came back from the target -> what it means. One place for every status code.
//!
//! In scope: telling answers apart. Out of scope: what to do about them (`object`), and
//! waiting (`session`).

mod echo;
mod excerpt;
mod found;
mod page;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::kept::{Kept, Likeness, Shown};
use crate::model::{Entity, Key, Object};
use crate::profile::{Ids, Profile};
use crate::target_id::TargetId;
use crate::wire::{BYTE_ORDER_MARK, Element, text_at};
pub use echo::Echo;
pub use excerpt::{EXCERPT_CHARS_MAX, KEPT_CHARS_MAX, excerpt, kept};
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
    /// GET by its key: there are several of it.
    Several,
    /// GET by its key: others than that were asked for, and not all of them, so nothing can be said.
    Unfiltered,
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
    /// Where the target chooses the ids: its id of the object, if the answer shows it.
    pub target_id: Option<TargetId>,
    /// The object, if the answer shows it with other fields than were sent, and all of them can be read.
    pub shown: Option<Shown>,
}

/// What a request is about at the master, to compare the answer with.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The master's object.
    pub object: &'a Object,
    /// Where the target chooses the ids: its id of the object's post.
    pub parent: Option<&'a TargetId>,
    /// What the target keeps in its place, if that is known.
    pub kept: Option<Kept>,
}

impl Sent<'_> {
    /// Compares an element with the object; its own id is not looked at.
    fn compare(&self, element: &Element<'_>) -> Compared {
        let resolved = element.target_parent().map(|there| {
            let is_same = self.parent == Some(there);
            let mut element = element.clone();
            element.resolve_parent(is_same.then(|| self.object.number()));
            element
        });
        let element = resolved.as_ref().unwrap_or(element);
        if element.same_fields(self.object) {
            return Compared { is_equal: true, shown: None };
        }
        let Some(print) = element.fingerprint() else { return Compared { is_equal: false, shown: None } };
        let is_equal = self.kept.is_some_and(|kept| kept.explains(Fingerprint::of(self.object), print));
        Compared { is_equal, shown: Some(Shown { print, likeness: Likeness::of(element, self.object) }) }
    }
}

/// An element beside the object that was sent.
#[derive(Debug, Clone, Copy)]
struct Compared {
    /// It is the object, or what the target is known to keep in its place.
    is_equal: bool,
    /// What it is, where it is not the object as it was sent.
    shown: Option<Shown>,
}

impl Compared {
    fn of(sent: Option<Sent<'_>>, element: &Element<'_>) -> Self {
        sent.map_or(Self { is_equal: false, shown: None }, |sent| sent.compare(element))
    }

    fn answer(self) -> Answer {
        if self.is_equal { Answer::Equal } else { Answer::Different }
    }
}

/// The id in the answer to a POST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Named {
    /// Ours, or none at all.
    #[default]
    AsSent,
    /// Another one: the target assigns its own, or may.
    Other(TargetId),
}

/// Reads a reply to `method` for `key`. `sent` is the master's object, where there is one:
/// what a GET is compared with.
///
/// Where the target chooses the ids, the GET was one by its key.
pub fn read(profile: &Profile, method: Method, key: Key, sent: Option<Sent<'_>>, reply: &Reply) -> Told {
    let (status, retry_after, location, body) = match reply {
        Reply::NotSent { why } => return told(Answer::NotSent, why.clone()),
        Reply::Lost { why } => return told(Answer::Lost, why.clone()),
        Reply::Http { status, retry_after, location, body } => (*status, *retry_after, location, body),
    };
    let body = without_mark(body);
    let (mut target_id, mut seen) = (None, None);
    let answer = match (status, method) {
        (200..=299, Method::Get) if profile.key_field(key.entity()).is_some() => {
            let found = found::read(profile, key, body);
            target_id = found.target_id().cloned();
            found.answer(sent, &mut seen)
        }
        (200..=299, Method::Get) if is_nothing(body) => Answer::Gone,
        (200..=299, Method::Get) => match text_at(body, profile.item) {
            // What has no place for an object is no answer to the question.
            None => Answer::Unreadable,
            Some(item) if is_nothing(item) => Answer::Gone,
            Some(item) => shown(profile, key, sent, item, &mut seen),
        },
        // A page of a proxy or a guest network: whatever wrote it, it was not the API.
        (200..=299, Method::Post | Method::Put | Method::Delete) if is_page(body) => Answer::Unreadable,
        (200..=299, Method::Post | Method::Put | Method::Delete) => Answer::Accepted,
        (300..=399, _) => Answer::Redirected,
        (401, _) => Answer::Unauthorized,
        (403, _) if refuses_the_user(body) => Answer::Unauthorized,
        // A limit in other words, as GitHub has it.
        (403, _) if retry_after.is_some() => Answer::Throttled,
        (status, method) if profile.is_missing(status, method) => Answer::Gone,
        (403, _) => Answer::Forbidden,
        (409, Method::Post) => Answer::Exists,
        // The condition of a create by PUT.
        (412, Method::Post) if profile.dialect(key.entity()).condition(method).is_some() => Answer::Exists,
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
        (Answer::Several, _) => format!("status {status} with several objects that have its key"),
        (Answer::Unfiltered, _) => format!("status {status} with other objects than the one that was asked for"),
        (_, _) if said.is_empty() => format!("status {status}"),
        (_, _) => format!("status {status}: {said}"),
    };
    let named =
        if answer == Answer::Accepted && method == Method::Post { named(profile, key, body) } else { Named::AsSent };
    if let Named::Other(id) = &named {
        target_id = Some(id.clone());
    }
    let mut echo = if answer == Answer::Accepted { echo::read(profile, method, key, sent, body) } else { Echo::Plain };
    // Under another id it is another object.
    if echo == Echo::OtherContent && (named == Named::AsSent || profile.ids == Ids::Key) {
        let compared = shown_element(profile, key.entity(), body).map(|element| Compared::of(sent, &element));
        if compared.is_some_and(|compared| compared.is_equal) {
            echo = Echo::Shown;
        }
        seen = compared.and_then(|compared| compared.shown);
    }
    Told { answer, status: Some(status), retry_after, why, named, echo, target_id, shown: seen }
}

/// Returns the object that the reply to a GET shows, if it shows one. Where the target chooses the ids, the GET was one by key.
pub fn element(profile: &Profile, key: Key, reply: &Reply) -> Option<Element<'static>> {
    let Reply::Http { status: 200..=299, body, .. } = reply else { return None };
    let body = without_mark(body);
    if profile.key_field(key.entity()).is_some() {
        return found::read(profile, key, body).one();
    }
    shown_element(profile, key.entity(), body)
}

/// Returns the object that a body shows, whatever its id.
pub fn shown_element(profile: &Profile, entity: Entity, body: &str) -> Option<Element<'static>> {
    let item = text_at(without_mark(body), profile.item)?;
    Element::read(profile, entity, item.as_bytes()).ok().map(|element| element.into_owned(usize::MAX))
}

/// Reads the reply to a GET of an id that the target made up for `key`: [`Answer::Equal`]
/// if it has the fields that were sent, whatever its id.
pub fn read_stray(profile: &Profile, key: Key, sent: Option<Sent<'_>>, reply: &Reply) -> Told {
    let mut told = read(profile, Method::Get, key, sent, reply);
    if let Reply::Http { status: 200..=299, body, .. } = reply {
        let body = without_mark(body);
        let item = text_at(body, profile.item).unwrap_or_default();
        told.answer = match Element::read(profile, key.entity(), item.as_bytes()) {
            _ if is_nothing(body) || is_nothing(item) => Answer::Gone,
            Ok(element) => Compared::of(sent, &element).answer(),
            // Cut on its way: that the stray is another's would be a guess.
            Err(_) => Answer::Broken,
        };
    }
    told
}

/// Reads the reply to a GET by the key of an id that no object has: [`Answer::Gone`] where it shows nothing but objects with
/// that key, so that the target does filter; [`Answer::Unfiltered`] where it shows others.
pub fn read_filter(profile: &Profile, entity: Entity, id: i64, reply: &Reply) -> Told {
    let key = match entity.key(id) {
        Ok(key) => key,
        Err(bad) => return told(Answer::Unreadable, bad.to_string()),
    };
    let mut told = read(profile, Method::Get, key, None, reply);
    if let Reply::Http { status: 200..=299, body, .. } = reply {
        (told.answer, told.why) = match found::are_all(profile, key, without_mark(body)) {
            Some(true) => (Answer::Gone, told.why),
            Some(false) => (Answer::Unfiltered, String::from("asked for a key that no object has, it shows others")),
            None => (Answer::Unreadable, told.why),
        };
    }
    told
}

fn told(answer: Answer, why: String) -> Told {
    Told {
        answer,
        status: None,
        retry_after: None,
        why,
        named: Named::AsSent,
        echo: Echo::Plain,
        target_id: None,
        shown: None,
    }
}

/// Compares the one object that a body shows.
fn shown(profile: &Profile, key: Key, sent: Option<Sent<'_>>, body: &str, seen: &mut Option<Shown>) -> Answer {
    match Element::read(profile, key.entity(), body.as_bytes()) {
        // Something else than what was asked for is no answer to the question.
        Ok(element) if element.id() != Some(key.id()) => Answer::Unreadable,
        Ok(element) => {
            let compared = Compared::of(sent, &element);
            *seen = compared.shown;
            compared.answer()
        }
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

/// Says whether `news serve` refuses the user, or whatever another `news` sends, whichever the object is.
fn refuses_the_user(body: &str) -> bool {
    [r#""code":"not_staff""#, r#""code":"no_replica""#].iter().any(|code| body.contains(code))
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
    let id = fields.get(profile.dialect(key.entity()).id).and_then(TargetId::of_json);
    match (id, profile.ids) {
        (Some(id), Ids::Ours | Ids::None) if id.to_string() == profile.id_as.write(key.id()) => Named::AsSent,
        (Some(id), _) => Named::Other(id),
        (None, _) => Named::AsSent,
    }
}
