//! How long the target may take, as a command has it.

use std::time::Duration;

use news_core::profile::Profile;
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
            .hint("Set both, or neither: a request without a response may still take effect.")),
            late => Ok(Self { timeout, late: late.unwrap_or_else(|| LATE.max(timeout)) }),
        }
    }
    /// Returns the times of runs that sync this target: what it searches shows an effect a little later.
    #[must_use]
    pub fn at(self, profile: &Profile) -> Self {
        Self { late: self.late + profile.search_takes(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use news_core::profile::{JSON_SERVER, JSON_SERVER_1};
    use news_core::session::SETTLE;

    use super::*;

    #[test]
    fn a_run_that_searches_waits_for_the_search_too_after_a_crash_as_well() {
        let times = Times::new(Duration::from_secs(5), None).unwrap();
        assert_eq!(times.at(&JSON_SERVER), times);
        assert_eq!(times.at(&JSON_SERVER_1), Times { late: LATE + SETTLE, ..times });
    }
}
