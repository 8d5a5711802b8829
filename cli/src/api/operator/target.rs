//! What the console asks of the target. Nothing of an address comes from a request, and nothing but GET is sent.

use std::time::{Duration, SystemTime};

use news_core::Entity;
use postgres::Client;
use serde::Serialize;

use super::body::{JsonBody, how_many};
use super::{Desk, refused};
use crate::api::handlers::Context;
use crate::api::response::{Coded, Problem, Response};
use crate::error::{Kind, Result};
use crate::pg::{Purpose, connect};
use crate::pool::PoolPlace;
use crate::report::diff::{DifferenceRow, FaultRow, FieldRow};
use crate::report::holds::utc;
use crate::signals::Signals;
use crate::store::schema;
use crate::views::target;

/// What the target said of itself is so old at most.
pub const STATE_KEPT: Duration = Duration::from_secs(30);
/// Requests to the target that the console's users wait for, at the same time.
pub const ASKING_MAX: usize = 4;
/// The target has so long to begin an answer: somebody waits for it.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Objects that are compared at once.
const LOOKED_AT_MAX: usize = 200;
/// What runs have sent is waited for so long.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct AtTarget {
    asked_at: String,
    ms: Option<i32>,
    status: Option<u16>,
    there: bool,
    faults: Vec<FaultRow>,
    difference: Option<DifferenceRow>,
    altered: Vec<FieldRow>,
}

/// GET `posts/{id}/target/`, `comments/{id}/target/`
pub fn object(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let desk = &context.service.desk;
    let key = entity.key(context.id()?).map_err(|_| Problem::NotFound("No object has this id."))?;
    let _place = desk.place_to_ask()?;
    let asked_at = utc(SystemTime::now());
    let now = desk.ask_target(|client| {
        let (now, asked) = target::object(client, key, &desk.settings, desk.timeout(), &Signals::none());
        asked.map(|()| now)
    })?;
    let mut difference = now.difference;
    let faults = difference.as_mut().map(|difference| std::mem::take(&mut difference.faults)).unwrap_or_default();
    let there = now.there.unwrap_or_default();
    let json = AtTarget { asked_at, ms: now.ms, status: now.status, there, faults, difference, altered: now.altered };
    Ok(Response::json(200, &json, context.layout))
}

/// POST `look/`
pub fn look(context: &Context<'_>) -> Result<Response, Problem> {
    let mut keys = JsonBody::read(context, &["keys"])?.keys("keys")?;
    how_many(keys.len(), LOOKED_AT_MAX)?;
    keys.sort_unstable();
    keys.dedup();
    let desk = &context.service.desk;
    let _place = desk.place_to_ask()?;
    let report = desk.ask_target(|client| {
        target::some(client, &keys, &desk.settings, (desk.timeout(), SETTLED_WITHIN), &Signals::none())
    })?;
    Ok(Response::json(200, &report, context.layout))
}

/// GET `target/`
pub fn state(context: &Context<'_>) -> Result<Response, Problem> {
    let desk = &context.service.desk;
    let state = desk.target.get(|| {
        let _place = desk.place_to_ask()?;
        desk.ask_target(|client| target::state(client, &desk.settings, desk.timeout(), utc(SystemTime::now())))
    })?;
    Ok(Response::json(200, &state, context.layout))
}

impl Desk {
    /// Returns how long the target may take to begin an answer.
    pub(super) fn timeout(&self) -> Duration {
        self.settings.times.timeout.min(ANSWER_MAX)
    }

    /// Takes one of the places for requests to the target.
    fn place_to_ask(&self) -> Result<PoolPlace, Problem> {
        let busy = || Coded::problem(429, "busy", "Others ask the target now. Try again in a moment.");
        self.asking.take(Duration::from_secs(1)).ok_or_else(busy)
    }

    /// Lends a session to what asks the target. It is one of its own: the target may take its time.
    pub(super) fn ask_target<T>(&self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T, Problem> {
        let connected = connect(self.sessions.url(), Purpose::Run).and_then(|mut client| {
            schema::require_current(&mut client)?;
            Ok(client)
        });
        let mut client = connected.map_err(|failure| refused(&failure))?;
        work(&mut client).map_err(|failure| match failure.kind() {
            // The session is there, so it is the target's URL or profile.
            Kind::Usage => Coded::problem(409, "no_target", failure.with_hints()),
            Kind::Locked => Coded::problem(409, "unsettled", failure.with_hints()),
            Kind::Refused => Coded::problem(502, "target_away", failure.with_hints()),
            Kind::Partly
            | Kind::Target
            | Kind::Credentials
            | Kind::Database
            | Kind::Bug
            | Kind::Output
            | Kind::ClosedPipe
            | Kind::Interrupted
            | Kind::Terminated => refused(&failure),
        })
    }
}
