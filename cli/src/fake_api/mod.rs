//! A Fake API: what a real target does to our requests, and every way in which it fails, on purpose.
//!
//! ```text
//! request ─▶ wire ─▶ arrive ─(wait)─▶ answer ─(wait)─▶ wire ─▶ whole, half, or cut
//!                      │ journal         │ gates: token, throttle, refusals
//!                      └ dice ─▶ fate    └ route ─▶ listing | mode.judge ─▶ stock.take
//! ```
//!
//! In scope: the behaviour of JSONPlaceholder and json-server as measured ([`Mode`]), faults on top of it
//! ([`Faults`]), and a journal for tests. Out of scope: sockets (`wire`), keeping anything beyond the process, and
//! what nobody syncs with: `_sort`, `_embed`, JSONP. Everything but `wire` runs without a socket or a clock.
//!
//! No lock is held while something is read, written, parsed or waited for.

mod answer;
mod control;
mod data;
mod faults;
mod form;
mod gates;
mod guise;
mod journal;
mod late;
mod listing;
mod mode;
mod perform;
mod record;
mod route;
mod stock;
mod throttle;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub use data::Data;
pub use faults::{CutListing, Faults, Forbid, Order, RetryAfter, Total};
pub use mode::{Mode, Orphans, Rules};
use news_core::profile::Profile;
pub use record::Spelling;
pub use wire::{BODY_BYTES_MAX, handle};

use crate::secret::Secret;
use answer::{Answer, Body, Sending};
use faults::{Dice, Fate};
use guise::Heard;
use journal::Journal;
use late::Late;
use perform::{failed, kind};
use route::Route;
use stock::Stock;
use throttle::Bucket;

/// What a Fake API is started with.
#[derive(Debug)]
pub struct Setup {
    /// How writes are judged.
    pub rules: Rules,
    /// As what it speaks, if not as json-server.
    pub profile: Option<&'static Profile>,
    /// What there is to begin with, and again after a reset.
    pub data: Data,
    /// The faults to begin with.
    pub faults: Faults,
    /// What the dice follow from.
    pub seed: u64,
    /// The bearer token that [`Faults::require_token`] asks for.
    pub token: Option<Secret>,
}

/// A running Fake API, without its sockets.
#[derive(Debug)]
pub struct FakeApi {
    setup: Setup,
    stock: RwLock<Stock>,
    faults: RwLock<Arc<Faults>>,
    journal: Mutex<Journal>,
    late: Mutex<Late>,
    /// How many writes wait in `late`: mostly none, and then nobody needs its lock.
    late_len: AtomicUsize,
    bucket: Mutex<Bucket>,
}

/// A request.
#[derive(Debug, Clone, Default)]
struct Ask {
    method: String,
    /// Path and query.
    target: String,
    host: String,
    media_type: Option<String>,
    /// The field that shows who sends it.
    authorization: Option<String>,
    /// It must not replace what is there (`news_core::profile::IF_NEW`).
    is_new: bool,
    /// A constant field of the profile that it does not have.
    lacks: Option<&'static str>,
    body: Vec<u8>,
}

/// A request that has arrived: its number, and what follows from that.
#[derive(Debug, Clone)]
struct Turn {
    number: u64,
    faults: Arc<Faults>,
    dice: Dice,
    /// How long to wait before [`FakeApi::answer`] is called.
    wait_before: Duration,
    /// How long to wait before its reply is sent.
    wait_after: Duration,
}

/// An answer, and how it leaves.
#[derive(Debug)]
struct Reply {
    answer: Answer,
    sending: Sending,
    /// How long sending takes.
    lasts: Duration,
}

impl Reply {
    fn whole(answer: Answer) -> Self {
        Self { answer, sending: Sending::Whole, lasts: Duration::ZERO }
    }
}

/// When a write comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    Now,
    At(Instant),
    Never,
}

impl FakeApi {
    /// Starts with `setup`.
    pub fn new(setup: Setup) -> Self {
        Self {
            stock: RwLock::new(setup.data.stock()),
            faults: RwLock::new(Arc::new(setup.faults.clone())),
            journal: Mutex::default(),
            late: Mutex::default(),
            late_len: AtomicUsize::new(0),
            bucket: Mutex::default(),
            setup,
        }
    }

    fn stock(&self) -> RwLockReadGuard<'_, Stock> {
        self.stock.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn stock_mut(&self) -> RwLockWriteGuard<'_, Stock> {
        self.stock.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a request has arrived, and throws its dice. Requests of tests are neither noted nor struck.
    fn arrive(&self, ask: &Ask) -> Turn {
        let (number, faults) = match route::parse(&ask.target).0 {
            Route::Control(_) => (0, Arc::default()),
            Route::Home
            | Route::Everything
            | Route::List(_)
            | Route::Object(..)
            | Route::Nested { .. }
            | Route::Login
            | Route::Unknown => (locked(&self.journal).arrived(&ask.method, &ask.target), self.faults()),
        };
        let dice = Dice::of(self.setup.seed, number);
        let (before, after) = faults.waits_ms(dice);
        let (wait_before, wait_after) = (Duration::from_millis(before), Duration::from_millis(after));
        Turn { number, faults, dice, wait_before, wait_after }
    }

    /// Does what is asked, or what fate wants instead.
    fn answer(&self, ask: &Ask, turn: &Turn, now: Instant) -> Reply {
        let heard = match self.setup.profile {
            None => Ok(guise::plain(ask)),
            Some(profile) => guise::hear(profile, ask),
        };
        let heard = match heard {
            Ok(heard) => heard,
            Err(answer) => {
                locked(&self.journal).answered(turn.number, Some(answer.status), Some("refused"));
                return Reply::whole(answer);
            }
        };
        if let Route::Control(control) = heard.route {
            return Reply::whole(self.control(control, ask));
        }
        self.catch_up(now);
        let kind = kind(&heard.ask.method, &heard.route);
        if let Some(answer) = self.refusal(&heard, turn, now) {
            locked(&self.journal).answered(turn.number, Some(answer.status), Some("refused"));
            return Reply::whole(answer);
        }
        let fate = turn.faults.fate(kind, turn.dice);
        let reply = match fate {
            Fate::Served => self.served(ask, &heard, turn, now),
            Fate::FailedBefore(status) => Reply::whole(failed(status)),
            Fate::CutBefore => Reply { sending: Sending::Cut, ..Reply::whole(failed(502)) },
            Fate::FailedAfter(status) => {
                self.perform(&heard, turn, self.lost(turn, now));
                Reply::whole(failed(status))
            }
            Fate::CutAfter => {
                let answer = self.dressed(ask, &heard, self.perform(&heard, turn, self.lost(turn, now)));
                let sending = if turn.dice.below_u64(6, 2) == 0 { Sending::HalfCut } else { Sending::Cut };
                Reply { sending, ..Reply::whole(answer) }
            }
        };
        let status = match reply.sending {
            Sending::Whole | Sending::HalfTold => Some(reply.answer.status),
            Sending::HalfCut | Sending::Cut => None,
        };
        locked(&self.journal).answered(turn.number, status, fate.name());
        reply
    }

    /// When a write comes into force whose answer gets lost.
    fn lost(&self, turn: &Turn, now: Instant) -> Force {
        self.force(turn, turn.faults.late_writes_ms, now)
    }

    fn force(&self, turn: &Turn, late_ms: u64, now: Instant) -> Force {
        if turn.faults.loses(turn.dice) {
            Force::Never
        } else if late_ms > 0 && self.setup.rules.mode != Mode::Pretend {
            Force::At(now + Duration::from_millis(late_ms))
        } else {
            Force::Now
        }
    }

    /// Puts an answer into the words in which the request came.
    fn dressed(&self, ask: &Ask, heard: &Heard<'_>, answer: Answer) -> Answer {
        match (self.setup.profile, &heard.request) {
            (Some(profile), Some(request)) => guise::dress(profile, request, ask, answer),
            (None, _) | (_, None) => answer,
        }
    }

    fn served(&self, ask: &Ask, heard: &Heard<'_>, turn: &Turn, now: Instant) -> Reply {
        let force = self.force(turn, turn.faults.late_acks_ms, now);
        let mut reply = Reply::whole(self.perform(heard, turn, force));
        if let Body::Records(records) = &mut reply.answer.body {
            reply.lasts = Duration::from_millis(turn.faults.slow_listing_ms);
            match turn.faults.cut_listing {
                None => {}
                Some(CutListing::Connection) => reply.sending = Sending::HalfCut,
                Some(CutListing::Text) => reply.sending = Sending::HalfTold,
                Some(CutListing::Items) => records.truncate(records.len() / 2),
            }
        }
        reply.answer = self.dressed(ask, heard, reply.answer);
        reply
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
