//! Several workers on one database: each has a part of the objects, a lock and an epoch of its own.
//!
//! A run without shards holds the whole lock alone; a run of a shard shares it with the other shards
//! of the same division, and holds its own. So a run without shards, an import, or a run
//! of another division is in the way of all of them, and they of it.

use std::fmt;
use std::str::FromStr;

use news_core::{Key, PostId};
use postgres::{Client, GenericClient};

use crate::error::Result;

/// A part of the objects: those whose post's id leaves the shard's number, divided by how
/// many shards there are. The last one's number leaves 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `of`.
    number: u16,
    of: u16,
}

/// More workers than this would wait for the target, or for the database.
pub const SHARDS_MAX: u16 = 256;

impl FromStr for Shard {
    type Err = String;

    /// Parses `2/4`. `0/4` is what a division leaves, too: the same as `4/4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("not a shard; write K/N, such as 2/4, with K from 1 to N and N at most {SHARDS_MAX}");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of): (u16, u16) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if of == 0 || of > SHARDS_MAX || number > of {
            return Err(wrong());
        }
        Ok(Self { number: if number == 0 { of } else { number }, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Says whether an object is its: a post by its id, a comment by its post, `home`; one
    /// whose post nobody noted by its own id.
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

    /// The second half of its lock's key: above 0, which is the whole.
    fn lock_key(self) -> i32 {
        i32::from(self.of) * KEYS_PER_DIVISION + i32::from(self.number)
    }
}

const KEYS_PER_DIVISION: i32 = 1 << 12;
const LOCK_WHOLE: i32 = 0;
/// Held for the moment in which shards agree on how many they are.
const LOCK_GATE: i32 = -1;

/// Takes the locks of a run, or none of them.
pub(super) fn try_lock(client: &mut Client, class: i32, shard: Option<Shard>) -> Result<bool> {
    let Some(shard) = shard else {
        return Ok(client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&class, &LOCK_WHOLE])?.get(0));
    };
    let mut gate = client.transaction()?;
    gate.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&class, &LOCK_GATE])?;
    let taken = gate.query_one("SELECT pg_try_advisory_lock_shared($1, $2)", &[&class, &LOCK_WHOLE])?.get(0);
    let taken = taken && {
        let own = is_division_free(&mut gate, class, shard)?
            && gate.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&class, &shard.lock_key()])?.get(0);
        if !own {
            gate.execute("SELECT pg_advisory_unlock_shared($1, $2)", &[&class, &LOCK_WHOLE])?;
        }
        own
    };
    gate.commit()?;
    Ok(taken)
}

/// Says whether no shard of another division is at work.
fn is_division_free(client: &mut impl GenericClient, class: i32, shard: Shard) -> Result<bool> {
    let row = client.query_one(
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
             AND classid = $1::bigint::oid AND objid::bigint BETWEEN $2 AND $3 AND objid::bigint / $2 <> $4
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        &[
            &i64::from(class),
            &i64::from(KEYS_PER_DIVISION),
            &(i64::from(KEYS_PER_DIVISION) * (i64::from(SHARDS_MAX) + 1)),
            &i64::from(shard.of),
        ],
    )?;
    Ok(row.get(0))
}

/// Gives them back.
pub(super) fn unlock(client: &mut Client, class: i32, shard: Option<Shard>) -> Result<()> {
    match shard {
        None => client.execute("SELECT pg_advisory_unlock($1, $2)", &[&class, &LOCK_WHOLE])?,
        Some(shard) => client.execute(
            "SELECT pg_advisory_unlock($1, $2), pg_advisory_unlock_shared($1, $3)",
            &[&class, &shard.lock_key(), &LOCK_WHOLE],
        )?,
    };
    Ok(())
}

/// What tells a run whether another one, that it excludes, had the lock: it is another then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Raised by each run without shards.
    pub whole: i64,
    /// Raised by each run of the shards that are excluded: the same shard, and other divisions.
    pub shards: i64,
}

/// Begins an epoch of this run, and ends the runs that lost the lock without a word: they
/// are still called running.
pub(super) fn begin(client: &mut Client, shard: Option<Shard>) -> Result<Epoch> {
    let of = shard.map(|shard| (i32::from(shard.number), i32::from(shard.of)));
    match of {
        None => client.execute("UPDATE news_sync_state SET epoch = epoch + 1", &[])?,
        Some((number, of)) => client.execute(
            "INSERT INTO news_sync_shard AS s (shards, shard, epoch) VALUES ($1, $2, 1)
             ON CONFLICT (shards, shard) DO UPDATE SET epoch = s.epoch + 1",
            &[&of, &number],
        )?,
    };
    client.execute(
        "UPDATE news_sync_run SET status = 'lost', finished_at = clock_timestamp()
         WHERE status = 'running'
           AND ($1::text IS NULL OR shard IS NULL OR shard = $1 OR split_part(shard, '/', 2) <> split_part($1, '/', 2))",
        &[&shard.map(|shard| shard.to_string())],
    )?;
    epoch(client, shard)
}

/// Reads the epoch as it is now.
pub(super) fn epoch(client: &mut Client, shard: Option<Shard>) -> Result<Epoch> {
    let (number, of) = shard.map(|shard| (i32::from(shard.number), i32::from(shard.of))).unzip();
    let row = client.query_one(
        "SELECT (SELECT epoch FROM news_sync_state),
                (SELECT coalesce(sum(epoch), 0)::bigint FROM news_sync_shard
                 WHERE $1::int IS NULL OR shards <> $1 OR shard = $2)",
        &[&of, &number],
    )?;
    Ok(Epoch { whole: row.get(0), shards: row.get(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn shards_are_read_and_written() {
        for (text, shown) in [("1/1", "1/1"), ("2/4", "2/4"), ("0/4", "4/4"), ("256/256", "256/256")] {
            assert_eq!(shard(text).to_string(), shown);
        }
        for text in ["", "1", "0/0", "1/0", "5/4", "1/257", "-1/4", "1/4/2", "a/b", "1/99999"] {
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
