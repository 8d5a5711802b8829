//! The master: rows, the change log, and the tables of a sync. Every method is one transaction. It reads and writes; what is
//! read and written is decided by the crate, as it ships.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::kept::Kept;
use news_core::ledger::{
    self, Basis, Clock, Entry, FoundRow, Logged, Mark, MasterRow, Moment, Newer, Pending, State, holds,
};
use news_core::merge::{Event, Merged, Presence};
use news_core::model::PostId;
use news_core::plan::{Plan, Work};
use news_core::portion::{Gathering, Patience};
use news_core::repair::{self, Repair, Sighting};
use news_core::session::{Fact, Loaded, Texts};
use news_core::shard::Shard;
use news_core::{Entity, Key, Object};

/// The database's clock at the beginning of a schedule.
const CLOCK_BEGIN_US: i64 = 1_000_000_000_000_000;

/// A row of the change log.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub event: Event,
    pub parent: Option<PostId>,
    /// The post that a comment was moved away from.
    pub former: Option<PostId>,
    pub logged_at: Moment,
    pub synced: bool,
}

#[derive(Debug)]
pub struct Master {
    pub rows: BTreeMap<Key, Object>,
    pub ledger: BTreeMap<Key, Entry>,
    /// What the target keeps in place of rows.
    pub kept: BTreeMap<Key, Kept>,
    pub log: Vec<Row>,
    pub doubtful_until: i64,
    /// Objects on hold.
    pub holds: BTreeSet<Key>,
    /// When runs that ended without a word gave up their last request.
    pub lost: Vec<Moment>,
    /// Runs that hold the lock, with their shard.
    pub locks: Vec<(usize, Option<Shard>)>,
    /// The database's clock is behind by so much.
    pub set_back: Duration,
    pub next_event: i64,
    pub versions: u64,
}

/// What a run reads at its start.
#[derive(Debug, Default)]
pub struct Reading {
    pub plan: Plan,
    pub marks: BTreeMap<Key, Mark>,
    pub nothing: Vec<(Key, Mark)>,
}

impl Master {
    pub fn empty() -> Self {
        Self {
            rows: BTreeMap::new(),
            ledger: BTreeMap::new(),
            kept: BTreeMap::new(),
            log: Vec::new(),
            doubtful_until: 0,
            holds: BTreeSet::new(),
            lost: Vec::new(),
            locks: Vec::new(),
            set_back: Duration::ZERO,
            next_event: 100,
            versions: 0,
        }
    }

    /// Returns the database's clock.
    pub fn moment(&self, now: Duration) -> Moment {
        let back = i64::try_from(self.set_back.as_micros()).unwrap();
        Moment(Moment(CLOCK_BEGIN_US).0 - back) + now
    }

    pub fn clock(&self, now: Duration, late: Duration) -> Clock {
        let moment = self.moment(now);
        let until = self.lost.iter().map(|gave_up_at| *gave_up_at + late);
        Clock { now: moment, lost_until: until.max().unwrap_or(moment), late }
    }

    pub fn parent_of(&self, key: Key) -> Option<PostId> {
        self.rows.get(&key).and_then(Object::parent)
    }

    pub fn children(&self, post: PostId) -> Vec<Key> {
        self.rows.iter().filter(|(_, row)| row.parent() == Some(post)).map(|(key, _)| *key).collect()
    }

    fn unsynced(&self) -> impl Iterator<Item = &Row> {
        self.log.iter().filter(|row| !row.synced)
    }

    pub fn is_pending(&self, key: Key) -> bool {
        self.unsynced().any(|row| row.event.key == key)
    }

    /// Says whether something is pending of an object, and all of it was logged later than `planned_at`.
    pub fn changed_since(&self, key: Key, planned_at: Moment) -> bool {
        let first = self.unsynced().filter(|row| row.event.key == key).map(|row| row.logged_at).min();
        first.is_some_and(|first| first > planned_at)
    }

    fn logged(&self) -> BTreeMap<Key, Logged> {
        let mut rows: Vec<&Row> = self.unsynced().collect();
        rows.sort_by_key(|row| row.event.id);
        let mut all: BTreeMap<Key, Logged> = BTreeMap::new();
        for row in rows {
            let event = Event { doubtful: row.event.doubtful || row.event.id <= self.doubtful_until, ..row.event };
            let one = Logged::of(Merged::of(&event), row.parent, row.former, row.logged_at);
            all.entry(event.key).and_modify(|whole: &mut Logged| whole.add(one.clone())).or_insert(one);
        }
        all
    }

    /// Everything that is pending, in one snapshot.
    pub fn pending(&self, clock: &Clock) -> Vec<Pending> {
        let logged = self.logged();
        let keys: BTreeSet<Key> = logged.keys().chain(self.ledger.keys()).copied().collect();
        keys.into_iter()
            .filter_map(|key| {
                let row = self.rows.get(&key).map(|object| ledger::Row { parent: object.parent() });
                ledger::pending(key, logged.get(&key), row, self.ledger.get(&key), clock)
            })
            .collect()
    }

    /// A run's part of it.
    pub fn read(&self, clock: &Clock, shard: Option<Shard>, patience: Patience) -> Reading {
        let mut gathering = Gathering::new(shard, patience);
        self.ledger.iter().for_each(|(key, entry)| gathering.remember(*key, entry));
        self.pending(clock).into_iter().for_each(|one| gathering.take(holds::on_hold(&self.holds, one)));
        let portion = gathering.finish();
        Reading { plan: portion.plan, marks: portion.marks.into_iter().collect(), nothing: portion.nothing }
    }

    /// What a comparison leads to: the plan, and objects that are equal already.
    pub fn repair(&self, sightings: &[Sighting], pending: &[Pending], settled: &[Key]) -> (Reading, Vec<(Key, Mark)>) {
        let posts = repair::uprooting(sightings, &self.holds);
        let uprooted: Vec<(Key, PostId)> =
            posts.iter().flat_map(|post| self.children(*post).into_iter().map(|key| (key, *post))).collect();
        let discarded = self.ledger.iter().filter(|(_, entry)| entry.state == State::Discarded);
        let settled: Vec<Key> = settled.iter().copied().chain(discarded.map(|(key, _)| *key)).collect();
        let repair = Repair::new(sightings, uprooted, pending, &settled, &self.holds);
        let equal = repair.equal.iter().map(|key| (*key, repair.marks[key])).collect();
        (Reading { plan: repair.plan, marks: repair.marks, nothing: Vec::new() }, equal)
    }

    fn is_newer(&self, key: Key, mark: &Mark) -> bool {
        let read = mark.first_id..=mark.last_id;
        self.unsynced().any(|row| row.event.key == key && !read.contains(&row.event.id))
    }

    /// The transaction before sending, for one object.
    pub fn prepare(&mut self, work: &Work, mark: &Mark, now: Moment) -> Loaded {
        let key = work.key;
        let row = self.rows.get(&key).map_or(FoundRow::None, |row| FoundRow::Some { parent: row.parent() });
        let found = MasterRow { row, is_newer: self.is_newer(key, mark), is_on_hold: self.holds.contains(&key) };
        let prepared = ledger::prepare(work, mark, self.ledger.get(&key), &found, now);
        if let Some(entry) = prepared.entry {
            self.ledger.insert(key, entry);
        }
        if let (Key::Post(post), Presence::Doubled, Loaded::Ready) = (key, work.before, &prepared.loaded) {
            for comment in self.children(post) {
                let entry = ledger::uprooted(self.ledger.get(&comment), post, now);
                self.ledger.insert(comment, entry);
            }
        }
        prepared.loaded
    }

    /// The transaction after the answers, for one object.
    pub fn record(&mut self, fact: &Fact, mark: &Mark, now: Moment) {
        let key = fact.key();
        let newer = if self.is_newer(key, mark) { Newer::Some } else { Newer::None };
        let newer = if mark.basis == Basis::Look { newer } else { Newer::None };
        if matches!(fact, Fact::Done(..)) {
            let read = mark.first_id..=mark.last_id;
            for row in self.log.iter_mut().filter(|row| row.event.key == key && read.contains(&row.event.id)) {
                row.synced = true;
            }
        }
        match fact.texts() {
            Texts::Stay => None,
            Texts::AsSent => self.kept.remove(&key),
            Texts::Altered(kept) => self.kept.insert(key, kept),
        };
        match ledger::recorded(fact, mark, self.ledger.get(&key), newer, now) {
            Some(entry) => self.ledger.insert(key, entry),
            None => self.ledger.remove(&key),
        };
        if let (Key::Post(post), true) = (key, ledger::deletes(fact, self.rows.contains_key(&key))) {
            self.strand(post, now);
        }
    }

    /// A post was deleted at the target, or may have been.
    fn strand(&mut self, post: PostId, now: Moment) {
        let stranded = self.ledger.iter().filter(|(key, _)| self.rows.contains_key(key));
        let stranded: Vec<(Key, Entry)> =
            stranded.filter_map(|(key, entry)| Some((*key, ledger::stranded(entry, post, now)?))).collect();
        self.ledger.extend(stranded);
    }

    /// What a create found is there: nothing that was logged until now is certain.
    pub fn doubt(&mut self) {
        self.doubtful_until = self.log.iter().map(|row| row.event.id).max().unwrap_or(0).max(self.doubtful_until);
    }

    /// An operator gives up an object's changes. Returns what was given up with it.
    pub fn discard(&mut self, key: Key, clock: &Clock) -> Vec<Key> {
        let pending = self.pending(clock);
        let mut gone = vec![key];
        if let Key::Post(post) = key {
            let own = pending.iter().find(|one| one.key == key);
            let comments = self.children(post);
            let along = pending.iter().filter(|one| comments.contains(&one.key) && ledger::goes_along(own, one));
            gone.extend(along.map(|one| one.key));
        }
        gone.retain(|key| pending.iter().any(|one| one.key == *key));
        for key in &gone {
            for row in self.log.iter_mut().filter(|row| row.event.key == *key) {
                row.synced = true;
            }
            let pending = pending.iter().find(|one| one.key == *key);
            let before = pending.map_or(Presence::Unknown, |one| one.before);
            let there = pending.map(Pending::places).unwrap_or_default();
            let entry = ledger::discarded(self.ledger.get(key), before, there, clock);
            self.ledger.insert(*key, entry);
            if let (Key::Post(post), true) = (*key, pending.is_some_and(Pending::may_be_deleted)) {
                self.strand(post, clock.now);
            }
        }
        gone
    }

    /// Posts whose creation was given up.
    pub fn given_up(&self) -> BTreeSet<PostId> {
        let posts = self.ledger.iter().filter(|(_, entry)| entry.is_given_up());
        posts.filter_map(|(key, _)| if let Key::Post(post) = key { Some(*post) } else { None }).collect()
    }

    /// An operator lets what is parked be tried again.
    pub fn retry(&mut self) {
        let parked: Vec<(Key, Entry)> =
            self.ledger.iter().filter_map(|(key, entry)| Some((*key, ledger::unparked(entry)?))).collect();
        self.ledger.extend(parked);
    }

    /// Is the lock free for a run of `shard`?
    pub fn is_free(&self, shard: Option<Shard>) -> bool {
        self.locks.iter().all(|(_, other)| !Shard::clash(shard, *other))
    }

    pub fn unlock(&mut self, run: usize) {
        self.locks.retain(|(other, _)| *other != run);
    }

    pub fn keys(&self, entity: Entity) -> Vec<Key> {
        self.rows.keys().copied().filter(|key| key.entity() == entity).collect()
    }
}
