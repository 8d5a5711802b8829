//! Why a session was stopped, as a failure with what to do about it.

use news_core::profile::{Call, Profile};
use news_core::session::{Removed, Stop};

use crate::error::{Failure, Kind};
use crate::signals::Signals;
use crate::target::Peer;

/// What to do about a base URL that is not the API's.
pub fn base_hint(target: &dyn Peer) -> String {
    format!("check --target-url: GET URL{} has to answer with a list", target.profile().posts.list.before)
}

/// What was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A run, which sends.
    Run,
    /// A command that only looks: advice about runs is not for it.
    Look,
}

/// Returns how a session ends that was stopped.
pub fn stopped(stop: &Stop, target: &dyn Peer, signals: &Signals, asker: Asker) -> Failure {
    let (kind, hint) = match stop {
        Stop::Credentials(_) => {
            return Failure::new(Kind::Credentials, stop.to_string()).hint(target.credentials_hint());
        }
        Stop::Redirected(_) => (Kind::Usage, "name the URL that it points to, if you trust it, with --target-url"),
        Stop::Unavailable(..) | Stop::NoListing(_) | Stop::Refusing { .. } if asker == Asker::Look => {
            (Kind::Target, "see to the target, or try again later")
        }
        Stop::Unavailable(..) | Stop::NoListing(_) => {
            (Kind::Target, "what was answered is recorded; run `news sync` again later")
        }
        // It looked like the API when the first objects were sent.
        Stop::WrongBase(_) | Stop::NotOurs(_) => {
            return Failure::new(Kind::Target, stop.to_string()).hint(base_hint(target));
        }
        Stop::OwnIds { removed: Removed::Yes, .. } | Stop::KeyLost { removed: Removed::Yes, .. } => {
            (Kind::Refused, "what was created there was deleted again; `news diff` shows how both sides stand")
        }
        Stop::OwnIds { removed: Removed::No, .. } | Stop::KeyLost { removed: Removed::No, .. } => {
            (Kind::Refused, "look at that object at the target")
        }
        Stop::Unfiltered(_) => (
            Kind::Refused,
            "nothing that was not found was created. Check `find` and `key` of the target profile, and that the target \
             filters by this field",
        ),
        // Planned anew, it cannot happen: a full sync asks for each, and so does the second plan.
        Stop::Doubted(_) => (Kind::Bug, "run `news sync` again"),
        Stop::Strangers { .. } => (
            Kind::Refused,
            "nothing was written. Are this database and this target a pair? `news diff` shows how they differ; --force \
             overwrites what is there",
        ),
        Stop::Refusing { .. } => (Kind::Target, "nothing was parked; see to the target, and run `news sync` again"),
        Stop::Contradicts(_) => {
            let at = |call: Call| format!("URL{}ID{}", call.before, call.after.unwrap_or_default());
            let Profile { posts, comments, .. } = target.profile();
            let (post, comment) = (at(posts.read), at(comments.read));
            let hint = format!("check --target-url: objects have to be found at {post} and {comment}");
            return Failure::new(Kind::Target, stop.to_string()).hint(hint).of_refusals();
        }
        Stop::Asked => return signals.stop().unwrap_or_else(|| Failure::new(Kind::Bug, "the run got stuck")),
    };
    let failure = Failure::new(kind, stop.to_string()).hint(hint);
    if refuses_everything(stop) { failure.of_refusals() } else { failure }
}

/// Says whether nothing was accepted, so that nothing is known against the objects.
pub fn refuses_everything(stop: &Stop) -> bool {
    match stop {
        Stop::Credentials(_) | Stop::Redirected(_) | Stop::Refusing { .. } | Stop::Contradicts(_) => true,
        Stop::Unavailable(..)
        | Stop::NoListing(_)
        | Stop::WrongBase(_)
        | Stop::NotOurs(_)
        | Stop::OwnIds { .. }
        | Stop::KeyLost { .. }
        | Stop::Unfiltered(_)
        | Stop::Doubted(_)
        | Stop::Strangers { .. }
        | Stop::Asked => false,
    }
}
