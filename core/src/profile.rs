//! How a target exposes posts and comments, as plain data: its paths, verbs, names, pages and ids.
//!
//! ```text
//! profile ─ request(method, entity, id) ─▶ verb and path           what is sent
//!         ─ dialect(entity) ─ names ─▶ JSON <-> model              `wire`, `reply`
//!         ─ id_as ─▶ our id as the target writes it
//!         ─ pages ─▶ Paging: which page next, is it the whole?      `paging`
//! ```
//!
//! Nothing else knows a path, a JSON name or a verb of a target. The default is json-server ([`JSON_SERVER`]). The texts
//! of a profile live as long as the process, which has one: so it can be a constant, and be shared without counting.
//!
//! In scope: what a profile says. Out of scope: reading one from TOML (`cli/src/profile`), and HTTP.

mod auth;
mod call;
mod carried;
mod heard;
mod ids;
mod pages;

use alloc::string::String;
use core::fmt;
use core::time::Duration;

pub use auth::{Auth, Login};
pub use call::{Call, Verb, escape};
pub use carried::{Constant, NOT_CARRIED};
pub use heard::{Asked, Heard};
pub use ids::IdForm;
pub use pages::{Pages, Total};

use crate::model::{Entity, Key};
use crate::reply::Method;
use crate::session::SETTLE;
use crate::shape::{ID, TEXTS_MAX};

/// A target's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What it is called: `pocketbase`.
    pub name: &'static str,
    /// Who chooses the ids.
    pub ids: Ids,
    /// How our id is written there.
    pub id_as: IdForm,
    /// Statuses that mean that there is no such object. 403 among them counts for questions only: as the answer to a write
    /// it is a refusal.
    pub missing: &'static [u16],
    /// How a request shows who sends it.
    pub auth: Auth,
    /// Header fields of each request, besides.
    pub headers: &'static [(&'static str, &'static str)],
    /// Where in the body of a listing the array is; empty: the body is the array.
    pub envelope: Path,
    /// Where in the body of a response about one object the object is; empty: the body is the object.
    pub item: Path,
    /// Where in the body of a request the object is; empty: the body is the object.
    pub wrap: Path,
    /// What shows that an update was done.
    pub writes: Writes,
    /// How a listing is cut into pages.
    pub pages: Pages,
    /// How posts are exposed.
    pub posts: Dialect,
    /// How comments are exposed.
    pub comments: Dialect,
}

/// Who chooses the ids of the objects at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// We do: a create carries our id, and the target keeps it.
    Ours,
    /// The target does, and one field of it is ours ([`KeyField`]): an object is found by that field.
    Key,
    /// The target does, and no field of it is ours. It can be read; what is created there cannot be found again.
    None,
}

/// A member of a JSON document, by the names that lead to it.
pub type Path = &'static [&'static str];

/// What shows that an update was done. Some targets accept an update of an object that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// A 2xx.
    Trusted,
    /// A 2xx whose body shows the object as it was sent.
    Echoed,
    /// A GET that finds it as it was sent.
    Read,
}

/// Where one of our fields is in a target's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// In what is sent.
    pub write: Path,
    /// In what is shown.
    pub read: Path,
}

impl Field {
    /// No field: a shape has none at this place, or the target has none for it.
    pub const NONE: Field = Field::at(&[]);

    /// Is sent and shown at the same place.
    pub const fn at(path: Path) -> Self {
        Self { write: path, read: path }
    }

    /// Says whether the target has it.
    pub fn is_carried(self) -> bool {
        !self.read.is_empty()
    }
}

/// How one entity is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The entity.
    pub entity: Entity,
    /// Lists all of them.
    pub list: Call,
    /// Reads one.
    pub read: Call,
    /// Creates one. A PUT has the new object's address, and [`IF_NEW`].
    pub create: Call,
    /// Replaces all of our fields of one.
    pub update: Call,
    /// Deletes one.
    pub delete: Call,
    /// The member with the id.
    pub id: &'static str,
    /// The number.
    pub number: Field,
    /// The texts, in the order of the shape; those that it does not have are [`Field::NONE`].
    pub texts: [Field; TEXTS_MAX],
    /// The field that holds our id. A profile has one for each entity with [`Ids::Key`], and else none.
    pub key: Option<KeyField>,
    /// Members of each create and update that are always the same.
    pub always: &'static [(&'static str, Constant)],
}

/// The field of a target's objects that is ours, where the target chooses the ids: it holds our id, and the target can
/// search it for an exact value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyField {
    /// Where it is.
    pub field: Field,
    /// How our id is written in it.
    pub form: IdForm,
    /// Lists the objects with a key.
    pub find: Call,
}

/// Which object of a target a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// The one with this id, as the target writes it in a path.
    Id(String),
    /// The one that the target stored under this id, in place of what it was sent.
    Stray(String),
    /// The one that is found by the key of this object. Only GET asks so.
    Key(Key),
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            To::Id(id) | To::Stray(id) => f.write_str(id),
            To::Key(key) => write!(f, "the key of {key}"),
        }
    }
}

impl Profile {
    /// Returns how long after its effect a write is found: where objects are searched by their keys, an index may be behind.
    pub fn search_takes(&self) -> Duration {
        match self.ids {
            Ids::Key => SETTLE,
            Ids::Ours | Ids::None => Duration::ZERO,
        }
    }

    /// Returns how an entity is exposed.
    pub fn dialect(&self, entity: Entity) -> &Dialect {
        match entity {
            Entity::Post => &self.posts,
            Entity::Comment => &self.comments,
        }
    }

    /// Says whether a status means that there is no such object.
    pub fn is_missing(&self, status: u16, method: Method) -> bool {
        self.missing.contains(&status) && (status != 403 || method == Method::Get)
    }

    /// Returns the field that holds our id, where the target chooses its own.
    pub fn key_field(&self, entity: Entity) -> Option<&KeyField> {
        match self.ids {
            Ids::Key => self.dialect(entity).key.as_ref(),
            Ids::Ours | Ids::None => None,
        }
    }

    /// Returns where a request for the object goes that knows no id of the target's: to the id that we chose, or to what is
    /// found by its key.
    pub fn to(&self, key: Key) -> To {
        match self.ids {
            Ids::Key => To::Key(key),
            Ids::Ours | Ids::None => To::Id(self.id_as.write(key.id())),
        }
    }

    /// Returns the verb and the path, below the base URL, of a request to `method` an object of `entity`.
    pub fn call(&self, entity: Entity, method: Method, to: &To) -> (Verb, String) {
        match to {
            To::Id(id) | To::Stray(id) => {
                let call = self.dialect(entity).call(method);
                (call.verb, call.path(id))
            }
            To::Key(key) => self.find(key.entity(), key.id()),
        }
    }

    /// Returns the verb and the path of the request that lists the objects with our id `id` as their key. Without a key field
    /// it is that of the object.
    pub fn find(&self, entity: Entity, id: i64) -> (Verb, String) {
        let (call, form) = match self.key_field(entity) {
            Some(key) => (key.find, key.form),
            None => (self.dialect(entity).read, self.id_as),
        };
        (call.verb, call.path(&form.write(id)))
    }

    /// Says whether a path, without a slash at its end, is that of an object or a listing: it is no base.
    pub fn is_of_an_object(&self, path: &str) -> bool {
        Entity::ALL.into_iter().any(|entity| {
            let Call { before, .. } = self.dialect(entity).read;
            let is_id = |id: &str| !id.contains('/') && self.id_as.read(id).is_some();
            path.rfind(before).is_some_and(|at| is_id(&path[at + before.len()..]))
        })
    }
}

impl Dialect {
    /// Returns the request that `method` is about an object.
    pub fn call(&self, method: Method) -> Call {
        match method {
            Method::Get => self.read,
            Method::Post => self.create,
            Method::Put => self.update,
            Method::Delete => self.delete,
        }
    }

    /// Returns the header field, name and value, under which alone a request takes effect: a create by PUT must not replace an
    /// object that is there (RFC 9110 section 13.1.2). Else the target answers 412.
    pub fn condition(&self, method: Method) -> Option<(&'static str, &'static str)> {
        match method {
            Method::Post if self.create.verb == Verb::Put => Some(IF_NEW),
            Method::Get | Method::Post | Method::Put | Method::Delete => None,
        }
    }
}

/// The header field of a request that creates an object at an address, and does not replace one.
pub const IF_NEW: (&str, &str) = ("If-None-Match", "*");

/// json-server 0.17, JSONPlaceholder, Mockoon, and any API with the same routes.
pub static JSON_SERVER: Profile = JSON_SERVER_LIKE;

/// json-server 1.0: it chooses the ids. The field `key` holds ours.
pub static JSON_SERVER_1: Profile = Profile {
    name: "json-server-1",
    ids: Ids::Key,
    posts: Dialect { key: Some(json_server_key("/posts?key=")), ..JSON_SERVER_LIKE.posts },
    comments: Dialect { key: Some(json_server_key("/comments?key=")), ..JSON_SERVER_LIKE.comments },
    ..JSON_SERVER_LIKE
};

const fn json_server_key(find: &'static str) -> KeyField {
    let find = Call { verb: Verb::Get, before: find, after: Some("") };
    KeyField { field: Field::at(&["key"]), form: IdForm::Number, find }
}

const JSON_SERVER_LIKE: Profile = Profile {
    name: "json-server",
    ids: Ids::Ours,
    id_as: IdForm::Number,
    missing: &[404, 410],
    auth: Auth::Bearer,
    headers: &[],
    envelope: &[],
    item: &[],
    wrap: &[],
    writes: Writes::Trusted,
    pages: Pages::None,
    posts: json_server(
        Entity::Post,
        ["/posts", "/posts/"],
        Field::at(&["userId"]),
        [Field::at(&["title"]), Field::at(&["body"]), Field::NONE],
    ),
    comments: json_server(
        Entity::Comment,
        ["/comments", "/comments/"],
        Field::at(&["postId"]),
        [Field::at(&["name"]), Field::at(&["email"]), Field::at(&["body"])],
    ),
};

const fn json_server(
    entity: Entity,
    [all, one]: [&'static str; 2],
    number: Field,
    texts: [Field; TEXTS_MAX],
) -> Dialect {
    Dialect {
        entity,
        list: Call { verb: Verb::Get, before: all, after: None },
        read: Call { verb: Verb::Get, before: one, after: Some("") },
        create: Call { verb: Verb::Post, before: all, after: None },
        update: Call { verb: Verb::Put, before: one, after: Some("") },
        delete: Call { verb: Verb::Delete, before: one, after: Some("") },
        id: ID,
        number,
        texts,
        key: None,
        always: &[],
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_default_has_the_names_of_the_shapes() {
        for entity in Entity::ALL {
            let (shape, dialect) = (entity.shape(), JSON_SERVER.dialect(entity));
            assert_eq!((dialect.entity, dialect.id), (entity, ID));
            assert_eq!(
                (dialect.number.read, dialect.number.write),
                (&[shape.number.json][..], &[shape.number.json][..])
            );
            for (at, field) in dialect.texts.iter().enumerate() {
                let name: Option<&str> = shape.texts.get(at).map(|text| text.name);
                assert_eq!((field.read, field.write), (name.as_slice(), name.as_slice()));
            }
            assert_eq!(dialect.list.path(""), format!("/{}", shape.plural));
            assert_eq!(dialect.update.path("a b/../é"), format!("/{}/a%20b%2F%2E%2E%2F%C3%A9", shape.plural));
            assert_eq!(dialect.read.to_string(), format!("GET /{}/{{id}}", shape.plural));
        }
    }

    #[test]
    fn a_403_that_means_missing_is_an_answer_to_questions_alone() {
        let profile = Profile { missing: &[403, 404], ..JSON_SERVER.clone() };
        for (status, method, expected) in [
            (404, Method::Get, true),
            (404, Method::Delete, true),
            (410, Method::Get, false),
            (403, Method::Get, true),
            (403, Method::Put, false),
            (403, Method::Delete, false),
        ] {
            assert_eq!(profile.is_missing(status, method), expected, "{status} {method:?}");
        }
    }

    #[test]
    fn the_address_of_an_object_is_no_base() {
        for (path, expected) in [
            ("/api/comments/7", true),
            ("/posts/2", true),
            ("/posts", false),
            ("/posts.example", false),
            ("/posts/2/x", false),
            ("", false),
        ] {
            assert_eq!(JSON_SERVER.is_of_an_object(path), expected, "{path}");
        }
    }
}
