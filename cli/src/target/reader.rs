//! A client of the target that only reads, by its type: what compares both sides, imports, or shows an object needs no more.

use std::sync::Arc;
use std::time::Duration;

use news_core::profile::Profile;
use news_core::reply::{Method, Reply};
use news_core::session::{Listing, Look, Request};
use news_core::target_id::TargetId;
use news_core::wire::Element;
use news_core::{Entity, Key};

use super::listing::Patience;
use super::probe::Probe;
use super::{Lease, Target};
use crate::error::Result;
use crate::listing::{Extent, Progress};
use crate::profile::Chosen;
use crate::settings::TargetAccess;
use crate::signals::Signals;

/// Whom a session's requests are sent to.
pub trait Peer: Sync {
    /// Sends a request of a session; POST and PUT carry `json`. Never fails: whatever happens is a reply.
    fn send(&self, request: &Request, json: Option<&str>) -> Reply;
    /// Asks for an object, by the id that we chose or by its key.
    fn ask_for(&self, key: Key) -> Reply {
        self.send(&Request { key, method: Method::Get, to: self.profile().to(key), parent: None }, None)
    }
    /// Reads an entity's listing as far as a run needs it.
    fn look(&self, look: &Look) -> Listing;
    /// Returns what says until when requests go out.
    fn lease(&self) -> &Lease;
    /// Returns the target's dialect.
    fn profile(&self) -> &'static Profile;
    /// Returns what to do where the target refuses our credentials.
    fn credentials_hint(&self) -> String;
}

impl Peer for Target {
    fn send(&self, request: &Request, json: Option<&str>) -> Reply {
        Target::send(self, request, json)
    }

    fn look(&self, look: &Look) -> Listing {
        Target::look(self, look)
    }

    fn lease(&self) -> &Lease {
        Target::lease(self)
    }

    fn profile(&self) -> &'static Profile {
        Target::profile(self)
    }

    fn credentials_hint(&self) -> String {
        Target::credentials_hint(self)
    }
}

/// How often a reader asks for a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// As long as the target's trouble may last.
    Many,
    /// Once: somebody waits for the answer, and can ask again.
    One,
}

/// A client that sends nothing but GET (and what logging in takes, where the profile wants a login).
#[derive(Debug, Clone)]
pub struct Reader {
    target: Arc<Target>,
    tries: Tries,
}

impl Reader {
    /// Makes one, as [`Target::new`] does.
    pub fn new(url: &str, access: &TargetAccess, jobs: usize, timeout: Duration, tries: Tries) -> Result<Self> {
        Ok(Self { target: Arc::new(Target::new(url, access, jobs, timeout)?), tries })
    }

    /// Makes one for a look at some objects: no request takes longer than `limit`, its response's body included.
    pub fn within(limit: Duration, url: &str, access: &TargetAccess, jobs: usize, tries: Tries) -> Result<Self> {
        Ok(Self { target: Arc::new(Target::new(url, access, jobs, limit)?.within(limit)), tries })
    }

    /// Makes one that shares the connections of a client which also writes.
    pub fn of(target: &Arc<Target>) -> Self {
        Self { target: Arc::clone(target), tries: Tries::Many }
    }

    /// Returns the base URL, as it is remembered and shown.
    pub fn url(&self) -> &str {
        self.target.url()
    }

    /// Returns the profile, as it is remembered.
    pub fn chosen(&self) -> &Chosen {
        self.target.chosen()
    }

    /// Looks at the listing of `entity`, no further than to its first elements.
    pub fn probe(&self, entity: Entity) -> Probe {
        self.target.probe(entity)
    }

    /// Returns our id of the post that the target has under an id of its own, if that is one of ours: asks for it.
    pub fn our_post(&self, there: &TargetId) -> Option<i64> {
        self.target.our_post(there)
    }

    /// Returns how many records without a key of ours the last listing of an entity had.
    pub fn strangers(&self, entity: Entity) -> u64 {
        self.target.strangers(entity)
    }

    /// Reads the whole listing of an entity, as [`crate::source::Source::list`] says.
    pub fn list(
        &self,
        entity: Entity,
        signals: &Signals,
        begun: impl FnOnce(Extent) -> Result<()>,
        each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        let patience = match self.tries {
            Tries::Many => Patience::Waits(signals),
            Tries::One => Patience::None,
        };
        self.target.list(entity, &patience, begun, each)
    }
}

impl Peer for Reader {
    fn send(&self, request: &Request, _: Option<&str>) -> Reply {
        match request.method {
            Method::Get => self.target.send(request, None),
            Method::Post | Method::Put | Method::Delete => {
                Reply::NotSent { why: format!("this client only reads: it does not send {}", request.method.name()) }
            }
        }
    }

    fn look(&self, look: &Look) -> Listing {
        self.target.look(look)
    }

    fn lease(&self) -> &Lease {
        self.target.lease()
    }

    fn profile(&self) -> &'static Profile {
        self.target.profile()
    }

    fn credentials_hint(&self) -> String {
        self.target.credentials_hint()
    }
}

#[cfg(test)]
mod tests {
    use news_core::profile::To;

    use super::*;

    #[test]
    fn a_reader_sends_nothing_but_get() {
        // Port 9 is "discard": a GET is tried, and nobody listens.
        let timeout = Duration::from_secs(1);
        let reader = Reader::new("http://127.0.0.1:9", &TargetAccess::default(), 1, timeout, Tries::One).unwrap();
        let key: Key = "posts/5".parse().unwrap();
        for method in [Method::Get, Method::Post, Method::Put, Method::Delete] {
            let reply = reader.send(&Request { key, method, to: To::Id(String::from("5")), parent: None }, Some("{}"));
            let Reply::NotSent { why } = reply else { panic!("{reply:?}") };
            assert_eq!(why.contains("only reads"), method != Method::Get, "{why}");
        }
    }
}
