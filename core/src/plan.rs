//! What is to be done -> in which order, within which limits.
//!
//! Sending order: posts created, posts updated, comments created, comments
//! updated, comments deleted, posts deleted. A target that cascades, or that drops
//! orphans, then never removes what we are about to touch.

mod limits;

pub use limits::{Limits, OverLimit, Pressure, SHARE_PERCENT_MAX, Sides};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use sha2::{Digest, Sha256};

use crate::left_out;
use crate::merge::{Action, Presence, Wish, action};
use crate::model::{Entity, Key, PostId};

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
