//! How things end: a [`Failure`] is a kind, the error itself and hints; a kind is an exit code.
//!
//! In scope: the exit codes (a promise to scripts, see [`Kind::code`]) and the one place
//! where an error gets its kind. Out of scope: printing (`ui`).

use std::error::Error;
use std::fmt;

/// What sort of trouble it is. One kind, one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wrong usage or configuration.
    Usage,
    /// Some objects failed, are held or parked; the rest is done.
    Partly,
    /// A safety limit or a precondition said no; nothing was sent or written.
    Refused,
    /// The target is unavailable.
    Target,
    /// The target refused our credentials.
    Credentials,
    /// The database is unavailable, or its schema is not ours.
    Database,
    /// Another run holds the lock.
    Locked,
    /// A bug of ours.
    Bug,
    /// A local file or stdout could not be written.
    Output,
    /// Whoever read stdout is gone: the end is quiet.
    ClosedPipe,
    /// SIGINT: stopped cleanly.
    Interrupted,
    /// SIGTERM: stopped cleanly.
    Terminated,
}

impl Kind {
    /// Returns the exit code that scripts rely on.
    pub fn code(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Partly => 3,
            Kind::Refused => 4,
            Kind::Target => 5,
            Kind::Credentials => 7,
            Kind::Database => 8,
            Kind::Locked => 11,
            Kind::Bug => 70,
            Kind::Output => 74,
            Kind::Interrupted => 130,
            Kind::ClosedPipe => 141,
            Kind::Terminated => 143,
        }
    }
}

/// How a command that ran to its end ended: the exit codes 0, 1 and 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exit {
    /// Done; equal.
    #[default]
    Done,
    /// The sides differ, or changes are pending.
    Differ,
    /// Some objects failed, are held or parked.
    Partly,
}

impl Exit {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Differ => 1,
            Exit::Partly => Kind::Partly.code(),
        }
    }
}

/// An error on its way to the user: its kind, itself, and what may help.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
    cause: Cause,
}

/// What loops and the history make of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// Its kind says it.
    #[default]
    Kind,
    /// The command line asked for something else than there is: that tells nothing of how the sync goes.
    CommandLine,
    /// The target refuses everything: that may pass, and until then it is asked seldom, so that no account gets locked.
    Refusals,
}

/// What almost everything in this crate returns.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// Makes a failure of `kind`; `source` is a lowercase fragment with the values in it.
    pub fn new(kind: Kind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new(), cause: Cause::Kind }
    }

    /// Says that it is one of a target that refuses everything.
    #[must_use]
    pub fn of_refusals(mut self) -> Self {
        self.cause = Cause::Refusals;
        self
    }

    /// Says that the command line asked for something else than there is.
    #[must_use]
    pub fn of_command_line(mut self) -> Self {
        self.cause = Cause::CommandLine;
        self
    }

    /// Returns what a loop of runs makes of it.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Adds a line of advice: what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the hints, in the order they were added.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the error and its hints in one line, for a log.
    pub fn with_hints(&self) -> String {
        if self.hints.is_empty() { self.to_string() } else { format!("{self} ({})", self.hints.join("; ")) }
    }
}

/// The error and its causes in one line. A cause whose text the line has already is left out.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        f.write_str(line.replace('\n', " ").trim_end())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Gives an error its kind on its way up.
pub trait OrFail<T> {
    /// Turns the error into a failure of `kind`, introduced by `context`.
    fn or_fail(self, kind: Kind, context: impl fmt::Display) -> Result<T>;
}

impl<T, E: Error + Send + Sync + 'static> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, kind: Kind, context: impl fmt::Display) -> Result<T> {
        self.map_err(|source| Failure::new(kind, InContext { context: context.to_string(), source: Box::new(source) }))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{context}")]
struct InContext {
    context: String,
    source: Box<dyn Error + Send + Sync>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_every_cause_once() {
        let io = std::io::Error::other("disk\nfull");
        let failure = Err::<(), _>(io).or_fail(Kind::Output, "cannot write report.json").unwrap_err();
        assert_eq!(failure.to_string(), "cannot write report.json: disk full");
        assert_eq!(failure.kind().code(), 74);
    }
}
