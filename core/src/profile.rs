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

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write as _};

use crate::model::{Entity, whole_number};
use crate::reply::Method;
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
    /// Where in the body of a listing the array is; empty: the body is the array.
    pub envelope: Path,
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
    /// The target does, and no field of it is ours. It can be read; what is created there cannot be found again.
    None,
}

/// A member of a JSON document, by the names that lead to it.
pub type Path = &'static [&'static str];

/// How a request shows who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// By a token that we are given: `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). Without a token: not at all.
    Bearer,
    /// By a token that a login gives for a name and a password.
    Login(Login),
}

/// A login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Where the name and the password are sent, below the base URL, as a JSON object by POST.
    pub path: &'static str,
    /// The member with the name.
    pub user: &'static str,
    /// The member with the password.
    pub password: &'static str,
    /// Where in the response the token is.
    pub token: Path,
    /// What stands in front of the token in `Authorization`: `Bearer `.
    pub prefix: &'static str,
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
    /// Creates one.
    pub create: Call,
    /// Replaces all of our fields of one.
    pub update: Call,
    /// Deletes one.
    pub delete: Call,
    /// The member with the id.
    pub id: &'static str,
    /// The member with the number.
    pub number: &'static str,
    /// The members with the texts, in the order of the shape; those that it does not have are empty.
    pub texts: [&'static str; TEXTS_MAX],
}

/// A request: its verb, and its path below the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub verb: Verb,
    /// The path in front of the id; the whole path, where there is none in it.
    pub before: &'static str,
    /// What comes behind the id.
    pub after: Option<&'static str>,
}

/// The verbs that a profile may use. Never HEAD, which deletes at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes what it names.
    Patch,
    /// Deletes.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

    /// Returns the name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// How a listing is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Not at all: one response has everything.
    None,
    /// By a number in the query.
    Page {
        /// The parameter with the page's number.
        param: &'static str,
        /// The parameter with the number of elements on a page.
        size_param: &'static str,
        /// So many elements are asked for.
        size: u64,
        /// The number of the first page.
        first: u64,
        /// Where in the body the number of elements on all pages is.
        total: Path,
    },
    /// Each page names the next one's address.
    Next {
        /// Where in the body that is.
        field: Path,
        /// Where in the body the number of elements on all pages is; empty: nowhere.
        total: Path,
    },
}

/// How our id is written at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// As a number, which some targets show as a text.
    Number,
    /// As a text.
    Text {
        /// In front of the digits.
        prefix: &'static str,
        /// At least so many digits, with zeros in front.
        digits: usize,
        /// Behind the digits.
        suffix: &'static str,
    },
}

impl IdForm {
    /// Returns the text that stands for an id, in paths too.
    pub fn write(self, id: i64) -> String {
        match self {
            IdForm::Number => id.to_string(),
            IdForm::Text { prefix, digits, suffix } => format!("{prefix}{id:0digits$}{suffix}"),
        }
    }

    /// Reads such a text. Only what [`IdForm::write`] returns is one: at a target with text ids `007` is another id than `7`.
    pub fn read(self, text: &str) -> Option<i64> {
        match self {
            IdForm::Number => whole_number(text),
            IdForm::Text { prefix, suffix, .. } => {
                let digits = text.strip_prefix(prefix)?.strip_suffix(suffix)?;
                let id = digits.parse().ok()?;
                (self.write(id) == text).then_some(id)
            }
        }
    }
}

impl Profile {
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
}

impl Call {
    /// Returns the path below the base URL, with the query. `id` is the target's, as it writes it.
    pub fn path(&self, id: &str) -> String {
        match self.after {
            None => self.before.to_string(),
            Some(after) => {
                let mut path = self.before.to_string();
                escape(id, &mut path);
                path + after
            }
        }
    }
}

/// How a person reads it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.before)?;
        self.after.map_or(Ok(()), |after| write!(f, "{{id}}{after}"))
    }
}

/// Writes an id so that it stays one segment of a path, or one value of a query (RFC 3986, sections 3.3 and 2.3).
fn escape(id: &str, out: &mut String) {
    for byte in id.bytes() {
        // A dot alone would be a dot segment.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String has no way to fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// json-server 0.17, JSONPlaceholder, Mockoon, and any API with the same routes.
pub static JSON_SERVER: Profile = Profile {
    name: "json-server",
    ids: Ids::Ours,
    id_as: IdForm::Number,
    missing: &[404, 410],
    auth: Auth::Bearer,
    envelope: &[],
    pages: Pages::None,
    posts: json_server(Entity::Post, ["/posts", "/posts/"], "userId", ["title", "body", ""]),
    comments: json_server(Entity::Comment, ["/comments", "/comments/"], "postId", ["name", "email", "body"]),
};

const fn json_server(
    entity: Entity,
    [all, one]: [&'static str; 2],
    number: &'static str,
    texts: [&'static str; TEXTS_MAX],
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_names_of_the_shapes() {
        for entity in Entity::ALL {
            let (shape, dialect) = (entity.shape(), JSON_SERVER.dialect(entity));
            assert_eq!((dialect.entity, dialect.id, dialect.number), (entity, ID, shape.number.json));
            let names = shape.texts.iter().map(|text| text.name).chain(core::iter::repeat("")).take(TEXTS_MAX);
            assert!(names.eq(dialect.texts));
            assert_eq!(dialect.list.path(""), format!("/{}", shape.plural));
            assert_eq!(dialect.update.path("a b/../é"), format!("/{}/a%20b%2F%2E%2E%2F%C3%A9", shape.plural));
            assert_eq!(dialect.read.to_string(), format!("GET /{}/{{id}}", shape.plural));
        }
    }

    #[test]
    fn ids_read_back_in_their_own_form_alone() {
        let padded = IdForm::Text { prefix: "", digits: 15, suffix: "" };
        let named = IdForm::Text { prefix: "news-", digits: 0, suffix: ".x" };
        for (form, id, text) in [
            (IdForm::Number, 5, "5"),
            (padded, 5, "000000000000005"),
            (padded, 9_007_199_254_740_991, "9007199254740991"),
            (named, 5, "news-5.x"),
        ] {
            assert_eq!((form.write(id).as_str(), form.read(text)), (text, Some(id)));
        }
        for (form, text) in [
            (IdForm::Number, "005"),
            (padded, "5"),
            (padded, "0000000000000005"),
            (padded, "00000000000000x"),
            (padded, "+00000000000005"),
            (named, "news-05.x"),
            (named, "5"),
        ] {
            assert_eq!(form.read(text), None, "{text}");
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
