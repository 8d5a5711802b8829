//! What the routes lead to: one function a method, request in, answer or problem out.

mod records;
mod replica;
mod service;
mod tokens;

use std::time::Duration;

use news_core::Entity;
use serde::Serialize;
use tiny_http::Method;

use super::forms::{self, BadBody, Invalid, Value};
use super::negotiate::DocLayout;
use super::pages::{self, WantedPage};
use super::request::Request;
use super::response::{Coded, DATABASE_AWAY, DATABASE_BUSY, Denied, Problem, Response};
use super::routes::Endpoint;
use super::{ProxyTrust, Service, conditions, console, operator};
use crate::error::Failure;
use crate::pool::PoolPlace;
use crate::store::records::{Page, Record};
use crate::store::users::{self, Caller, Person, SeenUser};
use crate::store::{Live, Trouble};

/// All that a handler may look at.
pub struct Context<'a> {
    pub service: &'a Service,
    pub request: &'a Request,
    pub layout: DocLayout,
    /// What stood for the path's placeholder.
    pub segment: &'a str,
    /// The token's user, who is still to be looked up.
    pub user: i64,
    /// The same, looked up, where only staff come in.
    pub person: Option<Person>,
}

/// Runs the handler of an endpoint; its method is one that the route has.
pub fn run(context: &Context<'_>, endpoint: Endpoint) -> Result<Response, Problem> {
    match (endpoint, &context.request.method) {
        (Endpoint::TokenObtain, _) => tokens::obtain(context),
        (Endpoint::TokenRefresh, _) => tokens::refresh(context),
        (Endpoint::TokenVerify, _) => tokens::verify(context),
        (Endpoint::Root, _) => service::root(context),
        (Endpoint::Posts, Method::Post) => records::create(context, Entity::Post),
        (Endpoint::Posts, _) => records::list(context, Entity::Post),
        (Endpoint::Post, Method::Put) => records::update(context, Entity::Post),
        (Endpoint::Post, Method::Delete) => records::delete(context, Entity::Post),
        (Endpoint::Post, _) => records::get(context, Entity::Post),
        (Endpoint::PostComments, Method::Post) => records::create(context, Entity::Comment),
        (Endpoint::PostComments, _) => records::list(context, Entity::Comment),
        (Endpoint::Comment, Method::Put) => records::update(context, Entity::Comment),
        (Endpoint::Comment, Method::Delete) => records::delete(context, Entity::Comment),
        (Endpoint::Comment, _) => records::get(context, Entity::Comment),
        (Endpoint::Replicas(entity), _) => replica::list(context, entity),
        (Endpoint::Replica(entity), Method::Put) => replica::put(context, entity),
        (Endpoint::Replica(entity), Method::Delete) => replica::delete(context, entity),
        (Endpoint::Replica(entity), _) => records::get(context, entity),
        (Endpoint::OpenApi, _) => Ok(service::openapi()),
        (Endpoint::Docs(page), _) => Ok(service::docs(page)),
        (Endpoint::Console, _) => console::get(context.request, context.segment),
        (Endpoint::Operator(wanted), _) => operator::run(context, wanted),
        (Endpoint::Metrics, _) => Ok(service::metrics(context)),
        (Endpoint::Healthz, _) => Ok(service::healthz()),
        (Endpoint::Readyz, _) => service::readyz(context),
    }
}

/// A client that waited this long for a large page is better told to come again.
const LARGE_PAGE_WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct PageJson<'a> {
    count: i64,
    next: Option<String>,
    previous: Option<String>,
    results: &'a [Record],
}

impl Context<'_> {
    /// Runs a statement that changes nothing.
    fn read<T>(&self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Problem> {
        self.service.sessions.read(run).map_err(in_trouble)
    }

    /// Runs a statement that changes something.
    fn write<T>(&self, run: impl Fn(&mut Live) -> Result<T, postgres::Error>) -> Result<T, Problem> {
        self.service.sessions.write(run).map_err(in_trouble)
    }

    /// Looks the user up.
    pub fn look_up(&self) -> Result<Person, Problem> {
        let user = self.user;
        match self.read(|live| users::person(live, user))? {
            Some(person) if person.is_active => Ok(person),
            Some(_) => Err(Problem::Denied(Denied::InactiveUser)),
            None => Err(Problem::Denied(Denied::UnknownUser)),
        }
    }

    /// Lets staff in, and nobody else.
    pub fn require_staff(&mut self) -> Result<(), Problem> {
        let person = self.look_up()?;
        if !person.is_staff {
            return Err(Coded::problem(403, "not_staff", "The console is for users who are staff."));
        }
        self.person = Some(person);
        Ok(())
    }

    /// Looks the user up where nothing else is to be looked up.
    pub fn require_user(&self) -> Result<(), Problem> {
        let user = self.user;
        let caller = self.read(|live| users::caller(live, user))?;
        require_active(caller)
    }

    /// Returns the id in the path. Where it is no integer, the user comes first, then 404.
    pub fn id(&self) -> Result<i64, Problem> {
        if let Some(id) = super::routes::id(self.segment) {
            return Ok(id);
        }
        self.require_user()?;
        Err(Problem::NotFound("Not found."))
    }

    /// Reads and checks the body.
    fn form<T>(&self, check: impl Fn(&Value) -> Result<T, Invalid>) -> Result<T, Problem> {
        let data = forms::parse(self.request.header("content-type"), &self.request.body).map_err(|bad| match bad {
            BadBody::Unsupported(media) => Problem::Unsupported(media),
            BadBody::Malformed(why) => Problem::Malformed(why),
        })?;
        check(&data).map_err(Problem::Invalid)
    }

    /// Returns `http://HOST` as the client sees it.
    fn origin(&self) -> Result<String, Problem> {
        let forwarded = |name| match self.service.allowed.proxy {
            ProxyTrust::None => None,
            // The nearest proxy's word is the last one, but a chain tells the client's host first.
            ProxyTrust::Trusted => self.request.header(name).and_then(|value| value.split(',').next()).map(str::trim),
        };
        let scheme = match forwarded("x-forwarded-proto") {
            Some("https") => "https",
            Some(_) | None => "http",
        };
        match forwarded("x-forwarded-host").or(self.request.header("host")) {
            Some(host) if is_host(host) => Ok(format!("{scheme}://{host}")),
            Some(_) => Err(Problem::BadHost),
            None => Ok(format!("{scheme}://{}", self.service.listen)),
        }
    }

    /// Answers with an object: 304 where the client has this version already.
    pub fn object(&self, status: u16, object: &impl Serialize, version: &str) -> Response {
        let tag = conditions::tag(version, self.layout);
        if self.request.reads() && conditions::is_known(self.request.header("if-none-match"), version, self.layout) {
            return Response::empty(304).header("ETag", tag);
        }
        Response::json(status, object, self.layout).header("ETag", tag)
    }

    /// Returns the versions that the client lets be changed; nothing where any will do.
    fn versions(&self) -> Option<Vec<String>> {
        conditions::changeable(self.request.header("if-match"))
    }

    /// Takes a place for a page of this size, before it is read: small ones need none.
    fn room_for(&self, size: i64) -> Result<Option<PoolPlace>, Problem> {
        if size <= pages::PAGE_SIZE {
            return Ok(None);
        }
        let place = self.service.large_pages.take(LARGE_PAGE_WAIT_MAX);
        place.map(Some).ok_or(Problem::Unavailable("Too many large pages at once. Try again in a moment."))
    }

    /// Answers with a page of a list, or says that there is no such page.
    fn page(&self, wanted: Option<WantedPage>, size: i64, page: &Page) -> Result<Response, Problem> {
        let last = pages::pages(page.count, size);
        let number = match wanted {
            Some(WantedPage::Last) => last,
            Some(WantedPage::Number(number)) if number <= last => number,
            Some(WantedPage::Number(_)) | None => return Err(Problem::NotFound("Invalid page.")),
        };
        let base = format!("{}{}", self.origin()?, self.request.path);
        let link = |number| pages::link(&base, &self.request.query, number);
        let json = PageJson {
            count: page.count,
            next: (number < last).then(|| link(number + 1)),
            previous: (number > 1).then(|| link(number - 1)),
            results: &page.rows,
        };
        Ok(Response::json(200, &json, self.layout))
    }
}

/// Returns what was found, once it is known that the user may see it.
fn active<T>(seen: SeenUser<T>) -> Result<T, Problem> {
    require_active(seen.caller)?;
    Ok(seen.found)
}

fn require_active(caller: Caller) -> Result<(), Problem> {
    match caller {
        Caller::Active => Ok(()),
        Caller::Inactive => Err(Problem::Denied(Denied::InactiveUser)),
        Caller::Unknown => Err(Problem::Denied(Denied::UnknownUser)),
    }
}

/// The number that a statement takes for a page; 0 is the last one, and a page that cannot be is the first.
fn page_number(wanted: Option<WantedPage>) -> i64 {
    match wanted {
        Some(WantedPage::Number(number)) => number,
        Some(WantedPage::Last) => 0,
        None => 1,
    }
}

/// Gives the database's trouble its answer.
pub fn in_trouble(trouble: Trouble) -> Problem {
    match trouble {
        Trouble::Away => Problem::Unavailable(DATABASE_AWAY),
        Trouble::Busy => Problem::Unavailable(DATABASE_BUSY),
        Trouble::Unknown => Problem::Unknown,
        Trouble::Refused(error) => {
            log::error!("the database refused a statement: {}", Failure::from(error));
            Problem::Internal
        }
    }
}

/// A name or an address, with a port or without: nothing that could break out of a link.
fn is_host(host: &str) -> bool {
    const HOST_BYTES_MAX: usize = 255 + ":65535".len();
    let is_fitting = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(is_fitting)
}
