//! The target's JSON shape (camelCase) <-> model.
//!
//! Reading is in two steps, since the readers differ in what they forgive. An [`Element`]
//! is whatever a listing holds, with its faults noted: a diff compares elements, wrong
//! ones too. [`Element::into_object`] is strict: what an import takes.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::fingerprint::{self, Fingerprint, Hasher};
use crate::model::{Comment, Entity, Fault, Key, Object, Post, PostId, Value};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostOut<'a> {
    user_id: i64,
    id: i64,
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommentOut<'a> {
    post_id: i64,
    id: i64,
    name: &'a str,
    email: &'a str,
    body: &'a str,
}

/// Returns the object as the target wants it: all fields, body id = URL id (TARGETS 10).
pub fn to_json(object: &Object) -> String {
    let json = match object {
        Object::Post(p) => {
            serde_json::to_string(&PostOut { user_id: p.user_id(), id: p.id().get(), title: p.title(), body: p.body() })
        }
        Object::Comment(c) => serde_json::to_string(&CommentOut {
            post_id: c.post_id().get(),
            id: c.id().get(),
            name: c.name(),
            email: c.email(),
            body: c.body(),
        }),
    };
    // A struct of numbers and texts has no way to fail.
    json.unwrap_or_default()
}

/// The number field of an entity: whose post, which post's comment.
fn number_field(entity: Entity) -> &'static str {
    match entity {
        Entity::Post => "userId",
        Entity::Comment => "postId",
    }
}

fn text_fields(entity: Entity) -> &'static [&'static str] {
    match entity {
        Entity::Post => &["title", "body"],
        Entity::Comment => &["name", "email", "body"],
    }
}

/// No entity has more text fields.
const TEXTS_MAX: usize = 3;
/// A faulty element says at most so much: it may be anything.
const FAULTS_MAX: usize = 8;

/// One element of a listing, or an answer to GET: read as far as it can be. Texts without
/// escapes are borrowed from the JSON, so that reading a listing of millions copies little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element<'a> {
    entity: Entity,
    id: Option<i64>,
    number: Option<i64>,
    texts: [Option<Cow<'a, str>>; TEXTS_MAX],
    faults: Vec<Fault>,
}

/// A field that differs: here -> there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDifference {
    /// Its name.
    pub field: &'static str,
    /// The master's value.
    pub local: String,
    /// The target's value; `None` where it has none that can be read.
    pub target: Option<String>,
}

impl<'a> Element<'a> {
    fn new(entity: Entity) -> Self {
        Self { entity, id: None, number: None, texts: [None, None, None], faults: Vec::new() }
    }

    /// Reads one element from JSON text.
    pub fn from_json(entity: Entity, json: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let element = ElementSeed(entity).deserialize(&mut reader)?;
        reader.end()?;
        Ok(element)
    }

    /// Returns the same, with nothing borrowed.
    pub fn into_owned(self) -> Element<'static> {
        let texts = self.texts.map(|text| text.map(|text| Cow::Owned(text.into_owned())));
        Element { entity: self.entity, id: self.id, number: self.number, texts, faults: self.faults }
    }

    /// Returns the id, if it has one that is a whole number. It may be none of ours.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// Returns its key, if its id is one that we could have.
    pub fn key(&self) -> Option<Key> {
        self.id.and_then(|id| self.entity.key(id).ok())
    }

    /// Returns the post that a comment names, if it is one that we could have.
    pub fn parent(&self) -> Option<PostId> {
        match self.entity {
            Entity::Post => None,
            Entity::Comment => self.number.and_then(|id| PostId::new(id).ok()),
        }
    }

    /// Returns what is wrong with its shape: fields missing or of the wrong type.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Says whether all fields could be read.
    pub fn is_readable(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, field: &'static str, why: &str) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { field, why: why.to_owned() });
        }
    }

    /// Returns the strict object, or everything that is wrong with the element.
    pub fn into_object(self) -> Result<Object, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let [a, b, c] = self.texts.map(|text| text.map(Cow::into_owned).unwrap_or_default());
        let (id, number) = (self.id.unwrap_or_default(), self.number.unwrap_or_default());
        let key =
            self.entity.key(id).map_err(|bad| alloc::vec![Fault { field: "id", why: alloc::format!("{bad}") }])?;
        match key {
            Key::Post(id) => Post::new(id, number, a, b).map(Object::Post),
            Key::Comment(id) => {
                let post = PostId::new(number)
                    .map_err(|bad| alloc::vec![Fault { field: "postId", why: alloc::format!("{bad}") }])?;
                Comment::new(id, post, a, b, c).map(Object::Comment)
            }
        }
    }

    /// Returns the fingerprint of the fields, the id not among them; equal to
    /// [`Fingerprint::of`] an object with the same fields. `None` if unreadable.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        if !self.faults.is_empty() {
            return None;
        }
        let mut hasher = Hasher::default();
        hasher.number(self.number?);
        for text in self.texts.iter().flatten() {
            hasher.text(text);
        }
        Some(hasher.finish())
    }

    /// Appends the fields as [`Fingerprint::of_written`] takes them, the id not among them.
    /// Returns false, and appends nothing, if it is unreadable.
    pub fn write_fields(&self, fields: &mut Vec<u8>) -> bool {
        let (true, Some(number)) = (self.is_readable(), self.number) else { return false };
        fingerprint::write_number(number, fields);
        for text in self.texts.iter().flatten() {
            fingerprint::write_text(text.as_bytes(), fields);
        }
        true
    }

    /// Says whether it has the object's fields; the id is not looked at.
    pub fn same_fields(&self, object: &Object) -> bool {
        self.differences(object).is_empty()
    }

    /// Returns the fields in which it differs from the master's object.
    pub fn differences(&self, object: &Object) -> Vec<FieldDifference> {
        let mut texts = self.texts.iter();
        let mut differences = Vec::new();
        for (field, value) in object.fields() {
            let (same, local, target) = match value {
                Value::Number(local) => {
                    (self.number == Some(local), alloc::format!("{local}"), self.number.map(|n| alloc::format!("{n}")))
                }
                Value::Text(local) => {
                    let target = texts.next().and_then(Option::as_deref);
                    (target == Some(local), local.to_owned(), target.map(ToOwned::to_owned))
                }
            };
            if !same {
                differences.push(FieldDifference { field, local, target });
            }
        }
        differences
    }
}

/// Reads an [`Element`] wherever serde stands, in one pass. What is no object, or lacks
/// fields, is read too, and says so in its faults; only broken JSON is an error.
#[derive(Debug, Clone, Copy)]
pub struct ElementSeed(pub Entity);

impl<'de> DeserializeSeed<'de> for ElementSeed {
    type Value = Element<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// An [`Element`] whose type says that it is one of posts, for readers that take no seed.
#[derive(Debug)]
pub struct PostElement<'a>(pub Element<'a>);

/// An [`Element`] whose type says that it is one of comments.
#[derive(Debug)]
pub struct CommentElement<'a>(pub Element<'a>);

impl<'de> Deserialize<'de> for PostElement<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ElementSeed(Entity::Post).deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for CommentElement<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ElementSeed(Entity::Comment).deserialize(deserializer).map(Self)
    }
}

impl ElementSeed {
    fn no_object<'a>(self, what: &str) -> Element<'a> {
        let mut element = Element::new(self.0);
        element.fault("id", &alloc::format!("{what} instead of an object"));
        element
    }
}

impl<'de> Visitor<'de> for ElementSeed {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element<'de>, A::Error> {
        let mut element = Element::new(self.0);
        let texts = text_fields(self.0);
        // The last of duplicate keys wins, as in most readers.
        let (mut id, mut number, mut read) = (Scalar::Missing, Scalar::Missing, [const { Scalar::Missing }; TEXTS_MAX]);
        while let Some(name) = map.next_key_seed(NameSeed)? {
            let name = name.as_str();
            if name == "id" {
                id = map.next_value_seed(ScalarSeed)?;
            } else if name == number_field(self.0) {
                number = map.next_value_seed(ScalarSeed)?;
            } else if let Some(i) = texts.iter().position(|field| *field == name) {
                read[i] = map.next_value_seed(ScalarSeed)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        element.id = element.whole("id", id);
        element.number = element.whole(number_field(self.0), number);
        for (i, (value, field)) in read.into_iter().zip(texts).enumerate() {
            element.texts[i] = element.text(field, value);
        }
        Ok(element)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.no_object("a list"))
    }

    fn visit_unit<E>(self) -> Result<Element<'de>, E> {
        Ok(self.no_object("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Element<'de>, E> {
        Ok(self.no_object("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Element<'de>, E> {
        Ok(self.no_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Element<'de>, E> {
        Ok(self.no_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element<'de>, E> {
        Ok(self.no_object("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Element<'de>, E> {
        Ok(self.no_object("a text"))
    }
}

impl<'a> Element<'a> {
    /// Takes a number, or a text of digits: some targets answer ids as texts (TARGETS 7).
    fn whole(&mut self, field: &'static str, value: Scalar<'_>) -> Option<i64> {
        let why = match value {
            Scalar::Whole(number) => return Some(number),
            Scalar::Text(text) => match text.parse() {
                Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => return Some(number),
                Ok(_) | Err(_) => alloc::format!("{:?} instead of a number", text.chars().take(40).collect::<String>()),
            },
            Scalar::Missing => "missing".to_owned(),
            Scalar::Other(what) => alloc::format!("{what} instead of a number"),
        };
        self.fault(field, &why);
        None
    }

    fn text(&mut self, field: &'static str, value: Scalar<'a>) -> Option<Cow<'a, str>> {
        let why = match value {
            Scalar::Text(text) => return Some(text),
            Scalar::Missing => "missing".to_owned(),
            Scalar::Whole(_) => "a number instead of a text".to_owned(),
            Scalar::Other(what) => alloc::format!("{what} instead of a text"),
        };
        self.fault(field, &why);
        None
    }
}

/// A field's value as it comes.
#[derive(Debug)]
enum Scalar<'a> {
    Missing,
    Whole(i64),
    Text(Cow<'a, str>),
    Other(&'static str),
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other("a huge number"), Scalar::Whole))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("a fraction"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("a boolean"))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("null"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}

/// The longest name we look for has 6 bytes; longer ones are told apart from it by 8.
struct Name([u8; 8], usize);

impl Name {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0[..self.1]).unwrap_or("")
    }
}

/// Reads a field's name without keeping it on the heap.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name, E> {
        let mut name = Name([0; 8], 0);
        // A name that does not fit is none of ours: it is read as no name at all.
        if let Some(room) = name.0.get_mut(..text.len()) {
            room.copy_from_slice(text.as_bytes());
            name.1 = text.len();
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn read(entity: Entity, json: &str) -> Element<'_> {
        Element::from_json(entity, json.as_bytes()).unwrap()
    }

    #[test]
    fn an_object_reads_back() {
        let json = r#"{"postId":3,"id":7,"name":"a \"b\"","email":"a@b.cd","body":"x\ny\u2028😀"}"#;
        let object = read(Entity::Comment, json).into_object().unwrap();
        let json = to_json(&object);
        let again = read(Entity::Comment, &json);
        assert!(again.same_fields(&object));
        assert_eq!(again.fingerprint(), Some(Fingerprint::of(&object)));
        let mut fields = Vec::new();
        assert!(again.write_fields(&mut fields));
        assert_eq!(Fingerprint::of_written(&fields), Fingerprint::of(&object));
        assert_eq!(again.key(), Some(object.key()));
    }

    #[test]
    fn ids_may_be_texts_and_unknown_fields_are_passed_over() {
        let element = read(
            Entity::Post,
            r#"{"id":"5","userId":1,"title":"t","body":"b","tags":[[{"x":null}]],"longer than a name":1}"#,
        );
        assert_eq!((element.id(), element.is_readable()), (Some(5), true));
    }

    #[test]
    fn every_fault_is_named() {
        let faults = |json| {
            let element = read(Entity::Post, json);
            element.faults().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            faults(r#"{"id":1.5,"userId":null,"title":7}"#),
            vec![
                "id: a fraction instead of a number",
                "userId: null instead of a number",
                "title: a number instead of a text",
                "body: missing",
            ]
        );
        assert_eq!(faults("[1]"), vec!["id: a list instead of an object"]);
        assert_eq!(faults("null"), vec!["id: null instead of an object"]);
        assert_eq!(faults(r#"{"id":"+5","userId":1,"title":"","body":""}"#), vec!["id: \"+5\" instead of a number"]);
    }

    #[test]
    fn differences_name_the_field_and_both_values() {
        let object = read(Entity::Post, r#"{"id":1,"userId":1,"title":"a","body":"b"}"#).into_object().unwrap();
        let there = read(Entity::Post, r#"{"id":1,"userId":2,"title":"a","body":null}"#);
        assert_eq!(
            there.differences(&object),
            vec![
                FieldDifference { field: "userId", local: "1".into(), target: Some("2".into()) },
                FieldDifference { field: "body", local: "b".into(), target: None },
            ]
        );
    }

    #[test]
    fn nul_and_surrogates() {
        let element = read(Entity::Post, r#"{"id":1,"userId":1,"title":"a\u0000b","body":"b"}"#);
        assert_eq!(element.into_object().unwrap_err()[0].to_string(), "title: contains U+0000");
        assert!(Element::from_json(Entity::Post, br#"{"id":1,"title":"\ud800"}"#).is_err());
    }
}
