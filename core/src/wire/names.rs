//! Which field of ours a member is, by its name and by where it stands.
//!
//! Most fields are members of the object itself. Where a profile has some further inside (`title.raw`), their objects are read
//! with the fields that may be in them, a bit for each.

use alloc::borrow::Cow;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::others;
use super::read::{Scalar, ScalarSeed, Speaker};
use crate::profile::{Dialect, Field};
use crate::shape::TEXTS_MAX;

/// The fields of an object, in order: the id, the number, the key, the texts.
pub const SLOTS: usize = 3 + TEXTS_MAX;
/// A bit for each.
const EVERY_SLOT: u8 = (1 << SLOTS) - 1;

/// What a member is.
#[derive(Debug, Clone)]
pub enum Member<'a, 'p> {
    /// The field of this slot.
    Slot(usize),
    /// An object with fields in it.
    Inner(Names<'p>),
    /// Not ours.
    Other(Cow<'a, str>),
}

/// Reads a member's name, and keeps that of a member that is not ours.
#[derive(Debug, Clone, Copy)]
pub struct Names<'p> {
    dialect: &'p Dialect,
    /// The fields that may be there: a bit for each slot.
    among: u8,
    /// So many names have led there.
    depth: usize,
}

impl<'p> Names<'p> {
    fn path(self, slot: usize) -> &'p [&'static str] {
        match slot {
            0 => core::slice::from_ref(&self.dialect.id),
            1 => self.dialect.number.read,
            2 => self.dialect.key.as_ref().map_or(&[], |key| key.field.read),
            _ => self.dialect.texts[slot - 3].read,
        }
    }

    /// Returns the slots that may be there.
    fn slots(self) -> impl Iterator<Item = usize> {
        (0..SLOTS).filter(move |slot| self.among & (1 << slot) != 0)
    }

    /// Returns what the member of this name is, if it is ours.
    #[cold]
    fn ours(self, name: &str) -> Option<Member<'static, 'p>> {
        let mut among = 0;
        for slot in self.slots() {
            match self.path(slot).get(self.depth..) {
                Some([last]) if *last == name => return Some(Member::Slot(slot)),
                Some([first, _, ..]) if *first == name => among |= 1 << slot,
                Some(_) | None => {}
            }
        }
        (among != 0).then_some(Member::Inner(Names { among, depth: self.depth + 1, ..self }))
    }
}

/// Reads the name of a member of the object itself: nearly all fields are there, and millions of names come by.
#[derive(Clone, Copy)]
pub struct Outer<'p, S>(S, PhantomData<&'p ()>);

impl<'p, S: Speaker<'p>> Outer<'p, S> {
    /// Reads in the names of `speaker`.
    pub fn new(speaker: S) -> Self {
        Self(speaker, PhantomData)
    }

    #[inline]
    fn ours(self, name: &str) -> Option<Member<'static, 'p>> {
        let dialect = self.0.profile().dialect(self.0.entity());
        if name == dialect.id {
            return Some(Member::Slot(0));
        }
        let is_at = |field: &Field| matches!(field.read, [one] if *one == name);
        if is_at(&dialect.number) {
            return Some(Member::Slot(1));
        }
        // One by one, so that the compiler sees each name.
        let [first, second, third] = &dialect.texts;
        if is_at(first) {
            return Some(Member::Slot(3));
        }
        if is_at(second) {
            return Some(Member::Slot(4));
        }
        if is_at(third) {
            return Some(Member::Slot(5));
        }
        Names { dialect, among: EVERY_SLOT, depth: 0 }.ours(name)
    }
}

impl<'de, 'p, S: Speaker<'p>> DeserializeSeed<'de> for Outer<'p, S> {
    type Value = Member<'de, 'p>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member<'de, 'p>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, 'p, S: Speaker<'p>> Visitor<'de> for Outer<'p, S> {
    type Value = Member<'de, 'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member<'de, 'p>, E> {
        Ok(self.ours(name).unwrap_or_else(|| Member::Other(Cow::Owned(others::cut(name)))))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Member<'de, 'p>, E> {
        Ok(self.ours(name).unwrap_or(Member::Other(Cow::Borrowed(name))))
    }
}

impl<'de, 'p> DeserializeSeed<'de> for Names<'p> {
    type Value = Member<'de, 'p>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member<'de, 'p>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, 'p> Visitor<'de> for Names<'p> {
    type Value = Member<'de, 'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member<'de, 'p>, E> {
        Ok(self.ours(name).unwrap_or_else(|| Member::Other(Cow::Owned(others::cut(name)))))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Member<'de, 'p>, E> {
        Ok(self.ours(name).unwrap_or(Member::Other(Cow::Borrowed(name))))
    }
}

/// Reads an object that some of our fields are in. What stands in its place instead is a fault of these fields.
pub struct Inner<'r, 'p, 'de> {
    /// The fields.
    pub names: Names<'p>,
    /// What was read.
    pub read: &'r mut [Scalar<'de>; SLOTS],
}

impl Inner<'_, '_, '_> {
    fn nothing(self, what: &'static str) {
        for slot in self.names.slots() {
            self.read[slot] = Scalar::Other(what);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Inner<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key_seed(self.names)? {
            match member {
                Member::Slot(slot) => self.read[slot] = map.next_value_seed(ScalarSeed)?,
                Member::Inner(names) => map.next_value_seed(Inner { names, read: &mut *self.read })?,
                Member::Other(_) => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.nothing("a list in the object's place");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.nothing("null in the object's place");
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.nothing("a boolean in the object's place");
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.nothing("a number in the object's place");
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.nothing("a number in the object's place");
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.nothing("a number in the object's place");
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.nothing("a text in the object's place");
        Ok(())
    }
}
