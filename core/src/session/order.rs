//! Which object may be next: the plan's order, and who waits for whom.
//!
//! - A comment's create or update waits for its post's, whichever that is: an update may turn
//!   out to be a create, and a target that drops orphans would drop the comment.
//! - No delete begins before every create and update has ended.
//! - A post's delete waits for its comments' deletes, and for comments that are moved to other posts: until that is done,
//!   the target may have them under this one, and delete them with it.
//!
//! What waits for something that ended badly is held: it ends, too, and unsent.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::merge::Action;
use crate::model::{Key, PostId};
use crate::plan::{Plan, Stage, Work};

/// How an object's part in the run ended, as far as others depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// As wished.
    Good,
    /// Somebody else's change overtook it. Comments find out by themselves; a post's delete is overtaken, too.
    Overtaken,
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
    /// Posts that are deleted, with the comments that go first.
    families: BTreeMap<PostId, Family>,
    /// The posts whose delete waits for a comment.
    places: BTreeMap<Key, Vec<PostId>>,
}

#[derive(Debug)]
struct Family {
    /// Comments that have not ended.
    open: usize,
    /// The worst end of one.
    fate: Fate,
    /// The post's own place, until that is decided.
    post: Option<usize>,
}

/// Objects that do not go because of an end: their places, and how they end.
pub type Held = Vec<(usize, Fate)>;

impl Order {
    /// Takes the plan's work in its order.
    pub fn new(plan: &Plan) -> Self {
        let mut order = Self::default();
        for (place, work) in plan.works().iter().enumerate() {
            for post in plan.places(work) {
                order.families.entry(post).or_insert(Family { open: 0, fate: Fate::Good, post: None }).open += 1;
                order.places.entry(work.key).or_default().push(post);
            }
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
                (Stage::DeleteComments, _, _) => {
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
                    // Overtaken: its row was deleted, and theirs with it. Where they are there again, newer events say so, and
                    // the post may be yet to be created.
                    Fate::Overtaken | Fate::Bad => return waiting.into_iter().map(|place| (place, fate)).collect(),
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
        self.places.remove(&work.key).into_iter().flatten().filter_map(|post| self.left(post, fate)).collect()
    }

    /// A comment ended that may have been under `post`. Returns the post's place if its delete does not go because of that.
    fn left(&mut self, post: PostId, fate: Fate) -> Option<(usize, Fate)> {
        let family = self.families.get_mut(&post)?;
        family.open -= 1;
        family.fate = family.fate.max(fate);
        match family.fate {
            Fate::Good | Fate::Overtaken if family.open > 0 => None,
            Fate::Good => {
                self.deletes.extend(family.post.take());
                None
            }
            // Held as soon as that is known: a plan then tells it before the run.
            Fate::Overtaken | Fate::Bad => family.post.take().map(|place| (place, family.fate)),
        }
    }
}
