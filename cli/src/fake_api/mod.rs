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
mod journal;
mod late;
mod listing;
mod mode;
mod record;
mod route;
mod stock;
mod throttle;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub use data::Data;
pub use faults::{CutListing, Faults, Forbid, Order, RetryAfter, Total};
pub use mode::{Mode, Orphans, Rules};
use news_core::Entity;
pub use record::Spelling;
pub use wire::{BODY_BYTES_MAX, handle};

use crate::settings::Secret;
use answer::{Answer, Body, Kind, Sending};
use faults::{Dice, Fate};
use journal::Journal;
use late::Late;
use listing::Part;
use mode::{Said, Wish, Write};
use route::{Parameters, Route};
use stock::Stock;
use throttle::Bucket;

/// What a Fake API is started with.
#[derive(Debug)]
pub struct Setup {
    /// How writes are judged.
    pub rules: Rules,
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
    authorization: Option<String>,
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
            | Route::Unknown => (locked(&self.journal).arrived(&ask.method, &ask.target), self.faults()),
        };
        let dice = Dice::of(self.setup.seed, number);
        let (before, after) = faults.waits_ms(dice);
        let (wait_before, wait_after) = (Duration::from_millis(before), Duration::from_millis(after));
        Turn { number, faults, dice, wait_before, wait_after }
    }

    /// Does what is asked, or what fate wants instead.
    fn answer(&self, ask: &Ask, turn: &Turn, now: Instant) -> Reply {
        let (route, query) = route::parse(&ask.target);
        if let Route::Control(control) = route {
            return Reply::whole(self.control(control, ask));
        }
        self.catch_up(now);
        let kind = kind(&ask.method, &route);
        if let Some(answer) = self.refusal(ask, &route, turn, now) {
            locked(&self.journal).answered(turn.number, Some(answer.status), Some("refused"));
            return Reply::whole(answer);
        }
        let fate = turn.faults.fate(kind, turn.dice);
        let reply = match fate {
            Fate::Served => self.served(ask, route, query, turn, now),
            Fate::FailedBefore(status) => Reply::whole(failed(status)),
            Fate::CutBefore => Reply { sending: Sending::Cut, ..Reply::whole(failed(502)) },
            Fate::FailedAfter(status) => {
                self.perform(ask, route, query, turn, self.lost(turn, now));
                Reply::whole(failed(status))
            }
            Fate::CutAfter => {
                let answer = self.perform(ask, route, query, turn, self.lost(turn, now));
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

    fn served(&self, ask: &Ask, route: Route, query: Parameters, turn: &Turn, now: Instant) -> Reply {
        let force = self.force(turn, turn.faults.late_acks_ms, now);
        let mut reply = Reply::whole(self.perform(ask, route, query, turn, force));
        if let Body::Records(records) = &mut reply.answer.body {
            reply.lasts = Duration::from_millis(turn.faults.slow_listing_ms);
            match turn.faults.cut_listing {
                None => {}
                Some(CutListing::Connection) => reply.sending = Sending::HalfCut,
                Some(CutListing::Text) => reply.sending = Sending::HalfTold,
                Some(CutListing::Items) => records.truncate(records.len() / 2),
            }
        }
        reply
    }

    /// Does what is asked.
    fn perform(&self, ask: &Ask, route: Route, query: Parameters, turn: &Turn, force: Force) -> Answer {
        let mode = self.setup.rules.mode;
        match (ask.method.as_str(), route) {
            ("OPTIONS", _) => Answer { status: 204, headers: Vec::new(), body: Body::Empty },
            ("GET" | "HEAD", Route::Home) => Answer::html(200, "news fake-api: /posts, /comments, /db"),
            ("GET" | "HEAD", Route::Everything) => self.everything(),
            ("GET" | "HEAD", Route::List(entity)) => self.list(ask, entity, &query, turn),
            ("GET" | "HEAD", Route::Nested { field, id, entity }) if has_nested(mode) => {
                let mut query = query;
                query.push((field, id));
                self.list(ask, entity, &query, turn)
            }
            ("HEAD", Route::Object(..)) if mode == Mode::OwnIds => Answer::html(400, "Bad Request"),
            // It takes whatever it does not know for its last handler.
            ("HEAD", Route::Object(entity, id)) if mode == Mode::Duplicates => {
                self.write(ask, entity, Wish::Remove(id), turn, force)
            }
            ("GET" | "HEAD", Route::Object(entity, id)) => match self.stock().get(entity).first(&id) {
                Some((_, record)) => {
                    Answer { status: 200, headers: Vec::new(), body: Body::Record(Arc::clone(record)) }
                }
                None => Answer::json(404, "{}"),
            },
            ("POST", Route::List(entity)) => match form::fields(mode, ask) {
                Ok(fields) => self.write(ask, entity, Wish::Create(fields), turn, force),
                Err(answer) => answer,
            },
            ("POST", Route::Nested { field, id, entity }) if has_nested(mode) => match form::fields(mode, ask) {
                Ok(mut fields) => {
                    fields.set(&field, id.into());
                    self.write(ask, entity, Wish::Create(fields), turn, force)
                }
                Err(answer) => answer,
            },
            ("PUT", Route::Object(entity, id)) => match form::fields(mode, ask) {
                Ok(fields) => self.write(ask, entity, Wish::Replace(id, fields), turn, force),
                Err(answer) => answer,
            },
            ("PATCH", Route::Object(entity, id)) => match form::fields(mode, ask) {
                Ok(fields) => self.write(ask, entity, Wish::Patch(id, fields), turn, force),
                Err(answer) => answer,
            },
            ("DELETE", Route::Object(entity, id)) => self.write(ask, entity, Wish::Remove(id), turn, force),
            _ => Answer::json(404, "{}"),
        }
    }

    fn write(&self, ask: &Ask, entity: Entity, wish: Wish, turn: &Turn, force: Force) -> Answer {
        let rules = self.setup.rules;
        let write = rules.prepared(Write { entity, wish, fresh: turn.dice.bits(5) });
        let said = match force {
            Force::Now => bring_into_force(rules, &mut self.stock_mut(), write),
            Force::Never => rules.judge(&self.stock(), write).said,
            Force::At(due) => {
                let said = rules.judge(&self.stock(), write.clone()).said;
                if let Err(write) = locked(&self.late).push(due, write) {
                    bring_into_force(rules, &mut self.stock_mut(), write);
                }
                self.late_len.store(locked(&self.late).len(), Ordering::Release);
                said
            }
        };
        match said {
            Said::Created(record) => {
                let location = format!("http://{}{}/{}", ask.host, ask.target, record.id());
                Answer { status: 201, headers: vec![("Location", location)], body: Body::Record(record) }
            }
            Said::Changed(record) => Answer { status: 200, headers: Vec::new(), body: Body::Record(record) },
            Said::Shown(fields) => Answer::value(200, &fields),
            Said::Removed => Answer::json(200, "{}"),
            Said::Missing => Answer::json(404, "{}"),
            Said::Crashed(error) => Answer::stack(500, error),
            Said::Full => Answer::json(507, "{\"error\":\"the fake API is full\"}"),
        }
    }

    /// Brings into force what is due.
    fn catch_up(&self, now: Instant) {
        if self.late_len.load(Ordering::Acquire) == 0 {
            return;
        }
        // The stock first: who finds nothing due any more must find its effect.
        let mut stock = self.stock_mut();
        let mut late = locked(&self.late);
        let due = late.due(now);
        self.late_len.store(late.len(), Ordering::Release);
        drop(late);
        for write in due {
            bring_into_force(self.setup.rules, &mut stock, write);
        }
    }

    fn everything(&self) -> Answer {
        let text = |entity| {
            let records = self.stock().get(entity).iter().map(|(_, record)| Arc::clone(record)).collect();
            Body::Records(records).text()
        };
        Answer::json(200, format!("{{\"posts\":{},\n\"comments\":{}}}", text(Entity::Post), text(Entity::Comment)))
    }

    fn list(&self, ask: &Ask, entity: Entity, query: &Parameters, turn: &Turn) -> Answer {
        let mut listing = listing::select(&self.stock(), entity, query, self.setup.rules.mode);
        listing.cap(turn.faults.page);
        let mut answer = Answer { status: 200, headers: Vec::new(), body: Body::Empty };
        let told = match turn.faults.total {
            Total::Parts => listing.part != Part::Whole || turn.faults.cut_listing == Some(CutListing::Items),
            Total::Always => true,
            Total::Never => false,
        };
        if told {
            answer = answer.with("X-Total-Count", listing.total.to_string());
        }
        if let Some(links) = listing::links(&listing, &format!("http://{}{}", ask.host, ask.target)) {
            answer = answer.with("Link", links);
        }
        match turn.faults.order {
            Order::Insertion => {}
            Order::Shuffled => {
                let mut dealt: Vec<_> = (0..).map(|at| turn.dice.bits(1000 + at)).zip(listing.records).collect();
                dealt.sort_unstable_by_key(|(card, _)| *card);
                listing.records = dealt.into_iter().map(|(_, record)| record).collect();
            }
        }
        answer.body = Body::Records(listing.records);
        answer
    }
}

/// Judges and acts in one step, which is why the lock is held for both.
fn bring_into_force(rules: Rules, stock: &mut Stock, write: Write) -> Said {
    let verdict = rules.judge(stock, write);
    for effect in verdict.effects {
        stock.take(effect);
    }
    verdict.said
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// json-server 1.0 has no `/posts/1/comments`.
fn has_nested(mode: Mode) -> bool {
    match mode {
        Mode::Strict | Mode::Pretend => true,
        Mode::OwnIds | Mode::Duplicates => false,
    }
}

fn kind(method: &str, route: &Route) -> Kind {
    match (method, route) {
        ("GET" | "HEAD" | "OPTIONS", Route::List(_) | Route::Nested { .. })
        | (_, Route::Home | Route::Everything | Route::Control(_) | Route::Unknown) => Kind::Other,
        (_, Route::List(_) | Route::Nested { .. } | Route::Object(..)) => Kind::Object,
    }
}

fn failed(status: u16) -> Answer {
    Answer::html(status, &format!("{status} on purpose"))
}
