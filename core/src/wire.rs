//! JSON of other programs <-> model, in the names of a profile.
//!
//! Reading is in two steps, since the readers differ in what they forgive. An [`Element`]
//! is whatever a listing holds, with its faults noted: a diff compares elements, wrong
//! ones too. [`Element::into_object`] is strict: what an import takes.

mod members;
mod mend;
mod names;
mod others;
mod read;
#[cfg(test)]
mod tests;

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::{Serialize, Serializer};
use serde_json::Map;

pub use members::{at, put, take, text_at};
pub use others::OtherFields;
pub use read::{CommentElement, ElementSeed, PostElement};

use crate::fingerprint::{self, Fingerprint, Hasher};
use crate::model::{BadId, Entity, Fault, Key, Object, PostId, Value};
use crate::profile::{Constant, IdForm, JSON_SERVER, Profile};
use crate::shape::{ID, TEXTS_MAX};
use crate::target_id::TargetId;

/// Returns the object as the target wants it: all fields, body id = URL id. Where the target chooses the ids, the key field
/// has ours, and `parent` is the target's id of the object's post.
pub fn to_json(profile: &Profile, object: &Object, parent: Option<&TargetId>) -> String {
    let out = Out { profile, object, parent };
    let paths = [profile.dialect(object.key().entity()).number].into_iter();
    let key = profile.key_field(object.key().entity()).map(|key| key.field);
    let mut paths = paths.chain(profile.dialect(object.key().entity()).texts).chain(key).map(|field| field.write);
    // Numbers and texts have no way to fail.
    if profile.wrap.is_empty() && paths.all(|path| path.len() <= 1) {
        return serde_json::to_string(&out).unwrap_or_default();
    }
    let mut members = Map::new();
    for (path, value) in out.entries().filter(|(path, _)| !path.is_empty()) {
        let path: Vec<&str> = profile.wrap.iter().chain(path).copied().collect();
        members::put(&mut members, &path, serde_json::to_value(value).unwrap_or_default());
    }
    serde_json::to_string(&members).unwrap_or_default()
}

/// An object, as a target wants it.
struct Out<'a> {
    profile: &'a Profile,
    object: &'a Object,
    parent: Option<&'a TargetId>,
}

/// A value as a target wants it.
enum WireValue<'a> {
    Number(i64),
    Id(String),
    Theirs(&'a TargetId),
    Text(&'a str),
    Flag(bool),
}

impl Serialize for WireValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            WireValue::Number(number) => serializer.serialize_i64(*number),
            WireValue::Id(text) => serializer.serialize_str(text),
            WireValue::Theirs(id) => id.serialize(serializer),
            WireValue::Text(text) => serializer.serialize_str(text),
            WireValue::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

impl<'a> Out<'a> {
    /// Returns what is sent, and where it stands: the number, the id, the texts, and what is always sent. What the target does not
    /// have has an empty path.
    fn entries(&self) -> impl Iterator<Item = (&'a [&'static str], WireValue<'a>)> {
        let Self { profile, object, parent } = *self;
        let entity = object.key().entity();
        let dialect = profile.dialect(entity);
        let id = |id: i64, form: IdForm| match form {
            IdForm::Number => WireValue::Number(id),
            IdForm::Text { .. } => WireValue::Id(form.write(id)),
        };
        let number = match (entity.shape().number.parent, parent) {
            (Some(_), Some(parent)) => WireValue::Theirs(parent),
            (Some(_), None) => id(object.number(), profile.id_as),
            (None, _) => WireValue::Number(object.number()),
        };
        let (id_path, id_as) = match profile.key_field(entity) {
            Some(key) => (key.field.write, key.form),
            None => (core::slice::from_ref(&dialect.id), profile.id_as),
        };
        let texts =
            dialect.texts.iter().zip(object.texts()).map(|(field, text)| (field.write, WireValue::Text(text.as_str())));
        let always = dialect.always.iter().map(|(name, value)| {
            let value = match *value {
                Constant::Text(text) => WireValue::Text(text),
                Constant::Number(number) => WireValue::Number(number),
                Constant::Flag(flag) => WireValue::Flag(flag),
            };
            (core::slice::from_ref(name), value)
        });
        [(dialect.number.write, number), (id_path, id(object.key().id(), id_as))].into_iter().chain(texts).chain(always)
    }
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.entries().filter_map(|(path, value)| Some((path.last()?, value)));
        serializer.collect_map(entries)
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
    /// Where the target chooses the ids: its own, and that of the object that this one belongs to.
    theirs: Option<Box<Theirs>>,
}

/// The ids of an element at a target that chooses them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Theirs {
    id: Option<TargetId>,
    parent: Option<TargetId>,
    /// Something is in the field for the key, and it is no key of ours.
    has_other_key: bool,
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
        Self {
            entity,
            id: None,
            number: None,
            texts: [None, None, None],
            faults: Vec::new(),
            others: Vec::new(),
            theirs: None,
        }
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
                element.fault(field.name, "not Unicode (a lone surrogate, or bytes that are not UTF-8)");
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
        let Element { entity, id, number, faults, theirs, .. } = self;
        Element { entity, id, number, texts, faults, others, theirs }
    }

    /// Returns the id, if it has one that is a whole number. It may be none of ours.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// Returns its key, if its id is one that we could have.
    pub fn key(&self) -> Option<Key> {
        self.id.and_then(|id| self.entity.key(id).ok())
    }

    /// Returns the number field, if it has one that can be read.
    pub fn number(&self) -> Option<i64> {
        self.number
    }

    /// Returns the post that a comment names, if it is one that we could have.
    pub fn parent(&self) -> Option<PostId> {
        self.number.and_then(|number| self.entity.parent(number))
    }

    /// Gives an element that has no id one: what was wrong with its id is no longer so.
    #[must_use]
    pub fn with_id(mut self, id: i64) -> Self {
        // The id is read before the other fields.
        if self.id.is_none() && !self.faults.is_empty() {
            self.faults.remove(0);
        }
        self.id = Some(id);
        self
    }

    /// Returns the id that the target chose for it, where it chooses them and it has one.
    pub fn target_id(&self) -> Option<&TargetId> {
        self.theirs.as_ref()?.id.as_ref()
    }

    /// Says whether something else than a key of ours is in the field for it.
    pub fn has_other_key(&self) -> bool {
        self.theirs.as_ref().is_some_and(|theirs| theirs.has_other_key)
    }

    /// Returns the target's id of the object that it belongs to, where the target chooses ids.
    pub fn target_parent(&self) -> Option<&TargetId> {
        self.theirs.as_ref()?.parent.as_ref()
    }

    /// Takes our id of the object that it belongs to, where the target chooses ids: `None` is a fault.
    pub fn resolve_parent(&mut self, id: Option<i64>) {
        let Some(parent) = self.target_parent() else { return };
        if id.is_none() {
            let why = alloc::format!("{parent} is the target's id of none of our {}", Entity::Post);
            self.fault(self.entity.shape().number.json, &why);
        }
        self.number = id;
    }

    /// Returns its texts, in the order of the shape; `None` where one cannot be read.
    pub fn texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.texts.iter().map(Option::as_deref)
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
