//! JSON as Python's `json.loads` reads it, strictly.
//!
//! serde_json is not used here for three things that clients can see: lone surrogates
//! (Python takes them, and the field's check names them), integers of any length, and the
//! text of a float. NaN and Infinity are refused, and depth is limited.

use std::collections::BTreeMap;

use super::python;
use super::value::{Text, Value};

/// Nesting deeper than this is refused, so that no body can exhaust the stack.
pub const DEPTH_MAX: usize = 128;
/// Python refuses to read a longer integer (sys.int_info.default_max_str_digits).
const INT_DIGITS_MAX: usize = 4300;

/// Why a text is no JSON: what, and where in it, in characters from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at}")]
pub struct BadJson {
    what: &'static str,
    at: usize,
}

/// Reads one JSON value that is the whole of `text`.
pub fn parse(text: &str) -> Result<Value, BadJson> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0).and_then(|value| {
        parser.skip_space();
        if parser.at == text.len() { Ok(value) } else { Err("text after the value") }
    });
    value.map_err(|what| BadJson { what, at: text.get(..parser.at).unwrap_or(text).chars().count() })
}

type ParseStep<T> = Result<T, &'static str>;

struct Parser<'a> {
    text: &'a str,
    /// The byte read next: always at a character's beginning.
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> ParseStep<Value> {
        if depth > DEPTH_MAX {
            return Err("nested too deeply");
        }
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err("expected a value"),
        }
    }

    fn word(&mut self) -> ParseStep<Value> {
        for (word, value) in [("null", Value::Null), ("true", Value::Bool), ("false", Value::Bool)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("expected a value")
    }

    fn object(&mut self, depth: usize) -> ParseStep<Value> {
        self.at += 1;
        let mut fields = BTreeMap::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err("expected a key in double quotes");
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err("expected ':'");
            }
            let value = self.value(depth + 1)?;
            // The last of duplicate keys wins.
            fields.insert(key.into_lossy(), value);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.eat(b',') {
                return Err("expected ',' or '}'");
            }
        }
    }

    fn list(&mut self, depth: usize) -> ParseStep<Value> {
        self.at += 1;
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::List);
        }
        loop {
            // No field takes a list: what is in it need only be well-formed.
            self.value(depth + 1)?;
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List);
            }
            if !self.eat(b',') {
                return Err("expected ',' or ']'");
            }
        }
    }

    fn digits(&mut self) -> ParseStep<usize> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from { Ok(self.at - from) } else { Err("expected a digit") }
    }

    fn number(&mut self) -> ParseStep<Value> {
        let from = self.at;
        self.eat(b'-');
        let whole = if self.eat(b'0') { 1 } else { self.digits()? };
        let mut is_float = false;
        if self.eat(b'.') {
            is_float = true;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_float = true;
            self.at += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        let text = self.text.get(from..self.at).unwrap_or_default();
        if is_float {
            let number = text.parse::<f64>().map_err(|_| "not a number")?;
            return Ok(Value::Float(python::float_text(number)));
        }
        if whole > INT_DIGITS_MAX {
            return Err("an integer with too many digits");
        }
        Ok(Value::Int(if text == "-0" { "0" } else { text }.to_owned()))
    }

    fn string(&mut self) -> ParseStep<Text> {
        self.at += 1;
        let mut text = Text::default();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c: char| c < ' ' || c == '"' || c == '\\').ok_or("a string without an end")?;
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) | None => return Err("a control character in a string"),
            }
        }
    }

    fn escape(&mut self, text: &mut Text) -> ParseStep<()> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let c = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(text),
            Some(_) | None => return Err("no such escape"),
        };
        self.at += 2;
        text.push(c);
        Ok(())
    }

    /// Returns the unit that `\uXXXX` at byte `at` stands for.
    fn unit(&self, at: usize) -> Option<u16> {
        let hex = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        // from_str_radix would take a sign.
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(hex, 16).ok()
    }

    fn unicode(&mut self, text: &mut Text) -> ParseStep<()> {
        let first = self.unit(self.at).ok_or("expected four hexadecimal digits")?;
        let pair = match first {
            0xD800..=0xDBFF => self.unit(self.at + 6).filter(|second| (0xDC00..=0xDFFF).contains(second)),
            _ => None,
        };
        let units: &[u16] = match &pair {
            Some(second) => &[first, *second],
            None => &[first],
        };
        self.at += 6 * units.len();
        for decoded in char::decode_utf16(units.iter().copied()) {
            match decoded {
                Ok(c) => text.push(c),
                Err(lone) => text.push_surrogate(lone.unpaired_surrogate()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Value {
        match parse(&format!("{{\"a\": {text}}}")) {
            Ok(Value::Object(mut fields)) => fields.remove("a").unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_keep_pythons_text() {
        let table = [
            ("12", "12"),
            ("-7", "-7"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ];
        for (json, text) in table {
            assert_eq!(field(json), Value::Int(text.to_owned()));
        }
        for (json, text) in [("1.50", "1.5"), ("1e2", "100.0"), ("-0.0", "-0.0"), ("1E+2", "100.0"), ("1e400", "inf")] {
            assert_eq!(field(json), Value::Float(text.to_owned()));
        }
    }

    #[test]
    fn strings() {
        let table = [
            (r#""a\n\t\"\\\/\b\f\r""#, "a\n\t\"\\/\u{8}\u{c}\r"),
            (r#""\ud83d\ude00é""#, "😀é"),
            (r#""\u0000""#, "\0"),
        ];
        for (json, text) in table {
            assert_eq!(field(json), Value::Text(Text::from(text)), "{json}");
        }
        let Value::Text(lone) = field(r#""a\ud800b\udc00""#) else { panic!("no text") };
        assert_eq!((lone.as_str(), lone.surrogate()), ("a\u{fffd}b\u{fffd}", Some(0xD800)));
        assert_eq!(
            parse(r#"{"a": 1, "a": 2, "\ud800": 3}"#)
                .map(|v| matches!(v, Value::Object(f) if f["a"] == Value::Int("2".into()))),
            Ok(true)
        );
    }

    #[test]
    fn what_is_no_json() {
        let table = [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "NaN",
            "Infinity",
            "-Infinity",
            "nul",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "1 2",
            "\u{feff}{}",
            "{\"a\" 1}",
            "'a'",
            "[1 2]",
            "-",
            "--1",
            "// x",
        ];
        for text in table {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("[\"é\", x]").unwrap_err().to_string(), "expected a value at character 6");
    }

    #[test]
    fn limits() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        for depth in [DEPTH_MAX + 2, 30_000] {
            assert!(parse(&nested(depth)).is_err());
            assert!(parse(&"{\"a\":".repeat(depth)).is_err());
        }
        assert!(parse(&"9".repeat(INT_DIGITS_MAX)).is_ok());
        assert!(parse(&"9".repeat(INT_DIGITS_MAX + 1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_near_json(text in r#"[\[\]{}:,"\\u0-9dDaAeE.+\- ntrf]{0,40}"#) {
            let ours = parse(&text).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            proptest::prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn strings_round_trip(text in proptest::arbitrary::any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(parse(&json), Ok(Value::Text(Text::from(text.as_str()))));
        }
    }
}
