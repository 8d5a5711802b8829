//! Clearing an id that the target has more than once: DELETE until GET says 404.

use std::time::Duration;

use news_core::Key;
use news_core::reply::{self, Answer, Method};
use news_core::session::{Request, pace};

use crate::error::{Failure, Kind, Result};
use crate::run::random;
use crate::signals::Signals;
use crate::target::Target;

/// More records of one id than this are another problem than ours.
const DELETES_MAX: u32 = 100;
/// Trouble in a row that is put up with.
const TROUBLE_MAX: u32 = 5;

/// Deletes until nothing is left under the id, at most `rate_per_s` requests a second.
///
/// Fails with [`Kind::Target`] where the target stays in trouble, with [`Kind::Credentials`] where
/// it refuses ours, with [`Kind::Refused`] where it does not let go, and where a signal comes.
pub fn clear(target: &Target, key: Key, rate_per_s: Option<f64>, signals: &Signals) -> Result<()> {
    let interval = rate_per_s.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok()).unwrap_or_default();
    let (mut deletes, mut trouble, mut put_off, mut method) = (0, 0, Duration::ZERO, Method::Get);
    loop {
        signals.pause(interval)?;
        let request = Request { key, method, id: key.id().to_string() };
        let told = reply::read(method, key, None, &target.send(&request, None));
        let failed = |kind| Failure::new(kind, format!("cannot clear the duplicates of {key}: {}", told.why));
        match (method, told.answer) {
            (Method::Get, Answer::Gone) => return Ok(()),
            (Method::Get, Answer::Equal | Answer::Different) if deletes < DELETES_MAX => method = Method::Delete,
            (Method::Delete, Answer::Accepted | Answer::Gone) => {
                deletes += 1;
                trouble = 0;
                method = Method::Get;
            }
            (_, Answer::Throttled) if put_off < pace::THROTTLED_MAX => {
                let wait = told.retry_after.unwrap_or_else(|| pace::delay(1, random().unwrap_or_default()));
                let wait = wait.max(pace::THROTTLE_MIN);
                put_off += wait;
                signals.pause(wait)?;
            }
            (_, Answer::Broken | Answer::NotSent) if trouble < TROUBLE_MAX => {
                trouble += 1;
                // A DELETE may have been done: what is left is asked.
                method = Method::Get;
                let wait = told.retry_after.unwrap_or_else(|| pace::delay(trouble, random().unwrap_or_default()));
                signals.pause(wait.min(pace::THROTTLED_MAX))?;
            }
            (_, Answer::Broken | Answer::NotSent | Answer::Throttled) => return Err(failed(Kind::Target)),
            (_, Answer::Unauthorized | Answer::Forbidden) => {
                return Err(failed(Kind::Credentials).hint("set NEWS_TARGET_TOKEN to a token that may write"));
            }
            (_, _) => {
                let why = format!("cannot clear the duplicates of {key} after {deletes} deletes: {}", told.why);
                return Err(Failure::new(Kind::Refused, why));
            }
        }
    }
}
