//! What earlier runs left, and what operators do with it: try again, or give up.

use news_core::ledger::{self, Clock, Pending, State};
use news_core::merge::Presence;
use news_core::{Key, PostId};
use postgres::{Client, Transaction};

use crate::error::Result;
use crate::settings::Times;
use crate::store::acts::{self, Act, By, Deed};
use crate::store::ledger::{each, read, write};
use crate::store::objects;

/// Lets parked objects be tried again: all, or these, and then none of them if one is not parked. Returns those that are.
pub fn unpark(client: &mut Client, keys: Option<&[Key]>, by: &By) -> Result<Vec<Key>> {
    let mut transaction = client.transaction()?;
    // A run may be under way, and what it records must not be written over with what was read before.
    transaction.batch_execute("LOCK TABLE news_sync_object IN SHARE ROW EXCLUSIVE MODE")?;
    let mut parked = Vec::new();
    match keys {
        None => each(&mut transaction, |key, entry| {
            parked.extend(ledger::unparked(&entry).map(|entry| (key, entry)));
        })?,
        Some(keys) => {
            let (_, entries) = read(&mut transaction, keys)?;
            parked.extend(entries.iter().filter_map(|(key, entry)| Some((*key, ledger::unparked(entry)?))));
        }
    }
    parked.sort_unstable_by_key(|(key, _)| *key);
    let unparked: Vec<Key> = parked.iter().map(|(key, _)| *key).collect();
    if keys.is_none_or(|keys| keys.iter().all(|key| unparked.contains(key))) {
        write(&mut transaction, parked.iter().map(|(key, entry)| (*key, Some(entry))))?;
        acts::record(
            &mut transaction,
            &Act { deed: Deed::Retried, keys: &unparked, along: &[], events: None, why: None },
            by,
        )?;
        transaction.commit()?;
    }
    Ok(unparked)
}

/// Changes that were given up.
#[derive(Debug, Default)]
pub struct Discarded {
    /// Of the objects that were named, those that had something to give up.
    pub named: Vec<Key>,
    /// Comments of posts whose creation was given up: they would be sent to a post that is not there.
    pub along: Vec<Key>,
    /// Events that are marked as synced now.
    pub events: u64,
}

/// Gives up the pending changes of these objects: their events are marked as synced, and what is parked is no longer. None
/// is given up where one has nothing to give up: that is then missing among those named.
pub fn discard(client: &mut Client, keys: &[Key], times: Times, by: &By) -> Result<Discarded> {
    let mut transaction = client.transaction()?;
    let clock = super::runs::clock(&mut transaction, times)?;
    let mut discarded = Discarded::default();
    for key in keys {
        let pending = super::log::pending_of(&mut transaction, &[*key], &clock)?.pop();
        let along = match key {
            Key::Post(post) => comments_along(&mut transaction, *post, pending.as_ref(), &clock)?,
            Key::Comment(_) => Vec::new(),
        };
        if let Some(events) = discard_one(&mut transaction, *key, pending.as_ref(), &clock)? {
            discarded.named.push(*key);
            discarded.events += events;
        }
        for one in along {
            if let Some(events) = discard_one(&mut transaction, one.key, Some(&one), &clock)? {
                discarded.along.push(one.key);
                discarded.events += events;
            }
        }
    }
    let went_along = |key: &Key| discarded.along.contains(key);
    if keys.iter().all(|key| discarded.named.contains(key) || went_along(key)) {
        let Discarded { named, along, events } = &discarded;
        acts::record(
            &mut transaction,
            &Act { deed: Deed::Discarded, keys: named, along, events: Some(*events), why: None },
            by,
        )?;
        transaction.commit()?;
    }
    Ok(discarded)
}

/// Returns the comments that go with a post, of which this is pending.
fn comments_along(
    transaction: &mut Transaction<'_>,
    post: PostId,
    pending: Option<&Pending>,
    clock: &Clock,
) -> Result<Vec<Pending>> {
    let mut comments = Vec::new();
    objects::each_comment_of(transaction, &[post], |key, _| {
        comments.push(key);
        Ok(())
    })?;
    let mut comments = super::log::pending_of(transaction, &comments, clock)?;
    comments.retain(|one| ledger::goes_along(pending, one));
    Ok(comments)
}

/// Returns how many events that were; `None` where there was nothing to give up.
fn discard_one(
    transaction: &mut Transaction<'_>,
    key: Key,
    pending: Option<&Pending>,
    clock: &Clock,
) -> Result<Option<u64>> {
    // The act has the same time: by it the history tells which events were dropped.
    let events = transaction.execute(
        "UPDATE news_modelevent SET synced_at = now()
         WHERE entity_table = $1 AND entity_pk = $2 AND synced_at IS NULL",
        &[&key.entity().table(), &key.id()],
    )?;
    let (_, old) = read(transaction, &[key])?;
    let old = old.get(&key);
    if events == 0 && old.is_none_or(|old| old.state == State::Discarded) {
        return Ok(None);
    }
    let before = pending.map_or(Presence::Unknown, |pending| pending.before);
    write(transaction, [(key, Some(&ledger::discarded(old, before, clock)))])?;
    Ok(Some(events))
}
