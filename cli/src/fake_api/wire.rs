//! Between tiny_http's requests and ours: the only part that reads, waits and writes.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Header, Request, Response, StatusCode};

use crate::fake_api::answer::{Answer, Body, Sending};
use crate::fake_api::{Ask, FakeApi, Reply};

/// Bytes of a body that are read, above the largest limit that is played (10 MiB): a body beyond it must still be
/// seen to be too large.
pub const BODY_BYTES_MAX: usize = 11 * 1024 * 1024;

/// Answers a request; an error means that the client has to be cut off, be it on purpose or because it is gone.
pub fn handle(api: &FakeApi, mut request: Request) -> io::Result<()> {
    let ask = read(&mut request)?;
    let turn = api.arrive(&ask);
    wait(turn.wait_before);
    let reply = api.answer(&ask, &turn, Instant::now());
    wait(turn.wait_after);
    send(request, reply)
}

fn wait(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}

fn read(request: &mut Request) -> io::Result<Ask> {
    let field = |name: &'static str| {
        let header = request.headers().iter().find(|header| header.field.equiv(name))?;
        Some(header.value.as_str().to_owned())
    };
    let mut ask = Ask {
        method: request.method().as_str().to_owned(),
        target: request.url().to_owned(),
        host: field("Host").unwrap_or_default(),
        media_type: field("Content-Type"),
        authorization: field("Authorization"),
        body: Vec::new(),
    };
    if request.body_length() != Some(0) {
        request.as_reader().take(BODY_BYTES_MAX as u64).read_to_end(&mut ask.body)?;
    }
    Ok(ask)
}

fn send(request: Request, reply: Reply) -> io::Result<()> {
    let whole = reply.answer.body.len();
    match reply.sending {
        Sending::Whole => respond(request, reply.answer, whole, reply.lasts),
        Sending::HalfTold => respond(request, reply.answer, whole / 2, reply.lasts),
        Sending::HalfCut => cut(request, &reply.answer, whole / 2, reply.lasts),
        Sending::Cut => cut(request, &Answer::json(502, ""), 0, Duration::ZERO),
    }
}

fn respond(request: Request, answer: Answer, bytes: usize, lasts: Duration) -> io::Result<()> {
    let media_type = answer.body.media_type().map(|media_type| ("Content-Type", media_type.to_owned()));
    // Names are ours, values printable: the ids and hosts in them came through an HTTP parser.
    let headers = answer.headers.into_iter().chain(media_type);
    let headers = headers.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
    let pieces = Pieces::new(answer.body, bytes, lasts);
    let response = Response::new(StatusCode(answer.status), headers, pieces, Some(bytes), None);
    // The length is known: chunks would only cost.
    request.respond(response.with_chunked_threshold(usize::MAX))
}

/// Sends the first `bytes` of an answer, and breaks off.
///
/// tiny_http cannot close a connection. So the answer comes in chunks, the last of which is no chunk: that nobody
/// between us and the client can mistake for an end, and the error tells the front door to cut the client off.
fn cut(request: Request, answer: &Answer, bytes: usize, lasts: Duration) -> io::Result<()> {
    let mut out = request.into_writer();
    let media_type = answer.body.media_type().unwrap_or("text/plain");
    write!(
        out,
        "HTTP/1.1 {} {}\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n",
        answer.status,
        StatusCode(answer.status).default_reason_phrase(),
    )?;
    if bytes > 0 {
        write!(out, "{bytes:x}\r\n")?;
        io::copy(&mut Pieces::new(answer.body.clone(), bytes, lasts), &mut out)?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"cut\r\n")?;
    out.flush()?;
    Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose"))
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
        let whole: String = (0..).map_while(|at| body.piece(at)).map(|(a, b)| format!("{a}{b}")).collect();
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
