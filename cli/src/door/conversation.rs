//! One client's connection from its first byte to its last: read a request, have it answered, again.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::door::Shared;
use crate::door::chunked::{Chunked, Fault, Progress};
use crate::door::head::{self, Expect, Framing, Head, PEER_FIELD, Parsed, Persist, Verb};
use crate::door::limits::{CHUNK_EXTRA_BYTES_MAX, Limits};
use crate::door::links::{Enlisted, Link, Phase};
use crate::door::refusal::Refusal;
use crate::door::relay::{Buffers, Failure, relay};
use crate::door::wire::{Cut, Wire};

/// The input buffer's first size: most heads fit, and most connections never need more.
const INPUT_BYTES: usize = 4 * 1024;

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With an answer of the door's own.
    Refused(Refusal, Verb),
    /// Without a further word, and nothing is lost: the client is gone, idle, or has had its last answer.
    Done,
    /// In the middle of an answer.
    Cut,
}

/// Serves one connection until it ends.
pub(super) fn serve(shared: &Shared, enlisted: &Enlisted, peer: &str) {
    let mut conversation = Conversation::new(shared, &enlisted.link, peer);
    let end = loop {
        match conversation.exchange() {
            Ok(Persist::Keep) if conversation.is_asked_again() => {}
            Ok(Persist::Keep | Persist::Close) => break End::Done,
            Err(end) => break end,
        }
    };
    conversation.end(end);
}

/// Tells a connection that there is no room for it, and waits a moment so that it can read this.
pub(super) fn turn_away(shared: &Shared, stream: &TcpStream) {
    let mut wire = Wire::new(stream, shared.limits.linger_max);
    if wire.write_all(&Refusal::Full.render(Verb::Other)).is_ok() {
        wire.linger(shared.limits.linger_max);
    }
}

struct Conversation<'a> {
    shared: &'a Shared,
    limits: &'a Limits,
    link: &'a Link,
    wire: Wire<'a>,
    input: Input,
    /// The line that tells the handler who asks.
    peer: String,
    /// The request for tiny_http.
    request: Vec<u8>,
    body: Vec<u8>,
    buffers: Buffers,
}

impl<'a> Conversation<'a> {
    fn new(shared: &'a Shared, link: &'a Link, peer: &str) -> Self {
        Self {
            shared,
            limits: &shared.limits,
            link,
            wire: Wire::new(&link.stream, shared.limits.write_max),
            input: Input::new(),
            peer: format!("{PEER_FIELD}: {peer}\r\n"),
            request: Vec::new(),
            body: Vec::new(),
            buffers: Buffers::new(),
        }
    }

    fn exchange(&mut self) -> Result<Persist, End> {
        let head = self.read_head()?;
        self.read_body(&head).map_err(|end| match end {
            End::Refused(refusal, _) => End::Refused(refusal, head.verb),
            End::Done | End::Cut => end,
        })?;
        self.shared.links.enter(self.link, Phase::Busy);
        let wish = if self.shared.links.is_draining() { Persist::Close } else { head.persist };
        self.answer(&head, wish).map_err(|failure| match failure {
            Failure::Unanswered(refusal) => End::Refused(refusal, head.verb),
            Failure::Cut => End::Cut,
        })
    }

    /// Waits between two requests. Returns whether another one begins.
    fn is_asked_again(&mut self) -> bool {
        if !self.input.is_empty() {
            return true;
        }
        self.shared.links.enter(self.link, Phase::Idle);
        !self.shared.links.is_draining() && self.listen().is_ok()
    }

    /// Waits for the first bytes of a request. Whoever says nothing is told nothing.
    fn listen(&mut self) -> Result<(), End> {
        let limit = self.limits.idle_max;
        self.input.fill(|space| self.wire.read_within(space, limit)).map(drop).map_err(|_| End::Done)
    }

    fn read_head(&mut self) -> Result<Head, End> {
        if self.input.is_empty() {
            self.listen()?;
        }
        self.shared.links.enter(self.link, Phase::Asking);
        let mut deadline = None;
        loop {
            let parsed = head::parse(self.input.bytes(), self.limits, &mut self.request);
            match parsed.map_err(|refusal| End::Refused(refusal, Verb::sniff(self.input.bytes())))? {
                Parsed::Complete { len, head } => {
                    self.input.consume(len);
                    return Ok(head);
                }
                Parsed::Partial => {}
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

    fn read_body(&mut self, head: &Head) -> Result<(), End> {
        self.body.clear();
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
            Framing::Length(length) => self.read_sized(length),
            Framing::Chunked => self.read_chunks(),
        }
    }

    fn read_sized(&mut self, length: usize) -> Result<(), End> {
        let mut deadline = None;
        loop {
            let wanted = length - self.body.len();
            let count = wanted.min(self.input.len());
            self.body.extend_from_slice(self.input.bytes().get(..count).unwrap_or_default());
            self.input.consume(count);
            if count == wanted {
                return Ok(());
            }
            self.fill_until(*deadline.get_or_insert_with(|| Instant::now() + self.limits.body_max))?;
        }
    }

    fn read_chunks(&mut self) -> Result<(), End> {
        let mut decoder = Chunked::new(self.limits.body_bytes_max as u64, CHUNK_EXTRA_BYTES_MAX);
        let mut deadline = None;
        loop {
            let body = &mut self.body;
            let progress = decoder.feed(self.input.bytes(), |run| body.extend_from_slice(run));
            match progress.map_err(|fault| End::Refused(refusal_of(fault), Verb::Other))? {
                Progress::Done(taken) => {
                    self.input.consume(taken);
                    return Ok(());
                }
                Progress::More => self.input.consume(self.input.len()),
            }
            self.fill_until(*deadline.get_or_insert_with(|| Instant::now() + self.limits.body_max))?;
        }
    }

    fn fill_until(&mut self, deadline: Instant) -> Result<(), End> {
        let wire = &mut self.wire;
        self.input.fill(|space| wire.read_until(space, deadline)).map(drop).map_err(end_of)
    }

    /// Has the request answered by a handler.
    fn answer(&mut self, head: &Head, wish: Persist) -> Result<Persist, Failure> {
        let lease = self.shared.upstreams.lease().ok_or(Failure::Unanswered(Refusal::Busy))?;
        self.request.extend_from_slice(self.peer.as_bytes());
        // Writing to a Vec cannot fail, but its signature does not say so.
        let framed = match head.framing {
            Framing::None => Ok(()),
            Framing::Length(_) | Framing::Chunked => write!(self.request, "Content-Length: {}\r\n", self.body.len()),
        };
        let ready = framed.and_then(|()| lease.push_ticket(&mut self.request));
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(&self.body);
        self.shared.counters.requests.add();
        ready.and_then(|()| lease.send(&self.request)).map_err(|_| Failure::Unanswered(Refusal::NoAnswer))?;
        relay(lease, &mut self.wire, head, wish, &mut self.buffers)
    }

    fn end(&mut self, end: End) {
        match end {
            End::Refused(refusal, verb) => {
                self.shared.counters.refuse(refusal);
                self.shared.links.enter(self.link, Phase::Busy);
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

fn refusal_of(fault: Fault) -> Refusal {
    match fault {
        Fault::Malformed => Refusal::Malformed("bad chunk"),
        Fault::TooLarge => Refusal::BodyTooLarge,
        Fault::ExtraTooLarge => Refusal::HeadTooLarge,
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
