//! Comments whose changes an operator dropped, and whose old post was deleted at the target since.
//!
//! A dropped move leaves the comment at the target where it was. Many targets delete comments with their post. So once the old
//! post is deleted there, the target may lack a comment that the master has, and no event of the comment says so.

use alloc::format;

use crate::ledger::{Entry, Moment, State};
use crate::merge::{Action, Presence};
use crate::model::{Key, PostId};
use crate::session::Fact;

/// Says whether a post may have been deleted at the target when this is recorded of it; `is_here`: the master has the post.
pub fn deletes(fact: &Fact, is_here: bool) -> bool {
    match fact {
        Fact::Done(Key::Post(_), Action::Delete | Action::Renew, _) => true,
        // An earlier DELETE may have had its effect.
        Fact::Done(Key::Post(_), Action::Ask, _) => !is_here,
        Fact::Done(..) | Fact::Left { .. } => false,
    }
}

/// `post` was deleted at the target. A comment of the master whose changes an operator dropped may have gone with it: then it
/// is no longer as the operator left it, and the next run asks. `None`: it was not under that post.
pub fn stranded(entry: &Entry, post: PostId, now: Moment) -> Option<Entry> {
    (entry.state == State::Discarded && entry.there.contains(&post)).then(|| {
        let presence = if entry.presence == Presence::Doubled { Presence::Doubled } else { Presence::Unknown };
        let reason = format!("posts/{post} was deleted, under which the target had it when its changes were dropped");
        Entry { presence, state: State::Waiting, reason, since: now, updated_at: now, ..entry.clone() }
    })
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::ledger::{Clock, discarded};

    #[test]
    fn a_comment_whose_move_was_dropped_is_asked_for_once_its_old_post_is_deleted() {
        let [old, new] = [1, 2].map(|id| PostId::new(id).unwrap());
        let clock = Clock { now: Moment(0), lost_until: Moment(0), late: Duration::ZERO };
        let left = discarded(None, Presence::Present, [old].into_iter().collect(), &clock);
        assert_eq!(stranded(&left, new, Moment(1)), None);
        let waits = stranded(&left, old, Moment(1)).unwrap();
        assert_eq!((waits.presence, waits.state), (Presence::Unknown, State::Waiting));
        assert_eq!(stranded(&waits, old, Moment(1)), None);
    }

    #[test]
    fn a_post_may_have_been_deleted_by_an_earlier_request() {
        let post = |action| Fact::Done("posts/1".parse().unwrap(), action, None);
        for (fact, is_here, expected) in [
            (post(Action::Delete), false, true),
            (post(Action::Renew), true, true),
            (post(Action::Ask), false, true),
            (post(Action::Ask), true, false),
            (post(Action::Update), true, false),
            (Fact::Done("comments/1".parse().unwrap(), Action::Delete, None), false, false),
        ] {
            assert_eq!(deletes(&fact, is_here), expected, "{fact:?}");
        }
    }
}
