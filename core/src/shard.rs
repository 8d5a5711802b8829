//! A database shared by several workers: which part of the objects belongs to which of them.
//!
//! A post belongs to the shard that its id falls into, a comment to the shard of its post. A comment that moves to
//! another post stays with the shard that has begun its conversation (its *home*) until that has come to its end:
//! two shards never talk about one object.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::model::{Key, PostId};

/// A part of the objects: those whose post's id, divided by the number of shards, leaves the shard's number. The last
/// one's number leaves 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    /// From 1 to `of`.
    number: u16,
    of: u16,
}

/// More workers than this would wait for the target, or for the database.
pub const SHARDS_MAX: u16 = 256;

impl FromStr for Shard {
    type Err = String;

    /// Parses `2/4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected a shard K/N such as 2/4, with K from 1 to N and N at most {SHARDS_MAX}, got {text:?}");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of): (u16, u16) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if number == 0 || of > SHARDS_MAX || number > of {
            return Err(wrong());
        }
        Ok(Self { number, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Returns its number, from 1, and how many shards there are.
    pub fn parts(self) -> (u16, u16) {
        (self.number, self.of)
    }

    /// Says whether an object is its: a post by its id, a comment by its post, `home`; a comment whose post is unknown by
    /// its own id.
    pub fn has(self, key: Key, home: Option<PostId>) -> bool {
        let id = match key {
            Key::Post(post) => post.get(),
            Key::Comment(comment) => home.map_or(comment.get(), PostId::get),
        };
        id.rem_euclid(i64::from(self.of)) == i64::from(self.number % self.of)
    }

    /// Says whether two runs exclude each other; `None` is a run without shards.
    pub fn clash(one: Option<Shard>, other: Option<Shard>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one.of != other.of || one.number == other.number,
            (None, _) | (_, None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn shards_are_read_and_written() {
        for (text, shown) in [("1/1", "1/1"), ("2/4", "2/4"), ("256/256", "256/256")] {
            assert_eq!(shard(text).to_string(), shown);
        }
        for text in ["", "1", "0/0", "0/4", "1/0", "5/4", "1/257", "-1/4", "1/4/2", "a/b", "1/99999"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_object_has_one_shard_and_a_comment_its_posts() {
        for of in [1, 2, 3, 7] {
            for id in 1..50 {
                let (post, comment): (Key, Key) =
                    (format!("posts/{id}").parse().unwrap(), format!("comments/{}", id * 13).parse().unwrap());
                let owners: Vec<Shard> = (1..=of)
                    .map(|number| shard(&format!("{number}/{of}")))
                    .filter(|shard| shard.has(post, None))
                    .collect();
                assert_eq!(owners.len(), 1, "{post} of {of}");
                assert!(owners[0].has(comment, PostId::new(id).ok()));
            }
        }
    }

    #[test]
    fn clashes() {
        let some = |text| Some(shard(text));
        assert!(Shard::clash(None, None) && Shard::clash(None, some("1/2")) && Shard::clash(some("1/2"), None));
        assert!(Shard::clash(some("1/2"), some("1/2")) && Shard::clash(some("1/2"), some("2/3")));
        assert!(!Shard::clash(some("1/2"), some("2/2")));
    }
}
