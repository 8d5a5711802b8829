//! Listings of a target that chooses the ids: an object is ours if its key field says so, and a comment names its post by
//! the target's id of that.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use news_core::Entity;
use news_core::ids::IdSet;
use news_core::profile::To;
use news_core::reply::{Method, Reply};
use news_core::target_id::TargetId;
use news_core::wire::Element;

use super::Target;
use super::listing::Patience;
use crate::error::{Failure, Kind, Result};
use crate::listing::{Extent, Progress};
use crate::signals::Signals;

/// The target's ids of posts, and ours; about 100 bytes for each post, while the comments are listed.
type PostIds = HashMap<String, i64>;

/// More records without a key are not held at a time.
const STRANGERS_MAX: usize = 200_000;

/// A record without a key of ours.
#[derive(Debug)]
pub struct Stranger {
    /// The target's id.
    pub there: TargetId,
    /// The target's id of its post.
    pub parent: Option<TargetId>,
    /// What it consists of.
    pub element: Element<'static>,
}

/// The records of an entity without a key of ours.
#[derive(Debug, Default)]
pub struct Strangers {
    /// They, in the order of the listing.
    pub records: Vec<Stranger>,
    /// The highest id that is a key; 0 where there is none.
    pub highest: i64,
    /// Records with something else in the field for the key.
    pub others: u64,
}

/// What the last listings have shown.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// For the listing of comments that follows a listing of posts.
    posts: Option<PostIds>,
    /// Records without a key of ours: posts, comments.
    strangers: [u64; 2],
}

impl Target {
    /// Returns how many records without a key of ours the last listing of an entity had. They are nobody's business here:
    /// not compared, not changed.
    pub fn strangers(&self, entity: Entity) -> u64 {
        self.keys().strangers[usize::from(entity == Entity::Comment)]
    }

    /// Reads a listing, and gives `each` what is ours, with our ids of posts.
    pub(super) fn list_keyed(
        &self,
        entity: Entity,
        patience: &Patience<'_>,
        begun: impl FnOnce(Extent) -> Result<()>,
        mut each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        let has_parent = entity.shape().number.parent.is_some();
        let known = if has_parent { self.posts(patience)? } else { PostIds::new() };
        let (mut found, mut strangers) = (PostIds::new(), 0);
        let count = self.list_plainly(entity, patience, begun, |mut element, progress| {
            let Some(id) = element.id() else {
                strangers += 1;
                return Ok(());
            };
            if has_parent {
                let post = element.target_parent().and_then(|post| known.get(&post.to_string()).copied());
                element.resolve_parent(post);
            } else {
                found.extend(element.target_id().map(|there| (there.to_string(), id)));
            }
            each(element, progress)
        })?;
        let mut keys = self.keys();
        keys.strangers[usize::from(has_parent)] = strangers;
        if !has_parent {
            keys.posts = Some(found);
        }
        Ok(count - strangers)
    }

    /// Lists the records of an entity that have no key of ours.
    ///
    /// Fails as [`Target::list`] does, and with [`Kind::Refused`] where there are more than memory should hold.
    pub fn list_strangers(&self, entity: Entity, signals: &Signals) -> Result<Strangers> {
        let patience = Patience::Waits(signals);
        let has_parent = entity.shape().number.parent.is_some();
        let posts = if has_parent { self.posts(&patience)? } else { PostIds::new() };
        let (mut found, mut keys) = (Strangers::default(), IdSet::default());
        self.list_plainly(
            entity,
            &patience,
            |_| Ok(()),
            |mut element, _| {
                if let Some(id) = element.id() {
                    if !keys.insert(id) {
                        let what = format!("the target has {entity}/{id} more than once");
                        return Err(Failure::new(Kind::Refused, what).hint("Delete the copies there first."));
                    }
                    found.highest = found.highest.max(id);
                    return Ok(());
                }
                if element.has_other_key() {
                    found.others += 1;
                    return Ok(());
                }
                if found.records.len() >= STRANGERS_MAX {
                    let what = format!("more than {STRANGERS_MAX} {entity} at the target have no key of ours");
                    return Err(Failure::new(Kind::Refused, what).hint("Give them a key by other means."));
                }
                let parent = element.target_parent().cloned();
                if let Some(post) = &parent {
                    element.resolve_parent(posts.get(&post.to_string()).copied());
                }
                // Without an id nothing can be written to it.
                if let Some(there) = element.target_id().cloned() {
                    found.records.push(Stranger { there, parent, element: element.into_owned(usize::MAX) });
                }
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Returns the target's ids of posts: of the listing that was just read, or of another one.
    fn posts(&self, patience: &Patience<'_>) -> Result<PostIds> {
        if let Some(posts) = self.keys().posts.take() {
            return Ok(posts);
        }
        self.list_keyed(Entity::Post, patience, |_| Ok(()), |_, _| Ok(()))?;
        Ok(self.keys().posts.take().unwrap_or_default())
    }

    /// Returns our id of the post that the target has under an id of its own, if that is one of ours: asks for it.
    pub fn our_post(&self, there: &TargetId) -> Option<i64> {
        let to = To::Id(there.to_string());
        let (verb, path) = self.profile().call(Entity::Post, Method::Get, &to);
        match self.send_to((verb, &path), None, None) {
            Reply::Http { status: 200..=299, body, .. } => {
                news_core::reply::shown_element(self.profile(), Entity::Post, &body)?.id()
            }
            Reply::Http { .. } | Reply::NotSent { .. } | Reply::Lost { .. } => None,
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
