//! JSON of other programs <-> model, in the names of a profile.
//!
//! Reading is in two steps, since the readers differ in what they forgive. An [`Element`]
//! is whatever a listing holds, with its faults noted: a diff compares elements, wrong
//! ones too. [`Element::into_object`] is strict: what an import takes.

mod mend;
mod others;
mod read;
#[cfg(test)]
mod tests;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use others::OtherFields;
pub use read::{CommentElement, ElementSeed, PostElement};

use crate::fingerprint::{self, Fingerprint, Hasher};
use crate::model::{BadId, Entity, Fault, Key, Object, PostId, Value};
use crate::profile::{IdForm, JSON_SERVER, Profile};
use crate::shape::{ID, TEXTS_MAX};

/// Returns the object as the target wants it: all fields, body id = URL id.
pub fn to_json(profile: &Profile, object: &Object) -> String {
    // Numbers and texts have no way to fail.
    serde_json::to_string(&Out { profile, object }).unwrap_or_default()
}

struct Out<'a> {
    profile: &'a Profile,
    object: &'a Object,
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { profile, object } = self;
        let entity = object.key().entity();
        let dialect = profile.dialect(entity);
        let mut map = serializer.serialize_map(None)?;
        match (profile.id_as, entity.shape().number.parent) {
            (IdForm::Text { .. }, Some(_)) => {
                map.serialize_entry(dialect.number, &profile.id_as.write(object.number()))?;
            }
            (IdForm::Number, _) | (_, None) => map.serialize_entry(dialect.number, &object.number())?,
        }
        let id = object.key().id();
        match profile.id_as {
            IdForm::Number => map.serialize_entry(dialect.id, &id)?,
            IdForm::Text { .. } => map.serialize_entry(dialect.id, &profile.id_as.write(id))?,
        }
        for (name, value) in dialect.texts.iter().zip(object.texts()) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The byte order mark of UTF-8: some programs put it in front of their JSON.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// Names of fields that are not ours; the first few.
    others: Vec<Cow<'a, str>>,
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
        Self { entity, id: None, number: None, texts: [None, None, None], faults: Vec::new(), others: Vec::new() }
    }

    /// Reads one element from JSON text with the names of the shapes, as json-server has them.
    pub fn from_json(entity: Entity, json: &'a [u8]) -> Result<Self, serde_json::Error> {
        Self::read(&JSON_SERVER, entity, json)
    }

    /// Reads one element from a target's JSON text. Text that is no Unicode is a fault of its field.
    ///
    /// A byte order mark in front of it is passed over, as RFC 8259 section 8.1 allows.
    pub fn read(profile: &Profile, entity: Entity, json: &'a [u8]) -> Result<Self, serde_json::Error> {
        let seed = ElementSeed { profile, entity };
        let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
        let error = match read::strictly(seed, json) {
            Ok(element) => return Ok(element),
            Err(error) => error,
        };
        let Some(mended) = mend::mended(json) else { return Err(error) };
        let mut element = read::strictly(seed, mended.as_bytes())?.into_owned(usize::MAX);
        for (i, field) in entity.shape().texts.iter().enumerate() {
            if element.texts[i].as_ref().is_some_and(|text| text.contains(mend::REPLACEMENT)) {
                element.fault(field.name, "no Unicode (a surrogate alone, or bytes that are no UTF-8)");
            }
        }
        Ok(element)
    }

    /// Returns the same, with nothing borrowed, and of each text no more than `bytes_max` bytes and
    /// a sign that it was cut.
    pub fn into_owned(self, bytes_max: usize) -> Element<'static> {
        let cut = |text: Cow<'_, str>| {
            if text.len() <= bytes_max {
                return Cow::Owned(text.into_owned());
            }
            let mut part = text[..text.floor_char_boundary(bytes_max)].to_owned();
            part.push('…');
            Cow::Owned(part)
        };
        let texts = self.texts.map(|text| text.map(cut));
        let others = self.others.iter().map(|name| Cow::Owned(others::cut(name))).collect();
        Element { entity: self.entity, id: self.id, number: self.number, texts, faults: self.faults, others }
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
        self.number.and_then(|number| self.entity.parent(number))
    }

    /// Returns how many bytes its texts have.
    pub fn text_bytes(&self) -> usize {
        self.texts.iter().flatten().map(|text| text.len()).sum()
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
        let (id, number) = (self.id.unwrap_or_default(), self.number.unwrap_or_default());
        let fault = |bad: BadId| alloc::vec![Fault { field: ID, why: alloc::format!("{bad}") }];
        let key = self.entity.key(id).map_err(fault)?;
        Object::new(key, number, self.texts.into_iter().flatten().map(Cow::into_owned))
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
