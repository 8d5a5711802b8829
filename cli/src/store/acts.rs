//! What people did with objects (`news_sync_act`): who, when, and what came of it.

use std::env;

use news_core::Key;
use news_core::chars::misleads;
use postgres::GenericClient;

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

/// An act, as its row tells.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ActRow {
    /// Its id.
    pub id: i64,
    /// When (RFC 3339).
    pub at: String,
    /// retried, discarded, held, released.
    pub what: String,
    /// Who: ada@host, or the API user's name.
    pub who: String,
    /// command, console.
    pub via: String,
    /// The first of the objects that were named.
    pub keys: Vec<String>,
    /// How many there are.
    pub count: i32,
    /// How many comments were discarded with them.
    pub along: i32,
    /// Events that were dropped.
    pub events: Option<i64>,
    /// The reason.
    pub why: Option<String>,
}

/// Reads the last acts, newest first.
pub fn newest(client: &mut impl GenericClient, limit: i64) -> Result<Vec<ActRow>> {
    let rows = client.query(
        r#"SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), what, who, via, keys[1:10],
                  cardinality(keys), cardinality(along), events, why
           FROM news_sync_act ORDER BY id DESC LIMIT $1"#,
        &[&limit],
    )?;
    let act = |row: &postgres::Row| ActRow {
        id: row.get(0),
        at: row.get(1),
        what: row.get(2),
        who: row.get(3),
        via: row.get(4),
        keys: row.get(5),
        count: row.get(6),
        along: row.get(7),
        events: row.get(8),
        why: row.get(9),
    };
    Ok(rows.iter().map(act).collect())
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
