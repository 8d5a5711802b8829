//! What the console does: retry, discard, hold and release objects. Each act names what its user saw, is done whole or not at
//! all, and is recorded with the user's name.

use std::collections::BTreeSet;

use news_core::Key;
use news_core::groups::GroupId;
use news_core::ledger::holds as reasons;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::query;
use super::refused;
use crate::api::handlers::Context;
use crate::api::response::{Coded, Problem, Response};
use crate::pg::{Purpose, connect};
use crate::report::holds::HoldRow;
use crate::report::status::{KeysReport, words};
use crate::store::acts::By;
use crate::store::decisions::{self as deeds, Discarding, Done};
use crate::store::lock::{Busy, Lock};
use crate::store::{holds, schema};
use crate::views::{Seen, parked};

/// Objects that are retried, held or released at once.
const KEYS_MAX: usize = 1000;
/// Objects whose changes are given up at once: there is no way back.
const DISCARD_MAX: usize = 100;

/// Reads the reason.
fn why(body: &JsonBody) -> Result<Option<String>, Problem> {
    let why = reasons::reason(body.text("why")?.unwrap_or_default())
        .map_err(|wrong| Problem::Malformed(format!("why: {wrong}")))?;
    Ok(Some(why).filter(|why| !why.is_empty()))
}

/// Returns who acts.
fn by(context: &Context<'_>) -> Result<By, Problem> {
    context.person.as_ref().map(|person| By::user(&person.username)).ok_or(Problem::Internal)
}

/// A refusal that names objects.
fn refuse(code: &'static str, detail: String, keys: &[Key]) -> Problem {
    let mut coded = Coded { status: 409, code, detail, more: serde_json::Map::new() };
    coded.more.insert("keys".to_owned(), words(keys).into());
    Problem::Coded(Box::new(coded))
}

fn changed(keys: &[Key]) -> Problem {
    let detail = match keys {
        [] => String::from("It would come to something else than was shown."),
        keys => format!("Changed since they were shown: {}.", words(keys).join(", ")),
    };
    refuse("changed", format!("{detail} Nothing was done."), keys)
}

/// Answers an act, and makes sure that the next overview knows of it.
fn acted(context: &Context<'_>, report: &KeysReport) -> Result<Response, Problem> {
    let count = report.keys.len();
    let mut json = serde_json::to_value(report).map_err(|_| Problem::Internal)?;
    json["count"] = count.into();
    // A group may have more.
    if let Some(keys) = json["keys"].as_array_mut() {
        keys.truncate(KEYS_MAX);
    }
    context.service.desk.overview.forget();
    Ok(Response::json(200, &json, context.layout))
}

/// POST `retry/`
pub fn retry(context: &Context<'_>) -> Result<Response, Problem> {
    let body = JsonBody::read(context, &["keys", "group", "count", "why"])?;
    let (why, by, desk) = (why(&body)?, by(context)?, &context.service.desk);
    let saw = match (body.text("group")?, body.number("count")?) {
        (None, None) => body.saw(KEYS_MAX)?,
        (Some(group), Some(count)) if !body.has("keys") => {
            let id: GroupId = group.parse().map_err(|()| query::bad("group", "16 hexadecimal digits", group))?;
            let found = desk.moment(|moment| {
                let seen = Seen::read(moment, desk.settings.times)?;
                parked::parked_of(moment, &seen, id)
            })?;
            if found.len() as u64 != count {
                return Err(other_count(found.len()));
            }
            found
        }
        _ => return Err(Problem::Malformed(String::from("body: expected either keys, or group and count"))),
    };
    let done = desk.act(|client| {
        let _busy = Busy::begin();
        deeds::unpark(client, Some(&saw), why.as_deref(), &by)
    })?;
    match done {
        Done::All(keys) => acted(context, &KeysReport { what: "retried", keys: words(&keys), ..KeysReport::default() }),
        Done::Changed(keys) => Err(changed(&keys)),
        Done::Unfit(keys) => {
            Err(refuse("not_parked", format!("Not parked: {}. Nothing was done.", words(&keys).join(", ")), &keys))
        }
    }
}

/// The group has other objects than were shown.
fn other_count(count: usize) -> Problem {
    let detail = format!("The group has {count} parked objects by now. Nothing was done.");
    let more = [("count".to_owned(), Value::from(count))].into_iter().collect();
    Problem::Coded(Box::new(Coded { status: 409, code: "count", detail, more }))
}

/// POST `discard/`
pub fn discard(context: &Context<'_>) -> Result<Response, Problem> {
    let preview = query::one_of(context.request, "preview", &[("true", true), ("false", false)])?.unwrap_or(false);
    let body = JsonBody::read(context, &["keys", "events", "along", "why"])?;
    let (why, by, desk) = (why(&body)?, by(context)?, &context.service.desk);
    let (saw, along) = (body.saw(DISCARD_MAX)?, body.keys("along")?);
    let times = desk.settings.times;
    let done = if preview {
        desk.act(|client| deeds::discard(client, &saw, (Discarding::Preview, None), times, &by))?
    } else {
        let Some(events) = body.number("events")? else {
            return Err(Problem::Malformed(String::from("events: expected the number that the preview told")));
        };
        // A run at work has read the events already.
        let mut lock = Lock::take(desk.sessions.url(), "discard", times).map_err(|failure| refused(&failure))?;
        let how = (Discarding::Exactly(events, &along), why.as_deref());
        lock.once(|client| deeds::discard(client, &saw, how, times, &by)).map_err(|failure| refused(&failure))?
    };
    match done {
        Done::All(discarded) if preview => {
            let json = json!({ "what": "preview", "keys": words(&discarded.named), "along": words(&discarded.along),
                "events": discarded.events, "count": discarded.named.len() });
            Ok(Response::json(200, &json, context.layout))
        }
        Done::All(discarded) => acted(context, &KeysReport::discarded(&discarded)),
        Done::Changed(keys) => Err(changed(&keys)),
        Done::Unfit(keys) => {
            let detail = format!("Nothing is pending of: {}. Nothing was done.", words(&keys).join(", "));
            Err(refuse("nothing_pending", detail, &keys))
        }
    }
}

/// POST `hold/`
pub fn hold(context: &Context<'_>) -> Result<Response, Problem> {
    let body = JsonBody::read(context, &["keys", "why"])?;
    let (why, by, desk) = (why(&body)?, by(context)?, &context.service.desk);
    let saw = body.saw(KEYS_MAX)?;
    let keys: BTreeSet<Key> = saw.iter().map(|saw| saw.key).collect();
    let times = desk.settings.times;
    let done = desk.act(|client| {
        let changed = deeds::changed(client, &saw)?;
        if !changed.is_empty() {
            return Ok(Err(changed));
        }
        let _busy = Busy::begin();
        let (new, already) = holds::hold(client, &keys, &by, why.as_deref())?;
        let in_flight = holds::in_flight(client, &new, times)?;
        let not_here = holds::not_here(client, &new)?;
        Ok(Ok((new, already, in_flight, not_here)))
    })?;
    let (new, already, in_flight, not_here) = done.map_err(|keys| changed(&keys))?;
    let report = KeysReport {
        what: "on_hold",
        keys: words(&new),
        already: HoldRow::first(&already),
        in_flight: words(in_flight.keys()),
        not_here: words(&not_here),
        ..KeysReport::default()
    };
    acted(context, &report)
}

/// POST `release/`
pub fn release(context: &Context<'_>) -> Result<Response, Problem> {
    let body = JsonBody::read(context, &["keys", "why"])?;
    let (why, by, desk) = (why(&body)?, by(context)?, &context.service.desk);
    let saw = body.saw(KEYS_MAX)?;
    let keys: BTreeSet<Key> = saw.iter().map(|saw| saw.key).collect();
    let done = desk.act(|client| {
        let changed = deeds::changed(client, &saw)?;
        if !changed.is_empty() {
            return Ok(Err(changed));
        }
        let _busy = Busy::begin();
        holds::release(client, &keys, &by, why.as_deref()).map(Ok)
    })?;
    let released = done.map_err(|keys| changed(&keys))?;
    let missed: Vec<Key> = keys.difference(&released).copied().collect();
    if !missed.is_empty() {
        let detail = format!("Not on hold: {}. Nothing was done.", words(&missed).join(", "));
        return Err(refuse("not_on_hold", detail, &missed));
    }
    acted(context, &KeysReport { what: "released", keys: words(&released), ..KeysReport::default() })
}

/// What acts need of the shared state.
impl super::Desk {
    /// Lends a session of a run's kind: what it commits is on disk, as with the commands.
    fn act<T>(&self, work: impl FnOnce(&mut postgres::Client) -> crate::error::Result<T>) -> Result<T, Problem> {
        let acted = || {
            let mut client = connect(self.sessions.url(), Purpose::Run)?;
            schema::require_current(&mut client)?;
            work(&mut client)
        };
        acted().map_err(|failure| refused(&failure))
    }
}
