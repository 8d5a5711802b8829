//! The model of a target: one kind of those that there are. Requests here have arrived; what the
//! network does to them is in `net`.

use std::sync::LazyLock;

use news_core::profile::{JSON_SERVER, Profile, Writes};
use news_core::reply::Method;
use news_core::{Entity, Key, Object, PostId, wire};

use crate::master::Master;
use crate::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// json-server 0.17: cascades, drops orphans, keeps ids unique; how it says so varies.
    Strict { duplicate: u16 },
    /// json-server 1.0 beta.3, Mockoon: a second POST makes a second record.
    Duplicates { ids: Ids },
    /// Directus: acknowledges updates and deletes of what is not there.
    Silent,
    /// JSONPlaceholder: accepts, keeps nothing.
    Pretends,
    /// json-server 1.0 beta.15, or a sequence of the target's own.
    OwnIds { ids: Ids },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    Numbers,
    Texts,
}

impl Column {
    pub fn any(rng: &mut Rng) -> Self {
        let ids = if rng.permille(500) { Ids::Numbers } else { Ids::Texts };
        match rng.below(10) {
            0 => Column::Silent,
            1..5 => Column::Strict { duplicate: rng.pick(&[500, 500, 409, 422]).unwrap_or(500) },
            5..8 => Column::Duplicates { ids },
            8 => Column::Pretends,
            _ => Column::OwnIds { ids },
        }
    }

    /// Returns the profile that fits it.
    pub fn profile(self) -> &'static Profile {
        static ECHOED: LazyLock<Profile> = LazyLock::new(|| Profile { writes: Writes::Echoed, ..JSON_SERVER.clone() });
        match self {
            Column::Silent => &ECHOED,
            Column::Strict { .. } | Column::Duplicates { .. } | Column::Pretends | Column::OwnIds { .. } => {
                &JSON_SERVER
            }
        }
    }

    /// Says whether it keeps what it accepts, under the ids that it is given.
    pub fn keeps(self) -> bool {
        match self {
            Column::Strict { .. } | Column::Duplicates { .. } | Column::Silent => true,
            Column::Pretends | Column::OwnIds { .. } => false,
        }
    }
}

#[derive(Debug, Clone)]
struct Record {
    entity: Entity,
    /// As it stands in a path.
    id: String,
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
}

impl Target {
    /// A target that a master was just imported from.
    pub fn equal_to(master: &Master, column: Column, made: i64) -> Self {
        let record = |object: &Object| Record {
            entity: object.key().entity(),
            id: object.key().id().to_string(),
            object: object.clone(),
        };
        let records: Vec<Record> = master.rows.values().map(record).collect();
        Self { column, records, refuses: None, made }
    }

    /// How many objects have this id.
    pub fn count(&self, key: Key) -> usize {
        self.records.iter().filter(|r| r.object.key() == key && r.id == key.id().to_string()).count()
    }

    pub fn get(&self, key: Key) -> Option<&Object> {
        self.find(key.entity(), &key.id().to_string()).map(|at| &self.records[at].object)
    }

    /// How many records have an id that the master does not.
    pub fn strays(&self, master: &Master) -> usize {
        let ours = |r: &&Record| !master.rows.keys().any(|k| k.entity() == r.entity && k.id().to_string() == r.id);
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
        records.map(|record| record.id.parse().ok().and_then(|id| entity.key(id).ok())).collect()
    }

    /// Somebody else removes every record of an object.
    pub fn remove(&mut self, key: Key) {
        self.records.retain(|record| record.object.key() != key);
    }

    /// Somebody else changes one.
    pub fn alter(&mut self, key: Key) {
        if let Some(at) = self.find(key.entity(), &key.id().to_string()) {
            let changed = renamed(&self.records[at].object, key, "changed");
            self.records[at].object = changed;
        }
    }

    /// Somebody else stores one a second time.
    pub fn double(&mut self, key: Key) {
        if let Some(at) = self.find(key.entity(), &key.id().to_string()) {
            let record = self.records[at].clone();
            self.records.push(record);
        }
    }

    /// Somebody else stores an object like `like` under `key`. Returns whether there was one.
    pub fn copy(&mut self, like: Key, key: Key) -> bool {
        let Some(at) = self.find(like.entity(), &like.id().to_string()) else { return false };
        let object = renamed(&self.records[at].object, key, "strange");
        self.records.push(Record { entity: key.entity(), id: key.id().to_string(), object });
        true
    }

    fn find(&self, entity: Entity, id: &str) -> Option<usize> {
        self.records.iter().position(|record| record.entity == entity && record.id == id)
    }

    fn has_post(&self, post: PostId) -> bool {
        self.records.iter().any(|record| record.object.key() == Key::Post(post))
    }

    /// Returns the status and the body of its answer to a GET. `id` is as it stands in the path.
    pub fn show(&self, key: Key, id: &str) -> (u16, String) {
        match self.find(key.entity(), id) {
            Some(at) => (200, self.json(&self.records[at])),
            None => (404, "{}".to_string()),
        }
    }

    /// A request takes effect. Returns the status and the body of the answer.
    pub fn take(
        &mut self,
        method: Method,
        key: Key,
        id: &str,
        object: Option<&Object>,
        rng: &mut Rng,
    ) -> (u16, String) {
        let at = self.find(key.entity(), id);
        if let Some((refused, status)) = self.refuses
            && refused == key
            && matches!(method, Method::Post | Method::Put)
        {
            return (status, "title is too long".to_string());
        }
        match (method, object, at) {
            (Method::Get, _, _) => self.show(key, id),
            (Method::Post, Some(object), at) => self.post(object, at, rng),
            (Method::Put, Some(object), Some(at)) => {
                if self.column != Column::Pretends {
                    self.records[at].object = object.clone();
                }
                (200, wire::to_json(&JSON_SERVER, object))
            }
            (Method::Put, _, None) if self.column == Column::Pretends => (500, "TypeError: at Object".to_string()),
            (Method::Delete, _, _) if self.column == Column::Pretends => (200, "{}".to_string()),
            (Method::Delete, _, Some(at)) => self.delete(at, rng),
            (Method::Put | Method::Delete, _, None) if self.column == Column::Silent => (204, String::new()),
            (Method::Put | Method::Delete, _, _) => (404, "{}".to_string()),
            (Method::Post, None, _) => (400, "no body".to_string()),
        }
    }

    fn post(&mut self, object: &Object, at: Option<usize>, rng: &mut Rng) -> (u16, String) {
        let key = object.key();
        let mut record = Record { entity: key.entity(), id: key.id().to_string(), object: object.clone() };
        match self.column {
            Column::Strict { duplicate } if at.is_some() => {
                return (duplicate, "Error: Insert failed, duplicate id".to_string());
            }
            Column::Silent if at.is_some() => {
                return (400, r#"{"errors":[{"code":"RECORD_NOT_UNIQUE"}]}"#.to_string());
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
        self.records.remove(at);
        if !matches!(self.column, Column::Strict { .. }) {
            return (200, "{}".to_string());
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
        };
        if texts {
            let sent = format!("\"id\":{},", key.id());
            return wire::to_json(&JSON_SERVER, &record.object).replace(&sent, &format!("\"id\":\"{}\",", record.id));
        }
        match record.id.parse() {
            Ok(id) if id != key.id() => wire::to_json(&JSON_SERVER, &with_id(&record.object, id)),
            Ok(_) | Err(_) => wire::to_json(&JSON_SERVER, &record.object),
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
