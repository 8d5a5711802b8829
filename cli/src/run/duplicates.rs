//! Clearing an id that the target has more than once: DELETE until GET says 404.

use std::thread;
use std::time::Duration;

use news_core::Key;
use news_core::reply::{self, Answer, Method};
use news_core::session::Request;

use crate::error::{Failure, Kind, Result};
use crate::target::Target;

/// More records of one id than this are another problem than ours.
const DELETES_MAX: u32 = 100;
/// Trouble in a row that is put up with.
const TROUBLE_MAX: u32 = 5;
const TROUBLE_DELAY: Duration = Duration::from_millis(500);

/// Deletes until nothing is left under the id.
///
/// Fails with [`Kind::Target`] where the target stays in trouble, with [`Kind::Refused`]
/// where it does not let go.
pub fn clear(target: &Target, key: Key) -> Result<()> {
    let (mut deletes, mut trouble, mut method) = (0, 0, Method::Get);
    loop {
        let request = Request { key, method, id: key.id().to_string() };
        let told = reply::read(method, key, None, &target.send(&request, None));
        match (method, told.answer) {
            (Method::Get, Answer::Gone) => return Ok(()),
            (Method::Get, Answer::Equal | Answer::Different) if deletes < DELETES_MAX => method = Method::Delete,
            (Method::Delete, Answer::Accepted | Answer::Gone) => {
                deletes += 1;
                method = Method::Get;
            }
            (_, Answer::Broken | Answer::NotSent | Answer::Throttled) if trouble < TROUBLE_MAX => {
                trouble += 1;
                method = Method::Get;
                thread::sleep(told.retry_after.unwrap_or(TROUBLE_DELAY).min(TROUBLE_DELAY * 20));
            }
            (_, Answer::Broken | Answer::NotSent | Answer::Throttled) => {
                return Err(Failure::new(Kind::Target, format!("cannot clear the duplicates of {key}: {}", told.why)));
            }
            (_, _) => {
                let why = format!("cannot clear the duplicates of {key} after {deletes} deletes: {}", told.why);
                return Err(Failure::new(Kind::Refused, why));
            }
        }
    }
}
