//! The database: every SQL statement there is, and nothing else.
//!
//! In scope: connections, the schema, and a module for each user of the tables: `posts` and
//! `comments` (the API's, one round trip a request, on a worker's `session`), `users`, `log`
//! (the change log, merged), `ledger` (what is remembered of objects), `objects` (rows by key), `lock`, `runs`, `rows` (bulk: import,
//! diff), `counts` (of posts), `inspect` (what an operator asks of the database). Out of scope: the screen, the
//! target, decisions.

pub mod comments;
mod connect;
pub mod counts;
mod cursor;
pub mod health;
mod hosts;
pub mod inspect;
pub mod ledger;
pub mod lock;
pub mod log;
pub mod objects;
pub mod posts;
pub mod prints;
pub mod prune;
pub mod rows;
pub mod runs;
pub mod schema;
mod session;
pub mod shard;
mod tls;
pub mod url;
pub mod users;
pub mod watch;

pub use connect::{Pooling, Purpose, connect, connect_api, connect_as};
pub use cursor::Cursor;
pub use session::{Gauge, Live, Session, Trouble, Vitals, schema_version, vitals};

use postgres::error::SqlState;

use crate::error::{Failure, Kind};

/// Gives a database error its kind: [`Kind::Database`], whatever it is.
///
/// `postgres::Error` displays as "db error" alone; the causes that [`Failure`] prints say the rest.
impl From<postgres::Error> for Failure {
    fn from(error: postgres::Error) -> Self {
        let hint = match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) if says(&error, "must be owner") => {
                Some("only the tables' owner may do that, and nobody can be granted it: run it as that role")
            }
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Some(
                "the role may not do that: the tables' owner may, or grant it (docs/security.md has the statements)",
            ),
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
