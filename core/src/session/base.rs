//! Does a 404 mean what it says? A wrong base URL answers 404 to everything, and routes can disagree: a target may list
//! under any path and know objects at one only. Such answers must not look like deletes that succeed.
//!
//! A 404 about an object is believed once something shows that the entity's objects have the addresses that we ask:
//!
//! ```text
//! an object of the entity was found by its own address, in this process, not long ago ─▶ believed
//! else its listing: an empty array ────────────────────────────────────────────────────▶ believed
//!                   lists objects that this run does not delete: ask for three of them
//!                        one is found ─────────────────────────────────────────────────▶ believed
//!                        none, nor is it in a second look with nothing else in flight ─▶ stop: the routes disagree
//!                   lists none but such: the object itself is not listed ──────────────▶ believed, of that object
//!                                        it is, and asked for again it is not found ───▶ stop: the routes disagree
//! ```
//!
//! Until then the answer is suspended, and with it its object.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::merge::Wish;
use crate::model::{Entity, Key};
use crate::object::ATTEMPTS_MAX;
use crate::reply::{self, Answer, Method, Reply};
use crate::session::finding::IMPOSSIBLE_ID;
use crate::session::outcome::Stop;
use crate::session::trial::Errand;
use crate::session::types::{Listing, Look, Next, Sample};
use crate::session::{Phase, Session, pace};

/// So long an object that was found speaks for the addresses of others.
pub const PROOF_HOLDS: Duration = Duration::from_mins(10);

/// What is known of an entity's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// They are right, until then.
    Right { until: Duration },
    /// The listing has none but objects that this run deletes or was told are missing. Of these it has the ones here.
    Listed { until: Duration, keys: BTreeSet<Key> },
}

/// What a listing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A 404 waits for it.
    Proof,
    /// Refusals do.
    Verdict,
}

/// What is being found out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    /// The listing is read.
    List { entity: Entity, purpose: Purpose },
    /// A key is asked for that no object has.
    Filter { entity: Entity },
    /// A listed object is asked for by its own address: the first of `left`.
    Probe { entity: Entity, purpose: Purpose, tried: Vec<Key>, left: Vec<Key> },
}

/// How far the task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskState {
    /// Its request is to be sent, not before that time.
    Due(Duration),
    /// It is under way.
    Asked,
}

/// What is known of the target's addresses, and what is being done to know more.
#[derive(Debug, Default)]
pub struct Base {
    proofs: BTreeMap<Entity, Proof>,
    task: Option<(Task, TaskState)>,
    attempts: u32,
    look: Care,
}

/// How a listing and the addresses are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Care {
    /// Beside the run's other requests.
    #[default]
    Beside,
    /// With nothing else in flight: a delete of ours may take other objects along, between the listing and the question.
    Alone,
}

impl Base {
    /// Takes note that the entity's addresses are right.
    pub fn prove(&mut self, entity: Entity, until: Duration) {
        self.proofs.insert(entity, Proof::Right { until });
    }

    /// Returns the entities whose addresses are right, and until when.
    pub fn proven(&self) -> impl Iterator<Item = (Entity, Duration)> {
        self.proofs.iter().filter_map(|(entity, proof)| match proof {
            Proof::Right { until } => Some((*entity, *until)),
            Proof::Listed { .. } => None,
        })
    }

    /// Says whether a 404 about this object is believed.
    fn believes(&self, key: Key, now: Duration) -> bool {
        match self.proofs.get(&key.entity()) {
            Some(Proof::Right { until }) => now < *until,
            Some(Proof::Listed { until, keys }) => now < *until && !keys.contains(&key),
            None => false,
        }
    }

    /// Nothing has to be found out any more.
    pub fn end_looking(&mut self) {
        self.look = Care::Beside;
    }

    /// Says whether nothing else is to be sent meanwhile.
    pub fn is_alone(&self) -> bool {
        self.look == Care::Alone
    }

    /// Says whether a request of ours is under way.
    pub fn is_asking(&self) -> bool {
        matches!(self.task, Some((_, TaskState::Asked)))
    }
}

impl Session {
    /// Says whether a 404 about the object at `place` is believed now.
    pub(super) fn believes(&self, place: usize, now: Duration) -> bool {
        let item = &self.items[place];
        let key = item.work.key;
        // What is asked for first is proved by the create itself.
        self.is_filtered(key.entity()) && (item.errand == Errand::AskFirst || self.base.believes(key, now))
    }

    /// Takes note that an object was found by its own address: 404s about others of its entity are believed.
    pub(super) fn found(&mut self, entity: Entity, now: Duration, random: u64) {
        self.base.prove(entity, now + PROOF_HOLDS);
        self.release(entity, now, random);
    }

    /// Returns when a request of this module is to be sent, if one is; it takes a job and the rate's slot like any other.
    pub(super) fn base_at(&self) -> Option<Duration> {
        if self.under_way() >= self.pace.jobs() || (self.base.is_alone() && self.flying > 0) {
            return None;
        }
        match &self.base.task {
            Some((_, TaskState::Asked)) => None,
            Some((_, TaskState::Due(at))) => Some(self.pace.free_at().max(*at)),
            None => self.base_task().map(|_| self.pace.free_at()),
        }
    }

    fn base_task(&self) -> Option<Task> {
        let waiting = self.suspended.first().map(|(place, ..)| self.items[*place].work.key.entity());
        if let Some(entity) = waiting.filter(|entity| !self.is_filtered(*entity)) {
            return Some(Task::Filter { entity });
        }
        if let Some(entity) = waiting {
            return Some(Task::List { entity, purpose: Purpose::Proof });
        }
        if self.summary.stop.is_some() || !self.is_at_rest() {
            return None;
        }
        self.wants_verdict().map(|entity| Task::List { entity, purpose: Purpose::Verdict })
    }

    /// Sends the request that is due.
    pub(super) fn ask_base(&mut self, now: Duration) -> Option<Next> {
        let task = match self.base.task.take() {
            Some((task, _)) => task,
            None => self.base_task()?,
        };
        let next = match &task {
            Task::List { entity, purpose: _ } => Next::CheckListing(self.look(*entity)),
            Task::Filter { entity } => Next::ProbeFilter(*entity),
            Task::Probe { left, .. } => Next::Probe(*left.first()?),
        };
        self.base.task = Some((task, TaskState::Asked));
        self.count_request(Method::Get, now);
        Some(next)
    }

    /// Returns which objects of a listing cannot speak for the others: those that this run deletes, and those that it
    /// was told are missing.
    fn look(&self, entity: Entity) -> Look {
        let deletes = self.items.iter().filter(|item| item.work.after == Wish::Absent).map(|item| item.work.key);
        let missing = self.suspended.iter().map(|(place, ..)| self.items[*place].work.key);
        Look { entity, silent: deletes.chain(missing).filter(|key| key.entity() == entity).collect() }
    }

    /// Says what the listing that was asked for looks like; `random` is any number.
    pub fn listed(&mut self, listing: Listing, now: Duration, random: u64) {
        let Some((Task::List { entity, purpose }, TaskState::Asked)) = self.base.task else { return };
        self.base.task = None;
        match (listing, purpose) {
            (Listing::None(why), _) => self.try_base_again(Task::List { entity, purpose }, why, None, now, random),
            (Listing::Read(sample), Purpose::Proof) => {
                self.base.attempts = 0;
                self.weigh(entity, sample, now, random);
            }
            // A create that is answered with 404: do the objects that it lists have addresses?
            (Listing::Read(sample), Purpose::Verdict) if self.doubts_addresses() => {
                if sample.speaking.is_empty() {
                    self.convict_target(&format!(
                        "{} lists nothing that could show its addresses",
                        self.config.profile.dialect(entity).list
                    ));
                } else {
                    self.base.task = Some((probe(entity, purpose, sample), TaskState::Due(now)));
                }
            }
            (Listing::Read(_), Purpose::Verdict) => self.acquit_target(now),
            (Listing::Refused(what) | Listing::Redirected(what) | Listing::Forbidden(what), Purpose::Verdict) => {
                self.convict_target(&what);
            }
            (Listing::Forbidden(what), Purpose::Proof) => self.stop(Stop::Credentials(what)),
            (Listing::Redirected(what), Purpose::Proof) => self.stop(Stop::Redirected(what)),
            (Listing::Refused(what), Purpose::Proof) => self.stop(Stop::WrongBase(what)),
            (Listing::Other(what), _) => self.stop(Stop::NotOurs(what)),
            (Listing::Part(what), _) => self.stop(Stop::NoListing(what)),
        }
    }

    fn weigh(&mut self, entity: Entity, sample: Sample, now: Duration, random: u64) {
        let until = now + PROOF_HOLDS;
        if !sample.speaking.is_empty() {
            self.base.task = Some((probe(entity, Purpose::Proof, sample), TaskState::Due(now)));
            return;
        }
        let proof =
            if sample.elements == 0 { Proof::Right { until } } else { Proof::Listed { until, keys: sample.silent } };
        self.base.proofs.insert(entity, proof);
        let contradiction = self.suspended.iter().map(|(place, ..)| self.items[*place].work.key);
        let contradiction: Vec<Key> =
            contradiction.filter(|key| key.entity() == entity && !self.base.believes(*key, now)).take(1).collect();
        if contradiction.is_empty() {
            self.release(entity, now, random);
        } else {
            // It may have come there since it was asked for.
            let sample = Sample { speaking: contradiction, ..Sample::default() };
            self.base.task = Some((probe(entity, Purpose::Proof, sample), TaskState::Due(now)));
        }
    }

    /// Takes the reply to the question for a key that no object has.
    pub fn filter_probed(&mut self, reply: &Reply, now: Duration, random: u64) {
        let Some((Task::Filter { entity }, TaskState::Asked)) = self.base.task else { return };
        self.base.task = None;
        let told = reply::read_filter(self.config.profile, entity, IMPOSSIBLE_ID, reply);
        match told.answer {
            Answer::Gone => {
                self.base.attempts = 0;
                self.filter_works(entity);
                self.release(entity, now, random);
            }
            Answer::Throttled => {
                self.throttled_all(&told, now, random);
                self.base.task = Some((Task::Filter { entity }, TaskState::Due(now)));
            }
            Answer::Broken | Answer::Lost | Answer::NotSent => {
                self.try_base_again(Task::Filter { entity }, told.why, told.retry_after, now, random);
            }
            Answer::Unauthorized | Answer::Forbidden => self.stop(Stop::Credentials(told.why)),
            Answer::Redirected => self.stop(Stop::Redirected(told.why)),
            Answer::Refused => self.stop(Stop::WrongBase(told.why)),
            Answer::Unreadable => self.stop(Stop::NotOurs(told.why)),
            Answer::Unfiltered
            | Answer::Equal
            | Answer::Different
            | Answer::Several
            | Answer::Accepted
            | Answer::Exists => self.stop(self.unfiltered(entity, &told)),
        }
    }

    /// Takes the reply to a request for a listed object.
    pub fn probed(&mut self, key: Key, reply: &Reply, now: Duration, random: u64) {
        let Some((Task::Probe { entity, purpose, mut tried, mut left }, TaskState::Asked)) = self.base.task.take()
        else {
            return;
        };
        if left.first() != Some(&key) {
            self.base.task = Some((Task::Probe { entity, purpose, tried, left }, TaskState::Asked));
            return;
        }
        let told = reply::read(self.config.profile, Method::Get, key, None, reply);
        self.uncount_unsent(Method::Get, reply);
        match told.answer {
            Answer::Equal | Answer::Different | Answer::Several => {
                self.base.attempts = 0;
                self.doubt_suspended(key, now);
                self.found(entity, now, random);
                if purpose == Purpose::Verdict {
                    self.acquit_target(now);
                }
            }
            Answer::Throttled => {
                self.throttled_all(&told, now, random);
                self.base.task = Some((Task::Probe { entity, purpose, tried, left }, TaskState::Due(now)));
            }
            Answer::Broken | Answer::Lost | Answer::NotSent => {
                let why = format!("{key}: {}", told.why);
                self.try_base_again(Task::Probe { entity, purpose, tried, left }, why, told.retry_after, now, random);
            }
            Answer::Unfiltered => self.stop(self.unfiltered(entity, &told)),
            Answer::Gone
            | Answer::Unreadable
            | Answer::Accepted
            | Answer::Exists
            | Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected
            | Answer::Refused => {
                tried.push(left.remove(0));
                if left.is_empty() {
                    self.contradicted(entity, purpose, &tried, now);
                } else {
                    self.base.task = Some((Task::Probe { entity, purpose, tried, left }, TaskState::Due(now)));
                }
            }
        }
    }

    /// The listing and the objects' own addresses do not agree. That is looked at again before it ends the run.
    fn contradicted(&mut self, entity: Entity, purpose: Purpose, keys: &[Key], now: Duration) {
        match self.base.look {
            Care::Beside => {
                self.base.look = Care::Alone;
                // Others may just have made what is listed.
                let at = now + self.config.effects.settle;
                self.base.task = Some((Task::List { entity, purpose }, TaskState::Due(at)));
            }
            Care::Alone => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                self.stop(Stop::Contradicts(keys.join(", ")));
            }
        }
    }

    /// What was missing is there: its answer is outdated, and it is asked for again.
    fn doubt_suspended(&mut self, key: Key, now: Duration) {
        let at = self.suspended.iter().position(|(place, ..)| self.items[*place].work.key == key);
        if let Some((place, ..)) = at.map(|at| self.suspended.remove(at)) {
            self.items[place].talk.doubt();
            self.go_on(place, now);
        }
    }

    fn try_base_again(&mut self, task: Task, why: String, asked: Option<Duration>, now: Duration, random: u64) {
        self.base.attempts += 1;
        if self.base.attempts >= ATTEMPTS_MAX {
            self.stop(Stop::NoListing(why));
        } else {
            let wait = asked.unwrap_or_else(|| pace::delay(self.base.attempts, random));
            self.base.task = Some((task, TaskState::Due(now.saturating_add(wait))));
        }
    }

    /// Takes the answers of 404 that are believed by now.
    fn release(&mut self, entity: Entity, now: Duration, random: u64) {
        self.base.look = Care::Beside;
        let is_of = |session: &Self, place: usize| session.items[place].work.key.entity() == entity;
        let all = core::mem::take(&mut self.suspended);
        let (believed, rest) =
            all.into_iter().partition(|(place, ..)| is_of(self, *place) && self.believes(*place, now));
        self.suspended = rest;
        for (place, told, sent_at) in believed {
            if self.items[place].phase == Phase::Suspended {
                self.take(place, &told, sent_at, now, random);
            }
        }
    }
}

fn probe(entity: Entity, purpose: Purpose, sample: Sample) -> Task {
    Task::Probe { entity, purpose, tried: Vec::new(), left: sample.speaking }
}
