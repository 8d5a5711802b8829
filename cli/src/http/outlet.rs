//! A response on its way out: tiny_http writes it, this adds what it does not know and keeps it honest.
//!
//! - It completes the head: it adds `Connection`, and leaves out the length if there is no content.
//! - It leaves in pieces of [`PIECE_BYTES`], a small one in a single write, and sooner where its source is slow.
//! - If its source fails or panics, nothing more is written: tiny_http would end the chunks as if all were there.
//! - If nothing has left by then, the server can still answer 500.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::time::Instant;

use tiny_http::{HTTPVersion, Header, Response, StatusCode};

use crate::http::head::{HttpVersion, Persist, Verb};
use crate::http::limits::{PIECE_AGE_MAX, PIECE_BYTES};
use crate::http::links::{Link, Links};
use crate::http::wire::Cut;

/// Tells the client that this was the last response.
pub(super) const CLOSE: &[u8] = b"Connection: close\r\n";
/// Tells an HTTP/1.0 client that it was not.
const KEEP_ALIVE: &[u8] = b"Connection: keep-alive\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseProgress {
    /// Nothing has left.
    Nothing,
    /// It is out, whole.
    Done(Persist),
    /// It broke off, or the client is gone: the connection can only be cut.
    Cut,
}

/// What a response needs to know of its request and connection.
pub(super) struct ResponseContext<'a> {
    /// Sends a piece to the client.
    pub(super) send: &'a mut dyn FnMut(&[u8]) -> Result<(), Cut>,
    pub(super) links: &'a Links,
    pub(super) link: &'a Link,
    /// Kept from one response of a connection to the next.
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) verb: Verb,
    pub(super) version: HttpVersion,
    pub(super) wish: Persist,
    pub(super) progress: &'a Cell<ResponseProgress>,
}

/// The one response to a request. Dropped unsent, the client gets a 500.
pub struct Reply<'a> {
    exchange: ResponseContext<'a>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(exchange: ResponseContext<'a>) -> Self {
        Self { exchange }
    }

    /// Sends a response, and returns once the kernel has all of it. Returns the bytes of its body.
    ///
    /// A body that ends before `length` bytes, one whose source fails, and a client that leaves are errors. A source that
    /// fails with [`io::ErrorKind::ConnectionAborted`] breaks off on purpose: what came of it is sent before the cut.
    pub fn send(
        self,
        status: StatusCode,
        fields: Vec<Header>,
        body: impl Read,
        length: Option<usize>,
    ) -> io::Result<usize> {
        let mut exchange = self.exchange;
        exchange.buffer.clear();
        let is_bare = exchange.verb == Verb::Head || matches!(status.0, 100..=199 | 204 | 304);
        // An HTTP/1.0 client knows no chunks: its response ends with the connection (RFC 9112 §6.3).
        let ending = match (length, exchange.version) {
            (None, HttpVersion::Http10) if !is_bare => Ending::Close,
            (None | Some(_), HttpVersion::Http10 | HttpVersion::Http11) => Ending::Told,
        };
        let persist = if ending == Ending::Close { Persist::Close } else { exchange.wish };
        let (source, count) = (Cell::new(BodySource::Good), Cell::new(0));
        let mut body = Watched { inner: body, state: &source, count: &count, left: length };
        let mut outlet = Outlet {
            exchange: &mut exchange,
            source: &source,
            part: BodyPart::Head,
            began: Instant::now(),
            persist,
            is_bare,
        };
        let sent = match ending {
            Ending::Told => {
                // Where the length is known, it is told: chunks would only cost.
                let response = Response::new(status, fields, body, length, None).with_chunked_threshold(usize::MAX);
                response.raw_print(&mut outlet, HTTP_11, &[], is_bare, None)
            }
            // tiny_http would hold all of it in memory, to tell its length.
            Ending::Close => Response::new(status, fields, io::empty(), None, None)
                .raw_print(&mut outlet, HTTP_11, &[], true, None)
                .and_then(|()| io::copy(&mut body, &mut outlet).map(drop)),
        };
        let sent = sent.and_then(|()| outlet.send_piece());
        match &sent {
            Ok(()) => outlet.exchange.progress.set(ResponseProgress::Done(persist)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                // Whether the client still takes it is of no interest.
                let _ = outlet.send_piece();
                outlet.exchange.progress.set(ResponseProgress::Cut);
            }
            Err(_) => {}
        }
        sent.map(|()| count.get())
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        self.exchange.progress.set(ResponseProgress::Cut);
    }
}

/// Our own version, whichever the client has (RFC 9110 §2.5).
const HTTP_11: HTTPVersion = HTTPVersion(1, 1);

/// What the source of a body has come to. One that panics stays in `Reading`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodySource {
    Good,
    Reading,
    Failed,
}

/// How the client finds the end of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By a length, or by chunks.
    Told,
    /// By the end of the connection.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyPart {
    Head,
    Body,
}

/// A source that tells how it fares, and gives as many bytes as were told.
struct Watched<'s, R> {
    inner: R,
    state: &'s Cell<BodySource>,
    count: &'s Cell<usize>,
    /// Bytes that are still to come, where that is known.
    left: Option<usize>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.left.map_or(buffer.len(), |left| left.min(buffer.len()));
        self.state.set(BodySource::Reading);
        let read = self.inner.read(buffer.get_mut(..room).unwrap_or_default());
        let ended_early = matches!(read, Ok(0)) && room > 0 && self.left.is_some();
        let read = if ended_early { Err(io::ErrorKind::UnexpectedEof.into()) } else { read };
        self.state.set(if read.is_ok() { BodySource::Good } else { BodySource::Failed });
        let count = read?;
        self.count.set(self.count.get() + count);
        self.left = self.left.map(|left| left - count);
        Ok(count)
    }
}

/// What tiny_http writes to.
struct Outlet<'o, 'a> {
    exchange: &'o mut ResponseContext<'a>,
    source: &'o Cell<BodySource>,
    part: BodyPart,
    /// When the piece in the buffer was begun.
    began: Instant,
    persist: Persist,
    /// Without content, whatever the length fields say (RFC 9112 §6.3).
    is_bare: bool,
}

impl Write for Outlet<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.source.get() != BodySource::Good {
            return Err(io::ErrorKind::Other.into());
        }
        self.exchange.buffer.extend_from_slice(bytes);
        match self.part {
            BodyPart::Head if self.exchange.buffer.ends_with(HEAD_END) => {
                self.part = BodyPart::Body;
                self.complete_head();
            }
            BodyPart::Body if self.exchange.buffer.len() >= PIECE_BYTES || self.began.elapsed() >= PIECE_AGE_MAX => {
                self.send_piece()?;
                self.began = Instant::now();
            }
            BodyPart::Head | BodyPart::Body => {}
        }
        Ok(bytes.len())
    }

    /// Does nothing: pieces leave when they are full, and the last one at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet<'_, '_> {
    /// Completes the head for the client; mostly there is nothing to do.
    fn complete_head(&mut self) {
        let ResponseContext { buffer: head, verb, version, .. } = &mut *self.exchange;
        if *version == HttpVersion::Http10 {
            // RFC 9112 §6.1.
            remove_field(head, b"Transfer-Encoding:");
        }
        if self.is_bare && *verb == Verb::Other {
            // RFC 9110 §8.6: no length in a 204, no wrong one in a 304.
            remove_field(head, b"Content-Length:");
            remove_field(head, b"Transfer-Encoding:");
        }
        match (self.persist, *version) {
            (Persist::Close, HttpVersion::Http10 | HttpVersion::Http11) => insert_field(head, CLOSE),
            (Persist::Keep, HttpVersion::Http10) => insert_field(head, KEEP_ALIVE),
            (Persist::Keep, HttpVersion::Http11) => {}
        }
    }

    fn send_piece(&mut self) -> io::Result<()> {
        let exchange = &mut *self.exchange;
        // From here on it is this response or none: unless the watchdog has answered.
        if !exchange.links.begin_piece(exchange.link) {
            exchange.progress.set(ResponseProgress::Cut);
            return Err(io::ErrorKind::TimedOut.into());
        }
        exchange.progress.set(ResponseProgress::Cut);
        let sent = (exchange.send)(exchange.buffer);
        exchange.links.begin_piece(exchange.link);
        exchange.buffer.clear();
        sent.map_err(|cut| match cut {
            Cut::Closed => io::ErrorKind::BrokenPipe.into(),
            Cut::Late => io::ErrorKind::TimedOut.into(),
        })
    }
}

/// Puts a field, with its line end, behind the others of a head, which is all that is there or comes first.
pub(super) fn insert_field(response: &mut Vec<u8>, field: &[u8]) {
    if let Some(at) = response.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
        let at = at + HEAD_END.len() / 2;
        response.splice(at..at, field.iter().copied());
    }
}

/// Removes the fields that begin with `name`, which tiny_http spells so, from a head.
fn remove_field(head: &mut Vec<u8>, name: &[u8]) {
    let lines = head.split_inclusive(|&byte| byte == b'\n');
    *head = lines.filter(|line| !line.starts_with(name)).flatten().copied().collect();
}
