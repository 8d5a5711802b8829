//! Streams, broken handlers, and the end.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::{ask, connect, get, last_get, open_server, open_server_on, read_all, read_until, send, statuses, wait_for};
use crate::http::{Drained, Limits};

const DONE: Drained = Drained { connections_cut: 0 };

/// Takes the chunks off, and the tail of the text if it ends well.
fn unchunk(mut body: &str) -> Option<usize> {
    let mut total = 0;
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        let data = rest.get(..size)?;
        assert!(data.bytes().all(|byte| byte == b'x'));
        body = rest.get(size..)?.strip_prefix("\r\n")?;
        total += size;
        if size == 0 {
            return body.is_empty().then_some(total);
        }
    }
}

#[test]
fn answers_of_every_size_arrive_whole() {
    let (server, _gate) = open_server(Limits::default());
    for size in [0, 1, 1_000, 32_767, 32_768, 40_700, 40_960, 41_000, 100_000, 3_000_000] {
        let sized = ask(&server, &format!("/sized?{size}"));
        let (head, body) = sized.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {size}")), "{head}");
        assert_eq!(body.len(), size);
        let streamed = ask(&server, &format!("/stream?{size}"));
        let (head, body) = streamed.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        assert_eq!(unchunk(body), Some(size));
        let old = connect(&server);
        send(&old, format!("GET /stream?{size} HTTP/1.0\r\n\r\n"));
        let old = read_all(&old);
        let (head, body) = old.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Transfer-Encoding") && body.len() == size, "{head}");
    }
    assert_eq!(server.stats().cut, 0);
}

#[test]
fn a_broken_response_does_not_look_whole() {
    let (server, _gate) = open_server(Limits::default());
    for (path, size) in [("/fail", 0), ("/fail", 100), ("/fail", 100_000), ("/burst", 0), ("/burst", 100_000)] {
        let text = ask(&server, &format!("{path}?{size}"));
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains("chunked") => assert_eq!(unchunk(body), None, "{path} {size}"),
            // As long as nothing has left, an honest answer is possible.
            _ => assert_eq!(statuses(&text), [500], "{path} {size}: {text}"),
        }
        let old = connect(&server);
        send(&old, format!("GET {path}?{size} HTTP/1.0\r\n\r\n"));
        // A connection that ends is all an HTTP/1.0 client sees of it.
        read_all(&old);
        assert_eq!(statuses(&ask(&server, "/a")), [200]);
    }
}

#[test]
fn a_response_has_the_length_that_it_tells_or_is_cut() {
    let (server, _gate) = open_server(Limits::default());
    let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.len();
    assert_eq!(statuses(&ask(&server, "/short?100")), [500]);
    assert!(body(&ask(&server, "/short?100000")) < 100_001);
    for size in [0, 100, 100_000] {
        assert_eq!(body(&ask(&server, &format!("/long?{size}"))), size);
    }
    // What breaks off on purpose sends what there is, and no end.
    let text = ask(&server, "/break?100");
    assert!(statuses(&text) == [200] && text.contains('x') && !text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(ask(&server, "/cut"), "");
}

#[test]
fn a_panic_is_a_500_and_ends_its_connection_alone() {
    let (server, _gate) = open_server(Limits::default());
    for _ in 0..5 {
        let text = {
            let stream = connect(&server);
            send(&stream, get("/panic"));
            read_all(&stream)
        };
        assert!(statuses(&text) == [500] && text.contains("Connection: close"), "{text}");
        assert_eq!(statuses(&ask(&server, "/a")), [200]);
    }
    // After a whole response it is too late for another one.
    let stream = connect(&server);
    send(&stream, get("/late-panic"));
    assert!(read_all(&stream).ends_with("sent"));
    assert_eq!(server.stats().panics, 6);
    // A handler that says nothing is as broken.
    assert_eq!(statuses(&ask(&server, "/silent")), [500]);
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_the_idle() {
    let (server, gate) = open_server(Limits::default());
    let address = server.local_addr();
    let idle = connect(&server);
    send(&idle, get("/a"));
    read_until(&idle, "[GET /a ]");
    let silent = connect(&server);
    let half = connect(&server);
    send(&half, "GET /a HTT");
    let late_body = connect(&server);
    send(&late_body, "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    read_until(&late_body, "100 Continue\r\n\r\n");
    let busy = connect(&server);
    send(&busy, get("/gate"));
    gate.await_waiting(1);
    wait_for("all to be let in", || server.stats().connections_open == 5);

    let drain = thread::spawn(move || server.drain(super::PATIENCE));
    for stream in [&idle, &silent, &half] {
        assert_eq!(read_all(stream), "");
    }
    assert!(!drain.is_finished());
    send(&late_body, "hi");
    let text = read_all(&late_body);
    assert!(text.contains("Connection: close") && text.ends_with("[POST /late hi]"), "{text}");
    gate.open();
    let text = read_all(&busy);
    assert!(text.ends_with("through"), "{text}");
    assert_eq!(drain.join().unwrap(), DONE);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn clients_that_connected_just_before_a_drain_are_answered() {
    // As under systemd: the listener outlives each server.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while !done.load(Ordering::SeqCst) {
                        let stream = TcpStream::connect(address).unwrap();
                        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
                        send(&stream, last_get("/a"));
                        let text = read_all(&stream);
                        assert_eq!(statuses(&text), [200], "after {answered} answers: {text:?}");
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for _ in 0..50 {
            let (server, _gate) = open_server_on(listener.try_clone().unwrap(), Limits::default());
            wait_for("some are let in", || {
                server.stats().accepted >= 8 || clients.iter().any(ScopedJoinHandle::is_finished)
            });
            assert_eq!(server.drain(super::PATIENCE), DONE);
        }
        let (_last, _gate) = open_server_on(listener.try_clone().unwrap(), Limits::default());
        done.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let (server, gate) = open_server(Limits::default());
    let mut busy = connect(&server);
    send(&busy, get("/gate"));
    gate.await_waiting(1);
    let drained = server.drain(Duration::from_millis(20));
    assert_eq!(drained, Drained { connections_cut: 1 });
    // The client sees an end, or a reset, but no answer.
    assert!(!matches!(busy.read(&mut [0; 16]), Ok(1..)));
    gate.open();
}

#[test]
fn a_server_that_is_dropped_is_closed() {
    let (server, _gate) = open_server(Limits::default());
    let address = server.local_addr();
    let stream = connect(&server);
    send(&stream, last_get("/a"));
    assert_eq!(statuses(&read_all(&stream)), [200]);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}
