//! What is to be done -> in which order, within which limits.
//!
//! Sending order: posts created, posts updated, comments created, comments
//! updated, comments deleted, posts deleted. A target that cascades, or that drops
//! orphans, then never removes what we are about to touch.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use sha2::{Digest, Sha256};

use crate::left_out;
use crate::merge::{Action, Presence, Wish, action};
use crate::model::{Entity, Key, PostId};
use crate::phrase;

/// Whether a run sends an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ready,
    /// It does not: an import left out the target's object in its place. The run parks it when it prepares it.
    Barred,
    /// It is parked: it waits for an operator or for a newer event. What depends on it is held.
    Parked,
    /// It is held until another shard has created its post, or has moved a comment away from this post.
    Held,
    /// It failed in an earlier run, or an earlier request of it may still take effect: a loop leaves it to a later run.
    Waiting,
    /// A post whose creation an operator gave up. Nothing is pending of it; what depends on it is held.
    GivenUp,
    /// An operator has stopped its sync; what depends on it is held.
    OnHold,
}

impl Standing {
    /// Returns whether a run prepares the object.
    pub fn is_prepared(self) -> bool {
        match self {
            Standing::Ready | Standing::Barred => true,
            Standing::Parked | Standing::Held | Standing::Waiting | Standing::GivenUp | Standing::OnHold => false,
        }
    }
}

/// One object that needs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub key: Key,
    /// Of a comment: its post.
    pub parent: Option<PostId>,
    /// Is it at the target?
    pub before: Presence,
    /// Should it be?
    pub after: Wish,
    /// Does this run try it?
    pub standing: Standing,
    /// So long after the run's beginning, earlier requests of it may take effect.
    pub settles_in: Duration,
}

impl Work {
    /// Returns what to send.
    pub fn action(&self) -> Action {
        action(self.before, self.after)
    }

    /// Says whether it is deleted at the target, if only to be created again.
    pub fn deletes(&self) -> bool {
        match self.action() {
            Action::Delete | Action::Renew => true,
            Action::Ask => self.after == Wish::Absent,
            Action::Create | Action::Update | Action::Nothing => false,
        }
    }

    /// Returns its place in the sending order. What has to be asked for first may turn out
    /// to be a create, and goes where creates go.
    pub fn stage(&self) -> Stage {
        match (self.key.entity(), self.after, self.before) {
            (Entity::Post, Wish::Present, Presence::Present) => Stage::UpdatePosts,
            (Entity::Post, Wish::Present, Presence::Absent | Presence::Unknown | Presence::Doubled) => {
                Stage::CreatePosts
            }
            (Entity::Comment, Wish::Present, Presence::Present) => Stage::UpdateComments,
            (Entity::Comment, Wish::Present, Presence::Absent | Presence::Unknown | Presence::Doubled) => {
                Stage::CreateComments
            }
            (Entity::Comment, Wish::Absent, _) => Stage::DeleteComments,
            (Entity::Post, Wish::Absent, _) => Stage::DeletePosts,
        }
    }
}

/// The stages, in sending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// POST /posts
    CreatePosts,
    /// PUT /posts/…
    UpdatePosts,
    /// POST /comments
    CreateComments,
    /// PUT /comments/…
    UpdateComments,
    /// DELETE /comments/…
    DeleteComments,
    /// DELETE /posts/…
    DeletePosts,
}

impl Stage {
    /// Says whether it is one of the last two, which wait for all others.
    pub fn deletes(self) -> bool {
        match self {
            Stage::DeleteComments | Stage::DeletePosts => true,
            Stage::CreatePosts | Stage::UpdatePosts | Stage::CreateComments | Stage::UpdateComments => false,
        }
    }
}

/// The work of a run, in sending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    works: Vec<Work>,
    /// Comments of the plan that the target may have under other posts than their own, with those posts.
    leaving: Leaving,
}

/// Comments and the posts that they leave.
pub type Leaving = BTreeMap<Key, BTreeSet<PostId>>;

/// How many of what, of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// POST.
    pub create: u64,
    /// PUT.
    pub update: u64,
    /// DELETE.
    pub delete: u64,
    /// GET first.
    pub ask: u64,
    /// DELETE until it is gone, then POST.
    pub renew: u64,
    /// Changes that come to nothing.
    pub nothing: u64,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, action: Action) {
        match action {
            Action::Create => self.create += 1,
            Action::Update => self.update += 1,
            Action::Delete => self.delete += 1,
            Action::Ask => self.ask += 1,
            Action::Renew => self.renew += 1,
            Action::Nothing => self.nothing += 1,
        }
    }

    /// Returns how many need a request.
    pub fn requests(&self) -> u64 {
        self.create + self.update + self.delete + self.ask + self.renew
    }
}

impl Plan {
    /// Puts the work in sending order.
    pub fn new(mut works: Vec<Work>) -> Self {
        works.sort_unstable_by_key(|work| (work.stage(), work.key));
        Self { works, leaving: Leaving::new() }
    }

    /// Adds which of its comments leave which posts.
    #[must_use]
    pub fn with_leaving(self, leaving: Leaving) -> Self {
        Self { leaving, ..self }
    }

    /// Returns the same plan with each work as `change` says; the order stays.
    #[must_use]
    pub fn map(&self, change: impl FnMut(&Work) -> Work) -> Self {
        Self { works: self.works.iter().map(change).collect(), leaving: self.leaving.clone() }
    }

    /// Returns the posts under which the target may have the comment of this work, if it has it, and which the plan may delete: its
    /// post if the comment is to be deleted, and those that it leaves. A post's DELETE waits for such comments, since the target may
    /// delete comments with their post.
    pub fn places<'p>(&'p self, work: &'p Work) -> impl Iterator<Item = PostId> + 'p {
        let own = work.parent.filter(|_| work.after == Wish::Absent);
        let left = self.leaving.get(&work.key).into_iter().flatten().copied();
        own.into_iter().chain(left.filter(move |post| own != Some(*post)))
    }

    /// Returns the work, in sending order.
    pub fn works(&self) -> &[Work] {
        &self.works
    }

    /// Marks the objects that are not sent, in view of what imports have left out.
    #[must_use]
    pub fn barring(mut self, left_out: &BTreeSet<Key>) -> Self {
        for work in &mut self.works {
            work.standing = left_out::standing(left_out, work);
        }
        self
    }

    /// Returns a checksum of the actions, 16 hexadecimal digits: the same plan has the
    /// same, whoever makes it.
    pub fn checksum(&self) -> String {
        let mut hasher = Sha256::new();
        for work in self.works.iter().filter(|work| work.standing == Standing::Ready) {
            hasher.update([work.stage() as u8, work.action() as u8]);
            hasher.update(work.key.id().to_le_bytes());
        }
        let mut half = [0; 8];
        half.copy_from_slice(&hasher.finalize()[..8]);
        format!("{:016x}", u64::from_be_bytes(half))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn work(key: &str, before: Presence, after: Wish) -> Work {
        Work {
            key: key.parse().unwrap(),
            parent: None,
            before,
            after,
            standing: Standing::Ready,
            settles_in: Duration::ZERO,
        }
    }

    #[test]
    fn order() {
        use Presence::{Absent, Present, Unknown};
        let plan = Plan::new(vec![
            work("posts/9", Present, Wish::Absent),
            work("comments/8", Present, Wish::Absent),
            work("comments/7", Present, Wish::Present),
            work("comments/6", Absent, Wish::Present),
            work("posts/5", Present, Wish::Present),
            work("posts/4", Unknown, Wish::Present),
            work("posts/3", Absent, Wish::Present),
        ]);
        let keys: Vec<String> = plan.works().iter().map(|work| work.key.to_string()).collect();
        assert_eq!(keys, ["posts/3", "posts/4", "posts/5", "comments/6", "comments/7", "comments/8", "posts/9"]);
    }

    #[test]
    fn the_checksum_is_the_plans_and_not_its_makers() {
        let works =
            vec![work("posts/1", Presence::Absent, Wish::Present), work("posts/2", Presence::Present, Wish::Absent)];
        let turned = works.iter().rev().copied().collect();
        assert_eq!(Plan::new(works.clone()).checksum(), Plan::new(turned).checksum());
        assert_ne!(Plan::new(works.clone()).checksum(), Plan::new(works[..1].to_vec()).checksum());
    }

    #[test]
    fn limits() {
        let deletes = |n: i64| {
            Plan::new((1..=n).map(|id| work(&format!("posts/{id}"), Presence::Present, Wish::Absent)).collect())
        };
        let sides = |local, target| [Sides { entity: Entity::Post, local, target }];
        assert_eq!(
            deletes(2).check(Limits { deletes_max: Some(1) }),
            Err(OverLimit::Deletes { deletes: 2, deletes_max: 1 })
        );
        assert_eq!(deletes(2).check(Limits { deletes_max: Some(2) }), Ok(()));
        // What is there twice is deleted, too, before it is made again.
        let doubled: Vec<Work> =
            (1..=31).map(|id| work(&format!("posts/{id}"), Presence::Doubled, Wish::Present)).collect();
        assert!(Plan::new(doubled.clone()).check(Limits { deletes_max: Some(30) }).is_err());
        assert!(Plan::new(doubled).check_full(&sides(100, 100), Limits::default()).is_err());
        assert_eq!(deletes(30).check_full(&sides(70, 100), Limits::default()), Ok(()));
        let over = deletes(31).check_full(&sides(69, 100), Limits::default()).unwrap_err();
        assert_eq!(over.to_string(), "31 % of the target's posts would be deleted (31 of 100), more than 30 %");
        assert_eq!(deletes(9).check_full(&sides(1, 9), Limits::default()), Ok(()));
        assert!(deletes(9).check_full(&sides(0, 9), Limits::default()).is_err());
        // A number that is allowed takes the place of the share.
        assert_eq!(deletes(60).check_full(&sides(40, 100), Limits { deletes_max: Some(60) }), Ok(()));
    }

    #[test]
    fn a_plain_sync_deletes_no_more_than_a_share_either() {
        use Presence::{Absent, Doubled, Present, Unknown};
        let pressure = |counts: &[(Presence, Wish, u64)]| {
            let mut pressure = Pressure::default();
            for (before, after, count) in counts {
                (0..*count).for_each(|_| pressure.add(*before, *after));
            }
            pressure
        };
        let gone = |count| pressure(&[(Present, Wish::Absent, count)]);
        for (pressure, rows, refused) in [
            (gone(30), 0, false),
            (gone(31), 0, true),
            // 31 of 103 are still a share that is meant; of 104 the rest is at the master.
            (gone(31), 72, true),
            (gone(31), 73, false),
            (pressure(&[(Unknown, Wish::Absent, 31)]), 0, true),
            (pressure(&[(Doubled, Wish::Present, 31)]), 100, true),
            (pressure(&[(Doubled, Wish::Present, 31)]), 104, false),
            // What is not there yet is no part of the target.
            (pressure(&[(Present, Wish::Absent, 31), (Absent, Wish::Present, 1000)]), 1000, true),
            (pressure(&[(Absent, Wish::Absent, 1000)]), 0, false),
        ] {
            assert_eq!(pressure.check(Entity::Post, rows).is_err(), refused, "{pressure:?} {rows}");
            assert!(pressure.is_high() || !refused, "{pressure:?}");
        }
        let over = gone(600).check(Entity::Comment, 0).unwrap_err();
        assert_eq!(over.to_string(), "100 % of the target's comments would be deleted (600 of 600), more than 30 %");
    }
}
