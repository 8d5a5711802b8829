//! A token bucket: so many requests a second, a second's worth of them at once.

use std::time::{Duration, Instant};

/// Tokens left at a point in time.
#[derive(Debug, Default)]
pub struct Bucket {
    state: Option<(Instant, f64)>,
}

impl Bucket {
    /// Takes a token at `now`, or returns after how long there is one. `rate` is in requests a second, above 0.
    pub fn take(&mut self, rate: f64, now: Instant) -> Result<(), Duration> {
        let full = rate.max(1.0);
        let left = match self.state {
            None => full,
            Some((then, left)) => (left + now.saturating_duration_since(then).as_secs_f64() * rate).min(full),
        };
        if left >= 1.0 {
            self.state = Some((now, left - 1.0));
            return Ok(());
        }
        self.state = Some((now, left));
        Err(Duration::try_from_secs_f64((1.0 - left) / rate).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_and_then_the_rate() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!((0..10).all(|_| bucket.take(10.0, start).is_ok()));
        let wait = bucket.take(10.0, start).unwrap_err();
        assert!((99..=101).contains(&wait.as_millis()), "{wait:?}");
        assert!(bucket.take(10.0, at(101)).is_ok());
        assert!(bucket.take(10.0, at(102)).is_err());
        assert_eq!((0..20).filter(|_| bucket.take(10.0, at(60_000)).is_ok()).count(), 10);
    }
}
