//! The database: every SQL statement there is, and nothing else.
//!
//! In scope: connections, the schema, and a module for each user of the tables: `records`
//! (the API's, one round trip a request, on a leased `session`), `side` (sessions for the console), `users`, `log`
//! (the change log, merged), `unsynced` (its events as they are), `ledger` (what is remembered of objects), `objects` (rows by key), `holds` (objects whose sync is stopped), `lock`,
//! `runs`, `history`, `sent` (the result of a run for each object), `acts` (what people did), `about` (all that is known of one object),
//! `remembered` (the target), `rows` (bulk: import,
//! diff), `counts` (of posts), `sequences` (of ids), `tracking` (whether changes are logged), `inspect` (what an operator asks of the database). Out of scope: the screen, the
//! target, decisions.

pub mod about;
pub mod acts;
mod connect;
pub mod counts;
mod cursor;
pub mod events;
pub mod health;
pub mod history;
pub mod holds;
mod hosts;
pub mod inspect;
pub mod ledger;
pub mod left;
pub mod left_out;
pub mod lock;
pub mod log;
pub mod objects;
pub mod prints;
pub mod prune;
pub mod records;
pub mod remembered;
pub mod rows;
pub mod run_rows;
pub mod runs;
pub mod schema;
pub mod sent;
pub mod sequences;
mod session;
mod sessions;
pub mod shard;
mod side;
mod stranded;
mod tls;
pub mod tracking;
pub mod unsynced;
pub mod url;
pub mod users;
pub mod watch;

pub use connect::{Pooling, Purpose, connect, connect_api, connect_as, see_all_rows};
pub use cursor::Cursor;
pub use session::{Live, Session, Trouble, readiness, try_to_write};
pub use sessions::Sessions;
pub use side::SideSessions;

use postgres::error::SqlState;

use crate::error::{Failure, Kind};

/// Gives a database error its kind: [`Kind::Database`], whatever it is.
///
/// `postgres::Error` displays as "db error" alone; the causes that [`Failure`] prints say the rest.
impl From<postgres::Error> for Failure {
    fn from(error: postgres::Error) -> Self {
        let hint = match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) if is_policy(&error) => Some(POLICY_HINT),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) if says(&error, "must be owner") => {
                Some("only the tables' owner may do that, and nobody can be granted it: run it as that role")
            }
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Some(
                "the role may not do that: the tables' owner may, or grant it (docs/security.md has the statements)",
            ),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Some(health::READ_ONLY_HINT),
            Some(&SqlState::DISK_FULL) => Some("The disk of the database server is full: free some space there."),
            Some(&SqlState::OUT_OF_MEMORY) => {
                Some("The database server is out of memory: try again when it is less busy.")
            }
            Some(_) | None => error.as_db_error().and_then(|e| e.hint()),
        };
        let hint = hint.map(str::to_owned);
        let failure = Failure::new(Kind::Database, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What to do where policies hide rows from our role.
pub const POLICY_HINT: &str = "A sync of some rows would delete the others at the target. Connect as the tables' owner, \
    or as a role with BYPASSRLS (docs/security.md).";

/// Says whether a policy of row security would hide rows from the statement, and we had asked for an error then. The
/// server's function is the same in each language of its messages.
fn is_policy(error: &postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.routine() == Some("check_enable_rls"))
}

fn says(error: &postgres::Error, words: &str) -> bool {
    error.as_db_error().is_some_and(|error| error.message().contains(words))
}

/// Says whether the connection behind `error` is of no more use: class 08 (connection
/// exception), 57P0x (shutdown), or no answer from the server at all. `is_closed()`
/// stays false after the server killed a connection.
pub fn is_lost(error: &postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code().starts_with("08") || code.code().starts_with("57P0"),
        None => true,
    }
}

/// Says the same of a failure that a [`postgres::Error`] caused; false of any other.
pub fn is_lost_failure(failure: &Failure) -> bool {
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<postgres::Error>() {
            return is_lost(error);
        }
        if error.downcast_ref::<hosts::Silent>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}
