//! A Fake API: what a real target does to our requests, and every way in which it fails, on purpose.
//!
//! ```text
//! request ─▶ wire ─▶ arrive ─(wait)─▶ answer ─(wait)─▶ wire ─▶ whole, half, or cut
//!                      │ journal         │ gates: token, throttle, refusals
//!                      └ dice ─▶ fate    └ route ─▶ listing | mode.judge ─▶ shelf.take
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
mod journal;
mod late;
mod listing;
mod mode;
mod record;
mod route;
mod shelf;
mod throttle;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime};

use news_core::Entity;
use subtle::ConstantTimeEq;

pub use data::Data;
pub use faults::{CutListing, Faults, Forbid, Order, RetryAfter, Total};
pub use mode::{Mode, Orphans, Rules};
pub use record::Spelling;
pub use wire::{BODY_BYTES_MAX, handle};

use crate::settings::Secret;
use answer::{Answer, Body, Kind, Sending};
use faults::{Dice, Fate};
use journal::Journal;
use late::Late;
use listing::Part;
use mode::{Said, Wish, Write};
use record::{Fields, Id};
use route::{Parameters, Route};
use shelf::Shelf;
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
    shelf: RwLock<Shelf>,
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
            shelf: RwLock::new(setup.data.shelf()),
            faults: RwLock::new(Arc::new(setup.faults.clone())),
            journal: Mutex::default(),
            late: Mutex::default(),
            late_len: AtomicUsize::new(0),
            bucket: Mutex::default(),
            setup,
        }
    }

    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_mut(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
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

    /// Says no, for reasons that come before the request's content.
    fn refusal(&self, ask: &Ask, route: &Route, turn: &Turn, now: Instant) -> Option<Answer> {
        let faults = &turn.faults;
        if faults.html {
            return Some(Answer::html(200, "Welcome to the guest network. Please log in."));
        }
        if faults.require_token && !self.has_token(ask) {
            let answer = Answer::json(401, "{\"error\":\"no valid token\"}");
            return Some(answer.with("WWW-Authenticate", "Bearer realm=\"fake\""));
        }
        let writes = !matches!(ask.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        match faults.forbid {
            Some(Forbid::All) => return Some(Answer::json(403, "{\"error\":\"forbidden\"}")),
            Some(Forbid::Writes) if writes => return Some(Answer::json(403, "{\"error\":\"forbidden\"}")),
            Some(Forbid::Writes) | None => {}
        }
        if let Some(rate) = faults.throttle
            && let Err(wait) = locked(&self.bucket).take(rate, now)
        {
            return Some(throttled(faults.retry_after, wait));
        }
        if writes {
            return refused_write(faults, ask, route);
        }
        None
    }

    fn has_token(&self, ask: &Ask) -> bool {
        let given = ask.authorization.as_deref().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then_some(token)
        });
        match (&self.setup.token, given) {
            (Some(token), Some(given)) => token.expose().as_bytes().ct_eq(given.as_bytes()).into(),
            (None | Some(_), _) => false,
        }
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
            ("GET" | "HEAD", Route::Object(entity, id)) => match self.shelf().get(entity).first(&id) {
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
        let write = Write { entity, wish, fresh: turn.dice.bits(5) };
        let said = match force {
            Force::Now => {
                // Judging makes the record's text, too: some microseconds, in the lock, as both must be one step.
                let mut shelf = self.shelf_mut();
                let verdict = rules.judge(&shelf, write);
                verdict.effects.into_iter().for_each(|effect| shelf.take(effect));
                verdict.said
            }
            Force::Never => rules.judge(&self.shelf(), write).said,
            Force::At(due) => {
                let said = rules.judge(&self.shelf(), write.clone()).said;
                if let Err(write) = locked(&self.late).push(due, write) {
                    self.bring_into_force(&mut self.shelf_mut(), write);
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

    fn bring_into_force(&self, shelf: &mut Shelf, write: Write) {
        let verdict = self.setup.rules.judge(shelf, write);
        verdict.effects.into_iter().for_each(|effect| shelf.take(effect));
    }

    /// Brings into force what is due.
    fn catch_up(&self, now: Instant) {
        if self.late_len.load(Ordering::Acquire) == 0 {
            return;
        }
        // The shelf first: who finds nothing due any more must find its effect.
        let mut shelf = self.shelf_mut();
        let mut late = locked(&self.late);
        let due = late.due(now);
        self.late_len.store(late.len(), Ordering::Release);
        drop(late);
        due.into_iter().for_each(|write| self.bring_into_force(&mut shelf, write));
    }

    fn everything(&self) -> Answer {
        let list = |entity| -> Vec<Arc<record::Record>> {
            self.shelf().get(entity).iter().map(|(_, record)| Arc::clone(record)).collect()
        };
        let text = |entity| {
            let body = Body::Records(list(entity));
            (0..).map_while(|at| body.piece(at)).fold(String::with_capacity(body.len()), |text, (a, b)| text + a + b)
        };
        Answer::json(200, format!("{{\"posts\":{},\n\"comments\":{}}}", text(Entity::Post), text(Entity::Comment)))
    }

    fn list(&self, ask: &Ask, entity: Entity, query: &Parameters, turn: &Turn) -> Answer {
        let mut listing = listing::select(&self.shelf(), entity, query, self.setup.rules.mode);
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
        ("GET" | "HEAD" | "OPTIONS", Route::List(_) | Route::Nested { .. }) => Kind::Other,
        (_, Route::List(_) | Route::Nested { .. } | Route::Object(..)) => Kind::Object,
        (_, Route::Home | Route::Everything | Route::Control(_) | Route::Unknown) => Kind::Other,
    }
}

fn failed(status: u16) -> Answer {
    Answer::html(status, &format!("{status} on purpose"))
}

fn throttled(form: RetryAfter, wait: Duration) -> Answer {
    let answer = Answer::json(429, "{\"error\":\"too many requests\"}");
    // Whole seconds, rounded up: who comes at that time is let in.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match form {
        RetryAfter::Seconds => answer.with("Retry-After", seconds.to_string()),
        RetryAfter::Date => {
            let date = SystemTime::now() + Duration::from_secs(seconds + 1);
            answer.with("Retry-After", httpdate::fmt_http_date(date))
        }
        RetryAfter::None => answer,
    }
}

/// Refuses writes to the objects that are to be refused, and those with the texts that are.
fn refused_write(faults: &Faults, ask: &Ask, route: &Route) -> Option<Answer> {
    let key = match route {
        _ if faults.status_for.is_empty() => None,
        Route::Object(entity, id) => Some(format!("{entity}/{id}")),
        Route::List(entity) => {
            let fields = Fields::parse(&String::from_utf8_lossy(&ask.body)).unwrap_or_default();
            fields.get(record::ID).and_then(Id::of_value).map(|id| format!("{entity}/{id}"))
        }
        Route::Nested { .. } | Route::Home | Route::Everything | Route::Control(_) | Route::Unknown => None,
    };
    if let Some((key, status)) = key.and_then(|key| faults.status_for.get_key_value(&key)) {
        return Some(Answer::json(*status, format!("{{\"error\":\"{key} is refused on purpose\"}}")));
    }
    let body = String::from_utf8_lossy(&ask.body);
    let text = faults.reject_text.iter().find(|text| !text.is_empty() && body.contains(text.as_str()))?;
    Some(Answer::value(422, &std::collections::BTreeMap::from([("error", format!("{text:?} is refused on purpose"))])))
}
