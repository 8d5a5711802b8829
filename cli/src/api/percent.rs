//! Percent-encoding, as Python's `urllib.parse` does it: the links that clients get are made of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::charset::Charset;

/// Returns the bytes that `text` stands for. A `%` without two hexadecimal digits stands for itself.
fn unquote_to_bytes(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%'
            && let Some((hex, behind)) = after.split_at_checked(2)
            && let (Some(high), Some(low)) = (hex_value(hex[0]), hex_value(hex[1]))
        {
            bytes.push(high << 4 | low);
            rest = behind;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    bytes
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Decodes a path; bytes that are no UTF-8 become U+FFFD, which no route has.
pub fn decode_path(path: &str) -> String {
    String::from_utf8_lossy(&unquote_to_bytes(path.as_bytes())).into_owned()
}

/// Decodes percent-encoded text whose bytes are of a charset (`unquote`): each run of ASCII by itself, the rest as it is.
pub fn decode(text: &str, charset: Charset) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let end = rest.bytes().position(|byte| byte.is_ascii() != first.is_ascii()).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        if first.is_ascii() {
            decoded.push_str(&charset.decode_lossy(&unquote_to_bytes(run.as_bytes())));
        } else {
            decoded.push_str(run);
        }
        rest = behind;
    }
    decoded
}

/// Reads a query: names and values in their order (`parse_qsl`, blank values kept).
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    pairs_in(text, Charset::Utf8)
}

/// Reads a form whose percent-encoded bytes are of a charset.
pub fn pairs_in(text: &str, charset: Charset) -> impl Iterator<Item = (String, String)> + '_ {
    let part = move |part: &str| {
        let spaced = if part.contains('+') { Cow::Owned(part.replace('+', " ")) } else { Cow::Borrowed(part) };
        decode(&spaced, charset)
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (part(name), part(value))
    })
}

fn encode(text: &str, keep: &str, out: &mut String) {
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || keep.contains(c) {
            out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Encodes a query's name or value (`quote_plus`).
pub fn encode_plus(text: &str, out: &mut String) {
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        encode(word, "_.-~", out);
    }
}

/// Encodes a path (Django's `escape_uri_path`).
pub fn encode_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    encode(path, "/:@&+$,-_.!~*'()", &mut out);
    out
}

/// Copies a query that came with a request; only what no URL may hold is encoded.
pub fn keep_printable(query: &str, out: &mut String) {
    for c in query.chars() {
        if c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c) {
            out.push(c);
        } else {
            encode(c.encode_utf8(&mut [0; 4]), "", out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_queries_as_python_does() {
        let read: Vec<(String, String)> = pairs("a&b=&=c&&d=1&d=2&e=%zz%C3&f=a+b%2B&g=1=2").collect();
        let expected = [
            ("a", ""),
            ("b", ""),
            ("", "c"),
            ("d", "1"),
            ("d", "2"),
            ("e", "%zz\u{fffd}"),
            ("f", "a b+"),
            ("g", "1=2"),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn writes_as_python_does() {
        let mut out = String::new();
        encode_plus("a b é~-_.*()'!/?:@", &mut out);
        assert_eq!(out, "a+b+%C3%A9~-_.%2A%28%29%27%21%2F%3F%3A%40");
        assert_eq!(encode_path("/news/a b\r\n\"é;=?"), "/news/a%20b%0D%0A%22%C3%A9%3B%3D%3F");
    }

    proptest::proptest! {
        #[test]
        fn round_trips(name in proptest::arbitrary::any::<String>(), value in proptest::arbitrary::any::<String>()) {
            let mut query = String::new();
            encode_plus(&name, &mut query);
            query.push('=');
            encode_plus(&value, &mut query);
            proptest::prop_assert_eq!(pairs(&query).collect::<Vec<_>>(), vec![(name.clone(), value)]);
            proptest::prop_assert_eq!(decode_path(&encode_path(&name)), name);
        }

        #[test]
        fn never_panics(text in ".*") {
            pairs(&text).for_each(drop);
            decode_path(&text);
        }
    }
}
