//! The API, without sockets: a [`Request`] in, a [`Response`] out, with database sessions leased in between.
//!
//! ```text
//! serve ─▶ Request ─▶ answer ─▶ routes ─▶ negotiate ─▶ auth ─▶ handlers ─▶ store
//!                                                        forms ┘ │   └ pages
//!                                                                └ operator ─▶ views
//! ```
//!
//! In scope: what each request gets, in Django REST framework's words where it has some.
//! The order of the checks is in [`answer`], and nowhere else. Out of scope: connections and
//! framing (`crate::http`), SQL (`store`), what is printed (`ui`).

mod auth;
mod charset;
mod conditions;
mod console;
mod cors;
mod forms;
mod handlers;
mod media;
mod metrics;
mod negotiate;
mod openapi;
mod operator;
mod pages;
pub mod passwords;
mod percent;
mod process;
mod request;
mod response;
mod routes;
mod serve;
mod stream;

use std::net::SocketAddr;

pub use auth::{ACCESS_LIFE_S, TokenType, Tokens};
pub use cors::Origins;
pub use forms::trim;
pub use operator::Desk;
pub use request::Request;
pub use response::Response;
pub use serve::serve;

use handlers::Context;
use metrics::{Metrics, WatchCell};
use negotiate::DocLayout;
use passwords::{Gate, HASHES_MAX};
use response::{Denied, Problem};
use routes::{Access, Manners, Route, RouteMatch};
use tiny_http::Method;

use crate::args::ConsoleMode;
use crate::pool::Queue;
use crate::report::metrics::MetricsState;
use crate::secret::Secret;
use crate::store::Sessions;

/// A body larger than this is refused, in bytes: four times the largest object whose every
/// character is written as an escaped pair of surrogates.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether headers that a proxy sets are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyTrust {
    /// X-Forwarded-Proto and X-Forwarded-Host count.
    Trusted,
    /// They do not: any client may have sent them.
    None,
}

/// Who may write objects as another `news` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaWrites {
    /// Nobody.
    None,
    /// Users who are staff.
    Staff,
}

/// What the operator lets clients do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Whether headers of a proxy are believed.
    pub proxy: ProxyTrust,
    /// Whose pages may use the API.
    pub origins: Origins,
    /// Who may write objects as another `news` has them.
    pub replica_writes: ReplicaWrites,
}

/// The page that shows the API; a request for HTML is redirected there.
const DOCS: &str = "/news/docs/";

/// Large pages that are made and sent at the same time. One has a few hundred KiB, 8 MiB at most: so the memory for
/// them is bounded, however slowly they are read.
const LARGE_PAGES_MAX: usize = 16;

/// What all requests share.
pub struct Service {
    sessions: Sessions,
    large_pages: Queue,
    tokens: Tokens,
    gate: Gate,
    allowed: Allowed,
    /// The host in links for clients that name none (HTTP/1.0).
    listen: SocketAddr,
    /// What is counted.
    pub metrics: Metrics,
    /// Reads what the database tells of the sync.
    state: Box<ReadState>,
    /// The operator's console.
    desk: Desk,
    /// The HTTP server before this service, once it is open.
    pub server: WatchCell,
}

/// Reads what the database tells of the sync, if it does.
pub type ReadState = dyn Fn() -> Option<MetricsState> + Send + Sync;

impl Service {
    /// Makes a service that works with so many sessions of the database that `url` names.
    pub fn new(
        tokens: Tokens,
        allowed: Allowed,
        listen: SocketAddr,
        (url, sessions): (&Secret, usize),
        (state, desk): (Box<ReadState>, Desk),
    ) -> Self {
        // More would only wait: a login keeps a core busy for tens of milliseconds.
        let logins = (sessions / 2).max(1);
        let running = HASHES_MAX.min(logins);
        Self {
            sessions: Sessions::new(url, sessions),
            large_pages: Queue::new(LARGE_PAGES_MAX),
            tokens,
            gate: Gate::new(running, logins - running),
            allowed,
            listen,
            metrics: Metrics::new(),
            state,
            desk,
            server: WatchCell::new(),
        }
    }
}

/// Answers a request that leads to `found`. The order of the checks: route, a preflight, Accept, token, method (and
/// with it the user), then the handler's own.
pub fn answer(service: &Service, request: &Request, found: &RouteMatch<'_>) -> Response {
    let hidden = |route: &Route| route.is_console() && service.desk.mode() == ConsoleMode::Off;
    let response = match found {
        RouteMatch::Route(route, _) | RouteMatch::SlashMissing(route) if hidden(route) => {
            Problem::NotFound("Not found.").into_response(DocLayout::default())
        }
        // Its pages come from here: no other origin is let in.
        RouteMatch::Route(route, segment) if route.is_console() => routed(service, request, route, segment),
        RouteMatch::Route(route, segment) => match service.allowed.origins.preflight(request, route) {
            Some(preflight) => preflight,
            None => routed(service, request, route, segment),
        },
        RouteMatch::SlashMissing(_) => redirect(request),
        // What a person types into a browser. To other clients there is nothing here, as before us.
        RouteMatch::Nothing
            if request.path == "/" && request.reads() && negotiate::wants_page(request.header("accept")) =>
        {
            to_docs().header("Vary", "Accept")
        }
        RouteMatch::Nothing => Problem::NotFound("Not found.").into_response(DocLayout::default()),
    };
    let is_open = !matches!(found, RouteMatch::Route(route, _) | RouteMatch::SlashMissing(route) if route.is_console());
    let response = if is_open { service.allowed.origins.mark(request, response) } else { response };
    SAFE.iter().fold(
        response,
        |response, (name, value)| {
            if response.has(name) { response } else { response.header(name, *value) }
        },
    )
}

/// What a browser may make of an answer: what its type says and nothing else, in no frame, without telling other sites
/// where it came from. The service we take the place of sends these, too.
const SAFE: [(&str, &str); 4] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

fn routed(service: &Service, request: &Request, route: &Route, segment: &str) -> Response {
    match route.manners {
        Manners::Plain => plain(service, request, route, segment),
        Manners::Stream => {
            let layout = DocLayout::default();
            let mut context = Context { service, request, layout, segment, user: 0, person: None };
            let result = admit(&mut context, route);
            result.unwrap_or_else(|problem| problem.into_response(layout)).header("Allow", route.allow())
        }
        Manners::Rest => {
            let accept = request.header("accept");
            let Some(layout) = negotiate::negotiate(accept) else {
                // The address was opened in a browser, or by a tool that pretends to be one.
                if request.reads() && negotiate::wants_page(accept) {
                    return rest_headers(to_docs(), route);
                }
                return rest_headers(Problem::NotAcceptable.into_response(DocLayout::default()), route);
            };
            let mut context = Context { service, request, layout, segment, user: 0, person: None };
            let result = admit(&mut context, route);
            rest_headers(result.unwrap_or_else(|problem| problem.into_response(layout)), route)
        }
    }
}

/// Lets a request in: who, then how, then what.
fn admit(context: &mut Context<'_>, route: &Route) -> Result<Response, Problem> {
    if route.access != Access::Public {
        context.user = bearer(context).map_err(Problem::Denied)?;
    }
    if route.access == Access::Staff {
        context.require_staff()?;
    }
    let method = &context.request.method;
    if route.allows(method) && *method != Method::Options {
        return handlers::run(context, route.endpoint);
    }
    // The handlers look the user up with what they came for; here nothing else is looked up.
    if route.access == Access::Bearer {
        context.require_user()?;
    }
    if *method == Method::Options { Ok(Response::empty(200)) } else { Err(Problem::Method(method.as_str().to_owned())) }
}

/// Returns the id of the user whose token came with the request.
fn bearer(context: &Context<'_>) -> Result<i64, Denied> {
    let token = auth::bearer(context.request.header("authorization"))?;
    let subject = context.service.tokens.check(token, Some(TokenType::Access)).map_err(Denied::BadAccess)?;
    subject.user_id()
}

fn plain(service: &Service, request: &Request, route: &Route, segment: &str) -> Response {
    if !route.allows(&request.method) {
        let problem = Problem::Method(request.method.as_str().to_owned());
        return problem.into_response(DocLayout::default()).header("Allow", route.allow());
    }
    if request.method == Method::Options {
        return Response::empty(200).header("Allow", route.allow());
    }
    let context = Context { service, request, layout: DocLayout::default(), segment, user: 0, person: None };
    let result = handlers::run(&context, route.endpoint);
    result.unwrap_or_else(|problem| problem.into_response(DocLayout::default()))
}

/// Every answer of a REST route says what it offers and what it depends on.
fn rest_headers(response: Response, route: &Route) -> Response {
    response.header("Allow", route.allow()).header("Vary", "Accept")
}

/// 303 to the page that shows the API.
fn to_docs() -> Response {
    Response::empty(303).header("Location", DOCS)
}

/// 301 to the same path with a slash, relative, the query kept; before anything else is checked.
fn redirect(request: &Request) -> Response {
    let mut location = percent::encode_path(&request.path);
    location.push('/');
    if !request.query.is_empty() {
        location.push('?');
        percent::keep_printable(&request.query, &mut location);
    }
    Response::bytes(301, "text/html; charset=utf-8", Vec::new()).header("Location", location)
}

#[cfg(test)]
mod tests;
