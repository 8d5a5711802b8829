//! What a run would do, told before it begins: `news status` and `news sync --dry-run` show the same.
//!
//! In scope: which objects a run would send, with which action, and which ones it would leave. Out of scope: what is
//! pending (`ledger`), what a run is about (`portion`), what the target's responses turn it into (`session`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::ledger::Moment;
use crate::merge::{Action, Presence};
use crate::model::{Entity, Key, PostId};
use crate::plan::{Plan, Pressure, Standing, Tally, Work};
use crate::portion::{Gathering, Portion};
use crate::session::{Session, Untried};

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlook {
    /// The plan, with the objects that the run would not send.
    pub plan: Plan,
    /// Objects that the run would not send.
    pub untried: Untried,
    /// What it would do about the others.
    pub tallies: BTreeMap<Entity, Tally>,
    /// What all pending objects are about to make of the target.
    pub pressure: BTreeMap<Entity, Pressure>,
    /// Objects that failed in an earlier run and that this one would try again.
    pub retried: Vec<Key>,
    /// Objects whose request a run at work has sent.
    pub in_flight: u64,
    /// Objects that are pending, all of the above.
    pub objects: u64,
    /// Their unsynced events.
    pub events: u64,
    /// Since when the oldest object waits that is neither parked nor held nor in flight.
    pub oldest: Option<Moment>,
}

impl Outlook {
    /// Describes a run of `plan`.
    pub fn of(plan: Plan) -> Self {
        let untried = Session::untried(&plan);
        let mut tallies: BTreeMap<Entity, Tally> =
            Entity::ALL.into_iter().map(|entity| (entity, Tally::default())).collect();
        let outlook = Self { plan, untried, ..Self::default() };
        for work in outlook.tried() {
            tallies.entry(work.key.entity()).or_default().add(work.action());
        }
        Self { tallies, ..outlook }
    }

    /// Returns the objects that the run would send something about, in sending order.
    pub fn actions(&self) -> impl Iterator<Item = (Key, Action)> {
        self.tried().map(|work| (work.key, work.action())).filter(|(_, action)| *action != Action::Nothing)
    }

    /// Returns what each held object waits for: a comment for its post, a post that is to be deleted for comments that the target
    /// may have under it.
    pub fn waits_for(&self) -> BTreeMap<Key, Vec<Key>> {
        let is_left = |work: &&Work| self.untried.has(work.key) && work.before != Presence::Absent;
        let mut deletes: BTreeMap<PostId, Vec<Key>> = BTreeMap::new();
        for work in self.plan.works().iter().filter(is_left) {
            for post in self.plan.places(work) {
                deletes.entry(post).or_default().push(work.key);
            }
        }
        let held = self.plan.works().iter().filter(|work| self.untried.held.contains_key(&work.key));
        let waits = held.map(|work| match (work.key, work.parent) {
            (Key::Post(post), _) => (work.key, deletes.get(&post).cloned().unwrap_or_default()),
            (Key::Comment(_), parent) => (work.key, parent.map(Key::Post).into_iter().collect()),
        });
        waits.collect()
    }

    /// Returns what the run would try. Of a post that was given up it says only what waits for it.
    fn tried(&self) -> impl Iterator<Item = &Work> {
        let works = self.plan.works().iter().filter(|work| work.standing != Standing::GivenUp);
        works.filter(|work| !self.untried.has(work.key))
    }
}

impl Gathering {
    /// Describes a run of what was taken.
    pub fn outlook(mut self) -> Outlook {
        let seen = core::mem::take(&mut self.seen);
        let ages: Vec<(Key, Moment)> = self.pending.iter().map(|one| (one.key, one.since)).collect();
        let retried: Vec<Key> = self.pending.iter().filter(|one| one.is_retry).map(|one| one.key).collect();
        let Portion { plan, nothing, pressure, .. } = self.finish();
        let mut outlook = Outlook::of(plan);
        for (key, _) in nothing {
            outlook.tallies.entry(key.entity()).or_default().add(Action::Nothing);
        }
        let is_tried = |key: &Key| !outlook.untried.has(*key);
        let oldest = ages.into_iter().filter(|(key, _)| is_tried(key)).map(|(_, since)| since).min();
        Outlook {
            retried: retried.into_iter().filter(is_tried).collect(),
            pressure,
            in_flight: seen.in_flight,
            objects: seen.objects,
            events: seen.events,
            oldest: oldest.into_iter().chain(seen.nothing_since).min(),
            ..outlook
        }
    }
}
