//! Places that several threads share: taken first come, first served, with a bounded wait, and given back by a guard.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many places, numbered from 0. A clone is the same queue.
#[derive(Debug, Clone)]
pub struct Queue {
    state: Arc<Mutex<PoolState>>,
    places: usize,
}

#[derive(Debug)]
struct PoolState {
    /// The one given back last is taken first: it is the warmest.
    free: Vec<usize>,
    waiting: VecDeque<Arc<Waiter>>,
}

/// A thread that waits, and the place that it was handed.
#[derive(Debug, Default)]
struct Waiter {
    handed: Mutex<Option<usize>>,
    called: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Makes a queue for so many places.
    pub fn new(places: usize) -> Self {
        let state = PoolState { free: (0..places).rev().collect(), waiting: VecDeque::new() };
        Self { state: Arc::new(Mutex::new(state)), places }
    }

    /// Returns how many places are taken.
    pub fn taken(&self) -> usize {
        self.places - lock(&self.state).free.len()
    }

    /// Takes a place; nothing where none becomes free within `wait_max`.
    pub fn take(&self, wait_max: Duration) -> Option<PoolPlace> {
        let waiter = {
            let mut state = lock(&self.state);
            if let Some(number) = state.free.pop() {
                return Some(PoolPlace { queue: self.clone(), number });
            }
            let waiter = Arc::new(Waiter::default());
            state.waiting.push_back(Arc::clone(&waiter));
            waiter
        };
        let deadline = Instant::now() + wait_max;
        let mut handed = lock(&waiter.handed);
        while handed.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            handed = waiter.called.wait_timeout(handed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut number = handed.take();
        drop(handed);
        if number.is_none() {
            let mut state = lock(&self.state);
            state.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
            // It may have been handed over in the last moment; not after this, as that happens under the lock.
            number = lock(&waiter.handed).take();
        }
        number.map(|number| PoolPlace { queue: self.clone(), number })
    }

    fn give_back(&self, number: usize) {
        let mut state = lock(&self.state);
        match state.waiting.pop_front() {
            Some(waiter) => {
                *lock(&waiter.handed) = Some(number);
                drop(state);
                waiter.called.notify_one();
            }
            None => state.free.push(number),
        }
    }
}

/// A place; dropped, it is free for the next one.
#[derive(Debug)]
pub struct PoolPlace {
    queue: Queue,
    number: usize,
}

impl Drop for PoolPlace {
    fn drop(&mut self) {
        self.queue.give_back(self.number);
    }
}

/// Things that are leased one by one.
#[derive(Debug)]
pub struct Pool<T> {
    items: Vec<Mutex<T>>,
    queue: Queue,
}

/// One of the things. The fields are dropped in this order: first the lock, then the place.
#[derive(Debug)]
pub struct Leased<'a, T> {
    item: MutexGuard<'a, T>,
    _place: PoolPlace,
}

impl<T> Pool<T> {
    /// Makes a pool of these things.
    pub fn new(items: impl IntoIterator<Item = T>) -> Self {
        let items: Vec<_> = items.into_iter().map(Mutex::new).collect();
        let queue = Queue::new(items.len());
        Self { items, queue }
    }

    /// Returns how many things are leased.
    pub fn leased(&self) -> usize {
        self.queue.taken()
    }

    /// Leases one; nothing where none becomes free within `wait_max`. One that a panic left in an unknown state is
    /// given to `mend` first.
    pub fn lease(&self, wait_max: Duration, mend: impl FnOnce(&mut T)) -> Option<Leased<'_, T>> {
        let place = self.queue.take(wait_max)?;
        let mutex = self.items.get(place.number)?;
        let item = mutex.lock().unwrap_or_else(|poisoned| {
            mutex.clear_poison();
            let mut item = poisoned.into_inner();
            mend(&mut item);
            item
        });
        Some(Leased { item, _place: place })
    }
}

impl<T> Deref for Leased<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for Leased<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn places_are_taken_in_the_order_of_the_requests() {
        let queue = Queue::new(1);
        let first = queue.take(Duration::ZERO).unwrap();
        assert!(queue.take(Duration::ZERO).is_none());
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..8 {
                let (queue, order) = (&queue, &order);
                scope.spawn(move || {
                    let _place = queue.take(LONG).unwrap();
                    order.lock().unwrap().push(number);
                });
                // The next one comes when this one waits.
                while lock(&queue.state).waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(queue.taken(), 0);
    }

    #[test]
    fn no_place_is_lost_or_given_twice() {
        let queue = Queue::new(3);
        let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for number in 0..16_u64 {
                let (queue, inside, served) = (&queue, &inside, &served);
                scope.spawn(move || {
                    for round in 0..500 {
                        // Some give up at once, some after a moment, most are served.
                        let wait_max = Duration::from_micros(if (number + round) % 3 == 0 { 20 } else { 5_000_000 });
                        if let Some(_place) = queue.take(wait_max) {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!((queue.taken(), lock(&queue.state).waiting.len()), (0, 0));
        assert!(served.into_inner() > 5_000);
    }

    #[test]
    fn what_a_panic_left_behind_is_mended_before_the_next_lease() {
        let pool = Pool::new([1]);
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let mut item = pool.lease(LONG, |_| {}).unwrap();
            *item = 2;
            panic!("in the middle of something");
        }));
        assert!(broken.is_err() && pool.leased() == 0);
        let mended = pool.lease(Duration::ZERO, |item| *item = 3).unwrap();
        assert_eq!((*mended, pool.leased()), (3, 1));
        drop(mended);
        assert_eq!(*pool.lease(Duration::ZERO, |_| unreachable!()).unwrap(), 3);
    }
}
