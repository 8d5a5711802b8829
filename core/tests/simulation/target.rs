//! The model of a target: one kind of those that there are. Requests here have arrived; what the
//! network does to them is in `net`.

use news_core::profile::{JSON_SERVER, JSON_SERVER_1, Pages, To};
use news_core::reply::Method;
use news_core::session::Request;
use news_core::target_id::TargetId;
use news_core::{Entity, Key, Object, PostId, wire};

use crate::column::*;
use crate::master::Master;
use crate::rng::Rng;

#[derive(Debug, Clone)]
struct Record {
    entity: Entity,
    /// As it stands in a path.
    id: String,
    /// Of a target with keys: its id of the post of a comment, whether that is there or not.
    parent: Option<String>,
    object: Object,
}

#[derive(Debug, Clone)]
pub struct Target {
    column: Column,
    records: Vec<Record>,
    /// Writes of this one are refused, with this status.
    pub refuses: Option<(Key, u16)>,
    /// The last id of its own.
    pub made: i64,
    /// It trims texts.
    pub alters: bool,
}

impl Target {
    /// A target that a master was just imported from.
    pub fn equal_to(master: &Master, column: Column, made: i64) -> Self {
        let id = |key: Key| if column.has_keys() { format!("k{}", key.id()) } else { key.id().to_string() };
        let record = |object: &Object| Record {
            entity: object.key().entity(),
            id: id(object.key()),
            parent: object.parent().filter(|_| column.has_keys()).map(|post| id(Key::Post(post))),
            object: object.clone(),
        };
        let records: Vec<Record> = master.rows.values().map(record).collect();
        Self { column, records, refuses: None, made, alters: false }
    }

    /// Where the target chooses the ids, a comment belongs to the post that has the id it was given, or to none.
    fn tie(&mut self) {
        if !self.column.has_keys() {
            return;
        }
        let posts = self.records.clone();
        for record in &mut self.records {
            let Some(parent) = &record.parent else { continue };
            let post = posts.iter().find(|post| post.entity == Entity::Post && post.id == *parent);
            let number = post.map_or(NOWHERE, |post| post.object.key().id());
            let texts = record.object.texts().iter().cloned();
            record.object = Object::new(record.object.key(), number, texts).unwrap();
        }
    }

    /// Returns what it makes of an object that it is sent.
    fn made_of(&self, object: &Object) -> Object {
        if !self.alters {
            return object.clone();
        }
        let texts = object.texts().iter().map(|text| text.trim().to_string());
        Object::new(object.key(), object.number(), texts).unwrap()
    }

    /// Says whether `there` is what it has made of `here`.
    pub fn is_made_of(&self, there: Option<&Object>, here: Option<&Object>) -> bool {
        there == here || there == here.map(|here| self.made_of(here)).as_ref()
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("t{}", self.made)
    }

    /// How many objects have this id.
    pub fn count(&self, key: Key) -> usize {
        let is_it = |r: &&Record| r.object.key() == key && (self.column.has_keys() || r.id == key.id().to_string());
        self.records.iter().filter(is_it).count()
    }

    pub fn get(&self, key: Key) -> Option<&Object> {
        self.place(key).map(|at| &self.records[at].object)
    }

    /// How many records have an id that the master does not.
    pub fn strays(&self, master: &Master) -> usize {
        let has_keys = self.column.has_keys();
        let is_it = |k: &Key, r: &Record| if has_keys { *k == r.object.key() } else { k.id().to_string() == r.id };
        let ours = |r: &&Record| !master.rows.keys().any(|k| k.entity() == r.entity && is_it(k, r));
        self.records.iter().filter(ours).count()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The objects that it has, each once.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.records.iter().map(|record| record.object.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Returns what its listing of an entity shows, in its order; `None` where an id could not be ours.
    pub fn listed(&self, entity: Entity) -> Vec<Option<Key>> {
        let records = self.records.iter().filter(|record| record.entity == entity);
        if self.column.has_keys() {
            return records.map(|record| Some(record.object.key())).collect();
        }
        records.map(|record| record.id.parse().ok().and_then(|id| entity.key(id).ok())).collect()
    }

    /// Somebody else removes every record of an object.
    pub fn remove(&mut self, key: Key) {
        self.records.retain(|record| record.object.key() != key);
        self.tie();
    }

    /// Somebody else changes one.
    pub fn alter(&mut self, key: Key) {
        if let Some(at) = self.place(key) {
            let changed = renamed(&self.records[at].object, key, "changed");
            self.records[at].object = changed;
        }
    }

    /// Somebody else stores one a second time.
    pub fn double(&mut self, key: Key) {
        if let Some(at) = self.place(key) {
            let mut record = self.records[at].clone();
            if self.column.has_keys() {
                record.id = self.next_id();
            }
            self.records.push(record);
        }
    }

    /// Somebody else stores an object like `like` under `key`. Returns whether there was one.
    pub fn copy(&mut self, like: Key, key: Key) -> bool {
        let Some(at) = self.place(like) else { return false };
        let Record { object, parent, .. } = self.records[at].clone();
        let id = if self.column.has_keys() { self.next_id() } else { key.id().to_string() };
        self.records.push(Record { entity: key.entity(), id, parent, object: renamed(&object, key, "strange") });
        true
    }

    fn find(&self, entity: Entity, id: &str) -> Option<usize> {
        self.records.iter().position(|record| record.entity == entity && record.id == id)
    }

    /// Returns the place of an object of ours.
    fn place(&self, key: Key) -> Option<usize> {
        if self.column.has_keys() {
            return self.records.iter().position(|record| record.object.key() == key);
        }
        self.find(key.entity(), &key.id().to_string())
    }

    fn has_post(&self, post: PostId) -> bool {
        self.records.iter().any(|record| record.object.key() == Key::Post(post))
    }

    /// Returns the status and the body of its answer to a GET for an object of this entity.
    pub fn show(&self, entity: Entity, to: &To) -> (u16, String) {
        let id = match to {
            To::Key(key) => return (200, self.list(*key)),
            To::Id(id) | To::Stray(id) => id,
        };
        match self.find(entity, id) {
            Some(at) => (200, self.json(&self.records[at])),
            None => (404, "{}".to_string()),
        }
    }

    /// Returns the objects with a key, on the first page of those that there are.
    fn list(&self, key: Key) -> String {
        let is_it = |record: &&Record| match self.column {
            Column::OddKeys { ignores: true, .. } => record.entity == key.entity(),
            Column::Strict { .. }
            | Column::Duplicates { .. }
            | Column::Silent
            | Column::Pretends
            | Column::OwnIds { .. }
            | Column::Keyed { .. }
            | Column::OddKeys { .. } => record.object.key() == key,
        };
        let all: Vec<String> = self.records.iter().filter(is_it).map(|record| self.json(record)).collect();
        if self.column.profile().pages == Pages::None {
            return format!("[{}]", all.join(","));
        }
        let page = all.iter().take(usize::try_from(PAGE).unwrap()).cloned().collect::<Vec<_>>().join(",");
        format!("{{\"data\":[{page}],\"items\":{}}}", all.len())
    }

    /// A request takes effect. Returns the status and the body of the answer.
    pub fn take(&mut self, request: &Request, object: Option<&Object>, rng: &mut Rng) -> (u16, String) {
        let Request { key, method, to, parent } = request;
        let at = match to {
            To::Id(id) | To::Stray(id) => self.find(key.entity(), id),
            To::Key(_) => None,
        };
        if let Some((refused, status)) = self.refuses
            && refused == *key
            && matches!(method, Method::Post | Method::Put)
        {
            return (status, "title is too long".to_string());
        }
        let answer = match (method, object, at) {
            (Method::Get, _, _) => self.show(key.entity(), to),
            (Method::Post, Some(object), at) => self.post(object, parent.as_ref(), at, rng),
            (Method::Put, Some(object), Some(at)) => {
                let made = self.made_of(object);
                let json = wire::to_json(self.column.profile(), &made, parent.as_ref());
                if self.column != Column::Pretends {
                    self.records[at].object = made;
                    self.records[at].parent = parent.as_ref().map(ToString::to_string);
                }
                (200, json)
            }
            (Method::Put, _, None) if self.column == Column::Pretends => (500, "TypeError: at Object".to_string()),
            (Method::Delete, _, _) if self.column == Column::Pretends => (200, "{}".to_string()),
            (Method::Delete, _, Some(at)) => self.delete(at, rng),
            (Method::Put | Method::Delete, _, None) if self.column == Column::Silent => (204, String::new()),
            (Method::Put | Method::Delete, _, _) => (404, "{}".to_string()),
            (Method::Post, None, _) => (400, "no body".to_string()),
        };
        self.tie();
        answer
    }

    fn post(&mut self, object: &Object, parent: Option<&TargetId>, at: Option<usize>, rng: &mut Rng) -> (u16, String) {
        let key = object.key();
        let parent = parent.map(ToString::to_string);
        let mut record =
            Record { entity: key.entity(), id: key.id().to_string(), parent, object: self.made_of(object) };
        match self.column {
            Column::Silent if at.is_some() => {
                return (400, r#"{"errors":[{"code":"RECORD_NOT_UNIQUE"}]}"#.to_string());
            }
            Column::Keyed { unique: true, .. } if self.count(key) > 0 => return (409, "key is taken".to_string()),
            Column::Keyed { .. } => record.id = self.next_id(),
            Column::OddKeys { ignores, .. } => {
                record.id = self.next_id();
                if !ignores {
                    let odd = key.entity().key(key.id() + ODD).unwrap();
                    record.object = Object::new(odd, object.number(), object.texts().iter().cloned()).unwrap();
                }
            }
            Column::Strict { duplicate } if at.is_some() => {
                return (duplicate, "Error: Insert failed, duplicate id".to_string());
            }
            Column::Pretends => {
                // One more than there are, which may be the id that was sent.
                let ids = self.records.iter().filter(|r| r.entity == key.entity()).map(|r| r.object.key().id());
                let next = ids.max().unwrap_or(0) + 1;
                return (201, format!("{{\"id\":{next}}}"));
            }
            Column::OwnIds { ids } => {
                self.made += 1;
                record.id = match ids {
                    // Never one that it gave before.
                    Ids::Texts => format!("{:x}q{}", rng.below(0xffff), self.made),
                    Ids::Numbers => {
                        while self.find(key.entity(), &self.made.to_string()).is_some() {
                            self.made += 1;
                        }
                        self.made.to_string()
                    }
                };
            }
            Column::Strict { .. } | Column::Duplicates { .. } | Column::Silent => {}
        }
        let json = self.json(&record);
        self.records.push(record);
        (201, json)
    }

    fn delete(&mut self, at: usize, rng: &mut Rng) -> (u16, String) {
        let gone = self.records.remove(at);
        match self.column {
            Column::Strict { .. } => {}
            Column::Keyed { cascades: true, .. } => {
                self.records.retain(|record| gone.entity != Entity::Post || record.parent.as_ref() != Some(&gone.id));
                return (200, "{}".to_string());
            }
            Column::Keyed { .. }
            | Column::OddKeys { .. }
            | Column::Duplicates { .. }
            | Column::Silent
            | Column::Pretends
            | Column::OwnIds { .. } => return (200, "{}".to_string()),
        }
        // Its comments go too, and every orphan; over which it may stumble.
        let before = self.records.len();
        let kept: Vec<Record> =
            self.records.iter().filter(|r| r.object.parent().is_none_or(|post| self.has_post(post))).cloned().collect();
        self.records = kept;
        if self.records.len() < before && rng.permille(500) {
            (500, "TypeError".to_string())
        } else {
            (200, "{}".to_string())
        }
    }

    fn json(&self, record: &Record) -> String {
        let key = record.object.key();
        let texts = match self.column {
            Column::Duplicates { ids } | Column::OwnIds { ids } => ids == Ids::Texts,
            Column::Strict { .. } | Column::Pretends | Column::Silent => false,
            Column::Keyed { .. } | Column::OddKeys { .. } => {
                let parent = record.parent.as_deref().and_then(TargetId::text);
                let json = wire::to_json(&JSON_SERVER_1, &record.object, parent.as_ref());
                return json.replacen('{', &format!("{{\"id\":\"{}\",", record.id), 1);
            }
        };
        if texts {
            let sent = format!("\"id\":{},", key.id());
            return wire::to_json(&JSON_SERVER, &record.object, None)
                .replace(&sent, &format!("\"id\":\"{}\",", record.id));
        }
        match record.id.parse() {
            Ok(id) if id != key.id() => wire::to_json(&JSON_SERVER, &with_id(&record.object, id), None),
            Ok(_) | Err(_) => wire::to_json(&JSON_SERVER, &record.object, None),
        }
    }
}

fn with_id(object: &Object, id: i64) -> Object {
    let key = object.key().entity().key(id).unwrap();
    Object::new(key, object.number(), object.texts().iter().cloned()).unwrap()
}

/// An object like `object` under `key`, with another title or name.
fn renamed(object: &Object, key: Key, name: &str) -> Object {
    let rest = object.texts().iter().skip(1).cloned();
    Object::new(key, object.number(), [name.to_string()].into_iter().chain(rest)).unwrap_or_else(|_| object.clone())
}
