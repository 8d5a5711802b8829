//! What a seed decides at once, and which rule the driver breaks.

use std::time::Duration;

use news_core::session::SETTLE;

use crate::rng::Rng;
use crate::target::Column;

/// A rule that a driver breaks, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing is committed before sending.
    NoPreSendRow,
    /// A time-out is taken for "not sent".
    TimeoutIsNotSent,
    /// All unsynced events of an object are marked, not those that were read.
    MarksAll,
    /// Requests take effect at once, it thinks.
    NoSettle,
    /// What is answered after the lock was lost is recorded.
    RecordsAfterLockLost,
    /// It does not ask whether the lock is still held before it sends.
    NoLease,
    /// It does not ask again once there is a connection, however long that took.
    NoGate,
    /// What is cleared is no longer known to be there several times.
    ForgetsDoubled,
    /// The comments of a post that is cleared are taken for where they were.
    DoubtsNoComments,
    /// What events say is believed, though a look has overtaken them.
    BelievesOldEvents,
    /// What a look has seen of an object is forgotten where a newer event overtakes it.
    ForgetsOvertaken,
}

impl Flaw {
    /// Says whether it shows only where others damage the target, and full syncs repair it.
    fn is_of_full_syncs(self) -> bool {
        match self {
            Flaw::ForgetsDoubled | Flaw::DoubtsNoComments | Flaw::BelievesOldEvents | Flaw::ForgetsOvertaken => true,
            Flaw::NoPreSendRow
            | Flaw::TimeoutIsNotSent
            | Flaw::MarksAll
            | Flaw::NoSettle
            | Flaw::RecordsAfterLockLost
            | Flaw::NoLease
            | Flaw::NoGate => false,
        }
    }
}

/// What a seed decides at once.
#[derive(Debug, Clone)]
pub struct Setup {
    pub column: Column,
    pub jobs: usize,
    pub rate_per_s: Option<f64>,
    /// A transaction takes up to so long.
    pub commit_ms: u64,
    pub flaw: Option<Flaw>,
    /// The target acknowledges a write, and it takes effect so much later.
    pub lag: Duration,
    /// Others change the target, and full syncs repair it.
    pub damaged: bool,
    /// The time between two starts of a run, at most.
    pub start_gap_ms: u64,
    pub lock_losses_permille: u64,
    pub early_edits_permille: u64,
    pub interrupts_permille: u64,
}

impl Setup {
    pub fn any(flaw: Option<Flaw>, rng: &mut Rng) -> Self {
        let column = Column::any(rng);
        let lags = matches!(column, Column::Duplicates { .. }) && rng.permille(300);
        Self {
            column,
            lag: if lags { rng.within(SETTLE) } else { Duration::ZERO },
            jobs: usize::try_from(rng.between(1, 8)).unwrap_or(1),
            rate_per_s: rng.permille(200).then(|| f64::from(u32::try_from(rng.between(2, 100)).unwrap_or(2))),
            commit_ms: rng.pick(&[2, 20, 300]).unwrap_or(2),
            flaw,
            start_gap_ms: rng.pick(&[100, 1000, 8000]).unwrap_or(1000),
            lock_losses_permille: rng.pick(&[0, 0, 300, 800]).unwrap_or(0),
            early_edits_permille: rng.pick(&[0, 200, 800]).unwrap_or(0),
            interrupts_permille: rng.pick(&[0, 0, 200]).unwrap_or(0),
            damaged: flaw.is_none_or(Flaw::is_of_full_syncs) && column.keeps() && rng.permille(300),
        }
    }
}
