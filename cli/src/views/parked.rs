//! `news parked`: objects on hold, objects that a run does not send, and those that it tries again; one by one, and in groups.

use std::collections::BTreeMap;

use news_core::groups::{GroupId, Groups, LeftObject};
use news_core::ledger::{Clock, Entry, Moment, Pending, State};
use news_core::session::Untried;
use news_core::{Entity, Key};
use postgres::Transaction;

use super::Seen;
use crate::error::Result;
use crate::report::holds::utc;
use crate::report::status::{GroupRow, GroupsReport, ParkedReport, ParkedRow};
use crate::store::decisions::Saw;
use crate::store::ledger::{self, stamp};
use crate::store::{left_out, log as change_log};

/// Objects that are looked at for groups.
const LOOKED_AT_MAX: usize = 100_000;
/// Links from a held object to what it waits for in the end.
const LINKS_MAX: usize = 4;

/// How an object is left, in the order in which they are listed: holds last, since an operator knows of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It waits for an operator.
    Parked,
    /// It waits for another object.
    Held,
    /// It failed, and the next run tries it again.
    Waiting,
    /// An operator has stopped its sync.
    OnHold,
}

impl How {
    /// All of them.
    pub const ALL: [How; 4] = [How::Parked, How::Held, How::Waiting, How::OnHold];

    /// Returns the word in reports.
    pub fn word(self) -> &'static str {
        match self {
            How::Parked => "parked",
            How::Held => "held",
            How::Waiting => "waiting",
            How::OnHold => "on_hold",
        }
    }
}

/// Which objects are listed.
#[derive(Debug, Clone, Default)]
pub struct WantedLeft {
    /// Left in this way.
    pub how: Option<How>,
    /// Posts, or comments.
    pub entity: Option<Entity>,
    /// Of this group.
    pub group: Option<GroupId>,
    /// With keys that begin so.
    pub begins: String,
    /// Behind this one.
    pub after: Option<(How, Key)>,
}

/// A page of the list.
pub struct LeftPage {
    /// The objects.
    pub report: ParkedReport,
    /// How many there are on all pages.
    pub total: u64,
    /// How many there are of each state, whichever is wanted.
    pub states: BTreeMap<&'static str, u64>,
    /// The last one, if there are more.
    pub next: Option<(How, Key)>,
}

/// Lists objects that are left, at most `limit`.
pub fn page(moment: &mut Transaction<'_>, seen: &Seen, wanted: &WantedLeft, limit: usize) -> Result<LeftPage> {
    let mut all = wanted_of(seen, &WantedLeft { how: None, ..wanted.clone() });
    if let Some(group) = wanted.group {
        let members = members(moment, &all, group)?;
        all.retain(|(_, key)| members.contains_key(key));
    }
    let mut states: BTreeMap<&str, u64> = How::ALL.into_iter().map(|how| (how.word(), 0)).collect();
    for (how, _) in &all {
        *states.entry(how.word()).or_default() += 1;
    }
    all.retain(|(how, _)| wanted.how.is_none_or(|wanted| wanted == *how));
    let total = all.len();
    let from = wanted.after.map_or(0, |after| all.partition_point(|one| *one <= after));
    let shown: Vec<(How, Key)> = all.iter().skip(from).take(limit).copied().collect();
    let more = total - from - shown.len();
    let next = shown.last().copied().filter(|_| more > 0);
    let objects = rows(moment, seen, &shown)?;
    Ok(LeftPage { report: ParkedReport { objects, more: more as u64 }, total: total as u64, states, next })
}

/// Returns the objects that are wanted, but for their group, in the order of the list.
fn wanted_of(seen: &Seen, wanted: &WantedLeft) -> Vec<(How, Key)> {
    let Untried { parked, held, .. } = &seen.outlook.untried;
    let parked = parked.iter().map(|key| (How::Parked, *key));
    let held = held.keys().map(|key| (How::Held, *key));
    let retried = seen.outlook.retried.iter().map(|key| (How::Waiting, *key));
    let on_hold = seen.holds.keys().map(|key| (How::OnHold, *key));
    let is_wanted = |(how, key): &(How, Key)| {
        wanted.how.is_none_or(|wanted| wanted == *how)
            && wanted.entity.is_none_or(|entity| entity == key.entity())
            && (wanted.begins.is_empty() || key.to_string().starts_with(&wanted.begins))
    };
    let mut all: Vec<(How, Key)> = parked.chain(held).chain(retried).chain(on_hold).filter(is_wanted).collect();
    all.sort_unstable();
    all
}

/// Returns those of the objects that are in the group.
fn members(moment: &mut Transaction<'_>, all: &[(How, Key)], group: GroupId) -> Result<BTreeMap<Key, Entry>> {
    let keys: Vec<Key> = all.iter().take(LOOKED_AT_MAX).map(|(_, key)| *key).collect();
    let mut entries = ledger::entries(moment, &keys)?;
    entries.retain(|key, entry| has_group(entry) && LeftObject::of(*key, entry).group() == group);
    Ok(entries)
}

/// Says whether an object with this entry belongs to a group: runs left it for a reason that is known.
fn has_group(entry: &Entry) -> bool {
    matches!(entry.state, State::Parked | State::Waiting) && !entry.reason.is_empty()
}

fn rows(moment: &mut Transaction<'_>, seen: &Seen, shown: &[(How, Key)]) -> Result<Vec<ParkedRow>> {
    let clock = &seen.clock;
    let keys: Vec<Key> = shown.iter().map(|(_, key)| *key).collect();
    let mut entries = ledger::entries(moment, &keys)?;
    entries.retain(|_, entry| entry.state != State::Discarded);
    // The reason of a row that no run has met yet is the one that the next run gives.
    let is_met = |key: &Key| entries.get(key).is_some_and(|entry| !entry.reason.is_empty());
    let unmet: Vec<Key> = keys.iter().copied().filter(|key| !is_met(key)).collect();
    let barred = left_out::load_to_send(moment, &unmet)?;
    let pending = change_log::pending_of(moment, &keys, clock)?;
    let pending: BTreeMap<Key, &Pending> = pending.iter().map(|one| (one.key, one)).collect();
    let waits_for =
        if shown.iter().any(|(how, _)| *how == How::Held) { seen.outlook.waits_for() } else { BTreeMap::new() };
    let row = |(how, key): &(How, Key)| {
        let event_id = pending.get(key).map_or(0, |one| one.last_id);
        if let (How::OnHold, Some(hold)) = (how, seen.holds.get(key)) {
            let reason = Some(hold.why.clone()).filter(|why| !why.is_empty());
            let by = Some(hold.by.clone());
            return ParkedRow { reason, by, ..plain(*how, *key, event_id, hold.since, clock) };
        }
        let entry = entries.get(key);
        let why = seen.outlook.untried.held.get(key).cloned();
        let why = why.or_else(|| barred.get(key).and_then(|row| row.as_ref().err().cloned()));
        let since = entry.map(|entry| entry.since).or_else(|| pending.get(key).map(|one| one.since));
        let reason = entry.map(|entry| entry.reason.clone()).filter(|reason| !reason.is_empty());
        let next_try_at = entry.and_then(|entry| entry.next_try_at).filter(|_| *how == How::Waiting);
        let waits_for = waits_for.get(key).filter(|_| *how == How::Held);
        let group = entry.filter(|entry| has_group(entry) && *how != How::Held);
        ParkedRow {
            status: entry.and_then(|entry| entry.status),
            // It may have failed before it was held, for a reason that no longer matters.
            reason: if *how == How::Held { why } else { reason.or(why) },
            failures: entry.map_or(0, |entry| entry.failures),
            next_try_s: next_try_at.map(|at| at.since(clock.now).as_secs_f64()),
            waits_for: waits_for.into_iter().flatten().map(ToString::to_string).collect(),
            group: group.map(|entry| LeftObject::of(*key, entry).group().to_string()),
            ..plain(*how, *key, event_id, since.unwrap_or(clock.now), clock)
        }
    };
    Ok(shown.iter().map(row).collect())
}

/// A row without a reason.
fn plain(how: How, key: Key, event_id: i64, since: Moment, clock: &Clock) -> ParkedRow {
    ParkedRow {
        entity: key.entity().plural(),
        id: key.id(),
        state: how.word(),
        status: None,
        reason: None,
        failures: 0,
        since_s: since.age(clock.now).as_secs_f64(),
        since: utc(stamp(since)),
        event_id,
        waits_for: Vec::new(),
        group: None,
        next_try_s: None,
        by: None,
    }
}

/// Groups the objects that runs leave by what the target said, at most `limit` groups.
pub fn groups(moment: &mut Transaction<'_>, seen: &Seen, limit: usize) -> Result<GroupsReport> {
    let Untried { parked, held, .. } = &seen.outlook.untried;
    let keys: Vec<Key> = parked.iter().chain(&seen.outlook.retried).take(LOOKED_AT_MAX).copied().collect();
    if keys.is_empty() {
        return Ok(GroupsReport::default());
    }
    let entries = ledger::entries(moment, &keys)?;
    let mut groups = Groups::default();
    for (key, entry) in entries.iter().filter(|(_, entry)| has_group(entry)) {
        groups.add(&LeftObject::of(*key, entry));
    }
    if !held.is_empty() {
        let waits_for = seen.outlook.waits_for();
        let next = |key: &Key| waits_for.get(key).and_then(|keys| keys.first()).copied();
        for key in held.keys() {
            let mut first = *key;
            for _ in 0..LINKS_MAX {
                first = next(&first).unwrap_or(first);
            }
            groups.count_behind(first);
        }
    }
    let groups = groups.finish();
    let unseen = (parked.len() + seen.outlook.retried.len()).saturating_sub(keys.len());
    let more = groups.len().saturating_sub(limit) + unseen;
    let row = |(id, group): (GroupId, news_core::groups::Group)| GroupRow {
        id: id.to_string(),
        entity: group.entity.plural(),
        state: group.state.word(),
        status: group.status,
        said: group.said,
        count: group.count,
        behind: group.behind,
        since: utc(stamp(group.since)),
        first: group.first.iter().map(ToString::to_string).collect(),
    };
    Ok(GroupsReport { groups: groups.into_iter().take(limit).map(row).collect(), more: more as u64 })
}

/// Returns the parked objects of a group, as they are now.
pub fn parked_of(moment: &mut Transaction<'_>, seen: &Seen, group: GroupId) -> Result<Vec<Saw>> {
    let wanted = WantedLeft { how: Some(How::Parked), ..WantedLeft::default() };
    let keys: Vec<Key> = members(moment, &wanted_of(seen, &wanted), group)?.into_keys().collect();
    let pending = change_log::pending_of(moment, &keys, &seen.clock)?;
    Ok(pending.iter().map(|one| Saw { key: one.key, event_id: Some(one.last_id) }).collect())
}
