//! What people and their triggers do to the master, and what the tracking triggers make of it.

use news_core::merge::{Event, EventType};
use news_core::model::PostId;
use news_core::{Entity, Key, Object};

use crate::master::{Master, Row};
use crate::rng::Rng;

/// So few ids that the same ones come again and again.
const POSTS: i64 = 4;
const COMMENTS: i64 = 7;

/// Somebody at the master, at a time.
pub struct Editor<'m> {
    pub master: &'m mut Master,
    pub rng: &'m mut Rng,
    pub now: std::time::Duration,
    /// Ids that rows may have besides the first few.
    pub more_ids: &'static [i64],
    /// The owner's triggers act, and ids move.
    pub is_odd: bool,
    /// Some texts have white space at their ends.
    pub has_blanks: bool,
}

impl Editor<'_> {
    /// Fills the tables, as an import does: rows, and nothing pending.
    pub fn import(&mut self) {
        for id in 1..=POSTS {
            if self.rng.permille(500) {
                self.put_post(id);
            }
        }
        for id in 1..=COMMENTS {
            if let Some(post) = self.any_post()
                && self.rng.permille(500)
            {
                self.put_comment(id, post);
            }
        }
    }

    /// A dump of the data alone is restored: the triggers log a create for every row. Returns the keys.
    pub fn restore_data_only(&mut self) -> Vec<Key> {
        let keys: Vec<Key> = self.master.rows.keys().copied().collect();
        for key in &keys {
            let parent = self.master.parent_of(*key);
            self.track(*key, EventType::Created, parent);
        }
        keys
    }

    fn put_post(&mut self, id: i64) -> Key {
        self.put(Entity::Post.key(id).unwrap(), 1)
    }

    fn put_comment(&mut self, id: i64, post: PostId) -> Key {
        self.put(Entity::Comment.key(id).unwrap(), post.get())
    }

    fn put(&mut self, key: Key, number: i64) -> Key {
        self.master.versions += 1;
        let is_blank = self.has_blanks && self.rng.permille(400);
        let blank = if is_blank { " " } else { "" };
        let texts = [format!("{blank}v{}{blank}", self.master.versions), String::new(), String::new()];
        self.master.rows.insert(key, Object::new(key, number, texts).unwrap());
        key
    }

    fn any_post(&mut self) -> Option<PostId> {
        let posts: Vec<PostId> =
            self.master.keys(Entity::Post).iter().filter_map(|key| PostId::new(key.id()).ok()).collect();
        self.rng.pick(&posts)
    }

    fn any(&mut self, entity: Entity) -> Option<Key> {
        let keys = self.master.keys(entity);
        self.rng.pick(&keys)
    }

    fn absent(&mut self, entity: Entity, ids: i64) -> Option<i64> {
        let free: Vec<i64> = (1..=ids)
            .chain(self.more_ids.iter().copied())
            .filter(|id| entity.key(*id).is_ok_and(|key| !self.master.rows.contains_key(&key)))
            .collect();
        self.rng.pick(&free)
    }

    fn track(&mut self, key: Key, kind: EventType, parent: Option<PostId>) {
        self.log(Event { id: 0, key, kind, doubtful: false }, parent, None);
    }

    /// A comment is moved to `post`.
    fn move_to(&mut self, key: Key, post: PostId) {
        let former = self.master.parent_of(key).filter(|former| *former != post);
        self.put_comment(key.id(), post);
        self.log(Event { id: 0, key, kind: EventType::Updated, doubtful: false }, Some(post), former);
    }

    /// The rows contradict the statement.
    fn track_in_doubt(&mut self, key: Key, kind: EventType, parent: Option<PostId>) {
        self.log(Event { id: 0, key, kind, doubtful: true }, parent, None);
    }

    fn log(&mut self, event: Event, parent: Option<PostId>, former: Option<PostId>) {
        let used = |id: i64| self.master.log.iter().any(|row| row.event.id == id);
        let mut id = self.master.next_event;
        while used(id) {
            id += 1;
        }
        self.master.next_event = id + 1;
        let logged_at = self.master.moment(self.now);
        self.master.log.push(Row { event: Event { id, ..event }, parent, former, logged_at, synced: false });
    }

    fn delete_post(&mut self, post: PostId) -> Vec<Key> {
        let family = self.master.children(post);
        self.master.rows.remove(&Key::Post(post));
        // The cascade: the post's event comes first.
        self.track(Key::Post(post), EventType::Deleted, None);
        for key in &family {
            self.master.rows.remove(key);
            self.track(*key, EventType::Deleted, Some(post));
        }
        family
    }

    /// Somebody changes something. Returns it in words.
    pub fn edit(&mut self) -> String {
        self.try_edit().unwrap_or_default()
    }

    fn try_edit(&mut self) -> Option<String> {
        if self.is_odd && self.rng.permille(250) {
            return self.odd_edit();
        }
        Some(match self.rng.below(100) {
            0..18 => {
                let id = self.absent(Entity::Post, POSTS)?;
                let key = self.put_post(id);
                self.track(key, EventType::Created, None);
                format!("creates {key}")
            }
            18..28 => {
                let key = self.any(Entity::Post)?;
                self.touch(key)
            }
            28..38 => {
                let post = self.any_post()?;
                let family = self.delete_post(post);
                format!("deletes posts/{post} with {family:?}")
            }
            38..42 => {
                // Deletes a post and makes it again, with a comment of the same id.
                let post = self.any_post()?;
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
                let post = self.any_post()?;
                let id = self.absent(Entity::Comment, COMMENTS)?;
                let key = self.put_comment(id, post);
                self.track(key, EventType::Created, Some(post));
                format!("creates {key} of posts/{post}")
            }
            65..75 => {
                let key = self.any(Entity::Comment)?;
                self.touch(key)
            }
            75..88 => {
                let key = self.any(Entity::Comment)?;
                let post = self.any_post()?;
                self.move_to(key, post);
                format!("moves {key} to posts/{post}")
            }
            _ => {
                let key = self.any(Entity::Comment)?;
                let parent = self.master.parent_of(key);
                self.master.rows.remove(&key);
                self.track(key, EventType::Deleted, parent);
                format!("deletes {key}")
            }
        })
    }

    /// A trigger of the owner, or a statement that does several things: the inner event is logged first, and the outer
    /// statement is contradicted by the rows.
    fn odd_edit(&mut self) -> Option<String> {
        let key = self.any(Entity::Comment)?;
        let post = self.master.parent_of(key)?;
        Some(match self.rng.below(6) {
            0 => {
                // It deletes what was just written.
                self.master.rows.remove(&key);
                self.track(key, EventType::Deleted, Some(post));
                self.track_in_doubt(key, EventType::Deleted, Some(post));
                format!("updates {key}, and a trigger deletes it")
            }
            1 => {
                let id = self.absent(Entity::Comment, COMMENTS)?;
                let new = Entity::Comment.key(id).ok()?;
                self.track(new, EventType::Deleted, Some(post));
                self.track_in_doubt(new, EventType::Deleted, Some(post));
                format!("creates {new}, and a trigger deletes it")
            }
            2 => {
                // It puts back what was just deleted.
                self.put_comment(key.id(), post);
                self.track(key, EventType::Created, Some(post));
                self.track_in_doubt(key, EventType::Updated, Some(post));
                format!("deletes {key}, and a trigger puts it back")
            }
            3 => {
                // One statement moves an id away and inserts it again.
                let id = self.absent(Entity::Comment, COMMENTS)?;
                let moved = self.put_comment(id, post);
                self.put_comment(key.id(), post);
                self.track(key, EventType::Created, Some(post));
                self.track_in_doubt(key, EventType::Updated, Some(post));
                self.track(moved, EventType::Created, Some(post));
                format!("moves {key} away to {moved}, and inserts it again")
            }
            4 => {
                let id = self.absent(Entity::Comment, COMMENTS)?;
                let moved = self.put_comment(id, post);
                self.master.rows.remove(&key);
                self.track(key, EventType::Deleted, Some(post));
                self.track(moved, EventType::Created, Some(post));
                format!("gives {key} the id of {moved}")
            }
            _ => {
                // With nothing unsynced: two events of an object in the wrong order would be something else.
                if !self.master.ledger.is_empty() || self.master.log.iter().any(|row| !row.synced) {
                    return None;
                }
                self.master.next_event = 1;
                "restarts the log's sequence".to_string()
            }
        })
    }

    /// Changes an object's content.
    pub fn touch(&mut self, key: Key) -> String {
        let parent = self.master.parent_of(key);
        match parent {
            Some(post) => self.put_comment(key.id(), post),
            None => self.put_post(key.id()),
        };
        self.track(key, EventType::Updated, parent);
        format!("updates {key}")
    }
}
