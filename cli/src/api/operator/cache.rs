//! An answer that is the same for everybody: kept for a while, made by one request for all that ask meanwhile.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::response::Problem;

/// A client that waited this long for another one's answer is better told to come again.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// What is kept of a failure: everybody would only fail once more.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// It is kept no longer than this, whatever it costs to make.
const KEPT_MAX: Duration = Duration::from_secs(30);

/// A cached answer.
pub struct Cache<T> {
    state: Mutex<CacheState<T>>,
    changed: Condvar,
    /// It is kept for at least so long.
    kept: Duration,
    /// Making it takes at most one part in so many of the time.
    share: u32,
}

struct CacheState<T> {
    last: Option<KeptOverview<T>>,
    is_making: bool,
    /// Raised by what changes the answer.
    generation: u64,
}

struct KeptOverview<T> {
    answer: Result<T, Problem>,
    until: Instant,
    generation: u64,
}

/// The right to make the answer; gives it back also if that panics.
struct Making<'c, T>(&'c Cache<T>);

impl<T> Drop for Making<'_, T> {
    fn drop(&mut self) {
        self.0.state().is_making = false;
        self.0.changed.notify_all();
    }
}

impl<T: Clone> Cache<T> {
    /// Makes an empty one.
    pub fn new(kept: Duration, share: u32) -> Self {
        let state = CacheState { last: None, is_making: false, generation: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), kept, share }
    }

    /// Makes sure that the next answer is one that was begun after this.
    pub fn forget(&self) {
        self.state().generation += 1;
    }

    /// Returns the answer: the one that is kept, or a new one. While another request makes a new one, the old one is returned,
    /// unless it was forgotten.
    pub fn get(&self, make: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut state = self.state();
        let generation = loop {
            let generation = state.generation;
            let last = state.last.as_ref().filter(|last| last.generation == generation);
            match last {
                Some(last) if Instant::now() < last.until => return last.answer.clone(),
                Some(last) if state.is_making && last.answer.is_ok() => return last.answer.clone(),
                Some(_) | None if !state.is_making => break generation,
                Some(_) | None => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Problem::Unavailable(crate::api::response::DATABASE_BUSY));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        state.is_making = true;
        drop(state);
        let making = Making(self);
        let begun = Instant::now();
        let answer = make();
        let kept = match &answer {
            Ok(_) => self.kept.max(begun.elapsed() * self.share).min(KEPT_MAX),
            Err(_) => FAILURE_KEPT,
        };
        let until = Instant::now() + kept;
        self.state().last = Some(KeptOverview { answer: answer.clone(), until, generation });
        drop(making);
        answer
    }
}

impl<T> Cache<T> {
    fn state(&self) -> MutexGuard<'_, CacheState<T>> {
        // Nothing that panics runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_request_makes_it_for_all() {
        let cache = Cache::new(Duration::from_mins(1), 1);
        let made = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = cache.get(|| Ok(made.fetch_add(1, Ordering::SeqCst)));
                    assert_eq!(answer, Ok(0));
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn what_is_forgotten_is_made_anew_and_what_is_old_serves_meanwhile() {
        let cache = Cache::new(Duration::ZERO, 0);
        assert_eq!(cache.get(|| Ok(1)), Ok(1));
        let (begun, go) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            let slow = scope.spawn(|| {
                cache.get(|| {
                    begun.wait();
                    go.wait();
                    Ok(2)
                })
            });
            begun.wait();
            assert_eq!(cache.get(|| unreachable!()), Ok(1));
            cache.forget();
            let patient = scope.spawn(|| cache.get(|| Ok(3)));
            go.wait();
            // Its making had begun before.
            assert_eq!((slow.join().unwrap(), patient.join().unwrap()), (Ok(2), Ok(3)));
        });
    }

    #[test]
    fn a_panic_leaves_room_for_the_next() {
        let cache = Cache::<u32>::new(Duration::ZERO, 0);
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.get(|| panic!("in the middle"))));
        assert!(broken.is_err());
        assert_eq!(cache.get(|| Err(Problem::Internal)), Err(Problem::Internal));
        // For a moment.
        assert_eq!(cache.get(|| Ok(1)), Err(Problem::Internal));
    }
}
