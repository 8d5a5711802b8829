//! The command line of what operators ask of single objects, and do with them.

use clap::{ArgGroup, Args, ValueHint};
use news_core::Key;
use news_core::ledger::holds;

use crate::values;

/// `news show`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 if anything knows the object, else 4. If the target cannot be asked, the report tells the rest, \
and the exit code is the trouble's: 5, 7 for credentials, 4 for a page in the place of an object, 2 for a redirect. The target is asked once, with a GET; a 404 is checked as a run \
does it. `news log KEY` shows the changes that are synced."
)]
pub struct Show {
    /// posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = values::key, value_hint = ValueHint::Other)]
    pub key: Key,
    /// Do not ask the target
    #[arg(long)]
    pub offline: bool,
}

/// `news retry`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["keys", "all"]))]
pub struct Retry {
    /// posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// Every parked object
    #[arg(long)]
    pub all: bool,
    /// The reason, for other operators: at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news discard`
#[derive(Debug, Args)]
pub struct Discard {
    /// posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// The reason, for other operators: at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news hold`
#[derive(Debug, Args)]
#[command(
    after_help = "Each run leaves the objects alone, until `news release`: their changes stay pending, and what depends \
on them is held. A request that a run has prepared before is still sent; the command waits for up to 10 s until it has had its \
effect, and otherwise exits 3. The objects need not have changes, and need not exist."
)]
pub struct Hold {
    /// posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// The reason, for other operators: at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}

/// `news release`
#[derive(Debug, Args)]
pub struct Release {
    /// posts/5, comments/7
    #[arg(value_name = "KEY", required = true, value_parser = values::key, value_hint = ValueHint::Other)]
    pub keys: Vec<Key>,
    /// The reason, for other operators: at most 200 characters
    #[arg(long, value_name = "TEXT", value_parser = holds::reason)]
    pub why: Option<String>,
}
