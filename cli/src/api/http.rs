//! Between tiny_http and the API: requests in, answers out, a line in the access log.

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::negotiate::Layout;
use super::response::{Body, Problem};
use super::{BODY_BYTES_MAX, Request, Response, Service, answer};
use crate::door::PEER_FIELD;
use crate::store::Session;

/// A longer path is cut in the log, in characters.
const LOGGED_PATH_CHARS_MAX: usize = 256;

/// Answers requests one after the other, with a database connection of its own.
pub struct Worker {
    service: Arc<Service>,
    session: Session,
}

impl Worker {
    /// Makes a worker.
    pub fn new(service: Arc<Service>, session: Session) -> Self {
        Self { service, session }
    }

    /// Answers one request, whatever happens. Returns whether the answer went out whole.
    pub fn handle(&mut self, mut incoming: tiny_http::Request) -> std::io::Result<()> {
        let began = Instant::now();
        let (request, response) = match read(&mut incoming) {
            Ok(request) => {
                let response = self.answer(&request);
                (request, response)
            }
            Err((request, problem)) => (request, problem.into_response(Layout::default())),
        };
        let response = response.header("X-Request-Id", request.id.clone());
        let (status, bytes) = (response.status, response.len());
        let sent = send(incoming, response);
        let path: String = request.path.chars().take(LOGGED_PATH_CHARS_MAX).collect();
        log::info!(
            target: "news::access",
            method = request.method.name(),
            path = path.as_str(),
            status = status,
            ms = (began.elapsed().as_secs_f64() * 1e5).round() / 1e2,
            bytes = bytes,
            request = request.id.as_str(),
            peer = request.peer.as_str();
            "request"
        );
        sent.inspect_err(|error| log::debug!("the answer to request {} did not go out: {error}", request.id))
    }

    fn answer(&mut self, request: &Request) -> Response {
        // A bug in one request must not take the worker with it; the session may be in any state then.
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&self.service, &mut self.session, request)));
        answered.unwrap_or_else(|_| {
            self.session.forget();
            Problem::Internal.into_response(Layout::default())
        })
    }
}

/// Takes a request over, with its body.
fn read(incoming: &mut tiny_http::Request) -> Result<Request, (Request, Problem)> {
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
    // One byte more than the limit tells that there is more.
    let mut body = Vec::new();
    let limit = u64::try_from(BODY_BYTES_MAX).map_or(u64::MAX, |limit| limit + 1);
    if incoming.as_reader().take(limit).read_to_end(&mut body).is_err() {
        return Err((request, Problem::Malformed("The body ended too early.".to_owned())));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err((request, Problem::TooLarge(BODY_BYTES_MAX)));
    }
    request.body = body;
    Ok(request)
}

/// Returns 16 hexadecimal digits.
fn new_id() -> String {
    let mut bytes = [0_u8; 8];
    if let Err(error) = getrandom::fill(&mut bytes) {
        log::warn!("no random numbers for request ids: {error}");
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}

fn send(incoming: tiny_http::Request, response: Response) -> std::io::Result<()> {
    let mut headers = vec![("Server", "news".to_owned())];
    headers.extend(response.headers);
    let body = match response.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
    };
    let headers = headers.iter().filter_map(|(name, value)| {
        let header = tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes());
        header.map_err(|()| log::error!("the header {name} cannot be sent")).ok()
    });
    let length = body.len();
    let response =
        tiny_http::Response::new(response.status.into(), headers.collect(), Cursor::new(body), Some(length), None);
    // The length is known, so it is told: no chunks.
    incoming.respond(response.with_chunked_threshold(usize::MAX))
}
