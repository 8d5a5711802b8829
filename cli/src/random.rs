//! Random numbers.

use crate::error::{Failure, Kind, Result};

/// Returns a random number. Delays of many clients must not agree.
pub fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| Failure::new(Kind::Bug, format!("no random numbers: {error}")))
}
