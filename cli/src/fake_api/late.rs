//! Writes that come into force later, by due time. Whoever looks at the stock brings the due ones into force first:
//! nobody can tell that from a clock doing it.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::fake_api::mode::Write;

/// Writes that wait, at most; the next one comes into force at once.
pub const LATE_MAX: usize = 100_000;

/// The writes that wait.
#[derive(Debug, Default)]
pub struct Late {
    waiting: BTreeMap<(Instant, u64), Write>,
    next: u64,
}

impl Late {
    /// Lets `write` wait until `due`; gives it back if there is no room.
    pub fn push(&mut self, due: Instant, write: Write) -> Result<(), Write> {
        if self.waiting.len() >= LATE_MAX {
            return Err(write);
        }
        self.waiting.insert((due, self.next), write);
        self.next += 1;
        Ok(())
    }

    /// Takes the writes that are due at `now`, in the order of their times.
    pub fn due(&mut self, now: Instant) -> Vec<Write> {
        let mut later = self.waiting.split_off(&(now, u64::MAX));
        std::mem::swap(&mut self.waiting, &mut later);
        later.into_values().collect()
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::mode::Wish;
    use crate::fake_api::record::Id;
    use news_core::Entity;
    use std::time::Duration;

    #[test]
    fn due_in_the_order_of_their_times() {
        let (mut late, start) = (Late::default(), Instant::now());
        let write = |id| Write { entity: Entity::Post, wish: Wish::Remove(Id::Number(id)), fresh: 0 };
        for (ms, id) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
            late.push(start + Duration::from_millis(ms), write(id)).unwrap();
        }
        assert_eq!(late.due(start), []);
        assert_eq!(late.due(start + Duration::from_millis(20)), [write(2), write(4), write(3)]);
        assert_eq!((late.len(), late.due(start + Duration::from_secs(1))), (1, vec![write(1)]));
    }
}
