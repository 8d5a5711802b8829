//! The door as strangers meet it: raw bytes over TCP to a real one with a small handler behind.

mod files;
mod framing;
mod life;
mod limits;
mod pieces;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Header, Request, Response};

use crate::door::{Door, Limits};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A handler that waits in `/gate` until it is let go.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        let (mut state, _) = self.changed.wait_timeout_while(state, PATIENCE, |state| !state.1).unwrap();
        state.0 -= 1;
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn await_waiting(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let late = self.changed.wait_timeout_while(state, PATIENCE, |state| state.0 < count).unwrap().1;
        assert!(!late.timed_out(), "{count} handlers did not reach the gate");
    }
}

/// So many `x`, then the end, an error or a panic.
struct Source(usize, End);

#[derive(Clone, Copy)]
enum End {
    Regular,
    Error,
    Panic,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.min(buffer.len());
        buffer[..count].fill(b'x');
        self.0 -= count;
        match self.1 {
            End::Error if count == 0 => Err(io::Error::other("the source ran dry")),
            End::Panic if count == 0 => panic!("the source blew up"),
            End::Regular | End::Error | End::Panic => Ok(count),
        }
    }
}

fn handle(mut request: Request, gate: &Gate) -> io::Result<()> {
    let url = request.url().to_owned();
    let (path, number) = url.split_once('?').unwrap_or((&url, ""));
    let number = number.parse().unwrap_or(0);
    match path {
        "/panic" => panic!("the handler was told to"),
        "/gate" => {
            gate.pass();
            request.respond(Response::from_string("through"))
        }
        "/empty" => request.respond(Response::empty(204)),
        "/same" => request.respond(Response::empty(304)),
        "/fields" => {
            let fields: Vec<String> = request.headers().iter().map(ToString::to_string).collect();
            request.respond(Response::from_string(fields.join("\n")))
        }
        "/sized" => {
            let response = Response::new(200.into(), vec![], Source(number, End::Regular), Some(number), None);
            request.respond(response.with_chunked_threshold(usize::MAX))
        }
        "/stream" | "/fail" | "/burst" => {
            let end = match path {
                "/stream" => End::Regular,
                "/fail" => End::Error,
                _ => End::Panic,
            };
            let kind = Header::from_bytes("Content-Type", "text/plain").unwrap();
            request.respond(Response::new(200.into(), vec![kind], Source(number, end), None, None))
        }
        _ => {
            let mut body = String::new();
            request.as_reader().read_to_string(&mut body)?;
            let echo = format!("[{} {url} {body}]", request.method());
            request.respond(Response::from_string(echo))
        }
    }
}

pub(super) fn open_door(limits: Limits, workers: usize) -> (Door, Arc<Gate>) {
    open_door_on(TcpListener::bind("127.0.0.1:0").unwrap(), limits, workers)
}

pub(super) fn open_door_on(listener: TcpListener, limits: Limits, workers: usize) -> (Door, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let for_workers = Arc::clone(&gate);
    let door = Door::open(listener, limits, workers, move |_| {
        let gate = Arc::clone(&for_workers);
        move |request: Request| handle(request, &gate)
    });
    (door.unwrap(), gate)
}

pub(super) fn connect(door: &Door) -> TcpStream {
    let stream = TcpStream::connect(door.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) fn send(mut stream: &TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).unwrap();
}

/// Reads to the end of the connection.
pub(super) fn read_all(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    read.unwrap_or_else(|error| panic!("{error} after {text:?}"));
    text
}

/// Reads until what came ends with `end`.
pub(super) fn read_until(mut stream: &TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 1024];
    while !text.ends_with(end) {
        let count = stream.read(&mut piece).unwrap_or_else(|error| panic!("{error} after {text:?}"));
        assert!(count > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    text
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

pub(super) fn last_get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// Sends a request on a connection of its own and returns the whole answer.
pub(super) fn ask(door: &Door, path: &str) -> String {
    let stream = connect(door);
    send(&stream, last_get(path));
    read_all(&stream)
}

pub(super) fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ").filter_map(|(at, start)| text[at + start.len()..][..3].parse().ok()).collect()
}

pub(super) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

pub(super) fn finish_sending(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}
