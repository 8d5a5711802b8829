//! A table of raw exchanges: bytes in, statuses and bodies out, the connection kept or closed.

use super::{connect, get, last_get, open_server, read_all, read_until, send, statuses};
use crate::http::Limits;

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Another request on the same connection is answered.
    Kept,
    /// The server closes by itself.
    Closed,
}
use Then::{Closed, Kept};

type Row = (&'static str, &'static str, &'static [u16], &'static [&'static str], Then);

const ROWS: &[Row] = &[
    // Plain requests.
    ("get", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[GET /a?b=c ]"], Kept),
    (
        "close",
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        &[200],
        &["Connection: close", "[GET /a ]"],
        Closed,
    ),
    ("close in a list", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: foo, CLOSE\r\n\r\n", &[200], &[], Closed),
    ("unknown method", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[BREW /pot ]"], Kept),
    ("options star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[OPTIONS * ]"], Kept),
    ("empty lines first", "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[GET /a ]"], Kept),
    ("post", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", &[200], &["[POST /a hello]"], Kept),
    ("post of nothing", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &[200], &["[POST /a ]"], Kept),
    ("get with a body", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", &[200], &["[GET /a hi]"], Kept),
    (
        "pipeline",
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
        &[200, 200, 200],
        &["[GET /1 ]", "[POST /2 hi]", "[GET /3 ]"],
        Kept,
    ),
    (
        "pipeline after close",
        "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
        &[200],
        &["[GET /1 ]"],
        Closed,
    ),
    ("good then bad", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", &[200, 400], &["[GET /1 ]"], Closed),
    // Without a body.
    ("head", "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["Content-Length: 10", "\r\n\r\n"], Kept),
    ("head of a stream", "HEAD /stream?9 HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["\r\n\r\n"], Kept),
    ("head refused", "HEAD /a HTTP/1.1\r\n\r\n", &[400], &["Content-Length: 40", "\r\n\r\n"], Closed),
    ("204", "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", &[204], &["\r\n\r\n"], Kept),
    ("304", "GET /same HTTP/1.1\r\nHost: x\r\n\r\n", &[304], &["\r\n\r\n"], Kept),
    // HTTP/1.0.
    ("1.0", "GET /a HTTP/1.0\r\n\r\n", &[200], &["Connection: close", "[GET /a ]"], Closed),
    (
        "1.0 kept",
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        &[200],
        &["Connection: keep-alive", "[GET /a ]"],
        Kept,
    ),
    (
        "1.0 stream ends with the connection",
        "GET /stream?9 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        &[200],
        &["Connection: close", "\r\n\r\nxxxxxxxxx"],
        Closed,
    ),
    ("1.0 head of a stream", "HEAD /stream?9 HTTP/1.0\r\n\r\n", &[200], &["Connection: close\r\n\r\n"], Closed),
    ("1.0 chunked", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[], Closed),
    (
        "1.0 expects",
        "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        &[200],
        &["[POST /a hi]"],
        Closed,
    ),
    // Versions.
    ("2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", &[505], &[], Closed),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505], &[], Closed),
    ("1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", &[505], &[], Closed),
    ("no version", "GET /\r\n\r\n", &[400], &[], Closed),
    ("lower case version", "GET / http/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("garbage version", "GET / HTTP/x\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01", &[400], &[], Closed),
    // Request lines.
    ("two blanks", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("blank in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("escape in the target", "GET /a\x1bb HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("DEL in the target", "GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("tab in the target", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("no ASCII", "GET /é HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("no path", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("bad method", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("absolute", "GET http://other:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[GET /a?b ]"], Kept),
    ("absolute without a path", "GET http://other?b HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["[GET /?b ]"], Kept),
    ("absolute outranks Host", "GET http://other/fields HTTP/1.1\r\nHost: x\r\n\r\n", &[200], &["Host: other"], Kept),
    ("absolute without a host", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    // Host.
    ("no host", "GET / HTTP/1.1\r\n\r\n", &[400], &["{\"detail\":\"Bad request: no Host field.\"}"], Closed),
    ("two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("two hosts in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", &[400], &[], Closed),
    ("bad host", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", &[400], &[], Closed),
    ("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", &[400], &[], Closed),
    ("IPv6 host", "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &[200], &[], Kept),
    // Fields.
    ("obs-fold", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", &[400], &[], Closed),
    ("folded first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", &[400], &[], Closed),
    ("blank before the colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", &[400], &[], Closed),
    ("no colon", "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", &[400], &[], Closed),
    ("no name", "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", &[400], &[], Closed),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", &[400], &[], Closed),
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", &[400], &[], Closed),
    ("bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("bare LF after a field", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", &[400], &[], Closed),
    ("bare LF only", "GET / HTTP/1.1\nHost: x\n\n", &[400], &[], Closed),
    ("bare LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", &[400], &[], Closed),
    ("bare LF first", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", &[400], &[], Closed),
    ("no ASCII in a value", "GET /fields HTTP/1.1\r\nHost: x\r\nA: é\r\n\r\n", &[200], &["A: ??"], Kept),
    ("empty value", "GET /fields HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n", &[200], &["A: "], Kept),
    // Content-Length.
    ("length with a letter", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nhello", &[400], &[], Closed),
    ("length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", &[400], &[], Closed),
    ("negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", &[400], &[], Closed),
    ("empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nhello", &[400], &[], Closed),
    ("hex length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", &[400], &[], Closed),
    ("list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", &[400], &[], Closed),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        &[400],
        &[],
        Closed,
    ),
    (
        "two equal lengths",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        &[400],
        &[],
        Closed,
    ),
    ("huge length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", &[400], &[], Closed),
    ("large length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n", &[413], &[], Closed),
    ("a byte too many", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", &[413], &[], Closed),
    // Transfer-Encoding.
    (
        "both",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
        Closed,
    ),
    ("identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", &[400], &[], Closed),
    (
        "gzip, chunked",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
        Closed,
    ),
    ("xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400], &[], Closed),
    ("quoted", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", &[400], &[], Closed),
    (
        "vertical tab",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
        Closed,
    ),
    (
        "twice",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
        Closed,
    ),
    ("empty coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", &[400], &[], Closed),
    (
        "chunked",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: u\r\n\r\n",
        &[200],
        &["[POST /a hello]"],
        Kept,
    ),
    (
        "chunked without data",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[200],
        &["[POST /a ]"],
        Kept,
    ),
    (
        "chunked, then another",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[200, 200],
        &["[POST /a hi]", "[GET /b ]"],
        Kept,
    ),
    ("bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", &[400], &[], Closed),
    (
        "chunk with bare LF",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n",
        &[400],
        &[],
        Closed,
    ),
    (
        "chunk too large",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n",
        &[413],
        &[],
        Closed,
    ),
    (
        "chunk of 2^64",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        &[413],
        &[],
        Closed,
    ),
    // Expectations.
    ("expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\nContent-Length: 2\r\n\r\nhi", &[417], &[], Closed),
    (
        "body sent along",
        "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        &[200],
        &["[POST /a hi]"],
        Kept,
    ),
    (
        "too large to continue",
        "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n",
        &[413],
        &[],
        Closed,
    ),
    ("nothing to continue", "GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", &[200], &["[GET /a ]"], Kept),
    // Handlers.
    ("panic", "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n", &[500], &["Internal server error."], Closed),
];

#[test]
fn raw_exchanges() {
    let (server, _gate) = open_server(Limits::default());
    for (name, request, expected, parts, then) in ROWS {
        let stream = connect(&server);
        send(&stream, request);
        if *then == Kept {
            send(&stream, last_get("/last"));
        }
        let text = read_all(&stream);
        let mut all = expected.to_vec();
        if *then == Kept {
            all.push(200);
            assert!(text.ends_with("[GET /last ]"), "{name}: {text}");
        }
        assert_eq!(statuses(&text), all, "{name}: {text}");
        let mut rest = text.as_str();
        for part in *parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("{name}: no {part:?} in {text}"));
            rest = &rest[at + part.len()..];
        }
        if expected.iter().any(|status| *status >= 400) {
            assert!(text.contains("Content-Type: application/json"), "{name}: {text}");
            assert!(text.contains("Connection: close\r\n"), "{name}: {text}");
            assert_eq!(text.ends_with('}'), !request.starts_with("HEAD"), "{name}: {text}");
        }
    }
    // Whatever they were, nothing is left open.
    super::wait_for("the connections to close", || server.stats().connections_open == 0);
}

#[test]
fn every_byte_may_come_alone() {
    let (server, _gate) = open_server(Limits::default());
    let stream = connect(&server);
    stream.set_nodelay(true).unwrap();
    let request = "\r\nPOST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n";
    for byte in [request, &last_get("/b")].concat().into_bytes() {
        send(&stream, [byte]);
    }
    let text = read_all(&stream);
    assert_eq!(statuses(&text), [200, 200]);
    assert!(text.contains("[POST /a hi]") && text.ends_with("[GET /b ]"), "{text}");
}

#[test]
fn continue_is_said_before_the_body() {
    let (server, _gate) = open_server(Limits::default());
    let stream = connect(&server);
    send(&stream, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(read_until(&stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    send(&stream, "hi");
    read_until(&stream, "[POST /a hi]");
    assert_eq!(server.stats().requests, 1);
}

#[test]
fn the_handler_gets_the_fields_and_the_clients_address() {
    let (server, _gate) = open_server(Limits::default());
    let stream = connect(&server);
    let peer = stream.local_addr().unwrap();
    send(&stream, "GET http://y/fields HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\na: 3\r\nConnection: close\r\n\r\n");
    let text = read_all(&stream);
    let (_, fields) = text.split_once("\r\n\r\n").unwrap();
    let fields: Vec<&str> = fields.lines().collect();
    assert_eq!(fields, [&peer.to_string(), "A: 1,3", "B: 2", "Connection: close", "Host: y"]);
}

#[test]
fn heads_have_a_size() {
    let (server, _gate) = open_server(Limits::default());
    let field = |bytes| format!("GET /a HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(bytes));
    let base = field(0).len();
    let many = |count: usize| format!("GET /a HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    let long = |bytes: usize| get(&format!("/{}", "a".repeat(bytes)));
    for (request, status) in [
        (field(16 * 1024 - base), 200),
        (field(16 * 1024 - base + 1), 431),
        (field(60 * 1024), 431),
        (long(15 * 1024), 200),
        (long(17 * 1024), 431),
        (many(100), 200),
        (many(101), 431),
    ] {
        let stream = connect(&server);
        send(&stream, &request);
        super::finish_sending(&stream);
        let text = read_all(&stream);
        assert_eq!(statuses(&text), [status], "{} bytes", request.len());
    }
}

#[test]
fn bodies_have_a_size_and_a_refused_one_may_be_sent_in_vain() {
    let (server, _gate) = open_server(Limits::default());
    for (bytes, status) in [(64 * 1024, 200), (64 * 1024 + 1, 413), (800 * 1024, 413)] {
        for chunked in ["sized", "chunked"] {
            let body = "b".repeat(bytes);
            let stream = connect(&server);
            if chunked == "sized" {
                send(&stream, format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{body}"));
            } else {
                let head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
                send(&stream, format!("{head}{bytes:x}\r\n{body}\r\n0\r\n\r\n"));
            }
            super::finish_sending(&stream);
            let text = read_all(&stream);
            assert_eq!(statuses(&text), [status], "{bytes} bytes, {chunked}");
            // The answer comes back in chunks.
            assert_eq!(text.matches('b').count() >= bytes, status == 200);
        }
    }
}
