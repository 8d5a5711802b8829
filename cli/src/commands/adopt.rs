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

use news_core::reply::{self, Answer, Method, Reply, Sent, Told};
use news_core::session::{Request, SETTLE, pace};
use news_core::target_id::TargetId;
use news_core::{Entity, Key, Object, wire};

use crate::clock::Tick;
use crate::error::{Failure, Kind, Result};
use crate::report::status::Adopted;
use crate::run::random;
use crate::signals::Signals;
use crate::target::{Peer as _, Stranger, Target};

/// Attempts that trouble may cost a record.
const ATTEMPTS_MAX: u32 = 5;
/// Records that are left as they are, named one by one; of more only the number is told.
const FAULTY_NAMED: u64 = 10;

/// What is done about records without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They get one.
    Write,
    /// They are counted.
    Count,
}

/// Gives every record without a key of ours a key, posts first.
///
/// Fails with [`Kind::Usage`] where the profile has no key, with [`Kind::Refused`] where the target does not keep or find it,
/// and with [`Kind::Target`] or [`Kind::Credentials`] where a record cannot be written.
pub fn adopt(target: &Target, mode: Mode, signals: &Signals) -> Result<Adopted> {
    if target.profile().key_field(Entity::Post).is_none() {
        let what = format!("the target profile {} has no key: --adopt has nothing to write", target.profile().name);
        return Err(Failure::new(Kind::Usage, what).hint("Name a profile with ids = \"key\" (--target-profile)."));
    }
    let mut adopted = Adopted::default();
    for entity in Entity::ALL {
        let (count, left) = of_entity(target, entity, mode, signals)?;
        match entity {
            Entity::Post => adopted.posts = count,
            Entity::Comment => adopted.comments = count,
        }
        adopted.left += left;
    }
    Ok(adopted)
}

/// Returns how many records of an entity got a key, and how many could not.
fn of_entity(target: &Target, entity: Entity, mode: Mode, signals: &Signals) -> Result<(u64, u64)> {
    let listed = target.list_strangers(entity, signals)?;
    let (mut count, mut left, mut id) = (0, 0, listed.highest);
    for Stranger { there, parent, element } in listed.strangers {
        id += 1;
        let object = match element.with_id(id).into_object() {
            Ok(object) => object,
            // Its post may get its key only when this is no dry run.
            Err(_) if mode == Mode::Count && parent.is_some() => {
                count += 1;
                continue;
            }
            Err(faults) => {
                id -= 1;
                left += 1;
                if left <= FAULTY_NAMED {
                    let why = faults.first().map(ToString::to_string).unwrap_or_default();
                    log::warn!("{entity} {there} at the target gets no key: {why}");
                }
                continue;
            }
        };
        if mode == Mode::Write {
            write(target, &object, &there, parent.as_ref(), signals)?;
            if count == 0 {
                find(target, &object, parent.as_ref(), signals)?;
            }
        }
        count += 1;
    }
    Ok((count, left))
}

/// Updates a record under the target's id, with its key. Again, where it is not known whether that was done: it is the same
/// update.
fn write(
    target: &Target,
    object: &Object,
    there: &TargetId,
    parent: Option<&TargetId>,
    signals: &Signals,
) -> Result<()> {
    let key = object.key();
    let to = news_core::profile::To::Id(there.to_string());
    let request = Request { key, method: Method::Put, to, parent: parent.cloned() };
    let json = wire::to_json(target.profile(), object, parent);
    let mut attempt = 0;
    loop {
        let reply = target.send(&request, Some(&json));
        let told = read(target, Method::Put, object, parent, &reply);
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
        signals.pause(wait)?;
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
    reply::read(target.profile(), method, object.key(), Some(Sent { object, parent }), reply)
}
