//! What a run came to for one object, in a word that is kept in the history.

use crate::merge::Action;
use crate::session::types::{Fact, Left};

/// What a run came to for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CameTo {
    /// POST.
    Created,
    /// PUT.
    Updated,
    /// DELETE.
    Deleted,
    /// Deleted until it was gone, then created: the target had it more than once.
    Renewed,
    /// Asked for, and found as it should be.
    Found,
    /// Waits for an operator or for a newer event.
    Parked,
    /// Waits for another object.
    Held,
    /// The next run goes on with it.
    Waiting,
}

impl CameTo {
    /// All of them.
    pub const ALL: [CameTo; 8] = [
        CameTo::Created,
        CameTo::Updated,
        CameTo::Deleted,
        CameTo::Renewed,
        CameTo::Found,
        CameTo::Parked,
        CameTo::Held,
        CameTo::Waiting,
    ];

    /// Returns what a run came to with this fact, which is kept; `None` where nothing is worth keeping.
    ///
    /// Kept is what a request was sent for, and what was parked without one. An object that waits, or is held, run after
    /// run and is not sent would fill the history with what the ledger says already.
    pub fn kept(fact: &Fact, asked: WasAsked) -> Option<Self> {
        let came_to = match fact {
            Fact::Done(_, Action::Nothing, _) => return None,
            Fact::Done(_, Action::Create, _) => CameTo::Created,
            Fact::Done(_, Action::Update, _) => CameTo::Updated,
            Fact::Done(_, Action::Delete, _) => CameTo::Deleted,
            Fact::Done(_, Action::Renew, _) => CameTo::Renewed,
            Fact::Done(_, Action::Ask, _) => CameTo::Found,
            Fact::Left { end: Left::Parked, .. } => return Some(CameTo::Parked),
            Fact::Left { end: Left::Held, .. } => CameTo::Held,
            Fact::Left { end: Left::Waiting | Left::Unanswered, .. } => CameTo::Waiting,
        };
        match asked {
            WasAsked::Yes => Some(came_to),
            WasAsked::No => None,
        }
    }

    /// Returns the word in the database and in reports.
    pub fn word(self) -> &'static str {
        match self {
            CameTo::Created => "created",
            CameTo::Updated => "updated",
            CameTo::Deleted => "deleted",
            CameTo::Renewed => "renewed",
            CameTo::Found => "found",
            CameTo::Parked => "parked",
            CameTo::Held => "held",
            CameTo::Waiting => "waiting",
        }
    }
}

/// Whether a run has sent a request for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasAsked {
    /// It has.
    Yes,
    /// It has not.
    No,
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use core::time::Duration;

    use super::*;
    use crate::merge::Presence;

    fn left(end: Left) -> Fact {
        let key = "posts/1".parse().unwrap();
        let (presence, why, settles_in) = (Presence::Present, String::new(), Duration::ZERO);
        Fact::Left { key, presence, end, status: None, why, settles_in }
    }

    fn done(action: Action) -> Fact {
        Fact::Done("posts/1".parse().unwrap(), action, None)
    }

    #[test]
    fn what_is_kept_of_each_fact() {
        for (fact, asked, unasked) in [
            (done(Action::Create), Some("created"), None),
            (done(Action::Update), Some("updated"), None),
            (done(Action::Delete), Some("deleted"), None),
            (done(Action::Renew), Some("renewed"), None),
            (done(Action::Ask), Some("found"), None),
            (done(Action::Nothing), None, None),
            (left(Left::Parked), Some("parked"), Some("parked")),
            (left(Left::Held), Some("held"), None),
            (left(Left::Waiting), Some("waiting"), None),
            (left(Left::Unanswered), Some("waiting"), None),
        ] {
            assert_eq!(CameTo::kept(&fact, WasAsked::Yes).map(CameTo::word), asked, "{fact:?}");
            assert_eq!(CameTo::kept(&fact, WasAsked::No).map(CameTo::word), unasked, "{fact:?}");
        }
    }
}
