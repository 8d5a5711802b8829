//! Texts that a target alters: some trim them, some take markup out. What "equal" means then.
//!
//! Where the response to a create or an update shows other texts than were sent, two fingerprints are remembered: of what was
//! *sent* and of what is *kept* in its place. An object is then equal while its row is what was sent and the target's record is
//! what is kept. Reports count it as *altered*. A changed row or a changed record makes it different again.
//!
//! An update that was ignored must not look like an alteration, though its response shows other texts, too:
//!
//! ```text
//! what shows it                other than sent in                   before it                           it is
//! the response to a create     texts                                                                    altered
//! the response to an update    white space, markup                                                      altered
//!                              other texts                          another content, found by its key   altered
//!                              other texts                          the same content, or not known      not known
//! a GET after either           white space, markup                                                      altered
//!                              other texts                                                              not known
//! any                          the number                                                               not known
//! ```
//!
//! A GET alone proves less than a response: somebody else may have changed the record in between.

use crate::fingerprint::Fingerprint;
use crate::model::Object;
use crate::wire::Element;

/// What a target keeps in place of what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The row that was sent.
    pub sent: Fingerprint,
    /// The record that the target made of it.
    pub kept: Fingerprint,
}

impl Kept {
    /// Returns the record that is equal to the row `here`, besides the row itself.
    pub fn instead_of(self, here: Fingerprint) -> Option<Fingerprint> {
        (self.sent == here).then_some(self.kept)
    }

    /// Says whether the record `there` is what the target made of the row `here`.
    pub fn explains(self, here: Fingerprint, there: Fingerprint) -> bool {
        self.instead_of(here) == Some(there)
    }
}

/// In what a record differs from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// In nothing.
    Same,
    /// In white space and markup.
    SameWords,
    /// In other texts.
    OtherWords,
    /// In its number.
    OtherNumber,
}

impl Likeness {
    /// Compares a record with a row.
    pub fn of(element: &Element<'_>, object: &Object) -> Self {
        if element.number() != Some(object.number()) {
            return Likeness::OtherNumber;
        }
        let mut likeness = Likeness::Same;
        for (there, here) in element.texts().zip(object.texts()) {
            if there != Some(here.as_str()) {
                if !there.is_some_and(|there| words(there).eq(words(here))) {
                    return Likeness::OtherWords;
                }
                likeness = Likeness::SameWords;
            }
        }
        likeness
    }
}

/// A record that a response shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// All of its fields.
    pub print: Fingerprint,
    /// How it differs from the row.
    pub likeness: Likeness,
}

/// What is known of the record before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// Nothing.
    #[default]
    Unknown,
    /// It was not there, it was the row itself, or not one of ours: whatever else a response shows was not there before.
    Unlike,
    /// It was this one.
    Seen(Fingerprint),
}

/// What shows a record after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The response to the write, with what is known of the record before it.
    Response(Before),
    /// A GET.
    Read,
}

/// Returns what the target made of the row `sent`, if what it shows after a write is that. The module has the table.
#[expect(clippy::match_same_arms, reason = "one line a rule")]
pub fn learn(sent: Fingerprint, shown: Shown, evidence: Evidence) -> Option<Kept> {
    let is_its_work = match (shown.likeness, evidence) {
        (Likeness::Same | Likeness::OtherNumber, _) => false,
        (Likeness::SameWords, _) => true,
        (Likeness::OtherWords, Evidence::Response(Before::Unlike)) => true,
        (Likeness::OtherWords, Evidence::Response(Before::Seen(before))) => before != shown.print,
        (Likeness::OtherWords, Evidence::Response(Before::Unknown) | Evidence::Read) => false,
    };
    is_its_work.then_some(Kept { sent, kept: shown.print })
}

/// Entities that programs write in place of a character, and read back as they are.
const ENTITIES: [(&str, char); 7] = [
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&quot;", '"'),
    ("&#039;", '\''),
    ("&#39;", '\''),
    ("&apos;", '\''),
];

/// Returns the characters of a text that are neither white space nor markup.
fn words(mut text: &str) -> impl Iterator<Item = char> {
    core::iter::from_fn(move || {
        loop {
            let first = text.chars().next()?;
            let rest = &text[first.len_utf8()..];
            let (length, character) = match first {
                '<' if rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!')) => {
                    rest.find('>').map_or((1, Some('<')), |end| (end + 2, None))
                }
                '&' => ENTITIES
                    .iter()
                    .find(|(entity, _)| text.starts_with(entity))
                    .map_or((1, Some('&')), |(entity, character)| (entity.len(), Some(*character))),
                other if other.is_whitespace() || other.is_control() => (other.len_utf8(), None),
                other => (other.len_utf8(), Some(other)),
            };
            text = &text[length..];
            if character.is_some() {
                return character;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;
    use crate::model::{Entity, Key};

    fn post(number: i64, title: &str) -> Object {
        let key: Key = "posts/5".parse().unwrap();
        Object::new(key, number, [title.to_string(), String::from("b")]).unwrap()
    }

    fn likeness(here: &Object, there: &Object) -> Likeness {
        let json = crate::wire::to_json(&crate::profile::JSON_SERVER, there, None);
        Likeness::of(&Element::from_json(Entity::Post, json.as_bytes()).unwrap(), here)
    }

    #[test]
    fn a_text_differs_in_words_or_in_white_space_and_markup() {
        for (sent, kept, expected) in [
            ("a b", "a b", Likeness::Same),
            (" a b ", "a b", Likeness::SameWords),
            ("a\r\nb", "a\nb", Likeness::SameWords),
            ("<b>Ada</b> & Co", "Ada &amp; Co", Likeness::SameWords),
            ("<!-- x -->a", "a", Likeness::SameWords),
            ("  ", "", Likeness::SameWords),
            ("a < b", "a &lt; b", Likeness::SameWords),
            ("a < b > c", "a", Likeness::OtherWords),
            ("a <b", "a", Likeness::OtherWords),
            ("déjà", "deja", Likeness::OtherWords),
            ("a", "A", Likeness::OtherWords),
            ("a", "ab", Likeness::OtherWords),
            ("ab", "a", Likeness::OtherWords),
        ] {
            assert_eq!(likeness(&post(1, sent), &post(1, kept)), expected, "{sent:?} -> {kept:?}");
        }
        assert_eq!(likeness(&post(1, " a"), &post(2, "a")), Likeness::OtherNumber);
    }

    #[test]
    fn an_alteration_is_told_from_an_update_that_was_ignored() {
        let (sent, kept, old) = (Fingerprint(1), Fingerprint(2), Fingerprint(3));
        let response = Evidence::Response;
        for (likeness, evidence, is_altered) in [
            (Likeness::Same, response(Before::Unlike), false),
            (Likeness::OtherNumber, response(Before::Unlike), false),
            (Likeness::OtherNumber, response(Before::Seen(old)), false),
            (Likeness::SameWords, response(Before::Unlike), true),
            (Likeness::SameWords, response(Before::Seen(kept)), true),
            (Likeness::SameWords, response(Before::Unknown), true),
            (Likeness::SameWords, Evidence::Read, true),
            (Likeness::OtherWords, response(Before::Unlike), true),
            (Likeness::OtherWords, response(Before::Seen(old)), true),
            (Likeness::OtherWords, response(Before::Seen(kept)), false),
            (Likeness::OtherWords, response(Before::Unknown), false),
            (Likeness::OtherWords, Evidence::Read, false),
        ] {
            let learnt = learn(sent, Shown { print: kept, likeness }, evidence);
            assert_eq!(learnt, is_altered.then_some(Kept { sent, kept }), "{likeness:?} {evidence:?}");
        }
    }

    #[test]
    fn equal_means_that_both_sides_are_as_they_were() {
        let altered = Kept { sent: Fingerprint(1), kept: Fingerprint(2) };
        for (here, there, expected) in [(1, 2, true), (1, 1, false), (2, 2, false), (1, 3, false), (3, 2, false)] {
            assert_eq!(altered.explains(Fingerprint(here), Fingerprint(there)), expected, "{here} {there}");
        }
    }
}
