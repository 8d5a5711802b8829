//! A request of a profile: its verb and its path. Written by who asks, and read again by who plays the target.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

/// A request: its verb, and its path below the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub verb: Verb,
    /// The path in front of the id; the whole path, where there is none in it.
    pub before: &'static str,
    /// What comes behind the id.
    pub after: Option<&'static str>,
}

/// The verbs that a profile may use. Never HEAD, which deletes at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes what it names.
    Patch,
    /// Deletes.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

    /// Returns the name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

impl Call {
    /// Returns the path below the base URL, with the query. `id` is the target's, as it writes it.
    pub fn path(&self, id: &str) -> String {
        match self.after {
            None => self.before.to_string(),
            Some(after) => {
                let mut path = self.before.to_string();
                escape(id, &mut path);
                path + after
            }
        }
    }

    /// Returns the id in the path and query of a request, the other way round: empty where a call has no place for one;
    /// `None` where the request is another one. A request may have parameters beyond those of the call.
    pub fn id_in(&self, target: &str) -> Option<String> {
        let whole =
            format!("{}{}{}", self.before, if self.after.is_some() { HOLE } else { "" }, self.after.unwrap_or(""));
        let (path, query) = split(&whole);
        let (asked_path, asked_query) = split(target);
        let mut id = String::new();
        let mut take = |template: &str, text: &str| -> Option<()> {
            let Some((before, after)) = template.split_once(HOLE) else { return (template == text).then_some(()) };
            let found = text.strip_prefix(before)?.strip_suffix(after)?;
            if found.is_empty() || found.contains('/') {
                return None;
            }
            id = unescape(found);
            Some(())
        };
        take(path, asked_path)?;
        for wanted in parameters(query) {
            parameters(asked_query).find_map(|parameter| take(wanted, parameter))?;
        }
        Some(id)
    }

    /// Says how much a request has to have to be this one: of two calls that a request fits, the more particular one is
    /// meant.
    pub(super) fn particulars(&self) -> usize {
        let own = usize::from(self.after.is_some());
        own + parameters(split(self.before).1).chain(parameters(split(self.after.unwrap_or("")).1)).count()
    }
}

/// Stands for an id in a template; no URL has it.
const HOLE: &str = "\0";

/// Splits a path and its query.
fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|parameter| !parameter.is_empty())
}

/// How a person reads it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.before)?;
        self.after.map_or(Ok(()), |after| write!(f, "{{id}}{after}"))
    }
}

/// Writes an id so that it stays one segment of a path, or one value of a query (RFC 3986, sections 3.3 and 2.3).
pub fn escape(id: &str, out: &mut String) {
    for byte in id.bytes() {
        // A dot alone would be a dot segment.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String has no way to fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Undoes percent-encoding. What is no encoding stays; what is no UTF-8 becomes U+FFFD.
pub fn unescape(text: &str) -> String {
    let hex =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|n| u8::try_from(n).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(16 * high + low);
                rest = after.get(2..).unwrap_or_default();
            }
            (other, ..) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(before: &'static str, after: Option<&'static str>) -> Call {
        Call { verb: Verb::Get, before, after }
    }

    #[test]
    fn a_request_names_the_id_that_it_was_written_with() {
        for one in [
            call("/posts/", Some("")),
            call("/posts/", Some("/?context=edit")),
            call("/items?id=eq.", Some("&select=*")),
            call("/posts?filter=(id='", Some("')")),
        ] {
            for id in ["5", "000000000000005", "a b/../é?&=%41", "x'y"] {
                assert_eq!(one.id_in(&one.path(id)).as_deref(), Some(id), "{one}");
            }
        }
        assert_eq!(call("/posts?sort=id", None).id_in("/posts?page=2&sort=id").as_deref(), Some(""));
    }

    #[test]
    fn another_request_has_no_id_of_the_call() {
        for (one, target) in [
            (call("/posts/", Some("")), "/posts/"),
            (call("/posts/", Some("")), "/posts/5/comments"),
            (call("/posts/", Some("")), "/comments/5"),
            (call("/posts/", Some("?context=edit")), "/posts/5"),
            (call("/posts?id=eq.", Some("")), "/posts?id=5"),
            (call("/posts", None), "/posts/"),
            (call("/posts?sort=id", None), "/posts"),
        ] {
            assert_eq!(one.id_in(target), None, "{one} {target}");
        }
    }
}
