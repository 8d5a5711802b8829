//! A body's media type and bytes -> its fields.

use std::collections::BTreeMap;

use super::value::{Text, Value};
use super::{json, multipart};
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
    match media.kind.as_str() {
        "application/json" => {
            let text = decode(body, media.param("charset")).ok_or("not UTF-8".to_owned());
            let value = text.and_then(|text| json::parse(&text).map_err(|error| error.to_string()));
            value.map_err(|why| BadBody::Malformed(format!("JSON parse error - {why}")))
        }
        "application/x-www-form-urlencoded" => urlencoded(body),
        "multipart/form-data" => multipart::parse(media.param("boundary").unwrap_or_default(), body)
            .map_err(|why| BadBody::Malformed(format!("Multipart form parse error - {why}"))),
        _ => Err(BadBody::Unsupported(header.to_owned())),
    }
}

fn decode(body: &[u8], charset: Option<&str>) -> Option<String> {
    match charset.map(str::to_ascii_lowercase).as_deref() {
        Some("iso-8859-1" | "latin-1" | "latin1") => Some(latin1(body)),
        Some(_) | None => str::from_utf8(body).ok().map(str::to_owned),
    }
}

fn latin1(body: &[u8]) -> String {
    body.iter().copied().map(char::from).collect()
}

fn urlencoded(body: &[u8]) -> Result<Value, BadBody> {
    // As Django's QueryDict: what is no UTF-8 is Latin-1.
    let text = str::from_utf8(body).map_or_else(|_| latin1(body), str::to_owned);
    if text.split('&').filter(|pair| !pair.is_empty()).count() > FIELDS_MAX {
        return Err(BadBody::Malformed(format!("Form parse error - more than {FIELDS_MAX} fields")));
    }
    // The last of duplicate names wins.
    Ok(Value::Object(percent::pairs(&text).map(|(name, value)| (name, Value::Text(Text::from(value)))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
        let Value::Object(fields) = body else { return None };
        let Value::Text(text) = fields.get(name)? else { return None };
        Some(text.as_str())
    }

    #[test]
    fn media_types() {
        let form = "application/x-www-form-urlencoded";
        let table: [(&str, &[u8], &str); 7] = [
            ("application/json", br#"{"a": "1"}"#, "1"),
            ("Application/JSON; charset=utf-8", "{\"a\": \"é\"}".as_bytes(), "é"),
            ("application/json; charset=latin-1", b"{\"a\": \"\xe9\"}", "é"),
            (form, b"a=From+a+form&b=2", "From a form"),
            (form, b"a=1&a=2", "2"),
            (form, b"a=%C3%A9%ff", "é\u{fffd}"),
            (form, b"a=\xe9", "é"),
        ];
        for (content_type, body, expected) in table {
            let parsed = parse(Some(content_type), body).unwrap();
            assert_eq!(text(&parsed, "a"), Some(expected), "{content_type}");
        }
        for content_type in
            [None, Some("text/plain; charset=utf-8"), Some("*/*"), Some("application/jsonp"), Some("json")]
        {
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
