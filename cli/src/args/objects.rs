//! The command line of commands for single objects.

use clap::{ArgGroup, Args, ValueHint};
use news_core::Key;
use news_core::ledger::holds;

use crate::values;

/// `news show`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0, or 4 if neither the database nor the target knows the object. If the target cannot be asked, stdout \
still has the report of the database, and the exit code is that of the error: 5, 7 for credentials, 4 for a page instead of an object, \
2 for a redirect. The command sends one GET. It checks a 404 as a run does. `news log KEY` shows the changes that are synced."
)]
pub struct Show {
    /// Key of an object: posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = values::key, value_hint = ValueHint::Other)]
    pub key: Key,
    /// Send no request to the target
    #[arg(long)]
    pub offline: bool,
}

/// `news retry`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["keys", "all"]))]
pub struct Retry {
    /// Key of an object: posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// All parked objects
    #[arg(long)]
    pub all: bool,
    /// Reason, for other operators; at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news discard`
#[derive(Debug, Args)]
pub struct Discard {
    /// Key of an object: posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// Reason, for other operators; at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news hold`
#[derive(Debug, Args)]
#[command(
    after_help = "No run sends anything for these objects until `news release`. Their changes stay pending, and objects that \
depend on them are held. If a run has already prepared a request for an object, the run still sends the request. The command waits up to \
10 s for the effect of the request, and exits 3 if the effect is not certain by then. The objects need not have changes, and need not exist."
)]
pub struct Hold {
    /// Key of an object: posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// Reason, for other operators; at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news release`
#[derive(Debug, Args)]
pub struct Release {
    /// Key of an object: posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// Reason, for other operators; at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}
