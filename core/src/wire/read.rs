//! Reading elements from JSON, in one pass and with few copies.
//!
//! In scope: which value belongs to which field, whatever there is in its place. Out of
//! scope: what an element means.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::names::{Inner, Member, Outer, SLOTS};
use super::others::NAMES_OF_ONE_MAX;
use super::{Element, Theirs};
use crate::model::Entity;
use crate::profile::{IdForm, JSON_SERVER, KeyField, NOT_CARRIED, Profile};
use crate::shape::ID;
use crate::target_id::TargetId;

/// Reads an [`Element`] wherever serde stands, in one pass. What is no object, or lacks
/// fields, is read too, and says so in its faults; only broken JSON is an error.
#[derive(Debug, Clone, Copy)]
pub struct ElementSeed<'p> {
    /// In whose names.
    pub profile: &'p Profile,
    /// What it should be.
    pub entity: Entity,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Element<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element<'de>, D::Error> {
        deserializer.deserialize_any(Reading(self))
    }
}

/// In whose names an element is read.
pub trait Speaker<'p>: Copy {
    /// The profile.
    fn profile(self) -> &'p Profile;
    /// What is read.
    fn entity(self) -> Entity;
}

impl<'p> Speaker<'p> for ElementSeed<'p> {
    fn profile(self) -> &'p Profile {
        self.profile
    }

    fn entity(self) -> Entity {
        self.entity
    }
}

/// In those of [`JSON_SERVER`], of posts or of comments: a type, so that the compiler knows the names.
#[derive(Debug, Clone, Copy)]
struct JsonServer<const COMMENTS: bool>;

impl<const COMMENTS: bool> Speaker<'static> for JsonServer<COMMENTS> {
    #[inline]
    fn profile(self) -> &'static Profile {
        &JSON_SERVER
    }

    #[inline]
    fn entity(self) -> Entity {
        if COMMENTS { Entity::Comment } else { Entity::Post }
    }
}

/// Reads one element from JSON text that is Unicode, and has nothing behind it.
pub(super) fn strictly<'a>(seed: ElementSeed<'_>, json: &'a [u8]) -> Result<Element<'a>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let element = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(element)
}

/// An [`Element`] whose type says that it is one of posts, in the names of [`JSON_SERVER`], for readers that take no seed.
#[derive(Debug)]
pub struct PostElement<'a>(pub Element<'a>);

/// The same of comments.
#[derive(Debug)]
pub struct CommentElement<'a>(pub Element<'a>);

impl<'de> Deserialize<'de> for PostElement<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading(JsonServer::<false>)).map(Self)
    }
}

impl<'de> Deserialize<'de> for CommentElement<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading(JsonServer::<true>)).map(Self)
    }
}

/// Reads an element in the names of a speaker.
struct Reading<S>(S);

impl<'p, S: Speaker<'p>> Reading<S> {
    fn no_object<'a>(self, what: &str) -> Element<'a> {
        let mut element = Element::new(self.0.entity());
        element.fault(ID, &alloc::format!("{what} instead of an object"));
        element
    }
}

impl<'de, 'p, S: Speaker<'p>> Visitor<'de> for Reading<S> {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.0.entity())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element<'de>, A::Error> {
        let Self(speaker) = self;
        let mut element = Element::new(speaker.entity());
        let (shape, id_as) = (speaker.entity().shape(), speaker.profile().id_as);
        // The last of duplicate keys wins, as in most readers.
        let mut read = [const { Scalar::Missing }; SLOTS];
        while let Some(member) = map.next_key_seed(Outer::new(speaker))? {
            match member {
                Member::Slot(slot) => read[slot] = map.next_value_seed(ScalarSeed)?,
                Member::Inner(names) => map.next_value_seed(Inner { names, read: &mut read })?,
                Member::Other(name) => {
                    map.next_value::<IgnoredAny>()?;
                    if element.others.len() < NAMES_OF_ONE_MAX {
                        element.others.push(name);
                    }
                }
            }
        }
        let [id, number, key, texts @ ..] = read;
        let is_reference = shape.number.parent.is_some();
        if let Some(KeyField { field, form, .. }) = speaker.profile().key_field(speaker.entity()) {
            let is_set = key.is_set();
            element.id = element.whole(field.read.last().copied().unwrap_or(ID), key, *form);
            let has_other_key = is_set && element.id.is_none();
            let parent = if is_reference { number.target_id() } else { None };
            element.theirs = Some(Box::new(Theirs { id: id.target_id(), parent, has_other_key }));
        } else {
            element.id = element.whole(ID, id, id_as);
        }
        // What belongs to another object is told our id of that one later (`Element::resolve_parent`).
        let dialect = speaker.profile().dialect(speaker.entity());
        if !dialect.number.is_carried() {
            element.number = Some(NOT_CARRIED.0);
        } else if element.target_parent().is_none() {
            let number_as = if is_reference { id_as } else { IdForm::Number };
            element.number = element.whole(shape.number.json, number, number_as);
        }
        for (i, (value, field)) in texts.into_iter().zip(shape.texts).enumerate() {
            element.texts[i] = if dialect.texts[i].is_carried() {
                element.text(field.name, value)
            } else {
                Some(Cow::Borrowed(NOT_CARRIED.1))
            };
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
    /// Takes a number, or a text of digits: some targets answer ids as texts.
    fn whole(&mut self, field: &'static str, value: Scalar<'_>, form: IdForm) -> Option<i64> {
        let wanted = || match form {
            IdForm::Number => "a number".to_owned(),
            IdForm::Text { .. } => alloc::format!("an id like {:?}", form.write(1)),
        };
        let why = match (value, form) {
            (Scalar::Whole(number), IdForm::Number) => return Some(number),
            (Scalar::Whole(_), IdForm::Text { .. }) => alloc::format!("a number instead of {}", wanted()),
            (Scalar::Text(text), form) => match form.read(&text) {
                Some(number) => return Some(number),
                None => alloc::format!("{:?} instead of {}", text.chars().take(40).collect::<String>(), wanted()),
            },
            (Scalar::Missing, _) => "missing".to_owned(),
            (Scalar::Other(what), _) => alloc::format!("{what} instead of {}", wanted()),
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
pub enum Scalar<'a> {
    /// There is none.
    Missing,
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// What it is instead.
    Other(&'static str),
}

impl Scalar<'_> {
    /// Says whether there is something: not nothing, null, or an empty text.
    fn is_set(&self) -> bool {
        match self {
            Scalar::Missing | Scalar::Other("null") => false,
            Scalar::Text(text) => !text.is_empty(),
            Scalar::Whole(_) | Scalar::Other(_) => true,
        }
    }

    /// Returns the id of a target's choice that it is, if it is one.
    fn target_id(&self) -> Option<TargetId> {
        match self {
            Scalar::Whole(number) => Some(TargetId::number(*number)),
            Scalar::Text(text) => TargetId::text(text),
            Scalar::Missing | Scalar::Other(_) => None,
        }
    }
}

/// Reads such a value.
pub struct ScalarSeed;

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
