//! What people did with objects (`news_sync_act`): who, when, and what came of it.

use std::env;
use std::time::Duration;

use news_core::Key;
use news_core::chars::misleads;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Row};

use crate::error::Result;
use crate::store::lock::host;
use crate::store::users::USERNAME_CHARS_MAX;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Let parked objects be tried again.
    Retried,
    /// Dropped pending changes.
    Discarded,
    /// Stopped the sync of objects.
    Held,
    /// Resumed the sync of objects.
    Released,
}

impl Deed {
    /// Returns the word in the database and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Deed::Retried => "retried",
            Deed::Discarded => "discarded",
            Deed::Held => "on_hold",
            Deed::Released => "released",
        }
    }
}

/// An act.
#[derive(Debug)]
pub struct Act<'a> {
    /// What was done.
    pub deed: Deed,
    /// The objects that were named.
    pub keys: &'a [Key],
    /// Comments that were discarded with their posts.
    pub along: &'a [Key],
    /// Events that were dropped.
    pub events: Option<u64>,
    /// The reason, where one was given: at most 200 characters.
    pub why: Option<&'a str>,
}

/// Who acts, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    who: String,
    via: &'static str,
}

/// A name is cut there, in characters: the column takes 300, with the host.
const NAME_CHARS_MAX: usize = 64;
/// Objects in a row; more take several rows.
const KEYS_MAX: usize = 1000;

impl By {
    /// Returns the user of this process at this host: as the environment names it, else by the user's entry in the system.
    pub fn command_line() -> Self {
        // sudo says who called it (sudo(8), ENVIRONMENT); login and systemd set the others.
        let name =
            ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
        let name = name.or_else(|| whoami::username().ok());
        let name = name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
        Self { who: format!("{}@{}", clean(&name, NAME_CHARS_MAX), clean(&host(), NAME_CHARS_MAX)), via: "command" }
    }

    /// Returns a user of the API, who acts with the console.
    pub fn user(name: &str) -> Self {
        Self { who: clean(name, USERNAME_CHARS_MAX), via: "console" }
    }

    /// Returns who: `ada@host`, or the user's name.
    pub fn who(&self) -> &str {
        &self.who
    }
}

fn clean(name: &str, chars_max: usize) -> String {
    name.chars().take(chars_max).map(|c| if misleads(c) { ' ' } else { c }).collect()
}

/// Records an act; in its own transaction, so that one is not without the other.
pub fn record(transaction: &mut impl GenericClient, act: &Act<'_>, by: &By) -> Result<()> {
    let words = |keys: &[Key]| keys.iter().map(ToString::to_string).collect::<Vec<String>>();
    let events = act.events.map(|events| i64::try_from(events).unwrap_or(i64::MAX));
    let (mut keys, mut along) = (act.keys.chunks(KEYS_MAX), act.along.chunks(KEYS_MAX));
    // The events are told once, with the first row.
    let mut events = events;
    loop {
        let (keys, along) = (keys.next().unwrap_or_default(), along.next().unwrap_or_default());
        if keys.is_empty() && along.is_empty() {
            return Ok(());
        }
        transaction.execute(
            "INSERT INTO news_sync_act (what, who, via, keys, along, events, why) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[&act.deed.word(), &by.who, &by.via, &words(keys), &words(along), &events.take(), &act.why],
        )?;
    }
}

/// An act, as its rows tell.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ActRow {
    /// Its id.
    pub id: i64,
    /// When (RFC 3339).
    pub at: String,
    /// retried, discarded, on_hold, released.
    pub what: String,
    /// Who: ada@host, or the API user's name.
    pub who: String,
    /// command, console.
    pub via: String,
    /// The first ten of the objects that were named.
    pub keys: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// How many comments were discarded with them.
    pub along: u64,
    /// Events that were dropped.
    pub events: Option<i64>,
    /// The reason.
    pub why: Option<String>,
    /// Its transaction's time, in microseconds since 1970: that of all its rows.
    #[serde(skip)]
    at_us: i64,
}

/// Which acts are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct WantedActs {
    /// Acts of this time.
    pub since: Option<Duration>,
    /// Acts before this id.
    pub before: Option<i64>,
}

/// Acts that were read.
#[derive(Debug, serde::Serialize)]
pub struct ListedActs {
    /// Newest first.
    pub acts: Vec<ActRow>,
    /// Older ones are those before this id; null where there are none.
    pub next: Option<i64>,
}

/// Reads the last acts, at most `limit`. One of many objects has several rows, and counts as one.
pub fn newest(client: &mut impl GenericClient, wanted: WantedActs, limit: usize) -> Result<ListedActs> {
    let since_s = wanted.since.map(|since| since.as_secs_f64());
    let mut rows = client.query_typed_raw(
        r#"SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), what, who, via, keys[1:10],
                  cardinality(keys), cardinality(along), events, why, (extract(epoch FROM at) * 1000000)::bigint
           FROM news_sync_act
           WHERE ($1::bigint IS NULL OR id < $1) AND ($2::float8 IS NULL OR at >= clock_timestamp() - $2 * interval '1 second')
           ORDER BY id DESC"#,
        [(&wanted.before as &(dyn ToSql + Sync), Type::INT8), (&since_s, Type::FLOAT8)],
    )?;
    let mut acts: Vec<ActRow> = Vec::new();
    while let Some(row) = rows.next()? {
        let older = act(&row);
        let is_full = acts.len() >= limit;
        match acts.last_mut() {
            Some(last) if last.is_part_of(&older) => last.add(older),
            Some(_) | None if is_full => return Ok(ListedActs { acts, next: Some(older.id + 1) }),
            Some(_) | None => acts.push(older),
        }
    }
    Ok(ListedActs { acts, next: None })
}

impl ActRow {
    /// Says whether both rows are of one act, which has one transaction.
    fn is_part_of(&self, other: &Self) -> bool {
        (self.at_us, &self.what, &self.who, &self.via) == (other.at_us, &other.what, &other.who, &other.via)
    }

    /// Adds the row before this one: the first objects, and the events, are told by the first row.
    fn add(&mut self, older: Self) {
        self.count += older.count;
        self.along += older.along;
        (self.keys, self.events) = (older.keys, older.events.or(self.events));
    }
}

fn act(row: &Row) -> ActRow {
    let count = |at| u64::try_from(row.get::<_, i32>(at)).unwrap_or_default();
    ActRow {
        id: row.get(0),
        at: row.get(1),
        what: row.get(2),
        who: row.get(3),
        via: row.get(4),
        keys: row.get(5),
        count: count(6),
        along: count(7),
        events: row.get(8),
        why: row.get(9),
        at_us: row.get(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_and_has_no_control_characters() {
        assert_eq!(clean("ada\u{1b}[31m\n", NAME_CHARS_MAX), "ada [31m ");
        assert_eq!(clean(&"é".repeat(500), NAME_CHARS_MAX).chars().count(), NAME_CHARS_MAX);
        let By { who, via } = By::command_line();
        assert!(who.contains('@') && who.chars().count() <= 300 && via == "command", "{who}");
    }
}
