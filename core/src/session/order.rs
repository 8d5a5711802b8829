//! Which object may be next: the plan's order, and who waits for whom.
//!
//! - A comment's create or update waits for its post's, whichever that is: an update may turn
//!   out to be a create, and a target that drops orphans would drop the comment.
//! - No delete begins before every create and update has ended.
//! - A post's delete waits for its comments' deletes.
//!
//! What waits for something that ended badly is held: it ends, too, and unsent.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::merge::Action;
use crate::model::{Key, PostId};
use crate::plan::{Stage, Work};

/// How an object's part in the run ended, as far as others depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// As wished; or somebody else's change overtook it, and who depends on it finds out.
    Good,
    /// Not in this run.
    Bad,
}

/// Queues of places in the plan.
#[derive(Debug, Default)]
pub struct Order {
    /// Creates and updates that may go.
    changes: VecDeque<usize>,
    /// Deletes that may go once `changes_open` is 0.
    deletes: VecDeque<usize>,
    /// Creates and updates that have not ended.
    changes_open: usize,
    /// Comments waiting for their post.
    waiting_for_post: BTreeMap<PostId, Vec<usize>>,
    /// The posts whose create or update is in the plan.
    posts: BTreeSet<PostId>,
    /// Per post: deletes of its comments that have not ended, whether one ended badly,
    /// and the post's own delete.
    families: BTreeMap<PostId, Family>,
}

#[derive(Debug, Default)]
struct Family {
    open: usize,
    bad: bool,
    post: Option<usize>,
}

/// Objects that are held now: their places.
pub type Held = Vec<usize>;

impl Order {
    /// Takes the plan's work in its order.
    pub fn new(works: &[Work]) -> Self {
        let mut order = Self::default();
        for (place, work) in works.iter().enumerate() {
            order.changes_open += usize::from(!work.stage().deletes());
            // Who is not tried, or needs nothing, ends without waiting in a queue. Others
            // may depend on how.
            let goes = work.standing.is_prepared() && work.action() != Action::Nothing;
            match (work.stage(), work.key, work.parent) {
                (Stage::CreatePosts | Stage::UpdatePosts, Key::Post(post), _) => {
                    order.posts.insert(post);
                    if goes {
                        order.changes.push_back(place);
                    }
                }
                (Stage::CreateComments | Stage::UpdateComments, _, Some(post))
                    if goes && order.posts.contains(&post) =>
                {
                    order.waiting_for_post.entry(post).or_default().push(place);
                }
                (Stage::DeleteComments, _, parent) => {
                    if let Some(post) = parent {
                        order.families.entry(post).or_default().open += 1;
                    }
                    if goes {
                        order.deletes.push_back(place);
                    }
                }
                (Stage::DeletePosts, Key::Post(post), _) if goes => match order.families.get_mut(&post) {
                    Some(family) => family.post = Some(place),
                    None => order.deletes.push_back(place),
                },
                (Stage::CreatePosts | Stage::UpdatePosts | Stage::CreateComments | Stage::UpdateComments, _, _) => {
                    if goes {
                        order.changes.push_back(place);
                    }
                }
                (Stage::DeletePosts, _, _) => {}
            }
        }
        order
    }

    /// Returns the next object that may go, if one may.
    pub fn pop(&mut self) -> Option<usize> {
        match self.changes.pop_front() {
            Some(place) => Some(place),
            None if self.changes_open == 0 => self.deletes.pop_front(),
            None => None,
        }
    }

    /// Says whether [`Order::pop`] has one.
    pub fn has_next(&self) -> bool {
        !self.changes.is_empty() || (self.changes_open == 0 && !self.deletes.is_empty())
    }

    /// Takes note of an end. Returns who is held by it: the caller ends them, badly.
    pub fn ended(&mut self, work: &Work, fate: Fate) -> Held {
        if !work.stage().deletes() {
            self.changes_open -= 1;
        }
        match (work.stage(), work.key, work.parent) {
            (Stage::CreatePosts | Stage::UpdatePosts, Key::Post(post), _) => {
                let waiting = self.waiting_for_post.remove(&post).unwrap_or_default();
                match fate {
                    Fate::Good => self.changes.extend(waiting),
                    Fate::Bad => return waiting,
                }
            }
            (Stage::DeleteComments, _, Some(post)) => {
                if let Some(family) = self.families.get_mut(&post) {
                    family.open -= 1;
                    family.bad |= fate == Fate::Bad;
                    // Held as soon as that is known: a plan then tells it before the run.
                    if (family.bad || family.open == 0)
                        && let Some(place) = family.post.take()
                    {
                        if family.bad {
                            return alloc::vec![place];
                        }
                        self.deletes.push_back(place);
                    }
                }
            }
            (
                Stage::CreatePosts
                | Stage::UpdatePosts
                | Stage::CreateComments
                | Stage::UpdateComments
                | Stage::DeleteComments
                | Stage::DeletePosts,
                _,
                _,
            ) => {}
        }
        Vec::new()
    }
}
