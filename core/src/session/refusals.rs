//! Whose fault is a refusal: the object's, or the target's?
//!
//! A target that is misconfigured, or that no longer knows us, refuses everything, perhaps from the middle of a run on,
//! and then nobody is to be parked. So a refusal is kept back until something speaks for one or the other:
//!
//! ```text
//! a write of another object, sent after it, is accepted ──▶ the object's own: parked
//! so many of the same status, and nothing between ────────▶ the target's (401, 403: the credentials')
//! all else has ended:
//!     3xx, other 4xx, unreadable: the listing is ─ fine ──▶ the object's own: parked
//!                                                └ refused ▶ the target's
//!     (of a create that is answered with 404, listed objects have to be found by their own addresses, too)
//!     403, and others were accepted before it: likewise (refused: the credentials')
//!     401, 403 ───────────────────────────────────────────▶ the credentials'
//! ```
//!
//! An object whose answer cannot be understood is not parked but fails: what was done is not known.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::model::{Entity, Key};
use crate::reply::{Answer, Told};
use crate::session::order::Fate;
use crate::session::outcome::Stop;
use crate::session::types::Left;
use crate::session::{Phase, Session};

/// With so many refusals of one status, and nothing accepted, the target refuses everything.
const SAME_STATUS_MAX: usize = 20;
/// With so many 401 and 403, and nothing accepted, it is the credentials. Fewer: an account gets locked.
const CREDENTIALS_MAX: usize = 5;

/// What is known of the reason of a refusal that no run has judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Nothing.
    Open,
    /// A write of another object was accepted since: it is the object's own.
    Own,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// 401, 403.
    Credentials,
    /// 3xx.
    Redirect,
    /// Other 4xx.
    Refusal,
    /// A 2xx that cannot be understood.
    Unreadable,
}

impl Sort {
    fn of(answer: Answer) -> Self {
        match answer {
            Answer::Unauthorized | Answer::Forbidden => Sort::Credentials,
            Answer::Redirected => Sort::Redirect,
            Answer::Unreadable => Sort::Unreadable,
            // A conversation that goes round in circles ends as a refusal, too.
            Answer::Refused
            | Answer::Several
            | Answer::Unfiltered
            | Answer::Equal
            | Answer::Different
            | Answer::Accepted
            | Answer::Gone
            | Answer::Exists
            | Answer::Throttled
            | Answer::Broken
            | Answer::Lost
            | Answer::NotSent => Sort::Refusal,
        }
    }
}

/// A refusal that is kept back.
#[derive(Debug, Clone)]
struct KeptBack {
    place: usize,
    /// When it came.
    at: Duration,
    sort: Sort,
    status: u16,
    why: String,
}

/// Whose writes were accepted in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Accepted {
    #[default]
    None,
    /// Only those of the object at this place.
    One(usize),
    Several,
}

impl Accepted {
    fn another_than(self, place: usize) -> bool {
        match self {
            Accepted::None => false,
            Accepted::One(one) => one != place,
            Accepted::Several => true,
        }
    }
}

/// The refusals of a run.
#[derive(Debug, Default)]
pub struct Refusals {
    kept: Vec<KeptBack>,
    accepted: Accepted,
    remembered: BTreeMap<Key, Blame>,
}

impl Refusals {
    /// Takes what earlier runs of this process kept back.
    pub fn recall(&mut self, remembered: BTreeMap<Key, Blame>) {
        self.remembered = remembered;
    }

    /// Says whether the listing decides about a refusal: about one that may be the credentials' it does only where others
    /// were accepted before.
    fn listing_tells(&self, kept: &KeptBack) -> bool {
        match kept.sort {
            Sort::Credentials => kept.status == 403 && self.accepted.another_than(kept.place),
            Sort::Redirect | Sort::Refusal | Sort::Unreadable => true,
        }
    }

    /// Returns what a later run is to know, of so many objects at most.
    pub fn remembered(&self, most: usize) -> BTreeMap<Key, Blame> {
        self.remembered.iter().take(most).map(|(key, blame)| (*key, *blame)).collect()
    }
}

impl Session {
    /// Takes an object's refusal.
    pub(super) fn refuse(&mut self, place: usize, told: &Told, now: Duration) {
        let key = self.items[place].work.key;
        if matches!(told.answer, Answer::Equal | Answer::Different) {
            self.items[place].why = format!("it is still there, however often it is deleted ({})", told.why);
        }
        let why = self.items[place].why.clone();
        let kept = KeptBack { place, at: now, sort: Sort::of(told.answer), status: told.status.unwrap_or(0), why };
        if self.refusals.remembered.get(&key) == Some(&Blame::Own) {
            return self.put_aside(&kept, now);
        }
        self.items[place].phase = Phase::Refused;
        self.refusals.remembered.insert(key, Blame::Open);
        let all = &mut self.refusals.kept;
        all.push(kept.clone());
        let is_alike = |other: &&KeptBack| match kept.sort {
            Sort::Credentials => other.sort == Sort::Credentials,
            Sort::Redirect | Sort::Refusal | Sort::Unreadable => other.status == kept.status,
        };
        let count = all.iter().filter(is_alike).count();
        match kept.sort {
            Sort::Credentials if count >= CREDENTIALS_MAX => self.stop(Stop::Credentials(kept.why)),
            Sort::Redirect | Sort::Refusal | Sort::Unreadable if count >= SAME_STATUS_MAX => {
                self.blame_target(&kept, format!("{count} objects in a row, and accepted nothing"));
            }
            Sort::Credentials | Sort::Redirect | Sort::Refusal | Sort::Unreadable => {}
        }
    }

    /// Takes note that a write of the object at `place` was accepted, which was sent at `sent_at`: the refusals that others
    /// had met by then are their own.
    pub(super) fn accept(&mut self, place: usize, sent_at: Duration, now: Duration) {
        let refusals = &mut self.refusals;
        refusals.accepted = match refusals.accepted {
            Accepted::None => Accepted::One(place),
            Accepted::One(one) if one == place => Accepted::One(one),
            Accepted::One(_) | Accepted::Several => Accepted::Several,
        };
        let key = self.items[place].work.key;
        // What is accepted is no longer refused; what others were told is about them.
        refusals.remembered.remove(&key);
        let all = core::mem::take(&mut refusals.kept);
        let (own, kept): (Vec<KeptBack>, Vec<KeptBack>) = all.into_iter().partition(|kept| kept.at <= sent_at);
        let is_open = |key: &Key| kept.iter().any(|kept| self.items[kept.place].work.key == *key);
        for (_, blame) in refusals.remembered.iter_mut().filter(|(key, _)| !is_open(key)) {
            *blame = Blame::Own;
        }
        refusals.kept = kept;
        for kept in &own {
            self.put_aside(kept, now);
        }
    }

    /// Parks an object, or lets it fail where what was done is not known.
    fn put_aside(&mut self, kept: &KeptBack, now: Duration) {
        let place = kept.place;
        self.refusals.remembered.remove(&self.items[place].work.key);
        let left = match kept.sort {
            Sort::Unreadable => {
                self.summary.failed += 1;
                Left::Waiting
            }
            Sort::Credentials | Sort::Redirect | Sort::Refusal => {
                self.summary.parked += 1;
                Left::Parked
            }
        };
        self.leave(place, left, now);
        // Its part may have ended already, so that others could go on.
        if self.items[place].phase != Phase::Ended {
            self.end(place, Fate::Bad, now);
        }
    }

    /// Says which listing is to be looked at for a verdict, when nothing else can be done.
    pub(super) fn wants_verdict(&self) -> Option<Entity> {
        let kept = self.refusals.kept.iter().find(|kept| self.refusals.listing_tells(kept))?;
        Some(self.items[kept.place].work.key.entity())
    }

    /// Says whether a refusal may mean that the target has other addresses than we ask.
    pub(super) fn doubts_addresses(&self) -> bool {
        self.refusals.kept.iter().any(|kept| matches!(kept.status, 404 | 410))
    }

    /// The listing is as it should be: what was refused is the objects' own fault, but for credentials.
    pub(super) fn acquit_target(&mut self, now: Duration) {
        self.base.end_looking();
        let all = core::mem::take(&mut self.refusals.kept);
        let (own, kept): (Vec<KeptBack>, Vec<KeptBack>) =
            all.into_iter().partition(|kept| self.refusals.listing_tells(kept));
        self.refusals.kept = kept;
        for kept in &own {
            self.put_aside(kept, now);
        }
    }

    /// It is not the objects' own fault, as `listing` tells.
    pub(super) fn convict_target(&mut self, listing: &str) {
        if let Some(kept) = self.refusals.kept.iter().find(|kept| self.refusals.listing_tells(kept)).cloned() {
            self.blame_target(&kept, format!("everything ({listing})"));
        }
    }

    fn blame_target(&mut self, kept: &KeptBack, what: String) {
        let why = kept.why.clone();
        self.stop(match kept.sort {
            Sort::Redirect => Stop::Redirected(why),
            Sort::Credentials => Stop::Credentials(why),
            Sort::Refusal | Sort::Unreadable => Stop::Refusing { what, why },
        });
    }

    /// Ends the part of objects whose refusal may be the credentials', so that what waits for them can go on: it may
    /// be accepted. Returns whether there were any.
    pub(super) fn release_kept(&mut self, now: Duration) -> bool {
        let places: Vec<usize> = self.refusals.kept.iter().map(|kept| kept.place).collect();
        let mut any = false;
        for place in places {
            if self.items[place].phase == Phase::Refused {
                any = true;
                self.end(place, Fate::Bad, now);
            }
        }
        any
    }

    /// At the end of a run: returns what was said of the refusals that are left, which are about the credentials.
    pub(super) fn unjudged(&self) -> Option<String> {
        self.refusals.kept.first().map(|kept| kept.why.clone())
    }

    /// After a stop: objects that nothing was decided of are left as they are.
    pub(super) fn leave_kept(&mut self, now: Duration) {
        for kept in core::mem::take(&mut self.refusals.kept) {
            if self.items[kept.place].phase != Phase::Ended {
                self.items[kept.place].phase = Phase::Ended;
                self.open -= usize::from(self.items[kept.place].prepared);
            }
            self.summary.untouched += 1;
            self.leave(kept.place, Left::Waiting, now);
        }
    }
}
