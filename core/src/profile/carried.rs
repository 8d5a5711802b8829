//! What a target does not have of our fields, and what it has besides.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Dialect, Field};
use crate::model::Object;

/// A value in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// A text.
    Text(&'static str),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
}

/// Stands for a number and for a text that a target does not have.
pub const NOT_CARRIED: (i64, &str) = (0, "");

impl Dialect {
    /// Says whether the target has all of our fields.
    pub fn carries_all(&self) -> bool {
        self.fields().all(Field::is_carried)
    }

    /// Returns the fields of the shape: the number, and then the texts.
    fn fields(&self) -> impl Iterator<Item = Field> {
        [self.number].into_iter().chain(self.texts).take(1 + self.entity.shape().texts.len())
    }

    /// Returns an object as the target can have it. A field that it does not have is [`NOT_CARRIED`] in what is compared, on both
    /// sides.
    pub fn carried(&self, object: Object) -> Object {
        if self.carries_all() {
            return object;
        }
        let number = if self.number.is_carried() { object.number() } else { NOT_CARRIED.0 };
        let texts = object.texts().iter().zip(self.texts);
        let texts: Vec<String> = texts
            .map(|(text, field)| if field.is_carried() { text.clone() } else { String::from(NOT_CARRIED.1) })
            .collect();
        // A reference is always carried, and an empty text is in every limit.
        Object::new(object.key(), number, texts).unwrap_or(object)
    }
}
