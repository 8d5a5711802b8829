//! `multipart/form-data` (RFC 7578), with Django's leniency: a missing end is no error.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::body::FIELDS_MAX;
use super::value::{Text, Value};
use crate::api::charset::Charset;
use crate::api::media::Media;

/// RFC 2046, section 5.1.1, allows 70; Django takes this many, in bytes.
const BOUNDARY_BYTES_MAX: usize = 200;

/// Reads the fields of `body`; the last of duplicate names wins.
pub fn parse(boundary: &str, charset: Charset, body: &[u8]) -> Result<Value, String> {
    let is_plain = boundary.bytes().all(|b| matches!(b, b' '..=b'~'));
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || boundary.ends_with(' ') || !is_plain {
        return Err(format!("Invalid boundary in multipart: {boundary}"));
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut fields = BTreeMap::new();
    for (i, part) in parts(body, &delimiter).enumerate() {
        if i >= FIELDS_MAX {
            return Err(format!("more than {FIELDS_MAX} fields"));
        }
        if let Some((name, value)) = field(part, charset) {
            fields.insert(name, value);
        }
    }
    Ok(Value::Object(fields))
}

/// Returns what stands between the delimiters, each of which begins a line.
fn parts<'a>(body: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = next_delimiter(body, delimiter).map(|(_, behind)| behind);
    std::iter::from_fn(move || {
        let part = rest?;
        // The last delimiter has two more hyphens.
        if part.starts_with(b"--") {
            return None;
        }
        let (before, behind) =
            next_delimiter(part, delimiter).map_or((part, None), |(before, behind)| (before, Some(behind)));
        rest = behind;
        Some(before)
    })
}

/// Returns what is before the next delimiter, without its line break, and what is behind it.
fn next_delimiter<'a>(text: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + find(text.get(from..)?, delimiter)?;
        let (before, found) = text.split_at(at);
        if before.is_empty() || before.ends_with(b"\n") {
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            return Some((before, found.get(delimiter.len()..).unwrap_or_default()));
        }
        from = at + 1;
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Reads a part: headers, an empty line, the value. A part without a name is ignored, and so is a file whose name is not
/// one ([`is_file_name`]).
fn field(part: &[u8], charset: Charset) -> Option<(String, Value)> {
    let part = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")).unwrap_or(part);
    let windows_end = find(part, b"\r\n\r\n").map(|at| (at, at + 4));
    let (end, begin) = windows_end.or_else(|| find(part, b"\n\n").map(|at| (at, at + 2)))?;
    let (head, value) = (part.get(..end)?, part.get(begin..)?);
    // Lines that are not UTF-8 are ignored.
    let lines = || head.split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    // The last of duplicate headers wins.
    let header = |wanted: &str| {
        let mut fields = lines().rev().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| Media::parse(value))
    };
    let disposition = header("Content-Disposition")?;
    let name = disposition.param("name")?.trim().to_owned();
    match disposition.param("filename") {
        None | Some("") => {}
        Some(file) => return is_file_name(file).then_some((name, Value::File)),
    }
    let is_base64 = header("Content-Transfer-Encoding").is_some_and(|encoding| encoding.kind == "base64");
    let decoded = if is_base64 { base64(value) } else { None };
    let text = charset.decode_lossy(decoded.as_deref().unwrap_or(value));
    Some((name, Value::Text(Text::from(text))))
}

/// Decodes base64 as Python's `b64decode`: foreign bytes are passed over, and the first padding is the end. Returns
/// nothing where the value is cut off; then it stands for itself.
fn base64(value: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(value.len());
    let mut padding = 0;
    for &byte in value {
        let in_group = digits.len() % GROUP_DIGITS;
        match byte {
            b'=' if in_group >= 2 && in_group + padding + 1 >= GROUP_DIGITS => return FORGIVING.decode(digits).ok(),
            b'=' if in_group >= 2 => padding += 1,
            b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                padding = 0;
                digits.push(byte);
            }
            _ => {}
        }
    }
    if digits.len().is_multiple_of(GROUP_DIGITS) { FORGIVING.decode(digits).ok() } else { None }
}

/// Four digits are three bytes.
const GROUP_DIGITS: usize = 4;

/// Takes what remains when foreign bytes and padding are gone; bits beyond the last byte do not matter.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Says whether a file has a name, once its folders are taken off.
fn is_file_name(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let printable: String = last.chars().filter(|c| !c.is_control()).collect();
    !matches!(printable.as_str(), "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        if let Value::Text(text) = value { text.into_lossy() } else { format!("{value:?}") }
    }

    fn read(body: &str) -> Vec<(String, String)> {
        match parse("xyz", Charset::Utf8, body.as_bytes()) {
            Ok(Value::Object(fields)) => fields.into_iter().map(|(name, value)| (name, shown(value))).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields() {
        let part =
            |head: &str, value: &str| format!("--xyz\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let table = [
            (part("name=\"a\"", "1") + &part("name=b", "2") + "--xyz--\r\n", vec![("a", "1"), ("b", "2")]),
            (part("name=\"a\"", "1") + &part("name=\"a\"", "2") + "--xyz--", vec![("a", "2")]),
            (part("name=\"a\"", "line\r\n\r\nline --xyz no"), vec![("a", "line\r\n\r\nline --xyz no\r\n")]),
            (format!("preamble\r\n{}--xyz--\r\nepilogue", part("name=a", "")), vec![("a", "")]),
            (part("name=a; filename=f.txt", "1") + "--xyz--", vec![("a", "File")]),
            (part("name=a; filename=\"\"", "1") + "--xyz--", vec![("a", "1")]),
            (part("name=a; filename*=UTF-8''f.txt", "1") + "--xyz--", vec![("a", "File")]),
            (part("name*=UTF-8''%c3%a9", "1") + "--xyz--", vec![("é", "1")]),
            (part("name=a; filename=\"/\"", "1") + "--xyz--", vec![]),
            (part("name=a; filename=\"x/..\"", "1") + "--xyz--", vec![]),
            (part("name=a\r\nContent-Transfer-Encoding: BASE64", "w6\r\nk=") + "--xyz--", vec![("a", "é")]),
            (part("name=a\r\nContent-Transfer-Encoding: base64", "w6k") + "--xyz--", vec![("a", "w6k")]),
            (part("name=a\r\nContent-Transfer-Encoding: base64", "w!6l===") + "--xyz--", vec![("a", "é")]),
            (part("name=a\r\nContent-Transfer-Encoding: base64", "QQ==QQ==") + "--xyz--", vec![("a", "A")]),
            (part("name=a\r\nContent-Disposition: attachment; name=b", "1") + "--xyz--", vec![("b", "1")]),
            (part("name=a; filename=\" \"", "1") + "--xyz--", vec![("a", "File")]),
            (part("name=a\r\nContent-Transfer-Encoding: quoted-printable", "=41") + "--xyz--", vec![("a", "=41")]),
            (part("nothing=a", "1") + "--xyz--", vec![]),
            (part("name=a\r\nContent-Transfer-Encoding: base64", "w6k=") + "--xyz--", vec![("a", "é")]),
            ("--xyz\nContent-Disposition: form-data; name=a\n\n1\n--xyz--\n".to_owned(), vec![("a", "1")]),
            ("--xyz--".to_owned(), vec![]),
            ("nothing at all".to_owned(), vec![]),
        ];
        for (body, expected) in table {
            let expected: Vec<_> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(read(&body), expected, "{body:?}");
        }
    }

    #[test]
    fn boundaries_and_limits() {
        for boundary in ["", "a ", "a\u{7f}", &"x".repeat(201)] {
            assert!(parse(boundary, Charset::Utf8, b"--x").is_err(), "{boundary:?}");
        }
        assert!(parse("a", Charset::Utf8, "--a\n".repeat(FIELDS_MAX + 2).as_bytes()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(proptest::sample::select(&b"-a\r\n:;=\"x"[..]), 0..80)) {
            let _ = parse("a", Charset::Utf8, &body);
        }

        #[test]
        fn a_value_round_trips(value in "[^-]*") {
            let body = format!("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--xyz--\r\n");
            proptest::prop_assert_eq!(read(&body), vec![("a".to_owned(), value)]);
        }
    }
}
