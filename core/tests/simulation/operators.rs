//! What operators do.

use crate::run::Order;
use crate::world::World;
use news_core::Key;
use news_core::portion::Patience;

impl World {
    pub fn any_order(&mut self) -> Order {
        let of = self.setup.shards;
        let shard = (of > 1 && self.rng.permille(900))
            .then(|| format!("{}/{of}", self.rng.between(1, of.into())).parse().unwrap());
        let patience = if self.rng.permille(self.setup.loops_permille) { Patience::Leaves } else { Patience::Tries };
        Order { shard, patience, by_log: true }
    }

    /// `news retry`, or `news discard` while no run is at work.
    pub fn operate(&mut self) {
        if self.rng.permille(500) {
            return self.master.retry();
        }
        if !self.master.locks.is_empty() || self.looked.is_some() {
            return;
        }
        self.find_lost(None);
        self.supersede(None);
        let clock = self.master.clock(self.now, self.setup.late);
        let keys: Vec<Key> = self.master.pending(&clock).iter().map(|one| one.key).collect();
        if let Some(key) = self.rng.pick(&keys) {
            let gone = self.master.discard(key, &clock);
            self.note(|| format!("an operator gives up {gone:?}"));
            let posts = gone.iter().filter_map(|key| match key {
                Key::Post(post) => Some(*post),
                Key::Comment(_) => None,
            });
            self.ever_given_up.extend(posts);
            self.taken_along.retain(|key| !gone.contains(key));
            self.given_up.extend(gone);
        }
    }

    /// `news hold`, and `news release`, at any moment: neither waits for a run. Mostly what is pending is put on hold.
    pub fn hold(&mut self) {
        let holds: Vec<Key> = self.master.holds.iter().copied().collect();
        if self.rng.permille(400)
            && let Some(key) = self.rng.pick(&holds)
        {
            self.note(|| format!("an operator releases {key}"));
            self.master.holds.remove(&key);
            return;
        }
        let clock = self.master.clock(self.now, self.setup.late);
        let pending: Vec<Key> = self.master.pending(&clock).iter().map(|one| one.key).collect();
        let all: Vec<Key> = self.master.rows.keys().copied().chain(self.target.keys()).collect();
        let keys = if self.rng.permille(700) { pending } else { all };
        if let Some(key) = self.rng.pick(&keys) {
            self.note(|| format!("an operator puts {key} on hold"));
            self.master.holds.insert(key);
        }
    }
}
