//! Runs again and again: at aligned times, or as soon as there is something to send.
//!
//! In scope: when, and which failures end it. Out of scope: what a run is. The lock is taken
//! by each run and not in between, so that an import, a discard or a run by hand gets its
//! turn, and two hosts may follow one database: one of them is told 11 now and then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Cause, Failure, Kind, Result};
use crate::random::random;
use crate::signals::{NOTICED_WITHIN, Signals};
use crate::store::watch::Watch;

/// A run begins up to this share of the period late, and no more than [`JITTER_MAX`]:
/// the timers of many hosts must not agree.
const JITTER_SHARE: u32 = 20;
const JITTER_MAX: Duration = Duration::from_secs(15);

/// The log is looked at so often while nothing is pending.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looking takes at most one part in so many of the time, whatever is left pending.
const LOOK_SHARE: u32 = 50;
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);
/// After a failed run the next one waits so long, doubling.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_mins(1);
/// After a run whose credentials the target refused, or everything, it waits up to here: a target may lock an account
/// that is refused again and again.
const REFUSED_AFTER_MAX: Duration = Duration::from_mins(5);

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It had something to try.
    Worked,
    /// It had not.
    Idle,
}

/// Calls `turn` at multiples of `period` since the epoch, a jitter later; times that pass
/// while it is busy are left out. Returns what ended it: a signal, or a failure that the next run
/// would meet again.
pub fn every(period: Duration, signals: &Signals, mut turn: impl FnMut() -> Result<()>) -> Failure {
    let mut refused = Duration::ZERO;
    loop {
        let due = match jitter(period) {
            Ok(jitter) => next_multiple(since_epoch() + refused, period) + jitter,
            Err(failure) => return failure,
        };
        log::debug!("the next run is in {:.1} s", due.saturating_sub(since_epoch()).as_secs_f64());
        // A clock that was put back must not make this wait for hours.
        let waits_from = Instant::now();
        while since_epoch() < due && waits_from.elapsed() < refused + period + JITTER_MAX {
            let rest = due.saturating_sub(since_epoch());
            if let Err(stopped) = signals.pause(rest.min(NOTICED_WITHIN)) {
                return stopped;
            }
        }
        match turn() {
            Ok(()) => refused = Duration::ZERO,
            Err(failure) if ends(&failure) => return failure,
            Err(failure) => {
                refused = if is_refused(&failure) { longer(refused, REFUSED_AFTER_MAX) } else { Duration::ZERO };
                tell(&failure, "the next run tries again");
            }
        }
    }
}

/// Calls `turn` whenever `look` finds something that the last run did not leave, or whose
/// time has come. With what it finds `look` returns how long the database worked for it. Returns what ended it, as
/// [`every`] does.
pub fn follow(
    signals: &Signals,
    mut look: impl FnMut() -> Result<(Watch, Duration)>,
    mut turn: impl FnMut() -> Result<Turn>,
) -> Failure {
    // What was pending before the last run, and what came of it.
    let mut before: Option<(Watch, Turn)> = None;
    let (mut delay, mut again_after) = (Duration::ZERO, Duration::ZERO);
    loop {
        if let Err(stopped) = signals.pause(delay) {
            return stopped;
        }
        let result = look().and_then(|(watch, cost)| {
            delay = (cost * LOOK_SHARE).clamp(LOOK_EVERY, LOOK_EVERY_MAX);
            if !calls(&watch, before.as_ref()) {
                return Ok(());
            }
            let turn = turn()?;
            before = Some((watch, turn));
            // It may have left something new, which is then seen to be the same.
            delay = Duration::ZERO;
            Ok(())
        });
        match result {
            Ok(()) => again_after = Duration::ZERO,
            Err(failure) if ends(&failure) => return failure,
            Err(failure) => {
                let most = if is_refused(&failure) { REFUSED_AFTER_MAX } else { AGAIN_AFTER_MAX };
                again_after = longer(again_after, most);
                tell(&failure, &format!("trying again in {} s", again_after.as_secs()));
                (before, delay) = (None, again_after);
            }
        }
    }
}

/// Says whether a run may find something to do. `before` is what was pending before the last run,
/// and what came of that: what is still exactly the same was left by it, and what is due as well
/// where it found nothing to try (it is another shard's, which is not at work).
fn calls(watch: &Watch, before: Option<&(Watch, Turn)>) -> bool {
    match (watch, before) {
        (Watch::Nothing, _) => false,
        (Watch::Something { .. }, None) | (Watch::Something { due: (1.., _), .. }, Some((_, Turn::Worked))) => true,
        (Watch::Something { .. }, Some((before, _))) => before != watch,
    }
}

/// Returns how long to wait after one more failure in a row: twice as long as after the last one.
fn longer(last: Duration, max: Duration) -> Duration {
    (last * 2).clamp(AGAIN_AFTER, max)
}

/// Says whether the target refuses our credentials, or everything.
fn is_refused(failure: &Failure) -> bool {
    failure.cause() == Cause::Refusals || failure.kind() == Kind::Credentials
}

/// Says whether a failure is one that the next run would meet again, or a wish to stop.
fn ends(failure: &Failure) -> bool {
    // A gateway is repaired without anybody starting this again.
    if failure.cause() == Cause::Refusals {
        return false;
    }
    match failure.kind() {
        Kind::Usage | Kind::Bug | Kind::Output | Kind::ClosedPipe | Kind::Interrupted | Kind::Terminated => true,
        // A limit is lifted, an outage is over, and a token is renewed in its file, without anybody starting this again.
        Kind::Partly | Kind::Refused | Kind::Target | Kind::Credentials | Kind::Database | Kind::Locked => false,
    }
}

fn tell(failure: &Failure, next: &str) {
    log::warn!("{}; {next}", failure.with_hints());
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the first multiple of `period` after `now`, in milliseconds' grain.
fn next_multiple(now: Duration, period: Duration) -> Duration {
    let (now_ms, period_ms) = (now.as_millis(), period.as_millis().max(1));
    let ms = (now_ms / period_ms + 1) * period_ms;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
}

fn jitter(period: Duration) -> Result<Duration> {
    let most = (period / JITTER_SHARE).min(JITTER_MAX);
    let most_ms = u64::try_from(most.as_millis()).unwrap_or_default();
    Ok(Duration::from_millis(random()? % (most_ms + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_multiples_of_the_period_since_the_epoch() {
        let s = Duration::from_secs;
        for (now, period, due) in [
            (s(0), s(300), s(300)),
            (s(299), s(300), s(300)),
            (s(300), s(300), s(600)),
            (Duration::from_millis(1_700_000_000_001), s(1), s(1_700_000_001)),
            (s(1_700_000_000), s(86_400), s(1_700_006_400)),
        ] {
            assert_eq!(next_multiple(now, period), due, "{now:?} {period:?}");
        }
    }

    #[test]
    fn jitter_is_a_twentieth_of_the_period_at_most() {
        for _ in 0..100 {
            assert!(jitter(Duration::from_secs(2)).unwrap() <= Duration::from_millis(100));
            assert!(jitter(Duration::from_hours(24)).unwrap() <= JITTER_MAX);
        }
    }

    #[test]
    fn failures_in_a_row_wait_longer_and_longer() {
        let waits: Vec<u64> = (0..10)
            .scan(Duration::ZERO, |last, _| {
                *last = longer(*last, REFUSED_AFTER_MAX);
                Some(last.as_secs())
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(longer(Duration::from_mins(5), AGAIN_AFTER_MAX), AGAIN_AFTER_MAX, "the target is only away now");
    }

    #[test]
    fn a_run_is_called_for_what_the_last_one_did_not_leave() {
        let some = |n: i64, due: i64| {
            let (events, due) = ((n, n.to_string()), (due, due.unsigned_abs()));
            Watch::Something { events, parked: 0, due, on_hold: 0 }
        };
        for (before, now, wanted) in [
            (None, Watch::Nothing, false),
            (None, some(1, 0), true),
            (Some((some(1, 0), Turn::Worked)), some(1, 0), false),
            (Some((some(1, 0), Turn::Worked)), some(2, 0), true),
            (Some((some(2, 0), Turn::Worked)), some(1, 0), true),
            (Some((some(1, 0), Turn::Worked)), some(1, 1), true),
            (Some((some(1, 1), Turn::Worked)), some(1, 1), true),
            (Some((some(1, 1), Turn::Idle)), some(1, 1), false),
            (Some((some(1, 1), Turn::Idle)), some(1, 2), true),
            (Some((some(1, 0), Turn::Worked)), Watch::Nothing, false),
        ] {
            assert_eq!(calls(&now, before.as_ref()), wanted, "{before:?} {now:?}");
        }
    }
}
