//! Before a run's first write it asks whether what it is about to create is at the target already: the log is
//! evidence, not proof. A database that was filled from a dump logs a create for every row, and the target may have
//! them all.
//!
//! ```text
//! creates of each entity ─▶ lowest, middle, highest id: GET
//!     all 404 ───────────────────────────────────────────▶ they are creates
//!     one is there, with other content, of many creates ─▶ stop: strangers (unless forced)
//!     one is there ──────────────────────────────────────▶ stop: the log is in doubt; a new plan asks for each
//!     none could be asked for ───────────────────────────▶ every create of the entity is asked for
//! ```
//!
//! These requests change nothing, so nothing is recorded of their objects; their 404 needs no proof of the base URL, since
//! the POST and its read-back are that. Where the log is in doubt, the driver remembers that, and plans anew: what the
//! log says of other objects, of those that it calls created and deleted, too, is then as doubtful.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::merge::Action;
use crate::model::{Entity, Key};
use crate::object::{Flight, Step};
use crate::plan::{Standing, Work};
use crate::reply::{Answer, Method, Told};
use crate::session::finding::Post;
use crate::session::outcome::Stop;
use crate::session::trial::Errand;
use crate::session::types::{Asks, Loaded, Next, Strangers};
use crate::session::{Phase, Session, pace};

/// With more creates than this, an object that is there with other content stops the run: a mass of creates over
/// somebody else's objects is a mistake.
pub const STRANGERS_CREATES_MAX: u64 = 30;

/// Attempts that trouble may cost an object here: it needs some of them for itself.
const ASK_ATTEMPTS_MAX: u32 = 3;

/// How far asking is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskingState {
    /// Their rows are to be loaded.
    Begins,
    /// They are asked for.
    Asks,
    /// Creates may go.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SeenSample {
    /// In the plan.
    creates: u64,
    /// Asked for, and not there.
    gone: u64,
    /// One that is there.
    hit: Option<Key>,
    /// One that is there with other content.
    different: Option<Key>,
}

/// What a run knows of the objects that it asks for first.
#[derive(Debug)]
pub(super) struct Asking {
    state: AskingState,
    /// Places whose answer is to come.
    open: BTreeSet<usize>,
    seen: BTreeMap<Entity, SeenSample>,
}

impl Asking {
    /// Chooses among the plan's creates.
    pub fn new(works: &[Work], asks: Asks) -> Self {
        let mut open = BTreeSet::new();
        let mut seen = BTreeMap::new();
        for entity in Entity::ALL {
            let creates: Vec<usize> = (0..works.len())
                .filter(|place| {
                    let work = &works[*place];
                    work.key.entity() == entity && work.standing == Standing::Ready && work.action() == Action::Create
                })
                .collect();
            // Works of one stage are in id order.
            let last = creates.len().saturating_sub(1);
            let some = match asks {
                Asks::Some => &[0, last / 2, last][..],
                Asks::Each => &[],
            };
            open.extend(some.iter().filter_map(|at| creates.get(*at)).copied());
            seen.insert(entity, SeenSample { creates: creates.len() as u64, ..SeenSample::default() });
        }
        Self { state: if open.is_empty() { AskingState::Over } else { AskingState::Begins }, open, seen }
    }

    /// Says whether creates, and everything else, may go.
    pub fn is_over(&self) -> bool {
        self.state == AskingState::Over
    }
}

impl Session {
    /// Says what asking needs next of the driver, if it needs something.
    ///
    /// Returns `None` also where it came to its end, which may have stopped the run.
    pub(super) fn ask_first(&mut self) -> Option<Next> {
        match self.asking.state {
            AskingState::Begins => {
                self.asking.state = AskingState::Asks;
                // Held, or ended otherwise, before it began.
                self.asking.open.retain(|place| self.items[*place].phase == Phase::Queued);
                let keys: Vec<Key> = self.asking.open.iter().map(|place| self.items[*place].work.key).collect();
                if keys.is_empty() {
                    self.conclude();
                    return None;
                }
                for place in &self.asking.open {
                    self.items[*place].phase = Phase::Preparing;
                }
                self.preparing = keys.len();
                Some(Next::Load(keys))
            }
            AskingState::Asks if self.asking.open.is_empty() => {
                self.conclude();
                None
            }
            AskingState::Asks | AskingState::Over => None,
        }
    }

    /// Takes the row of an object that is asked for. Returns whether it was one.
    pub(super) fn loaded_to_ask(&mut self, place: usize, loaded: &Loaded) -> bool {
        if self.asking.state != AskingState::Asks || !self.asking.open.contains(&place) {
            return false;
        }
        match loaded {
            Loaded::Ready => {
                self.items[place].errand = Errand::AskFirst;
                self.items[place].phase = Phase::Ready;
                self.ready.push_back(place);
            }
            // When its turn comes it is found to be so again.
            Loaded::Overtaken | Loaded::Contradicted | Loaded::OnHold | Loaded::Unreadable(_) => {
                self.leave_unasked(place);
            }
        }
        true
    }

    /// Takes the answer to a request that asks first.
    pub(super) fn asked(&mut self, place: usize, told: &Told, flight: Flight, random: u64) {
        let key = self.items[place].work.key;
        let is_comparable = self.items[place].post == Post::None;
        let seen = self.asking.seen.entry(key.entity()).or_default();
        match told.answer {
            Answer::Gone => {
                seen.gone += 1;
                self.end_asking(place);
            }
            // An acknowledged DELETE may be on its way.
            Answer::Equal | Answer::Different | Answer::Several
                if flight.sent_at < self.items[place].talk.settled_at() =>
            {
                let at = self.items[place].talk.settled_at();
                self.wait(place, at);
            }
            Answer::Equal | Answer::Different | Answer::Several => {
                seen.hit = seen.hit.or(Some(key));
                // Without the target's id of its post a comment cannot be compared.
                if told.answer == Answer::Different && is_comparable {
                    seen.different = seen.different.or(Some(key));
                }
                self.end_asking(place);
            }
            Answer::Broken | Answer::Lost | Answer::NotSent | Answer::Throttled => {
                let now = flight.back_at;
                match self.items[place].talk.answered(Method::Get, told.answer, flight, &self.config.effects) {
                    Step::Retry(attempt) if attempt < ASK_ATTEMPTS_MAX => {
                        let delay = told.retry_after.unwrap_or_else(|| pace::delay(attempt, random));
                        self.wait(place, now.saturating_add(delay));
                    }
                    Step::Later if !self.is_put_off_too_often(place) => self.postpone(place, now),
                    Step::Send => {
                        self.items[place].phase = Phase::Ready;
                        self.ready.push_front(place);
                    }
                    Step::Later | Step::Done | Step::Retry(_) | Step::GiveUp | Step::Refused => {
                        self.leave_unasked(place);
                    }
                }
            }
            Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected
            | Answer::Refused
            | Answer::Unreadable
            | Answer::Unfiltered
            | Answer::Accepted
            | Answer::Exists => self.leave_unasked(place),
        }
    }

    /// It could not be asked for: that is the first thing that it does by itself, with the attempts that it has left.
    pub(super) fn leave_unasked(&mut self, place: usize) {
        self.end_asking(place);
        self.items[place].talk.doubt();
    }

    fn end_asking(&mut self, place: usize) {
        self.asking.open.remove(&place);
        self.items[place].errand = Errand::Talk;
        self.items[place].phase = Phase::Queued;
    }

    /// All were asked for, as far as that was possible.
    fn conclude(&mut self) {
        let stranger = self.asking.seen.values().find_map(|seen| {
            let many = seen.creates > STRANGERS_CREATES_MAX && self.config.strangers == Strangers::Refused;
            seen.different.filter(|_| many).map(|key| Stop::Strangers { key, creates: seen.creates })
        });
        let hit = self.asking.seen.values().find_map(|seen| seen.hit);
        if let Some(stop) = stranger.or(hit.map(Stop::Doubted)) {
            return self.stop(stop);
        }
        self.asking.state = AskingState::Over;
        self.summary.is_log_trusted = true;
        for item in self.items.iter_mut().filter(|item| item.phase == Phase::Queued) {
            let seen = self.asking.seen.get(&item.work.key.entity()).copied().unwrap_or_default();
            if seen.creates > 0 && seen.gone == 0 && item.work.action() == Action::Create {
                item.talk.doubt();
            }
        }
    }
}
