//! A cache between runs and target. It answers every question that does not ask for fresh data, with what it has kept.

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
}
