//! Between tiny_http and the API: requests in, answers out, a line in the access log.

use std::cell::Cell;
use std::io::{self, Cursor as InMemory, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::negotiate::Layout;
use super::response::{Body, DATABASE_AWAY, Problem, WholeList};
use super::routes::{self, Found};
use super::stream::{JsonArray, State};
use super::{BODY_BYTES_MAX, Request, Response, Service, answer};
use crate::door::PEER_FIELD;
use crate::error::Failure;
use crate::settings::Secret;
use crate::store::{Cursor, Live, Session, comments, posts};

/// A longer path is cut in the log, in characters.
const LOGGED_PATH_CHARS_MAX: usize = 256;

/// Answers requests one after the other, with a database connection of its own.
pub struct Worker {
    service: Arc<Service>,
    session: Session,
}

impl Worker {
    /// Makes a worker; it connects to the database that `url` names when it needs to.
    pub fn new(service: Arc<Service>, url: Secret) -> Self {
        let session = Session::new(url, service.metrics.sessions.clone());
        Self { service, session }
    }

    /// Answers one request, whatever happens. Returns whether the answer went out whole.
    pub fn handle(&mut self, mut incoming: tiny_http::Request) -> std::io::Result<()> {
        let began = Instant::now();
        let mut request = head(&incoming);
        let read = read_body(&mut incoming, &mut request);
        let found = routes::find(&request.path);
        let pattern = match found {
            Found::Route(route, _) => Some(route.pattern),
            Found::SlashMissing | Found::Nothing => None,
        };
        let response = match read {
            Ok(()) => self.answer(&request, &found),
            Err(problem) => problem.into_response(Layout::default()),
        };
        let response = response.header("X-Request-Id", request.id.clone());
        let (status, sent) = self.send(incoming, response);
        let bytes = *sent.as_ref().unwrap_or(&0);
        let took = began.elapsed();
        self.service.metrics.count(pattern, status, took);
        let path: String = request.path.chars().take(LOGGED_PATH_CHARS_MAX).collect();
        log::info!(
            target: "news::access",
            method = request.method.name(),
            path = path.as_str(),
            status = status,
            ms = (took.as_secs_f64() * 1e5).round() / 1e2,
            bytes = bytes,
            request = request.id.as_str(),
            peer = request.peer.as_str();
            "request"
        );
        sent.map(drop).inspect_err(|error| log::debug!("the answer to request {} did not go out: {error}", request.id))
    }

    /// Sends an answer. Returns its status, and its body's length in bytes.
    fn send(&mut self, incoming: tiny_http::Request, mut response: Response) -> (u16, io::Result<usize>) {
        let status = response.status;
        match std::mem::replace(&mut response.body, Body::Empty) {
            Body::Empty => (status, send_whole(incoming, response, Vec::new())),
            Body::Bytes(bytes) => (status, send_whole(incoming, response, bytes)),
            Body::List(WholeList::Posts, layout) => self.send_list(incoming, response, layout, posts::all),
            Body::List(WholeList::Comments(post), layout) => {
                self.send_list(incoming, response, layout, |live| comments::all(live, post))
            }
        }
    }

    /// Sends a list while it is read.
    fn send_list<T: Serialize>(
        &mut self,
        incoming: tiny_http::Request,
        response: Response,
        layout: Layout,
        open: impl FnOnce(&mut Live) -> Result<Cursor<'_, T>, postgres::Error>,
    ) -> (u16, io::Result<usize>) {
        let status = response.status;
        let outcome = match begin(&mut self.session, layout, open) {
            Ok(mut array) => {
                let sent = send_array(incoming, response, &mut array);
                Ok((sent.map(|()| array.bytes), array.state()))
            }
            Err(()) => Err((incoming, response)),
        };
        match outcome {
            Ok((sent, state)) => {
                if state == State::Broken {
                    self.session.forget();
                }
                (status, sent)
            }
            Err((incoming, response)) => {
                // Whatever it was, the next request gets a new connection.
                self.session.forget();
                let kept = response.headers.into_iter().filter(|(name, _)| *name != "Content-Type");
                let mut unavailable = Problem::Unavailable(DATABASE_AWAY).into_response(layout);
                unavailable.headers.extend(kept);
                self.send(incoming, unavailable)
            }
        }
    }

    fn answer(&mut self, request: &Request, found: &Found<'_>) -> Response {
        // A bug in one request must not take the worker with it; the session may be in any state then.
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&self.service, &mut self.session, request, found)));
        answered.unwrap_or_else(|_| {
            self.session.forget();
            Problem::Internal.into_response(Layout::default())
        })
    }
}

/// Sends a list. Fails where it broke off: the answer has no end then, so that nobody takes it for the whole.
fn send_array<T: Serialize>(
    incoming: tiny_http::Request,
    response: Response,
    array: &mut JsonArray<'_, T>,
) -> io::Result<()> {
    let (version, is_head) = (incoming.http_version().clone(), *incoming.method() == tiny_http::Method::Head);
    let broken = array.broken();
    // tiny_http itself would end the chunks properly whatever happens to their source.
    let mut writer = Breaking { inner: incoming.into_writer(), broken };
    let sent = tiny_response(response, array, None).raw_print(&mut writer, version, &[], is_head, None);
    sent.and_then(|()| writer.flush()).map_err(|error| {
        // The client went away: nothing to write home about.
        let left = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        if left { io::ErrorKind::ConnectionAborted.into() } else { error }
    })
}

/// A writer that takes nothing more once its source broke.
struct Breaking<W> {
    inner: W,
    broken: Rc<Cell<bool>>,
}

impl<W> Breaking<W> {
    fn check(&self) -> io::Result<()> {
        if self.broken.get() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl<W: Write> Write for Breaking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        self.inner.flush()
    }
}

/// Opens a list and reads its first window. What went wrong is logged.
fn begin<'s, T: Serialize>(
    session: &'s mut Session,
    layout: Layout,
    open: impl FnOnce(&'s mut Live) -> Result<Cursor<'s, T>, postgres::Error>,
) -> Result<JsonArray<'s, T>, ()> {
    let live = session.connected().map_err(|_| ())?;
    open(live).and_then(|cursor| JsonArray::new(cursor, layout)).map_err(|error| {
        log::warn!("a list could not be opened: {}", Failure::from(error));
    })
}

/// Takes a request over, without its body.
fn head(incoming: &tiny_http::Request) -> Request {
    let mut request = Request::new(incoming.method().as_str(), incoming.url());
    request.id = new_id();
    request.peer = incoming.remote_addr().map(ToString::to_string).unwrap_or_default();
    for header in incoming.headers() {
        if header.field.equiv(PEER_FIELD) {
            header.value.as_str().clone_into(&mut request.peer);
        } else {
            request.add_header(header.field.as_str().as_str(), header.value.as_str());
        }
    }
    request
}

fn read_body(incoming: &mut tiny_http::Request, request: &mut Request) -> Result<(), Problem> {
    // One byte more than the limit tells that there is more.
    let mut body = Vec::new();
    let limit = u64::try_from(BODY_BYTES_MAX).map_or(u64::MAX, |limit| limit + 1);
    if incoming.as_reader().take(limit).read_to_end(&mut body).is_err() {
        return Err(Problem::Malformed("The body ended too early.".to_owned()));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::TooLarge(BODY_BYTES_MAX));
    }
    request.body = body;
    Ok(())
}

/// Returns 16 hexadecimal digits.
fn new_id() -> String {
    let mut bytes = [0_u8; 8];
    if let Err(error) = getrandom::fill(&mut bytes) {
        log::warn!("no random numbers for request ids: {error}");
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Sends an answer whose body is at hand. Returns the body's length, in bytes.
fn send_whole(incoming: tiny_http::Request, response: Response, body: Vec<u8>) -> io::Result<usize> {
    let length = body.len();
    let response = tiny_response(response, InMemory::new(body), Some(length));
    // The length is known, so it is told: no chunks.
    incoming.respond(response.with_chunked_threshold(usize::MAX)).map(|()| length)
}

fn tiny_response<R: Read>(response: Response, body: R, length: Option<usize>) -> tiny_http::Response<R> {
    let own = ("Server", "news".to_owned());
    let headers = std::iter::once(own).chain(response.headers).filter_map(|(name, value)| {
        let header = tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes());
        header.map_err(|()| log::error!("the header {name} cannot be sent")).ok()
    });
    tiny_http::Response::new(response.status.into(), headers.collect(), body, length, None)
}
