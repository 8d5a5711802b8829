//! The server as clients meet it: raw bytes over TCP to a real one with a small handler behind.

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

use tiny_http::Header;

use crate::http::{HttpRequest, Limits, Reply, Server};

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
    Error(io::ErrorKind),
    Panic,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.min(buffer.len());
        buffer[..count].fill(b'x');
        self.0 -= count;
        match self.1 {
            End::Error(kind) if count == 0 => Err(io::Error::new(kind, "the source ran dry")),
            End::Panic if count == 0 => panic!("the source blew up"),
            End::Regular | End::Error(_) | End::Panic => Ok(count),
        }
    }
}

fn handle(request: &HttpRequest, reply: Reply<'_>, gate: &Gate) {
    let (path, number) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let number = number.parse().unwrap_or(0);
    let text = |reply: Reply<'_>, text: String| reply.send(200.into(), vec![], text.as_bytes(), Some(text.len()));
    // What became of a response is the server's business here.
    let _ = match path {
        "/panic" => panic!("the handler was told to"),
        "/gate" => {
            gate.pass();
            text(reply, "through".into())
        }
        "/stall" => {
            let body = Source(number, End::Regular).chain(Waiting(gate));
            reply.send(200.into(), vec![], body, None)
        }
        "/empty" => reply.send(204.into(), vec![], io::empty(), Some(0)),
        "/same" => reply.send(304.into(), vec![], io::empty(), None),
        "/silent" => Ok(0),
        "/cut" => {
            reply.cut();
            Ok(0)
        }
        "/late-panic" => {
            text(reply, "sent".into()).unwrap();
            panic!("the handler was told to, afterwards")
        }
        "/fields" => {
            let fields: Vec<String> = request.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            text(reply, format!("{}\n{}", request.peer, fields.join("\n")))
        }
        "/sized" => reply.send(200.into(), vec![], Source(number, End::Regular), Some(number)),
        "/short" => reply.send(200.into(), vec![], Source(number, End::Regular), Some(number + 1)),
        "/long" => reply.send(200.into(), vec![], Source(number + 1, End::Regular), Some(number)),
        "/stream" | "/fail" | "/burst" | "/break" => {
            let end = match path {
                "/stream" => End::Regular,
                "/fail" => End::Error(io::ErrorKind::Other),
                "/break" => End::Error(io::ErrorKind::ConnectionAborted),
                _ => End::Panic,
            };
            let kind = Header::from_bytes("Content-Type", "text/plain").unwrap();
            reply.send(200.into(), vec![kind], Source(number, end), None)
        }
        _ => {
            let body = String::from_utf8_lossy(&request.body);
            text(reply, format!("[{} {} {body}]", request.method, request.target))
        }
    };
}

/// A source that waits at the gate, and has nothing then.
struct Waiting<'a>(&'a Gate);

impl Read for Waiting<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.pass();
        Ok(0)
    }
}

pub(super) fn open_server(limits: Limits) -> (Server, Arc<Gate>) {
    open_server_on(TcpListener::bind("127.0.0.1:0").unwrap(), limits)
}

pub(super) fn open_server_on(listener: TcpListener, limits: Limits) -> (Server, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let for_handler = Arc::clone(&gate);
    let server = Server::open(listener, limits, move |request, reply| handle(&request, reply, &for_handler));
    (server.unwrap(), gate)
}

pub(super) fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
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
pub(super) fn ask(server: &Server, path: &str) -> String {
    let stream = connect(server);
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
