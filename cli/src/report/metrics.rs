//! What `--metrics-file` tells.

use crate::report::status::StatusReport;
use crate::store::runs::RunNumbers;

/// The run that was just tried, whether or not it came as far as the history.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Its exit code.
    pub exit_code: u8,
    /// When it ended, in seconds since the epoch.
    pub at_s: f64,
}

/// What the database tells.
#[derive(Debug)]
pub struct State {
    /// As `news status` shows it.
    pub status: StatusReport,
    /// The last runs.
    pub runs: Vec<RunNumbers>,
}
