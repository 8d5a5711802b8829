//! One look at a target: does it answer, does it list what is ours, what time is it there?

use std::time::SystemTime;

use news_core::Entity;

use super::{Target, describe, header};
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
        let url = format!("{}/{entity}", self.base);
        let what = format!("GET {url}");
        let response = match self.authorised(self.agent.get(&url)).call() {
            Ok(response) => response,
            Err(error) => {
                let failure = Failure::new(Kind::Target, format!("{what}: {}", describe(&error)))
                    .hint("is the target running, and is the URL right?");
                return Probe { date: None, listing: Err(failure) };
            }
        };
        let date = header(response.headers(), "date").and_then(|text| httpdate::parse_http_date(text).ok());
        let status = response.status().as_u16();
        let failed = |kind, hint: &str| Err(Failure::new(kind, format!("{what}: status {status}")).hint(hint));
        let listing = match status {
            200 => first_element(&what, entity, response.into_body().into_reader()),
            401 | 403 if self.bearer.is_some() => {
                failed(Kind::Credentials, "it refuses NEWS_TARGET_TOKEN: is it still good?")
            }
            401 | 403 => failed(Kind::Credentials, "it wants a token: set NEWS_TARGET_TOKEN"),
            300..=399 => {
                let to = header(response.headers(), "location").unwrap_or("nowhere");
                failed(Kind::Usage, &format!("it sends us to {to}: use that URL, if you trust it"))
            }
            404 | 410 => {
                failed(Kind::Target, "is this the API's base URL? PATH/posts and PATH/comments are to be lists")
            }
            _ => failed(Kind::Target, "the target is in trouble: its own log says more"),
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
