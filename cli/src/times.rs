//! How long the target may take, as a command has it.

use std::time::Duration;

use news_core::session::LATE;

use crate::error::{Failure, Kind, Result};

/// How long the target may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// To begin its answer.
    pub timeout: Duration,
    /// To do what a request without an answer asked for.
    pub late: Duration,
}

impl Times {
    /// Fails with [`Kind::Usage`] where the time for an effect is below the time for an answer: what is not answered yet is
    /// still at work.
    pub fn new(timeout: Duration, late: Option<Duration>) -> Result<Self> {
        match late {
            Some(late) if late < timeout => Err(Failure::new(
                Kind::Usage,
                format!("target_late: expected at least target_timeout ({timeout:?}), got {late:?}"),
            )
            .hint("a request that is not answered yet is still at work: set both, or neither")),
            late => Ok(Self { timeout, late: late.unwrap_or_else(|| LATE.max(timeout)) }),
        }
    }
}
