//! The clock of a process: it never goes back, and it counts the time in which the machine is suspended.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of CLOCK_BOOTTIME. `std::time::Instant` (CLOCK_MONOTONIC) stands still while the machine is suspended: a lease
/// would outlive its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(Duration);

impl Tick {
    /// Returns the present moment.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
        Self(Duration::new(seconds, nanos))
    }

    /// Returns it in milliseconds since the machine was started.
    pub fn as_ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the time since then.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// Returns the time from `earlier` to this moment; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Tick {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward() {
        let begun = Tick::now();
        assert!(begun.elapsed() < Duration::from_mins(1) && Tick::now() >= begun);
        assert_eq!((begun + Duration::from_secs(2)).since(begun), Duration::from_secs(2));
        assert_eq!(begun.since(begun + Duration::from_secs(2)), Duration::ZERO);
    }
}
