//! JSON whose texts are no Unicode: escapes of a surrogate without the other half (RFC 8259 §8.2),
//! and bytes that are no UTF-8. Readers refuse all of it; one object's text must not hide the others.

use alloc::string::String;
use alloc::vec::Vec;

/// Stands in the place of what is no Unicode.
pub const REPLACEMENT: char = '\u{fffd}';
const ESCAPED: &[u8] = b"\\ufffd";

/// Returns the text with [`REPLACEMENT`] in such places; `None` where there are none.
pub fn mended(json: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let rest = &json[at..];
        let taken = match (byte, unit(rest)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(unit(&rest[6..]), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(0xd800..=0xdfff)) => {
                out.extend_from_slice(ESCAPED);
                at += 6;
                continue;
            }
            // Whatever is escaped, it begins no escape itself.
            (b'\\', _) => 2.min(rest.len()),
            (_, _) => 1,
        };
        out.extend_from_slice(&rest[..taken]);
        at += taken;
    }
    let text = String::from_utf8_lossy(&out);
    (text.as_bytes() != json).then(|| text.into_owned())
}

/// Returns the UTF-16 unit of an escape `\uXXXX` that `json` begins with.
fn unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(b"\\u")?.get(..4)?;
    // A sign is no digit, though it can be parsed.
    let digits = core::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_alone_and_bytes_that_are_no_text() {
        for (json, expected) in [
            (&br#""\ud800""#[..], Some(r#""\ufffd""#)),
            (br#""a\udc00b""#, Some(r#""a\ufffdb""#)),
            (br#""\ud800\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (br#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#)),
            (br#""\uD83D\uDE00""#, None),
            (br#""\\ud800""#, None),
            (br#""\u12""#, None),
            (br#""\"#, None),
            ("\"déjà \u{fffd}\"".as_bytes(), None),
            (b"\"a\xff\xfeb\"", Some("\"a\u{fffd}\u{fffd}b\"")),
        ] {
            assert_eq!(mended(json).as_deref(), expected, "{:?}", String::from_utf8_lossy(json));
        }
    }
}
