//! What a process remembers from one run to the next. A loop's runs are many and small: without this, each of them would
//! prove again what the last one has found. Lost with the process, it costs some requests and nothing else.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::model::{Entity, Key};
use crate::session::Session;
use crate::session::base::PROOF_HOLDS;
use crate::session::refusals::Blame;

/// No more refused objects than this are remembered.
const REFUSED_MAX: usize = 10_000;

/// What earlier runs of this process have learnt of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// How long ago an object of the entity was found by its own address.
    found: BTreeMap<Entity, Duration>,
    /// Objects that were refused while nothing was accepted, and what is known of the reason since.
    refused: BTreeMap<Key, Blame>,
}

impl Memory {
    /// Says that so much time has passed since the run that it is from.
    #[must_use]
    pub fn aged(mut self, by: Duration) -> Self {
        for age in self.found.values_mut() {
            *age = age.saturating_add(by);
        }
        self
    }
}

impl Session {
    /// Begins with what earlier runs have learnt. To be called before anything else, at time `now`.
    pub fn recall(&mut self, memory: Memory, now: Duration) {
        for (entity, age) in memory.found {
            let rest = PROOF_HOLDS.saturating_sub(age);
            if !rest.is_zero() {
                self.base.prove(entity, now + rest);
            }
        }
        self.refusals.recall(memory.refused);
    }

    /// Returns what a later run of this process may begin with.
    pub fn memory(&self, now: Duration) -> Memory {
        let age = |until: Duration| PROOF_HOLDS.saturating_sub(until.saturating_sub(now));
        let found = self.base.proven().map(|(entity, until)| (entity, age(until))).collect();
        Memory { found, refused: self.refusals.remembered(REFUSED_MAX) }
    }
}
