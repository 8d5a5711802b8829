//! The last requests, for tests that ask what was sent, and how many of each kind there were.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// Requests kept; older ones are only counted.
pub const ENTRIES_MAX: usize = 20_000;
/// Characters of a request's target that are kept.
const TARGET_CHARS_MAX: usize = 200;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 1, by arrival.
    pub number: u64,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// The status of its answer; null before, and where the connection was cut.
    pub status: Option<u16>,
    /// The fault that struck it.
    pub fault: Option<&'static str>,
}

/// The last requests.
#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    arrived: u64,
    methods: BTreeMap<String, u64>,
}

impl Journal {
    /// Notes that a request arrived, and returns its number.
    pub fn arrived(&mut self, method: &str, target: &str) -> u64 {
        self.arrived += 1;
        if let Some(count) = self.methods.get_mut(method) {
            *count += 1;
        } else if self.methods.len() < 16 {
            self.methods.insert(method.to_owned(), 1);
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.pop_front();
        }
        let path = target.chars().take(TARGET_CHARS_MAX).collect();
        self.entries.push_back(Entry {
            number: self.arrived,
            method: method.to_owned(),
            path,
            status: None,
            fault: None,
        });
        self.arrived
    }

    /// Notes how a request was answered.
    pub fn answered(&mut self, number: u64, status: Option<u16>, fault: Option<&'static str>) {
        let first = self.entries.front().map_or(0, |entry| entry.number);
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.status = status;
            entry.fault = fault;
        }
    }

    /// Returns the requests that are kept, by arrival.
    pub fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    /// Returns how many arrived, ever.
    pub fn total(&self) -> u64 {
        self.arrived
    }

    /// Returns how many of each method arrived, ever.
    pub fn methods(&self) -> &BTreeMap<String, u64> {
        &self.methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_by_arrival_and_answered_in_any_order() {
        let mut journal = Journal::default();
        for n in 0..ENTRIES_MAX + 5 {
            journal.arrived("GET", &format!("/posts/{n}"));
        }
        journal.answered(3, Some(200), None);
        journal.answered(7, Some(404), Some("fail-before"));
        assert_eq!((journal.entries().len(), journal.total()), (ENTRIES_MAX, ENTRIES_MAX as u64 + 5));
        let entry = &journal.entries()[1];
        assert_eq!(
            (entry.number, entry.path.as_str(), entry.status, entry.fault),
            (7, "/posts/6", Some(404), Some("fail-before"))
        );
        assert!(journal.entries().iter().all(|entry| entry.number == 7 || entry.status.is_none()));
        assert_eq!(journal.methods()["GET"], ENTRIES_MAX as u64 + 5);
    }
}
