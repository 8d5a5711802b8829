//! The second look: what differed is listed and read again, and what still differs is reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use news_core::diff::Kind as DifferenceKind;
use news_core::fingerprint::Fingerprint;
use news_core::kept::Kept;
use news_core::ledger::Pending;
use news_core::profile::Profile;
use news_core::wire::Element;
use news_core::{Entity, Key, Object, PostId};
use postgres::Client;

use super::{Difference, Sides, Suspicious, begin, move_on};
use crate::error::Result;
use crate::listing::Extent;
use crate::source::{Ahead, Batch, Step};
use crate::store::{holds, kept, log as change_log, objects, runs};

/// Texts of so many differences are kept; of the rest, only how they differ.
const DETAILS_MAX: usize = 20_000;
/// And no more than this, in bytes; they are held twice for a moment, with the master's.
const DETAIL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of one text, in bytes: four times as many as the longest of ours has characters.
const TEXT_BYTES_KEPT: usize = 4 * 1024;
/// Rows read again in one query.
const REREAD_ROWS: usize = 1000;

/// What the listing has under suspicious keys.
struct Candidates {
    suspicious: Arc<Suspicious>,
    found: Vec<(Key, Candidate)>,
    bytes: usize,
}

pub(super) struct Candidate {
    print: Option<Fingerprint>,
    parent: Option<PostId>,
    /// Its texts, where they may be told.
    element: Option<Box<Element<'static>>>,
}

impl Batch for Candidates {
    fn add(&mut self, element: Element<'_>) {
        let Some(key) = element.key() else { return };
        let Some(kind) = self.suspicious.get(&key) else { return };
        let (print, parent) = (element.fingerprint(), element.parent());
        let is_told = match kind {
            DifferenceKind::Different | DifferenceKind::Unreadable => true,
            DifferenceKind::Missing | DifferenceKind::Extra | DifferenceKind::Duplicate => false,
        };
        let element = is_told.then(|| Box::new(element.into_owned(TEXT_BYTES_KEPT)));
        self.bytes += element.as_ref().map_or(0, |element| element.text_bytes());
        self.found.push((key, Candidate { print, parent, element }));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What the other side has under a suspicious key.
pub(super) struct SeenThere {
    times: u32,
    last: Candidate,
}

impl From<Box<Element<'static>>> for SeenThere {
    /// One object, which was asked for by its own address.
    fn from(element: Box<Element<'static>>) -> Self {
        let last = Candidate { print: element.fingerprint(), parent: element.parent(), element: Some(element) };
        Self { times: 1, last }
    }
}

/// Everything that was seen, with the texts of the first differences by key.
#[derive(Default)]
struct Sightings {
    seen: BTreeMap<Key, SeenThere>,
    detailed: BTreeMap<Key, usize>,
    bytes: usize,
}

impl Sightings {
    fn add(&mut self, key: Key, candidate: Candidate) {
        let times = self.seen.get(&key).map_or(0, |seen| seen.times) + 1;
        self.bytes -= self.detailed.remove(&key).unwrap_or_default();
        if let Some(element) = &candidate.element {
            let bytes = element.text_bytes();
            self.detailed.insert(key, bytes);
            self.bytes += bytes;
        }
        self.seen.insert(key, SeenThere { times, last: candidate });
        while self.detailed.len() > DETAILS_MAX || self.bytes > DETAIL_BYTES_MAX {
            let Some((last, bytes)) = self.detailed.pop_last() else { return };
            self.bytes -= bytes;
            if let Some(seen) = self.seen.get_mut(&last) {
                seen.last.element = None;
            }
        }
    }
}

/// Lists again and reads again. Returns what still differs, by key.
pub fn look(client: &mut Client, sides: &Sides<'_>, suspicious: Suspicious) -> Result<Vec<Difference>> {
    let suspicious = Arc::new(suspicious);
    let seen = list(sides, &suspicious)?.seen;
    let keys: Vec<Key> = suspicious.keys().copied().collect();
    let pending = |client: &mut Client| {
        let clock = runs::clock(client, sides.times)?;
        change_log::pending(client, &clock)
    };
    read(client, &keys, sides.source.profile(), seen, pending)
}

/// Reads the rows of these objects, as a target of this profile can have them, in the order of their keys, and then what is `pending`. Returns what differs from what was
/// `seen`, what the target has altered among it.
pub(super) fn read(
    client: &mut Client,
    keys: &[Key],
    profile: &Profile,
    mut seen: BTreeMap<Key, SeenThere>,
    pending: impl FnOnce(&mut Client) -> Result<Vec<Pending>>,
) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for batch in keys.chunks(REREAD_ROWS) {
        let rows = objects::load_as(client, batch, profile)?;
        let kept = kept::of(client, batch)?;
        differences.extend(batch.iter().filter_map(|key| judge(*key, rows.get(key), kept.get(key), seen.remove(key))));
    }
    // After the rows: an edit that a row shows is pending, too, or a run was here meanwhile.
    let mut pending: Vec<Key> = pending(client)?.iter().filter(|one| one.events > 0).map(|one| one.key).collect();
    pending.sort_unstable();
    let on_hold = holds::keys(client)?;
    for difference in &mut differences {
        difference.on_hold = on_hold.contains(&difference.key);
        difference.pending = pending.binary_search(&difference.key).is_ok();
    }
    Ok(differences)
}

fn list(sides: &Sides<'_>, suspicious: &Arc<Suspicious>) -> Result<Sightings> {
    let mut sightings = Sightings::default();
    let concerned = |entity: &Entity| suspicious.keys().any(|key| key.entity() == *entity);
    let entities: Vec<Entity> = Entity::ALL.into_iter().filter(concerned).collect();
    let candidates = {
        let suspicious = Arc::clone(suspicious);
        move || Candidates { suspicious: Arc::clone(&suspicious), found: Vec::new(), bytes: 0 }
    };
    let listing = Ahead::start(sides.source, &entities, sides.signals, candidates)?;
    for _ in &entities {
        let reading = sides.ui.reading("again", "objects");
        let mut extent = Extent::Unknown;
        loop {
            match listing.step(sides.signals)? {
                Step::Begun(length) => extent = begin(&reading, length),
                Step::Batch(batch, progress) => {
                    batch.found.into_iter().for_each(|(key, candidate)| sightings.add(key, candidate));
                    move_on(&reading, extent, progress);
                }
                Step::Ended | Step::Over => break,
            }
        }
    }
    Ok(sightings)
}

fn judge(
    key: Key,
    local: Option<&objects::Loaded>,
    kept: Option<&Kept>,
    seen: Option<SeenThere>,
) -> Option<Difference> {
    let listed = seen.as_ref().and_then(|seen| seen.last.parent);
    let parent = local.and_then(|local| local.as_ref().ok()).and_then(Object::parent).or(listed);
    let (mut fields, mut faults, mut altered) = (Vec::new(), Vec::new(), false);
    let kind = match (local, seen) {
        (_, Some(SeenThere { times: 2.., .. })) => DifferenceKind::Duplicate,
        (_, Some(SeenThere { last: Candidate { print: None, element, .. }, .. })) => {
            faults = element.map(|element| element.faults().to_vec()).unwrap_or_default();
            DifferenceKind::Unreadable
        }
        // A row that cannot be read is equal to nothing.
        (Some(Err(_)), Some(_)) => DifferenceKind::Different,
        (Some(Ok(object)), Some(SeenThere { last: Candidate { print: Some(print), element, .. }, .. })) => {
            let here = Fingerprint::of(object);
            if print == here {
                return None;
            }
            altered = kept.is_some_and(|kept| kept.explains(here, print));
            fields = element.map(|element| element.differences(object)).unwrap_or_default();
            DifferenceKind::Different
        }
        (Some(_), None) => DifferenceKind::Missing,
        (None, Some(_)) => DifferenceKind::Extra,
        (None, None) => return None,
    };
    let (pending, on_hold, local) = (false, false, local.is_some());
    Some(Difference { key, kind, pending, on_hold, fields, faults, parent, there: listed, local, altered })
}
