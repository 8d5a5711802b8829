//! What a session and its driver say to each other. Plain data.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::kept::Kept;
use crate::merge::{Action, Presence};
use crate::model::{Entity, Key};
use crate::object::Effects;
use crate::profile::{Profile, To};
use crate::reply::Method;
use crate::target_id::TargetId;

/// How a run is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Requests under way at the same time, at least 1.
    pub jobs: usize,
    /// Requests a second, at most.
    pub rate_per_s: Option<f64>,
    /// How long requests may take to have their effect.
    pub effects: Effects,
    /// So long after the run's start, acknowledged requests of earlier runs have had their effect:
    /// [`Effects::settle`] after the end of the last one; of one that was lost, [`LEASE`] besides.
    pub settled_in: Duration,
    /// What to do where many creates meet objects that are at the target already.
    pub strangers: Strangers,
    /// Which creates are asked for first.
    pub asks: Asks,
    /// The target's dialect.
    pub profile: &'static Profile,
}

/// Which objects a run asks for before it creates what the log says is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Three of each entity, before the run's first write.
    Some,
    /// Each of them: one of the three was there ([`Stop::Doubted`]), and this is the plan after that.
    Each,
}

/// What a run does where it is about to create many objects, and one of them is at the target with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// It stops before its first write.
    Refused,
    /// It asks for each, and overwrites what is there (`--force`).
    Overwritten,
}

/// An answered request may take so long to have its effect.
pub const SETTLE: Duration = Duration::from_secs(2);
/// An unanswered one, unless the user says otherwise.
pub const LATE: Duration = Duration::from_secs(30);

/// A request is sent at the latest so long after the lock's session was known to be there:
/// the next run may start the moment it is lost.
pub const LEASE: Duration = Duration::from_secs(1);

/// A write is sent at the latest so long after its row was read: then it is prepared again.
pub const ROW_HOLDS: Duration = Duration::from_secs(10);

/// What the driver is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Commit, for each of these, that a request may be sent, and load its row if it is
    /// wished present. Then say [`loaded`](super::Session::loaded) for each. An object may come more than once.
    Prepare(Vec<Key>),
    /// Load the rows of these, which are wished present, and say [`loaded`](super::Session::loaded) for each.
    /// Nothing is committed: they are only asked for.
    Load(Vec<Key>),
    /// Send this, and say [`answered`](super::Session::answered).
    Send(Request),
    /// Read an entity's listing as far as it is needed, and say [`listed`](super::Session::listed).
    CheckListing(Look),
    /// Ask for this object, which the target lists, by its own address or its key, and say [`probed`](super::Session::probed).
    Probe(Key),
    /// Ask for a key that no object of this entity has ([`IMPOSSIBLE_ID`](super::IMPOSSIBLE_ID)), and say
    /// [`filter_probed`](super::Session::filter_probed).
    ProbeFilter(Entity),
    /// Tell whether the master has this object: say [`owned`](super::Session::owned).
    AskMaster(Key),
    /// Commit these facts in one transaction.
    Record(Vec<Fact>),
    /// Say this to the operator.
    Warn(Warning),
    /// Wait for an answer, and no longer than until then.
    Wait(Option<Duration>),
    /// The run is over, and everything is recorded.
    Finished,
}

/// A request. The profile has its verb and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose conversation it belongs to.
    pub key: Key,
    /// The method. POST and PUT carry the object.
    pub method: Method,
    /// Which object of the target it is about: the one of the key, one that the target made up for it, or its post.
    pub to: To,
    /// Where the target chooses the ids: its id of the post of a comment that is sent.
    pub parent: Option<TargetId>,
}

impl Request {
    /// Says whether it is about the object of its key: not about a stray, nor about the object's post.
    pub fn is_own(&self) -> bool {
        match &self.to {
            To::Key(key) => *key == self.key,
            To::Id(_) => true,
            To::Stray(_) => false,
        }
    }
}

/// Whether the row that a request is about is as the plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// It is.
    Ready,
    /// It should be at the target and is no longer at the master, or it should not and is there again; a newer event says
    /// so, which the next run sees.
    Overtaken,
    /// The same, and no newer event says so: the next run sees the row.
    Contradicted,
    /// The row cannot be sent, for its values or for its id: why.
    Unreadable(String),
    /// An operator has stopped the sync of the object since it was planned.
    OnHold,
}

/// What a listing is read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whose.
    pub entity: Entity,
    /// Objects that say nothing about the addresses of others.
    pub silent: BTreeSet<Key>,
}

/// So many listed objects are asked for by their own addresses.
const SPEAKING_MAX: usize = 3;

/// What was found in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// Elements that were read.
    pub elements: u64,
    /// Listed objects that can speak for others, a few.
    pub speaking: Vec<Key>,
    /// Listed objects that cannot.
    pub silent: BTreeSet<Key>,
}

impl Sample {
    /// Takes the next element's key, if it has one that could be ours. Returns whether the rest is of no use.
    pub fn take(&mut self, look: &Look, key: Option<Key>) -> bool {
        self.elements += 1;
        match key {
            Some(key) if look.silent.contains(&key) => drop(self.silent.insert(key)),
            // What is listed twice is asked for once.
            Some(key) if !self.speaking.contains(&key) => self.speaking.push(key),
            Some(_) | None => {}
        }
        self.speaking.len() >= SPEAKING_MAX
    }
}

/// What a listing looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// 200, and an array: all of it, or as much as has three objects that can speak for others.
    Read(Sample),
    /// 401 or 403.
    Forbidden(String),
    /// 3xx.
    Redirected(String),
    /// Any other 4xx.
    Refused(String),
    /// 200, and something else than an array.
    Other(String),
    /// 200, and only a part of an array in which nothing speaks.
    Part(String),
    /// No answer, or trouble.
    None(String),
}

/// What is to be recorded of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The target is as wished: its events, up to the last that was read, are synced. What was done for it;
    /// [`Action::Nothing`] where no request was needed. Where one was, what the target keeps in place of the row is a fact from now
    /// on; `None`: the row itself.
    Done(Key, Action, Option<Kept>),
    /// It ended otherwise. What is known of its presence is a fact from now on.
    Left {
        /// Which.
        key: Key,
        /// Is it at the target?
        presence: Presence,
        /// How it ended.
        end: Left,
        /// The last status, if there was one.
        status: Option<u16>,
        /// The last trouble, in a line; empty where there was none.
        why: String,
        /// How long it takes from now until every request of it has had its effect.
        settles_in: Duration,
    },
}

impl Fact {
    /// Returns whom it is about.
    pub fn key(&self) -> Key {
        match self {
            Fact::Done(key, ..) | Fact::Left { key, .. } => *key,
        }
    }

    /// Says what it means for the texts that the target keeps in place of the row.
    pub fn texts(&self) -> Texts {
        match self {
            Fact::Done(_, Action::Nothing, _) | Fact::Left { .. } => Texts::Stay,
            Fact::Done(_, _, None) => Texts::AsSent,
            Fact::Done(_, _, Some(kept)) => Texts::Altered(*kept),
        }
    }
}

/// What becomes of what is recorded of the texts that a target keeps in place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// It stays.
    Stay,
    /// It is forgotten: the target has the row as it is, or nothing.
    AsSent,
    /// This is recorded in its place.
    Altered(Kept),
}

/// How an object ended that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Left {
    /// The next run goes on with it.
    Waiting,
    /// The same; the answer to its last write was lost.
    Unanswered,
    /// It waits for another object.
    Held,
    /// It waits for an operator or for a newer event.
    Parked,
}

/// What an operator should know and a run survives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// What was created and read back is not there.
    #[error("the target accepted {0} but did not keep it (accepted, not stored): it only pretends")]
    Pretends(Key),
    /// What was created and read back has other content.
    #[error("the target keeps {0} with other content than it was sent")]
    StoredDifferently(Key),
    /// 2xx to updates and deletes whose body says otherwise. One of each entity is read back.
    #[error("{count} more writes were accepted with a body that says otherwise, the first of {key}: `news diff` tells")]
    Unproven {
        /// How many, besides those that were read back.
        count: u64,
        /// One of them.
        key: Key,
    },
    /// An answer to a create named another id, and the run ended before that could be looked into.
    #[error("the target may have created {key} as {named}: look at that object there")]
    Stray {
        /// What was sent.
        key: Key,
        /// The id that the answer named.
        named: String,
    },
}
