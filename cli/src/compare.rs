//! Both sides, whole: which objects differ, and is there a pending change that explains it?
//!
//! Two passes. The first joins all rows of one snapshot with the whole listing, holding
//! back ids and fingerprints only (`news_core::diff`). What differs is a suspicion: a sync
//! or an edit may have come in between. The second pass lists again and reads the
//! suspicious rows again; what still differs is reported, with its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::diff::{Counts, Join, Kind as DifferenceKind};
use news_core::wire::{Element, FieldDifference};
use news_core::{Entity, Key, Object, PostId};
use postgres::Client;

use crate::error::Result;
use crate::store::log::{self as change_log, Pending};
use crate::store::rows::{self, Rows};
use crate::store::{objects, runs};
use crate::target::Target;
use crate::ui::Bar;

/// Texts of so many differences are kept; of the rest, only that they differ.
const DETAILS_MAX: usize = 10_000;
/// Rows read again in one query.
const REREAD_ROWS: usize = 1000;
/// A second look that a run disturbed is taken again, so often at most.
const LOOKS_MAX: u32 = 3;

/// An object that differs, confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// How.
    pub kind: DifferenceKind,
    /// A pending change explains it.
    pub pending: bool,
    /// Of a different object: the fields.
    pub fields: Vec<FieldDifference>,
    /// Of a comment: its post, on the side where it is.
    pub parent: Option<PostId>,
    /// The master has it.
    pub local: bool,
}

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Comparison {
    /// By key.
    pub differences: Vec<Difference>,
    /// What was seen, by entity, in the first pass.
    pub counts: BTreeMap<Entity, Counts>,
    /// Objects with pending changes in the first pass's snapshot.
    pub pending: Vec<Pending>,
}

/// Compares `entities`. `client` is for bulk reads and of no use after a failure.
pub fn compare(client: &mut Client, target: &Target, entities: &[Entity], bar: &Bar) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let mut suspicious = BTreeSet::new();
    let mut snapshot = rows::snapshot(client)?;
    comparison.pending = change_log::pending(&mut snapshot)?;
    for &entity in entities {
        let mut local = Rows::open(&mut snapshot, entity)?;
        let mut join = Join::new(entity);
        let mut local_ended = false;
        let mut pull = |join: &mut Join| -> Result<bool> {
            if !local_ended {
                match local.next()? {
                    Some(object) => join.local(&object),
                    None => local_ended = true,
                }
            }
            Ok(!local_ended)
        };
        target.list(entity, |element| {
            bar.inc(1);
            while element.id().is_some_and(|id| join.wants_local(id)) && pull(&mut join)? {}
            join.target(&element);
            Ok(())
        })?;
        while pull(&mut join)? {}
        let (differences, counts) = join.finish();
        suspicious.extend(differences.into_iter().map(|difference| difference.key));
        comparison.counts.insert(entity, counts);
    }
    snapshot.commit()?;
    for look in 1..=LOOKS_MAX {
        if suspicious.is_empty() {
            break;
        }
        let begun = runs::now(client)?;
        comparison.differences = look_again(client, target, &suspicious, bar)?;
        let disturbed = comparison.differences.iter().any(|d| !d.pending) && runs::any_since(client, begun)?;
        if !disturbed || look == LOOKS_MAX {
            break;
        }
        suspicious = comparison.differences.iter().map(|difference| difference.key).collect();
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(comparison)
}

/// What the listing has under a suspicious key.
#[derive(Default)]
struct Seen {
    times: u32,
    element: Option<Element>,
}

fn look_again(client: &mut Client, target: &Target, suspicious: &BTreeSet<Key>, bar: &Bar) -> Result<Vec<Difference>> {
    let mut seen: BTreeMap<Key, Seen> = BTreeMap::new();
    for entity in Entity::ALL {
        if !suspicious.iter().any(|key| key.entity() == entity) {
            continue;
        }
        target.list(entity, |element| {
            bar.inc(1);
            if let Some(key) = element.key().filter(|key| suspicious.contains(key)) {
                let seen = seen.entry(key).or_default();
                seen.times += 1;
                seen.element = Some(element);
            }
            Ok(())
        })?;
    }
    let keys: Vec<Key> = suspicious.iter().copied().collect();
    let mut differences = Vec::new();
    for batch in keys.chunks(REREAD_ROWS) {
        let rows = objects::load(client, batch.iter().copied())?;
        for key in batch {
            let found = judge(*key, rows.get(key), seen.remove(key));
            differences.extend(found.map(|mut difference| {
                if differences.len() >= DETAILS_MAX {
                    for field in &mut difference.fields {
                        field.local.clear();
                        field.target = None;
                    }
                }
                difference
            }));
        }
    }
    // After the rows: an edit that a row shows is pending, too, or a run was here meanwhile.
    let pending: BTreeSet<Key> = change_log::pending(client)?.iter().map(|p| p.key).collect();
    for difference in &mut differences {
        difference.pending = pending.contains(&difference.key);
    }
    Ok(differences)
}

fn judge(key: Key, local: Option<&Object>, seen: Option<Seen>) -> Option<Difference> {
    let (kind, fields) = match (local, &seen) {
        (_, Some(Seen { times: 2.., .. })) => (DifferenceKind::Duplicate, Vec::new()),
        (_, Some(Seen { element: Some(element), .. })) if !element.is_readable() => {
            (DifferenceKind::Unreadable, Vec::new())
        }
        (Some(object), Some(Seen { element: Some(element), .. })) => {
            let fields = element.differences(object);
            if fields.is_empty() {
                return None;
            }
            (DifferenceKind::Different, fields)
        }
        (Some(_), Some(Seen { element: None, .. }) | None) => (DifferenceKind::Missing, Vec::new()),
        (None, Some(_)) => (DifferenceKind::Extra, Vec::new()),
        (None, None) => return None,
    };
    let parent = local.and_then(Object::parent).or_else(|| seen.and_then(|seen| seen.element?.parent()));
    Some(Difference { key, kind, pending: false, fields, parent, local: local.is_some() })
}
