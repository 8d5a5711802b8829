//! `news import --adopt`: records of a target that chooses the ids, and that have no key of ours, get one. Then an import
//! takes them like any other.
//!
//! ```text
//! posts without a key ─▶ the next ids ─▶ update each under the target's id, with its key ─▶ the first is found by its key?
//! comments without a key ─▶ the same, if their post has a key by then
//! ```
//!
//! Nothing is created, so nothing can be there twice: a record that has got its key is not a stranger any more, and what was
//! interrupted goes on when the command is run again. The database is not touched before the import.

use std::collections::BTreeSet;
use std::time::Duration;

use news_core::reply::{self, Answer, Method, Reply, Sent, Told};
use news_core::session::{IMPOSSIBLE_ID, Request, SETTLE, pace};
use news_core::target_id::TargetId;
use news_core::{Entity, Key, Object, wire};

use crate::clock::Tick;
use crate::error::{Failure, Kind, Result};
use crate::random::random;
use crate::report::status::Adopted;
use crate::signals::Signals;
use crate::target::{Peer as _, Stranger, Target};

/// Attempts that trouble may cost a record.
const ATTEMPTS_MAX: u32 = 5;
/// Records that are left as they are, named one by one; of more only the number is told.
const LEFT_NAMED: u64 = 10;

/// What is done about records without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptMode {
    /// They get one.
    Write,
    /// They are counted.
    Count,
}

/// Gives every record without a key a key, posts first. An update whose answer is lost may have its effect up to `late` after
/// that: returns when all have.
///
/// Fails with [`Kind::Usage`] where the profile has no key, with [`Kind::Refused`] where the target does not keep or find it,
/// and with [`Kind::Target`] or [`Kind::Credentials`] where a record cannot be written.
pub fn adopt(target: &Target, mode: AdoptMode, late: Duration, signals: &Signals) -> Result<Adopted> {
    if target.profile().key_field(Entity::Post).is_none() {
        let what = format!("the target profile {} has no key: --adopt has nothing to write", target.profile().name);
        return Err(Failure::new(Kind::Usage, what).hint("Name a profile with ids = \"key\" (--target-profile)."));
    }
    // Nothing is written before both were looked at.
    for entity in Entity::ALL {
        require_filter(target, entity)?;
        target.list_strangers(entity, signals)?;
    }
    let mut adoption = Adoption { target, mode, signals, posts: BTreeSet::new(), lost_at: None };
    let mut adopted = Adopted::default();
    for entity in Entity::ALL {
        let (count, left) = adoption.of_entity(entity)?;
        match entity {
            Entity::Post => adopted.posts = count,
            Entity::Comment => adopted.comments = count,
        }
        adopted.left += left;
    }
    // An update whose answer was lost must not meet a change of the next run.
    if let Some(lost_at) = adoption.lost_at {
        signals.pause(late.saturating_sub(lost_at.elapsed()))?;
    }
    Ok(adopted)
}

/// Fails where the target shows other records than those with the key that is asked for.
fn require_filter(target: &Target, entity: Entity) -> Result<()> {
    let Ok(key) = entity.key(IMPOSSIBLE_ID) else { return Ok(()) };
    let told = reply::read_filter(target.profile(), entity, IMPOSSIBLE_ID, &target.ask_for(key));
    match told.answer {
        Answer::Gone => Ok(()),
        Answer::Unauthorized | Answer::Forbidden => {
            Err(Failure::new(Kind::Credentials, told.why).hint(target.credentials_hint()))
        }
        Answer::Unfiltered | Answer::Unreadable | Answer::Refused | Answer::Several => {
            let what = format!("the target does not search the key of {entity}: {}", told.why);
            Err(Failure::new(Kind::Refused, what).hint("Check `find` and `key` of the target profile."))
        }
        Answer::Equal
        | Answer::Different
        | Answer::Accepted
        | Answer::Exists
        | Answer::Throttled
        | Answer::Broken
        | Answer::Lost
        | Answer::NotSent
        | Answer::Redirected => Err(Failure::new(Kind::Target, told.why)),
    }
}

/// An adoption under way.
struct Adoption<'a> {
    target: &'a Target,
    mode: AdoptMode,
    signals: &'a Signals,
    /// The target's ids of posts that got a key, or would.
    posts: BTreeSet<String>,
    /// When an answer was last lost.
    lost_at: Option<Tick>,
}

impl Adoption<'_> {
    /// Returns how many records of an entity got a key, and how many could not.
    fn of_entity(&mut self, entity: Entity) -> Result<(u64, u64)> {
        let listed = self.target.list_strangers(entity, self.signals)?;
        let (mut count, mut left, mut id) = (0, 0, listed.highest);
        for Stranger { there, parent, element } in listed.records {
            let next = if id + 1 == IMPOSSIBLE_ID { id + 2 } else { id + 1 };
            let is_counted = self.mode == AdoptMode::Count
                && parent.as_ref().is_some_and(|post| self.posts.contains(&post.to_string()));
            match element.with_id(next).into_object() {
                Ok(object) => {
                    if entity == Entity::Post {
                        self.posts.insert(there.to_string());
                    }
                    if self.mode == AdoptMode::Write {
                        self.write(&object, &there, parent.as_ref())?;
                        if count == 0 {
                            find(self.target, &object, parent.as_ref(), self.signals)?;
                        }
                    }
                    (count, id) = (count + 1, next);
                }
                // Its post has no key yet, where nothing is written.
                Err(_) if is_counted => count += 1,
                Err(faults) => {
                    left += 1;
                    if left <= LEFT_NAMED {
                        let why = faults.first().map(ToString::to_string).unwrap_or_default();
                        log::warn!("{entity} {there} at the target gets no key: {why}");
                    }
                }
            }
        }
        if listed.others > 0 {
            log::warn!("{} of {entity} at the target have another key than ours: left as they are", listed.others);
        }
        Ok((count, left + listed.others))
    }

    /// Updates a record under the target's id, with its key. Again, where it is not known whether that was done: it is the same
    /// update.
    fn write(&mut self, object: &Object, there: &TargetId, parent: Option<&TargetId>) -> Result<()> {
        let target = self.target;
        let key = object.key();
        let to = news_core::profile::To::Id(there.to_string());
        let request = Request { key, method: Method::Put, to, parent: parent.cloned() };
        let json = wire::to_json(target.profile(), object, parent);
        let mut attempt = 0;
        loop {
            let reply = target.send(&request, Some(&json));
            let told = read(target, Method::Put, object, parent, &reply);
            if matches!(told.answer, Answer::Lost | Answer::Broken | Answer::Unreadable) {
                self.lost_at = Some(Tick::now());
            }
            let wait = match told.answer {
                Answer::Accepted => return Ok(()),
                Answer::Throttled => told.retry_after.unwrap_or(pace::THROTTLE_MIN).max(pace::THROTTLE_MIN),
                Answer::Broken | Answer::Lost | Answer::NotSent if attempt + 1 < ATTEMPTS_MAX => {
                    attempt += 1;
                    told.retry_after.unwrap_or_else(|| pace::delay(attempt, random().unwrap_or_default()))
                }
                Answer::Unauthorized | Answer::Forbidden => {
                    let failure = Failure::new(Kind::Credentials, cannot(key, there, &told));
                    return Err(failure.hint(target.credentials_hint()));
                }
                Answer::Broken
                | Answer::Lost
                | Answer::NotSent
                | Answer::Equal
                | Answer::Different
                | Answer::Several
                | Answer::Unfiltered
                | Answer::Gone
                | Answer::Exists
                | Answer::Unreadable
                | Answer::Redirected
                | Answer::Refused => {
                    return Err(Failure::new(Kind::Target, cannot(key, there, &told))
                        .hint("Run the command again: it goes on with the records that have no key yet."));
                }
            };
            self.signals.pause(wait)?;
        }
    }
}

fn cannot(key: Key, there: &TargetId, told: &Told) -> String {
    format!("cannot write the key of {key} to {} {there} at the target: {}", key.entity(), told.why)
}

/// Fails where the first record that got a key is not found by it.
fn find(target: &Target, object: &Object, parent: Option<&TargetId>, signals: &Signals) -> Result<()> {
    let begun = Tick::now();
    loop {
        let told = read(target, Method::Get, object, parent, &target.ask_for(object.key()));
        if matches!(told.answer, Answer::Equal | Answer::Different) {
            return Ok(());
        }
        if begun.elapsed() > SETTLE {
            let what = format!("the target does not find {} by the key that it was given: {}", object.key(), told.why);
            return Err(Failure::new(Kind::Refused, what).hint("Check `find` and `key` of the target profile."));
        }
        signals.pause(pace::THROTTLE_MIN)?;
    }
}

fn read(target: &Target, method: Method, object: &Object, parent: Option<&TargetId>, reply: &Reply) -> Told {
    reply::read(target.profile(), method, object.key(), Some(Sent { object, parent, kept: None }), reply)
}
