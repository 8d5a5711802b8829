//! How a command ends: a [`Failure`] has a kind, the error itself and hints; each kind has an exit code.
//!
//! In scope: the exit codes (a promise to scripts, see [`EXIT_CODES`]) and the one place
//! where an error gets its kind. Out of scope: printing (`ui`).

use std::error::Error;
use std::fmt;

/// Every exit code with its meaning. The help and the man pages are made from this table; a test compares the README with it.
pub const EXIT_CODES: [(u8, &str); 14] = [
    (0, "done, or both sides are equal"),
    (
        1,
        "both sides differ (`diff`), changes are pending (`sync --dry-run`, `status --check`), or records have no key (`import --adopt --dry-run`)",
    ),
    (2, "wrong usage or configuration"),
    (
        3,
        "partly done: some objects failed, were parked, wait for another object (held), or were stopped by an operator (on hold)",
    ),
    (4, "refused by a safety limit or a precondition"),
    (5, "the target is unavailable; try again later"),
    (7, "the target refused our credentials"),
    (8, "the database is unavailable, or its schema belongs to another release"),
    (11, "another run holds the lock"),
    (70, "a bug in `news`"),
    (74, "a local file or stdout could not be written"),
    (130, "stopped by SIGINT; every response is recorded"),
    (141, "stdout was closed by the reader"),
    (143, "stopped by SIGTERM; every response is recorded"),
];

/// The kind of an error. Each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wrong usage or configuration.
    Usage,
    /// Some objects failed, are held or parked; the rest is done.
    Partly,
    /// Refused by a safety limit or a precondition; nothing was sent or written.
    Refused,
    /// The target is unavailable.
    Target,
    /// The target refused our credentials.
    Credentials,
    /// The database is unavailable, or its schema belongs to another release.
    Database,
    /// Another run holds the lock.
    Locked,
    /// A bug in `news`.
    Bug,
    /// A local file or stdout could not be written.
    Output,
    /// stdout was closed by its reader; the command ends without a message.
    ClosedPipe,
    /// SIGINT: stopped cleanly.
    Interrupted,
    /// SIGTERM: stopped cleanly.
    Terminated,
}

impl Kind {
    /// Returns the exit code, a promise to scripts.
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

/// How a command without an error ended: the exit codes 0, 1 and 3.
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

/// An error on its way to the user: its kind, the error itself, and hints.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
    cause: Cause,
}

/// How loops and the history treat a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// As its kind says.
    #[default]
    Kind,
    /// The command line asked for something that does not exist, which says nothing about the sync.
    CommandLine,
    /// The target refuses everything. That may pass; until then it is asked rarely, so that it does not lock the account.
    Refusals,
}

/// The result of almost every function of this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// Creates a failure of `kind`; `source` is a lowercase fragment that contains the values.
    pub fn new(kind: Kind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new(), cause: Cause::Kind }
    }

    /// Marks the failure as one of a target that refuses everything.
    #[must_use]
    pub fn of_refusals(mut self) -> Self {
        self.cause = Cause::Refusals;
        self
    }

    /// Marks the failure as one of the command line.
    #[must_use]
    pub fn of_command_line(mut self) -> Self {
        self.cause = Cause::CommandLine;
        self
    }

    /// Returns how a loop of runs treats the failure.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Adds a hint: what to do now, as one imperative sentence.
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

/// Returns an error and its causes in one line. A cause whose text the line has already is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = with_causes(self.source.as_ref());
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
    fn the_readme_has_the_table_of_exit_codes() {
        let document = include_str!("../../README.md");
        let rows = document.lines().skip_while(|line| !line.starts_with("| exit | meaning |")).skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), EXIT_CODES.len(), "{rows:?}");
        for ((code, meaning), row) in EXIT_CODES.iter().zip(rows) {
            assert!(row.starts_with(&format!("| {code} | {meaning}")), "expected {code} {meaning}, found {row}");
        }
    }

    #[test]
    fn every_kind_has_an_exit_code_of_the_table() {
        let kinds = [
            Kind::Usage,
            Kind::Partly,
            Kind::Refused,
            Kind::Target,
            Kind::Credentials,
            Kind::Database,
            Kind::Locked,
            Kind::Bug,
            Kind::Output,
            Kind::ClosedPipe,
            Kind::Interrupted,
            Kind::Terminated,
        ];
        let mut codes: Vec<u8> =
            [Exit::Done.code(), Exit::Differ.code()].into_iter().chain(kinds.map(Kind::code)).collect();
        codes.sort_unstable();
        assert_eq!(codes, EXIT_CODES.map(|(code, _)| code));
    }

    #[test]
    fn a_failure_is_one_line_with_every_cause_once() {
        let io = std::io::Error::other("disk\nfull");
        let failure = Err::<(), _>(io).or_fail(Kind::Output, "cannot write report.json").unwrap_err();
        assert_eq!(failure.to_string(), "cannot write report.json: disk full");
        assert_eq!(failure.kind().code(), 74);
    }
}
