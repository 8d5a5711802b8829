//! What `news diff` reports.

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
    /// By entity.
    pub summary: ByEntity<Sides>,
    /// The differences that count, by key; at most as many as asked for.
    pub differences: Vec<DifferenceRow>,
    /// Differences left out here.
    pub more: u64,
}

/// What was seen of one entity.
#[derive(Debug, Default, Serialize)]
pub struct Sides {
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
    /// Listed more than once.
    pub duplicate: u64,
    /// Not to be read.
    pub unreadable: u64,
    /// Elements of the listing with no id that could be ours.
    pub nameless: u64,
    /// Of the differences, those that a pending change explains.
    pub pending: u64,
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
    /// Only what no pending change explains.
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

impl DiffReport {
    /// Describes a comparison.
    pub fn new(target: &str, comparison: Comparison, counting: Counting, shown: Shown) -> Self {
        use news_core::diff::Kind;
        let mut summary: ByEntity<Sides> = ByEntity::new();
        for (entity, counts) in &comparison.counts {
            let sides = summary.entry(entity.plural()).or_default();
            (sides.local, sides.target, sides.nameless) = (counts.local, counts.target, counts.nameless);
        }
        for difference in &comparison.differences {
            let sides = summary.entry(difference.key.entity().plural()).or_default();
            sides.pending += u64::from(difference.pending);
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
            Counting::DriftOnly => !difference.pending,
        };
        let nameless = summary.values().any(|sides| sides.nameless > 0);
        let mut differences: Vec<Difference> = comparison.differences;
        differences.retain(counts);
        let equal = differences.is_empty() && !nameless;
        let count = differences.len();
        match shown {
            Shown::All => {}
            Shown::AtMost(limit) => differences.truncate(limit),
            Shown::Summary => differences.clear(),
        }
        let more = (count - differences.len()) as u64;
        let differences = differences.into_iter().map(DifferenceRow::from).collect();
        Self { equal, target: target.to_owned(), summary, differences, more }
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
            fields: difference.fields.into_iter().map(field).collect(),
            faults: difference.faults.into_iter().map(|Fault { field, why }| FaultRow { field, why }).collect(),
        }
    }
}
