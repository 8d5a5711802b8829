//! An id that a target chose.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// A longer one is not taken for an id, in characters.
const CHARS_MAX: usize = 64;

/// An id that a target chose: a number, or a text. In a path both are the same, so `17` and `"17"` are equal.
#[derive(Debug, Clone)]
pub struct TargetId {
    text: String,
    is_number: bool,
}

impl TargetId {
    /// Returns the id that is this number.
    pub fn number(number: i64) -> Self {
        Self { text: number.to_string(), is_number: true }
    }

    /// Returns the id that is this text; `None` where it is empty, or longer than an id is.
    pub fn text(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.chars().count() <= CHARS_MAX;
        fits.then(|| Self { text: text.to_owned(), is_number: false })
    }

    /// Reads one from JSON; `None` where it is neither a whole number nor such a text.
    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::number),
            Value::String(text) => Self::text(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl PartialEq for TargetId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TargetId {}

/// As it stands in a path.
impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As the target shows it.
impl Serialize for TargetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text.parse::<i64>() {
            Ok(number) if self.is_number => serializer.serialize_i64(number),
            Ok(_) | Err(_) => serializer.serialize_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_was_read() {
        for (json, path) in [("17", Some("17")), (r#""17""#, Some("17")), (r#""a/b""#, Some("a/b")), ("-3", Some("-3"))]
        {
            let id = TargetId::of_json(&serde_json::from_str(json).unwrap()).unwrap();
            assert_eq!((serde_json::to_string(&id).unwrap().as_str(), Some(id.to_string().as_str())), (json, path));
        }
        for json in ["1.5", r#""""#, "null", "[1]", "true"] {
            assert_eq!(TargetId::of_json(&serde_json::from_str(json).unwrap()), None, "{json}");
        }
        assert_eq!(TargetId::text(&"x".repeat(65)), None);
        assert_eq!(TargetId::text("17"), Some(TargetId::number(17)), "the same path, the same object");
    }
}
