//! Streams, broken handlers, and the end.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::{ask, connect, get, last_get, open_door, open_door_on, read_all, read_until, send, statuses, wait_for};
use crate::door::{Door, Drained, Limits};

const DONE: Drained = Drained { connections_cut: 0, workers_left: 0 };

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
    let (door, _gate) = open_door(Limits::default(), 2);
    for size in [0, 1, 1_000, 32_767, 32_768, 40_700, 40_960, 41_000, 100_000, 3_000_000] {
        let sized = ask(&door, &format!("/sized?{size}"));
        let (head, body) = sized.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {size}")), "{head}");
        assert_eq!(body.len(), size);
        let streamed = ask(&door, &format!("/stream?{size}"));
        let (head, body) = streamed.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        assert_eq!(unchunk(body), Some(size));
        let old = connect(&door);
        send(&old, format!("GET /stream?{size} HTTP/1.0\r\n\r\n"));
        let old = read_all(&old);
        let (head, body) = old.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Transfer-Encoding") && body.len() == size, "{head}");
    }
    assert_eq!(door.stats().upstreams_opened, 4, "no upstream was broken");
}

#[test]
fn a_broken_answer_does_not_look_whole() {
    let (door, _gate) = open_door(Limits::default(), 1);
    for (path, size) in [("/fail", 0), ("/fail", 100), ("/fail", 100_000), ("/burst", 0), ("/burst", 100_000)] {
        let text = ask(&door, &format!("{path}?{size}"));
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains("chunked") => assert_eq!(unchunk(body), None, "{path} {size}"),
            _ => assert_eq!(statuses(&text), [502], "{path} {size}: {text}"),
        }
        let old = connect(&door);
        send(&old, format!("GET {path}?{size} HTTP/1.0\r\n\r\n"));
        // A connection that ends is all an HTTP/1.0 client sees of it.
        read_all(&old);
        assert_eq!(statuses(&ask(&door, "/a")), [200]);
    }
}

#[test]
fn a_panic_ends_neither_the_worker_nor_the_connection() {
    let (door, _gate) = open_door(Limits::default(), 1);
    let stream = connect(&door);
    for _ in 0..5 {
        send(&stream, get("/panic"));
        assert_eq!(statuses(&read_until(&stream, "\r\n\r\n")), [500]);
        send(&stream, get("/a"));
        read_until(&stream, "[GET /a ]");
    }
    assert_eq!(door.stats().panics, 5);
    assert_eq!(door.stats().upstreams_opened, 2);
}

#[test]
fn a_worker_that_cannot_start_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let opened = Door::open(listener, Limits::default(), 2, |index| {
        assert!(index == 0, "the second worker was told to");
        |_: tiny_http::Request| Ok(())
    });
    assert!(opened.is_err());
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_the_idle() {
    let (door, gate) = open_door(Limits::default(), 2);
    let address = door.local_addr();
    let idle = connect(&door);
    send(&idle, get("/a"));
    read_until(&idle, "[GET /a ]");
    let silent = connect(&door);
    let half = connect(&door);
    send(&half, "GET /a HTT");
    let late_body = connect(&door);
    send(&late_body, "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    read_until(&late_body, "100 Continue\r\n\r\n");
    let busy = connect(&door);
    send(&busy, get("/gate"));
    gate.await_waiting(1);
    wait_for("all to be let in", || door.stats().connections_open == 5);

    let drain = thread::spawn(move || door.drain(super::PATIENCE));
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
fn whoever_has_just_come_when_it_drains_is_answered() {
    // As under systemd: the listener outlives each door.
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
            let (door, _gate) = open_door_on(listener.try_clone().unwrap(), Limits::default(), 2);
            wait_for("some are let in", || {
                door.stats().accepted >= 8 || clients.iter().any(ScopedJoinHandle::is_finished)
            });
            assert_eq!(door.drain(super::PATIENCE), DONE);
        }
        let (_last, _gate) = open_door_on(listener.try_clone().unwrap(), Limits::default(), 2);
        done.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let (door, gate) = open_door(Limits::default(), 1);
    let mut busy = connect(&door);
    send(&busy, get("/gate"));
    gate.await_waiting(1);
    let drained = door.drain(Duration::from_millis(20));
    assert_eq!(drained, Drained { connections_cut: 1, workers_left: 1 });
    assert!(!drained.in_time());
    // The client sees an end, or a reset, but no answer.
    assert!(!matches!(busy.read(&mut [0; 16]), Ok(1..)));
    gate.open();
}

#[test]
fn a_door_that_is_dropped_is_closed() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let (door, _gate) = open_door(Limits::default(), 3);
    let address = door.local_addr();
    let stream = connect(&door);
    send(&stream, last_get("/a"));
    assert_eq!(statuses(&read_all(&stream)), [200]);
    drop(door);
    assert!(TcpStream::connect(address).is_err());
    // Other tests run at the same time, so only that it can be asked is certain.
    let _ = threads();
}
