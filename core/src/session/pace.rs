//! How fast: jobs, the rate, pauses that the target asks for, and when to give up.
//!
//! A limit may be the target's or one object's. The first 429 puts off its object as told, and everybody for a second
//! at most; then requests go one at a time. An answer that tells something shows that the others may go on. A second
//! object that is put off before shows that the limit is everybody's.

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
/// The first object that is put off stops all others no longer than this: then one of them is tried.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// After a limit requests go one at a time; so many answers, and there may be one more.
const TOLD_PER_JOB: u32 = 4;
/// So much trouble in a row, over all objects, and nothing new is begun.
pub const STREAK_CAUTIOUS: u32 = 10;
/// So much trouble in a row besides what was under way, and the target is taken to be away.
/// What had begun was tried again by then: a target that answers 500 to many PUTs, and then
/// 404 to each GET, is not away.
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

/// An object that was put off, with nothing told by others since.
#[derive(Debug, Clone, Copy)]
struct Limit {
    place: usize,
    until: Duration,
}

/// The pace of a run.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Time between two requests at the rate; zero without one.
    interval: Duration,
    /// The rate's next slot.
    slot: Duration,
    jobs_max: usize,
    /// Requests in flight at the same time, for now.
    jobs: usize,
    /// Answers since that was changed.
    told_at_jobs: u32,
    limit: Option<Limit>,
    pause_from: Duration,
    pause_until: Duration,
    throttles_in_a_row: u32,
    /// Time waited in pauses that are over.
    waited: Duration,
    /// Time announced, since the last answer that told something.
    put_off: Duration,
    /// Answers that told something.
    told: u64,
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
        let jobs = jobs.max(1);
        Self {
            interval,
            slot: Duration::ZERO,
            jobs_max: jobs,
            jobs,
            told_at_jobs: 0,
            limit: None,
            pause_from: Duration::ZERO,
            pause_until: Duration::ZERO,
            throttles_in_a_row: 0,
            waited: Duration::ZERO,
            put_off: Duration::ZERO,
            told: 0,
            streak: 0,
            streak_max: STREAK_MAX.saturating_add(u32::try_from(jobs).unwrap_or(u32::MAX)),
            retries: 0,
            retries_max: RETRIES_BASE + objects,
        }
    }

    /// Returns how many requests may be in flight at the same time, for now.
    pub fn jobs(&self) -> usize {
        self.jobs
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

    /// The object at `place` is put off, for as long as was `asked`, or else for a delay of ours. Returns until when.
    pub fn throttle(&mut self, place: usize, now: Duration, asked: Option<Duration>, random: u64) -> Duration {
        // Answers to what was sent before the pause say the same thing once more.
        if now >= self.pause_until {
            self.throttles_in_a_row += 1;
        }
        let own = DELAY_BASE + delay(self.throttles_in_a_row, random);
        let least = THROTTLE_MIN * (1 << self.throttles_in_a_row.clamp(1, 5)) / 2;
        self.hold(place, now, asked.unwrap_or(own).max(least.min(THROTTLE_STRETCH_MAX)))
    }

    /// The object at `place` waits so long. If another one does already, so does everybody. Returns until when.
    pub fn hold(&mut self, place: usize, now: Duration, wait: Duration) -> Duration {
        let until = now.saturating_add(wait);
        (self.jobs, self.told_at_jobs) = (1, 0);
        match self.limit {
            Some(limit) if limit.place != place && now < limit.until => {
                let all = until.max(limit.until);
                self.limit = Some(Limit { until: all, ..limit });
                self.pause(now, all.saturating_sub(now));
            }
            Some(_) | None => {
                self.limit = Some(Limit { place, until });
                self.pause(now, wait.min(PAUSE_MAX));
            }
        }
        until
    }

    /// Everybody waits for so long.
    pub fn pause(&mut self, now: Duration, wait: Duration) {
        let until = now.saturating_add(wait).max(self.pause_until);
        self.put_off = self.put_off.saturating_add(until.saturating_sub(self.pause_until.max(now)));
        if now >= self.pause_until {
            self.waited = self.waited.saturating_add(self.pause_until.saturating_sub(self.pause_from));
            self.pause_from = now;
        }
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
        self.limit = None;
        self.told += 1;
        self.told_at_jobs += 1;
        if self.told_at_jobs >= TOLD_PER_JOB && self.jobs < self.jobs_max {
            (self.jobs, self.told_at_jobs) = (self.jobs + 1, 0);
        }
    }

    /// Returns how many answers told something.
    pub fn told_count(&self) -> u64 {
        self.told
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

    /// Returns the time that the target has made everybody wait until `now`: of what it announced, what has passed.
    pub fn throttled(&self, now: Duration) -> Duration {
        self.waited.saturating_add(now.min(self.pause_until).saturating_sub(self.pause_from))
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
    use alloc::vec::Vec;

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
    fn waits_that_overlap_count_once_and_as_far_as_they_have_passed() {
        let mut pace = Pace::new(None, 1, 0);
        pace.pause(MS(1000), MS(5000));
        pace.pause(MS(2000), MS(5000));
        assert_eq!(
            (pace.free_at(), pace.throttled(MS(3000)), pace.throttled(MS(9000))),
            (MS(7000), MS(2000), MS(6000))
        );
        pace.pause(MS(10_000), MS(500));
        assert_eq!((pace.throttled(MS(10_100)), pace.throttled(MS(99_000))), (MS(6100), MS(6500)));
        pace.pause(MS(11_000), THROTTLED_MAX);
        assert!(matches!(pace.exhausted(), Some(Exhausted::Throttled(_))));
        // Announced, and not waited for.
        assert_eq!(pace.throttled(MS(11_000)), MS(6500));
    }

    #[test]
    fn the_first_object_that_is_put_off_stops_the_others_for_a_second_and_the_second_one_everybody() {
        let wait = Some(MS(30_000));
        let mut pace = Pace::new(None, 4, 0);
        assert_eq!(pace.throttle(1, MS(0), wait, 0), MS(30_000));
        assert_eq!((pace.free_at(), pace.jobs()), (MS(1000), 1));
        // Another one is accepted: the rest goes on, slowly at first, and a second limit is a first one again.
        pace.told();
        assert_eq!(pace.throttle(2, MS(2000), wait, 0), MS(32_000));
        assert_eq!(pace.free_at(), MS(3000));
        assert_eq!(pace.throttle(3, MS(3000), wait, 0), MS(33_000));
        assert_eq!(pace.free_at(), MS(33_000));
        // The same object again tells nothing of others.
        let mut pace = Pace::new(None, 4, 0);
        pace.throttle(1, MS(0), wait, 0);
        pace.throttle(1, MS(1000), wait, 0);
        assert_eq!(pace.free_at(), MS(2000));
        // Its time is over by then: it is a first one again.
        let mut pace = Pace::new(None, 4, 0);
        pace.throttle(1, MS(0), Some(MS(2000)), 0);
        pace.throttle(2, MS(2000), wait, 0);
        assert_eq!(pace.free_at(), MS(3000));
    }

    #[test]
    fn after_a_limit_requests_become_more_one_by_one() {
        let mut pace = Pace::new(None, 3, 0);
        pace.throttle(1, MS(0), None, 0);
        let mut jobs = Vec::new();
        for _ in 0..12 {
            pace.told();
            jobs.push(pace.jobs());
        }
        assert_eq!(jobs, [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
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
