//! Parameters of the console's queries: text in, checked value or 400 out.

use std::fmt::Display;
use std::str::FromStr;

use news_core::{Entity, Key};

use crate::api::request::Request;
use crate::api::response::Problem;
use crate::store::run_rows::SentPlace;
use crate::store::unsynced::UnsyncedPlace;
use crate::views::parked::How;

/// A longer value is cut where it is repeated, in characters.
const REPEATED_CHARS_MAX: usize = 64;

/// Refuses a parameter.
pub fn bad(name: &str, expected: impl Display, got: &str) -> Problem {
    let got: String = got.chars().take(REPEATED_CHARS_MAX).collect();
    Problem::Malformed(format!("{name}: expected {expected}, got {got:?}"))
}

/// Returns a parameter that is a number from 1 to `max`.
pub fn number(request: &Request, name: &str, max: i64) -> Result<Option<i64>, Problem> {
    let Some(text) = request.param(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number) && !text.starts_with('+'));
    number.map(Some).ok_or_else(|| bad(name, format_args!("a number from 1 to {max}"), &text))
}

/// Returns how many rows a page has.
pub fn limit(request: &Request, max: u16, default: u16) -> Result<usize, Problem> {
    let limit = number(request, "limit", max.into())?.unwrap_or(default.into());
    Ok(usize::try_from(limit).unwrap_or(usize::from(default)))
}

/// Returns a parameter that is one of these words.
pub fn one_of<T: Copy>(request: &Request, name: &str, all: &[(&str, T)]) -> Result<Option<T>, Problem> {
    let Some(text) = request.param(name) else { return Ok(None) };
    let found = all.iter().find(|(word, _)| *word == text);
    let words = || all.iter().map(|(word, _)| *word).collect::<Vec<&str>>().join(", ");
    found.map(|(_, value)| Some(*value)).ok_or_else(|| bad(name, format_args!("one of {}", words()), &text))
}

/// Returns a parameter that reads as a `T`.
pub fn parsed<T: FromStr>(request: &Request, name: &str, expected: &str) -> Result<Option<T>, Problem> {
    let Some(text) = request.param(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| bad(name, expected, &text))
}

/// Returns which entity is wanted.
pub fn entity(request: &Request) -> Result<Option<Entity>, Problem> {
    one_of(request, "entity", &Entity::ALL.map(|entity| (entity.plural(), entity)))
}

/// The place of an object in the list of those that are left: `parked/posts/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftPlace(pub How, pub Key);

impl FromStr for LeftPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, key) = text.split_once('/').ok_or(())?;
        let how = How::ALL.into_iter().find(|how| how.word() == word).ok_or(())?;
        Ok(Self(how, key.parse().map_err(drop)?))
    }
}

/// Writes a [`LeftPlace`].
pub fn left_place((how, key): (How, Key)) -> String {
    format!("{}/{key}", how.word())
}

/// The place of an event: `posts/5/9875`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace(pub UnsyncedPlace);

impl FromStr for EventPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (key, id) = text.rsplit_once('/').ok_or(())?;
        Ok(Self(UnsyncedPlace { key: key.parse().map_err(drop)?, id: id.parse().map_err(drop)? }))
    }
}

/// Writes an [`EventPlace`].
pub fn event_place(place: UnsyncedPlace) -> String {
    format!("{}/{}", place.key, place.id)
}

/// The place of an object in what a run sent: `1767225600000000/9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfRun(pub SentPlace);

impl FromStr for OfRun {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        /// No run is of a later year than 9999.
        const AT_US_MAX: i64 = 253_402_300_800_000_000;
        let (at_us, id) = text.split_once('/').ok_or(())?;
        let at_us = at_us.parse().map_err(drop)?;
        if !(0..AT_US_MAX).contains(&at_us) {
            return Err(());
        }
        Ok(Self(SentPlace { at_us, id: id.parse().map_err(drop)? }))
    }
}

/// Writes an [`OfRun`].
pub fn sent_place(place: &SentPlace) -> String {
    format!("{}/{}", place.at_us, place.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words() {
        for (query, expected) in [
            ("", Ok(50)),
            ("limit=1", Ok(1)),
            ("limit=200", Ok(200)),
            ("limit=201", Err("limit: expected a number from 1 to 200, got \"201\"")),
            ("limit=0", Err("limit: expected a number from 1 to 200, got \"0\"")),
            ("limit=+1", Err("limit: expected a number from 1 to 200, got \" 1\"")),
            ("limit=x", Err("limit: expected a number from 1 to 200, got \"x\"")),
        ] {
            let found = limit(&Request::new("GET", &format!("/?{query}")), 200, 50);
            assert_eq!(found, expected.map_err(|why| Problem::Malformed(why.to_owned())), "{query}");
        }
        let found = entity(&Request::new("GET", "/?entity=users"));
        assert_eq!(found, Err(Problem::Malformed("entity: expected one of posts, comments, got \"users\"".to_owned())));
    }

    #[test]
    fn places_read_as_they_are_written() {
        for text in ["parked/posts/5", "on_hold/comments/9007199254740991"] {
            let LeftPlace(how, key) = text.parse().unwrap();
            assert_eq!(left_place((how, key)), text);
        }
        let EventPlace(place) = "posts/5/9875".parse().unwrap();
        assert_eq!(event_place(place), "posts/5/9875");
        let OfRun(place) = "1767225600000000/9".parse().unwrap();
        assert_eq!(sent_place(&place), "1767225600000000/9");
        for bad in ["", "x", "parked", "parked/posts", "parked/posts/0", "done/posts/5", "posts/5/x", "posts/5"] {
            assert_eq!(bad.parse::<LeftPlace>(), Err(()), "{bad}");
            assert_eq!(bad.parse::<EventPlace>(), Err(()), "{bad}");
            assert_eq!(bad.parse::<OfRun>(), Err(()), "{bad}");
        }
        assert_eq!("9223372036854775807/1".parse::<OfRun>(), Err(()));
    }
}
