//! The master's rows x the target's listing -> differences, in one pass.
//!
//! In scope: joining two streams of one entity, the local one in id order, the target's in
//! any order. What has found no partner yet is held back as id and
//! fingerprint, so memory grows with the listing's disorder and not with its size.
//!
//! Out of scope: where the streams come from, and texts: who reports a difference reads
//! both sides again, which is also the second look that confirms it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::fingerprint::Fingerprint;
use crate::ids::IdSet;
use crate::model::{Entity, Key, Object};
use crate::wire::Element;

/// How an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// At the master only.
    Missing,
    /// At the target only.
    Extra,
    /// On both sides, with other fields.
    Different,
    /// The target lists its id more than once.
    Duplicate,
    /// The target lists something under its id that is no such object.
    Unreadable,
}

impl Kind {
    /// Returns the word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Different => "different",
            Kind::Duplicate => "duplicate",
            Kind::Unreadable => "unreadable",
        }
    }
}

/// An object that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// How.
    pub kind: Kind,
}

/// What a join saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows at the master.
    pub local: u64,
    /// Elements in the target's listing.
    pub target: u64,
    /// Objects that are the same on both sides, or altered, and listed once.
    pub equal: u64,
    /// Of these, those of which the target keeps what it made of the row ([`Kept`](crate::kept::Kept)).
    pub altered: u64,
    /// Elements with no id that could be ours.
    pub nameless: u64,
    /// Elements whose id came before.
    pub copies: u64,
}

impl Counts {
    /// Returns how many objects the target has that could be ours, each counted once.
    pub fn objects(&self) -> u64 {
        self.target.saturating_sub(self.nameless + self.copies)
    }
}

/// What a row and an element under the same id come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The same fields.
    Equal,
    /// The fields that the target made of the row's.
    Altered,
    /// Other fields.
    Different,
    /// The element cannot be read.
    Unreadable,
}

/// The join of one entity. Feed it [`Join::local`] in id order and [`Join::target`] in any;
/// whenever [`Join::wants_local`] says so, the next local row should come first.
#[derive(Debug)]
pub struct Join {
    entity: Entity,
    /// Rows and elements without a partner yet.
    local: BTreeMap<i64, Fingerprint>,
    target: BTreeMap<i64, Option<Fingerprint>>,
    /// Elements for which no row can come any more, and such that cannot be read.
    extra: IdSet,
    faulty: IdSet,
    rowless: usize,
    local_last: i64,
    rows_ended: bool,
    /// Ids the target listed, to notice the second time.
    ids: IdSet,
    doubled: IdSet,
    /// What the target made of rows without a partner, and of the row that comes next.
    kept: BTreeMap<i64, Fingerprint>,
    altered: IdSet,
    different: Vec<Difference>,
    counts: Counts,
}

impl Join {
    /// Starts a join.
    pub fn new(entity: Entity) -> Self {
        Self {
            entity,
            local: BTreeMap::new(),
            target: BTreeMap::new(),
            extra: IdSet::default(),
            faulty: IdSet::default(),
            rowless: 0,
            local_last: 0,
            rows_ended: false,
            ids: IdSet::default(),
            doubled: IdSet::default(),
            kept: BTreeMap::new(),
            altered: IdSet::default(),
            different: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Says whether local rows up to `id` are still to come: taking them before the
    /// element with this id keeps what is held back small.
    pub fn wants_local(&self, id: i64) -> bool {
        self.local_last < id
    }

    /// Says what the target made of the row that comes next: it is as good as the row itself.
    pub fn keeps(&mut self, key: Key, kept: Fingerprint) {
        self.kept.insert(key.id(), kept);
    }

    /// Takes the next local row.
    pub fn local(&mut self, object: &Object) {
        self.row(object.key(), Fingerprint::of(object));
    }

    /// Takes the next local row, of which only the fingerprint is at hand.
    pub fn row(&mut self, key: Key, here: Fingerprint) {
        let id = key.id();
        self.counts.local += 1;
        self.local_last = id;
        match self.target.remove(&id) {
            Some(there) => self.pair(key, here, there),
            None => {
                self.local.insert(id, here);
            }
        }
    }

    /// Takes the next element of the listing.
    pub fn target(&mut self, element: &Element<'_>) {
        self.listed(element.key(), || element.fingerprint());
    }

    /// Takes the next element of the listing: its key, if its id is one that we could have,
    /// and its fingerprint, if all its fields could be read.
    pub fn listed(&mut self, key: Option<Key>, there: impl FnOnce() -> Option<Fingerprint>) {
        let Some(key) = self.arrive(key) else { return };
        let there = there();
        match self.local.remove(&key.id()) {
            Some(here) => self.pair(key, here, there),
            None if !self.rows_ended && self.wants_local(key.id()) => {
                self.target.insert(key.id(), there);
            }
            None => {
                let set = if there.is_some() { &mut self.extra } else { &mut self.faulty };
                set.insert(key.id());
                self.rowless += 1;
            }
        }
    }

    /// Says that no further local row comes.
    pub fn end_rows(&mut self) {
        self.rows_ended = true;
    }

    /// Takes the next local row and the next element at once, where both are of `key`: no
    /// fingerprint is needed then, but where the element came before (`here`).
    pub fn both(&mut self, key: Key, found: Match, here: impl FnOnce() -> Fingerprint) {
        if self.arrive(Some(key)).is_none() {
            self.row(key, here());
            return;
        }
        self.counts.local += 1;
        self.local_last = key.id();
        self.kept.remove(&key.id());
        match found {
            Match::Equal => {}
            Match::Altered => drop(self.altered.insert(key.id())),
            Match::Different => self.different.push(Difference { key, kind: Kind::Different }),
            Match::Unreadable => self.different.push(Difference { key, kind: Kind::Unreadable }),
        }
    }

    /// Returns how many elements are known to differ, or have no row yet.
    pub fn found(&self) -> usize {
        self.target.len() + self.rowless + self.different.len()
    }

    /// Counts an element. Returns its key if it is one of ours, and comes for the first time.
    fn arrive(&mut self, key: Option<Key>) -> Option<Key> {
        self.counts.target += 1;
        let Some(key) = key else {
            self.counts.nameless += 1;
            return None;
        };
        if !self.ids.insert(key.id()) {
            self.counts.copies += 1;
            // Noted once: a listing may say the same without end.
            if self.doubled.insert(key.id()) {
                self.different.push(Difference { key, kind: Kind::Duplicate });
            }
            return None;
        }
        Some(key)
    }

    fn pair(&mut self, key: Key, here: Fingerprint, there: Option<Fingerprint>) {
        let kept = if self.kept.is_empty() { None } else { self.kept.remove(&key.id()) };
        match there {
            Some(there) if there == here => {}
            Some(there) if kept == Some(there) => drop(self.altered.insert(key.id())),
            Some(_) => self.different.push(Difference { key, kind: Kind::Different }),
            None => self.different.push(Difference { key, kind: Kind::Unreadable }),
        }
    }

    /// Ends the join: what has no partner now has none. Returns the differences by key
    /// (a duplicate hides what else is wrong with its object) and what was seen.
    pub fn finish(mut self) -> (Vec<Difference>, Counts) {
        let mut all = core::mem::take(&mut self.different);
        let sides = self.local.keys().map(|id| (*id, Kind::Missing));
        let sides = sides.chain(self.target.iter().map(|(id, there)| match there {
            Some(_) => (*id, Kind::Extra),
            None => (*id, Kind::Unreadable),
        }));
        let sides = sides.chain(self.extra.iter().map(|id| (id, Kind::Extra)));
        let sides = sides.chain(self.faulty.iter().map(|id| (id, Kind::Unreadable)));
        // The ids were keys when they came.
        all.extend(sides.filter_map(|(id, kind)| Some(Difference { key: self.entity.key(id).ok()?, kind })));
        all.sort_unstable_by_key(|d| (d.key, d.kind != Kind::Duplicate, d.kind));
        all.dedup_by_key(|d| d.key);
        // Every row is equal or in the list. Counting equal pairs as they come would depend
        // on which of an id's several elements came first.
        let is_row = |id| !self.target.contains_key(&id) && !self.extra.contains(id) && !self.faulty.contains(id);
        let rows = all.iter().filter(|d| is_row(d.key.id())).count();
        self.counts.equal = self.counts.local.saturating_sub(rows as u64);
        let differs = |id: &i64| all.binary_search_by_key(id, |difference| difference.key.id()).is_ok();
        self.counts.altered = self.altered.iter().filter(|id| !differs(id)).count() as u64;
        (all, self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    fn element(json: &str) -> Element<'_> {
        Element::from_json(Entity::Post, json.as_bytes()).unwrap()
    }

    fn post(id: i64, title: &str) -> String {
        format!(r#"{{"id":{id},"userId":1,"title":"{title}","body":""}}"#)
    }

    #[test]
    fn every_kind_in_any_order() {
        let local: Vec<Object> = (1..=5).map(|id| element(&post(id, "t")).into_object().unwrap()).collect();
        let listing = [
            post(9, "t"),
            post(4, "t"),
            post(2, "other"),
            String::from(r#"{"id":3,"title":"t"}"#),
            post(1, "t"),
            post(4, "t"),
            String::from(r#"{"id":-1}"#),
            String::from(r#"{"id":8}"#),
        ];
        let key = |id| Entity::Post.key(id).unwrap();
        let expected = vec![
            Difference { key: key(2), kind: Kind::Different },
            Difference { key: key(3), kind: Kind::Unreadable },
            Difference { key: key(4), kind: Kind::Duplicate },
            Difference { key: key(5), kind: Kind::Missing },
            Difference { key: key(8), kind: Kind::Unreadable },
            Difference { key: key(9), kind: Kind::Extra },
        ];
        for split in 0..=local.len() {
            let mut join = Join::new(Entity::Post);
            for object in &local[..split] {
                join.local(object);
            }
            for json in &listing {
                join.target(&element(json));
            }
            for object in &local[split..] {
                join.local(object);
            }
            let (differences, counts) = join.finish();
            assert_eq!(differences, expected, "split at {split}");
            assert_eq!(counts, Counts { local: 5, target: 8, equal: 1, altered: 0, nameless: 1, copies: 1 });
        }
    }
}
