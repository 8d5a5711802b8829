//! A session that only looks: it asks for each object once, and sends nothing but GET.
//!
//! In scope: what is there under each key. Jobs, rate, retries, the limits of the target, and when a 404 is trusted (`base`)
//! are those of a run. Nothing is prepared or recorded, so the driver needs no lock. Out of scope: comparing.
//!
//! ```text
//! GET ─ 2xx, the object ──────────▶ there
//!     ├ 2xx, something else ──────▶ odd
//!     ├ 404, and it is trusted ───▶ gone
//!     ├ trouble, or a limit ──────▶ again; too often, or for too long: the session stops
//!     └ 401, 403, 3xx, other 4xx ─▶ the session stops
//! ```
//!
//! A look is whole or none: what could not be asked for is not taken for anything.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use crate::merge::{Presence, Wish};
use crate::model::Key;
use crate::object::{Conversation, Flight, Step};
use crate::plan::{Plan, Standing, Work};
use crate::reply::{self, Answer, Method, Reply, Told};
use crate::session::outcome::Stop;
use crate::session::pace::{Exhausted, Pace};
use crate::session::trial::Errand;
use crate::session::types::{Asks, Config};
use crate::session::{Item, Phase, Session};
use crate::wire::Element;

/// Kept of one text of an object, in bytes: four times as many as the longest of ours has characters.
const TEXT_BYTES_KEPT: usize = 4 * 1024;

/// One request of a look takes no longer, and after so long no other one follows: somebody waits for the report.
pub const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// What the target has under a key.
#[derive(Debug, Clone)]
pub enum Sight {
    /// No object.
    Gone,
    /// An object.
    There(Box<Element<'static>>),
    /// Something that is not an object of ours: why.
    Odd(String),
}

impl Session {
    /// Starts a session that asks for each of these objects. Trouble costs an object at most `attempts_max` attempts.
    pub fn looking(config: Config, keys: &[Key], attempts_max: u32, now: Duration) -> Self {
        let mut session = Self::new(Config { asks: Asks::Each, ..config }, &Plan::default(), now);
        session.pace = Pace::new(config.rate_per_s, config.jobs, keys.len() as u64);
        session.look_attempts_max = attempts_max;
        for key in keys {
            if session.places.contains_key(key) {
                continue;
            }
            session.places.insert(*key, session.items.len());
            session.ready.push_back(session.items.len());
            let (before, after, standing) = (Presence::Unknown, Wish::Present, Standing::Ready);
            let work = Work { key: *key, parent: None, before, after, standing, settles_in: Duration::ZERO };
            let item = Item::new(work, Conversation::new(before, after, now, now));
            session.items.push(Item { errand: Errand::Look, phase: Phase::Ready, ..item });
        }
        session
    }

    /// Returns what was seen; of every object once it is [`Next::Finished`](super::Next::Finished) without a stop.
    pub fn into_sights(self) -> BTreeMap<Key, Sight> {
        self.sights
    }

    /// Keeps what the reply shows of the object.
    pub(super) fn sight(&mut self, key: Key, told: &Told, reply: &Reply) {
        match (told.answer, reply::element(self.config.profile, key, reply)) {
            (Answer::Equal | Answer::Different, Some(element)) => {
                self.sights.insert(key, Sight::There(Box::new(element.into_owned(TEXT_BYTES_KEPT))));
            }
            (Answer::Unreadable | Answer::Several, _) => drop(self.sights.insert(key, Sight::Odd(told.why.clone()))),
            (_, _) => {}
        }
    }

    /// Takes the answer to a look.
    pub(super) fn looked(&mut self, place: usize, told: &Told, flight: Flight, random: u64) {
        let now = flight.back_at;
        let key = self.items[place].work.key;
        match told.answer {
            Answer::Gone => {
                self.sights.insert(key, Sight::Gone);
                self.items[place].phase = Phase::Ended;
            }
            Answer::Equal
            | Answer::Different
            | Answer::Several
            | Answer::Unreadable
            | Answer::Accepted
            | Answer::Exists => {
                self.items[place].phase = Phase::Ended;
            }
            Answer::Unfiltered => self.stop(self.unfiltered(key.entity(), told)),
            Answer::Unauthorized | Answer::Forbidden => self.stop(Stop::Credentials(format!("{key}: {}", told.why))),
            Answer::Redirected => self.stop(Stop::Redirected(format!("{key}: {}", told.why))),
            Answer::Refused => self.stop(Stop::Refusing { what: key.to_string(), why: told.why.clone() }),
            Answer::Broken | Answer::Lost | Answer::NotSent | Answer::Throttled => {
                let step = self.items[place].talk.answered(Method::Get, told.answer, flight, &self.config.effects);
                let attempts_max = self.look_attempts_max;
                let begun = *self.looks_begun.entry(place).or_insert(flight.sent_at);
                let goes_on = match step {
                    Step::Retry(attempt) => attempt < attempts_max && now < begun + LOOK_WITHIN,
                    Step::Later => attempts_max > 1 && !self.is_put_off_too_often(place),
                    Step::Done | Step::Send | Step::GiveUp | Step::Refused => false,
                };
                if goes_on {
                    self.ask_again(place, step, told, now, random);
                } else {
                    let why = format!("{key}: {}", told.why);
                    self.stop(Stop::Unavailable(Exhausted::Streak(self.pace.streak()), why));
                }
            }
        }
    }
}
