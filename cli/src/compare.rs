//! Both sides, whole: which objects differ, and is there a pending change that explains it?
//!
//! Two passes. The first joins all rows of one snapshot with the whole listing, holding
//! back ids and fingerprints only (`news_core::diff`). What differs is a suspicion: a sync
//! or an edit may have come in between. The second pass lists again and reads the
//! suspicious rows again; what still differs is reported, with its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::diff::{Counts, Join, Kind as DifferenceKind, Match};
use news_core::fingerprint::Fingerprint;
use news_core::wire::{Element, FieldDifference};
use news_core::{Entity, Key, Object, PostId};
use postgres::{Client, Transaction};

use crate::error::{Failure, Kind, Result};
use crate::listing::{Ahead, Batch, Extent, Progress, Source, Step};
use crate::signals::Signals;
use crate::store::log::{self as change_log, Pending};
use crate::store::prints::Prints;
use crate::store::{objects, rows, runs};
use crate::ui::{Reading, Ui};

/// Texts of so many differences are kept; of the rest, only how they differ.
pub const DETAILS_MAX: usize = 20_000;
/// Rows read again in one query.
const REREAD_ROWS: usize = 1000;
/// A second look that a run disturbed is taken again, so often at most.
const LOOKS_MAX: u32 = 3;
/// Between two of them: the run has answers to record.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Elements that no row has come for are held back, 60 bytes each: a listing without end, or
/// somebody else's, is not to take all memory.
const STRANGERS_MAX: usize = 8_000_000;
/// Elements between two looks at the signals.
const LOOK_EVERY: u64 = 1024;

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

/// Both sides, and who is told of it.
pub struct Sides<'a> {
    /// The other side.
    pub source: &'a Source,
    /// What is compared.
    pub entities: &'a [Entity],
    /// Shows the progress.
    pub ui: &'a Ui,
    /// Stops it.
    pub signals: &'a Signals,
}

/// Compares both sides. `client` is for bulk reads and of no use after a failure.
pub fn compare(client: &mut Client, sides: &Sides<'_>) -> Result<Comparison> {
    let token = client.cancel_token();
    let mut snapshot = rows::snapshot(client)?;
    let (mut comparison, mut suspicious) = first_look(&mut snapshot, sides).inspect_err(|_| rows::cancel(&token))?;
    snapshot.commit()?;
    for look in 1..=LOOKS_MAX {
        if suspicious.is_empty() {
            break;
        }
        let begun = runs::now(client)?;
        comparison.differences = look_again(client, sides, &suspicious)?;
        let disturbed = match sides.source {
            Source::Target(_) => comparison.differences.iter().any(|d| !d.pending) && runs::any_since(client, begun)?,
            // A file says the same as often as it is asked.
            Source::Folder(_) | Source::Stdin => false,
        };
        if !disturbed || look == LOOKS_MAX {
            break;
        }
        suspicious = comparison.differences.iter().map(|difference| difference.key).collect();
        sides.signals.pause(BETWEEN_LOOKS)?;
    }
    Ok(comparison)
}

/// Elements as a join wants them.
#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    /// Their fields, one element's behind the other's.
    fields: Vec<u8>,
}

struct Line {
    id: Option<i64>,
    key: Option<Key>,
    is_readable: bool,
    /// Where its fields end.
    end: usize,
}

impl Batch for Lines {
    fn add(&mut self, element: Element<'_>) {
        let is_readable = element.write_fields(&mut self.fields);
        self.lines.push(Line { id: element.id(), key: element.key(), is_readable, end: self.fields.len() });
    }
}

/// Joins the rows of one snapshot with the listing, which another thread reads. Returns the
/// keys of what differs, too.
fn first_look(snapshot: &mut Transaction<'_>, sides: &Sides<'_>) -> Result<(Comparison, BTreeSet<Key>)> {
    let mut comparison = Comparison { pending: change_log::pending(snapshot)?, ..Comparison::default() };
    let mut suspicious = BTreeSet::new();
    let listing: Ahead<Lines> = Ahead::start(sides.source, sides.entities, sides.signals)?;
    for &entity in sides.entities {
        let reading = sides.ui.reading(entity.plural(), "objects");
        let mut extent = Extent::Unknown;
        let mut local = Local { rows: Prints::open(snapshot, entity)?, has_ended: false };
        let mut join = Join::new(entity);
        loop {
            match listing.step(sides.signals)? {
                Step::Begun(length) => extent = begin(&reading, length),
                Step::Batch(batch, progress) => {
                    local.join(&mut join, &batch)?;
                    if join.held() > STRANGERS_MAX {
                        let why =
                            format!("{}: more than {STRANGERS_MAX} {entity} that are not here", sides.source.name());
                        return Err(Failure::new(Kind::Refused, why)
                            .hint("is this the right target, or a listing without end?"));
                    }
                    move_on(&reading, extent, progress);
                }
                Step::Ended | Step::Over => break,
            }
        }
        while let Some(key) = local.next()? {
            join.row(key, local.rows.fingerprint());
        }
        let (differences, counts) = join.finish();
        suspicious.extend(differences.into_iter().map(|difference| difference.key));
        comparison.counts.insert(entity, counts);
    }
    Ok((comparison, suspicious))
}

/// The master's rows of one entity.
struct Local<'a> {
    rows: Prints<'a>,
    has_ended: bool,
}

impl Local<'_> {
    fn next(&mut self) -> Result<Option<Key>> {
        let next = if self.has_ended { None } else { self.rows.next()? };
        self.has_ended = next.is_none();
        Ok(next)
    }

    /// Takes elements, and the rows up to theirs. Where a row and its element meet their fields
    /// are compared as they are: only what has to wait for its partner is hashed.
    fn join(&mut self, join: &mut Join, batch: &Lines) -> Result<()> {
        let mut from = 0;
        for Line { id, key, is_readable, end } in &batch.lines {
            let fields = &batch.fields[from..*end];
            from = *end;
            let mut met = false;
            while !met && id.is_some_and(|id| join.wants_local(id)) {
                let Some(row) = self.next()? else { break };
                met = Some(row) == *key;
                if met {
                    let found = match is_readable {
                        true if fields == self.rows.fields() => Match::Equal,
                        true => Match::Different,
                        false => Match::Unreadable,
                    };
                    join.both(row, found, || self.rows.fingerprint());
                } else {
                    join.row(row, self.rows.fingerprint());
                }
            }
            if !met {
                join.listed(*key, || is_readable.then(|| Fingerprint::of_written(fields)));
            }
        }
        Ok(())
    }
}

/// Tells the screen how long a listing is.
pub fn begin(reading: &Reading, extent: Extent) -> Extent {
    reading.expect(match extent {
        Extent::Elements(length) | Extent::Bytes(length) => Some(length),
        Extent::Unknown => None,
    });
    extent
}

/// Tells the screen how far a listing is read.
pub fn move_on(reading: &Reading, extent: Extent, progress: Progress) {
    let position = match extent {
        Extent::Elements(_) | Extent::Unknown => progress.elements,
        Extent::Bytes(_) => progress.bytes,
    };
    reading.at(position, progress.elements);
}

/// What the listing has under a suspicious key.
#[derive(Debug)]
struct Seen {
    times: u32,
    print: Option<Fingerprint>,
    parent: Option<PostId>,
    /// Its texts, of as many as are kept.
    element: Option<Element<'static>>,
}

fn look_again(client: &mut Client, sides: &Sides<'_>, suspicious: &BTreeSet<Key>) -> Result<Vec<Difference>> {
    let mut seen: BTreeMap<Key, Seen> = BTreeMap::new();
    // The first ones by key, whatever the listing's order.
    let detailed_to = suspicious.iter().nth(DETAILS_MAX);
    for entity in Entity::ALL {
        if !suspicious.iter().any(|key| key.entity() == entity) {
            continue;
        }
        let reading = sides.ui.reading("again", "objects");
        let extent = std::cell::Cell::new(Extent::Unknown);
        let begun = |length| {
            extent.set(begin(&reading, length));
            Ok(())
        };
        sides.source.list(entity, sides.signals, begun, |element, progress| {
            if progress.elements.is_multiple_of(LOOK_EVERY) {
                move_on(&reading, extent.get(), progress);
                if let Some(stop) = sides.signals.stop() {
                    return Err(stop);
                }
            }
            if let Some(key) = element.key().filter(|key| suspicious.contains(key)) {
                let times = seen.get(&key).map_or(0, |seen| seen.times) + 1;
                let (print, parent) = (element.fingerprint(), element.parent());
                let detailed = detailed_to.is_none_or(|last| key < *last);
                seen.insert(key, Seen { times, print, parent, element: detailed.then(|| element.into_owned()) });
            }
            Ok(())
        })?;
    }
    let keys: Vec<Key> = suspicious.iter().copied().collect();
    let mut differences = Vec::new();
    for batch in keys.chunks(REREAD_ROWS) {
        let rows = objects::load(client, batch.iter().copied())?;
        differences.extend(batch.iter().filter_map(|key| judge(*key, rows.get(key), seen.remove(key))));
    }
    // After the rows: an edit that a row shows is pending, too, or a run was here meanwhile.
    let pending: BTreeSet<Key> = change_log::pending(client)?.iter().map(|p| p.key).collect();
    for difference in &mut differences {
        difference.pending = pending.contains(&difference.key);
    }
    Ok(differences)
}

fn judge(key: Key, local: Option<&Object>, seen: Option<Seen>) -> Option<Difference> {
    let parent = local.and_then(Object::parent).or_else(|| seen.as_ref().and_then(|seen| seen.parent));
    let mut fields = Vec::new();
    let kind = match (local, seen) {
        (_, Some(Seen { times: 2.., .. })) => DifferenceKind::Duplicate,
        (_, Some(Seen { print: None, .. })) => DifferenceKind::Unreadable,
        (Some(object), Some(Seen { print: Some(print), element, .. })) => {
            if print == Fingerprint::of(object) {
                return None;
            }
            fields = element.map(|element| element.differences(object)).unwrap_or_default();
            DifferenceKind::Different
        }
        (Some(_), None) => DifferenceKind::Missing,
        (None, Some(_)) => DifferenceKind::Extra,
        (None, None) => return None,
    };
    Some(Difference { key, kind, pending: false, fields, parent, local: local.is_some() })
}
