//! One look at a target: does it answer, does it list what is ours, what time is it there?

use std::time::SystemTime;

use news_core::profile::Profile;
use news_core::wire::OtherFields;
use news_core::{Entity, Key};

use super::listing::{coverage, part};
use super::trouble::Plain;
use super::{Target, header};
use crate::error::{Failure, Kind, Result};
use crate::listing;

/// Elements that are looked at: objects that came later may have more fields.
const ELEMENTS_MAX: u64 = 20;

/// What was seen.
#[derive(Debug)]
pub struct Probe {
    /// Its clock, where it tells: the Date header (RFC 9110 §6.6.1), in whole seconds.
    pub date: Option<SystemTime>,
    /// Whether it lists objects that could be ours; an empty list does.
    pub listing: Result<SeenListing>,
}

/// The first elements of a listing.
#[derive(Debug, Default)]
pub struct SeenListing {
    /// Fields that are not ours.
    pub others: OtherFields,
    /// The first object, and its number, if it has one that can be read.
    pub first: Option<(Key, Option<i64>)>,
    /// What is wrong with the first object that cannot be read, and whether all are like that.
    pub faulty: Option<(String, bool)>,
}

impl Target {
    /// Looks at the listing of `entity`, no further than to its first elements.
    pub fn probe(&self, entity: Entity) -> Probe {
        let what = self.what(entity);
        let response = match self.ask_for_listing(entity) {
            Ok(response) => response,
            Err(away) => return Probe { date: None, listing: Err(away.failure) },
        };
        let date = header(response.headers(), "date").and_then(|text| httpdate::parse_http_date(text).ok());
        let listing = match self.judge(&what, response) {
            _ if !self.lists_at_once() => match self.first_page(entity) {
                Ok(array) => first_elements(&what, self.profile, entity, array.as_slice()),
                Err(away) => Err(away.failure),
            },
            Ok(response) => match coverage(&response).is_part() {
                None => first_elements(&what, self.profile, entity, Plain(response.into_body().into_reader())),
                Some(why) => Err(part(&what, why)),
            },
            Err(away) => Err(away.failure),
        };
        Probe { date, listing }
    }
}

fn first_elements(what: &str, profile: &Profile, entity: Entity, reader: impl std::io::Read) -> Result<SeenListing> {
    // Where the target chooses the ids, there may be strangers before what is ours.
    let has_strangers = profile.key_field(entity).is_some();
    let (mut seen, mut elements, mut faulty) = (SeenListing::default(), 0, 0);
    let read = listing::read(what, profile, entity, reader, |element, progress| {
        elements = progress.elements;
        if elements == 1 || (has_strangers && seen.first.is_none()) {
            seen.first = element.key().map(|key| (key, element.number()));
        }
        if let (Some(key), Some(fault)) = (element.key(), element.faults().first()) {
            faulty += 1;
            seen.faulty.get_or_insert_with(|| (format!("{key}: {fault}"), false));
        }
        seen.others.take(&element);
        if progress.elements < ELEMENTS_MAX {
            return Ok(());
        }
        // Enough was seen.
        Err(Failure::new(Kind::Bug, "stopped"))
    });
    if let Some((_, all)) = &mut seen.faulty {
        *all = faulty == elements;
    }
    match (elements, &seen.first) {
        (0, _) => read.map(|_| seen),
        (_, Some(_)) => Ok(seen),
        (_, None) if has_strangers => Ok(seen),
        (_, None) => Err(Failure::new(Kind::Target, format!("{what}: what it lists has no id of ours"))
            .hint("is this the API's base URL?")),
    }
}
