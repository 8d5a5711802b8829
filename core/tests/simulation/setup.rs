//! What a seed decides at once, and which rule the driver breaks.

use std::time::Duration;

use news_core::session::SETTLE;

use crate::column::Column;
use crate::manners::Manner;
use crate::rng::Rng;

/// A rule that a driver breaks, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing is committed before sending.
    NoPreSendRow,
    /// A time-out is taken for "not sent".
    TimeoutIsNotSent,
    /// Requests take effect at once, it thinks.
    NoSettle,
    /// What is answered after the lock was lost is recorded.
    RecordsAfterLockLost,
    /// It does not ask whether the lock is still held before it sends.
    NoLease,
    /// It does not ask again once there is a connection, however long that took.
    NoGate,
    /// It writes no sign of life after its beginning.
    NoSignOfLife,
    /// It does not ask for fresh data, whatever the request says.
    NoFreshness,
}

/// What a seed decides at once.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is switched by itself")]
pub struct Setup {
    pub column: Column,
    /// The target trims texts.
    pub alters: bool,
    pub jobs: usize,
    pub rate_per_s: Option<f64>,
    /// A transaction takes up to so long.
    pub commit_ms: u64,
    pub flaw: Option<Flaw>,
    /// What the target does besides storing, until all is calm.
    pub manner: Manner,
    /// The status with which one object is refused.
    pub refusal: u16,
    /// How long an unanswered request may take to have its effect.
    pub late: Duration,
    /// Shards of the division; 1: there are none.
    pub shards: u16,
    /// Some runs are a loop's: they wait for nothing.
    pub loops_permille: u64,
    /// The owner's triggers act, ids move, the log's sequence is restarted.
    pub is_odd: bool,
    /// A dump of the data alone was restored at the beginning.
    pub restored: bool,
    /// Operators give up changes, and let what is parked be tried again.
    pub operators: bool,
    /// Operators put objects on hold, and release them.
    pub holds: bool,
    /// The database's clock is set back at some time.
    pub set_back: Duration,
    /// The target acknowledges a write, and it takes effect so much later.
    pub lag: Duration,
    /// A search by key, and a listing, show a state that is older by up to this.
    pub search_lag: Duration,
    /// Others change the target, and full syncs repair it.
    pub damaged: bool,
    /// The time between two starts of a run, at most.
    pub start_gap_ms: u64,
    pub lock_losses_permille: u64,
    pub early_edits_permille: u64,
    pub interrupts_permille: u64,
    /// An answer is waited for no longer than some time below this.
    pub timeout_max: Duration,
    /// Runs are long: they outlive what an unanswered request may take, counted from their first sign of life.
    pub is_long: bool,
}

/// What is searched is part of a write's effect: both together take no longer than what is assumed.
const SEARCH_LAG_MAX: Duration = Duration::from_secs(1);

/// Short enough for a schedule that outlives it.
const LATE_OF_LONG: Duration = Duration::from_secs(10);

impl Setup {
    pub fn any(flaw: Option<Flaw>, rng: &mut Rng) -> Self {
        let column = Column::any(rng);
        // What only a long run shows is looked for in these above all.
        let is_long = rng.permille(if flaw == Some(Flaw::NoSignOfLife) { 500 } else { 50 });
        let searches_late = matches!(column, Column::Keyed { .. }) && rng.permille(300);
        let lags = matches!(column, Column::Duplicates { .. }) && rng.permille(300);
        Self {
            column,
            alters: flaw.is_none() && column.keeps() && rng.permille(300),
            search_lag: if searches_late { rng.within(SEARCH_LAG_MAX) } else { Duration::ZERO },
            lag: if lags { rng.within(SETTLE) } else { Duration::ZERO },
            jobs: usize::try_from(rng.between(1, 8)).unwrap_or(1),
            rate_per_s: if is_long {
                rng.pick(&[0.3, 0.5, 1.0])
            } else {
                rng.permille(200).then(|| f64::from(u32::try_from(rng.between(2, 100)).unwrap_or(2)))
            },
            commit_ms: rng.pick(&[2, 20, 300]).unwrap_or(2),
            flaw,
            manner: if flaw.is_none() { Manner::any(rng) } else { Manner::Plain },
            refusal: if flaw.is_none() { rng.pick(&[422, 422, 400, 302, 403, 401]).unwrap_or(422) } else { 422 },
            late: if is_long { LATE_OF_LONG } else { rng.pick(&[SETTLE, Duration::from_secs(30)]).unwrap_or(SETTLE) },
            shards: if flaw.is_none() && column.keeps() { rng.pick(&[1, 1, 1, 1, 2, 3]).unwrap_or(1) } else { 1 },
            loops_permille: rng.pick(&[0, 0, 300, 900]).unwrap_or(0),
            is_odd: flaw.is_none() && rng.permille(300),
            restored: false,
            operators: flaw.is_none() && rng.permille(150),
            holds: flaw.is_none() && rng.permille(200),
            set_back: if rng.permille(100) { rng.within(Duration::from_hours(2)) } else { Duration::ZERO },
            start_gap_ms: if is_long { 100 } else { rng.pick(&[100, 1000, 8000]).unwrap_or(1000) },
            lock_losses_permille: rng.pick(&[0, 0, 300, 800]).unwrap_or(0),
            early_edits_permille: rng.pick(&[0, 200, 800]).unwrap_or(0),
            interrupts_permille: rng.pick(&[0, 0, 200]).unwrap_or(0),
            damaged: flaw.is_none() && column.keeps() && rng.permille(300),
            timeout_max: Duration::ZERO,
            is_long,
        }
        .with_timeout(rng)
    }

    /// Where a full sync ends the schedule, the data may have come from a dump. No answer is waited for longer than what is
    /// not answered may take; and a sign of life says nothing of a time that is waited for an answer anyhow.
    fn with_timeout(self, rng: &mut Rng) -> Self {
        let timeout_max = if self.is_long { Duration::from_secs(1) } else { self.late };
        Self { restored: self.damaged && rng.permille(300), timeout_max, ..self }
    }
}
