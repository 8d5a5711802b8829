//! Failed statements: whether the connection is lost, and whether a change may have been made.

use postgres::error::SqlState;

/// What a failed statement says of its connection, and of its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementFault {
    /// The connection is gone; whether the statement was executed is unknown.
    Lost,
    /// The server ended the session and said so, which it does before a commit or not at all.
    Ended,
    /// The prepared statements no longer fit: the schema was changed, or a proxy dropped them.
    Stale,
    /// The statement does not fit this schema, or this role: it is not migrated, or not granted.
    Unfit,
    /// Nothing can be written for now: the disk is full, the database is read-only.
    Unwritable,
    /// The statement was rolled back, and may well succeed in a moment.
    Passing,
    /// Anything else.
    Other,
}

impl StatementFault {
    /// Returns the fault behind an error.
    pub fn of(error: &postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None if is_broken_pipe(error) => Self::Ended,
            None => Self::Lost,
        }
    }

    /// The classes are those of PostgreSQL's appendix A.
    fn of_code(code: &SqlState) -> Self {
        match (code, code.code().get(..2)) {
            // A shutdown or a dropped database: a FATAL error is sent in place of a commit, never after one.
            (&SqlState::ADMIN_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW | &SqlState::DATABASE_DROPPED, _) => Self::Ended,
            // A crash of the server, a connection exception (a pooler's, too), and what says it itself.
            (&SqlState::CRASH_SHUTDOWN | &SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN, _) | (_, Some("08")) => {
                Self::Lost
            }
            (&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME, _) => Self::Stale,
            // Class 53: insufficient resources (disk, memory, connections).
            (&SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::IO_ERROR, _) | (_, Some("53")) => Self::Unwritable,
            (
                &SqlState::QUERY_CANCELED
                | &SqlState::LOCK_NOT_AVAILABLE
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::T_R_SERIALIZATION_FAILURE,
                _,
            ) => Self::Passing,
            // Syntax error or access rule violation.
            (_, Some("42")) => Self::Unfit,
            (_, Some(_) | None) => Self::Other,
        }
    }

    /// Returns the fault in words, for the log.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lost | Self::Ended => "lost the database",
            Self::Stale => "preparing the statements again",
            Self::Unfit => "the database is not as it should be (`news doctor` tells more)",
            Self::Unwritable => "the database cannot be written to",
            Self::Passing => "the database is busy",
            Self::Other => "the database refused a statement",
        }
    }
}

/// Says whether the server had closed the connection before the statement came: a broken pipe is what a write gets then,
/// or what is read after it (tcp(7): a reset in CLOSE_WAIT). Nothing was executed, as a commit needs the last byte.
fn is_broken_pipe(error: &postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::BrokenPipe;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only where nothing was changed for certain may a client be told to send a write again.
    #[test]
    fn what_a_failed_write_may_have_done() {
        for (code, expected) in [
            ("57P01", StatementFault::Ended),
            ("57P02", StatementFault::Lost),
            ("57P03", StatementFault::Ended),
            ("08006", StatementFault::Lost),
            ("08P01", StatementFault::Lost),
            ("40003", StatementFault::Lost),
            ("40001", StatementFault::Passing),
            ("40P01", StatementFault::Passing),
            ("55P03", StatementFault::Passing),
            ("57014", StatementFault::Passing),
            ("53100", StatementFault::Unwritable),
            ("53200", StatementFault::Unwritable),
            ("58030", StatementFault::Unwritable),
            ("25006", StatementFault::Unwritable),
            ("42P01", StatementFault::Unfit),
            ("42501", StatementFault::Unfit),
            ("0A000", StatementFault::Stale),
            ("26000", StatementFault::Stale),
            ("23505", StatementFault::Other),
            ("XX000", StatementFault::Other),
        ] {
            assert_eq!(StatementFault::of_code(&SqlState::from_code(code)), expected, "{code}");
        }
    }
}
