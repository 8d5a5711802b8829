//! One look at a target: does it answer, does it list what is ours, what time is it there?

use std::time::SystemTime;

use news_core::Entity;

use super::trouble::Plain;
use super::{Target, header};
use crate::error::{Failure, Kind, Result};
use crate::listing;

/// What was seen.
#[derive(Debug)]
pub struct Probe {
    /// Its clock, where it tells: the Date header (RFC 9110 §6.6.1), in whole seconds.
    pub date: Option<SystemTime>,
    /// Whether it lists objects that could be ours; an empty list does.
    pub listing: Result<()>,
}

impl Target {
    /// Looks at the listing of `entity`, no further than to its first element.
    pub fn probe(&self, entity: Entity) -> Probe {
        let what = self.what(entity);
        let response = match self.ask_for_listing(entity) {
            Ok(response) => response,
            Err(failure) => return Probe { date: None, listing: Err(failure) },
        };
        let date = header(response.headers(), "date").and_then(|text| httpdate::parse_http_date(text).ok());
        let listing = match self.judge(&what, response) {
            Ok(response) => first_element(&what, entity, Plain(response.into_body().into_reader())),
            Err(away) => Err(away.failure),
        };
        Probe { date, listing }
    }
}

fn first_element(what: &str, entity: Entity, reader: impl std::io::Read) -> Result<()> {
    let mut first = None;
    let read = listing::read(what, entity, reader, |element, _| {
        first = Some(element.key().is_some());
        // Enough was seen.
        Err(Failure::new(Kind::Bug, "stopped"))
    });
    match first {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Kind::Target, format!("{what}: what it lists has no id of ours"))
            .hint("is this the API's base URL?")),
        None => read.map(drop),
    }
}
