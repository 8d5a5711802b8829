//! The command line of what tells about the past.

use clap::{Args, ValueEnum};

/// `news log`
#[derive(Debug, Args)]
pub struct Log {
    /// Show only changes of these objects: posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = crate::values::key, value_hint = clap::ValueHint::Other)]
    pub keys: Vec<news_core::Key>,
    /// Show only changes of this last period: 1h, 30m
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub since: Option<std::time::Duration>,
    /// Maximum number of changes to show, newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub limit: u32,
    /// After that, show each change when it is committed, until stopped. With --json, print one document per line
    #[arg(long)]
    pub follow: bool,
}

/// `news runs`
#[derive(Debug, Args)]
pub struct Runs {
    /// Show this run: its report, and its result for each object
    #[arg(value_name = "ID", value_parser = crate::values::run_id, conflicts_with_all = ["failed", "kind", "since"])]
    pub id: Option<i64>,
    /// List only runs with the status partly, failed or lost: they did not send everything
    #[arg(long)]
    pub failed: bool,
    /// List only runs of this kind; may be repeated
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<KindOf>,
    /// List only runs of this last period: 1d, 12h
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub since: Option<std::time::Duration>,
    /// Maximum number of runs to list, newest first. Consecutive runs that sent nothing and had the same result count as one.
    /// With ID: maximum number of objects to list. The rest is counted
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
}

/// `news acts`
#[derive(Debug, Args)]
pub struct Acts {
    /// List only actions of this last period: 1d, 12h
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub since: Option<std::time::Duration>,
    /// Maximum number of actions to list, newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
}

/// Kinds of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindOf {
    /// `news sync`
    Sync,
    /// `news sync --full`
    Full,
    /// `news import`
    Import,
}
