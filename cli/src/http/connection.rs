//! One connection from its first byte to its last: read a request, have it answered, again.

use std::cell::Cell;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::http::Shared;
use crate::http::chunked::{ChunkFault, Chunked, DecoderProgress};
use crate::http::head::{self, Expect, Framing, Head, ParsedHead, Persist, Verb};
use crate::http::limits::{BUFFER_KEPT_BYTES, CHUNK_EXTRA_BYTES_MAX, Limits};
use crate::http::links::{Enlisted, Link, Phase};
use crate::http::outlet::{Reply, ResponseContext, ResponseProgress};
use crate::http::refusal::Refusal;
use crate::http::request::HttpRequest;
use crate::http::wire::{Cut, Wire};

/// The input buffer's first size: most heads fit, and most connections never need more.
const INPUT_BYTES: usize = 4 * 1024;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With a response of the server's own.
    Refused(Refusal, Verb),
    /// Without a further word, and nothing is lost: the client is gone, idle, or has had its last response.
    Done,
    /// In the middle of a response.
    Cut,
}

/// Serves one connection until it ends.
pub(super) fn serve(shared: &Shared, enlisted: &Enlisted, peer: SocketAddr) {
    let mut connection = Connection::new(shared, &enlisted.link, peer);
    let end = loop {
        match connection.exchange() {
            Ok(Persist::Keep) if connection.is_asked_again() => {}
            Ok(Persist::Keep | Persist::Close) => break End::Done,
            Err(end) => break end,
        }
    };
    connection.end(end);
}

/// Refuses a connection for want of room, and waits a moment so that the client can read it.
pub(super) fn turn_away(shared: &Shared, stream: &TcpStream) {
    let mut wire = Wire::new(stream, shared.limits.linger_max);
    if wire.write_all(&Refusal::Full.render(Verb::Other)).is_ok() {
        wire.linger(shared.limits.linger_max);
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    limits: &'a Limits,
    link: &'a Link,
    wire: Wire<'a>,
    input: Input,
    peer: SocketAddr,
    /// A response on its way out.
    output: Vec<u8>,
}

impl<'a> Connection<'a> {
    fn new(shared: &'a Shared, link: &'a Link, peer: SocketAddr) -> Self {
        Self {
            shared,
            limits: &shared.limits,
            link,
            wire: Wire::new(&link.stream, shared.limits.write_max),
            input: Input::new(),
            peer,
            output: Vec::new(),
        }
    }

    fn exchange(&mut self) -> Result<Persist, End> {
        let (head, mut request) = self.read_head()?;
        self.read_body(&head, &mut request.body).map_err(|end| match end {
            End::Refused(refusal, _) => End::Refused(refusal, head.verb),
            End::Done | End::Cut => end,
        })?;
        self.link.set_verb(head.verb);
        self.shared.links.enter(self.link, Phase::Busy);
        let wish = if self.shared.links.is_draining() { Persist::Close } else { head.persist };
        self.answer(&head, request, wish)
    }

    /// Waits between two requests. Returns whether another one begins.
    fn is_asked_again(&mut self) -> bool {
        if !self.input.is_empty() {
            return true;
        }
        self.shared.links.enter(self.link, Phase::Idle);
        !self.shared.links.is_draining() && self.listen().is_ok()
    }

    /// Waits for the first bytes of a request. A client that sends nothing gets no response.
    fn listen(&mut self) -> Result<(), End> {
        let limit = self.limits.idle_max;
        self.input.fill(|space| self.wire.read_within(space, limit)).map(drop).map_err(|_| End::Done)
    }

    fn read_head(&mut self) -> Result<(Head, HttpRequest), End> {
        if self.input.is_empty() {
            self.listen()?;
        }
        self.shared.links.enter(self.link, Phase::Asking);
        let mut deadline = None;
        loop {
            let parsed = head::parse(self.input.bytes(), self.limits, self.peer);
            match parsed.map_err(|refusal| End::Refused(refusal, Verb::sniff(self.input.bytes())))? {
                ParsedHead::Complete { len, head, request } => {
                    self.input.consume(len);
                    return Ok((head, request));
                }
                ParsedHead::Partial => {}
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.limits.head_max);
            // A head has no end without another line's end: no need to look at it byte by byte.
            let mut line_ended = false;
            while !line_ended && self.input.len() < self.limits.head_bytes_max {
                let wire = &mut self.wire;
                let fresh = self.input.fill(|space| wire.read_until(space, deadline)).map_err(end_of)?;
                line_ended = fresh.contains(&b'\n');
            }
        }
    }

    fn read_body(&mut self, head: &Head, body: &mut Vec<u8>) -> Result<(), End> {
        if matches!(head.framing, Framing::None | Framing::Length(0)) {
            return Ok(());
        }
        self.shared.links.enter(self.link, Phase::Body);
        // RFC 9110 §10.1.1: not if the body is on its way already.
        if head.expect == Expect::Continue && self.input.is_empty() {
            self.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| End::Done)?;
        }
        match head.framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.read_sized(length, body),
            Framing::Chunked => self.read_chunks(body),
        }
    }

    fn read_sized(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), End> {
        let mut deadline = None;
        loop {
            let wanted = length - body.len();
            let count = wanted.min(self.input.len());
            body.extend_from_slice(self.input.bytes().get(..count).unwrap_or_default());
            self.input.consume(count);
            if count == wanted {
                return Ok(());
            }
            self.fill_until(*deadline.get_or_insert_with(|| Instant::now() + self.limits.body_max))?;
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Result<(), End> {
        let mut decoder = Chunked::new(self.limits.body_bytes_max as u64, CHUNK_EXTRA_BYTES_MAX);
        let mut deadline = None;
        loop {
            let progress = decoder.feed(self.input.bytes(), |run| body.extend_from_slice(run));
            match progress.map_err(|fault| End::Refused(refusal_of(fault), Verb::Other))? {
                DecoderProgress::Done(taken) => {
                    self.input.consume(taken);
                    return Ok(());
                }
                DecoderProgress::More => self.input.consume(self.input.len()),
            }
            self.fill_until(*deadline.get_or_insert_with(|| Instant::now() + self.limits.body_max))?;
        }
    }

    fn fill_until(&mut self, deadline: Instant) -> Result<(), End> {
        let wire = &mut self.wire;
        self.input.fill(|space| wire.read_until(space, deadline)).map(drop).map_err(end_of)
    }

    /// Has the request answered by the handler.
    fn answer(&mut self, head: &Head, request: HttpRequest, wish: Persist) -> Result<Persist, End> {
        self.shared.counters.requests.add();
        let (wire, progress) = (&mut self.wire, Cell::new(ResponseProgress::Nothing));
        let mut send = |piece: &[u8]| wire.write_all(piece);
        let reply = Reply::new(ResponseContext {
            send: &mut send,
            links: &self.shared.links,
            link: self.link,
            buffer: &mut self.output,
            verb: head.verb,
            version: head.version,
            wish,
            progress: &progress,
        });
        // What a handler may leave half done is behind locks, which a panic poisons.
        let handled = catch_unwind(AssertUnwindSafe(|| (self.shared.handler)(request, reply)));
        if self.output.capacity() > BUFFER_KEPT_BYTES {
            self.output = Vec::new();
        }
        if handled.is_err() {
            self.shared.counters.panics.add();
        }
        match (handled, progress.get()) {
            // The handler has done its part, whatever happened to it afterwards.
            (Ok(()), ResponseProgress::Done(persist)) => Ok(persist),
            (Err(_), ResponseProgress::Done(_)) => Ok(Persist::Close),
            (Ok(()) | Err(_), ResponseProgress::Nothing) => Err(End::Refused(Refusal::Failed, head.verb)),
            (Ok(()) | Err(_), ResponseProgress::Cut) => Err(End::Cut),
        }
    }

    fn end(&mut self, end: End) {
        match end {
            End::Refused(refusal, verb) => {
                // Unless the watchdog has just answered.
                if !self.shared.links.begin_piece(self.link) {
                    return;
                }
                self.shared.counters.refuse(refusal);
                if self.wire.write_all(&refusal.render(verb)).is_ok() {
                    self.linger();
                }
            }
            // More requests may be on their way: closing now could destroy the last answer.
            End::Done if !self.input.is_empty() => self.linger(),
            End::Done => {}
            End::Cut => self.shared.counters.cut.add(),
        }
    }

    fn linger(&mut self) {
        self.shared.links.enter(self.link, Phase::Idle);
        if !self.shared.links.is_draining() {
            self.wire.linger(self.limits.linger_max);
        }
    }
}

fn end_of(cut: Cut) -> End {
    match cut {
        Cut::Closed => End::Done,
        Cut::Late => End::Refused(Refusal::Late, Verb::Other),
    }
}

fn refusal_of(fault: ChunkFault) -> Refusal {
    match fault {
        ChunkFault::Malformed => Refusal::Malformed("bad chunk"),
        ChunkFault::TooLarge => Refusal::BodyTooLarge,
        ChunkFault::ExtraTooLarge => Refusal::HeadTooLarge,
    }
}

/// What has come in and is not used up.
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self { buffer: vec![0; INPUT_BYTES], start: 0, end: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads more behind what is there, and returns it. The callers' limits bound the growth.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, Cut>) -> Result<&[u8], Cut> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let old = self.end;
        self.end += read(self.buffer.get_mut(old..).unwrap_or_default())?;
        Ok(self.buffer.get(old..self.end).unwrap_or_default())
    }
}
