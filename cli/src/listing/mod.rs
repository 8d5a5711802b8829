//! Listings: all posts or all comments of a side that is not the master, as a stream.
//!
//! In scope: what counts as a listing, where one can come from, and reading it
//! beside whatever is done with it. Out of scope: HTTP (`target`), and what elements mean.

pub mod document;
mod texts;

use std::borrow::Cow;
use std::io::Read;

use news_core::Entity;
use news_core::profile::{JSON_SERVER, Profile};
use news_core::wire::{CommentElement, Element, PostElement};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::texts::{Broken, Readable, Texts};
use crate::error::{Failure, Kind, Result};

/// How long a listing is, as far as that is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many elements, by X-Total-Count.
    Elements(u64),
    /// So many bytes, by Content-Length or the file.
    Bytes(u64),
    /// Nobody says.
    Unknown,
}

/// How far a listing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Elements.
    pub elements: u64,
    /// Bytes, after decompression.
    pub bytes: u64,
}

/// Reads a listing from any reader; `what` names it in errors.
pub fn read(
    what: &str,
    profile: &Profile,
    entity: Entity,
    reader: impl Read,
    each: impl FnMut(Element<'_>, Progress) -> Result<()>,
) -> Result<u64> {
    let mut texts = Texts::new(reader);
    texts.skip_mark().map_err(|broken| not_whole(what, &broken))?;
    if !texts.skip_if(b'[').map_err(|broken| not_whole(what, &broken))? {
        return Err(match texts.peek() {
            Ok(None) => not_whole(what, &"it is empty"),
            Ok(Some(first)) => none_at_all(what, entity, first),
            Err(broken) => not_whole(what, &broken),
        });
    }
    let read = elements(what, profile, entity, &mut texts, each)?;
    match texts.peek() {
        Ok(None) => Ok(read),
        Ok(Some(_)) => Err(not_whole(what, &texts.wrong("something behind its end"))),
        Err(broken) => Err(not_whole(what, &broken)),
    }
}

fn none_at_all(what: &str, entity: Entity, first: u8) -> Failure {
    if texts::begins_utf16(first) {
        return Failure::new(Kind::Refused, format!("{what}: not a listing of {entity}: expected UTF-8, found UTF-16"));
    }
    let first = char::from(first).escape_default();
    Failure::new(Kind::Refused, format!("{what}: not a listing of {entity}: it begins with '{first}' and not with '['"))
        .hint("is this the API's base URL?")
}

fn not_whole(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Target, format!("{what}: the listing is not whole: {why}"))
}

/// Reads the elements of a list whose `[` is taken, and its `]`.
fn elements<R: Read>(
    what: &str,
    profile: &Profile,
    entity: Entity,
    texts: &mut Texts<R>,
    mut each: impl FnMut(Element<'_>, Progress) -> Result<()>,
) -> Result<u64> {
    let broken = |broken: Broken| not_whole(what, &broken);
    // The names of the default are known to the compiler.
    let is_default = profile == &JSON_SERVER;
    let mut read = 0;
    if texts.skip_if(b']').map_err(broken)? {
        return Ok(read);
    }
    loop {
        read += 1;
        let progress = Progress { elements: read, bytes: texts.bytes() };
        match (is_default, entity) {
            (true, Entity::Post) => {
                texts.next::<_, Posts>(|element| each(element.0, progress)).map_err(broken)??;
            }
            (true, Entity::Comment) => {
                texts.next::<_, Comments>(|element| each(element.0, progress)).map_err(broken)??;
            }
            (false, _) => {
                let element = |json: Json<'_>| Element::read(profile, entity, &json.0).map(|one| each(one, progress));
                let wrong = |error| not_whole(what, &format!("{error}, in element {read}"));
                texts.next::<_, Json<'static>>(element).map_err(broken)?.map_err(wrong)??;
            }
        }
        if !texts.comma_before(b']').map_err(broken)? {
            return Ok(read);
        }
    }
}

struct Posts;

impl Readable for Posts {
    type Read<'a> = PostElement<'a>;

    fn mended(json: &[u8]) -> Option<PostElement<'static>> {
        Element::from_json(Entity::Post, json).ok().map(|element| PostElement(element.into_owned(usize::MAX)))
    }
}

struct Comments;

impl Readable for Comments {
    type Read<'a> = CommentElement<'a>;

    fn mended(json: &[u8]) -> Option<CommentElement<'static>> {
        Element::from_json(Entity::Comment, json).ok().map(|element| CommentElement(element.into_owned(usize::MAX)))
    }
}

/// The text of an element: read once to find its end, and once more in the names of a profile.
struct Json<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|json| Self(Cow::Borrowed(json.get().as_bytes())))
    }
}

impl Readable for Json<'_> {
    type Read<'a> = Json<'a>;

    fn mended(json: &[u8]) -> Option<Json<'static>> {
        Some(Json(Cow::Owned(json.to_owned())))
    }
}

#[cfg(test)]
mod tests;
