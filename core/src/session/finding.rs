//! Targets that choose the ids: an object is found by its key, and a comment is sent with the target's id of its post.
//!
//! ```text
//! a comment is to be sent or compared ─▶ the id of its post is known ──────────────▶ it goes
//!                                      └ GET the post by its key ─ one ────────────▶ remembered, it goes
//!                                                                ├ none, again ────▶ left to a later run
//!                                                                └ several ────────▶ left to a later run
//! the comment is refused, and the id was remembered ─▶ forgotten, and asked for once more
//!
//! an object is not found ─▶ GET a key that no object has ─ nothing, or only that ─▶ trusted (if `base` trusts it, too)
//!                                                        └ other objects ─────────▶ stop: the filter is ignored
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::merge::Wish;
use crate::model::{Entity, Key, PostId};
use crate::object::{Flight, Step};
use crate::profile::To;
use crate::reply::{self, Answer, Method, Reply, Told};
use crate::session::outcome::Stop;
use crate::session::trial::Errand;
use crate::session::types::Request;
use crate::session::{Phase, Session};
use crate::target_id::TargetId;

/// So many posts' ids are remembered: asking again costs a request.
const POSTS_MAX: usize = 100_000;

/// What no object has as its key: above every id that a sequence of 4 bytes reaches before its end, and small enough for
/// a target that keeps the key in as many.
pub const IMPOSSIBLE_ID: i64 = 2_147_483_647;

/// What is known of the target's ids.
#[derive(Debug, Default)]
pub struct Finding {
    posts: BTreeMap<PostId, TargetId>,
    /// Entities whose filter was tried in this run.
    filters: BTreeSet<Entity>,
}

/// What an object knows of the target's id of its post.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Post {
    /// It has none, or needs no id.
    #[default]
    None,
    /// It needs the id of this post.
    Wanted(PostId),
    /// It is being asked for.
    Sought(PostId),
    /// It was known already.
    Remembered(PostId, TargetId),
    /// It was asked for.
    Found(PostId, TargetId),
}

impl Post {
    /// Returns the id, where it is known.
    pub fn id(&self) -> Option<&TargetId> {
        match self {
            Post::Remembered(_, id) | Post::Found(_, id) => Some(id),
            Post::None | Post::Wanted(_) | Post::Sought(_) => None,
        }
    }
}

impl Session {
    /// Says to which post an object belongs, by its row as it was read. To be called before [`loaded`](Session::loaded).
    pub fn belongs_to(&mut self, key: Key, post: PostId) {
        if self.config.profile.key_field(Entity::Post).is_none() {
            return;
        }
        let Some(place) = self.places.get(&key) else { return };
        let known = &mut self.items[*place].post;
        let is_same = matches!(known, Post::Remembered(old, _) | Post::Found(old, _) if *old == post);
        if !is_same {
            *known = Post::Wanted(post);
        }
    }

    /// Returns the request that an object's next step needs first, if it does: the question for its post.
    pub(super) fn seek_post(&mut self, place: usize) -> Option<Request> {
        let item = &mut self.items[place];
        let (Post::Wanted(post) | Post::Sought(post)) = item.post else { return None };
        if item.errand != Errand::Talk || item.work.after == Wish::Absent {
            return None;
        }
        if let Some(id) = self.finding.posts.get(&post) {
            item.post = Post::Remembered(post, id.clone());
            return None;
        }
        item.post = Post::Sought(post);
        Some(Request { key: item.work.key, method: Method::Get, to: To::Key(Key::Post(post)), parent: None })
    }

    /// Takes the reply to the question for an object's post.
    pub(super) fn post_sought(&mut self, place: usize, post: PostId, reply: &Reply, flight: Flight, random: u64) {
        let now = flight.back_at;
        let told = reply::read(self.config.profile, Method::Get, Key::Post(post), None, reply);
        self.items[place].status = told.status;
        self.judge_pace(place, &told, now, random);
        let why = match (told.answer, &told.target_id) {
            (Answer::Equal | Answer::Different, Some(id)) => {
                self.items[place].post = Post::Found(post, id.clone());
                self.remember_post(post, id.clone());
                self.found(Entity::Post, now, random);
                return self.go_on(place, now);
            }
            (Answer::Unfiltered, _) => return self.stop_unfiltered(place, Entity::Post, &told),
            (Answer::Gone, _) => alloc::format!("{} is not at the target", Key::Post(post)),
            (Answer::Several, _) => alloc::format!("the target has {} more than once", Key::Post(post)),
            (_, _) => alloc::format!("{}: {}", Key::Post(post), told.why),
        };
        self.items[place].why = why;
        let answer = match told.answer {
            // Nothing was sent of the object itself.
            Answer::Gone | Answer::Several | Answer::Broken | Answer::Lost | Answer::Equal | Answer::Different => {
                Answer::NotSent
            }
            Answer::Unfiltered
            | Answer::Accepted
            | Answer::Exists
            | Answer::Throttled
            | Answer::Unreadable
            | Answer::NotSent
            | Answer::Unauthorized
            | Answer::Forbidden
            | Answer::Redirected
            | Answer::Refused => told.answer,
        };
        let step = self.items[place].talk.answered(Method::Get, answer, flight, &self.config.effects);
        if !matches!(step, Step::Retry(_) | Step::Later) {
            self.trials.entry(self.items[place].work.key.entity()).or_default().failed(place);
        }
        self.follow(place, step, &Told { answer, ..told }, now, random);
    }

    /// Takes the refusal of an object: the id of its post may be outdated. Returns whether it is asked for once more.
    pub(super) fn doubts_post(&mut self, place: usize, now: Duration) -> bool {
        let Post::Remembered(post, _) = self.items[place].post else { return false };
        self.finding.posts.remove(&post);
        self.items[place].post = Post::Wanted(post);
        self.go_on(place, now);
        true
    }

    /// Takes note of the id that an answer shows of an object.
    pub(super) fn take_target_id(&mut self, place: usize, told: &Told) {
        let key = self.items[place].work.key;
        if self.config.profile.key_field(key.entity()).is_none() {
            return;
        }
        let Some(id) = &told.target_id else { return };
        if let (Key::Post(post), Answer::Accepted | Answer::Equal | Answer::Different) = (key, told.answer) {
            self.remember_post(post, id.clone());
        }
        self.items[place].target_id = Some(id.clone());
    }

    fn remember_post(&mut self, post: PostId, id: TargetId) {
        if self.finding.posts.len() >= POSTS_MAX {
            self.finding.posts.pop_first();
        }
        self.finding.posts.insert(post, id);
    }

    /// Says whether an empty answer to a question by key is an answer: the target does filter.
    pub(super) fn is_filtered(&self, entity: Entity) -> bool {
        self.config.profile.key_field(entity).is_none() || self.finding.filters.contains(&entity)
    }

    /// Takes note that the target filters.
    pub(super) fn filter_works(&mut self, entity: Entity) {
        self.finding.filters.insert(entity);
    }

    /// The target shows other objects than the one that was asked for: nothing that it says of keys can be trusted.
    pub(super) fn stop_unfiltered(&mut self, place: usize, entity: Entity, told: &Told) {
        self.stop(self.unfiltered(entity, told));
        // Left as it is, when the run winds up.
        self.items[place].errand = Errand::Talk;
        self.items[place].phase = Phase::Suspended;
    }

    /// Returns the stop that says so.
    pub(super) fn unfiltered(&self, entity: Entity, told: &Told) -> Stop {
        let (verb, path) = self.config.profile.find(entity, IMPOSSIBLE_ID);
        Stop::Unfiltered(alloc::format!("{} {path}: {}", verb.name(), told.why))
    }
}
