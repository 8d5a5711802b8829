//! JSON for programs that a person may look at: the same values, with an escape for each character
//! that misleads. A parser sees no difference.

use std::io::{self, Write};

use news_core::chars::misleads;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Writes a document over several lines.
pub fn pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, PlainFormatter(PrettyFormatter::new())))?;
    Ok(())
}

/// Writes a document on one line.
pub fn compact(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, PlainFormatter(CompactFormatter)))?;
    Ok(())
}

/// Returns a document on one line.
pub fn line(value: &impl Serialize) -> String {
    let mut line = Vec::new();
    // Plain data, written to memory: neither has a way to fail.
    let _ = compact(value, &mut line);
    String::from_utf8(line).unwrap_or_default()
}

/// Another formatter, but for such characters in texts.
struct PlainFormatter<F>(F);

macro_rules! as_the_other_does {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for PlainFormatter<F> {
    as_the_other_does! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| misleads(*c)) {
            self.0.write_string_fragment(writer, &rest[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped_and_reads_back() {
        let value =
            serde_json::json!({ "a\u{202e}": ["x\u{9b}31m\u{2028}\u{7f}\n", 1, null, {}], "b": "déjà 😀 \u{e0041}" });
        let written = line(&value);
        assert_eq!(
            written,
            "{\"a\\u202e\":[\"x\\u009b31m\\u2028\\u007f\\n\",1,null,{}],\"b\":\"déjà 😀 \\udb40\\udc41\"}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
        let mut several = Vec::new();
        pretty(&value, &mut several).unwrap();
        assert!(several.starts_with(b"{\n  \"a\\u202e\": [\n    \"x"));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&several).unwrap(), value);
    }
}
