//! Is the base URL right? A wrong one answers 404 to everything, which must not look like
//! deletes that succeed. A run's first 404 is believed only once `GET /posts` has begun to
//! answer with a listing; until then it is suspended, and with it its object.

use core::time::Duration;

use crate::object::ATTEMPTS_MAX;
use crate::reply::Method;
use crate::session::types::{Listing, Next, Stop};
use crate::session::{Session, pace};

/// Whether a 404 means what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Nobody looked.
    Untried,
    /// The driver looks.
    Asking,
    /// It failed; again at that time.
    Again(Duration),
    /// GET /posts lists posts.
    Good,
}

impl Session {
    /// Returns when the listing is to be asked for, if it is; then it still takes a job
    /// and the rate's slot, like any request.
    pub(super) fn listing_at(&self) -> Option<Duration> {
        if self.suspended.is_empty() || self.under_way() >= self.config.jobs {
            return None;
        }
        match self.base {
            Base::Untried => Some(self.pace.free_at()),
            Base::Again(at) => Some(at.max(self.pace.free_at())),
            Base::Asking | Base::Good => None,
        }
    }

    /// Asks for it.
    pub(super) fn ask_listing(&mut self, now: Duration) -> Next {
        self.base = Base::Asking;
        self.count_request(Method::Get, now);
        Next::CheckListing
    }

    /// Says what `GET /posts` looks like; `random` is any number.
    pub fn listed(&mut self, listing: Listing, now: Duration, random: u64) {
        if self.base != Base::Asking {
            return;
        }
        match listing {
            Listing::Good => {
                self.base = Base::Good;
                for (place, told, sent_at) in core::mem::take(&mut self.suspended) {
                    self.take(place, &told, sent_at, now, random);
                }
            }
            Listing::Forbidden(what) => {
                self.base = Base::Untried;
                self.stop(Stop::Credentials(what));
            }
            Listing::Other(what) => {
                self.base = Base::Untried;
                self.stop(Stop::WrongBase(what));
            }
            Listing::None(why) => {
                self.listing_attempts += 1;
                if self.listing_attempts >= ATTEMPTS_MAX {
                    self.base = Base::Untried;
                    self.stop(Stop::NoListing(why));
                } else {
                    self.base = Base::Again(now + pace::delay(self.listing_attempts, random));
                }
            }
        }
    }
}
