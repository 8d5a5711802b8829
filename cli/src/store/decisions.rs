//! What earlier runs left, and what operators do with it: try again, or give up.

use std::collections::BTreeSet;

use news_core::ledger::{self, Clock, Pending, State};
use news_core::merge::Presence;
use news_core::{Key, PostId};
use postgres::{Client, GenericClient, Transaction};

use crate::error::Result;
use crate::store::acts::{self, Act, By, Deed};
use crate::store::ledger::{columns, each, key, read, write};
use crate::store::{objects, stranded};
use crate::times::Times;

/// An object as an operator saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saw {
    /// The object.
    pub key: Key,
    /// The id of its last unsynced event then, 0 for none; `None`: whatever it was.
    pub event_id: Option<i64>,
}

impl Saw {
    /// Names objects that nobody has looked at.
    pub fn unseen(keys: &[Key]) -> Vec<Self> {
        keys.iter().map(|key| Self { key: *key, event_id: None }).collect()
    }
}

/// What became of an act on several objects: all of it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done<T> {
    /// It is done.
    All(T),
    /// Nothing is done: these are not in the state that it is for.
    Unfit(Vec<Key>),
    /// Nothing is done: these have changed since they were seen; none of them where the act itself would come to something else.
    Changed(Vec<Key>),
}

/// Returns those of the objects that have changed since they were seen.
pub fn changed(client: &mut impl GenericClient, saw: &[Saw]) -> Result<Vec<Key>> {
    let seen: Vec<(Key, i64)> = saw.iter().filter_map(|saw| Some((saw.key, saw.event_id?))).collect();
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let (tables, pks) = columns(seen.iter().map(|(key, _)| key));
    let ids: Vec<i64> = seen.iter().map(|(_, id)| *id).collect();
    let rows = client.query(
        "SELECT t, pk FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (t, pk, seen)
         WHERE seen <> (SELECT coalesce(max(id), 0) FROM news_modelevent
                        WHERE entity_table = t AND entity_pk = pk AND synced_at IS NULL)",
        &[&tables, &pks, &ids],
    )?;
    rows.iter().map(|row| key(row, 0, 1)).collect()
}

/// Lets parked objects be tried again: all, or these, and then none of them if one is not parked, or has changed.
pub fn unpark(client: &mut Client, saw: Option<&[Saw]>, why: Option<&str>, by: &By) -> Result<Done<Vec<Key>>> {
    let mut transaction = client.transaction()?;
    // A run may be under way, and what it records must not be written over with what was read before.
    transaction.batch_execute("LOCK TABLE news_sync_object IN SHARE ROW EXCLUSIVE MODE")?;
    let mut parked = Vec::new();
    match saw {
        None => each(&mut transaction, |key, entry| {
            parked.extend(ledger::unparked(&entry).map(|entry| (key, entry)));
        })?,
        Some(saw) => {
            let changed = changed(&mut transaction, saw)?;
            if !changed.is_empty() {
                return Ok(Done::Changed(changed));
            }
            let keys: Vec<Key> = saw.iter().map(|saw| saw.key).collect();
            let (_, entries) = read(&mut transaction, &keys)?;
            parked.extend(entries.iter().filter_map(|(key, entry)| Some((*key, ledger::unparked(entry)?))));
        }
    }
    parked.sort_unstable_by_key(|(key, _)| *key);
    let unparked: Vec<Key> = parked.iter().map(|(key, _)| *key).collect();
    let is_other = |key: &Key| unparked.binary_search(key).is_err();
    let unfit: Vec<Key> = saw.into_iter().flatten().map(|saw| saw.key).filter(is_other).collect();
    if !unfit.is_empty() {
        return Ok(Done::Unfit(unfit));
    }
    write(&mut transaction, parked.iter().map(|(key, entry)| (*key, Some(entry))))?;
    let act = Act { deed: Deed::Retried, keys: &unparked, along: &[], events: None, why };
    acts::record(&mut transaction, &act, by)?;
    transaction.commit()?;
    Ok(Done::All(unparked))
}

/// Changes that were given up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Of the objects that were named, those that had something to give up.
    pub named: Vec<Key>,
    /// Comments of posts whose creation was given up: they would be sent to a post that is not there.
    pub along: Vec<Key>,
    /// Events that are marked as synced now.
    pub events: u64,
}

/// How changes are given up.
#[derive(Debug, Clone, Copy)]
pub enum Discarding<'a> {
    /// Whatever that comes to.
    Anyhow,
    /// Not at all: it is only told what that would come to.
    Preview,
    /// If it comes to as many events, and to these comments along.
    Exactly(u64, &'a [Key]),
}

/// Gives up the pending changes of these objects: their events are marked as synced, and what is parked is no longer. None
/// is given up where one has nothing to give up, or has changed since it was seen.
pub fn discard(
    client: &mut Client,
    saw: &[Saw],
    (how, why): (Discarding<'_>, Option<&str>),
    times: Times,
    by: &By,
) -> Result<Done<Discarded>> {
    let mut transaction = client.transaction()?;
    let clock = super::runs::clock(&mut transaction, times)?;
    let changed = changed(&mut transaction, saw)?;
    if !changed.is_empty() {
        return Ok(Done::Changed(changed));
    }
    let mut discarded = Discarded::default();
    for Saw { key, .. } in saw {
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
    let is_without = |key: &Key| !discarded.named.contains(key) && !discarded.along.contains(key);
    let unfit: Vec<Key> = saw.iter().map(|saw| saw.key).filter(is_without).collect();
    if !unfit.is_empty() {
        return Ok(Done::Unfit(unfit));
    }
    match how {
        Discarding::Preview => return Ok(Done::All(discarded)),
        Discarding::Exactly(events, along) if events != discarded.events || !are_same(along, &discarded.along) => {
            return Ok(Done::Changed(Vec::new()));
        }
        Discarding::Exactly(..) | Discarding::Anyhow => {}
    }
    let Discarded { named, along, events } = &discarded;
    let act = Act { deed: Deed::Discarded, keys: named, along, events: Some(*events), why };
    acts::record(&mut transaction, &act, by)?;
    transaction.commit()?;
    Ok(Done::All(discarded))
}

/// Says whether these are the same, in any order.
fn are_same(one: &[Key], other: &[Key]) -> bool {
    let sorted = |keys: &[Key]| {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys
    };
    sorted(one) == sorted(other)
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
    let there = pending.map(Pending::places).unwrap_or_default();
    write(transaction, [(key, Some(&ledger::discarded(old, before, there, clock)))])?;
    if let (Key::Post(post), true) = (key, pending.is_some_and(Pending::may_be_deleted)) {
        stranded::comments_of(transaction, &BTreeSet::from([post]))?;
    }
    Ok(Some(events))
}
