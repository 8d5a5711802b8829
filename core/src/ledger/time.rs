//! Time between runs: the database's clock, and until when requests may still take effect.

use core::ops::Add;
use core::time::Duration;

use crate::session::LEASE;

/// A run writes a sign of life into its row at least so often while it may send.
pub const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(5);

/// A moment of the database's clock, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Moment {
    /// Returns how long after `earlier` it is; zero where it is not.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the age of something that carries the stamp `self`, at `now`. A stamp in the future comes from a clock that
    /// was set back since: the age is then unknown, and counts as what the clock was set back by, at least.
    pub fn age(self, now: Moment) -> Duration {
        now.since(self).max(self.since(now))
    }
}

/// What reading the ledger needs to know of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The database's clock.
    pub now: Moment,
    /// Requests of runs that ended without a word may take effect until then: [`Clock::late`] after the last of them gave up
    /// ([`Clock::gave_up_at`]).
    pub lost_until: Moment,
    /// How long an unanswered request may take to have its effect.
    pub late: Duration,
}

/// What is known of the process of a run that ended without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It does not exist any more.
    Gone,
    /// It may exist: it ran on another host, or something has its id.
    Unknown,
}

/// Unanswered requests of earlier runs, of one object or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// The latest [`Entry::settled_at`](super::Entry::settled_at).
    pub settled_at: Option<Moment>,
    /// An entry says that a request may be in flight.
    pub is_sent: bool,
}

impl Clock {
    /// Returns when a run that ended without a word gave up its last request: by then its connections were closed. Its last
    /// sign of life was at `alive_at`, and that it was over was noticed at `noticed_at`; it waited for an answer for `timeout`
    /// at the most. A process that has only lost its session to the database sends nothing more, but still waits.
    pub fn gave_up_at(alive_at: Moment, noticed_at: Moment, timeout: Duration, process: Process) -> Moment {
        let sent_at = alive_at + SIGN_OF_LIFE_EVERY;
        match process {
            Process::Gone => (sent_at + LEASE + timeout).min(noticed_at.max(alive_at)),
            Process::Unknown => sent_at.min(noticed_at.max(alive_at)) + LEASE + timeout,
        }
    }

    /// Returns how long it takes until every unanswered request of earlier runs has had its effect.
    pub fn until_settled(&self, outstanding: &Outstanding) -> Duration {
        let own = outstanding.settled_at.map_or(Duration::ZERO, |moment| self.until(moment));
        if outstanding.is_sent { own.max(self.until(self.lost_until)) } else { own }
    }

    /// Returns how long it takes until `moment`. A clock that was set back makes nobody wait longer than a request can take: as
    /// long as its answer is waited for, which is no longer than [`Clock::late`], and that long again.
    pub fn until(&self, moment: Moment) -> Duration {
        moment.since(self.now).min(self.until_max())
    }

    /// Returns the longest time that a request can take: one that is further away was set by a clock that was set back since.
    pub fn until_max(&self) -> Duration {
        2 * self.late + LEASE + SIGN_OF_LIFE_EVERY
    }
}
