//! Posts, comments, their ids and limits. A value of these types keeps the limits:
//! there is no way to make one that does not.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

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
        match self {
            Entity::Post => "posts",
            Entity::Comment => "comments",
        }
    }

    /// Returns `1 post`, `2 posts`.
    pub fn counted(self, n: u64) -> String {
        let plural = self.plural();
        let name = if n == 1 { plural.trim_end_matches('s') } else { plural };
        alloc::format!("{n} {name}")
    }

    /// Returns the name of its table, as in `news_modelevent.entity_table`.
    pub fn table(self) -> &'static str {
        match self {
            Entity::Post => "news_post",
            Entity::Comment => "news_comment",
        }
    }

    /// Returns the entity of a table of the change log.
    pub fn of_table(table: &str) -> Option<Entity> {
        Entity::ALL.into_iter().find(|entity| entity.table() == table)
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

/// What names an object on both sides. Its text is `posts/5`, which is also its path.
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

/// A text field and its limit, in characters (code points).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name: the same in the database, in our API and at the target.
    pub name: &'static str,
    /// Its limit, in characters.
    pub chars_max: usize,
}

/// A post's title.
pub const TITLE: Field = Field { name: "title", chars_max: 256 };
/// A post's body.
pub const POST_BODY: Field = Field { name: "body", chars_max: 1024 };
/// A comment's name.
pub const NAME: Field = Field { name: "name", chars_max: 128 };
/// A comment's email address.
pub const EMAIL: Field = Field { name: "email", chars_max: 128 };
/// A comment's body.
pub const COMMENT_BODY: Field = Field { name: "body", chars_max: 1024 };

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

impl Field {
    /// Says what keeps `text` out of this field, if anything: too long, or U+0000,
    /// which is fine in JSON and impossible in PostgreSQL.
    pub fn fault(self, text: &str) -> Option<Fault> {
        let chars = text.chars().count();
        let why = if chars > self.chars_max {
            alloc::format!("{chars} characters, more than {}", self.chars_max)
        } else if text.contains('\0') {
            "contains U+0000".to_string()
        } else {
            return None;
        };
        Some(Fault { field: self.name, why })
    }
}

fn checked<T>(value: T, faults: impl IntoIterator<Item = Option<Fault>>) -> Result<T, Vec<Fault>> {
    let faults: Vec<Fault> = faults.into_iter().flatten().collect();
    if faults.is_empty() { Ok(value) } else { Err(faults) }
}

/// A post that keeps the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    id: PostId,
    user_id: i64,
    title: String,
    body: String,
}

impl Post {
    /// Makes a post, or lists everything that is wrong with it.
    pub fn new(id: PostId, user_id: i64, title: String, body: String) -> Result<Self, Vec<Fault>> {
        let faults = [TITLE.fault(&title), POST_BODY.fault(&body)];
        checked(Self { id, user_id, title, body }, faults)
    }

    /// Returns the id.
    pub fn id(&self) -> PostId {
        self.id
    }

    /// Returns the author's number, which is the target's business.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }

    /// Returns the title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the body.
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// A comment that keeps the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    id: CommentId,
    post_id: PostId,
    name: String,
    email: String,
    body: String,
}

impl Comment {
    /// Makes a comment, or lists everything that is wrong with it. The address is not
    /// judged: what is in the database goes out.
    pub fn new(id: CommentId, post_id: PostId, name: String, email: String, body: String) -> Result<Self, Vec<Fault>> {
        let faults = [NAME.fault(&name), EMAIL.fault(&email), COMMENT_BODY.fault(&body)];
        checked(Self { id, post_id, name, email, body }, faults)
    }

    /// Returns the id.
    pub fn id(&self) -> CommentId {
        self.id
    }

    /// Returns the id of the post it belongs to.
    pub fn post_id(&self) -> PostId {
        self.post_id
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the email address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Returns the body.
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// A post or a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A post.
    Post(Post),
    /// A comment.
    Comment(Comment),
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
    /// Returns what names it.
    pub fn key(&self) -> Key {
        match self {
            Object::Post(post) => Key::Post(post.id),
            Object::Comment(comment) => Key::Comment(comment.id),
        }
    }

    /// Returns the post it depends on, if it is a comment.
    pub fn parent(&self) -> Option<PostId> {
        match self {
            Object::Post(_) => None,
            Object::Comment(comment) => Some(comment.post_id),
        }
    }

    /// Returns all fields but the id, named as the target does, in its order.
    pub fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        match self {
            Object::Post(post) => alloc::vec![
                ("userId", Value::Number(post.user_id)),
                (TITLE.name, Value::Text(&post.title)),
                (POST_BODY.name, Value::Text(&post.body)),
            ],
            Object::Comment(comment) => alloc::vec![
                ("postId", Value::Number(comment.post_id.get())),
                (NAME.name, Value::Text(&comment.name)),
                (EMAIL.name, Value::Text(&comment.email)),
                (COMMENT_BODY.name, Value::Text(&comment.body)),
            ],
        }
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
        let id = PostId::new(1).unwrap();
        let exact = "é".repeat(256);
        assert!(Post::new(id, 1, exact.clone(), String::new()).is_ok());
        let faults = Post::new(id, 1, exact + "é", "a\0b".to_string()).unwrap_err();
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["title: 257 characters, more than 256", "body: contains U+0000"]);
    }
}
