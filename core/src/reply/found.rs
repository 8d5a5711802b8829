//! What a GET by key found. The filter is the target's: some ignore one that they do not know and list everything, some
//! find by a part of the text. So the key of each object is compared here, and "none" is trusted only where all that the
//! target has to say is in the body.
//!
//! ```text
//! objects with the key   others in the body            answer
//! 1                      any                           Equal, Different
//! 2 or more              any                           Several
//! 0                      none, or all that there are   Gone
//! 0                      some, and there are more      Unfiltered
//! ```

use alloc::vec::Vec;

use serde_json::Value;

use super::{Answer, Compared, Sent};
use crate::kept::Shown;
use crate::model::Key;
use crate::paging::{Page, Paging};
use crate::profile::{Pages, Path, Profile, Total};
use crate::target_id::TargetId;
use crate::wire::Element;

/// What was found under a key.
#[derive(Debug)]
pub enum Found {
    /// Objects with the key, at least one.
    Some(Vec<Element<'static>>),
    /// None.
    None,
    /// None among those in the body, and there are more.
    Unfiltered,
    /// The body is not a list of objects.
    Unreadable,
}

impl Found {
    /// Returns the target's id of what was found: of several, of the last one, which is more likely the copy.
    pub fn target_id(&self) -> Option<&TargetId> {
        match self {
            Found::Some(elements) => elements.last()?.target_id(),
            Found::None | Found::Unfiltered | Found::Unreadable => None,
        }
    }

    /// Returns the object, if it is one.
    pub fn one(self) -> Option<Element<'static>> {
        match self {
            Found::Some(mut elements) => elements.pop().filter(|_| elements.is_empty()),
            Found::None | Found::Unfiltered | Found::Unreadable => None,
        }
    }

    /// Compares it with the master's object. What it is, where it is not that, goes to `seen`.
    pub fn answer(self, sent: Option<Sent<'_>>, seen: &mut Option<Shown>) -> Answer {
        match self {
            Found::None => Answer::Gone,
            Found::Unfiltered => Answer::Unfiltered,
            Found::Unreadable => Answer::Unreadable,
            Found::Some(mut elements) => match (elements.pop(), elements.is_empty()) {
                // Without an id nothing can be sent to it.
                (Some(element), true) if element.target_id().is_none() => Answer::Unreadable,
                (Some(element), true) => {
                    let compared = Compared::of(sent, &element);
                    *seen = compared.shown;
                    compared.answer()
                }
                (None, true) => Answer::Different,
                (_, false) => Answer::Several,
            },
        }
    }
}

/// Reads the body of a 2xx to a GET by the key of `key`.
pub fn read(profile: &Profile, key: Key, body: &str) -> Found {
    let Some((whole, elements)) = elements(profile, key, body) else { return Found::Unreadable };
    let count = elements.len();
    let found: Vec<Element<'static>> = elements.into_iter().filter(|one| one.id() == Some(key.id())).collect();
    if !found.is_empty() {
        return Found::Some(found);
    }
    if count == 0 || is_whole(profile.pages, &whole, count as u64) { Found::None } else { Found::Unfiltered }
}

/// Says whether a body has no object without this key; `None` where it is not a list of objects.
pub fn are_all(profile: &Profile, key: Key, body: &str) -> Option<bool> {
    let (_, elements) = elements(profile, key, body)?;
    Some(elements.iter().all(|element| element.id() == Some(key.id())))
}

fn elements(profile: &Profile, key: Key, body: &str) -> Option<(Value, Vec<Element<'static>>)> {
    let whole: Value = serde_json::from_str(body).ok()?;
    let mut elements = Vec::new();
    for value in member(&whole, profile.envelope)?.as_array()? {
        // It was JSON a moment ago.
        let json = serde_json::to_vec(value).unwrap_or_default();
        elements.push(Element::read(profile, key.entity(), &json).ok()?.into_owned(usize::MAX));
    }
    Some((whole, elements))
}

/// Says whether a body has all elements that there are, as a listing's first page would. What only a header field tells is
/// not known here.
fn is_whole(pages: Pages, whole: &Value, elements: u64) -> bool {
    let next = match pages {
        Pages::None => return true,
        Pages::Link { .. } => return false,
        Pages::Page { .. } | Pages::Offset { .. } => None,
        Pages::Next { field, .. } | Pages::Cursor { field, .. } => member(whole, field),
    };
    let total = match pages.total() {
        Total::Body(path) => member(whole, path).and_then(Value::as_u64),
        Total::None | Total::Header(_) => None,
    };
    let next = next.and_then(Value::as_str).map(Into::into);
    let mut paging = Paging::new(pages, "");
    paging.read(Page { elements, ids: Vec::new(), total, next }).is_ok() && paging.next().is_none()
}

fn member(value: &Value, path: Path) -> Option<&Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}
