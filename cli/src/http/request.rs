//! A request as the handlers get it: whole, and within the limits.

use std::net::SocketAddr;
use std::ops::Range;

use tiny_http::Method;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, as written.
    pub method: Method,
    /// Path and query, or `*`.
    pub target: String,
    /// The header fields.
    pub fields: Fields,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
    /// The client's address.
    pub peer: SocketAddr,
}

/// Header fields: all their text is in one place, so that a request costs two allocations for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    text: String,
    /// Where the names and the values are.
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Fields {
    /// Makes room for `count` fields with so many bytes.
    pub(super) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), places: Vec::with_capacity(count) }
    }

    /// Adds a field; values of one name are joined by commas (RFC 9110 §5.3).
    pub fn add(&mut self, name: &str, value: &str) {
        let found = self.places.iter().position(|(place, _)| self.at(place).eq_ignore_ascii_case(name));
        match found.and_then(|at| self.places.get(at).cloned().map(|place| (at, place))) {
            None => {
                let name = self.push(name);
                let value = self.push(value);
                self.places.push((name, value));
            }
            Some((at, (_, old))) => {
                // What is last can grow; anything else begins anew at the end.
                let start = if old.end == self.text.len() {
                    old.start
                } else {
                    let old = self.at(&old).to_owned();
                    self.push(&old).start
                };
                if start < self.text.len() {
                    self.text.push(',');
                }
                self.text.push_str(value);
                if let Some(place) = self.places.get_mut(at) {
                    place.1 = start..self.text.len();
                }
            }
        }
    }

    /// Returns the value of a field; the case of `name` does not matter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns names, as written first, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|(name, value)| (self.at(name), self.at(value)))
    }

    fn at(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_name_are_joined() {
        let mut fields = Fields::default();
        for (name, value) in [("Accept", "a"), ("accept", "b"), ("X", ""), ("ACCEPT", "c"), ("x", "d"), ("Y", "")] {
            fields.add(name, value);
        }
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [("Accept", "a,b,c"), ("X", "d"), ("Y", "")]);
        assert_eq!((fields.get("aCCept"), fields.get("z")), (Some("a,b,c"), None));
    }
}
