//! Between the HTTP server and the Fake API: the only part that reads, waits and writes.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use news_core::profile::IF_NEW;
use tiny_http::{Header, StatusCode};

use crate::fake_api::answer::{Body, Sending};
use crate::fake_api::{Ask, FakeApi, Reply};
use crate::http;

/// Bytes of a body that are read, above the largest limit that is played (10 MiB): a body beyond it must still be
/// seen to be too large.
pub const BODY_BYTES_MAX: usize = 11 * 1024 * 1024;

/// Answers a request, or cuts the client off on purpose.
pub fn handle(api: &FakeApi, request: http::HttpRequest, out: http::Reply<'_>) {
    let ask = read(api, request);
    let turn = api.arrive(&ask);
    wait(turn.wait_before);
    let reply = api.answer(&ask, &turn, Instant::now());
    wait(turn.wait_after);
    if let Err(error) = send(out, reply) {
        log::debug!("a response broke off: {error}");
    }
}

fn wait(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}

fn read(api: &FakeApi, request: http::HttpRequest) -> Ask {
    let field = |name: &str| request.fields.get(name).map(str::to_owned);
    Ask {
        host: field("Host").unwrap_or_default(),
        media_type: field("Content-Type"),
        authorization: field(api.shows()),
        is_new: field(IF_NEW.0).as_deref() == Some(IF_NEW.1),
        lacks: api.lacks(field),
        method: request.method.as_str().to_owned(),
        target: request.target,
        body: request.body,
    }
}

fn send(out: http::Reply<'_>, reply: Reply) -> io::Result<usize> {
    let Reply { answer, sending, lasts } = reply;
    let whole = answer.body.len();
    // A client sees a cut by the length that it was told.
    let (told, sent) = match sending {
        Sending::Whole => (whole, whole),
        Sending::HalfTold => (whole / 2, whole / 2),
        Sending::HalfCut => (whole, whole / 2),
        Sending::Cut => {
            out.cut();
            return Ok(0);
        }
    };
    let media_type = answer.body.media_type().map(|media_type| ("Content-Type", media_type.to_owned()));
    // Names are ours, values printable: the ids and hosts in them came through an HTTP parser.
    let fields = answer.headers.into_iter().chain(media_type);
    let fields = fields.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
    let pieces = Pieces::new(answer.body, sent, lasts);
    let end = if sent < told { End::Cut } else { End::Regular };
    out.send(StatusCode(answer.status), fields, Cutting { pieces, end }, Some(told))
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Regular,
    Cut,
}

/// A body that may break off on purpose.
struct Cutting {
    pieces: Pieces,
    end: End,
}

impl Read for Cutting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.pieces.read(buffer)?, self.end) {
            (0, End::Cut) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose")),
            (count, End::Regular | End::Cut) => Ok(count),
        }
    }
}

/// A body as a stream: its first bytes, evenly over a time.
struct Pieces {
    body: Body,
    at: usize,
    /// Bytes of the present piece that are sent.
    offset: usize,
    left: usize,
    total: usize,
    lasts: Duration,
    begun: Instant,
}

impl Pieces {
    /// Of a slow list, this many parts are sent one by one.
    const STEPS: usize = 100;

    fn new(body: Body, bytes: usize, lasts: Duration) -> Self {
        Self { body, at: 0, offset: 0, left: bytes, total: bytes, lasts, begun: Instant::now() }
    }

    /// Waits until it is time for what comes next, and returns how much that is.
    fn pace(&self, wanted: usize) -> usize {
        if self.lasts.is_zero() || self.total == 0 {
            return wanted;
        }
        let step = (self.total / Self::STEPS).max(1);
        let done = u32::try_from((self.total - self.left) / step).unwrap_or(u32::MAX);
        let due = self.lasts / u32::try_from(Self::STEPS).unwrap_or(1) * done;
        wait(due.saturating_sub(self.begun.elapsed()));
        wanted.min(step)
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut room = self.pace(buffer.len()).min(self.left);
        let mut filled = 0;
        while room > 0 {
            let Some((before, text)) = self.body.piece(self.at) else { break };
            let (source, start) = match self.offset.checked_sub(before.len()) {
                None => (before, self.offset),
                Some(start) => (text, start),
            };
            let rest = source.as_bytes().get(start..).unwrap_or_default();
            let count = rest.len().min(room);
            if let (Some(target), Some(rest)) = (buffer.get_mut(filled..filled + count), rest.get(..count)) {
                target.copy_from_slice(rest);
            }
            (filled, room, self.left, self.offset) =
                (filled + count, room - count, self.left - count, self.offset + count);
            if self.offset >= before.len() + text.len() {
                (self.at, self.offset) = (self.at + 1, 0);
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::record::{Fields, Id, Record, Spelling};
    use std::sync::Arc;

    #[test]
    fn a_body_through_buffers_of_any_size() {
        let record = |n| Arc::new(Record::new(Id::Number(n), Fields::default(), Spelling::AsCame));
        let body = Body::Records((1..50).map(record).collect());
        let whole = body.text();
        for size in [1, 2, 3, 7, 64, 10_000] {
            for bytes in [0, 1, whole.len() / 2, whole.len()] {
                let (mut pieces, mut seen, mut buffer) =
                    (Pieces::new(body.clone(), bytes, Duration::ZERO), Vec::new(), vec![0; size]);
                loop {
                    match pieces.read(&mut buffer).unwrap() {
                        0 => break,
                        count => seen.extend_from_slice(&buffer[..count]),
                    }
                }
                assert_eq!(String::from_utf8(seen).unwrap(), &whole[..bytes]);
            }
        }
    }
}
