//! Reading elements from JSON, in one pass and with few copies.
//!
//! In scope: which value belongs to which field, whatever there is in its place. Out of
//! scope: what an element means.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Element;
use super::others::{self, NAMES_OF_ONE_MAX};
use crate::model::Entity;
use crate::profile::{Dialect, IdForm, JSON_SERVER, Profile};
use crate::shape::{ID, TEXTS_MAX};

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
        deserializer.deserialize_any(self)
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
        ElementSeed { profile: &JSON_SERVER, entity: Entity::Post }.deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for CommentElement<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ElementSeed { profile: &JSON_SERVER, entity: Entity::Comment }.deserialize(deserializer).map(Self)
    }
}

impl ElementSeed<'_> {
    fn no_object<'a>(self, what: &str) -> Element<'a> {
        let mut element = Element::new(self.entity);
        element.fault(ID, &alloc::format!("{what} instead of an object"));
        element
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.entity)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element<'de>, A::Error> {
        let mut element = Element::new(self.entity);
        let (shape, id_as) = (self.entity.shape(), self.profile.id_as);
        let names = Names(self.profile.dialect(self.entity));
        // The last of duplicate keys wins, as in most readers.
        let (mut id, mut number, mut read) = (Scalar::Missing, Scalar::Missing, [const { Scalar::Missing }; TEXTS_MAX]);
        while let Some(field) = map.next_key_seed(names)? {
            match field {
                Field::Id => id = map.next_value_seed(ScalarSeed)?,
                Field::Number => number = map.next_value_seed(ScalarSeed)?,
                Field::Text(i) => read[i] = map.next_value_seed(ScalarSeed)?,
                Field::Other(name) => {
                    map.next_value::<IgnoredAny>()?;
                    if element.others.len() < NAMES_OF_ONE_MAX {
                        element.others.push(name);
                    }
                }
            }
        }
        element.id = element.whole(ID, id, id_as);
        let number_as = if shape.number.parent.is_some() { id_as } else { IdForm::Number };
        element.number = element.whole(shape.number.json, number, number_as);
        for (i, (value, field)) in read.into_iter().zip(shape.texts).enumerate() {
            element.texts[i] = element.text(field.name, value);
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

/// Which field a name is.
#[derive(Debug, Clone)]
enum Field<'a> {
    Id,
    Number,
    /// The text field of this place in the shape.
    Text(usize),
    /// Not ours.
    Other(Cow<'a, str>),
}

/// Reads a field's name, and keeps that of a field that is not ours.
#[derive(Clone, Copy)]
struct Names<'p>(&'p Dialect);

impl Names<'_> {
    /// Returns which field of ours has this name.
    fn ours(self, name: &str) -> Option<Field<'static>> {
        let Dialect { id, number, texts, .. } = self.0;
        if name == *id {
            return Some(Field::Id);
        }
        if name == *number {
            return Some(Field::Number);
        }
        // Where there is no text of this place, its name is empty.
        texts.iter().position(|text| *text == name && !name.is_empty()).map(Field::Text)
    }
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field<'de>, E> {
        Ok(self.ours(name).unwrap_or_else(|| Field::Other(Cow::Owned(others::cut(name)))))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Field<'de>, E> {
        Ok(self.ours(name).unwrap_or(Field::Other(Cow::Borrowed(name))))
    }
}
