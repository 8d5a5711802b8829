//! Following the change log: each committed event once, also one that commits after events with higher ids.
//!
//! Ids are handed out in order, and transactions commit in any order: a reader that asks for what is behind the highest id it
//! has seen misses what commits late. An id that is missing belongs to a transaction that is open, or to one that was
//! rolled back: then it never comes.
//!
//! ```text
//! one look:   1. which transactions may write to the log (they hold a lock on it until they end)
//!             2. in a snapshot taken after that: the events in the gaps, and those behind the highest id
//! a gap goes: once no transaction is left that was open in each look since the gap was seen. Whatever of its ids was
//!             to be committed was committed before the last look's snapshot.
//! ```
//!
//! That holds as long as a transaction takes the lock before it is given an id, which an INSERT does.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// Gaps that are remembered. Each is between two events, so there are more only if very many transactions are open, or were
/// rolled back beside one that stays open.
pub const GAPS_MAX: usize = 10_000;

/// A range of ids of which none was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gap {
    first: i64,
    last: i64,
    /// Transactions that were open in each look since it was seen; `None`: there was no look since.
    writers: Option<BTreeSet<String>>,
}

/// How far a reader has followed the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    highest: i64,
    gaps: Vec<Gap>,
}

/// Ids that were given up, although an event may still come: there were more than [`GAPS_MAX`] gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Tail {
    /// Begins behind `ids`, in ascending order, which were seen; ids up to `floor` are left alone.
    pub fn new(floor: i64, ids: impl IntoIterator<Item = i64>) -> Self {
        let mut tail = Self { highest: floor, gaps: Vec::new() };
        for id in ids {
            tail.see(id);
        }
        tail
    }

    /// Returns the highest id that was seen: what is behind it is to be asked for.
    pub fn highest(&self) -> i64 {
        self.highest
    }

    /// Returns the ranges of ids to be asked for besides, from first to last.
    pub fn gaps(&self) -> impl Iterator<Item = (i64, i64)> {
        self.gaps.iter().map(|gap| (gap.first, gap.last))
    }

    /// Takes a look: the transactions that might write, and then all events in the gaps, and the next ones behind the highest id,
    /// by ascending ids.
    pub fn look(&mut self, writers: &BTreeSet<String>, ids: impl IntoIterator<Item = i64>) -> Option<GivenUp> {
        for gap in &mut self.gaps {
            gap.writers = Some(match &gap.writers {
                None => writers.clone(),
                Some(before) => before.intersection(writers).cloned().collect(),
            });
        }
        self.read(ids);
        self.gaps.retain(|gap| gap.writers.as_ref().is_none_or(|writers| !writers.is_empty()));
        self.limit()
    }

    /// Takes some events only, by ascending ids: there are more, so no gap goes.
    pub fn read(&mut self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            self.see(id);
        }
    }

    /// Forgets which transactions were open: a server that was restarted gives prepared transactions other names.
    pub fn reconnected(&mut self) {
        for gap in &mut self.gaps {
            gap.writers = None;
        }
    }

    fn see(&mut self, id: i64) {
        if id > self.highest {
            if id > self.highest + 1 {
                self.gaps.push(Gap { first: self.highest + 1, last: id - 1, writers: None });
            }
            self.highest = id;
            return;
        }
        // Gaps are in ascending order.
        let at = self.gaps.partition_point(|gap| gap.last < id);
        if self.gaps.get(at).is_none_or(|gap| id < gap.first) {
            return;
        }
        let Gap { first, last, writers } = self.gaps.remove(at);
        let parts = [(first, id - 1), (id + 1, last)].into_iter().filter(|(first, last)| first <= last);
        let parts = parts.map(|(first, last)| Gap { first, last, writers: writers.clone() });
        self.gaps.splice(at..at, parts.collect::<Vec<_>>());
    }

    fn limit(&mut self) -> Option<GivenUp> {
        let excess = self.gaps.len().saturating_sub(GAPS_MAX);
        let (first, last) = (self.gaps.first()?.first, self.gaps.get(excess.checked_sub(1)?)?.last);
        self.gaps.drain(..excess);
        Some(GivenUp { first, last })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    fn open(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_gap_is_asked_for_until_its_writers_have_ended() {
        let mut tail = Tail::new(10, [11, 14]);
        assert_eq!((tail.highest(), tail.gaps().collect::<Vec<_>>()), (14, vec![(12, 13)]));
        tail.look(&open(&["a", "b"]), []);
        // One that came later cannot have an id that was there before.
        tail.look(&open(&["b", "c"]), [13]);
        assert_eq!(tail.gaps().collect::<Vec<_>>(), [(12, 12)]);
        tail.look(&open(&["c"]), [15]);
        assert_eq!((tail.highest(), tail.gaps().count()), (15, 0));
    }

    #[test]
    fn an_empty_look_leaves_nothing_to_ask_for_where_nobody_writes() {
        let mut tail = Tail::new(0, [3]);
        assert_eq!(tail.look(&open(&[]), [2, 9]), None);
        assert_eq!(
            tail.gaps().collect::<Vec<_>>(),
            [(4, 8)],
            "seen in this look, so nothing is known of its writers yet"
        );
        tail.look(&open(&[]), []);
        assert_eq!(tail.gaps().count(), 0);
    }

    #[test]
    fn a_gap_stays_while_its_events_are_read_in_parts_and_while_a_restart_renames_its_writers() {
        let mut tail = Tail::new(0, [5]);
        tail.look(&open(&["3/7"]), []);
        tail.read([1, 2]);
        assert_eq!(tail.gaps().collect::<Vec<_>>(), [(3, 4)]);
        tail.reconnected();
        tail.look(&open(&["-1/99"]), []);
        assert_eq!(tail.gaps().collect::<Vec<_>>(), [(3, 4)]);
        tail.look(&open(&[]), [4]);
        assert_eq!(tail.gaps().count(), 0);
    }

    #[test]
    fn gaps_are_bounded_and_what_is_given_up_is_told() {
        let ids = (1..).map(|n| 2 * n).take(GAPS_MAX + 2);
        let mut tail = Tail::new(0, ids);
        let given_up = tail.look(&open(&["long"]), []);
        assert_eq!(given_up, Some(GivenUp { first: 1, last: 3 }));
        assert_eq!(tail.gaps().count(), GAPS_MAX);
    }
}
