//! A body's media type and bytes -> its fields.

use std::collections::BTreeMap;

use super::value::{Text, Value};
use super::{json, multipart};
use crate::api::charset::{Charset, latin1};
use crate::api::media::Media;
use crate::api::percent;

/// More fields than this are refused (Django's DATA_UPLOAD_MAX_NUMBER_FIELDS).
pub const FIELDS_MAX: usize = 1000;

/// Why a body has no fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadBody {
    /// 415; the header's full value.
    Unsupported(String),
    /// 400; what is wrong with it.
    Malformed(String),
}

/// Reads a body. An empty one has no fields, whatever its type.
pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Value, BadBody> {
    if body.is_empty() {
        return Ok(Value::Object(BTreeMap::new()));
    }
    let header = content_type.unwrap_or_default();
    let media = Media::parse(header);
    let unsupported = || BadBody::Unsupported(header.to_owned());
    let charset = media.param("charset").map_or(Some(Charset::Utf8), Charset::named);
    match media.kind.as_str() {
        "application/json" => {
            let text = charset.ok_or_else(unsupported)?.decode(body).ok_or("not in its charset".to_owned());
            let value = text.and_then(|text| json::parse(&text).map_err(|error| error.to_string()));
            value.map_err(|why| BadBody::Malformed(format!("JSON parse error - {why}")))
        }
        "application/x-www-form-urlencoded" => urlencoded(body, charset.ok_or_else(unsupported)?),
        "multipart/form-data" => {
            let boundary = media.param("boundary").unwrap_or_default();
            multipart::parse(boundary, charset.ok_or_else(unsupported)?, body)
                .map_err(|why| BadBody::Malformed(format!("Multipart form parse error - {why}")))
        }
        _ => Err(unsupported()),
    }
}

fn urlencoded(body: &[u8], charset: Charset) -> Result<Value, BadBody> {
    // As Django's QueryDict: what is not in its charset is Latin-1.
    let text = charset.decode(body).unwrap_or_else(|| latin1(body));
    if text.split('&').filter(|pair| !pair.is_empty()).count() > FIELDS_MAX {
        return Err(BadBody::Malformed(format!("Form parse error - more than {FIELDS_MAX} fields")));
    }
    let pairs = percent::pairs_in(&text, charset);
    // The last of duplicate names wins.
    Ok(Value::Object(pairs.map(|(name, value)| (name, Value::Text(Text::from(value)))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
        let Value::Object(fields) = body else { return None };
        let Value::Text(text) = fields.get(name)? else { return None };
        Some(text.as_str())
    }

    const MULTIPART: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\xe9\r\n--x--";

    #[test]
    fn media_types() {
        let form = "application/x-www-form-urlencoded";
        let table: [(&str, &[u8], &str); 14] = [
            ("application/json", br#"{"a": "1"}"#, "1"),
            ("Application/JSON; charset=utf-8", "{\"a\": \"é\"}".as_bytes(), "é"),
            ("application/json; charset=latin-1", b"{\"a\": \"\xe9\"}", "é"),
            (form, b"a=From+a+form&b=2", "From a form"),
            (form, b"a=1&a=2", "2"),
            (form, b"a=%C3%A9%ff", "é\u{fffd}"),
            (form, b"a=\xe9", "é"),
            ("application/json; charset=utf-16", b"\xff\xfe{\0\"\0a\0\"\0:\0\"\0\xe9\0\"\0}\0", "é"),
            ("application/json; charset=windows-1251", b"{\"a\": \"\xe9\"}", "й"),
            ("application/x-www-form-urlencoded; charset=ISO-8859-1", b"a=Jos%E9", "José"),
            ("application/x-www-form-urlencoded; charset=windows-1252", b"a=%80+\x80", "€ €"),
            ("application/x-www-form-urlencoded; charset=shift_jis", b"a=%93%fa", "日"),
            ("application/x-www-form-urlencoded; charset=us-ascii", b"a=%E9\xe9", "\u{fffd}é"),
            ("multipart/form-data; boundary=x; charset=latin-1", MULTIPART, "é"),
        ];
        for (content_type, body, expected) in table {
            let parsed = parse(Some(content_type), body).unwrap();
            assert_eq!(text(&parsed, "a"), Some(expected), "{content_type}");
        }
        for content_type in [
            None,
            Some("text/plain; charset=utf-8"),
            Some("*/*"),
            Some("application/jsonp"),
            Some("json"),
            Some("application/json; charset=utf-32"),
            Some("application/x-www-form-urlencoded; charset=klingon"),
            Some("multipart/form-data; boundary=x; charset=klingon"),
        ] {
            let expected = BadBody::Unsupported(content_type.unwrap_or_default().to_owned());
            assert_eq!(parse(content_type, b"x"), Err(expected));
            assert_eq!(parse(content_type, b""), Ok(Value::Object(BTreeMap::new())));
        }
    }

    #[test]
    fn malformed() {
        let many = "a=1&".repeat(FIELDS_MAX + 1);
        let table: [(&str, &[u8]); 4] = [
            ("application/json", b"{"),
            ("application/json", b"\"\xff\""),
            ("application/x-www-form-urlencoded", many.as_bytes()),
            ("multipart/form-data", b"x"),
        ];
        for (content_type, body) in table {
            assert!(matches!(parse(Some(content_type), body), Err(BadBody::Malformed(_))), "{content_type}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(which in 0..4_usize, body in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..200)) {
            let types = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain"];
            let _ = parse(Some(types[which]), &body);
        }
    }
}
