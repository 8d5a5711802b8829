//! Ends the process where a commit does not return: a synchronous standby may be gone for good, and nothing may cancel a commit
//! that waits for it. What was to be committed is then unknown, as after a kill.

use std::thread;
use std::time::Duration;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::signals::Signals;
use crate::store::lock;
use crate::ui;

/// A transaction of a run takes milliseconds. One that takes longer than this waits for something that does not come.
const COMMIT_MAX: Duration = Duration::from_mins(1);
/// Whoever asks for a stop waits so long for a commit.
const STOP_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The hint of commands whose commits are about objects.
pub const NEXT_RUN_ASKS: &str =
    "is a synchronous standby gone? What this run was about to do is asked for by the next one";

/// Starts to watch the transactions of this process; each is a [`lock::Busy`]. `hint` tells how to find out what became of one
/// whose commit did not return.
pub fn start(signals: &Signals, hint: &'static str) -> Result<()> {
    let signals = signals.clone();
    let watch = move || {
        loop {
            thread::sleep(LOOK_EVERY);
            if let Some(failure) = lock::busy_for().and_then(|time| judge(time, signals.stop(), hint)) {
                ui::abandon(&failure);
            }
        }
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(watch).or_fail(Kind::Usage, "cannot start a thread")?;
    Ok(())
}

/// Says how the process ends whose transaction has taken `time`, if it does.
fn judge(time: Duration, stop: Option<Failure>, hint: &str) -> Option<Failure> {
    match stop {
        Some(stop) if time > STOP_MAX => {
            Some(Failure::new(stop.kind(), format!("{stop}, while a commit did not return")).hint(hint))
        }
        _ if time > COMMIT_MAX => {
            let why = format!("a commit did not return within {} s", COMMIT_MAX.as_secs());
            Some(Failure::new(Kind::Database, why).hint(hint))
        }
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_a_minute_and_five_seconds_once_a_stop_is_asked_for() {
        let code = |seconds, stop: Option<Kind>| {
            let stop = stop.map(|kind| Failure::new(kind, "stopped"));
            judge(Duration::from_secs(seconds), stop, "").map(|failure| failure.kind().code())
        };
        assert_eq!([code(60, None), code(61, None)], [None, Some(8)]);
        assert_eq!([code(5, Some(Kind::Terminated)), code(6, Some(Kind::Terminated))], [None, Some(143)]);
        assert_eq!(code(61, Some(Kind::Interrupted)), Some(130));
    }
}
