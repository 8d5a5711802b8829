//! What `news diff` reports.

use std::collections::{BTreeMap, BTreeSet};

use news_core::Key;
use news_core::left_out::Place;
use news_core::model::Fault;
use news_core::wire::FieldDifference;
use serde::Serialize;

use crate::compare::{Comparison, Difference};
use crate::report::sync::ByEntity;

/// `news diff`
#[derive(Debug, Serialize)]
pub struct DiffReport {
    /// Whether nothing differs that counts.
    pub equal: bool,
    /// Which target, or the folder of a saved listing.
    pub target: String,
    /// The objects that were compared, where not all were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// By entity.
    pub summary: ByEntity<EntitySides>,
    /// The differences that count, by key; at most as many as asked for.
    pub differences: Vec<DifferenceRow>,
    /// Differences left out here.
    pub more: u64,
    /// Objects of the target that an import left out, by key: the first ones. They do not count as differences.
    pub left_out: Vec<LeftOutRow>,
}

/// An object that an import left out.
#[derive(Debug, Serialize)]
pub struct LeftOutRow {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// The reason of the import.
    pub why: String,
}

/// What was seen of one entity.
#[derive(Debug, Default, Serialize)]
pub struct EntitySides {
    /// Rows at the master.
    pub local: u64,
    /// Elements in the target's listing.
    pub target: u64,
    /// At the master only.
    pub missing: u64,
    /// At the target only.
    pub extra: u64,
    /// With other fields.
    pub different: u64,
    /// Objects of which the target keeps what it made of the texts that it was sent. They are equal, but with `--strict`, where
    /// they are among the different ones.
    pub altered: u64,
    /// Listed more than once.
    pub duplicate: u64,
    /// Not to be read.
    pub unreadable: u64,
    /// Elements of the listing with no id that could be ours.
    pub nameless: u64,
    /// Where the target chooses the ids: records without a key of ours. They are not compared.
    pub strangers: u64,
    /// Of the differences, those that a pending change explains.
    pub pending: u64,
    /// Of the differences, those of objects on hold.
    pub on_hold: u64,
    /// Objects that an import left out, and those that belong to one: no differences.
    pub left_out: u64,
}

/// One difference.
#[derive(Debug, Serialize)]
pub struct DifferenceRow {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// missing, extra, different, duplicate, unreadable.
    pub kind: &'static str,
    /// A pending change explains it.
    pub pending: bool,
    /// The object is on hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_hold: bool,
    /// With `--strict`: the target has altered its texts, and both sides are as they were.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
    /// Of a different object: the fields; none beyond the first 20,000 differences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRow>,
    /// Of an unreadable one: what is wrong with it, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultRow>,
}

/// What keeps a field from being read.
#[derive(Debug, Serialize)]
pub struct FaultRow {
    /// Its name at the target.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// One field.
#[derive(Debug, Serialize)]
pub struct FieldRow {
    /// Its name at the target.
    pub field: &'static str,
    /// The master's value.
    pub local: String,
    /// The target's value.
    pub target: Option<String>,
}

/// Which differences count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// All.
    All,
    /// Only what neither a pending change nor a hold explains.
    DriftOnly,
}

/// Which of these are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All.
    All,
    /// The first ones.
    AtMost(usize),
    /// None: the summary says it all.
    Summary,
}

/// Left-out objects that are named: there may be a million.
const LEFT_OUT_NAMED: usize = 100;

/// Takes objects that an import left out from what differs: no sync touches them. `left_out` has the reasons.
pub fn take_left_out(comparison: &mut Comparison, left_out: &BTreeMap<Key, String>) -> Vec<Difference> {
    let keys: BTreeSet<Key> = left_out.keys().copied().collect();
    let all = std::mem::take(&mut comparison.differences);
    let (apart, rest) = all.into_iter().partition(|one| match Place::of(&one.sighting(), &keys) {
        Place::LeftOut => true,
        Place::Ours | Place::Contested | Place::Vacant => false,
    });
    comparison.differences = rest;
    apart
}

impl DiffReport {
    /// Describes a comparison. `left_out` has the objects that imports have left out, with the reasons.
    pub fn new(
        target: &str,
        mut comparison: Comparison,
        left_out: &BTreeMap<Key, String>,
        counting: Counting,
        shown: Shown,
    ) -> Self {
        use news_core::diff::Kind;
        let mut summary: ByEntity<EntitySides> = ByEntity::new();
        for (entity, counts) in &comparison.counts {
            let sides = summary.entry(entity.plural()).or_default();
            (sides.local, sides.target, sides.nameless) = (counts.local, counts.target, counts.nameless);
            sides.altered = counts.altered;
            sides.strangers = comparison.strangers.get(entity).copied().unwrap_or_default();
        }
        let apart = take_left_out(&mut comparison, left_out);
        for object in &apart {
            summary.entry(object.key.entity().plural()).or_default().left_out += 1;
        }
        for difference in &comparison.differences {
            let sides = summary.entry(difference.key.entity().plural()).or_default();
            sides.pending += u64::from(difference.pending);
            sides.on_hold += u64::from(difference.on_hold);
            sides.altered += u64::from(difference.altered);
            *match difference.kind {
                Kind::Missing => &mut sides.missing,
                Kind::Extra => &mut sides.extra,
                Kind::Different => &mut sides.different,
                Kind::Duplicate => &mut sides.duplicate,
                Kind::Unreadable => &mut sides.unreadable,
            } += 1;
        }
        let counts = |difference: &Difference| match counting {
            Counting::All => true,
            Counting::DriftOnly => difference.is_drift(),
        };
        let nameless = summary.values().any(|sides| sides.nameless > 0);
        let mut differences: Vec<Difference> = comparison.differences;
        differences.retain(counts);
        let equal = differences.is_empty() && !nameless;
        let count = differences.len();
        let limit = match shown {
            Shown::All => usize::MAX,
            Shown::AtMost(limit) => limit,
            Shown::Summary => 0,
        };
        differences.truncate(limit);
        let named = apart.iter().take(limit.min(LEFT_OUT_NAMED)).map(|object| LeftOutRow {
            entity: object.key.entity().plural(),
            id: object.key.id(),
            why: left_out.get(&object.key).map_or_else(|| String::from("its post was left out"), Clone::clone),
        });
        let left_out = named.collect();
        let more = (count - differences.len()) as u64;
        let differences = differences.into_iter().map(DifferenceRow::from).collect();
        Self { equal, target: target.to_owned(), keys: Vec::new(), summary, differences, more, left_out }
    }

    /// Says that these objects were compared, and no others; none: all.
    pub fn of(mut self, keys: &[Key]) -> Self {
        let keys: BTreeSet<Key> = keys.iter().copied().collect();
        self.keys = keys.iter().map(ToString::to_string).collect();
        self
    }
}

impl DiffReport {
    /// Counts the differences that count, listed or not.
    pub fn found(&self) -> u64 {
        self.differences.len() as u64 + self.more
    }
}

impl From<Difference> for DifferenceRow {
    fn from(difference: Difference) -> Self {
        let field = |FieldDifference { field, local, target }| FieldRow { field, local, target };
        Self {
            entity: difference.key.entity().plural(),
            id: difference.key.id(),
            kind: difference.kind.word(),
            pending: difference.pending,
            on_hold: difference.on_hold,
            altered: difference.altered,
            fields: difference.fields.into_iter().map(field).collect(),
            faults: difference.faults.into_iter().map(|Fault { field, why }| FaultRow { field, why }).collect(),
        }
    }
}
