//! How fast: jobs, the rate, pauses that the target asks for, and when it is no use any more.

use core::time::Duration;

/// The first delay after trouble; each attempt doubles it.
const DELAY_BASE: Duration = Duration::from_millis(250);
/// No delay of our own is longer.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// A target may put a run off for so long without an answer in between; then the run ends,
/// and a later one goes on.
pub const THROTTLED_MAX: Duration = Duration::from_mins(15);
/// A throttled run waits at least so long: "Retry-After: 0" must not make it spin.
pub const THROTTLE_MIN: Duration = Duration::from_millis(100);
/// "Retry-After: 0", said again and again, is stretched up to this; whoever names seconds is taken
/// at their word.
const THROTTLE_STRETCH_MAX: Duration = Duration::from_secs(1);
/// So much trouble in a row, over all objects, and nothing new is begun.
pub const STREAK_CAUTIOUS: u32 = 10;
/// So much trouble in a row besides what was under way, and the target is taken to be away.
/// What had begun was tried again by then: a target that answers 500 to many PUTs, and then
/// 404 to each GET (TARGETS 4), is not away.
pub const STREAK_MAX: u32 = 20;
/// Attempts that a run may spend on trouble, besides one for each object.
const RETRIES_BASE: u64 = 50;

/// Returns a delay before attempt `attempt` (from 1): exponential with full jitter, so
/// that many clients do not come back at the same moment. `random` is any number.
pub fn delay(attempt: u32, random: u64) -> Duration {
    let ceiling = DELAY_BASE.saturating_mul(1 << attempt.clamp(1, 16)).min(DELAY_MAX);
    let ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % (ms + 1))
}

/// Why a run is no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Trouble in a row.
    Streak(u32),
    /// The run's retries are spent.
    Retries(u64),
    /// The target made us wait too long.
    Throttled(Duration),
}

/// The pace of a run.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Time between two requests at the rate; zero without one.
    interval: Duration,
    /// The rate's next slot.
    slot: Duration,
    pause_until: Duration,
    throttles_in_a_row: u32,
    throttled: Duration,
    /// Of that, since the last answer that told something.
    put_off: Duration,
    streak: u32,
    streak_max: u32,
    retries: u64,
    retries_max: u64,
}

impl Pace {
    /// Starts at `rate_per_s` (none: as fast as may be), with `jobs` requests at the same
    /// time, for a plan of `objects`.
    pub fn new(rate_per_s: Option<f64>, jobs: usize, objects: u64) -> Self {
        let interval = match rate_per_s {
            Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX),
            Some(_) | None => Duration::ZERO,
        };
        Self {
            interval,
            slot: Duration::ZERO,
            pause_until: Duration::ZERO,
            throttles_in_a_row: 0,
            throttled: Duration::ZERO,
            put_off: Duration::ZERO,
            streak: 0,
            streak_max: STREAK_MAX.saturating_add(u32::try_from(jobs).unwrap_or(u32::MAX)),
            retries: 0,
            retries_max: RETRIES_BASE + objects,
        }
    }

    /// Returns the time from which a request may go.
    pub fn free_at(&self) -> Duration {
        self.slot.max(self.pause_until)
    }

    /// Takes the rate's slot for a request that goes now. A slot that was missed by less
    /// than the clock's grain is made up for; idle time is not saved up for a burst.
    pub fn take(&mut self, now: Duration) {
        const GRAIN: Duration = Duration::from_millis(5);
        self.slot = self.slot.max(now.saturating_sub(GRAIN)).saturating_add(self.interval);
    }

    /// Everybody waits: a 429 says nothing about one object.
    pub fn throttle(&mut self, now: Duration, asked: Option<Duration>, random: u64) {
        // Answers to what was sent before the pause say the same thing once more.
        if now >= self.pause_until {
            self.throttles_in_a_row += 1;
        }
        let own = DELAY_BASE + delay(self.throttles_in_a_row, random);
        let least = THROTTLE_MIN * (1 << self.throttles_in_a_row.clamp(1, 5)) / 2;
        self.pause(now, asked.unwrap_or(own).max(least.min(THROTTLE_STRETCH_MAX)));
    }

    /// Everybody waits for so long, as a Retry-After says.
    pub fn pause(&mut self, now: Duration, wait: Duration) {
        let until = now.saturating_add(wait).max(self.pause_until);
        let added = until.saturating_sub(self.pause_until.max(now));
        self.throttled = self.throttled.saturating_add(added);
        self.put_off = self.put_off.saturating_add(added);
        self.pause_until = until;
    }

    /// Counts trouble: an answer that told nothing.
    pub fn trouble(&mut self) {
        self.streak += 1;
        self.retries += 1;
    }

    /// Counts an answer that told something.
    pub fn told(&mut self) {
        self.streak = 0;
        self.throttles_in_a_row = 0;
        self.put_off = Duration::ZERO;
    }

    /// Returns how much trouble there was in a row up to now.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// Says whether nothing new should be begun.
    pub fn is_cautious(&self) -> bool {
        self.streak >= STREAK_CAUTIOUS
    }

    /// Returns the attempts spent on trouble.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns the time that the target made us wait.
    pub fn throttled(&self) -> Duration {
        self.throttled
    }

    /// Says whether going on is no use.
    pub fn exhausted(&self) -> Option<Exhausted> {
        if self.streak >= self.streak_max {
            Some(Exhausted::Streak(self.streak))
        } else if self.retries > self.retries_max {
            Some(Exhausted::Retries(self.retries))
        } else if self.put_off > THROTTLED_MAX {
            Some(Exhausted::Throttled(self.put_off))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn delays_double_and_end() {
        assert_eq!(delay(1, u64::MAX), MS(u64::MAX % 501));
        for (attempt, ceiling_ms) in [(1, 500), (2, 1000), (6, 16_000), (7, 30_000), (60, 30_000)] {
            assert_eq!(delay(attempt, ceiling_ms), MS(ceiling_ms), "attempt {attempt}");
            assert_eq!(delay(attempt, ceiling_ms + 1), MS(0), "attempt {attempt}");
        }
    }

    #[test]
    fn the_rate_spaces_requests_and_saves_nothing_up() {
        let mut pace = Pace::new(Some(10.0), 1, 0);
        pace.take(MS(1000));
        assert_eq!(pace.free_at(), MS(1095));
        pace.take(MS(1095));
        assert_eq!(pace.free_at(), MS(1195));
        pace.take(MS(9000));
        assert_eq!(pace.free_at(), MS(9095));
    }

    #[test]
    fn waits_that_overlap_count_once() {
        let mut pace = Pace::new(None, 1, 0);
        pace.pause(MS(1000), MS(5000));
        pace.pause(MS(2000), MS(5000));
        assert_eq!((pace.free_at(), pace.throttled()), (MS(7000), MS(6000)));
        pace.pause(MS(3000), THROTTLED_MAX);
        assert!(matches!(pace.exhausted(), Some(Exhausted::Throttled(_))));
    }

    #[test]
    fn trouble_in_a_row_ends_a_run() {
        let mut pace = Pace::new(None, 4, 1000);
        for _ in 1..STREAK_MAX + 4 {
            pace.trouble();
        }
        assert_eq!(pace.exhausted(), None);
        pace.trouble();
        assert_eq!(pace.exhausted(), Some(Exhausted::Streak(STREAK_MAX + 4)));
        pace.told();
        assert_eq!(pace.exhausted(), None);
    }
}
