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
//! the response to a write,     white space or markup less,                                              altered
//! or a GET after it            characters encoded
//! 201 to a create              other texts                                                              altered
//! other 2xx to a create        other texts                                                              not known
//! the response to an update    other texts                          another content, found by its key   altered
//!                              other texts                          the same content, or not known      not known
//! a GET after either           other texts                                                              not known
//! any                          the number                                                               not known
//! ```
//!
//! A GET alone proves less than a response: somebody else may have changed the record in between. A create that is answered with
//! 200 may have met a record that was there, and left it as it was. White space and markup count only if the record has less of
//! it: an old text that has more, or a link to another place, cannot come from what was sent.

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
    /// The record can be made of the row by taking out white space and markup, and encoding characters.
    Reduced,
    /// In other texts.
    OtherTexts,
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
                if !there.is_some_and(|there| is_reduced(there, here)) {
                    return Likeness::OtherTexts;
                }
                likeness = Likeness::Reduced;
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
        (Likeness::Reduced, _) => true,
        (Likeness::OtherTexts, Evidence::Response(Before::Unlike)) => true,
        (Likeness::OtherTexts, Evidence::Response(Before::Seen(before))) => before != shown.print,
        (Likeness::OtherTexts, Evidence::Response(Before::Unknown) | Evidence::Read) => false,
    };
    is_its_work.then_some(Kept { sent, kept: shown.print })
}

/// Entities that programs write in place of a character.
const ENTITIES: [(&str, char); 7] = [
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&quot;", '"'),
    ("&#039;", '\''),
    ("&#39;", '\''),
    ("&apos;", '\''),
];

/// Says whether `there` can be made of `here` by taking out white space, control characters and markup, by putting
/// one kind of white space in place of another, and by encoding characters. What can stay is taken to have stayed.
fn is_reduced(mut there: &str, mut here: &str) -> bool {
    while let Some(first) = here.chars().next() {
        let is_blank = first.is_whitespace() || first.is_control();
        let kept = there.chars().next().filter(|kept| *kept == first || (is_blank && kept.is_whitespace()));
        let tag = tag(here);
        if let Some(rest) = tag.and_then(|tag| there.strip_prefix(tag)) {
            there = rest;
            here = tag.and_then(|tag| here.strip_prefix(tag)).unwrap_or_default();
        } else if let Some(encoded) = encoded(there, first) {
            there = encoded;
            here = &here[first.len_utf8()..];
        } else if let Some(tag) = tag {
            here = &here[tag.len()..];
        } else if let Some(kept) = kept {
            there = &there[kept.len_utf8()..];
            here = &here[first.len_utf8()..];
        } else if is_blank {
            here = &here[first.len_utf8()..];
        } else {
            return false;
        }
    }
    there.is_empty()
}

/// Returns the tag or comment that a text begins with.
fn tag(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('<')?;
    let is_tag = rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
    rest.find('>').filter(|_| is_tag).map(|end| &text[..end + 2])
}

/// Returns what follows on a character that a text begins with as an entity.
fn encoded(text: &str, character: char) -> Option<&str> {
    ENTITIES.iter().filter(|(_, of)| *of == character).find_map(|(entity, _)| text.strip_prefix(entity))
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
    fn a_record_with_less_white_space_and_markup_can_come_from_the_row() {
        for (sent, kept, expected) in [
            ("a b", "a b", Likeness::Same),
            (" a b ", "a b", Likeness::Reduced),
            ("a\r\nb", "a\nb", Likeness::Reduced),
            ("<b>Ada</b> & Co", "Ada &amp; Co", Likeness::Reduced),
            ("<!-- x -->a", "a", Likeness::Reduced),
            ("  ", "", Likeness::Reduced),
            ("a < b", "a &lt; b", Likeness::Reduced),
            ("a\u{a0} b", "a b", Likeness::Reduced),
            ("<b>a</b> <i>b</i>", "<b>a</b> b", Likeness::Reduced),
            ("<b>a</b>", "&lt;b&gt;a&lt;/b&gt;", Likeness::Reduced),
            // What was there before an update that is ignored.
            ("a", " a", Likeness::OtherTexts),
            ("if a: b", "if a:\n  b", Likeness::OtherTexts),
            ("a", "<b>a</b>", Likeness::OtherTexts),
            ("a", "a<script src='//b'></script>", Likeness::OtherTexts),
            ("see <a href='//new'>here</a>", "see <a href='//old'>here</a>", Likeness::OtherTexts),
            ("a < b > c", "a", Likeness::OtherTexts),
            ("a <b", "a", Likeness::OtherTexts),
            ("déjà", "deja", Likeness::OtherTexts),
            ("a", "A", Likeness::OtherTexts),
            ("a", "ab", Likeness::OtherTexts),
            ("ab", "a", Likeness::OtherTexts),
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
            (Likeness::Reduced, response(Before::Unlike), true),
            (Likeness::Reduced, response(Before::Seen(kept)), true),
            (Likeness::Reduced, response(Before::Unknown), true),
            (Likeness::Reduced, Evidence::Read, true),
            (Likeness::OtherTexts, response(Before::Unlike), true),
            (Likeness::OtherTexts, response(Before::Seen(old)), true),
            (Likeness::OtherTexts, response(Before::Seen(kept)), false),
            (Likeness::OtherTexts, response(Before::Unknown), false),
            (Likeness::OtherTexts, Evidence::Read, false),
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
