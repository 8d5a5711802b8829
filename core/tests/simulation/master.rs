//! The model of the master: rows, the change log, what a sync remembers, and the lock,
//! as in the migrations. Every method is one transaction.

use std::collections::BTreeMap;

use news_core::merge::{Change, Event, EventType, Merged, Presence, Wish, merge};
use news_core::model::{Comment, CommentId, Post, PostId};
use news_core::plan::{Plan, Standing, Work};
use news_core::session::{Fact, Left};
use news_core::{Entity, Key, Object};

use crate::rng::Rng;

/// So few ids that the same ones come again and again.
const POSTS: i64 = 4;
const COMMENTS: i64 = 7;

/// A row of `news_sync_object`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    pub presence: Presence,
    pub state: State,
    pub event_id: i64,
    pub parent: Option<PostId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Sent,
    Waiting,
    Parked,
    Held,
}

#[derive(Debug, Clone, Copy)]
struct Logged {
    event: Event,
    parent: Option<PostId>,
    synced: bool,
}

#[derive(Debug, Default)]
pub struct Master {
    pub rows: BTreeMap<Key, Object>,
    pub remembered: BTreeMap<Key, Remembered>,
    log: Vec<Logged>,
    /// Raised by each run that takes the lock.
    pub epoch: u64,
    /// The run that holds it.
    pub lock: Option<usize>,
    /// Ids that rows may have besides the first few.
    pub more_ids: &'static [i64],
    versions: u64,
}

/// What a run reads at its start.
#[derive(Debug)]
pub struct Reading {
    pub plan: Plan,
    pub merged: BTreeMap<Key, Merged>,
    /// What the plan rests on.
    pub basis: Basis,
}

/// As in the store: what it rests on that an object is planned to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Its events, or what is remembered where it has none.
    Log,
    /// A look at both sides.
    Look,
}

/// What loading a row gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    There(Object),
    /// A DELETE needs none.
    NotNeeded,
    /// It is gone, or here again: a newer event exists.
    Overtaken,
}

/// Which events a "done" marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Those that were read.
    Read,
    /// Every unsynced one of the object.
    All,
}

impl Master {
    /// A master after an import: rows, and nothing pending.
    pub fn imported(rng: &mut Rng) -> Self {
        let mut master = Self::default();
        for id in 1..=POSTS {
            if rng.permille(500) {
                master.put_post(id);
            }
        }
        for id in 1..=COMMENTS {
            if let Some(post) = master.any_post(rng)
                && rng.permille(500)
            {
                master.put_comment(id, post);
            }
        }
        master
    }

    /// The post of a comment, where it is or was.
    fn parent_at(&self, key: Key) -> Option<PostId> {
        let logged = || self.log.iter().rev().find(|logged| logged.event.key == key && logged.parent.is_some());
        self.parent_of(key).or_else(|| logged().and_then(|logged| logged.parent))
    }

    pub fn parent_of(&self, key: Key) -> Option<PostId> {
        self.rows.get(&key).and_then(Object::parent)
    }

    fn put_post(&mut self, id: i64) -> Key {
        self.versions += 1;
        let id = PostId::new(id).unwrap();
        let post = Post::new(id, 1, format!("v{}", self.versions), String::new()).unwrap();
        self.rows.insert(Key::Post(id), Object::Post(post));
        Key::Post(id)
    }

    fn put_comment(&mut self, id: i64, post: PostId) -> Key {
        self.versions += 1;
        let id = CommentId::new(id).unwrap();
        let name = format!("v{}", self.versions);
        let comment = Comment::new(id, post, name, String::new(), String::new()).unwrap();
        self.rows.insert(Key::Comment(id), Object::Comment(comment));
        Key::Comment(id)
    }

    fn any_post(&self, rng: &mut Rng) -> Option<PostId> {
        let posts: Vec<PostId> = self.keys(Entity::Post).filter_map(|key| PostId::new(key.id()).ok()).collect();
        rng.pick(&posts)
    }

    fn any(&self, rng: &mut Rng, entity: Entity) -> Option<Key> {
        let keys: Vec<Key> = self.keys(entity).collect();
        rng.pick(&keys)
    }

    fn keys(&self, entity: Entity) -> impl Iterator<Item = Key> {
        self.rows.keys().copied().filter(move |key| key.entity() == entity)
    }

    fn absent(&self, rng: &mut Rng, entity: Entity, ids: i64) -> Option<i64> {
        let free: Vec<i64> = (1..=ids)
            .chain(self.more_ids.iter().copied())
            .filter(|id| entity.key(*id).is_ok_and(|key| !self.rows.contains_key(&key)))
            .collect();
        rng.pick(&free)
    }

    fn track(&mut self, key: Key, kind: EventType, parent: Option<PostId>) {
        let id = i64::try_from(self.log.len()).unwrap() + 1;
        self.log.push(Logged { event: Event { id, key, kind }, parent, synced: false });
    }

    fn delete_post(&mut self, post: PostId) -> Vec<Key> {
        let family: Vec<Key> =
            self.rows.iter().filter(|(_, row)| row.parent() == Some(post)).map(|(key, _)| *key).collect();
        self.rows.remove(&Key::Post(post));
        // The cascade: the post's event comes first.
        self.track(Key::Post(post), EventType::Deleted, None);
        for key in &family {
            self.rows.remove(key);
            self.track(*key, EventType::Deleted, Some(post));
        }
        family
    }

    /// Somebody changes something. Returns it in words.
    pub fn edit(&mut self, rng: &mut Rng) -> String {
        match rng.below(100) {
            0..18 => {
                let Some(id) = self.absent(rng, Entity::Post, POSTS) else { return String::new() };
                let key = self.put_post(id);
                self.track(key, EventType::Created, None);
                format!("creates {key}")
            }
            18..28 => {
                let Some(key) = self.any(rng, Entity::Post) else { return String::new() };
                self.touch(key)
            }
            28..38 => {
                let Some(post) = self.any_post(rng) else { return String::new() };
                let family = self.delete_post(post);
                format!("deletes posts/{post} with {family:?}")
            }
            38..42 => {
                // Deletes a post and makes it again, with a comment of the same id.
                let Some(post) = self.any_post(rng) else { return String::new() };
                let family = self.delete_post(post);
                let key = self.put_post(post.get());
                self.track(key, EventType::Created, None);
                if let Some(comment) = family.first() {
                    self.put_comment(comment.id(), post);
                    self.track(*comment, EventType::Created, Some(post));
                }
                format!("replaces {key} with {family:?}")
            }
            42..65 => {
                let Some(post) = self.any_post(rng) else { return String::new() };
                let Some(id) = self.absent(rng, Entity::Comment, COMMENTS) else { return String::new() };
                let key = self.put_comment(id, post);
                self.track(key, EventType::Created, Some(post));
                format!("creates {key} of posts/{post}")
            }
            65..75 => {
                let Some(key) = self.any(rng, Entity::Comment) else { return String::new() };
                self.touch(key)
            }
            75..88 => {
                let Some(key) = self.any(rng, Entity::Comment) else { return String::new() };
                let Some(post) = self.any_post(rng) else { return String::new() };
                self.put_comment(key.id(), post);
                self.track(key, EventType::Updated, Some(post));
                format!("moves {key} to posts/{post}")
            }
            _ => {
                let Some(key) = self.any(rng, Entity::Comment) else { return String::new() };
                let parent = self.parent_of(key);
                self.rows.remove(&key);
                self.track(key, EventType::Deleted, parent);
                format!("deletes {key}")
            }
        }
    }

    /// Changes an object's content.
    pub fn touch(&mut self, key: Key) -> String {
        let parent = self.parent_of(key);
        match parent {
            Some(post) => self.put_comment(key.id(), post),
            None => self.put_post(key.id()),
        };
        self.track(key, EventType::Updated, parent);
        format!("updates {key}")
    }

    pub fn is_pending(&self, key: Key) -> bool {
        self.log.iter().any(|logged| !logged.synced && logged.event.key == key)
    }

    pub fn pending(&self) -> BTreeMap<Key, Option<PostId>> {
        self.log.iter().filter(|logged| !logged.synced).map(|logged| (logged.event.key, logged.parent)).collect()
    }

    /// Merges what is pending, in one snapshot.
    pub fn read(&self) -> Reading {
        let merged = merge(self.log.iter().filter(|logged| !logged.synced).map(|logged| logged.event));
        let parents = self.pending();
        let works = merged.iter().map(|(key, merged)| {
            let row = self.remembered.get(key);
            let before = row.map_or(merged.change.before, |row| row.presence);
            let standing = match row {
                Some(row) if row.state == State::Parked && row.event_id >= merged.last_id => Standing::Parked,
                Some(_) | None => Standing::Ready,
            };
            let parent = parents.get(key).copied().flatten();
            Work { key: *key, parent, before, after: merged.change.after, standing }
        });
        let mut works: Vec<Work> = works.collect();
        let mut all = merged.clone();
        // What a full sync did not come to an end with, and no event speaks for.
        for (key, row) in self.remembered.iter().filter(|(key, _)| !merged.contains_key(key)) {
            let before = row.presence;
            let after = if self.rows.contains_key(key) { Wish::Present } else { Wish::Absent };
            let standing = if row.state == State::Parked { Standing::Parked } else { Standing::Ready };
            works.push(Work { key: *key, parent: row.parent.or(self.parent_of(*key)), before, after, standing });
            let change = Change { before, after };
            all.insert(*key, Merged { change, first_id: 0, last_id: 0, events: 0 });
        }
        Reading { plan: Plan::new(works), merged: all, basis: Basis::Log }
    }

    /// The transaction before sending, for one object: says that a request may be under
    /// way, and loads the row. Where a newer event exists, nothing is written.
    pub fn prepare(&mut self, key: Key, before: Presence, merged: &Merged) -> Row {
        let row = match (merged.change.after, self.rows.get(&key)) {
            (Wish::Present, None) | (Wish::Absent, Some(_)) => return Row::Overtaken,
            (Wish::Present, Some(object)) => Row::There(object.clone()),
            (Wish::Absent, None) => Row::NotNeeded,
        };
        let (state, event_id, parent) = (State::Sent, merged.last_id, self.parent_at(key));
        let presence = if before == Presence::Doubled { before } else { Presence::Unknown };
        self.remembered.insert(key, Remembered { presence, state, event_id, parent });
        row
    }

    /// In the same transaction, of an object that a newer event has overtaken: that does not tell what a look has seen.
    pub fn leave_overtaken(&mut self, key: Key, before: Presence, merged: &Merged) {
        let presence = if before == Presence::Doubled { before } else { Presence::Unknown };
        let (state, event_id, parent) = (State::Waiting, merged.last_id, self.parent_at(key));
        let row = Remembered { presence, state, event_id, parent };
        self.remembered.entry(key).or_insert(row).presence = presence;
    }

    /// In the same transaction, where a post is cleared: its comments may go with it.
    pub fn doubt_comments(&mut self, post: PostId) {
        let family = self.rows.iter().filter(|(_, row)| row.parent() == Some(post)).map(|(key, _)| *key);
        for key in family.collect::<Vec<Key>>() {
            let (presence, state) = (Presence::Unknown, State::Waiting);
            let row = Remembered { presence, state, event_id: 0, parent: Some(post) };
            let row = self.remembered.entry(key).or_insert(row);
            if row.presence != Presence::Doubled {
                row.presence = Presence::Unknown;
            }
        }
    }

    /// The transaction after the answers, for one object.
    pub fn record(&mut self, fact: &Fact, merged: &Merged, basis: Basis, marks: Marks) {
        match fact {
            Fact::Done(key) => {
                for logged in &mut self.log {
                    if logged.event.key == *key && (marks == Marks::All || logged.event.id <= merged.last_id) {
                        logged.synced = true;
                    }
                }
                self.remembered.remove(key);
                // What a newer event says that came before it may be over.
                if (basis == Basis::Look || merged.events == 0) && self.is_pending(*key) {
                    let (presence, state, event_id) = (Presence::Unknown, State::Waiting, merged.last_id);
                    let row = Remembered { presence, state, event_id, parent: self.parent_at(*key) };
                    self.remembered.insert(*key, row);
                }
            }
            Fact::Left { key, presence, end, .. } => {
                let state = match end {
                    Left::Waiting => State::Waiting,
                    Left::Held => State::Held,
                    Left::Parked => State::Parked,
                };
                let parent = self.parent_at(*key);
                self.remembered
                    .insert(*key, Remembered { presence: *presence, state, event_id: merged.last_id, parent });
            }
        }
    }
}
