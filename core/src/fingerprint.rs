//! A 128-bit fingerprint of an object's fields: what a diff keeps of an object that has no
//! partner yet, instead of its texts.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::model::{Object, Value};

/// A longer text stands in the fields as its digest: no object of ours has one (4 bytes a character).
const LONG_BYTES: usize = 4 * 1024;

/// The first 128 bits of SHA-256 over the fields, each with its length in front, so that
/// no two objects have the same by accident, nor by somebody's design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Returns the fingerprint of fields that [`write_number`] and [`write_text`] wrote.
    pub fn of_written(fields: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.0.update(fields);
        hasher.finish()
    }

    /// Returns the fingerprint of all fields but the id.
    pub fn of(object: &Object) -> Self {
        let mut hasher = Hasher::default();
        for (_, value) in object.fields() {
            match value {
                Value::Number(number) => hasher.number(number),
                Value::Text(text) => hasher.text(text),
            }
        }
        hasher.finish()
    }
}

/// Appends a number as a fingerprint takes it. Fields written like this are equal where the
/// objects are, so that two at hand are compared without a fingerprint.
pub fn write_number(number: i64, fields: &mut Vec<u8>) {
    fields.extend_from_slice(&number.to_le_bytes());
}

/// Appends a text, in UTF-8, as a fingerprint takes it: one longer than any of ours by its digest,
/// so that fields stay small, whatever a target says.
pub fn write_text(text: &[u8], fields: &mut Vec<u8>) {
    fields.extend_from_slice(&(text.len() as u64).to_le_bytes());
    if text.len() > LONG_BYTES {
        fields.extend_from_slice(&Sha256::digest(text));
    } else {
        fields.extend_from_slice(text);
    }
}

/// Takes fields in the model's order.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds a number.
    pub fn number(&mut self, number: i64) {
        self.0.update(number.to_le_bytes());
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        if text.len() > LONG_BYTES {
            self.0.update(Sha256::digest(text.as_bytes()));
        } else {
            self.0.update(text.as_bytes());
        }
    }

    /// Returns the fingerprint of what was added.
    pub fn finish(self) -> Fingerprint {
        let digest = self.0.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Fingerprint(u128::from_le_bytes(half))
    }
}
