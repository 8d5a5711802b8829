//! The first create of each entity in a run goes alone and is read back: does
//! the target keep what it accepts, and under the id that it was given?
//!
//! ```text
//! POST 2xx ─▶ GET ours ─ there, equal ───────────────────▶ kept
//!                 ├ there, not equal, and again after settle ─ no other id named ─▶ kept, differently
//!                 ├ gone, and again after settle ─ no other id named ─▶ pretends; looked for by its key: lost
//!                 └ either, and another id named ─▶ GET that ─ our content ─▶ (the master's id? it stays) DELETE ─▶ own ids
//!                                                           ├ other content ─▶ own ids
//!                                                           └ gone ──────────▶ pretends
//! ```
//!
//! A target that counts may give the first object the very id that was sent. So a later
//! create whose answer names another id is read back, too.

use alloc::string::{String, ToString};
use core::time::Duration;

use crate::merge::Presence;
use crate::model::Key;
use crate::object::{Conversation, Flight};
use crate::profile::{Ids, Profile};
use crate::reply::{self, Answer, Echo, Method, Named, Reply, Sent, Told};
use crate::session::outcome::{Removed, Stop};
use crate::session::types::Warning;
use crate::session::{Phase, Session};
use crate::target_id::TargetId;

/// How an entity's first create stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trial {
    /// The next create is the first.
    #[default]
    Open,
    /// That of the object at this place is under way, alone.
    Running(usize),
    /// The target keeps what it accepts; creates go as they come.
    Kept,
    /// It does not, which was said; creates go as they come.
    Pretending,
}

impl Trial {
    /// Takes note that a create is sent, or what makes room for it.
    pub fn begin(&mut self, place: usize) {
        if *self == Trial::Open {
            *self = Trial::Running(place);
        }
    }

    /// Takes note that a create was not accepted: if it was the first, the next one is.
    pub fn failed(&mut self, place: usize) {
        if self.is_of(place) {
            *self = Trial::Open;
        }
    }

    fn is_of(self, place: usize) -> bool {
        self == Trial::Running(place)
    }

    /// Says whether a create that was accepted is to be read back.
    pub fn wants_proof(self, ids: Ids, place: usize, told: &Told) -> bool {
        match self {
            Trial::Running(_) | Trial::Kept => {
                let is_odd = matches!(told.echo, Echo::Denial | Echo::OtherObject);
                self.is_of(place) || is_odd || (ids != Ids::Key && told.named != Named::AsSent)
            }
            Trial::Open | Trial::Pretending => false,
        }
    }
}

/// What an object's requests are about at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Its conversation.
    Talk,
    /// GET it, and nothing else (`looks`).
    Look,
    /// GET it before the run's first write (`asking`).
    AskFirst,
    /// GET what was just created.
    ReadBack {
        /// The id in the answer.
        named: Named,
        /// A 404 to a request sent before this may be too early.
        settled_at: Duration,
    },
    /// GET what was just changed or deleted, as the answer says (`confirming`).
    Confirm {
        /// How it was.
        method: Method,
        /// What the answer says.
        echo: Echo,
        /// What was there before may still be seen in an answer to a request sent before this.
        settled_at: Duration,
    },
    /// GET what the answer named instead.
    LookStray {
        /// The target's id.
        named: TargetId,
    },
    /// DELETE it: it is our content under the target's id.
    DropStray {
        /// The target's id.
        named: TargetId,
        /// The master has an object of this id: it stays.
        ours: bool,
    },
}

/// What follows from an errand's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The target keeps what it accepts.
    Kept,
    /// It does, with other content.
    StoredDifferently,
    /// It does not.
    Pretends,
    /// It cannot be found by its key, and the answer named no id.
    Lost,
    /// It assigns its own ids, and does not find the object by ours.
    OwnIds {
        /// The id it gave.
        named: TargetId,
        /// What became of the stray.
        removed: Removed,
    },
    /// Go on with this.
    Next(Errand),
    /// Go on with this at that time.
    At(Duration, Errand),
    /// First ask the master whether it has this object.
    AskMaster(Key),
    /// The answer told nothing.
    Trouble,
}

impl Errand {
    /// Returns the request: its method, and the id if it is not the object's own.
    pub fn request(&self, talk: &Conversation) -> Option<(Method, Option<String>)> {
        match self {
            Errand::Talk => talk.next().map(|method| (method, None)),
            Errand::Look | Errand::AskFirst | Errand::ReadBack { .. } | Errand::Confirm { .. } => {
                Some((Method::Get, None))
            }
            // What is the master's own stays: that request changes nothing.
            Errand::LookStray { named } | Errand::DropStray { named, ours: true } => {
                Some((Method::Get, Some(named.to_string())))
            }
            Errand::DropStray { named, ours: false } => Some((Method::Delete, Some(named.to_string()))),
        }
    }

    /// Returns the id of what a create may have left under an id that is not the object's own.
    fn stray(&self) -> Option<&TargetId> {
        match self {
            Errand::ReadBack { named: Named::Other(named), .. }
            | Errand::LookStray { named }
            | Errand::DropStray { named, ours: false } => Some(named),
            Errand::Talk
            | Errand::Look
            | Errand::AskFirst
            | Errand::Confirm { .. }
            | Errand::ReadBack { named: Named::AsSent, .. }
            | Errand::DropStray { ours: true, .. } => None,
        }
    }

    /// Reads the reply to the request.
    pub fn read(&self, profile: &Profile, method: Method, key: Key, sent: Option<Sent<'_>>, reply: &Reply) -> Told {
        match self {
            Errand::Talk
            | Errand::Look
            | Errand::AskFirst
            | Errand::ReadBack { .. }
            | Errand::Confirm { .. }
            | Errand::DropStray { .. } => reply::read(profile, method, key, sent, reply),
            Errand::LookStray { .. } => reply::read_stray(profile, key, sent, reply),
        }
    }

    /// Says what follows from the answer to a request that was sent at `sent_at`.
    #[expect(clippy::match_same_arms, reason = "one line a rule, in the picture's order")]
    pub fn follow(&self, key: Key, profile: &Profile, told: &Told, sent_at: Duration) -> Verdict {
        let is_by_key = profile.ids == Ids::Key;
        match (self, told.answer) {
            (Errand::ReadBack { .. }, Answer::Equal) => Verdict::Kept,
            // What was there before may still be seen.
            (Errand::ReadBack { named, settled_at }, Answer::Different)
                if sent_at < *settled_at && (is_by_key || *named == Named::AsSent) =>
            {
                Verdict::At(*settled_at, self.clone())
            }
            (Errand::ReadBack { named: Named::AsSent, .. }, Answer::Different) => Verdict::StoredDifferently,
            // It was found by its key.
            (Errand::ReadBack { .. }, Answer::Different) if is_by_key => Verdict::StoredDifferently,
            // Perhaps an older object that happens to have the id.
            (Errand::ReadBack { named: Named::Other(named), .. }, Answer::Different) => {
                Verdict::Next(Errand::LookStray { named: named.clone() })
            }
            (Errand::ReadBack { settled_at, .. }, Answer::Gone) if sent_at < *settled_at => {
                Verdict::At(*settled_at, self.clone())
            }
            (Errand::ReadBack { named: Named::Other(named), .. }, Answer::Gone) => {
                Verdict::Next(Errand::LookStray { named: named.clone() })
            }
            // It may be there, under a key and an id that nobody tells.
            (Errand::ReadBack { named: Named::AsSent, .. }, Answer::Gone) if is_by_key => Verdict::Lost,
            (Errand::ReadBack { named: Named::AsSent, .. }, Answer::Gone) => Verdict::Pretends,
            (Errand::LookStray { named }, Answer::Equal) => {
                let id = profile.id_as.read(&named.to_string()).filter(|_| !is_by_key);
                match id.and_then(|id| key.entity().key(id).ok()) {
                    Some(stray) => Verdict::AskMaster(stray),
                    // No id of ours looks like that.
                    None => Verdict::Next(Errand::DropStray { named: named.clone(), ours: false }),
                }
            }
            // Ours, perhaps, and changed since; perhaps not: it is not ours to delete.
            (Errand::LookStray { named }, Answer::Different) => {
                Verdict::OwnIds { named: named.clone(), removed: Removed::No }
            }
            (Errand::LookStray { .. }, Answer::Gone) => Verdict::Pretends,
            (Errand::DropStray { named, ours }, answer) => {
                let gone = !ours && matches!(answer, Answer::Accepted | Answer::Gone);
                let removed = if gone { Removed::Yes } else { Removed::No };
                Verdict::OwnIds { named: named.clone(), removed }
            }
            (
                Errand::Talk
                | Errand::Look
                | Errand::AskFirst
                | Errand::ReadBack { .. }
                | Errand::Confirm { .. }
                | Errand::LookStray { .. },
                _,
            ) => Verdict::Trouble,
        }
    }

    /// Takes the master's word on the stray.
    pub fn owned(&mut self, has: bool) {
        if let Errand::LookStray { named } = self {
            *self = Errand::DropStray { named: named.clone(), ours: has };
        }
    }
}

impl Session {
    /// Says whether a create may be sent: the first of an entity goes alone, and not
    /// beside that of the other: were one to end the run, the other's stray would stay. Nor is anything
    /// deleted to be created anew before it is known that it will be.
    pub(super) fn lets_create_go(&self, place: usize) -> bool {
        match self.trials.get(&self.items[place].work.key.entity()).copied().unwrap_or_default() {
            Trial::Kept | Trial::Pretending => true,
            Trial::Running(_) if self.trials.values().any(|trial| trial.is_of(place)) => true,
            Trial::Running(_) => false,
            Trial::Open => !self.trials.values().any(|trial| matches!(trial, Trial::Running(_))),
        }
    }

    /// Takes the answer to an errand's request, which was sent at `sent_at`.
    pub(super) fn run_errand(&mut self, place: usize, told: &Told, sent_at: Duration, now: Duration, random: u64) {
        if matches!(self.items[place].errand, Errand::Confirm { .. }) {
            return self.confirm(place, told, sent_at, now, random);
        }
        let item = &mut self.items[place];
        let key = item.work.key;
        match item.errand.follow(key, self.config.profile, told, sent_at) {
            Verdict::Kept => {
                self.trials.insert(key.entity(), Trial::Kept);
                self.done(place, now);
            }
            Verdict::StoredDifferently => {
                self.trials.insert(key.entity(), Trial::Kept);
                self.warnings.push_back(Warning::StoredDifferently(key));
                self.done(place, now);
            }
            Verdict::Pretends => {
                // Once a run is enough.
                if !self.trials.values().any(|trial| *trial == Trial::Pretending) {
                    self.warnings.push_back(Warning::Pretends(key));
                }
                self.trials.insert(key.entity(), Trial::Pretending);
                self.done(place, now);
            }
            Verdict::Lost => {
                item.errand = Errand::Talk;
                item.phase = Phase::Suspended;
                let named = String::from("a record whose id the target does not tell");
                self.stop(Stop::KeyLost { key, named, removed: Removed::No });
            }
            Verdict::Next(errand) => {
                item.errand = errand;
                item.phase = Phase::Ready;
                self.ready.push_front(place);
            }
            Verdict::At(time, errand) => {
                item.errand = errand;
                self.wait(place, time);
            }
            Verdict::AskMaster(stray) => {
                item.phase = Phase::Suspended;
                self.questions.push_back((place, stray));
            }
            Verdict::OwnIds { named, removed } => {
                item.talk = Conversation::new(Presence::Absent, item.work.after, Duration::ZERO, Duration::ZERO);
                item.errand = Errand::Talk;
                item.phase = Phase::Suspended;
                self.stop_for_stray(key, &named, removed);
            }
            Verdict::Trouble => {
                let flight = Flight { sent_at, back_at: now };
                let step = item.talk.answered(Method::Get, told.answer, flight, &self.config.effects);
                if let Some(step) = self.ask_again(place, step, told, now, random) {
                    self.trials.entry(key.entity()).or_default().failed(place);
                    self.follow(place, step, told, now, random);
                }
            }
        }
    }

    /// Once a target was found to assign its own ids, creates that were under way by then have left
    /// strays, too, which are to be removed; nothing else is sent any more.
    pub(super) fn keep_errands(&mut self) {
        let has_errand = |place: usize| {
            !matches!(self.items[place].errand, Errand::Talk | Errand::AskFirst | Errand::Confirm { .. })
        };
        self.ready.retain(|place| has_errand(*place));
        self.timers.retain(|(_, place)| has_errand(*place));
        self.suspended.retain(|(place, ..)| has_errand(*place));
    }

    /// Tells of strays that nobody will remove any more: the first with the stop that they are the reason of.
    pub(super) fn tell_of_strays(&mut self) {
        for place in 0..self.items.len() {
            let item = &mut self.items[place];
            let errand = core::mem::replace(&mut item.errand, Errand::Talk);
            let is_found_by_key = self.config.profile.ids == Ids::Key && matches!(errand, Errand::ReadBack { .. });
            let Some(named) = errand.stray().filter(|_| !is_found_by_key) else { continue };
            let key = item.work.key;
            if self.summary.stop.as_ref().and_then(Stop::stray) == Some(Removed::Yes) {
                self.stop_for_stray(key, named, Removed::No);
            } else {
                self.warnings.push_back(Warning::Stray { key, named: named.to_string() });
            }
        }
    }

    fn stop_for_stray(&mut self, key: Key, named: &TargetId, removed: Removed) {
        let named = named.to_string();
        self.stop(match self.config.profile.ids {
            Ids::Key => Stop::KeyLost { key, named, removed },
            Ids::Ours | Ids::None => Stop::OwnIds { key, named, removed },
        });
    }

    /// Says whether the master has the object that it was asked about.
    pub fn owned(&mut self, key: Key, has: bool) {
        let Some((place, _)) = self.questions.front().copied().filter(|(_, asked)| *asked == key) else { return };
        self.questions.pop_front();
        let item = &mut self.items[place];
        item.phase = Phase::Ready;
        item.errand.owned(has);
        self.ready.push_front(place);
    }
}
