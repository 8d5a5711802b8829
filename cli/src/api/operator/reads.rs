//! What the console shows: thin views of the reports.

use std::collections::BTreeMap;
use std::time::Duration;

use news_core::Entity;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::{self, EventPlace, LeftPlace, OfRun};
use crate::api::console;
use crate::api::handlers::Context;
use crate::api::response::{Problem, Response};
use crate::report::runs::{RunReport, RunsReport};
use crate::report::status::{ParkedReport, words};
use crate::store::run_rows::{self, Listed, WantedRuns};
use crate::store::runs::RunKind;
use crate::store::{acts, left_out};
use crate::views::parked::{self, How};
use crate::views::unsynced::{self, UnsyncedReport};
use crate::views::{Seen, object, overview, plan, runs};

/// The overview is so old at most, while making it is cheap.
pub const OVERVIEW_KEPT: Duration = Duration::from_secs(2);
/// Making it takes at most one part in so many of the time.
pub const OVERVIEW_SHARE: u32 = 30;
/// Groups in a list.
const GROUPS_MAX: usize = 1000;
/// How runs end.
const STATUSES: [&str; 6] = ["running", "done", "partly", "failed", "stopped", "lost"];

/// An overview, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    json: Value,
    /// Of all but the time.
    version: String,
}

/// A report, and where the next page begins.
#[derive(Serialize)]
struct Paged<R, N> {
    #[serde(flatten)]
    report: R,
    next: Option<N>,
}

#[derive(Serialize)]
struct Left {
    #[serde(flatten)]
    report: ParkedReport,
    total: u64,
    states: BTreeMap<&'static str, u64>,
}

/// GET `overview/`
pub fn overview(context: &Context<'_>) -> Result<Response, Problem> {
    let desk = &context.service.desk;
    let made = desk.overview.get(|| {
        let overview = desk.ask(|client| overview::collect(client, &desk.settings))?;
        let mut json = serde_json::to_value(&overview).map_err(|_| Problem::Internal)?;
        let now = json.get_mut("now").map(Value::take);
        let version = console::hex(&Sha256::digest(json.to_string().as_bytes()));
        json["now"] = now.unwrap_or_default();
        Ok(Made { json, version })
    })?;
    Ok(context.object(200, &made.json, &made.version).header("Cache-Control", "no-cache"))
}

/// GET `events/`
pub fn events(context: &Context<'_>) -> Result<Response, Problem> {
    let (request, desk) = (context.request, &context.service.desk);
    let limit = query::limit(request, 10_000, 10_000)?;
    let after = query::parsed::<EventPlace>(request, "after", "what `next` was")?.map(|EventPlace(place)| place);
    let as_of = query::number(request, "as_of", i64::MAX)?;
    let mut report: UnsyncedReport =
        desk.moment(|moment| unsynced::describe(moment, after, as_of, limit, desk.settings.times))?;
    let next = report.next.take().map(query::event_place);
    Ok(Response::json(200, &Paged { report, next }, context.layout))
}

/// GET `plan/`
pub fn plan(context: &Context<'_>) -> Result<Response, Problem> {
    let desk = &context.service.desk;
    let limit = query::limit(context.request, 1000, 50)?;
    let report = desk.moment(|moment| plan::describe(moment, &desk.settings, limit))?;
    Ok(Response::json(200, &report, context.layout))
}

/// GET `left/`
pub fn left(context: &Context<'_>) -> Result<Response, Problem> {
    let (request, desk) = (context.request, &context.service.desk);
    let limit = query::limit(request, 1000, 100)?;
    let wanted = parked::WantedLeft {
        how: query::one_of(request, "state", &How::ALL.map(|how| (how.word(), how)))?,
        entity: query::entity(request)?,
        group: query::parsed(request, "group", "16 hexadecimal digits")?,
        begins: request.param("q").unwrap_or_default(),
        after: query::parsed(request, "after", "what `next` was")?.map(|LeftPlace(how, key)| (how, key)),
    };
    let parked::LeftPage { report, total, states, next } = desk.moment(|moment| {
        let seen = Seen::read(moment, desk.settings.times)?;
        parked::page(moment, &seen, &wanted, limit)
    })?;
    let paged = Paged { report: Left { report, total, states }, next: next.map(query::left_place) };
    Ok(Response::json(200, &paged, context.layout))
}

/// GET `left/groups/`
pub fn groups(context: &Context<'_>) -> Result<Response, Problem> {
    let desk = &context.service.desk;
    let report = desk.moment(|moment| {
        let seen = Seen::read(moment, desk.settings.times)?;
        parked::groups(moment, &seen, GROUPS_MAX)
    })?;
    Ok(Response::json(200, &report, context.layout))
}

/// GET `runs/`
pub fn runs(context: &Context<'_>) -> Result<Response, Problem> {
    let (request, desk) = (context.request, &context.service.desk);
    let limit = query::limit(request, 200, 50)?;
    let kinds = [RunKind::Sync, RunKind::Full, RunKind::Import].map(|kind| (kind.word(), kind.word()));
    let wanted = WantedRuns {
        kinds: query::one_of(request, "kind", &kinds)?.into_iter().collect(),
        statuses: query::one_of(request, "status", &STATUSES.map(|word| (word, word)))?.into_iter().collect(),
        before: query::number(request, "before", i64::MAX)?,
        since: None,
    };
    let Listed { runs, more, next } = desk.moment(|moment| run_rows::list(moment, &wanted, limit))?;
    Ok(Response::json(200, &Paged { report: RunsReport { runs, more }, next }, context.layout))
}

/// GET `runs/{id}/`
pub fn run(context: &Context<'_>) -> Result<Response, Problem> {
    let (request, desk) = (context.request, &context.service.desk);
    let id = context.id()?;
    let limit = i64::try_from(query::limit(request, 1000, 100)?).unwrap_or(i64::MAX);
    let after = query::parsed::<OfRun>(request, "after", "what `next` was")?.map(|OfRun(place)| place);
    let found = desk.moment(|moment| runs::one(moment, id, after.as_ref(), limit))?;
    let (report, next): (RunReport, _) = found.ok_or(Problem::NotFound("The history has no such run."))?;
    let next = next.as_ref().map(query::sent_place);
    Ok(Response::json(200, &Paged { report, next }, context.layout))
}

/// GET `acts/`
pub fn acts(context: &Context<'_>) -> Result<Response, Problem> {
    let limit = query::limit(context.request, 200, 50)?;
    let wanted = acts::WantedActs { since: None, before: query::number(context.request, "before", i64::MAX)? };
    let listed = context.service.desk.moment(|moment| acts::newest(moment, wanted, limit))?;
    Ok(Response::json(200, &listed, context.layout))
}

/// GET `left/out/`
pub fn left_out(context: &Context<'_>) -> Result<Response, Problem> {
    let limit = query::limit(context.request, 10_000, 1000)?;
    let after = query::parsed(context.request, "after", "what `next` was")?;
    let mut keys = context.service.desk.moment(|moment| left_out::places(moment, after, limit + 1))?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| has_more).map(ToString::to_string);
    Ok(Response::json(200, &json!({ "keys": words(&keys), "next": next }), context.layout))
}

/// GET `posts/{id}/`, `comments/{id}/`
pub fn object(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    const UNKNOWN: Problem = Problem::NotFound("The database knows nothing of this object.");
    let desk = &context.service.desk;
    // An id that no object can have.
    let key = entity.key(context.id()?).map_err(|_| UNKNOWN)?;
    let report = desk.ask(|client| object::describe(client, key, desk.settings.times))?.ok_or(UNKNOWN)?;
    Ok(Response::json(200, &report, context.layout))
}
