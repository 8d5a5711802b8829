//! A target that says exactly what a test wants, down to the bytes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Answers each request on a connection of its own with whatever a function writes.
#[derive(Debug)]
pub struct Canned {
    base: String,
}

impl Canned {
    /// Starts it. `answer` is given the path and the connection; its end is the answer's end. The
    /// threads end with the process.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    let Some(request) = lines.next() else { return };
                    for line in lines {
                        if line.is_empty() {
                            break;
                        }
                    }
                    let mut stream = stream;
                    answer(request.split(' ').nth(1).unwrap_or_default(), &mut stream);
                });
            }
        });
        Self { base }
    }

    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.base
    }
}

/// Writes an answer with these further header lines, each with its line's end. Whoever hangs up early is no trouble.
pub fn respond(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
}
