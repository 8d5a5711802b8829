//! Running out of open files: in a child process, as the limit is the process's own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{PATIENCE, get, last_get, open_server, read_all, read_until, send, statuses};
use crate::http::{Limits, Seats};

const FILES: u64 = 64;

/// The child: a server in a process with few files. Each line on stdin changes its state, each is answered by a line.
#[test]
#[ignore = "runs in a child process, started by the tests below"]
fn child() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) }).unwrap();
    let seats = Seats::afforded(Seats { connections: 256, sessions: 4 });
    let (server, _gate) = open_server(Limits { connections_max: seats.connections, ..Limits::default() });
    let mut hoard = Vec::new();
    let say = |text: String| {
        writeln!(stdout(), "\n@{text}").unwrap();
        stdout().flush().unwrap();
    };
    say(server.local_addr().to_string());
    for line in stdin().lock().lines() {
        match line.unwrap().as_str() {
            "hoard" => hoard.extend(std::iter::from_fn(|| File::open("/dev/null").ok())),
            "release" => hoard.clear(),
            _ => break,
        }
        say(server.stats().accept_errors.to_string());
    }
}

struct Process(Child, BufReader<std::process::ChildStdout>);

impl Process {
    fn start() -> (Self, String) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "http::tests::files::child", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self(child, output);
        let address = process.heard();
        (process, address)
    }

    fn heard(&mut self) -> String {
        let mut line = String::new();
        while self.1.read_line(&mut line).unwrap() > 0 {
            if let Some(text) = line.trim_end().strip_prefix('@') {
                return text.to_owned();
            }
            line.clear();
        }
        panic!("the child has gone")
    }

    fn tell(&mut self, text: &str) -> String {
        writeln!(self.0.stdin.as_mut().unwrap(), "{text}").unwrap();
        self.heard()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn reach(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn two_hundred_connections_on_sixty_four_files() {
    let (_process, address) = Process::start();
    let streams: Vec<_> = (0..200).map(|_| reach(&address)).collect();
    // Those let in last are still there; the others were closed to make room, or refused.
    drop(streams);
    for _ in 0..20 {
        let stream = reach(&address);
        send(&stream, last_get("/a"));
        assert_eq!(statuses(&read_all(&stream)), [200]);
    }
}

#[test]
fn accept_errors_are_waited_out() {
    let (mut process, address) = Process::start();
    let known = reach(&address);
    send(&known, get("/a"));
    read_until(&known, "[GET /a ]");
    process.tell("hoard");
    // Linux takes the descriptor before it waits: one more client gets in.
    let last = reach(&address);
    send(&last, get("/a"));
    read_until(&last, "[GET /a ]");
    // No descriptor is left but the spare one: newcomers are told so.
    for _ in 0..3 {
        assert_eq!(statuses(&read_all(&reach(&address))), [503]);
    }
    // Those who are in are served, also if a response breaks off.
    send(&known, get("/fail?100000"));
    let text = read_all(&known);
    assert!(!text.ends_with("0\r\n\r\n"));
    assert_ne!(process.tell("release"), "0");
    let stream = reach(&address);
    for _ in 0..20 {
        send(&stream, get("/a"));
        read_until(&stream, "[GET /a ]");
    }
}
