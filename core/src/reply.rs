//! What came back from the target -> what it means. One place for every status code.
//!
//! In scope: telling answers apart (TARGETS.md). Out of scope: what to do about them
//! (`object`), and waiting (`session`).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::chars::misleads;
use crate::model::{Key, Object};
use crate::wire::Element;

/// The methods we use. Never HEAD, which deletes at one target (TARGETS 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Ask.
    Get,
    /// Create.
    Post,
    /// Update.
    Put,
    /// Delete.
    Delete,
}

impl Method {
    /// Returns the name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
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
        /// Retry-After, seconds or date, as a time from now (RFC 9110 §10.2.3).
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
    /// 404, 410.
    Gone,
    /// A POST found that it exists already.
    Exists,
    /// 429, 425: later, and no fault of the object.
    Throttled,
    /// 5xx, an unreadable answer: a write may have been applied.
    Broken,
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
}

/// The id in the answer to a POST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Named {
    /// Ours, or none at all.
    #[default]
    AsSent,
    /// Another one: the target may assign its own (TARGETS 5).
    Other(String),
}

/// An error body is kept up to here, in characters (TARGETS 13).
pub const EXCERPT_CHARS_MAX: usize = 200;
/// An id that a target makes up is believed up to here, in characters.
const NAMED_CHARS_MAX: usize = 64;

/// Reads a reply to `method` for `key`. `sent` is the master's object, where there is one:
/// what a GET is compared with.
pub fn read(method: Method, key: Key, sent: Option<&Object>, reply: &Reply) -> Told {
    let (status, retry_after, location, body) = match reply {
        Reply::NotSent { why } => return told(Answer::NotSent, why.clone()),
        Reply::Lost { why } => return told(Answer::Lost, why.clone()),
        Reply::Http { status, retry_after, location, body } => (*status, *retry_after, location, body),
    };
    let answer = match (status, method) {
        (200..=299, Method::Get) => found(key, sent, body),
        // A proxy's page, or a guest network's: whoever wrote it, it was not the API.
        (200..=299, Method::Post | Method::Put | Method::Delete) if is_page(body) => Answer::Broken,
        (200..=299, Method::Post | Method::Put | Method::Delete) => Answer::Accepted,
        (300..=399, _) => Answer::Redirected,
        (401, _) => Answer::Unauthorized,
        (403, _) => Answer::Forbidden,
        (404 | 410, _) => Answer::Gone,
        (409, Method::Post) => Answer::Exists,
        // Some say it with a status of their own choosing.
        (400 | 422, Method::Post) if says_exists(body) => Answer::Exists,
        (429 | 425, _) => Answer::Throttled,
        (408 | 502 | 504, _) => Answer::Lost,
        (400..=499, _) => Answer::Refused,
        (_, _) => Answer::Broken,
    };
    let why = match (answer, location) {
        (Answer::Redirected, Some(to)) => format!("status {status} to {}", excerpt(to)),
        (_, _) if answer == Answer::Broken && (200..=299).contains(&status) => {
            format!("status {status} with an unreadable body: {}", excerpt(body))
        }
        (_, _) if body.trim().is_empty() => format!("status {status}"),
        (_, _) => format!("status {status}: {}", excerpt(body)),
    };
    let named = if answer == Answer::Accepted && method == Method::Post { named(key, body) } else { Named::AsSent };
    Told { answer, status: Some(status), retry_after, why, named }
}

/// Reads the reply to a GET of an id that the target made up for `key`: [`Answer::Equal`]
/// if it has the fields that were sent, whatever its id.
pub fn read_stray(key: Key, sent: Option<&Object>, reply: &Reply) -> Told {
    let mut told = read(Method::Get, key, sent, reply);
    if let Reply::Http { status: 200..=299, body, .. } = reply {
        told.answer = match Element::from_json(key.entity(), body.as_bytes()) {
            Ok(element) if sent.is_some_and(|object| element.same_fields(object)) => Answer::Equal,
            Ok(_) => Answer::Different,
            // Cut on its way: that the stray is another's would be a guess.
            Err(_) => Answer::Broken,
        };
    }
    told
}

fn told(answer: Answer, why: String) -> Told {
    Told { answer, status: None, retry_after: None, why, named: Named::AsSent }
}

fn found(key: Key, sent: Option<&Object>, body: &str) -> Answer {
    match Element::from_json(key.entity(), body.as_bytes()) {
        // Something else than what was asked for is no answer to the question.
        Ok(element) if element.id() != Some(key.id()) => Answer::Broken,
        Ok(element) => match sent {
            Some(object) if element.same_fields(object) => Answer::Equal,
            Some(_) | None => Answer::Different,
        },
        Err(_) => Answer::Broken,
    }
}

/// Says whether a body is HTML: an API says nothing, or JSON, or a word.
fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

fn says_exists(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    ["already exist", "duplicate", "already been taken"].iter().any(|sign| body.contains(sign))
}

fn named(key: Key, body: &str) -> Named {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(body) else {
        return Named::AsSent;
    };
    let text = match fields.get("id") {
        Some(serde_json::Value::Number(id)) => format!("{id}"),
        Some(serde_json::Value::String(id)) => id.to_owned(),
        Some(_) | None => return Named::AsSent,
    };
    if text == format!("{}", key.id()) || text.is_empty() || text.chars().count() > NAMED_CHARS_MAX {
        Named::AsSent
    } else {
        Named::Other(text)
    }
}

/// Returns the first 200 characters in one line, with spaces for what misleads.
pub fn excerpt(body: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn http(status: u16, body: &str) -> Reply {
        Reply::Http { status, retry_after: None, location: None, body: body.to_string() }
    }

    #[test]
    fn statuses() {
        let key: Key = "posts/5".parse().unwrap();
        let json = r#"{"id":"5","userId":1,"title":"t","body":"b"}"#;
        let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
        let rows = [
            (Method::Get, 200, json, Answer::Equal),
            (Method::Get, 200, r#"{"id":5,"title":"x"}"#, Answer::Different),
            (Method::Get, 200, r#"{"id":6,"title":"x"}"#, Answer::Broken),
            (Method::Get, 200, "<html>", Answer::Broken),
            (Method::Get, 200, "[]", Answer::Broken),
            (Method::Get, 404, "{}", Answer::Gone),
            (Method::Post, 201, json, Answer::Accepted),
            (Method::Post, 500, "Error: Insert failed, duplicate id", Answer::Broken),
            (Method::Post, 422, "id has already been taken", Answer::Exists),
            (Method::Post, 422, "title is too short", Answer::Refused),
            (Method::Post, 409, "", Answer::Exists),
            (Method::Put, 409, "", Answer::Refused),
            (Method::Put, 204, "", Answer::Accepted),
            (Method::Put, 200, "OK", Answer::Accepted),
            (Method::Put, 200, "\n<!DOCTYPE html><p>Welcome to our network", Answer::Broken),
            (Method::Put, 302, "", Answer::Redirected),
            (Method::Delete, 200, "{}", Answer::Accepted),
            (Method::Delete, 200, "<html>", Answer::Broken),
            (Method::Delete, 410, "", Answer::Gone),
            (Method::Delete, 408, "", Answer::Lost),
            (Method::Put, 502, "", Answer::Lost),
            (Method::Post, 504, "", Answer::Lost),
            (Method::Post, 503, "", Answer::Broken),
            (Method::Delete, 425, "", Answer::Throttled),
            (Method::Delete, 999, "", Answer::Broken),
        ];
        for (method, status, body, answer) in rows {
            let told = read(method, key, Some(&object), &http(status, body));
            assert_eq!(told.answer, answer, "{method:?} {status} {body}");
        }
    }

    #[test]
    fn the_id_a_post_is_answered_with() {
        let key: Key = "posts/101".parse().unwrap();
        for (body, named) in [
            (r#"{"id":101}"#, Named::AsSent),
            (r#"{"id":"101"}"#, Named::AsSent),
            (r#"{"id":7}"#, Named::Other("7".into())),
            (r#"{"id":"af3c"}"#, Named::Other("af3c".into())),
            (r#"{"id":null}"#, Named::AsSent),
            ("", Named::AsSent),
        ] {
            assert_eq!(read(Method::Post, key, None, &http(201, body)).named, named, "{body}");
        }
    }

    #[test]
    fn a_stray_is_told_by_its_fields() {
        let key: Key = "posts/5".parse().unwrap();
        let json = r#"{"id":5,"userId":1,"title":"t","body":"b"}"#;
        let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
        for (status, body, answer) in [
            (200, r#"{"id":"af3c","userId":1,"title":"t","body":"b"}"#, Answer::Equal),
            (200, r#"{"id":"af3c","userId":1,"title":"x","body":"b"}"#, Answer::Different),
            (200, r#"{"id":"af3c","use"#, Answer::Broken),
            (404, "{}", Answer::Gone),
        ] {
            assert_eq!(read_stray(key, Some(&object), &http(status, body)).answer, answer, "{status} {body}");
        }
    }

    #[test]
    fn excerpts_are_one_short_line() {
        assert_eq!(excerpt("<p>\n  no\u{1b}[31m\tway</p>"), "<p> no [31m way</p>");
        assert_eq!(excerpt("a\u{202e}b\u{2028}c"), "a b c");
        assert_eq!(excerpt(&"é".repeat(300)).chars().count(), 201);
    }
}
