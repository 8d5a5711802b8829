//! The command line of what manages the database.

use std::ffi::OsString;

use clap::Subcommand;

/// `news db`
#[derive(Debug, Subcommand)]
pub enum Db {
    /// Create or update the schema; may be repeated
    Migrate,
    /// Show the database, its schema and size
    Status,
    /// Start the private PostgreSQL
    Start,
    /// Stop the private PostgreSQL
    Stop,
    /// Open psql on the database
    ///
    /// psql gets the password through its environment. Put options of news before `shell`. All arguments after `shell` are passed
    /// to psql.
    Shell {
        /// Arguments for psql, such as -c 'SELECT 1'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_hint = clap::ValueHint::Other)]
        psql_args: Vec<OsString>,
    },
    /// Delete old synced events from the change log
    Prune {
        /// Delete events that were synced more than this time ago: 30d, 12h
        #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
        older_than: std::time::Duration,
        /// Number of events per transaction
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        batch: u32,
    },
    /// Print the URL of the database, with its password if it has one
    Url,
}

/// Inserts `--` after `db shell`, so that clap does not read psql's `-v` as ours.
pub fn mark_psqls(arguments: &[OsString]) -> Vec<OsString> {
    let mut marked = arguments.to_vec();
    let Some(db) = arguments.iter().position(|argument| argument == "db") else { return marked };
    let Some(shell) = arguments[db..].iter().position(|argument| argument == "shell") else { return marked };
    let mut at = db + shell + 1;
    // psql has no such flags, and earlier versions accepted them here.
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
