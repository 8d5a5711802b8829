//! Charsets of bodies, by the names that HTTP and Python have for them.
//!
//! In scope: text out of bytes, strictly or with U+FFFD for what is none. The tables are encoding_rs's; three charsets
//! are our own, since the Encoding Standard reads Latin-1 and ASCII as windows-1252.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// A charset that we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// What there is without a name.
    Utf8,
    /// ISO-8859-1: each byte is the character with its number.
    Latin1,
    /// US-ASCII.
    Ascii,
    /// UTF-16 in the byte order that a mark tells, else little-endian.
    Utf16,
    /// One of the Encoding Standard's.
    Other(&'static Encoding),
}

impl Charset {
    /// Finds a charset; nothing where the name is unknown.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('_', "-");
        match name.as_str() {
            "iso-8859-1" | "iso8859-1" | "iso-ir-100" | "latin-1" | "latin1" | "latin" | "l1" | "8859" | "cp819" => {
                Some(Self::Latin1)
            }
            "us-ascii" | "ascii" | "646" | "ansi-x3.4-1968" => Some(Self::Ascii),
            "utf-16" | "utf16" => Some(Self::Utf16),
            _ => match Encoding::for_label_no_replacement(name.as_bytes())? {
                encoding if encoding == UTF_8 => Some(Self::Utf8),
                encoding => Some(Self::Other(encoding)),
            },
        }
    }

    /// Returns the text that all of `bytes` are; nothing where some are none.
    pub fn decode(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Latin1 => Some(latin1(bytes)),
            Self::Ascii => bytes.is_ascii().then(|| latin1(bytes)),
            Self::Utf16 => {
                let (encoding, bytes) = byte_order(bytes);
                encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
            }
            Self::Other(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
            }
        }
    }

    /// Returns the text with U+FFFD for bytes that are none.
    pub fn decode_lossy(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Latin1 => latin1(bytes),
            Self::Ascii => {
                let char_of = |&byte: &u8| if byte.is_ascii() { byte.into() } else { char::REPLACEMENT_CHARACTER };
                bytes.iter().map(char_of).collect()
            }
            Self::Utf16 => {
                let (encoding, bytes) = byte_order(bytes);
                encoding.decode_without_bom_handling(bytes).0.into_owned()
            }
            Self::Other(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        }
    }
}

/// Decodes ISO-8859-1.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Takes the byte order mark off.
fn byte_order(bytes: &[u8]) -> (&'static Encoding, &[u8]) {
    match bytes.strip_prefix(&[0xFE, 0xFF]) {
        Some(rest) => (UTF_16BE, rest),
        None => (UTF_16LE, bytes.strip_prefix(&[0xFF, 0xFE]).unwrap_or(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_by_their_names() {
        let table: [(&str, &[u8], Option<&str>, &str); 14] = [
            ("UTF-8", b"\xc3\xa9", Some("\u{e9}"), "\u{e9}"),
            ("utf8", b"a\xffb", None, "a\u{fffd}b"),
            ("ISO-8859-1", b"Jos\xe9\x80", Some("Jos\u{e9}\u{80}"), "Jos\u{e9}\u{80}"),
            ("latin_1", b"\xe9", Some("\u{e9}"), "\u{e9}"),
            ("us-ascii", b"a\xe9", None, "a\u{fffd}"),
            ("ASCII", b"a", Some("a"), "a"),
            ("windows-1252", b"\x80", Some("\u{20ac}"), "\u{20ac}"),
            ("cp1251", b"\xe9", Some("\u{439}"), "\u{439}"),
            ("shift_jis", b"\x93\xfa", Some("\u{65e5}"), "\u{65e5}"),
            ("euc-jp", b"\xc6\xfc", Some("\u{65e5}"), "\u{65e5}"),
            ("gb18030", b"\xc8\xd5", Some("\u{65e5}"), "\u{65e5}"),
            ("utf-16", b"\xff\xfea\0", Some("a"), "a"),
            ("UTF_16", b"\xfe\xff\0a", Some("a"), "a"),
            ("utf-16be", b"\0a\xd8", None, "a\u{fffd}"),
        ];
        for (name, bytes, strict, lossy) in table {
            let charset = Charset::named(name).unwrap_or_else(|| panic!("{name} is unknown"));
            assert_eq!(charset.decode(bytes).as_deref(), strict, "{name}");
            assert_eq!(charset.decode_lossy(bytes), lossy, "{name}");
        }
        for name in ["", "utf-32", "klingon", "hz-gb-2312", "iso-2022-kr", "utf-8; x"] {
            assert_eq!(Charset::named(name), None, "{name}");
        }
    }
}
