//! Safety limits: what a plan may not do without an operator.

use alloc::collections::BTreeMap;

use crate::merge::{Action, Presence, Wish};
use crate::model::Entity;
use crate::phrase;
use crate::plan::{Plan, Standing};

/// What a plan may not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Objects deleted, at most; `None`: as many as there are.
    pub deletes_max: Option<u64>,
}

impl Limits {
    /// Returns the limit that refuses a plain sync of `plan`, while `pressure` is what is pending in all shards. A number of deletes
    /// that is allowed takes the place of their share. `rows` counts an entity's rows at the master, which takes its time: it is asked
    /// only where that decides something.
    pub fn refuse<E>(
        self,
        plan: &Plan,
        pressure: &BTreeMap<Entity, Pressure>,
        mut rows: impl FnMut(Entity) -> Result<u64, E>,
    ) -> Result<Option<OverLimit>, E> {
        if self.deletes_max.is_some() {
            return Ok(plan.check(self).err());
        }
        for (entity, pressure) in pressure.iter().filter(|(_, pressure)| pressure.is_high()) {
            if let Err(over) = pressure.check(*entity, rows(*entity)?) {
                return Ok(Some(over));
            }
        }
        Ok(None)
    }
}

/// How many objects each side has, for the limits of a full sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// Which objects.
    pub entity: Entity,
    /// Rows at the master.
    pub local: u64,
    /// Objects at the target.
    pub target: u64,
}

/// Why a plan is not carried out. Numbers included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// `--max-deletes`.
    #[error("the plan deletes {}, more than {deletes_max}", phrase::count(*deletes, "object"))]
    Deletes {
        /// In the plan.
        deletes: u64,
        /// Allowed.
        deletes_max: u64,
    },
    /// An empty master would empty the target.
    #[error("the master has no {entity} while the target has {target}")]
    EmptyMaster {
        /// Of what.
        entity: Entity,
        /// Objects at the target.
        target: u64,
    },
    /// Too large a share.
    #[error(
        "{percent} % of the target's {entity} would be {verb} ({count} of {target}), more than {SHARE_PERCENT_MAX} %"
    )]
    Share {
        /// Of what.
        entity: Entity,
        /// deleted, updated.
        verb: &'static str,
        /// Rounded up.
        percent: u64,
        /// In the plan.
        count: u64,
        /// Objects at the target.
        target: u64,
    },
}

/// What is pending of an entity, in all shards, whether it is sent now or not: what a sync is about to make of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// Objects that are deleted, those included that are created anew.
    pub deletes: u64,
    /// Objects that were not there and will be.
    pub coming: u64,
    /// Objects that may have been there and will not be.
    pub going: u64,
}

impl Pressure {
    /// Counts an object.
    pub fn add(&mut self, before: Presence, after: Wish) {
        match (before, after) {
            (Presence::Absent, Wish::Present) => self.coming += 1,
            (Presence::Absent, Wish::Absent) | (Presence::Present | Presence::Unknown, Wish::Present) => {}
            (Presence::Present | Presence::Unknown | Presence::Doubled, Wish::Absent) => {
                self.going += 1;
                self.deletes += 1;
            }
            (Presence::Doubled, Wish::Present) => self.deletes += 1,
        }
    }

    /// Says whether the share is to be looked at, for which the master's rows have to be counted.
    pub fn is_high(&self) -> bool {
        self.deletes > DELETES_FREE
    }

    /// Checks the share of an entity's objects at the target that would be deleted; the master has so many `rows`.
    pub fn check(&self, entity: Entity, rows: u64) -> Result<(), OverLimit> {
        share(entity, "deleted", self.deletes, rows.saturating_sub(self.coming) + self.going, DELETES_FREE)
    }
}

/// A sync may delete such a share of an entity's objects at the target; a full one may also update no more.
pub const SHARE_PERCENT_MAX: u64 = 30;
/// So few deletes are no disaster, whatever their share.
const DELETES_FREE: u64 = 30;
/// Of so few objects a share of updates says little.
const SHARE_OBJECTS_MIN: u64 = 10;

/// Checks a share, unless `count` is no more than `free`.
fn share(entity: Entity, verb: &'static str, count: u64, target: u64, free: u64) -> Result<(), OverLimit> {
    if count <= free || count * 100 <= target * SHARE_PERCENT_MAX {
        return Ok(());
    }
    let percent = (count * 100).div_ceil(target.max(1));
    Err(OverLimit::Share { entity, verb, percent, count, target })
}

impl Plan {
    /// Checks the limit that holds for any sync.
    pub fn check(&self, limits: Limits) -> Result<(), OverLimit> {
        let deletes = self.works.iter().filter(|work| work.standing == Standing::Ready && work.deletes());
        let deletes = deletes.count() as u64;
        match limits.deletes_max {
            Some(deletes_max) if deletes > deletes_max => Err(OverLimit::Deletes { deletes, deletes_max }),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks the limits of a full sync, on the whole plan. A number of deletes that is allowed takes the place of their
    /// share.
    pub fn check_full(&self, sides: &[Sides], limits: Limits) -> Result<(), OverLimit> {
        for &Sides { entity, local, target } in sides {
            if local == 0 && target > 0 {
                return Err(OverLimit::EmptyMaster { entity, target });
            }
            let of_entity = || self.works.iter().filter(move |work| work.key.entity() == entity);
            let deletes = of_entity().filter(|work| work.deletes()).count() as u64;
            let updates = of_entity().filter(|work| work.action() == Action::Update).count() as u64;
            if limits.deletes_max.is_none() {
                share(entity, "deleted", deletes, target, DELETES_FREE)?;
            }
            if target >= SHARE_OBJECTS_MIN {
                share(entity, "updated", updates, target, 0)?;
            }
        }
        Ok(())
    }
}
