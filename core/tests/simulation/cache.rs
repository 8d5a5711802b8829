//! A cache between runs and target. It answers every question that does not ask for fresh data, with what it has kept. And
//! a search at the target, which may be late whatever is asked for.

use news_core::Entity;
use news_core::profile::To;
use news_core::reply::Method;

use crate::setup::Flaw;
use crate::target::Target;
use crate::world::World;

/// What it has kept is renewed by so many questions.
const RENEWALS_PERMILLE: u64 = 300;

impl World {
    /// Returns the target as a run's question sees it, for one object or for a listing.
    pub fn seen(&mut self) -> &Target {
        let freshness = Method::Get.freshness().filter(|_| self.setup.flaw != Some(Flaw::NoFreshness));
        if freshness == Some(("Cache-Control", "no-cache")) {
            return &self.target;
        }
        if self.rng.permille(RENEWALS_PERMILLE) {
            self.cache = self.target.clone();
        }
        self.note(|| "            a cache answers".to_string());
        &self.cache
    }

    /// Returns what a GET shows. A search by key may be late.
    pub fn shown(&mut self, entity: Entity, to: &To) -> (u16, String) {
        let search_lag = self.setup.search_lag;
        if matches!(to, To::Key(_)) && !search_lag.is_zero() {
            let as_of = self.now.saturating_sub(self.rng.within(search_lag));
            if let Some((_, target)) = self.earlier.iter().find(|(until, _)| *until > as_of) {
                return target.show(entity, to);
            }
        }
        self.seen().show(entity, to)
    }

    /// The target is about to change: searches may show it as it is now.
    pub fn keep_for_searches(&mut self) {
        if self.setup.search_lag.is_zero() {
            return;
        }
        let oldest = self.now.saturating_sub(self.setup.search_lag);
        self.earlier.retain(|(until, _)| *until >= oldest);
        self.earlier.push_back((self.now, self.target.clone()));
    }
}
