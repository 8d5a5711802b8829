//! What the body of an accepted write says about it. A 2xx is not proof: some targets answer 200 and say in the body
//! that nothing was done, and some answer with what they made of it.

use alloc::string::String;

use serde_json::{Map, Value};

use super::{Method, Sent};
use crate::model::{Key, Value as Field};
use crate::profile::{Dialect, IdForm, Profile};
use crate::target_id::TargetId;
use crate::wire;

/// What an accepted write's body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Echo {
    /// Nothing that contradicts what was sent.
    #[default]
    Plain,
    /// It is this object, with all that was sent.
    Shown,
    /// It is this object, with other content.
    OtherContent,
    /// It is another object.
    OtherObject,
    /// It has none of our fields, and says that something is wrong.
    Denial,
}

/// Reads the body of a 2xx to a write. `sent` is the object that a POST or PUT carried.
pub(super) fn read(profile: &Profile, method: Method, key: Key, sent: Option<Sent<'_>>, body: &str) -> Echo {
    let Ok(Value::Object(whole)) = serde_json::from_str(body) else { return Echo::Plain };
    let item =
        if profile.item.is_empty() { Some(&whole) } else { wire::at(&whole, profile.item).and_then(Value::as_object) };
    let dialect = profile.dialect(key.entity());
    let key_field = profile.key_field(key.entity());
    let (id_path, id_as) = match key_field {
        Some(field) => (field.field.read, field.form),
        None => (core::slice::from_ref(&dialect.id), profile.id_as),
    };
    let is_there = |fields: &&Map<String, Value>| ours(dialect, id_path).any(|path| wire::at(fields, path).is_some());
    let Some(fields) = item.filter(is_there) else {
        return if is_denial(&whole) { Echo::Denial } else { Echo::Plain };
    };
    let id = wire::at(fields, id_path);
    match (method, id) {
        (_, None) => {}
        // The id in the answer to a POST is told apart elsewhere: the target may assign its own.
        (Method::Post, _) if key_field.is_none() => {}
        (_, Some(id)) => {
            if number(id, id_as) != Some(key.id()) {
                return Echo::OtherObject;
            }
        }
    }
    // What was deleted may be shown as it was.
    let (Method::Get | Method::Post | Method::Put, Some(Sent { object, parent, .. })) = (method, sent) else {
        return Echo::Plain;
    };
    let number_as = if object.parent().is_some() { profile.id_as } else { IdForm::Number };
    let mut is_whole = id.is_some();
    let places = [dialect.number].into_iter().chain(dialect.texts).map(|field| field.read);
    for (path, (_, value)) in places.zip(object.fields()).filter(|(path, _)| !path.is_empty()) {
        let is_same = |there: &Value| match (value, parent) {
            (Field::Number(_), Some(parent)) => TargetId::of_json(there).as_ref() == Some(parent),
            (value, _) => same(value, there, number_as),
        };
        match wire::at(fields, path) {
            None => is_whole = false,
            Some(there) if is_same(there) => {}
            Some(_) => return Echo::OtherContent,
        }
    }
    if is_whole { Echo::Shown } else { Echo::Plain }
}

/// Returns where our fields are shown there: `id`, the number, the texts.
fn ours<'a>(dialect: &'a Dialect, id: &'a [&'static str]) -> impl Iterator<Item = &'a [&'static str]> {
    let texts = dialect.texts.iter().map(|field| field.read).filter(|path| !path.is_empty());
    [id, dialect.number.read].into_iter().chain(texts)
}

fn is_denial(fields: &Map<String, Value>) -> bool {
    let is_something = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !values.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    ["error", "errors"].iter().any(|name| fields.get(*name).is_some_and(is_something))
        || ["success", "ok"].iter().any(|name| fields.get(*name) == Some(&Value::Bool(false)))
}

fn same(here: Field<'_>, there: &Value, number_as: IdForm) -> bool {
    match here {
        Field::Number(here) => number(there, number_as) == Some(here),
        Field::Text(here) => there.as_str() == Some(here),
    }
}

/// Some targets show numbers as texts.
fn number(value: &Value, form: IdForm) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => form.read(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Entity;
    use crate::profile::JSON_SERVER;
    use crate::wire::Element;

    #[test]
    fn echoes() {
        use Method::{Delete, Post, Put};
        let key: Key = "posts/5".parse().unwrap();
        let json = r#"{"id":5,"userId":1,"title":"t","body":"b"}"#;
        let sent = Element::from_json(Entity::Post, json.as_bytes()).unwrap().into_object().unwrap();
        for (method, body, echo) in [
            (Put, json, Echo::Shown),
            (Put, "", Echo::Plain),
            (Put, "OK", Echo::Plain),
            (Put, "{}", Echo::Plain),
            (Put, "[1]", Echo::Plain),
            (Put, r#"{"id":"5","userId":"1"}"#, Echo::Plain),
            (Put, r#"{"title":"t","updatedAt":7,"error":"none of ours"}"#, Echo::Plain),
            (Put, r#"{"id":5,"title":"T"}"#, Echo::OtherContent),
            (Put, r#"{"id":5,"userId":null}"#, Echo::OtherContent),
            (Put, r#"{"id":6,"userId":1,"title":"t","body":"b"}"#, Echo::OtherObject),
            (Put, r#"{"id":"005"}"#, Echo::OtherObject),
            (Put, r#"{"success":false}"#, Echo::Denial),
            (Put, r#"{"ok":false,"message":"no"}"#, Echo::Denial),
            (Put, r#"{"errors":["no"]}"#, Echo::Denial),
            (Put, r#"{"error":""}"#, Echo::Plain),
            (Put, r#"{"error":null,"success":true}"#, Echo::Plain),
            (Put, r#"{"success":"false"}"#, Echo::Plain),
            (Delete, r#"{"id":5,"title":"as it was"}"#, Echo::Plain),
            (Delete, r#"{"id":6}"#, Echo::OtherObject),
            (Delete, r#"{"error":"not found"}"#, Echo::Denial),
            (Post, r#"{"id":101,"userId":1,"title":"t","body":"b"}"#, Echo::Shown),
            (Post, r#"{"id":5,"title":"T"}"#, Echo::OtherContent),
            (Post, r#"{"success":false}"#, Echo::Denial),
        ] {
            let sent = Some(Sent { object: &sent, parent: None, kept: None });
            assert_eq!(read(&JSON_SERVER, method, key, sent, body), echo, "{method:?} {body}");
        }
    }
}
