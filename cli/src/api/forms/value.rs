//! What a body holds, whichever way it was written.

use std::collections::BTreeMap;

/// A text that may hold lone surrogates, which Rust's cannot: each counts as one
/// character (U+FFFD stands in for it), and the first is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    text: String,
    surrogate: Option<u16>,
}

impl Text {
    /// Adds a character.
    pub fn push(&mut self, c: char) {
        self.text.push(c);
    }

    /// Adds text.
    pub fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a lone surrogate.
    pub fn push_surrogate(&mut self, unit: u16) {
        self.text.push(char::REPLACEMENT_CHARACTER);
        self.surrogate = self.surrogate.or(Some(unit));
    }

    /// Returns the text, with U+FFFD for surrogates.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the first lone surrogate.
    pub fn surrogate(&self) -> Option<u16> {
        self.surrogate
    }

    /// Returns the text, with U+FFFD for surrogates.
    pub fn into_lossy(self) -> String {
        self.text
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), surrogate: None }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, surrogate: None }
    }
}

/// A value, as far as a field can want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool,
    /// An integer, as Python prints it.
    Int(String),
    /// A number with a point or an exponent, as Python prints it.
    Float(String),
    /// A text.
    Text(Text),
    /// A list, whatever is in it.
    List,
    /// An object.
    Object(BTreeMap<String, Value>),
    /// An uploaded file.
    File,
}

impl Value {
    /// Returns what Python calls its type.
    pub fn python_type(&self) -> &'static str {
        match self {
            Value::Null => "NoneType",
            Value::Bool => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List => "list",
            Value::Object(_) => "dict",
            Value::File => "InMemoryUploadedFile",
        }
    }
}
