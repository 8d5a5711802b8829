//! Events -> change: the net effect of all unsynced events of one object.
//!
//! THE rule: created + deleted = nothing. It is no special case. A change has two ends,
//! was the object at the target *before*, should it be there *after*, and what to send
//! follows from those two alone:
//!
//! | before \ after | Present                        | Absent                    |
//! |----------------|--------------------------------|---------------------------|
//! | Absent         | POST                           | nothing                   |
//! | Present        | PUT                            | DELETE                    |
//! | Unknown        | GET, then POST, PUT or nothing | GET, then DELETE or nothing |
//! | Doubled        | DELETE until it is gone, POST  | DELETE until it is gone     |
//!
//! No event says Doubled: a listing of the target showed the object more than once.
//!
//! The log is evidence, not proof. A trigger marks an event as doubtful if the rows that it saw
//! contradict its statement, and two neighbours may contradict each other (created twice). Then
//! the change is *doubtful*, and *before* is Unknown: the target is asked.
//!
//! Laws (tested in `tests/laws/`): composition is associative and total, so a log may be
//! merged in any chunks, in SQL or here, on one machine or many, with the same result;
//! replaying the merged change has the same effect as replaying the log.
//!
//! Events are merged by their id, never by their time: two transactions can log times in
//! the other order.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::model::Key;

/// What an event says was done to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
}

impl EventType {
    /// Returns the word in the change log.
    pub fn word(self) -> &'static str {
        match self {
            EventType::Created => "CREATED",
            EventType::Updated => "UPDATED",
            EventType::Deleted => "DELETED",
        }
    }

    /// Returns the type that the change log's `word` means.
    pub fn of_word(word: &str) -> Option<Self> {
        [EventType::Created, EventType::Updated, EventType::Deleted].into_iter().find(|kind| kind.word() == word)
    }
}

/// Whether the object is at the target, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// It is not there.
    Absent,
    /// It is there.
    Present,
    /// Ask: a request was sent whose effect is not known.
    Unknown,
    /// It is there more than once, or was when it was last looked at, and nothing was created since.
    Doubled,
}

impl Presence {
    /// All of them.
    pub const ALL: [Presence; 4] = [Presence::Absent, Presence::Present, Presence::Unknown, Presence::Doubled];

    /// Returns the word in the database and in vectors.
    pub fn word(self) -> &'static str {
        match self {
            Presence::Absent => "absent",
            Presence::Present => "present",
            Presence::Unknown => "unknown",
            Presence::Doubled => "doubled",
        }
    }

    /// Returns the presence that `word` means.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|presence| presence.word() == word)
    }

    /// Returns what the first unsynced event says of the time before it.
    pub fn before(first: EventType) -> Self {
        match first {
            EventType::Created => Presence::Absent,
            EventType::Updated | EventType::Deleted => Presence::Present,
        }
    }
}

/// Whether the object should be at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wish {
    /// It should not be there.
    Absent,
    /// It should be there, equal to the master's row.
    Present,
}

impl Wish {
    /// Returns what the last unsynced event says of the time after it.
    pub fn after(last: EventType) -> Self {
        match last {
            EventType::Created | EventType::Updated => Wish::Present,
            EventType::Deleted => Wish::Absent,
        }
    }
}

impl From<Wish> for Presence {
    /// Returns the presence of an object that is as wished.
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Absent => Presence::Absent,
            Wish::Present => Presence::Present,
        }
    }
}

/// What a change needs at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// GET first: what is there decides.
    Ask,
    /// DELETE until it is gone, then POST.
    Renew,
    /// No request at all.
    Nothing,
}

/// The table at the top.
pub fn action(before: Presence, after: Wish) -> Action {
    match (before, after) {
        (Presence::Absent, Wish::Present) => Action::Create,
        (Presence::Absent, Wish::Absent) => Action::Nothing,
        (Presence::Present, Wish::Present) => Action::Update,
        (Presence::Present | Presence::Doubled, Wish::Absent) => Action::Delete,
        (Presence::Doubled, Wish::Present) => Action::Renew,
        (Presence::Unknown, Wish::Present | Wish::Absent) => Action::Ask,
    }
}

/// The net effect of consecutive events of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// What the first of them says of the time before it.
    pub before: Presence,
    /// What the last of them says of the time after it.
    pub after: Wish,
    /// One of them is doubtful, or two neighbours contradict each other.
    pub doubtful: bool,
}

impl Change {
    /// Returns the effect of one event that nothing contradicts.
    pub fn of(event: EventType) -> Self {
        Self { before: Presence::before(event), after: Wish::after(event), doubtful: false }
    }

    /// Composes two consecutive changes. Total: a contradiction between them is a doubt, not an error.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let fits = Presence::from(self.after) == next.before;
        Self { before: self.before, after: next.after, doubtful: self.doubtful || next.doubtful || !fits }
    }

    /// Returns whether the object was at the target before, as far as the events can be trusted.
    pub fn presence(self) -> Presence {
        if self.doubtful { Presence::Unknown } else { self.before }
    }

    /// Returns what to send.
    pub fn action(self) -> Action {
        action(self.presence(), self.after)
    }
}

/// One row of the change log, as far as merging looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log: per object, ids follow commit order.
    pub id: i64,
    /// Its object.
    pub key: Key,
    /// What was done.
    pub kind: EventType,
    /// The rows contradicted it when it was logged, or the log as a whole is in doubt.
    pub doubtful: bool,
}

/// The change of an object, and the events that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Their net effect.
    pub change: Change,
    /// The id of the first.
    pub first_id: i64,
    /// The id of the last: exactly the unsynced events up to it are marked later.
    pub last_id: i64,
    /// How many they are.
    pub events: u64,
}

impl Merged {
    /// Returns the change of one event.
    pub fn of(event: &Event) -> Self {
        let change = Change { doubtful: event.doubtful, ..Change::of(event.kind) };
        Self { change, first_id: event.id, last_id: event.id, events: 1 }
    }

    /// Composes two parts of one object's log, in either order: the lowest id says what was before, the highest
    /// what is after. Parts of which one begins before the other ends no longer tell which events were neighbours:
    /// that is a doubt.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (first, next) = if self.first_id <= other.first_id { (self, other) } else { (other, self) };
        let mut change = first.change.then(next.change);
        if first.last_id >= next.first_id {
            change.doubtful = true;
            if first.last_id > next.last_id {
                change.after = first.change.after;
            }
        }
        let last_id = first.last_id.max(next.last_id);
        Self { change, first_id: first.first_id, last_id, events: self.events + other.events }
    }
}

/// Merges events, in whatever order they come: their ids tell which was first.
/// Returns a change for each object, by key.
pub fn merge(events: impl IntoIterator<Item = Event>) -> BTreeMap<Key, Merged> {
    let mut events: Vec<Event> = events.into_iter().collect();
    events.sort_unstable_by_key(|event| event.id);
    let mut changes = BTreeMap::new();
    for event in events {
        let one = Merged::of(&event);
        changes.entry(event.key).and_modify(|all: &mut Merged| *all = all.with(one)).or_insert(one);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::EventType::{Created as C, Deleted as D, Updated as U};
    use super::*;

    fn of(events: &[EventType]) -> Action {
        events.iter().copied().map(Change::of).reduce(Change::then).unwrap().action()
    }

    #[test]
    fn rows() {
        let rows: [(&[EventType], Action); 12] = [
            (&[C], Action::Create),
            (&[U], Action::Update),
            (&[D], Action::Delete),
            (&[C, U], Action::Create),
            (&[C, D], Action::Nothing),
            (&[C, U, D], Action::Nothing),
            (&[U, U], Action::Update),
            (&[U, D], Action::Delete),
            (&[D, C], Action::Update),
            (&[C, D, C], Action::Create),
            (&[U, D, C, D], Action::Delete),
            // What contradicts itself is asked for.
            (&[D, D], Action::Ask),
        ];
        for (events, action) in rows {
            assert_eq!(of(events), action, "{events:?}");
        }
    }

    #[test]
    fn unknown_is_asked() {
        for after in [Wish::Present, Wish::Absent] {
            assert_eq!(action(Presence::Unknown, after), Action::Ask);
        }
    }
}
