//! What happens behind our back, and the run that repairs it: `news sync --full`.

use std::collections::BTreeSet;

use news_core::merge::{Change, Merged, Presence, Wish};
use news_core::plan::{Plan, Standing, Work};
use news_core::session::Fact;
use news_core::{Entity, Key, Object};

use crate::master::{Marks, Reading};
use crate::rules::Broken;
use crate::target::Column;
use crate::world::{Event, World};

/// Ids that no row has: strangers at the target get these.
const STRANGE_IDS: [i64; 2] = [8, 9];

impl World {
    /// Somebody else changes the target. While a run is at work that could be anything: what was
    /// just created and is gone looks like a target that only pretends.
    pub fn damage(&mut self) {
        if self.runs.iter().any(|run| run.over.is_none()) {
            return;
        }
        let keys = self.target.keys();
        let Some(key) = self.rng.pick(&keys) else { return };
        let doubles = matches!(self.setup.column, Column::Duplicates { .. });
        let words = match self.rng.below(if doubles { 4 } else { 3 }) {
            // Where comments go with their post, that would be more than one object's damage.
            0 if doubles || key.entity() == Entity::Comment => {
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
            self.damaged(key);
        }
    }

    fn damaged(&mut self, key: Key) {
        self.damaged.insert(key);
        if self.target.count(key) > 1 {
            self.doubled.insert(key);
        }
    }

    /// Starts a full sync if the lock is free and nothing of earlier runs is on its way any more.
    pub fn start_full(&mut self) -> Result<Option<usize>, Broken> {
        if self.master.lock.is_some() {
            return Ok(None);
        }
        self.find_lost();
        // It has the lock while it waits; whoever had lost it is out.
        self.master.epoch += 1;
        if self.settled_at > self.now {
            self.at(self.settled_at, Event::StartFull);
            return Ok(None);
        }
        let reading = self.compare();
        self.damaged.clear();
        // Whoever is pending and not planned is as wished already.
        let planned: BTreeSet<Key> = reading.plan.works().iter().map(|work| work.key).collect();
        for (key, merged) in self.master.read().merged.iter().filter(|(key, _)| !planned.contains(key)) {
            self.master.record(&Fact::Done(*key), merged, Marks::Read);
        }
        self.stats.full_runs += 1;
        self.start(reading).map(Some)
    }

    /// Returns what repairs the target.
    fn compare(&self) -> Reading {
        let mut merged = self.master.read().merged;
        let keys: BTreeSet<Key> = self.master.rows.keys().copied().chain(self.target.keys()).collect();
        let mut works = Vec::new();
        for key in keys {
            let (here, there) = (self.master.rows.get(&key), self.target.get(key));
            let after = if here.is_some() { Wish::Present } else { Wish::Absent };
            let parent = here.or(there).and_then(Object::parent);
            // Its post is about to be deleted, or not there: it may go with that, or as an orphan.
            let is_uprooted = here.is_some() && parent.is_some_and(|post| self.target.count(Key::Post(post)) != 1);
            let before = match self.target.count(key) {
                0 => Presence::Unknown,
                1 if is_uprooted => Presence::Unknown,
                1 if here == there => continue,
                1 => Presence::Present,
                _ => Presence::Doubled,
            };
            works.push(Work { key, parent, before, after, standing: Standing::Ready });
            let change = Change { before, after };
            let marked = merged.get(&key).copied();
            let none = Merged { change, first_id: 0, last_id: 0, events: 0 };
            merged.insert(key, marked.map_or(none, |marked| Merged { change, ..marked }));
        }
        Reading { plan: Plan::new(works), merged }
    }
}
