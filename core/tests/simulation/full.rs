//! What happens behind our back, and the run that repairs it: `news sync --full`.

use std::collections::{BTreeMap, BTreeSet};

use news_core::merge::{Change, Merged, Presence, Wish};
use news_core::plan::{Plan, Standing, Work};
use news_core::session::Fact;
use news_core::{Entity, Key, Object};

use crate::master::{Basis, Marks, Reading};
use crate::rules::Broken;
use crate::target::Column;
use crate::world::{Event, World};

/// Strangers at the target get these ids, as a row does now and then.
pub const STRANGE_IDS: [i64; 2] = [8, 9];

/// What a full sync has seen at first.
#[derive(Debug)]
pub struct Looked {
    suspicious: BTreeSet<Key>,
    merged: BTreeMap<Key, Merged>,
}

impl World {
    /// Somebody else changes the target. While a run is at work that could be anything: what was
    /// just created and is gone looks like a target that only pretends.
    pub fn damage(&mut self) {
        if self.runs.iter().any(|run| run.over.is_none()) || self.looked.is_some() {
            return;
        }
        let keys = self.target.keys();
        let Some(key) = self.rng.pick(&keys) else { return };
        let cascades = matches!(self.setup.column, Column::Strict { .. });
        let words = match self.rng.below(4) {
            // Where comments go with their post, that would be more than one object's damage.
            0 if !cascades || key.entity() == Entity::Comment => {
                self.target.remove(key);
                "is removed"
            }
            0 | 1 => {
                self.target.alter(key);
                "is changed"
            }
            2 => return self.strange(key),
            _ => {
                self.target.double(key);
                "is doubled"
            }
        };
        self.note(|| format!("behind our back {key} {words}"));
        self.damaged(key);
    }

    /// An object appears there that looks like the one under `like`.
    fn strange(&mut self, like: Key) {
        let Some(id) = self.rng.pick(&STRANGE_IDS) else { return };
        let Ok(key) = like.entity().key(id) else { return };
        if self.target.count(key) == 0 && self.target.copy(like, key) {
            self.note(|| format!("behind our back {key} appears"));
            self.strangers.insert(key);
            self.damaged(key);
        }
    }

    fn damaged(&mut self, key: Key) {
        self.damaged.insert(key);
        self.spoilt.insert(key);
        if self.target.count(key) > 1 {
            self.doubled.insert(key);
            self.clearing.remove(&key);
        }
    }

    /// Begins a full sync if the lock is free and nothing of earlier runs is on its way any more: looks
    /// at both sides, and again a little later.
    pub fn start_full(&mut self) {
        if self.master.lock.is_some() || self.looked.is_some() {
            return;
        }
        self.find_lost();
        // It has the lock while it waits; whoever had lost it is out.
        self.master.epoch += 1;
        if self.settled_at > self.now {
            return self.at(self.settled_at, Event::StartFull);
        }
        let keys = self.master.rows.keys().copied().chain(self.target.keys());
        let suspicious = keys.filter(|key| self.differs(*key)).collect();
        self.looked = Some(Looked { suspicious, merged: self.master.read().merged });
        let again = self.rng.ms(0, self.setup.commit_ms);
        self.at(self.now + again, Event::LookAgain);
    }

    /// Looks again at what differed, and starts the run on what still does.
    pub fn look_again(&mut self) -> Result<Option<usize>, Broken> {
        let Some(looked) = self.looked.take() else { return Ok(None) };
        let none = Merged {
            change: Change { before: Presence::Unknown, after: Wish::Absent },
            first_id: 0,
            last_id: 0,
            events: 0,
        };
        // A row that came in between may be equal to what was there already.
        let mut pending: BTreeMap<Key, Merged> = looked.suspicious.iter().map(|key| (*key, none)).collect();
        pending.extend(looked.merged.iter().map(|(key, merged)| (*key, *merged)));
        let reading = self.compare(looked);
        self.damaged.clear();
        // Whoever is pending, or differed at first, and is not planned, is as wished already.
        let planned: BTreeSet<Key> = reading.plan.works().iter().map(|work| work.key).collect();
        for (key, merged) in pending.iter().filter(|(key, _)| !planned.contains(key)) {
            self.master.record(&Fact::Done(*key), merged, Basis::Look, Marks::Read);
        }
        self.stats.full_runs += 1;
        self.start(reading).map(Some)
    }

    pub fn differs(&self, key: Key) -> bool {
        self.master.rows.get(&key) != self.target.get(key) || self.target.count(key) > 1
    }

    /// Returns what repairs the target.
    fn compare(&self, looked: Looked) -> Reading {
        let Looked { suspicious, mut merged } = looked;
        let still: BTreeSet<Key> = suspicious.into_iter().filter(|key| self.differs(*key)).collect();
        // Posts that are about to be deleted, or not there: their comments may go with that, or as orphans.
        let uproots = |key: &&Key| self.master.rows.contains_key(key) && self.target.count(**key) != 1;
        let uprooting: BTreeSet<Key> = still.iter().filter(uproots).copied().collect();
        let is_uprooted = |object: &Object| object.parent().is_some_and(|post| uprooting.contains(&Key::Post(post)));
        let children = self.master.rows.iter().filter(|(_, object)| is_uprooted(object)).map(|(key, _)| *key);
        let keys: BTreeSet<Key> = children.chain(still.iter().copied()).collect();
        let mut works = Vec::new();
        for key in keys {
            let (here, there) = (self.master.rows.get(&key), self.target.get(key));
            let after = if here.is_some() { Wish::Present } else { Wish::Absent };
            let before = match self.target.count(key) {
                _ if !still.contains(&key) => Presence::Unknown,
                0 => Presence::Unknown,
                1 if here.is_some_and(is_uprooted) => Presence::Unknown,
                1 => Presence::Present,
                _ => Presence::Doubled,
            };
            let parent = here.or(there).and_then(Object::parent);
            works.push(Work { key, parent, before, after, standing: Standing::Ready });
            let change = Change { before, after };
            let marked = merged.get(&key).copied();
            let none = Merged { change, first_id: 0, last_id: 0, events: 0 };
            merged.insert(key, marked.map_or(none, |marked| Merged { change, ..marked }));
        }
        Reading { plan: Plan::new(works), merged, basis: Basis::Look }
    }
}
