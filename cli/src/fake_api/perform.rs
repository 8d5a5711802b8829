//! Doing what is asked: a request that nothing stops, and what is said to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use news_core::Entity;

use crate::fake_api::answer::{Answer, Body, Kind};
use crate::fake_api::faults::{CutListing, Order, Total};
use crate::fake_api::guise::{self, Heard};
use crate::fake_api::listing::{self, Part};
use crate::fake_api::mode::{Mode, Rules, Said, Wish, Write};
use crate::fake_api::route::Route;
use crate::fake_api::stock::Stock;
use crate::fake_api::{Ask, FakeApi, Force, Turn, form, locked};

impl FakeApi {
    /// Does what is asked.
    pub(super) fn perform(&self, heard: &Heard<'_>, turn: &Turn, force: Force) -> Answer {
        let mode = self.setup.rules.mode;
        let ask = heard.ask.as_ref();
        match (ask.method.as_str(), heard.route.clone()) {
            (_, Route::Login) => self.login(ask),
            ("OPTIONS", _) => Answer::of(204, Body::Empty),
            ("GET" | "HEAD", Route::Home) => Answer::html(200, "news fake-api: /posts, /comments, /db"),
            ("GET" | "HEAD", Route::Everything) => self.everything(),
            ("GET" | "HEAD", Route::List(entity)) => self.list(heard, entity, None, turn),
            ("GET" | "HEAD", Route::Nested { field, id, entity }) if has_nested(mode) => {
                self.list(heard, entity, Some((field, id)), turn)
            }
            ("HEAD", Route::Object(..)) if mode == Mode::OwnIds => Answer::html(400, "Bad Request"),
            // It takes whatever it does not know for its last handler.
            ("HEAD", Route::Object(entity, id)) if mode == Mode::Duplicates => {
                self.write(ask, entity, Wish::Remove(id), turn, force)
            }
            ("GET" | "HEAD", Route::Object(entity, id)) => match self.stock().get(entity).first(&id) {
                Some((_, record)) => Answer::of(200, Body::Record(Arc::clone(record))),
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
                Answer::of(201, Body::Record(record)).with("Location", location)
            }
            Said::Changed(record) => Answer::of(200, Body::Record(record)),
            Said::Shown(fields) => Answer::value(200, &fields),
            Said::Removed => Answer::json(200, "{}"),
            Said::Missing => Answer::json(404, "{}"),
            Said::Crashed(error) => Answer::stack(500, error),
            Said::Full => Answer::json(507, "{\"error\":\"the fake API is full\"}"),
        }
    }

    /// Brings into force what is due.
    pub(super) fn catch_up(&self, now: Instant) {
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

    /// Lists an entity; `of` is a field that the records must have besides what the query asks for, and its value.
    fn list(&self, heard: &Heard<'_>, entity: Entity, of: Option<(String, String)>, turn: &Turn) -> Answer {
        let ask = heard.ask.as_ref();
        if let Some(profile) = self.setup.profile {
            let filter = of.into_iter().collect();
            let mut listing = listing::select(&self.stock(), entity, &filter, self.setup.rules.mode);
            let page = guise::cut(profile, &heard.query, turn.faults.page, &mut listing);
            return Answer { page: Some(page), ..Answer::of(200, Body::Records(listing.records)) };
        }
        let query = heard.query.iter().cloned().chain(of).collect();
        let mut listing = listing::select(&self.stock(), entity, &query, self.setup.rules.mode);
        listing.cap(turn.faults.page);
        let mut answer = Answer::of(200, Body::Empty);
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

/// json-server 1.0 has no `/posts/1/comments`.
fn has_nested(mode: Mode) -> bool {
    match mode {
        Mode::Strict | Mode::Pretend => true,
        Mode::OwnIds | Mode::Duplicates => false,
    }
}

pub(super) fn kind(method: &str, route: &Route) -> Kind {
    match (method, route) {
        ("GET" | "HEAD" | "OPTIONS", Route::List(_) | Route::Nested { .. })
        | (_, Route::Login | Route::Home | Route::Everything | Route::Control(_) | Route::Unknown) => Kind::Other,
        (_, Route::List(_) | Route::Nested { .. } | Route::Object(..)) => Kind::Object,
    }
}

pub(super) fn failed(status: u16) -> Answer {
    Answer::html(status, &format!("{status} on purpose"))
}
