//! Posts, comments, and their ids. A value of these types keeps the limits of its shape (`shape`): there is no way to
//! make one that does not.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::shape::TEXTS_MAX;

/// The largest id, 2^53-1: JSON numbers above it are rounded by targets.
pub const ID_MAX: i64 = 9_007_199_254_740_991;

/// Posts or comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// `/posts`, the table news_post.
    Post,
    /// `/comments`, the table news_comment.
    Comment,
}

impl Entity {
    /// Both, posts first: comments refer to them.
    pub const ALL: [Entity; 2] = [Entity::Post, Entity::Comment];

    /// Returns the name in URLs, keys and reports: `posts`, `comments`.
    pub fn plural(self) -> &'static str {
        self.shape().plural
    }

    /// Returns `1 post`, `2 posts`.
    pub fn counted(self, n: u64) -> String {
        let plural = self.plural();
        let name = if n == 1 { plural.trim_end_matches('s') } else { plural };
        alloc::format!("{n} {name}")
    }

    /// Returns the name of its table, as in `news_modelevent.entity_table`.
    pub fn table(self) -> &'static str {
        self.shape().table
    }

    /// Returns the entity of a table of the change log.
    pub fn of_table(table: &str) -> Option<Entity> {
        Entity::ALL.into_iter().find(|entity| entity.table() == table)
    }

    /// Returns the post that an object of this entity with this number belongs to, if it belongs to one.
    pub fn parent(self, number: i64) -> Option<PostId> {
        self.shape().number.parent.and_then(|_| PostId::new(number).ok())
    }

    /// Makes the key of the object with this id.
    pub fn key(self, id: i64) -> Result<Key, BadId> {
        match self {
            Entity::Post => PostId::new(id).map(Key::Post),
            Entity::Comment => CommentId::new(id).map(Key::Comment),
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

/// An id that no target keeps exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("id {0} is not between 1 and 9007199254740991")]
pub struct BadId(pub i64);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Checks that `id` is between 1 and [`ID_MAX`].
            pub fn new(id: i64) -> Result<Self, BadId> {
                if (1..=ID_MAX).contains(&id) { Ok(Self(id)) } else { Err(BadId(id)) }
            }

            /// Returns the number.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A post's id.
    PostId
}
id! {
    /// A comment's id.
    CommentId
}

/// What names an object on both sides. Its text is `posts/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
}

impl Key {
    /// Returns whether it is a post or a comment.
    pub fn entity(self) -> Entity {
        match self {
            Key::Post(_) => Entity::Post,
            Key::Comment(_) => Entity::Comment,
        }
    }

    /// Returns the number.
    pub fn id(self) -> i64 {
        match self {
            Key::Post(id) => id.get(),
            Key::Comment(id) => id.get(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entity(), self.id())
    }
}

/// Reads a number as it is written in an id: digits alone, without a leading zero. `007` is another text than `7`, and
/// at a target with text ids another object.
pub fn whole_number(text: &str) -> Option<i64> {
    let is_canonical = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_canonical && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A text that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no object; write posts/5 or comments/7")]
pub struct BadKey(pub String);

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(text.chars().take(80).collect());
        let (plural, digits) = text.split_once('/').ok_or_else(bad)?;
        let entity = Entity::ALL.into_iter().find(|entity| entity.plural() == plural).ok_or_else(bad)?;
        let id = whole_number(digits).ok_or_else(bad)?;
        entity.key(id).map_err(|_| bad())
    }
}

/// What is wrong with one field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field's name, as the target spells it.
    pub field: &'static str,
    /// Why, as a lowercase fragment with the values in it.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

/// A post or a comment that keeps the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    key: Key,
    number: i64,
    /// Those beyond its shape's are empty.
    texts: [String; TEXTS_MAX],
}

/// A field's value, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(i64),
    /// A text.
    Text(&'a str),
}

impl Object {
    /// Makes an object of its number and its texts, in the order of its [`Shape`](crate::shape::Shape); or lists everything
    /// that is wrong with it. An email address is not judged: what is in the database goes out.
    pub fn new(key: Key, number: i64, texts: impl IntoIterator<Item = String>) -> Result<Self, Vec<Fault>> {
        let shape = key.entity().shape();
        let mut own: [String; TEXTS_MAX] = Default::default();
        let mut given = 0;
        for (place, text) in own.iter_mut().take(shape.texts.len()).zip(texts) {
            *place = text;
            given += 1;
        }
        let number_fault = |bad: BadId| Fault { field: shape.number.json, why: bad.to_string() };
        let parent = shape.number.parent.and_then(|parent| parent.key(number).err()).map(number_fault);
        let texts_faults = shape.texts.iter().zip(&own).enumerate().filter_map(|(at, (text, value))| {
            if at < given { text.fault(value) } else { Some(Fault { field: text.name, why: "missing".to_string() }) }
        });
        let faults: Vec<Fault> = parent.into_iter().chain(texts_faults).collect();
        if faults.is_empty() { Ok(Self { key, number, texts: own }) } else { Err(faults) }
    }

    /// Returns what names it.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Returns its number: a post's author, which is the target's business, or the id of a comment's post.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Returns its texts, in the order of its shape.
    pub fn texts(&self) -> &[String] {
        self.texts.get(..self.key.entity().shape().texts.len()).unwrap_or(&self.texts)
    }

    /// Returns the post it depends on, if it is a comment.
    pub fn parent(&self) -> Option<PostId> {
        self.key.entity().parent(self.number)
    }

    /// Returns all fields but the id, named as in JSON for other programs.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Value<'_>)> {
        let shape = self.key.entity().shape();
        let texts = shape.texts.iter().zip(&self.texts).map(|(text, value)| (text.name, Value::Text(value)));
        core::iter::once((shape.number.json, Value::Number(self.number))).chain(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_what_they_print() {
        for text in ["posts/1", "comments/9007199254740991"] {
            assert_eq!(text.parse::<Key>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "posts",
            "posts/",
            "posts/0",
            "posts/-1",
            "posts/+1",
            "post/1",
            "comments/9007199254740992",
            "posts/1/",
        ] {
            assert_eq!(text.parse::<Key>(), Err(BadKey(text.to_string())), "{text}");
        }
    }

    #[test]
    fn one_is_singular() {
        let counted = [0, 1, 2].map(|n| (Entity::Post.counted(n), Entity::Comment.counted(n)));
        let expected = [("0 posts", "0 comments"), ("1 post", "1 comment"), ("2 posts", "2 comments")];
        assert_eq!(counted.each_ref().map(|(post, comment)| (post.as_str(), comment.as_str())), expected);
    }

    #[test]
    fn limits_count_characters_and_every_fault_is_listed() {
        let faults = |key: &str, number: i64, texts: &[&str]| -> Vec<String> {
            let texts = texts.iter().copied().map(String::from);
            let faults = Object::new(key.parse().unwrap(), number, texts).err().unwrap_or_default();
            faults.iter().map(ToString::to_string).collect()
        };
        let exact = "é".repeat(256);
        let long = exact.clone() + "é";
        let none: [String; 0] = [];
        assert_eq!(faults("posts/1", -1, &[&exact, ""]), none);
        let both = ["title: 257 characters, more than 256", "body: contains U+0000"];
        assert_eq!(faults("posts/1", 1, &[&long, "a\0b"]), both);
        assert_eq!(faults("posts/1", 1, &["t"]), ["body: missing"]);
        let orphan = ["postId: id 0 is not between 1 and 9007199254740991"];
        assert_eq!(faults("comments/1", 0, &["n", "e", "b"]), orphan);
    }
}
