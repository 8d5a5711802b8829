//! Deadlines, caps, and who suffers from slow clients.

use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{ask, connect, get, last_get, open_server, read_all, read_until, send, statuses, wait_for};
use crate::http::Limits;

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn what_comes_too_late_is_refused() {
    let limits = Limits { idle_max: SHORT, head_max: SHORT, body_max: SHORT, ..Limits::default() };
    let (server, _gate) = open_server(limits);
    for (request, expected) in [
        ("", &[][..]),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[200]),
        ("GET / HT", &[408]),
        ("GET / HTTP/1.1\r\nHost: x\r\n", &[408]),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell", &[408]),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", &[408]),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", &[408]),
    ] {
        let stream = connect(&server);
        send(&stream, request);
        let text = read_all(&stream);
        assert_eq!(statuses(&text), expected, "{request:?}");
    }
}

#[test]
fn a_deadline_is_not_put_off_by_a_byte_now_and_then() {
    let limits = Limits { head_max: SHORT, linger_max: SHORT, ..Limits::default() };
    let (server, _gate) = open_server(limits);
    let mut stream = connect(&server);
    send(&stream, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    // The read time-out is the drip's pace.
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let started = Instant::now();
    let mut piece = [0; 512];
    let count = loop {
        match stream.read(&mut piece) {
            Ok(count) => break count,
            Err(_) => send(&stream, "a"),
        }
        assert!(started.elapsed() < super::PATIENCE);
    };
    assert_eq!(statuses(&String::from_utf8_lossy(&piece[..count])), [408]);
}

#[test]
fn a_hundred_slow_clients_do_not_keep_others_out() {
    let limits = Limits { connections_max: 40, ..Limits::default() };
    let (server, _gate) = open_server(limits);
    let slow: Vec<_> = (0..200)
        .map(|number| {
            let stream = connect(&server);
            let start =
                ["", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"];
            send(&stream, start[number % 4]);
            stream
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(statuses(&ask(&server, "/a")), [200]);
                }
            });
        }
    });
    assert!(server.stats().evicted > 0);
    drop(slow);
}

#[test]
fn a_burst_is_answered_to_the_last() {
    let (server, _gate) = open_server(Limits::default());
    let streams: Vec<_> = (0..64).map(|_| connect(&server)).collect();
    for round in 0..3 {
        for stream in &streams {
            send(stream, get("/a"));
        }
        for stream in &streams {
            read_until(stream, "[GET /a ]");
        }
        assert_eq!(server.stats().requests, 64 * (round + 1));
    }
}

#[test]
fn beyond_the_cap_the_busy_stay_and_the_newcomer_goes() {
    let limits = Limits { connections_max: 2, room_max: SHORT, evict_age_min: Duration::ZERO, ..Limits::default() };
    let (server, gate) = open_server(limits);
    let busy: Vec<_> = (0..2).map(|_| connect(&server)).collect();
    for stream in &busy {
        send(stream, last_get("/gate"));
    }
    gate.await_waiting(2);
    let refused = connect(&server);
    let text = read_all(&refused);
    assert_eq!(statuses(&text), [503], "{text}");
    assert!(text.contains("Retry-After: 1\r\n") && text.contains("Connection: close\r\n"), "{text}");
    assert_eq!((server.stats().refused, server.stats().evicted, server.stats().connections_open), (1, 0, 2));
    gate.open();
    for stream in &busy {
        assert!(read_all(stream).ends_with("through"));
    }
    wait_for("room", || server.stats().connections_open == 0);
    assert_eq!(statuses(&ask(&server, "/a")), [200]);
}

#[test]
fn a_handler_that_takes_too_long_is_not_waited_for() {
    let limits = Limits { answer_max: SHORT, ..Limits::default() };
    let (server, gate) = open_server(limits);
    let text = ask(&server, "/gate");
    assert_eq!(statuses(&text), [504]);
    assert!(text.contains("may have been made") && !text.contains("Retry-After"), "{text}");
    let head = connect(&server);
    send(&head, "HEAD /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    let text = read_all(&head);
    assert!(statuses(&text) == [504] && text.ends_with("\r\n\r\n"), "{text}");
    gate.open();
    // What the handler says in the end goes nowhere.
    wait_for("the handlers to come back", || server.stats().connections_open == 0);
    assert_eq!(statuses(&ask(&server, "/a")), [200]);
    assert!(server.stats().refusals.contains(&(504, 2)));
}

#[test]
fn a_response_that_stops_half_way_is_cut_and_does_not_look_whole() {
    let limits = Limits { answer_max: SHORT, write_max: SHORT, ..Limits::default() };
    let (server, gate) = open_server(limits);
    let text = ask(&server, "/stall?100000");
    assert!(text.len() > 40_000 && !text.ends_with("0\r\n\r\n"), "{} bytes", text.len());
    gate.open();
    wait_for("the handler to come back", || server.stats().connections_open == 0);
    assert_eq!(server.stats().cut, 1);
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let limits = Limits { write_max: SHORT, ..Limits::default() };
    let (server, _gate) = open_server(limits);
    let deaf = connect(&server);
    // More than the sockets' buffers take.
    send(&deaf, get("/stream?100000000"));
    wait_for("the cut", || server.stats().cut == 1);
    assert_eq!(statuses(&ask(&server, "/a")), [200]);
}

#[test]
fn a_client_that_leaves_costs_nothing() {
    let (server, _gate) = open_server(Limits::default());
    let server = Arc::new(server);
    for _ in 0..20 {
        let mut stream = connect(&server);
        send(&stream, get("/stream?100000000"));
        stream.read_exact(&mut [0; 10_000]).unwrap();
    }
    assert_eq!(statuses(&ask(&server, "/a")), [200]);
    wait_for("them to be gone", || server.stats().connections_open == 0);
}
