//! A look at a listing for a run: does it begin, and which objects does it have that can speak for others?

use std::io::{self, BufRead, BufReader};

use news_core::profile::Profile;
use news_core::session::{Listing, Look, Sample};
use ureq::Body;
use ureq::http::Response;

use super::listing::{Patience, coverage};
use super::trouble::Plain;
use super::{Target, header, told_to_wait};
use crate::error::{Failure, Kind};
use crate::listing;

/// A body that begins with more white space than this is not a listing.
const BLANKS_MAX: usize = 64 * 1024;

impl Target {
    /// Reads an entity's listing as far as a run needs it.
    pub fn look(&self, look: &Look) -> Listing {
        let call = self.profile.dialect(look.entity).list;
        let what = call.to_string();
        let url = format!("{}{}", self.base, call.before);
        if !self.lists_at_once() {
            return self.look_at_pages(look);
        }
        let response = match self.with_headers(self.get(&url)).call() {
            Ok(response) => response,
            Err(error) => return Listing::None(format!("{what}: {}", self.describe(&error))),
        };
        let status = response.status().as_u16();
        let said = format!("{what}: status {status}");
        match status {
            200 | 206 => read(&what, self.profile, look, response),
            403 if told_to_wait(response.headers()).is_some() => Listing::None(said),
            401 | 403 => Listing::Forbidden(said),
            300..=399 => {
                let to = header(response.headers(), "location").unwrap_or("nowhere");
                Listing::Redirected(format!("{said} to {}", news_core::reply::excerpt(to)))
            }
            408 | 425 | 429 | 500.. => Listing::None(said),
            _ => Listing::Refused(said),
        }
    }
}

impl Target {
    /// The same of a listing in pages, as many of them as it takes.
    fn look_at_pages(&self, look: &Look) -> Listing {
        let mut sample = Sample::default();
        let read = self.list_pages(
            look.entity,
            &Patience::None,
            |_| Ok(()),
            |element, _| {
                if sample.take(look, element.key()) {
                    // Enough was seen.
                    return Err(Failure::new(Kind::Bug, "stopped"));
                }
                Ok(())
            },
        );
        match read {
            _ if !sample.speaking.is_empty() => Listing::Read(sample),
            Ok(_) => Listing::Read(sample),
            Err(failure) => match failure.kind() {
                Kind::Credentials => Listing::Forbidden(failure.to_string()),
                Kind::Usage => Listing::Redirected(failure.to_string()),
                Kind::Refused => Listing::Other(failure.to_string()),
                Kind::Target
                | Kind::Partly
                | Kind::Database
                | Kind::Locked
                | Kind::Bug
                | Kind::Output
                | Kind::ClosedPipe
                | Kind::Interrupted
                | Kind::Terminated => Listing::None(failure.to_string()),
            },
        }
    }
}

fn read(what: &str, profile: &Profile, look: &Look, response: Response<Body>) -> Listing {
    let coverage = coverage(&response);
    let mut body = BufReader::new(Plain(response.into_body().into_reader()));
    match skip_blanks(&mut body) {
        Ok(Some(())) => {}
        Ok(None) => return Listing::Part(format!("{what}: a body with nothing in it")),
        Err(error) => return Listing::None(format!("{what}: {error}")),
    }
    let mut sample = Sample::default();
    let read = listing::read(what, profile, look.entity, body, |element, _| {
        if sample.take(look, element.key()) {
            // Enough was seen.
            return Err(Failure::new(Kind::Bug, "stopped"));
        }
        Ok(())
    });
    match read {
        // What speaks does so whatever comes behind it.
        _ if !sample.speaking.is_empty() => Listing::Read(sample),
        Ok(elements) => match coverage.contradicts(elements) {
            Some(why) => Listing::Part(format!("{what}: the listing is not whole: {why}")),
            None => Listing::Read(sample),
        },
        Err(failure) if failure.kind() == Kind::Refused => Listing::Other(failure.to_string()),
        Err(failure) => Listing::None(failure.to_string()),
    }
}

/// Takes white space; nothing where there is nothing else, or too much of it.
fn skip_blanks(body: &mut impl BufRead) -> io::Result<Option<()>> {
    let mut skipped = 0;
    while skipped < BLANKS_MAX {
        let buffer = match body.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok(None);
        }
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blanks < buffer.len() {
            body.consume(blanks);
            return Ok(Some(()));
        }
        body.consume(blanks);
        skipped += blanks;
    }
    Ok(None)
}
