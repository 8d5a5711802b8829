//! An answer on its way from tiny_http to the client.
//!
//! An answer that fits the buffer is read whole, its upstream is set free, and it leaves in one write: a slow reader
//! holds nobody up. A larger one, or one of unknown length, is passed on as it comes, so that memory stays flat.

use std::io;

use crate::door::chunked::{Chunked, Progress};
use crate::door::head::{Head, Persist, Verb, Version};
use crate::door::limits::RELAY_BYTES;
use crate::door::refusal::Refusal;
use crate::door::upstream::Lease;
use crate::door::wire::Wire;

/// Fields of an answer's head, at most.
const ANSWER_FIELDS_MAX: usize = 64;

/// How an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing has been sent: the door answers.
    Unanswered(Refusal),
    /// Something has been sent, or nobody listens: the connection can only be cut.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    head_len: usize,
    length: Length,
    /// Without content, whatever the length fields say (RFC 9112 §6.3).
    bare: bool,
}

/// What is used again for each answer of a connection.
pub(super) struct Buffers {
    raw: Vec<u8>,
    cooked: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { raw: vec![0; RELAY_BYTES], cooked: Vec::new() }
    }
}

/// Reads the answer from `lease` and sends it; returns whether the connection may go on.
pub(super) fn relay(
    lease: Lease<'_>,
    wire: &mut Wire<'_>,
    request: &Head,
    wish: Persist,
    buffers: &mut Buffers,
) -> Result<Persist, Failure> {
    let Buffers { raw, cooked } = buffers;
    let mut filled = 0;
    let answer = loop {
        filled += receive(&lease, raw, filled).map_err(unanswered)?;
        if let Some(answer) = parse(raw.get(..filled).unwrap_or_default(), request.verb)? {
            break answer;
        }
    };
    let length = if answer.bare { Length::Known(0) } else { answer.length };
    let persist = match (length, request.version) {
        // An HTTP/1.0 client knows no chunks: its answer ends with the connection (RFC 9112 §6.3).
        (Length::Chunked, Version::Http10) => Persist::Close,
        (Length::Chunked, Version::Http11) | (Length::Known(_), _) => wish,
    };
    let mut relay = Relay { lease, wire, request, persist, answer, raw, filled, cooked };
    match length {
        Length::Known(length) => {
            let total = length.checked_add(answer.head_len as u64).ok_or(Failure::Unanswered(Refusal::NoAnswer))?;
            match usize::try_from(total).ok().filter(|total| *total <= relay.raw.len()) {
                Some(total) => return relay.short(total).map(|()| persist),
                None => relay.long(total)?,
            }
        }
        Length::Chunked => relay.chunks()?,
    }
    relay.lease.finish();
    Ok(persist)
}

/// An answer whose head is there.
struct Relay<'a, 'w> {
    lease: Lease<'a>,
    wire: &'a mut Wire<'w>,
    request: &'a Head,
    persist: Persist,
    answer: Answer,
    raw: &'a mut [u8],
    /// How much of `raw` has been read.
    filled: usize,
    cooked: &'a mut Vec<u8>,
}

impl Relay<'_, '_> {
    /// One that fits the buffer.
    fn short(mut self, total: usize) -> Result<(), Failure> {
        while self.filled < total {
            // Nothing has been sent so far: even now an honest 5xx is possible.
            self.filled += receive(&self.lease, self.raw, self.filled).map_err(unanswered)?;
        }
        if self.filled == total {
            self.lease.finish();
        } else {
            // More than it said: nobody knows what the rest would be taken for.
            drop(self.lease);
        }
        let bytes = self.raw.get(..total).unwrap_or_default();
        send(self.wire, self.request, self.persist, self.answer, bytes, self.cooked)
    }

    /// One of known length that does not.
    fn long(&mut self, total: u64) -> Result<(), Failure> {
        self.send_first()?;
        let mut left = total.saturating_sub(self.filled as u64);
        while left > 0 {
            let count = receive(&self.lease, self.raw, 0).map_err(|_| Failure::Cut)?;
            left = left.checked_sub(count as u64).ok_or(Failure::Cut)?;
            self.send_piece(count)?;
        }
        Ok(())
    }

    /// One of unknown length.
    fn chunks(&mut self) -> Result<(), Failure> {
        // It comes from our own process: its data may be without end, and there are no extensions that could be.
        let mut decoder = Chunked::new(u64::MAX, usize::MAX);
        let mut data = Vec::new();
        let mut start = self.answer.head_len;
        loop {
            let coded = self.raw.get(start..self.filled).unwrap_or_default();
            data.clear();
            // An HTTP/1.1 client gets the chunks as they are, an older one what is in them.
            let progress = match self.request.version {
                Version::Http11 => decoder.feed(coded, |_| {}),
                Version::Http10 => decoder.feed(coded, |run| data.extend_from_slice(run)),
            };
            let progress = progress.map_err(|_| Failure::Cut)?;
            let coded_bytes = coded.len();
            if self.request.version == Version::Http10
                && let Some(place) = self.raw.get_mut(start..start + data.len())
            {
                // Without its chunks the data is shorter, so that it fits where it was.
                place.copy_from_slice(&data);
                self.filled = start + data.len();
            }
            match start {
                0 => self.send_piece(self.filled)?,
                _ => self.send_first()?,
            }
            match progress {
                Progress::Done(taken) if taken == coded_bytes => return Ok(()),
                Progress::Done(_) => return Err(Failure::Cut),
                Progress::More => {}
            }
            start = 0;
            self.filled = receive(&self.lease, self.raw, 0).map_err(|_| Failure::Cut)?;
        }
    }

    /// Sends the head with what came of the body along with it.
    fn send_first(&mut self) -> Result<(), Failure> {
        let bytes = self.raw.get(..self.filled).unwrap_or_default();
        send(self.wire, self.request, self.persist, self.answer, bytes, self.cooked)
    }

    fn send_piece(&mut self, count: usize) -> Result<(), Failure> {
        self.wire.write_all(self.raw.get(..count).unwrap_or_default()).map_err(|_| Failure::Cut)
    }
}

/// Sends the head in the client's terms, and with it what came of the body, in one write.
fn send(
    wire: &mut Wire<'_>,
    request: &Head,
    persist: Persist,
    answer: Answer,
    bytes: &[u8],
    cooked: &mut Vec<u8>,
) -> Result<(), Failure> {
    let as_it_came =
        persist == Persist::Keep && request.version == Version::Http11 && !(answer.bare && request.verb == Verb::Other);
    // The usual case costs no copy.
    let sent = if as_it_came {
        wire.write_all(bytes)
    } else {
        cook(request, persist, answer, bytes, cooked);
        wire.write_all(cooked)
    };
    sent.map_err(|_| Failure::Cut)
}

/// Rewrites the head in `bytes` for the client, followed by the rest of `bytes`.
fn cook(request: &Head, persist: Persist, answer: Answer, bytes: &[u8], cooked: &mut Vec<u8>) {
    let (head, rest) = bytes.split_at_checked(answer.head_len).unwrap_or((bytes, &[]));
    cooked.clear();
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        let named =
            |name: &str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
        // RFC 9112 §6.1: not for an HTTP/1.0 client. RFC 9110 §8.6: no length in a 204, no wrong one in a 304.
        let dropped = (request.version == Version::Http10 && named("Transfer-Encoding:"))
            || (answer.bare
                && request.verb == Verb::Other
                && (named("Content-Length:") || named("Transfer-Encoding:")));
        if !dropped && line != b"\r\n" {
            cooked.extend_from_slice(line);
        }
    }
    match (persist, request.version) {
        (Persist::Close, _) => cooked.extend_from_slice(b"Connection: close\r\n"),
        (Persist::Keep, Version::Http10) => cooked.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Persist::Keep, Version::Http11) => {}
    }
    cooked.extend_from_slice(b"\r\n");
    cooked.extend_from_slice(rest);
}

fn receive(lease: &Lease<'_>, raw: &mut [u8], filled: usize) -> io::Result<usize> {
    match raw.get_mut(filled..) {
        Some(space) if !space.is_empty() => lease.receive(space),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn parse(bytes: &[u8], verb: Verb) -> Result<Option<Answer>, Failure> {
    const BAD: Failure = Failure::Unanswered(Refusal::NoAnswer);
    let mut fields = [httparse::EMPTY_HEADER; ANSWER_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_len) = response.parse(bytes).map_err(|_| BAD)? else {
        return Ok(None);
    };
    let status = response.code.ok_or(BAD)?;
    let mut length = None;
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("Content-Length") {
            let digits = str::from_utf8(field.value).map_err(|_| BAD)?;
            length = Some(Length::Known(digits.parse().map_err(|_| BAD)?));
        } else if field.name.eq_ignore_ascii_case("Transfer-Encoding") {
            length = Some(Length::Chunked);
            break;
        }
    }
    let bare = verb == Verb::Head || matches!(status, 204 | 304);
    match length {
        Some(length) => Ok(Some(Answer { head_len, length, bare })),
        None if bare => Ok(Some(Answer { head_len, length: Length::Known(0), bare })),
        None => Err(BAD),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unanswered(error: io::Error) -> Failure {
    let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    Failure::Unanswered(if late { Refusal::Slow } else { Refusal::NoAnswer })
}
