//! Members of JSON documents, by the names that lead to them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Returns the text of the value at a path of a JSON text; of an empty path the whole text, whatever it is.
pub fn text_at<'a>(json: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(json, |json, name| {
        let members: BTreeMap<String, &'a RawValue> = serde_json::from_str(json).ok()?;
        members.get(*name).map(|value| value.get())
    })
}

/// Returns the value at a path.
pub fn at<'a>(members: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(members.get(*first)?, |value, name| value.get(*name))
}

/// Puts a value at a path. What is in its way, and is no object, gives way.
pub fn put(members: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        members.insert((*first).to_owned(), value);
        return;
    }
    let inner = members.entry(*first).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// Takes the value at a path away.
pub fn take(members: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return members.remove(*first);
    }
    let inner = members.get_mut(*first)?.as_object_mut()?;
    take(inner, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_at_a_path_is_found_there() {
        let mut members = Map::new();
        put(&mut members, &["a", "b"], Value::from(1));
        put(&mut members, &["a", "c"], Value::from("x"));
        put(&mut members, &["d"], Value::from(2));
        put(&mut members, &["d", "e"], Value::from(3));
        let json = serde_json::to_string(&members).unwrap();
        assert_eq!(json, r#"{"a":{"b":1,"c":"x"},"d":{"e":3}}"#);
        assert_eq!((text_at(&json, &["a", "c"]), text_at(&json, &["d"])), (Some("\"x\""), Some("{\"e\":3}")));
        assert_eq!((text_at(&json, &["a", "z"]), text_at("no JSON", &["a"])), (None, None));
        assert_eq!(text_at("no JSON", &[]), Some("no JSON"));
        assert_eq!((at(&members, &["a", "b"]), at(&members, &["a", "b", "c"])), (Some(&Value::from(1)), None));
        assert_eq!(take(&mut members, &["a", "b"]), Some(Value::from(1)));
        assert_eq!((take(&mut members, &["a", "b"]), at(&members, &[])), (None, None));
    }
}
