//! What happens behind our back, and the run that repairs it: `news sync --full`.

use std::collections::BTreeSet;

use news_core::diff::Kind;
use news_core::fingerprint::Fingerprint;
use news_core::ledger::Pending;
use news_core::merge::Action;
use news_core::portion::Patience;
use news_core::repair::Sighting;
use news_core::session::Fact;
use news_core::{Entity, Key, Object};

use crate::event::Event;
use crate::rules::Broken;
use crate::run::Order;
use crate::world::World;

/// Strangers at the target get these ids, as a row does now and then.
pub const STRANGE_IDS: [i64; 2] = [8, 9];

/// What a full sync has seen at first.
#[derive(Debug)]
pub struct Looked {
    suspicious: BTreeSet<Key>,
    pending: Vec<Pending>,
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
        let cascades = self.setup.column.ties_comments();
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
        if !self.master.is_free(None) || self.looked.is_some() {
            return;
        }
        self.find_lost(None);
        // It has the lock while it waits; whatever had lost it is out.
        self.supersede(None);
        // It waits once: a clock that was set back must not keep it from ever beginning.
        let settled_at = self.settled_at.max(self.now + self.unsettled());
        let has_waited = self.full_waited.is_some_and(|(runs, until)| runs == self.runs.len() && until <= self.now);
        if settled_at > self.now && !has_waited {
            self.full_waited = Some((self.runs.len(), settled_at));
            return self.at(settled_at, Event::StartFull);
        }
        let (rows, target) = (&self.master.rows, &self.target);
        // What the target keeps as it was sent is altered no longer.
        self.master.kept.retain(|key, _| rows.contains_key(key) && rows.get(key) != target.get(*key));
        let keys = self.master.rows.keys().copied().chain(self.target.keys());
        let suspicious = keys.filter(|key| self.differs(*key)).collect();
        let clock = self.master.clock(self.now, self.setup.late);
        // Objects without events are read later.
        let pending = self.master.pending(&clock).into_iter().filter(|one| one.events > 0).collect();
        self.looked = Some(Looked { suspicious, pending });
        let again = self.rng.ms(0, self.setup.commit_ms);
        self.at(self.now + again, Event::LookAgain);
    }

    /// Looks again at what differed, and starts the run on what still does.
    pub fn look_again(&mut self) -> Result<Option<usize>, Broken> {
        let Some(Looked { suspicious, mut pending }) = self.looked.take() else { return Ok(None) };
        let (still, settled): (Vec<Key>, Vec<Key>) = suspicious.into_iter().partition(|key| self.differs(*key));
        let sightings: Vec<Sighting> = still.into_iter().map(|key| self.sighting(key)).collect();
        let clock = self.master.clock(self.now, self.setup.late);
        pending.extend(self.master.pending(&clock).into_iter().filter(|one| one.events == 0));
        let (reading, equal) = self.master.repair(&sightings, &pending, &settled);
        self.damaged.clear();
        let now = self.master.moment(self.now);
        for (key, mark) in equal {
            self.master.record(&Fact::Done(key, Action::Nothing, None), &mark, now);
        }
        self.stats.full_runs += 1;
        self.start(reading, Order { shard: None, patience: Patience::Tries, by_log: false }).map(Some)
    }

    pub fn differs(&self, key: Key) -> bool {
        let is_equal = match (self.master.rows.get(&key), self.target.get(key)) {
            (Some(here), Some(there)) if here != there => {
                let kept = self.master.kept.get(&key);
                kept.is_some_and(|kept| kept.explains(Fingerprint::of(here), Fingerprint::of(there)))
            }
            (here, there) => here == there,
        };
        !is_equal || self.target.count(key) > 1
    }

    fn sighting(&self, key: Key) -> Sighting {
        let (here, there) = (self.master.rows.get(&key), self.target.get(key));
        let kind = match (self.target.count(key), here) {
            (0, _) => Kind::Missing,
            (1, Some(_)) => Kind::Different,
            (1, None) => Kind::Extra,
            (_, _) => Kind::Duplicate,
        };
        let parent = here.or(there).and_then(Object::parent);
        Sighting { key, kind, parent, there: there.and_then(Object::parent), is_local: here.is_some() }
    }
}
