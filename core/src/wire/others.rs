//! Fields of the target's objects that are not ours. An update is a PUT of our fields, which replaces the object
//! (RFC 9110 section 9.3.4): the others are lost.

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::Element;

/// Names kept of one element.
pub(super) const NAMES_OF_ONE_MAX: usize = 5;
/// Names kept in all.
const NAMES_MAX: usize = 20;
/// Characters kept of a name: it may be anything.
pub(super) const NAME_CHARS_MAX: usize = 40;

/// Names of such fields, the first that were seen. A set: most objects have the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherFields(BTreeSet<String>);

impl OtherFields {
    /// Takes note of an element's.
    pub fn take(&mut self, element: &Element<'_>) {
        for name in &element.others {
            if !self.0.contains(name.as_ref()) {
                self.add(cut(name));
            }
        }
    }

    /// Takes note of those that were seen elsewhere.
    pub fn join(&mut self, seen: Self) {
        seen.0.into_iter().for_each(|name| self.add(name));
    }

    fn add(&mut self, name: String) {
        if self.0.len() < NAMES_MAX {
            self.0.insert(name);
        }
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns them in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Returns the beginning of a name.
pub(super) fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => name.into(),
        Some((end, _)) => name[..end].chars().chain(['…']).collect(),
    }
}
