//! The data: two collections in the order of insertion, found by id and by post. No lock, no socket, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use news_core::Entity;
use serde::Serialize;

use crate::fake_api::record::{Id, Record};

/// Records in a collection. A test of "a million objects" fits, a runaway loop ends.
pub const RECORDS_MAX: usize = 2_000_000;
/// JSON of both collections, in bytes: half of a small machine's memory.
pub const BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// Where a record stands; higher is later. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

/// What happened to the records of one id, ever: what came into force, not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Records that came into being under this id.
    pub creates: u64,
    /// Replaced or patched.
    pub updates: u64,
    /// Removed, cascades included.
    pub deletes: u64,
    /// Creates refused because the id was there.
    pub refused: u64,
}

/// One step of a change of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A record comes in, last.
    Insert(Entity, Arc<Record>),
    /// The record at a place becomes another one of the same id.
    Replace(Entity, Place, Arc<Record>),
    /// The record at a place goes.
    Remove(Entity, Place),
    /// Nothing changes, but it was tried: a create under an id that is there.
    Refuse(Entity, Id),
}

/// Posts or comments.
#[derive(Debug, Default)]
pub struct Collection {
    records: BTreeMap<Place, Arc<Record>>,
    by_id: HashMap<Id, Vec<Place>>,
    by_post: HashMap<Id, BTreeSet<Place>>,
    tallies: HashMap<Id, Tally>,
    next: u64,
    bytes: usize,
}

impl Collection {
    /// Returns how many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the records in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Arc<Record>)> {
        self.records.iter().map(|(place, record)| (*place, record))
    }

    /// Returns the oldest record with this id.
    pub fn first(&self, id: &Id) -> Option<(Place, &Arc<Record>)> {
        let place = *self.by_id.get(id)?.first()?;
        Some((place, self.records.get(&place)?))
    }

    /// Returns every record with this id, the oldest first.
    pub fn of_id(&self, id: &Id) -> impl Iterator<Item = (Place, &Arc<Record>)> {
        let places = self.by_id.get(id).into_iter().flatten();
        places.filter_map(|place| Some((*place, self.records.get(place)?)))
    }

    /// Returns the records that belong to a post, in order.
    pub fn of_post(&self, post: &Id) -> impl Iterator<Item = (Place, &Arc<Record>)> {
        let places = self.by_post.get(post).into_iter().flatten();
        places.filter_map(|place| Some((*place, self.records.get(place)?)))
    }

    /// Returns the id after the highest number; 1 if there is none.
    pub fn next_id(&self) -> Id {
        let numbers = self.by_id.keys().filter_map(|id| match id {
            Id::Number(number) => Some(*number),
            Id::Text(_) => None,
        });
        Id::Number(numbers.max().map_or(1, |highest| highest.saturating_add(1)))
    }

    /// Returns what happened to each id, by id.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        self.tallies.iter().map(|(id, tally)| (id.to_string(), *tally)).collect()
    }

    fn insert(&mut self, record: Arc<Record>) {
        let place = Place(self.next);
        self.next += 1;
        self.bytes += record.json().len();
        self.by_id.entry(record.id().clone()).or_default().push(place);
        if let Some(post) = record.post() {
            self.by_post.entry(post.clone()).or_default().insert(place);
        }
        self.records.insert(place, record);
    }

    fn replace(&mut self, place: Place, record: Arc<Record>) -> bool {
        let Some(slot) = self.records.get_mut(&place) else { return false };
        let old = std::mem::replace(slot, Arc::clone(&record));
        self.bytes = (self.bytes + record.json().len()).saturating_sub(old.json().len());
        if old.post() != record.post() {
            forget(&mut self.by_post, old.post(), place);
            if let Some(post) = record.post() {
                self.by_post.entry(post.clone()).or_default().insert(place);
            }
        }
        true
    }

    fn remove(&mut self, place: Place) -> Option<Arc<Record>> {
        let old = self.records.remove(&place)?;
        self.bytes = self.bytes.saturating_sub(old.json().len());
        if let Some(places) = self.by_id.get_mut(old.id()) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.by_id.remove(old.id());
            }
        }
        forget(&mut self.by_post, old.post(), place);
        Some(old)
    }

    fn tally(&mut self, id: &Id) -> &mut Tally {
        self.tallies.entry(id.clone()).or_default()
    }
}

fn forget(by_post: &mut HashMap<Id, BTreeSet<Place>>, post: Option<&Id>, place: Place) {
    let Some(post) = post else { return };
    if let Some(places) = by_post.get_mut(post) {
        places.remove(&place);
        if places.is_empty() {
            by_post.remove(post);
        }
    }
}

/// Both collections.
#[derive(Debug, Default)]
pub struct Shelf {
    posts: Collection,
    comments: Collection,
}

impl Shelf {
    /// Makes a shelf of these records; they count as there from the beginning, not as created.
    pub fn of(posts: &[Arc<Record>], comments: &[Arc<Record>]) -> Self {
        let mut shelf = Self::default();
        posts.iter().for_each(|record| shelf.posts.insert(Arc::clone(record)));
        comments.iter().for_each(|record| shelf.comments.insert(Arc::clone(record)));
        shelf
    }

    /// Returns a collection.
    pub fn get(&self, entity: Entity) -> &Collection {
        match entity {
            Entity::Post => &self.posts,
            Entity::Comment => &self.comments,
        }
    }

    fn get_mut(&mut self, entity: Entity) -> &mut Collection {
        match entity {
            Entity::Post => &mut self.posts,
            Entity::Comment => &mut self.comments,
        }
    }

    /// Returns whether a record of `bytes` more would go over [`RECORDS_MAX`] or [`BYTES_MAX`].
    pub fn is_full(&self, entity: Entity, bytes: usize) -> bool {
        let collection = self.get(entity);
        // Tallies stay when their records go: they count, too.
        collection.len().max(collection.tallies.len()) >= RECORDS_MAX || self.is_over(bytes)
    }

    /// Returns whether `bytes` more would go over [`BYTES_MAX`].
    pub fn is_over(&self, bytes: usize) -> bool {
        self.posts.bytes + self.comments.bytes + bytes > BYTES_MAX
    }

    /// Brings a step into force; one whose record is gone does nothing.
    pub fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Insert(entity, record) => {
                let collection = self.get_mut(entity);
                collection.tally(record.id()).creates += 1;
                collection.insert(record);
            }
            Effect::Replace(entity, place, record) => {
                let collection = self.get_mut(entity);
                let id = record.id().clone();
                if collection.replace(place, record) {
                    collection.tally(&id).updates += 1;
                }
            }
            Effect::Remove(entity, place) => {
                let collection = self.get_mut(entity);
                if let Some(old) = collection.remove(place) {
                    collection.tally(old.id()).deletes += 1;
                }
            }
            Effect::Refuse(entity, id) => self.get_mut(entity).tally(&id).refused += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::record::{Fields, Spelling};

    fn comment(id: i64, post: i64) -> Arc<Record> {
        let fields = Fields::parse(&format!("{{\"postId\":{post},\"id\":{id}}}")).unwrap();
        Arc::new(Record::new(Id::Number(id), fields, Spelling::AsCame))
    }

    fn ids<'a>(records: impl Iterator<Item = (Place, &'a Arc<Record>)>) -> Vec<String> {
        records.map(|(_, record)| record.id().to_string()).collect()
    }

    #[test]
    fn order_of_insertion_and_both_indexes() {
        let mut shelf = Shelf::of(&[], &[comment(1, 1), comment(2, 1), comment(3, 2)]);
        let of = |shelf: &Shelf, post| ids(shelf.get(Entity::Comment).of_post(&Id::Number(post)));
        let (place, _) = shelf.get(Entity::Comment).first(&Id::Number(1)).unwrap();
        shelf.take(Effect::Remove(Entity::Comment, place));
        shelf.take(Effect::Insert(Entity::Comment, comment(1, 2)));
        assert_eq!(ids(shelf.get(Entity::Comment).iter()), ["2", "3", "1"], "a re-created id goes last");
        assert_eq!((of(&shelf, 1), of(&shelf, 2)), (vec!["2".to_owned()], vec!["3".to_owned(), "1".to_owned()]));
        let (place, _) = shelf.get(Entity::Comment).first(&Id::Number(3)).unwrap();
        shelf.take(Effect::Replace(Entity::Comment, place, comment(3, 1)));
        assert_eq!(of(&shelf, 1), ["2", "3"]);
        let tallies = shelf.get(Entity::Comment).tallies();
        assert_eq!(tallies["1"], Tally { creates: 1, deletes: 1, ..Tally::default() });
        assert_eq!(tallies["3"], Tally { updates: 1, ..Tally::default() });
        assert_eq!(shelf.get(Entity::Comment).next_id(), Id::Number(4));
    }

    #[test]
    fn duplicates_come_back_when_the_first_goes() {
        let mut shelf = Shelf::of(&[], &[comment(5, 1), comment(5, 2)]);
        let first = |shelf: &Shelf| {
            shelf.get(Entity::Comment).first(&Id::Number(5)).map(|(place, r)| (place, r.post().cloned()))
        };
        let (place, post) = first(&shelf).unwrap();
        assert_eq!(post, Some(Id::Number(1)));
        shelf.take(Effect::Remove(Entity::Comment, place));
        shelf.take(Effect::Remove(Entity::Comment, place));
        assert_eq!(first(&shelf).unwrap().1, Some(Id::Number(2)));
        assert_eq!(shelf.get(Entity::Comment).tallies()["5"].deletes, 1);
    }
}
