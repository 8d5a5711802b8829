//! The API, without sockets: a [`Request`] and a database session in, a [`Response`] out.
//!
//! ```text
//! http (tiny_http) ─▶ Request ─▶ answer ─▶ routes ─▶ negotiate ─▶ auth ─▶ handlers ─▶ store
//!                                                                   forms ┘     └ pages
//! ```
//!
//! In scope: what each request gets, in Django REST framework's words where it has some.
//! The order of the checks is in [`answer`], and nowhere else. Out of scope: connections and
//! framing (the door), SQL (`store`), what is printed (`ui`).

mod auth;
mod conditions;
mod cors;
mod forms;
mod handlers;
mod http;
mod media;
mod metrics;
mod negotiate;
mod openapi;
mod pages;
pub mod passwords;
mod percent;
mod request;
mod response;
mod routes;
mod stream;

use std::net::SocketAddr;

pub use auth::{ACCESS_LIFE_S, TokenType, Tokens};
pub use cors::Origins;
pub use forms::trim;
pub use http::Worker;
pub use request::Request;
pub use response::Response;

use handlers::Context;
use metrics::{DoorCell, Metrics};
use negotiate::Layout;
use passwords::{Gate, HASHES_MAX};
use request::Method;
use response::{Denied, Problem};
use routes::{Access, Found, Manners, Route};

use crate::store::Session;

/// A body larger than this is refused, in bytes: four times the largest object whose every
/// character is written as an escaped pair of surrogates.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether headers that a proxy sets are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// X-Forwarded-Proto and X-Forwarded-Host count.
    Trusted,
    /// They do not: anybody may have sent them.
    None,
}

/// What all workers share.
#[derive(Debug)]
pub struct Service {
    tokens: Tokens,
    gate: Gate,
    proxy: Proxy,
    /// The host in links for clients that name none (HTTP/1.0).
    listen: SocketAddr,
    origins: Origins,
    /// What is counted.
    pub metrics: Metrics,
    /// The door before this service, once it is open.
    pub door: DoorCell,
}

impl Service {
    /// Makes a service that `workers` share.
    pub fn new(tokens: Tokens, proxy: Proxy, origins: Origins, listen: SocketAddr, workers: usize) -> Self {
        // Half of the workers answer other requests, however many want to log in.
        let logins = (workers / 2).max(1);
        let running = HASHES_MAX.min(logins);
        let gate = Gate::new(running, logins - running);
        Self { tokens, gate, proxy, listen, origins, metrics: Metrics::new(), door: DoorCell::new() }
    }
}

/// Answers a request that leads to `found`. The order of the checks: route, a preflight, Accept, token, method (and
/// with it the user), then the handler's own.
pub fn answer(service: &Service, session: &mut Session, request: &Request, found: &Found<'_>) -> Response {
    let response = match found {
        Found::Route(route, segment) => match service.origins.preflight(request, route) {
            Some(preflight) => preflight,
            None => routed(service, session, request, route, segment),
        },
        Found::SlashMissing => redirect(request),
        Found::Nothing => Problem::NotFound("Not found.").into_response(Layout::default()),
    };
    service.origins.mark(request, response)
}

fn routed(service: &Service, session: &mut Session, request: &Request, route: &Route, segment: &str) -> Response {
    match route.manners {
        Manners::Plain => plain(service, session, request, route),
        Manners::Rest => {
            let Some(layout) = negotiate::negotiate(request.header("accept")) else {
                return rest_headers(Problem::NotAcceptable.into_response(Layout::default()), route);
            };
            let mut context = Context { service, session, request, layout, segment, user: 0 };
            let result = admit(&mut context, route);
            rest_headers(result.unwrap_or_else(|problem| problem.into_response(layout)), route)
        }
    }
}

/// Lets a request in: who, then how, then what.
fn admit(context: &mut Context<'_>, route: &Route) -> Result<Response, Problem> {
    if route.access == Access::Bearer {
        context.user = bearer(context).map_err(Problem::Denied)?;
    }
    let method = &context.request.method;
    if route.allows(method) && *method != Method::Options {
        return handlers::run(context, route.endpoint);
    }
    // The handlers look the user up with what they came for; here nothing else is looked up.
    if route.access == Access::Bearer {
        context.require_user()?;
    }
    if *method == Method::Options { Ok(Response::empty(200)) } else { Err(Problem::Method(method.name().to_owned())) }
}

/// Returns the id of the user whose token came with the request.
fn bearer(context: &Context<'_>) -> Result<i64, Denied> {
    let token = auth::bearer(context.request.header("authorization"))?;
    let subject = context.service.tokens.check(token, Some(TokenType::Access)).map_err(Denied::BadAccess)?;
    subject.user_id()
}

fn plain(service: &Service, session: &mut Session, request: &Request, route: &Route) -> Response {
    if !route.allows(&request.method) {
        let problem = Problem::Method(request.method.name().to_owned());
        return problem.into_response(Layout::default()).header("Allow", route.allow());
    }
    if request.method == Method::Options {
        return Response::empty(200).header("Allow", route.allow());
    }
    let mut context = Context { service, session, request, layout: Layout::default(), segment: "", user: 0 };
    let result = handlers::run(&mut context, route.endpoint);
    result.unwrap_or_else(|problem| problem.into_response(Layout::default()))
}

/// Every answer of a REST route says what it offers and what it depends on.
fn rest_headers(response: Response, route: &Route) -> Response {
    response.header("Allow", route.allow()).header("Vary", "Accept")
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
