//! The word `headers`: constant fields of each request. A secret has no place in a profile, which people copy and publish.

use super::read::{ProfileTable, ProfileText};
use crate::error::Result;

/// Fields whose meaning is ours.
const OURS: [&str; 12] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-match",
    "if-none-match",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// Words in names of fields that carry secrets.
const SECRET: [&str; 10] =
    ["apikey", "auth", "authorization", "cookie", "credential", "key", "password", "secret", "session", "token"];

/// Reads its table.
pub fn read(mut table: ProfileTable<'_>) -> Result<&'static [(&'static str, &'static str)]> {
    let mut headers = Vec::new();
    for text in table.texts()? {
        let name = text.word.rsplit('.').next().unwrap_or_default().to_owned();
        let lower = name.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(text.wrong("expected the name of a header field in front of it"));
        }
        if OURS.contains(&lower.as_str()) {
            return Err(text.wrong("this field is not the profile's to set"));
        }
        let is_secret = lower.split(['-', '_']).any(|word| SECRET.contains(&word));
        let scheme = text.said.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        if is_secret || ["basic", "bearer", "token"].contains(&scheme.as_str()) {
            // Not repeated: it may be one.
            return Err(text.wrong_silently(
                "a secret has no place in a profile: set NEWS_TARGET_TOKEN, and auth = { kind = \"header\", name = … }",
            ));
        }
        headers.push((super::read::keep(&name), value(&text)?));
    }
    Ok(headers.leak())
}

/// Says whether a text can be the name of a header field (RFC 9110, section 5.1).
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Reads the value of a header field, or its beginning.
pub fn value(text: &ProfileText<'_>) -> Result<&'static str> {
    if text.said.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(text.keep());
    }
    Err(text.wrong("expected what a header field may carry: printable ASCII"))
}
