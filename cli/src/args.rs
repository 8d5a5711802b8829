//! The command line: clap types and nothing else.

mod fake_api;
mod history;
mod objects;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use self::fake_api::FakeApi;
pub use self::history::{KindOf, Log, Runs};
pub use self::objects::{Discard, Hold, Release, Retry, Show};
use crate::ui::{LogFormat, When};

/// Posts and comments in PostgreSQL, a REST API on them, and a remote API kept in step.
#[derive(Debug, Parser)]
#[command(name = "news", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done or equal, 1 differs or pending, 2 usage, 3 partly done, 4 refused, \
5 target unavailable, 7 credentials, 8 database, 11 locked, 70 bug, 74 output, 130/143 stopped.")]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The master's database [env: NEWS_DATABASE_URL, DATABASE_URL; none: a private PostgreSQL]
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// The remote API [env: NEWS_TARGET_URL; then what the database remembers]
    #[arg(long, global = true, value_name = "URL")]
    pub target_url: Option<String>,
    /// How the remote API exposes posts and comments: a name or a file [env: NEWS_TARGET_PROFILE; then what the database
    /// remembers; then json-server]
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub target_profile: Option<String>,
    /// The configuration [env: NEWS_CONFIG; then news/news.toml in the XDG folder, then in /etc]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long the target may take to begin its answer
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = crate::values::duration)]
    pub target_timeout: std::time::Duration,
    /// How long a request without an answer may still take effect at the target: until then nothing else is sent for its
    /// object. At least --target-timeout [default: 30s, or --target-timeout if that is longer]
    #[arg(long, global = true, value_name = "TIME", value_parser = crate::values::duration)]
    pub target_late: Option<std::time::Duration>,
    /// Print the report as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour the report (NO_COLOR counts under auto)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Tell of progress on stderr: bars on a terminal, else a line every 10 seconds. `always`: bars among JSON log lines, too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log warnings and errors only; twice for errors only
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// The form of log lines
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer the CRUD API
    Serve(Serve),
    /// Load the first data: all or nothing, into empty tables. From the target; where none is named, from JSONPlaceholder
    Import(Import),
    /// Send the changes to the target
    Sync(Sync),
    /// Compare both sides; exit 1 if they differ
    Diff(Diff),
    /// Show what is pending, parked and locked
    Status(Status),
    /// Show one object: its state and why, what runs did, and its difference to the target now
    Show(Show),
    /// List the last runs, or show what is kept of one
    Runs(Runs),
    /// Show the change log: who made each change, and which run synced it
    Log(Log),
    /// List what waits for an operator
    Parked,
    /// Let parked objects be tried again
    Retry(Retry),
    /// Give up pending changes of objects: they count as synced
    Discard(Discard),
    /// Stop the sync of objects: their changes stay pending, and nothing is sent for them
    Hold(Hold),
    /// Resume the sync of objects on hold
    Release(Release),
    /// Manage the API's users
    #[command(subcommand)]
    User(User),
    /// Print an access token for a user
    Token(Token),
    /// Manage the database
    #[command(subcommand)]
    Db(Db),
    /// Look for what is wrong: configuration, database, target, credentials, clock, disk
    Doctor(Doctor),
    /// Show what is in force, and where each value comes from
    Config(Config),
    /// Run a Fake API to develop against, in memory
    FakeApi(Box<FakeApi>),
    /// Print a shell's completion script
    Completions(Completions),
    /// Write the man pages
    Man(Man),
}

/// `news config`
#[derive(Debug, Args)]
pub struct Config {
    /// Show the target profile that is in force, in the words of a profile, and nothing else
    #[arg(long)]
    pub profile: bool,
}

/// `news doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Create, read, update and delete a post and a comment at the target, with ids that nobody should have, to try its
    /// profile
    #[arg(long)]
    pub write_test: bool,
}

/// `news serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; a socket that systemd hands over goes before it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", value_parser = crate::values::listen)]
    pub listen: String,
    /// Number of database sessions; a request leases one for its database work
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Believe X-Forwarded-Proto and X-Forwarded-Host: only behind a proxy that sets them
    #[arg(long)]
    pub trust_proxy: bool,
    /// Let pages of this origin use the API, https://app.example or * for all; may be given more than once
    #[arg(long, value_name = "ORIGIN", value_parser = crate::values::origin)]
    pub cors_origin: Vec<String>,
    /// The operator's console at /news/console/, for users who are staff: off, read, or act
    #[arg(long, value_name = "MODE", default_value = "read")]
    pub console: ConsoleMode,
    /// How long a stop waits for requests in flight
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::values::duration)]
    pub grace: std::time::Duration,
    /// Serve nothing: ask the service that listens at --listen whether it is ready; exit 8 if it is not
    #[arg(long)]
    pub check: bool,
}

/// What the console of `news serve` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConsoleMode {
    /// There is none: its addresses are 404
    Off,
    /// Staff may look
    Read,
    /// Staff may also retry, discard, hold and release objects
    Act,
}

/// `news import`
#[derive(Debug, Args)]
pub struct Import {
    /// Read DIR/posts.json and DIR/comments.json instead of the target; or, from stdin, one document
    /// {"posts": […], "comments": […]}, as json-server keeps it, with the posts first
    #[arg(long, value_name = "DIR|-")]
    pub from: Option<PathBuf>,
    /// Leave wrong objects out, and the comments of posts left out, and tell of them (exit 3)
    #[arg(long)]
    pub skip_invalid: bool,
    /// Give records of the target that have no key of ours one, and import them too (for target profiles with ids = "key")
    #[arg(long, conflicts_with = "from")]
    pub adopt: bool,
    /// With --adopt: count these records, write and import nothing; exit 1 if there are any
    #[arg(long, requires = "adopt")]
    pub dry_run: bool,
}

/// `news sync`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Sync {
    /// Compare both sides whole and repair what differs
    #[arg(long)]
    pub full: bool,
    /// Show the plan, send nothing; exit 1 if there is one, 3 if there are only objects that are parked or held,
    /// 4 if a limit would refuse it
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: actions listed of each kind (0: none), the rest is counted [default: 50; with --json all]
    #[arg(long, value_name = "N", requires = "dry_run")]
    pub limit: Option<usize>,
    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Requests a second, at most (those for whole lists not counted)
    #[arg(long, value_name = "R", value_parser = crate::values::rate)]
    pub rate: Option<f64>,
    /// Refuse (exit 4) a plan that deletes more than N objects
    #[arg(long, value_name = "N")]
    pub max_deletes: Option<u64>,
    /// Apply only the plan with this checksum (see --dry-run); else exit 4
    #[arg(long, value_name = "SUM", value_parser = crate::values::checksum)]
    pub checksum: Option<String>,
    /// Lift the safety limits
    #[arg(long)]
    pub force: bool,
    /// Compare both sides after the run; exit 3 if they differ by more than what is pending
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Run again and again, at multiples of TIME: 5m, 24h
    #[arg(long, value_name = "TIME", value_parser = crate::values::period, conflicts_with_all = ["follow", "dry_run", "checksum"])]
    pub every: Option<std::time::Duration>,
    /// Send each change within a second of its commit, until stopped
    #[arg(long, conflicts_with_all = ["full", "dry_run", "checksum"])]
    pub follow: bool,
    /// Share the work: send the changes of posts whose id divided by N leaves K (or 0, of N/N), and of their comments
    #[arg(long, value_name = "K/N", value_parser = crate::values::shard, conflicts_with = "full")]
    pub shard: Option<news_core::shard::Shard>,
    /// After each run, write FILE for the node exporter's textfile collector
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics_file: Option<PathBuf>,
}

/// `news diff`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Diff {
    /// Compare these objects only, posts/5, comments/7, at most 1,000: each is asked for by its own address, and nothing is listed
    #[arg(value_name = "KEY", value_parser = crate::values::key, value_hint = clap::ValueHint::Other,
        conflicts_with_all = ["only", "from"])]
    pub keys: Vec<news_core::Key>,
    /// With KEY: maximum concurrent requests [default: 4]
    #[arg(long, value_name = "N", requires = "keys", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// With KEY: maximum requests per second
    #[arg(long, value_name = "R", requires = "keys", value_parser = crate::values::rate)]
    pub rate: Option<f64>,
    /// Compare these only
    #[arg(long, value_name = "ENTITY")]
    pub only: Option<Only>,
    /// Count only what neither a pending change nor a hold explains
    #[arg(long)]
    pub ignore_pending: bool,
    /// Exit 0 even if they differ; trouble keeps its code
    #[arg(long)]
    pub exit_zero: bool,
    /// Differences listed (0: none), the rest is counted [default: 50; with --json or --ndjson all]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// The summary only
    #[arg(long, conflicts_with_all = ["limit", "ndjson"])]
    pub stat: bool,
    /// A JSON document a line for each difference, then one with the summary
    #[arg(long, conflicts_with = "json")]
    pub ndjson: bool,
    /// Write the report to FILE, which appears whole or not at all; - is stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Compare with a saved listing, DIR/posts.json and DIR/comments.json, instead of the target. What was sent since
    /// it was saved is a difference: a file cannot be asked again
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// An entity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Posts.
    Posts,
    /// Comments.
    Comments,
}

/// `news status`
#[derive(Debug, Args)]
pub struct Status {
    /// Exit 1 if changes are pending, 3 if objects are parked, held or on hold, or if the last run failed to send some
    #[arg(long)]
    pub check: bool,
    /// With --check: exit 1 only if a change that is not parked, held, on hold or in flight has waited longer than this, or if the
    /// target or a limit refuses what is pending
    #[arg(long, value_name = "TIME", requires = "check", value_parser = crate::values::duration)]
    pub max_lag: Option<std::time::Duration>,
    /// With --check: ignore objects that are parked or on hold, and those held behind them
    #[arg(long, requires = "check")]
    pub allow_parked: bool,
}

/// `news user`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user; the password comes from a prompt, or a line on stdin
    Add {
        /// The name to log in with
        name: String,
        /// May not log in yet
        #[arg(long)]
        inactive: bool,
        /// May see the operator's console
        #[arg(long)]
        staff: bool,
    },
    /// List the users
    List,
    /// Set a new password
    Passwd {
        /// Whose
        name: String,
    },
    /// Let a user see the operator's console, or not any more
    Staff {
        /// The user's name
        name: String,
        /// on: staff; off: not staff
        switch: Switch,
    },
    /// Remove a user
    Remove {
        /// Whom
        name: String,
    },
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is so.
    On,
    /// It is not.
    Off,
}

/// `news token`
#[derive(Debug, Args)]
pub struct Token {
    /// Whose
    pub user: String,
}

/// `news db`
#[derive(Debug, Subcommand)]
pub enum Db {
    /// Bring the schema up to date; may be repeated
    Migrate,
    /// Show the database, its schema and size
    Status,
    /// Start the private PostgreSQL
    Start,
    /// Stop the private PostgreSQL
    Stop,
    /// Open psql on the database
    ///
    /// A password reaches it by its environment. Whatever stands behind `shell` is psql's; flags of ours go before it.
    Shell {
        /// Arguments for psql, such as -c 'SELECT 1'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_hint = clap::ValueHint::Other)]
        psql_args: Vec<OsString>,
    },
    /// Delete old events from the change log: synced ones only
    Prune {
        /// Delete what was synced longer ago than this: 30d, 12h
        #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
        older_than: std::time::Duration,
        /// Events looked at in one transaction
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        batch: u32,
    },
    /// Print the database's URL, whole: with its password, if it has one
    Url,
}

/// `news completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `news man`
#[derive(Debug, Args)]
pub struct Man {
    /// Where to write news.1 and a page for each command
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Marks what stands behind `db shell` as psql's with `--`, so that no `-v` of psql's is taken for one of ours.
pub fn mark_psqls(arguments: &[OsString]) -> Vec<OsString> {
    let mut marked = arguments.to_vec();
    let Some(db) = arguments.iter().position(|argument| argument == "db") else { return marked };
    let Some(shell) = arguments[db..].iter().position(|argument| argument == "shell") else { return marked };
    let mut at = db + shell + 1;
    // psql has no such flags, and they have been taken here, too.
    while let Some(text) = arguments.get(at).and_then(|argument| argument.to_str()) {
        match text.split_once('=').map_or((text, false), |(name, _)| (name, true)) {
            ("--database-url" | "--config", true) => at += 1,
            ("--database-url" | "--config", false) => at += 2,
            _ => break,
        }
    }
    if arguments.get(at).is_some_and(|argument| !["--", "--help", "-h"].iter().any(|ours| argument == ours)) {
        marked.insert(at, OsString::from("--"));
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_psqls_is_marked() {
        for (line, marked) in [
            ("news db shell", "news db shell"),
            ("news db shell -v ON_ERROR_STOP=1 -f x", "news db shell -- -v ON_ERROR_STOP=1 -f x"),
            ("news -q db shell -q", "news -q db shell -- -q"),
            ("news db shell -- -q", "news db shell -- -q"),
            ("news db shell --help", "news db shell --help"),
            ("news db --json shell --version", "news db --json shell -- --version"),
            ("news db shell --database-url URL -c x", "news db shell --database-url URL -- -c x"),
            ("news db shell --config=shell -c x", "news db shell --config=shell -- -c x"),
            ("news db status", "news db status"),
            ("news user add shell", "news user add shell"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(mark_psqls(&words).join(std::ffi::OsStr::new(" ")), marked, "{line}");
        }
    }
}
