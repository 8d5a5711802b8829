//! Both sides, whole: which objects differ, and is there a pending change that explains it?
//!
//! Two passes. The first joins all rows of one snapshot with the whole listing, holding
//! back ids and fingerprints only (`news_core::diff`). What differs is a suspicion: a sync
//! or an edit may have come in between. The second pass lists again and reads the
//! suspicious rows again; what still differs is reported, with its texts.
//!
//! Some objects alone ([`keys`]) are asked for by their own addresses, in both passes.

mod again;
mod first;
pub mod keys;

use std::collections::BTreeMap;
use std::time::Duration;

use news_core::diff::{Counts, Kind as DifferenceKind};
use news_core::ledger::Pending;
use news_core::model::Fault;
use news_core::repair::Sighting;
use news_core::wire::FieldDifference;
use news_core::{Entity, Key, PostId};
use postgres::Client;

use crate::error::Result;
use crate::listing::{Extent, Progress};
use crate::run;
use crate::signals::Signals;
use crate::source::Source;
use crate::store::{rows, runs};
use crate::times::Times;
use crate::ui::{ReadingProgress, Ui};

/// A second look that a run disturbed is taken again, so often at most.
const LOOKS_MAX: u32 = 3;
/// Between two of them: the run has answers to record.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Differences: a listing without end, or somebody else's, is not to take all memory. So many take 600 MB, the
/// second look included.
pub const FOUND_MAX: usize = 2_000_000;

/// What differs, and how, as far as one look tells.
type Suspicious = BTreeMap<Key, DifferenceKind>;

/// An object that differs, confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// How.
    pub kind: DifferenceKind,
    /// A pending change explains it.
    pub pending: bool,
    /// An operator has stopped the sync of the object.
    pub on_hold: bool,
    /// Of a different object: the fields, where their texts were kept.
    pub fields: Vec<FieldDifference>,
    /// Of an unreadable one: what is wrong with it, likewise.
    pub faults: Vec<Fault>,
    /// Of a comment: its post, on the side where it is.
    pub parent: Option<PostId>,
    /// Of a comment: the post under which the other side has it.
    pub there: Option<PostId>,
    /// The master has it.
    pub local: bool,
    /// The target has altered the texts that it was sent, and nothing has changed since: it differs to the strict alone.
    pub altered: bool,
}

impl Difference {
    /// Says whether neither a pending change nor a hold explains it.
    pub fn is_drift(&self) -> bool {
        !self.pending && !self.on_hold
    }

    /// Returns what repairing looks at.
    pub fn sighting(&self) -> Sighting {
        Sighting { key: self.key, kind: self.kind, parent: self.parent, there: self.there, is_local: self.local }
    }
}

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Comparison {
    /// By key.
    pub differences: Vec<Difference>,
    /// What was seen, by entity, in the first pass.
    pub counts: BTreeMap<Entity, Counts>,
    /// Records of a target that chooses the ids, without a key of ours.
    pub strangers: BTreeMap<Entity, u64>,
    /// Objects with pending changes in the first pass's snapshot.
    pub pending: Vec<Pending>,
    /// Objects that differed at first, and then no longer.
    pub settled: Vec<Key>,
    /// Objects that the target keeps as they were sent, though it had altered them once.
    pub as_sent: Vec<Key>,
}

/// What an object is whose texts the target has altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Altered {
    /// It is equal.
    Equal,
    /// It differs.
    Differs,
}

impl Altered {
    /// Leaves those that differ.
    pub fn differing(self, mut found: Vec<Difference>) -> Vec<Difference> {
        found.retain(|difference| !difference.altered || self == Altered::Differs);
        found
    }
}

/// Who may change the other side while it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nobody of ours: the lock is held, or the other side is a file.
    Nobody,
    /// A run.
    Runs,
}

/// Both sides, and who is told of it.
pub struct Sides<'a> {
    /// The other side.
    pub source: &'a Source,
    /// What is compared.
    pub entities: &'a [Entity],
    /// Who may change the other side meanwhile.
    pub beside: Beside,
    /// What is altered.
    pub altered: Altered,
    /// How long a request of a run may take.
    pub times: Times,
    /// Shows the progress.
    pub ui: &'a Ui,
    /// Stops it.
    pub signals: &'a Signals,
}

/// Compares both sides. `client` is for bulk reads and of no use after a failure.
pub fn compare(client: &mut Client, sides: &Sides<'_>) -> Result<Comparison> {
    sides.source.require_repeatable(sides.entities)?;
    let token = client.cancel_token();
    let mut snapshot = rows::snapshot(client)?;
    let (comparison, suspicious) = first::look(&mut snapshot, sides).inspect_err(|_| rows::cancel(&token))?;
    snapshot.commit()?;
    let Sides { beside, times, signals, .. } = *sides;
    confirm(client, comparison, suspicious, (beside, times, signals), |client, suspicious| {
        again::look(client, sides, suspicious).map(|found| sides.altered.differing(found))
    })
}

/// Looks again at what differed, until a look is undisturbed by runs, and returns what still differs.
fn confirm(
    client: &mut Client,
    mut comparison: Comparison,
    mut suspicious: Suspicious,
    (beside, times, signals): (Beside, Times, &Signals),
    mut again: impl FnMut(&mut Client, Suspicious) -> Result<Vec<Difference>>,
) -> Result<Comparison> {
    let suspects: Vec<Key> = suspicious.keys().copied().collect();
    for look in 1..=LOOKS_MAX {
        if suspicious.is_empty() {
            break;
        }
        if beside == Beside::Runs && is_unexplained(&suspicious, &comparison.pending) {
            // What a run has sent may take effect a little later than it was acknowledged, or given up.
            run::settle(runs::all_settled_in(client, times)?, signals)?;
        }
        log::debug!("looking again at {} objects that differ", suspicious.len());
        let begun = runs::now(client)?;
        comparison.differences = again(client, suspicious)?;
        let disturbed = match beside {
            Beside::Runs => comparison.differences.iter().any(|d| !d.pending) && runs::any_since(client, begun)?,
            Beside::Nobody => false,
        };
        if !disturbed || look == LOOKS_MAX {
            break;
        }
        suspicious = comparison.differences.iter().map(|difference| (difference.key, difference.kind)).collect();
        signals.pause(BETWEEN_LOOKS)?;
    }
    let differs = |key: &Key| comparison.differences.binary_search_by_key(key, |difference| difference.key).is_ok();
    comparison.settled = suspects.into_iter().filter(|key| !differs(key)).collect();
    Ok(comparison)
}

/// Says whether something differs that no pending change explains.
fn is_unexplained(suspicious: &Suspicious, pending: &[Pending]) -> bool {
    pending.iter().filter(|pending| suspicious.contains_key(&pending.key)).count() < suspicious.len()
}

/// Tells the screen how long a listing is.
pub fn begin(reading: &ReadingProgress, extent: Extent) -> Extent {
    reading.expect(match extent {
        Extent::Elements(length) | Extent::Bytes(length) => Some(length),
        Extent::Unknown => None,
    });
    extent
}

/// Tells the screen how far a listing is read.
pub fn move_on(reading: &ReadingProgress, extent: Extent, progress: Progress) {
    let position = match extent {
        Extent::Elements(_) | Extent::Unknown => progress.elements,
        Extent::Bytes(_) => progress.bytes,
    };
    reading.at(position, progress.elements);
}
