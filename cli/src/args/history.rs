//! The command line of what tells about the past.

use clap::{Args, ValueEnum};

/// `news log`
#[derive(Debug, Args)]
pub struct Log {
    /// Changes of these objects only: posts/5, comments/7
    #[arg(value_name = "KEY", value_parser = crate::values::key, value_hint = clap::ValueHint::Other)]
    pub keys: Vec<news_core::Key>,
    /// Changes of this time only: 1h, 30m
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub since: Option<std::time::Duration>,
    /// Newest changes shown; 0: none
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub limit: u32,
    /// Then show each change as it is committed, until stopped; with --json a document a line
    #[arg(long)]
    pub follow: bool,
}

/// `news runs`
#[derive(Debug, Args)]
pub struct Runs {
    /// Show all that is kept of this run: its report, and what it came to for each object
    #[arg(value_name = "ID", value_parser = crate::values::run_id, conflicts_with_all = ["failed", "kind", "since"])]
    pub id: Option<i64>,
    /// Runs that did not do all they were to do: partly, failed, lost
    #[arg(long)]
    pub failed: bool,
    /// Runs of this kind; may be given more than once
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<KindOf>,
    /// Runs that began in this time: 1d, 12h
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub since: Option<std::time::Duration>,
    /// Runs listed, newest first (runs in a row that sent nothing and came to the same count as one), or objects of the run;
    /// 0: none, the rest is counted
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
}

/// What a run was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindOf {
    /// `news sync`
    Sync,
    /// `news sync --full`
    Full,
    /// `news import`
    Import,
}
