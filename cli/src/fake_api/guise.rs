//! A target that speaks as a profile says.
//!
//! ```text
//! request in the names of the profile ─ hear ─▶ the same in the names of the stock, which are json-server's
//!                                                     │ judged and done as ever
//! answer in the names of the profile ◀─ dress ─ its answer
//! ```
//!
//! Nothing here knows a rule of a profile: paths, ids, members and pages are read and written by `news_core::profile`, the
//! other way round than a client does it. Where a profile leaves a choice, this target takes the one that is hardest to
//! deal with: it says of an object that is not there what comes first in `missing`, and where an update has to be shown
//! (`writes`), it accepts one of an object that is not there.

use std::borrow::Cow;

use news_core::profile::{Asked, Auth, Heard as Request, IdForm, Ids, Pages, Path, Profile, Total, Verb, Writes};
use news_core::reply::Method;
use news_core::wire;
use serde_json::{Map, Value};

use crate::fake_api::Ask;
use crate::fake_api::answer::{Answer, Body};
use crate::fake_api::listing::Listing;
use crate::fake_api::record::{Fields, ID, Id, Record};
use crate::fake_api::route::{self, Parameters, Route};

/// Elements of a page, where the profile leaves it to the target.
const PAGE_DEFAULT: usize = 100;

/// A request, in the names of the stock.
#[derive(Debug)]
pub struct Heard<'a> {
    /// The request.
    pub ask: Cow<'a, Ask>,
    /// What it is about.
    pub route: Route,
    /// Its parameters.
    pub query: Parameters,
    /// What it was to the profile, if there is one: its answer is dressed accordingly.
    pub request: Option<Request>,
}

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct Page {
    /// Elements on all pages.
    total: usize,
    /// Where the next page begins, if there is one.
    next: Option<usize>,
}

/// Takes a request as it comes, in the names of json-server.
pub fn plain(ask: &Ask) -> Heard<'_> {
    let (route, query) = route::parse(&ask.target);
    Heard { ask: Cow::Borrowed(ask), route, query, request: None }
}

/// Translates a request into the names of the stock. What it cannot be is [`Route::Unknown`].
///
/// Fails with the answer to a body that cannot be one of the profile.
pub fn hear<'a>(profile: &Profile, ask: &'a Ask) -> Result<Heard<'a>, Answer> {
    if let Route::Control(_) = route::parse(&ask.target).0 {
        return Ok(plain(ask));
    }
    let nothing = |route| Heard { ask: Cow::Borrowed(ask), route, query: Vec::new(), request: None };
    if let Auth::Login(login) = profile.auth
        && (ask.method.as_str(), ask.target.as_str()) == ("POST", login.path)
    {
        return Ok(nothing(Route::Login));
    }
    let verb = Verb::ALL.into_iter().find(|verb| verb.name() == ask.method);
    let Some(request) = verb.and_then(|verb| profile.hear(verb, &ask.target, ask.is_new)) else {
        return Ok(nothing(Route::Unknown));
    };
    let entity = request.entity;
    let id = |text: &str| profile.id_as.read(text).map_or_else(|| Id::Text(text.into()), Id::Number);
    let mut query = Vec::new();
    let (method, route) = match request.asked {
        Asked::List => {
            query = route::parameters(ask.target.split_once('?').unwrap_or_default().1);
            let field = entity.shape().number.json.to_owned();
            let of = id(&request.id).to_string();
            ("GET", if of.is_empty() { Route::List(entity) } else { Route::Nested { field, id: of, entity } })
        }
        Asked::Find => {
            let field = profile.key_field(entity).map_or(ID, |key| key.field.read.last().copied().unwrap_or(ID));
            query.push((field.to_owned(), request.id.clone()));
            ("GET", Route::List(entity))
        }
        Asked::One(Method::Post) => ("POST", Route::List(entity)),
        Asked::One(Method::Get) => ("GET", Route::Object(entity, id(&request.id))),
        Asked::One(Method::Delete) => ("DELETE", Route::Object(entity, id(&request.id))),
        // Whatever is not a PUT changes what it names.
        Asked::One(Method::Put) if verb == Some(Verb::Put) => ("PUT", Route::Object(entity, id(&request.id))),
        Asked::One(Method::Put) => ("PATCH", Route::Object(entity, id(&request.id))),
    };
    let body = match request.asked {
        Asked::One(Method::Post | Method::Put) => taken(profile, &request, &ask.body)?.into_bytes(),
        Asked::One(Method::Get | Method::Delete) | Asked::List | Asked::Find => Vec::new(),
    };
    let ask = Ask { method: method.to_owned(), body, ..ask.clone() };
    Ok(Heard { ask: Cow::Owned(ask), route, query, request: Some(request) })
}

/// Reads a body in the names of the profile. Returns it in the names of the stock.
fn taken(profile: &Profile, request: &Request, body: &[u8]) -> Result<String, Answer> {
    let refused = |why: String| Answer::value(400, &serde_json::json!({ "message": why }));
    let came: Value = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
    let wrapped = profile.wrap.iter().try_fold(&came, |value, name| value.get(*name));
    let Some(Value::Object(came)) = wrapped else {
        return Err(refused(format!("expected an object at {:?}", profile.wrap.join("."))));
    };
    let mut came = came.clone();
    let (dialect, shape) = (profile.dialect(request.entity), request.entity.shape());
    let mut fields = Fields::default();
    let id_of = |value: Value, form: IdForm| match (form, &value) {
        (IdForm::Number, _) => Ok(value),
        (IdForm::Text { .. }, Value::String(text)) => {
            form.read(text).map(Value::from).ok_or_else(|| refused(format!("{text:?} cannot be an id")))
        }
        (IdForm::Text { .. }, _) => Err(refused(format!("{value} cannot be an id"))),
    };
    let number_as = if shape.number.parent.is_some() { profile.id_as } else { IdForm::Number };
    if let Some(value) = wire::take(&mut came, dialect.number.write) {
        fields.set(shape.number.json, id_of(value, number_as)?);
    }
    match (came.remove(dialect.id), profile.ids) {
        // A create by PUT has the id in its address.
        (_, Ids::Ours) if request.asked == Asked::One(Method::Post) && !request.id.is_empty() => {
            let id =
                profile.id_as.read(&request.id).ok_or_else(|| refused(format!("{:?} cannot be an id", request.id)))?;
            fields.set(ID, Value::from(id));
        }
        (Some(value), Ids::Ours) => fields.set(ID, id_of(value, profile.id_as)?),
        // It counts itself.
        (_, Ids::None | Ids::Key) | (None, Ids::Ours) => {}
    }
    for (field, text) in dialect.texts.iter().zip(shape.texts) {
        if let Some(value) = wire::take(&mut came, field.write) {
            fields.set(text.name, value);
        }
    }
    // What is left of an object that our fields were in is nothing of its own.
    for (name, value) in came.into_iter().filter(|(_, value)| value.as_object().is_none_or(|object| !object.is_empty()))
    {
        fields.set(&name, value);
    }
    // Maps with text keys and JSON values always have a JSON form.
    Ok(serde_json::to_string(&fields).unwrap_or_default())
}

/// Cuts a page out of a listing. `size_max` is the target's own limit; 0 is none.
pub fn cut(profile: &Profile, query: &Parameters, size_max: usize, listing: &mut Listing) -> Page {
    let asked = |name: &str| -> Option<usize> {
        query.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.parse().ok())
    };
    let narrow = |size: usize| if size_max > 0 { size.min(size_max) } else { size };
    let own = narrow(PAGE_DEFAULT);
    let (from, size) = match profile.pages {
        Pages::None => (0, narrow(usize::MAX)),
        Pages::Page { param, size_param, size, first, .. } => {
            let size = narrow(asked(size_param).unwrap_or(index(size)));
            let number = asked(param).unwrap_or(index(first));
            (number.saturating_sub(index(first)).saturating_mul(size), size)
        }
        Pages::Offset { param, size_param, size, .. } => {
            (asked(param).unwrap_or(0), narrow(asked(size_param).unwrap_or(index(size))))
        }
        Pages::Next { .. } | Pages::Link { .. } => (asked(FROM).unwrap_or(0), own),
        Pages::Cursor { param, .. } => (asked(param).unwrap_or(0), own),
    };
    let total = listing.records.len();
    let end = from.saturating_add(size).min(total);
    listing.records.truncate(end);
    listing.records.drain(..from.min(end));
    Page { total, next: (end < total && end > from).then_some(end) }
}

/// The parameter with which this target names its pages, where the profile leaves it to the target.
const FROM: &str = "from";

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Translates what the stock has said about a request into the names of the profile. `ask` is the request as it came.
pub fn dress(profile: &Profile, request: &Request, ask: &Ask, answer: Answer) -> Answer {
    let Answer { status, headers, body, page } = answer;
    match (request.asked, status, body) {
        // What proves nothing says nothing.
        (Asked::One(Method::Put), 200, Body::Record(_)) if profile.writes == Writes::Read => {
            Answer::of(204, Body::Empty)
        }
        (Asked::One(Method::Put), 404, _) if profile.writes != Writes::Trusted => Answer::of(204, Body::Empty),
        (_, _, Body::Record(record)) => Answer::value(status, &inside(profile.item, shown(profile, request, &record))),
        (_, _, Body::Records(records)) => {
            let all = records.iter().map(|record| shown(profile, request, record)).collect();
            listed(profile, ask, all, page.as_ref())
        }
        (Asked::One(Method::Delete), 200, _) => Answer::of(204, Body::Empty),
        (Asked::One(method), 404, _) => {
            let status = profile.missing.iter().copied().find(|status| profile.is_missing(*status, method));
            Answer::json(status.unwrap_or(404), "{\"message\":\"there is no such record\"}")
        }
        (Asked::One(Method::Post), 500, _) => {
            let is_conditional = profile.dialect(request.entity).condition(Method::Post).is_some();
            let status = if is_conditional { 412 } else { 409 };
            Answer::json(status, "{\"message\":\"a record of this id already exists\"}")
        }
        (_, _, body) => Answer { status, headers, body, page: None },
    }
}

/// Puts a value into the object that a path leads through.
fn inside(path: Path, value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| Value::Object(Map::from_iter([((*name).to_owned(), value)])))
}

/// Returns a record as the profile shows it.
fn shown(profile: &Profile, request: &Request, record: &Record) -> Value {
    let (dialect, shape) = (profile.dialect(request.entity), request.entity.shape());
    let Ok(Value::Object(mut fields)) = serde_json::from_str(record.json()) else { return Value::Null };
    let mut out = Map::new();
    let as_id = |value: Value, form: IdForm| match (form, value.as_i64()) {
        (IdForm::Text { .. }, Some(id)) => Value::from(form.write(id)),
        (IdForm::Number | IdForm::Text { .. }, _) => value,
    };
    if let Some(id) = fields.remove(ID) {
        wire::put(&mut out, &[dialect.id], as_id(id, profile.id_as));
    }
    let number_as = if shape.number.parent.is_some() { profile.id_as } else { IdForm::Number };
    if let Some(number) = fields.remove(shape.number.json) {
        wire::put(&mut out, dialect.number.read, as_id(number, number_as));
    }
    for (field, text) in dialect.texts.iter().zip(shape.texts) {
        if let Some(value) = fields.remove(text.name) {
            wire::put(&mut out, field.read, value);
        }
    }
    out.extend(fields);
    Value::Object(out)
}

fn listed(profile: &Profile, ask: &Ask, all: Vec<Value>, page: Option<&Page>) -> Answer {
    let (total, next) = page.map_or((None, None), |page| (Some(page.total), page.next));
    let url = |from: usize| format!("http://{}{}", ask.host, with(ask, FROM, from));
    // In the body beside the list: where there is an envelope, there is room for it.
    let mut beside = Map::new();
    let mut headers = Vec::new();
    match (profile.pages.total(), total) {
        (Total::Body(path), Some(total)) => wire::put(&mut beside, path, Value::from(total)),
        (Total::Header(name), Some(total)) => headers.push((name, total.to_string())),
        (Total::None, _) | (_, None) => {}
    }
    match profile.pages {
        Pages::None | Pages::Page { .. } | Pages::Offset { .. } => {}
        Pages::Next { field, .. } => wire::put(&mut beside, field, next.map(url).into()),
        Pages::Link { .. } => headers.extend(next.map(|from| ("Link", format!("<{}>; rel=\"next\"", url(from))))),
        Pages::Cursor { field, .. } => wire::put(&mut beside, field, next.map(|from| from.to_string()).into()),
    }
    let answer = if profile.envelope.is_empty() {
        Answer::value(200, &all)
    } else {
        wire::put(&mut beside, profile.envelope, Value::from(all));
        Answer::value(200, &beside)
    };
    Answer { headers, ..answer }
}

/// Returns the path and query of a request, with another value of a parameter.
fn with(ask: &Ask, name: &str, value: usize) -> String {
    let (path, query) = ask.target.split_once('?').unwrap_or((&ask.target, ""));
    let is_other = |parameter: &&str| !parameter.is_empty() && parameter.split('=').next() != Some(name);
    let others = query.split('&').filter(is_other).fold(String::new(), |query, one| query + one + "&");
    format!("{path}?{others}{name}={value}")
}
