//! The command line: clap types and nothing else.

mod db;
mod fake_api;
mod history;
mod objects;
mod user;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use self::db::{Db, mark_psqls};
pub use self::fake_api::FakeApi;
pub use self::history::{Acts, KindOf, Log, Runs};
pub use self::objects::{Discard, Hold, Release, Retry, Show};
pub use self::user::{Switch, Token, User};
use crate::error::EXIT_CODES;
use crate::ui::{LogFormat, When};

/// Keeps a remote REST API in sync with posts and comments in PostgreSQL, and serves them as a REST API.
#[derive(Debug, Parser)]
#[command(name = "news", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = exit_codes())]
pub struct Cli {
    /// The options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// URL of the master's database [env: NEWS_DATABASE_URL, DATABASE_URL] [default: a private PostgreSQL]
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// URL of the target, the remote API [env: NEWS_TARGET_URL] [default: the target that the database remembers]
    #[arg(long, global = true, value_name = "URL")]
    pub target_url: Option<String>,
    /// How the target exposes posts and comments: the name or file of a profile [env: NEWS_TARGET_PROFILE]
    /// [default: the profile that the database remembers, else json-server]
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub target_profile: Option<String>,
    /// Configuration file [env: NEWS_CONFIG] [default: news/news.toml in $XDG_CONFIG_HOME (~/.config), else in /etc]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Maximum time to wait until the target's response begins
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = crate::values::duration)]
    pub target_timeout: std::time::Duration,
    /// How long a request without a response may still take effect at the target, counted from the moment when news gives up
    /// waiting for the response. Until then nothing else is sent for the object. At least --target-timeout [default: 30s, or
    /// --target-timeout if that is longer]
    #[arg(long, global = true, value_name = "TIME", value_parser = crate::values::duration)]
    pub target_late: Option<std::time::Duration>,
    /// Print the report as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour the report. `auto` respects NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Show progress bars on stderr. Without bars, `auto` logs a line every 10 seconds, and `never` logs nothing. With
    /// --log-format json, `auto` shows no bars
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Log more; -vv logs everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log only warnings and errors; -qq logs only errors
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// Format of log lines
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the REST API, its documentation, the operator's console and metrics
    Serve(Serve),
    /// Load the initial data from the target into empty tables, all or nothing. If no target is set, load it from JSONPlaceholder
    Import(Import),
    /// Send changes to the target
    Sync(Sync),
    /// Compare the master with the target; exit 1 if they differ
    Diff(Diff),
    /// Show the state of the sync: a verdict, pending and parked objects, the lock, the last runs
    Status(Status),
    /// Show one object: its state and the reason, its history, and its current difference to the target
    Show(Show),
    /// List the last runs, or show one run
    Runs(Runs),
    /// List operators' actions on objects (retry, discard, hold, release): the operator, the action and the time
    Acts(Acts),
    /// Show the change log: who made each change, and which run synced it
    Log(Log),
    /// List parked, held, waiting and on-hold objects, and the reason for each
    Parked,
    /// Let the next run send parked objects again
    Retry(Retry),
    /// Drop pending changes of objects and mark them as synced
    Discard(Discard),
    /// Stop the sync of objects: their changes stay pending, and no run sends them
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
    /// Check the configuration, the database, the target, the credentials, the clocks and the disk
    Doctor(Doctor),
    /// Show the settings in force, and the source of each value
    Config(Config),
    /// Run a fake target for development, in memory
    FakeApi(Box<FakeApi>),
    /// Print the completion script for a shell
    Completions(Completions),
    /// Write the man pages
    Man(Man),
}

/// `news config`
#[derive(Debug, Args)]
pub struct Config {
    /// Show only the target profile in force, as a profile file
    #[arg(long)]
    pub profile: bool,
}

/// `news doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Test the target's profile: create, read, update and delete a post and a comment at the target, with ids that are not
    /// in use
    #[arg(long)]
    pub write_test: bool,
}

/// `news serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on; ignored when systemd passes a socket
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", value_parser = crate::values::listen)]
    pub listen: String,
    /// Number of database sessions; each request leases one for its database work
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Trust X-Forwarded-Proto and X-Forwarded-Host; only behind a proxy that sets both
    #[arg(long)]
    pub trust_proxy: bool,
    /// Allow pages of this origin to use the API: https://app.example, or * for every origin; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = crate::values::origin)]
    pub cors_origin: Vec<String>,
    /// What the operator's console at /news/console/ allows staff users to do
    #[arg(long, value_name = "MODE", default_value = "read")]
    pub console: ConsoleMode,
    /// Accept writes at /news/replica/ from staff users. Another `news` uses them to keep this service in sync with that other
    /// master
    #[arg(long)]
    pub replica: bool,
    /// Maximum time to wait for requests in flight at shutdown
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::values::duration)]
    pub grace: std::time::Duration,
    /// Start no service. Ask the service at --listen whether it is ready; exit 8 if it is not
    #[arg(long)]
    pub check: bool,
}

/// What the console of `news serve` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConsoleMode {
    /// No console; its paths return 404
    Off,
    /// Staff users may read
    Read,
    /// Staff users may also retry, discard, hold and release objects
    Act,
}

/// `news import`
#[derive(Debug, Args)]
pub struct Import {
    /// Read DIR/posts.json and DIR/comments.json instead of the target; with -, read one document
    /// {"posts": […], "comments": […]} from stdin, with the posts first
    #[arg(long, value_name = "DIR|-")]
    pub from: Option<PathBuf>,
    /// Leave out objects that are not valid, and the comments of such posts. Report them, and exit 3
    #[arg(long)]
    pub skip_invalid: bool,
    /// For profiles with ids = "key": write the master's id into records without one, then import these records
    #[arg(long, conflicts_with = "from")]
    pub adopt: bool,
    /// With --adopt: only count the records without a key; exit 1 if there are any
    #[arg(long, requires = "adopt")]
    pub dry_run: bool,
}

/// `news sync`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Sync {
    /// Compare all objects and repair differences
    #[arg(long)]
    pub full: bool,
    /// Show the plan and send nothing. Exit 1 if there is something to send, 3 if all pending objects are parked, held or on
    /// hold, 4 if a limit would refuse the plan
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: maximum number of objects to list for each action and entity (such as posts to create); the rest is
    /// counted [default: 50; with --json all]
    #[arg(long, value_name = "N", requires = "dry_run")]
    pub limit: Option<usize>,
    /// Maximum concurrent requests
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Maximum requests per second; requests for listings do not count
    #[arg(long, value_name = "R", value_parser = crate::values::rate)]
    pub rate: Option<f64>,
    /// Refuse (exit 4) a plan that deletes more than N objects. This replaces the limit of 30 %
    #[arg(long, value_name = "N")]
    pub max_deletes: Option<u64>,
    /// Send only the plan with this checksum, which --dry-run has printed; else exit 4. With --full: the checksum of a dry run
    /// with --full
    #[arg(long, value_name = "SUM", value_parser = crate::values::checksum)]
    pub checksum: Option<String>,
    /// Lift the safety limits: the number of deletes, the share of updates of a full sync, the first creates that find other
    /// content at the target, a master without objects, a changed profile with ids = "key". Not lifted: an incomplete listing
    /// (exit 5), a response that is not a listing (exit 4), --checksum
    #[arg(long)]
    pub force: bool,
    /// Compare both sides after the run; exit 3 if there is a difference that neither a pending change nor a hold explains
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Start a run at every multiple of TIME on the clock, such as 12:00 and 12:05 for 5m, until stopped
    #[arg(long, value_name = "TIME", value_parser = crate::values::period, conflicts_with_all = ["follow", "dry_run", "checksum"])]
    pub every: Option<std::time::Duration>,
    /// Send each change within a second of its commit, until stopped
    #[arg(long, conflicts_with_all = ["full", "dry_run", "checksum"])]
    pub follow: bool,
    /// Share the work of N processes: send only posts whose id modulo N is K (0 for shard N/N), and their comments
    #[arg(long, value_name = "K/N", value_parser = crate::values::shard, conflicts_with = "full")]
    pub shard: Option<news_core::shard::Shard>,
    /// Write metrics to FILE after each run, for the node exporter's textfile collector
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics_file: Option<PathBuf>,
}

/// `news diff`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Diff {
    /// Compare only these objects (posts/5, comments/7; at most 1,000), each with a request for the object's own address. All
    /// options except --only and --from are allowed
    #[arg(value_name = "KEY", value_parser = crate::values::key, value_hint = clap::ValueHint::Other,
        conflicts_with_all = ["only", "from"])]
    pub keys: Vec<news_core::Key>,
    /// With KEY: maximum concurrent requests [default: 4]
    #[arg(long, value_name = "N", requires = "keys", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// With KEY: maximum requests per second
    #[arg(long, value_name = "R", requires = "keys", value_parser = crate::values::rate)]
    pub rate: Option<f64>,
    /// Compare only posts, or only comments
    #[arg(long, value_name = "ENTITY")]
    pub only: Option<Only>,
    /// Ignore differences of objects that have a pending change or are on hold
    #[arg(long)]
    pub ignore_pending: bool,
    /// Report objects whose texts the target has altered as differences
    #[arg(long)]
    pub strict: bool,
    /// Exit 0 even if both sides differ; errors keep their exit code
    #[arg(long)]
    pub exit_zero: bool,
    /// Maximum number of differences to list; the rest is counted [default: 50; with --json or --ndjson all]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print only the summary
    #[arg(long, conflicts_with_all = ["limit", "ndjson"])]
    pub stat: bool,
    /// Print one JSON document per line: one for each difference, then the summary
    #[arg(long, conflicts_with = "json")]
    pub ndjson: bool,
    /// Write the report to FILE, completely or not at all; - is stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Compare with a saved listing, DIR/posts.json and DIR/comments.json, instead of the target. Changes that were sent after
    /// it was saved are differences
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
    /// Exit 1 if changes are pending. Exit 3 if objects are parked, held or on hold, if the last run failed to send some, or if
    /// the last full sync failed
    #[arg(long)]
    pub check: bool,
    /// With --check: ignore changes that are younger than this. Parked, held, on-hold and in-flight changes do not count. Also
    /// exits 1 if changes are pending while the target or a limit refuses the runs
    #[arg(long, value_name = "TIME", requires = "check", value_parser = crate::values::duration)]
    pub max_lag: Option<std::time::Duration>,
    /// With --check: ignore objects that are parked or on hold, and objects that are held because of them
    #[arg(long, requires = "check")]
    pub allow_parked: bool,
}

/// Returns the exit codes as the help shows them.
fn exit_codes() -> String {
    let lines = EXIT_CODES.map(|(code, meaning)| format!("\n  {code:>3}  {meaning}"));
    format!("Exit codes:{}", lines.concat())
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
    /// Directory for news.1 and a page for each command
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}
