//! What happens in the world, and how often.

use crate::net::Back;
use crate::run::Job;
use news_core::Key;
use news_core::session::Look;
use std::time::Duration;

#[derive(Debug, Clone)]
pub enum Event {
    Edit,
    StartRun,
    StartFull,
    /// A full sync looks again.
    LookAgain,
    /// An operator decides about something that is left.
    Operate,
    /// An operator puts an object on hold, or releases one.
    Hold,
    /// The database's clock is set back.
    SetBack,
    /// Somebody else changes the target.
    Damage,
    /// Faults and edits are over.
    Calm,
    LoseLock {
        run: usize,
    },
    Interrupt {
        run: usize,
    },
    Wake {
        run: usize,
        token: u64,
    },
    Job {
        run: usize,
        job: Job,
    },
    /// There is a connection.
    Transmit {
        flight: usize,
    },
    Effect {
        flight: usize,
    },
    /// What was acknowledged takes effect.
    LateEffect {
        flight: usize,
    },
    Back {
        flight: usize,
    },
    ListingBack {
        run: usize,
        look: Look,
        back: Back,
    },
    ProbeBack {
        run: usize,
        key: Key,
        back: Back,
    },
    FilterBack {
        run: usize,
        key: Key,
        back: Back,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub runs: u64,
    pub full_runs: u64,
    pub requests: u64,
    pub kills: u64,
    pub locks_lost: u64,
    pub overtaken: u64,
    pub requests_max: u64,
    pub longest: Duration,
}

impl Stats {
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.full_runs += other.full_runs;
        self.requests += other.requests;
        self.kills += other.kills;
        self.locks_lost += other.locks_lost;
        self.overtaken += other.overtaken;
        self.requests_max = self.requests_max.max(other.requests_max);
        self.longest = self.longest.max(other.longest);
    }
}
