//! A set of ids: which came already.

use alloc::collections::BTreeMap;

/// A set of ids, 64 to a word: a dense million takes 400 KB.
#[derive(Debug, Clone, Default)]
pub struct IdSet(BTreeMap<i64, u64>);

impl IdSet {
    /// Takes `id` in. Returns false if it was in the set already.
    pub fn insert(&mut self, id: i64) -> bool {
        let (word, bit) = place(id);
        let bits = self.0.entry(word).or_insert(0);
        let new = *bits & bit == 0;
        *bits |= bit;
        new
    }

    /// Says whether `id` is in the set.
    pub fn contains(&self, id: i64) -> bool {
        let (word, bit) = place(id);
        self.0.get(&word).is_some_and(|bits| bits & bit != 0)
    }
}

impl IdSet {
    /// Returns the ids, in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        let of_word = |(word, bits): (&i64, &u64)| {
            let (word, bits) = (*word, *bits);
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| (word << 6) | bit)
        };
        self.0.iter().flat_map(of_word)
    }
}

fn place(id: i64) -> (i64, u64) {
    (id >> 6, 1 << (id & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn an_id_is_new_once() {
        let mut ids = IdSet::default();
        for id in [1, 0, 63, 64, 65, -1, i64::MIN, i64::MAX, 9_007_199_254_740_991] {
            assert!(!ids.contains(id), "{id}");
            assert!(ids.insert(id), "{id}");
            assert!(!ids.insert(id), "{id}");
            assert!(ids.contains(id), "{id}");
        }
        assert!(!ids.contains(2) && !ids.contains(62) && !ids.contains(-2));
        let all: Vec<i64> = ids.iter().collect();
        assert_eq!(all, [i64::MIN, -1, 0, 1, 63, 64, 65, 9_007_199_254_740_991, i64::MAX]);
    }
}
