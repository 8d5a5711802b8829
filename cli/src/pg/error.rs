//! Errors of PostgreSQL: their kind, what to do, and whether the connection is lost.

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
                Some("Only the tables' owner may do that: run it as that role.")
            }
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Some(
                "the role may not do that: the tables' owner may, or grant it (docs/security.md has the statements)",
            ),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Some(READ_ONLY_HINT),
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
        if error.downcast_ref::<super::hosts::Silent>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What to do where nobody may write.
pub const READ_ONLY_HINT: &str = "The database is read-only: it is a standby, or default_transaction_read_only is on for it \
    or for the role. Name the primary, or ask the owner (a provider sets it when the disk is full).";
