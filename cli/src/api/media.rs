//! Headers with parameters: `text/plain; charset=utf-8`, `form-data; name="title"`.

use super::charset::Charset;
use super::percent;

/// A header's first part, in lower case, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `application/json`, `form-data`.
    pub kind: String,
    /// Names in lower case, values without their quotes.
    params: Vec<(String, String)>,
}

impl Media {
    /// Reads a header's value (Django's `parse_header_parameters`).
    pub fn parse(line: &str) -> Self {
        let mut parts = split(line).into_iter();
        let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let params = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim().to_ascii_lowercase(), unquote(value.trim()));
            Some(match name.strip_suffix('*') {
                Some(plain) => (plain.to_owned(), extended(value)),
                None => (name, value),
            })
        });
        Self { kind, params: params.collect() }
    }

    /// Returns a parameter; the last one of a name wins.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rev().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// Says whether it has a parameter other than `q`.
    pub fn is_refined(&self) -> bool {
        self.params.iter().any(|(name, _)| name != "q")
    }
}

/// Splits at the semicolons that stand in no quotes.
fn split(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted, mut escaped) = (0, false, false);
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(line.get(from..i).unwrap_or_default());
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(line.get(from..).unwrap_or_default());
    parts
}

/// Decodes `charset'language'value` (RFC 8187): the value's percent-encoded bytes are of that charset.
fn extended(value: String) -> String {
    let mut parts = value.split('\'');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_language), Some(text), None) => {
            percent::decode(text, Charset::named(charset).unwrap_or(Charset::Utf8))
        }
        _ => value,
    }
}

fn unquote(value: &str) -> String {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\\", "\\").replace("\\\"", "\""),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_parameters() {
        let media = Media::parse("Form-Data; name=\"a;b\\\"c\" ; FileName=x.txt; flag; name2 = y ");
        assert_eq!(media.kind, "form-data");
        for (name, value) in
            [("name", Some("a;b\"c")), ("filename", Some("x.txt")), ("flag", None), ("name2", Some("y"))]
        {
            assert_eq!(media.param(name), value);
        }
        let media = Media::parse("x; a*=UTF-8''%c3%a9%20; b*=latin-1'en'%E9; c*=plain; d*=a'b; e*=klingon''%41");
        for (name, value) in [("a", "é "), ("b", "é"), ("c", "plain"), ("d", "a'b"), ("e", "A"), ("a*", "")] {
            assert_eq!(media.param(name).unwrap_or_default(), value, "{name}");
        }
        assert_eq!(Media::parse("").kind, "");
        assert!(Media::parse("a/b; q=1; indent=2").is_refined() && !Media::parse("a/b; q=1").is_refined());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(line in ".*") {
            Media::parse(&line);
        }
    }
}
