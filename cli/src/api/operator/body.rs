//! Bodies of the console's acts: JSON in, checked values or 400 out, in words that name no type of ours.

use std::collections::BTreeSet;

use news_core::Key;
use serde_json::{Map, Value};

use super::query::{self, bad};
use crate::api::handlers::Context;
use crate::api::media::Media;
use crate::api::response::Problem;
use crate::store::decisions::Saw;

/// An object of JSON.
pub struct JsonBody(Map<String, Value>);

impl JsonBody {
    /// Reads it. It has no fields but these.
    pub fn read(context: &Context<'_>, fields: &[&str]) -> Result<Self, Problem> {
        let media =
            context.request.header("content-type").map(Media::parse).map(|media| media.kind).unwrap_or_default();
        if media != "application/json" {
            return Err(Problem::Unsupported(media));
        }
        Self::parse(&context.request.body, fields)
    }

    fn parse(bytes: &[u8], fields: &[&str]) -> Result<Self, Problem> {
        let value = serde_json::from_slice(bytes).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::Malformed(format!("body: expected JSON, got something else at {place}"))
        })?;
        Self::of(value, "body", fields)
    }

    fn of(value: Value, name: &str, fields: &[&str]) -> Result<Self, Problem> {
        let Value::Object(map) = value else { return Err(wrong(name, "an object", &value)) };
        match map.keys().find(|field| !fields.contains(&field.as_str())) {
            Some(other) => Err(bad(name, format_args!("no fields but {}", fields.join(", ")), other)),
            None => Ok(Self(map)),
        }
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        self.0.get(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "a text", value))).transpose()
    }

    /// Returns a number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number = |value: &Value| value.as_u64().ok_or_else(|| wrong(name, "a whole number from 0", value));
        self.0.get(name).map(number).transpose()
    }

    /// Returns keys of objects, none where there is no such field.
    pub fn keys(&self, name: &str) -> Result<Vec<Key>, Problem> {
        self.list(name)?.iter().map(|value| key(name, value)).collect()
    }

    /// Returns the objects of `keys`, with the last event that was shown of each: at least one, at most `max`, none twice.
    pub fn saw(&self, max: usize) -> Result<Vec<Saw>, Problem> {
        let list = self.list("keys")?;
        how_many(list.len(), max)?;
        let saw = list.iter().map(|one| {
            let one = Self::of(one.clone(), "keys", &["key", "event_id"])?;
            let event_id = match one.0.get("event_id") {
                None | Some(Value::Null) => None,
                Some(_) => one.number("event_id")?.map(|id| i64::try_from(id).unwrap_or(i64::MAX)),
            };
            Ok(Saw { key: key("key", one.0.get("key").unwrap_or(&Value::Null))?, event_id })
        });
        let saw = saw.collect::<Result<Vec<Saw>, Problem>>()?;
        if saw.iter().map(|saw| saw.key).collect::<BTreeSet<Key>>().len() < saw.len() {
            return Err(Problem::Malformed(String::from("keys: expected each once")));
        }
        Ok(saw)
    }

    /// Says whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn list(&self, name: &str) -> Result<&[Value], Problem> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(value) => value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(name, "a list", value)),
        }
    }
}

/// Refuses a list of keys that is empty or too long.
pub fn how_many(keys: usize, max: usize) -> Result<(), Problem> {
    if (1..=max).contains(&keys) {
        return Ok(());
    }
    Err(Problem::Malformed(format!("keys: expected 1 to {max}, got {keys}")))
}

fn key(name: &str, value: &Value) -> Result<Key, Problem> {
    const KEY: &str = "posts/5 or comments/7";
    let text = value.as_str().ok_or_else(|| wrong(name, KEY, value))?;
    text.parse().map_err(|_| bad(name, KEY, text))
}

/// Refuses a value.
fn wrong(name: &str, expected: &str, got: &Value) -> Problem {
    let what = match got {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "another number",
        Value::String(text) => return query::bad(name, expected, text),
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let what = if matches!(got, Value::Number(_)) && !expected.contains("number") { "a number" } else { what };
    Problem::Malformed(format!("{name}: expected {expected}, got {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        let read = |text: &str| {
            let body = JsonBody::parse(text.as_bytes(), &["keys", "events", "why"])?;
            body.saw(2)?;
            body.number("events")?;
            body.text("why").map(drop)
        };
        for (text, why) in [
            ("", "body: expected JSON, got something else at line 1, column 0"),
            ("[1]", "body: expected an object, got a list"),
            (r#"{"keyz": []}"#, r#"body: expected no fields but keys, events, why, got "keyz""#),
            ("{}", "keys: expected 1 to 2, got 0"),
            (r#"{"keys": 5}"#, "keys: expected a list, got a number"),
            (r#"{"keys": [5]}"#, "keys: expected an object, got a number"),
            (r#"{"keys": [{}]}"#, "key: expected posts/5 or comments/7, got nothing"),
            (r#"{"keys": [{"key": "posts/0"}]}"#, r#"key: expected posts/5 or comments/7, got "posts/0""#),
            (
                r#"{"keys": [{"key": "posts/5", "event_id": -1}]}"#,
                "event_id: expected a whole number from 0, got another number",
            ),
            (
                r#"{"keys": [{"key": "posts/5", "event_id": "x"}]}"#,
                r#"event_id: expected a whole number from 0, got "x""#,
            ),
            (r#"{"keys": [{"key": "posts/5"}, {"key": "posts/5"}]}"#, "keys: expected each once"),
            (
                r#"{"keys": [{"key": "posts/5"}], "events": true}"#,
                "events: expected a whole number from 0, got true or false",
            ),
            (r#"{"keys": [{"key": "posts/5"}], "why": {}}"#, "why: expected a text, got an object"),
        ] {
            assert_eq!(read(text), Err(Problem::Malformed(why.to_owned())), "{text}");
        }
        assert_eq!(read(r#"{"keys": [{"key": "posts/5", "event_id": null}], "events": 4, "why": ""}"#), Ok(()));
    }
}
