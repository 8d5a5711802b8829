//! Between the HTTP server and the API: a request is answered, the answer is sent, and a line goes into the access log.

use std::io::{self, Cursor as InMemory};
use std::time::{Duration, Instant};

use serde::Serialize;
use tiny_http::{Header, StatusCode};

use super::handlers::in_trouble;
use super::negotiate::DocLayout;
use super::response::{Body, DATABASE_AWAY, Problem};
use super::routes::{self, RouteMatch};
use super::stream::{JsonArray, StreamState};
use super::{Request, Response, Service, answer, operator};
use crate::error::Failure;
use crate::http::{self, Reply};
use crate::store::records::{self, replica};
use crate::store::{Cursor, Live, Session};

/// A longer path is cut in the log, in characters.
const LOGGED_PATH_CHARS_MAX: usize = 256;

/// Answers one request.
pub fn serve(service: &Service, incoming: http::HttpRequest, reply: Reply<'_>) {
    let began = Instant::now();
    let peer = incoming.peer;
    let request = Request::from(incoming);
    let found = routes::find(&request.path);
    let response = answer(service, &request, &found).header("X-Request-Id", request.id.clone());
    let (status, sent) = send(service, reply, response);
    let pattern = match found {
        RouteMatch::Route(route, _) => Some(route.pattern),
        RouteMatch::SlashMissing(_) | RouteMatch::Nothing => None,
    };
    let took = began.elapsed();
    service.metrics.count(pattern, status, took);
    if let Err(error) = &sent {
        log::debug!("the answer to request {} did not go out: {error}", request.id);
    }
    if log::log_enabled!(target: ACCESS, log::Level::Info) {
        note(&request, peer, status, took, sent.unwrap_or(0));
    }
}

/// The access log's target.
const ACCESS: &str = "news::access";

/// Writes a line into the access log.
fn note(request: &Request, peer: std::net::SocketAddr, status: u16, took: Duration, bytes: usize) {
    let end = request.path.char_indices().nth(LOGGED_PATH_CHARS_MAX).map_or(request.path.len(), |(at, _)| at);
    log::info!(
        target: ACCESS,
        method = request.method.as_str(),
        path = request.path.get(..end).unwrap_or_default(),
        status = status,
        ms = (took.as_secs_f64() * 1e5).round() / 1e2,
        bytes = bytes,
        request = request.id.as_str(),
        peer:% = peer;
        "request"
    );
}

/// Sends an answer. Returns its status, and its body's length in bytes.
fn send(service: &Service, reply: Reply<'_>, mut response: Response) -> (u16, io::Result<usize>) {
    let status = response.status;
    // Until it has left.
    let _held = response.held.take();
    match std::mem::replace(&mut response.body, Body::Empty) {
        Body::Empty => (status, send_whole(reply, response, Vec::new())),
        Body::Bytes(bytes) => (status, send_whole(reply, response, bytes)),
        Body::Prints(entity, side) => operator::prints::open(&service.desk, entity, side, |opened| match opened {
            Ok(body) => (status, reply.send(StatusCode(status), fields(response), body, None)),
            Err(problem) => send(service, reply, instead(response, problem, DocLayout::default())),
        }),
        Body::List(list, layout) => send_list(service, reply, response, layout, |live| records::all(live, list)),
        Body::Rows(entity, layout) => send_list(service, reply, response, layout, |live| replica::all(live, entity)),
    }
}

/// Sends a list while it is read.
fn send_list<T: Serialize>(
    service: &Service,
    reply: Reply<'_>,
    response: Response,
    layout: DocLayout,
    open: impl for<'s> FnOnce(&'s mut Live) -> Result<Cursor<'s, T>, postgres::Error>,
) -> (u16, io::Result<usize>) {
    let status = response.status;
    let mut session = match service.sessions.list() {
        Ok(session) => session,
        Err(trouble) => return send(service, reply, instead(response, in_trouble(trouble), layout)),
    };
    let (state, outcome) = match begin(&mut session, layout, open) {
        Ok(mut array) => {
            let sent = reply.send(StatusCode(status), fields(response), &mut array, None);
            (array.state(), Ok(sent))
        }
        Err(problem) => (StreamState::Broken, Err((reply, response, problem))),
    };
    if state == StreamState::Broken {
        // Whatever it was, the next request gets a new connection.
        session.forget();
    }
    match outcome {
        Ok(sent) => (status, sent),
        Err((reply, response, problem)) => send(service, reply, instead(response, problem, layout)),
    }
}

/// Opens a list and reads its first window. What went wrong is logged.
fn begin<T: Serialize>(
    session: &mut Session,
    layout: DocLayout,
    open: impl for<'s> FnOnce(&'s mut Live) -> Result<Cursor<'s, T>, postgres::Error>,
) -> Result<JsonArray<'_, T>, Problem> {
    let live = session.connected().map_err(in_trouble)?;
    open(live).and_then(|cursor| JsonArray::new(cursor, layout)).map_err(|error| {
        log::warn!("a list could not be opened: {}", Failure::from(error));
        Problem::Unavailable(DATABASE_AWAY)
    })
}

/// Returns a problem's answer, with the headers that were to go with another one.
fn instead(response: Response, problem: Problem, layout: DocLayout) -> Response {
    let mut instead = problem.into_response(layout);
    instead.headers.extend(response.headers.into_iter().filter(|(name, _)| *name != "Content-Type"));
    instead
}

/// Sends an answer whose body is at hand. Returns the body's length, in bytes.
fn send_whole(reply: Reply<'_>, response: Response, body: Vec<u8>) -> io::Result<usize> {
    let length = body.len();
    reply.send(StatusCode(response.status), fields(response), InMemory::new(body), Some(length))
}

/// Returns the header fields of an answer.
fn fields(response: Response) -> Vec<Header> {
    let own = ("Server", "news".to_owned());
    let all = std::iter::once(own).chain(response.headers).filter_map(|(name, value)| {
        // A control character could end the field and begin another one.
        let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let field = plain.then(|| Header::from_bytes(name, value)).and_then(Result::ok);
        if field.is_none() {
            log::error!("the header {name} cannot be sent");
        }
        field
    });
    all.collect()
}
