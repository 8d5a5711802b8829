//! A run: what its driver knows.

use crate::master::Reading;
use crate::rules::Watch;
use crate::world::World;
use news_core::ledger::{Mark, Moment};
use news_core::merge::Presence;
use news_core::plan::Work;
use news_core::portion::Patience;
use news_core::reply::Reply;
use news_core::session::{Config, Fact, LEASE, Listing, Session, Warning};
use news_core::shard::Shard;
use news_core::{Key, Object};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What comes back to a run.
#[derive(Debug, Clone)]
pub enum Arrival {
    Answer {
        flight: usize,
        reply: Reply,
    },
    Listing(Listing),
    /// The reply to a request for a listed object by its own address.
    Probe {
        key: Key,
        reply: Reply,
    },
    /// The reply to a request for a key that no object has.
    Filter {
        reply: Reply,
    },
}

/// A transaction of a run.
#[derive(Debug, Clone)]
pub enum Job {
    Prepare(Vec<Key>),
    Load(Vec<Key>),
    Record(Vec<Fact>),
    AskMaster(Key),
    /// Is the lock's session still there? A sign of life goes with it.
    Confirm,
    /// The log is in doubt: remember that, and plan anew.
    Replan,
    /// What needs no request is recorded, and the run is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Finished,
    Killed,
    /// Another run took the lock.
    LockLost,
}

/// What a run is about, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub shard: Option<Shard>,
    pub patience: Patience,
    /// Its plan rests on the log, not on a look.
    pub by_log: bool,
}

impl Order {
    /// A run that somebody asked for, of everything.
    pub const WHOLE: Order = Order { shard: None, patience: Patience::Tries, by_log: true };
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the model")]
pub struct Run {
    pub session: Session,
    pub watch: Watch,
    pub over: Option<Over>,
    pub warnings: Vec<Warning>,
    pub order: Order,
    pub works: BTreeMap<Key, Work>,
    pub marks: BTreeMap<Key, Mark>,
    pub nothing: Vec<(Key, Mark)>,
    pub bodies: BTreeMap<Key, Object>,
    pub unrecorded: BTreeSet<Key>,
    pub inbox: VecDeque<Arrival>,
    pub busy: bool,
    pub started: Duration,
    /// Another run that it excludes took the lock.
    pub is_superseded: bool,
    /// Its session holds the lock, or did when it was asked last.
    pub session_alive: bool,
    pub confirmed: Duration,
    pub alive_at: Moment,
    pub wakes: u64,
    pub steps_at_once: (Duration, u32),
    /// A later run has seen that it did not end itself.
    pub found_lost: bool,
}

impl Run {
    pub fn new(config: Config, reading: Reading, order: Order, world: &World) -> Self {
        Self {
            session: Session::new(config, &reading.plan, world.now),
            watch: Watch::new(&reading.plan, config, world.setup.column.keeps()),
            over: None,
            warnings: Vec::new(),
            order,
            works: reading.plan.works().iter().map(|work| (work.key, *work)).collect(),
            marks: reading.marks,
            nothing: reading.nothing,
            bodies: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            inbox: VecDeque::new(),
            busy: false,
            started: world.now,
            is_superseded: false,
            session_alive: true,
            confirmed: world.now,
            alive_at: world.master.moment(world.now),
            wakes: 0,
            steps_at_once: (world.now, 0),
            found_lost: false,
        }
    }

    /// Everything that the plan asked for is done.
    pub fn all_done(&self) -> bool {
        let s = self.session.summary();
        self.over == Some(Over::Finished)
            && s.stop.is_none()
            && s.on_hold.is_empty()
            && s.failed + s.parked + s.parked_before + s.held + s.untouched + s.overtaken + s.contradicted == 0
    }

    pub fn body(&self, key: Key) -> Option<&Object> {
        self.bodies.get(&key)
    }

    /// The lock's session was there not long ago.
    pub fn has_lease(&self, now: Duration) -> bool {
        now <= self.confirmed + LEASE
    }

    /// Tells the session to which post an object belongs whose row was read.
    pub fn tell_post(&mut self, key: Key) {
        if let Some(post) = self.bodies.get(&key).and_then(Object::parent) {
            self.session.belongs_to(key, post);
        }
    }

    /// When it began.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// Its plan rests on a look.
    pub fn is_full(&self) -> bool {
        !self.order.by_log
    }

    /// The object is there several times, by its plan.
    pub fn clears(&self, key: Key) -> bool {
        self.works.get(&key).is_some_and(|work| work.before == Presence::Doubled)
    }

    /// The object is in its plan.
    pub fn has(&self, key: Key) -> bool {
        self.works.contains_key(&key)
    }

    pub fn has_session(&self) -> bool {
        self.session_alive
    }

    pub fn lose_lock(&mut self) {
        self.session_alive = false;
    }
}
