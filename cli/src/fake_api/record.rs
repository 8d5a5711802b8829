//! Records as targets keep them: any JSON object, its fields in the order they came.

use std::fmt;

use news_core::profile::JSON_SERVER;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// The field that holds a record's id.
pub use news_core::shape::ID;
/// The field of a comment that names its post.
pub const POST_ID: &str = JSON_SERVER.comments.number.read[0];

/// 2^53: JavaScript rounds integers beyond it.
const EXACT_MAX: u64 = 1 << 53;

/// An id as targets compare ids: by its text, so that `5` and `"5"` are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A whole number, or the text of one.
    Number(i64),
    /// Any other text.
    Text(Box<str>),
}

impl Id {
    /// Returns the id with this text.
    pub fn of_text(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            Ok(_) | Err(_) => Self::Text(text.into()),
        }
    }

    /// Returns the id in a field; `None` where JavaScript finds nothing there (`null`, `0`, `""`, `false`).
    pub fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null | Value::Bool(false) => None,
            Value::String(text) if text.is_empty() => None,
            Value::Number(number) if number.as_i64() == Some(0) => None,
            Value::Number(_) | Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Some(Self::named(value))
            }
        }
    }

    /// Returns the id that a value names when it is turned into text.
    fn named(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::of_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Self::of_text(&value.to_string())
            }
        }
    }

    /// Returns the id as a JSON value: a number where it is one, unless texts are asked for.
    pub fn to_value(&self, spelling: Spelling) -> Value {
        match (self, spelling) {
            (Self::Number(number), Spelling::AsCame) => Value::from(*number),
            (Self::Number(_) | Self::Text(_), _) => Value::from(self.to_string()),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// How records show their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// As they came in.
    #[default]
    AsCame,
    /// The record's own id as a text, other ids as they came (json-server 1.0 beta.15).
    OwnText,
    /// Every id as a text.
    AllText,
}

/// A record's fields, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Reads a JSON object. Arrays are an error, too: a target that takes one does odd things with it.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns the field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Sets a field: in its place if it is there, else as the last.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Sets all of `other`'s fields.
    pub fn assign(&mut self, other: Fields) {
        for (name, value) in other.0 {
            self.set(&name, value);
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    fields.set(&name, rounded(value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Returns `value` with its numbers as JavaScript keeps them: 64-bit floats, whole ones shown without a point.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(rounded_number(number)),
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

fn rounded_number(number: Number) -> Number {
    if number.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT_MAX) {
        return number;
    }
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 9e18 => {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^63")]
            let whole = float as i64;
            Number::from(whole)
        }
        Some(float) => Number::from_f64(float).unwrap_or(number),
        None => number,
    }
}

/// Where a record says it belongs, in its field [`POST_ID`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// It has no such field.
    Nowhere,
    /// The field is null: json-server 0.17 stumbles over it.
    Null,
    /// To the post of this id, there or not.
    To(Id),
}

/// A record in stock: what is asked of it often, and its JSON text ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    id: Id,
    belongs: Belongs,
    json: Box<str>,
}

impl Record {
    /// Makes a record of `fields` under `id`, whatever id they have; `id` takes the place of theirs.
    pub fn new(id: Id, mut fields: Fields, spelling: Spelling) -> Self {
        let shown = match fields.get(ID) {
            Some(value) if spelling == Spelling::AsCame && Id::of_value(value).as_ref() == Some(&id) => value.clone(),
            Some(_) | None => id.to_value(spelling),
        };
        fields.set(ID, shown);
        let belongs = match fields.get(POST_ID) {
            None => Belongs::Nowhere,
            Some(Value::Null) => Belongs::Null,
            Some(value) => Belongs::To(Id::named(value)),
        };
        if spelling == Spelling::AllText {
            for (name, value) in &mut fields.0 {
                if name.ends_with("Id") && value.is_number() {
                    *value = Value::from(value.to_string());
                }
            }
        }
        // Maps with text keys and JSON values always have a JSON form.
        let json = serde_json::to_string(&fields).unwrap_or_default().into();
        Self { id, belongs, json }
    }

    /// Returns the id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Returns the post that it belongs to, if it names one.
    pub fn post(&self) -> Option<&Id> {
        match &self.belongs {
            Belongs::To(post) => Some(post),
            Belongs::Nowhere | Belongs::Null => None,
        }
    }

    /// Returns where it says it belongs.
    pub fn belongs(&self) -> &Belongs {
        &self.belongs
    }

    /// Returns the record as JSON, in one line.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Returns the fields.
    pub fn fields(&self) -> Fields {
        // It was made by to_string above.
        Fields::parse(&self.json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_by_their_text() {
        for (json, expected) in [
            ("5", Some(Id::Number(5))),
            ("\"5\"", Some(Id::Number(5))),
            ("\"05\"", Some(Id::Text("05".into()))),
            ("\"a b\"", Some(Id::Text("a b".into()))),
            ("-1", Some(Id::Number(-1))),
            ("true", Some(Id::Text("true".into()))),
            ("0", None),
            ("\"\"", None),
            ("null", None),
            ("false", None),
        ] {
            assert_eq!(Id::of_value(&serde_json::from_str(json).unwrap()), expected, "{json}");
        }
    }

    #[test]
    fn numbers_are_javascripts() {
        for (given, kept) in [
            ("1", "1"),
            ("1.0", "1"),
            ("1.5", "1.5"),
            ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740992"),
            ("-9007199254740993", "-9007199254740992"),
            ("[1e3, {\"n\": 2.0}]", "[1000,{\"n\":2}]"),
        ] {
            let fields = Fields::parse(&format!("{{\"n\": {given}}}")).unwrap();
            assert_eq!(serde_json::to_string(&fields).unwrap(), format!("{{\"n\":{kept}}}"));
        }
    }

    #[test]
    fn fields_keep_their_order_and_the_last_of_a_name() {
        let fields = Fields::parse("{\"z\": 1, \"a\": 2, \"z\": 3}").unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), "{\"z\":3,\"a\":2}");
        assert!(Fields::parse("[]").is_err());
        assert!(Fields::parse("7").is_err());
    }

    #[test]
    fn the_spelling_of_ids() {
        let text = "{\"postId\":1,\"id\":7,\"name\":\"n\"}";
        for (spelling, expected) in [
            (Spelling::AsCame, "{\"postId\":1,\"id\":7,\"name\":\"n\"}"),
            (Spelling::OwnText, "{\"postId\":1,\"id\":\"7\",\"name\":\"n\"}"),
            (Spelling::AllText, "{\"postId\":\"1\",\"id\":\"7\",\"name\":\"n\"}"),
        ] {
            let record = Record::new(Id::Number(7), Fields::parse(text).unwrap(), spelling);
            assert_eq!(record.json(), expected);
            assert_eq!(record.post(), Some(&Id::Number(1)));
        }
    }
}
