//! What targets send as their listing, down to the bytes: whole, and in every way not.

use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::json;

use crate::support::canned::{Canned, respond};
use crate::support::{Db, Fake, News, fixtures, wait_until};

/// A database with the fixtures in it, and the listings that they are.
struct Sides {
    db: Db,
    posts: String,
    comments: String,
}

impl Sides {
    fn new() -> Self {
        let db = Db::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        News::on(&db).run(["import".as_ref(), "--from".as_ref(), folder.as_os_str()]).ok();
        let all = fixtures();
        Self { db, posts: all["posts"].to_string(), comments: all["comments"].to_string() }
    }

    /// Serves both listings by `answer`, which is given each.
    fn served(&self, answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> News {
        let (posts, comments) = (self.posts.clone(), self.comments.clone());
        let target = Canned::start(move |path, stream| match path {
            "/posts" => answer(&posts, stream),
            "/comments" => answer(&comments, stream),
            other => panic!("asked for {other}"),
        });
        News::on(&self.db).env("NEWS_TARGET_URL", target.url())
    }
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut pipe, text) = (gzip.stdin.take().unwrap(), text.to_owned());
    let feed = std::thread::spawn(move || pipe.write_all(text.as_bytes()).unwrap());
    let output = gzip.wait_with_output().unwrap();
    feed.join().unwrap();
    output.stdout
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in body.chunks(size) {
        text.extend(format!("{:x};x=y\r\n", chunk.len()).bytes());
        text.extend(chunk);
        text.extend(b"\r\n");
    }
    text.extend(b"0\r\n\r\n");
    text
}

#[test]
fn whole_listings_are_read_however_they_come() {
    let sides = Sides::new();
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    let equal = |what: &str, news: &News| {
        for flags in [&["diff"][..], &["--progress", "always", "diff"]] {
            let output = news.run(flags).ok();
            assert!(output.stdout.contains("equal"), "{what}: {}", output.stdout);
        }
    };
    equal("by length", &sides.served(move |text, stream| respond(stream, &length(text.as_bytes()), text.as_bytes())));
    equal("until the end", &sides.served(|text, stream| respond(stream, "", text.as_bytes())));
    equal(
        "chunked",
        &sides.served(|text, stream| {
            respond(stream, "Transfer-Encoding: chunked\r\n", &chunked(text.as_bytes(), 77));
        }),
    );
    equal(
        "packed",
        &sides.served(move |text, stream| {
            let body = gzipped(text);
            respond(stream, &format!("Content-Encoding: gzip\r\n{}", length(&body)), &body);
        }),
    );
    equal(
        "packed and chunked, with a total",
        &sides.served(|text, stream| {
            let total = if text.contains("postId") { 500 } else { 100 };
            let headers = format!("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nX-Total-Count: {total}\r\n");
            respond(stream, &headers, &chunked(&gzipped(text), 1000));
        }),
    );
    equal(
        "with blanks, ids as texts, further fields, and what is nested",
        &sides.served(|text, stream| {
            let list: serde_json::Value = serde_json::from_str(text).unwrap();
            let mut out = String::from(" [\r\n");
            for (at, element) in list.as_array().unwrap().iter().enumerate() {
                let mut element = element.clone();
                element["id"] = json!(element["id"].to_string());
                element["tags"] = json!([1, {"id": [null, "}"]}, 1e300]);
                let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
                let mut element = element.to_string();
                element.insert_str(1, &format!("\"deep\" : {deep},\t"));
                write!(out, "{}{element}", if at > 0 { " ,\n" } else { "" }).unwrap();
            }
            respond(stream, "", (out + "\n] \n").as_bytes());
        }),
    );
}

type Answer = Box<dyn Fn(&str, &mut TcpStream) + Send + Sync>;

#[test]
fn listings_that_are_cut_or_none_are_never_repaired_from() {
    let sides = Sides::new();
    let bomb = || format!("[{{\"id\":1,\"x\":{}", "[".repeat(5 << 20));
    let endless_text = || format!("[{{\"id\":1,\"title\":\"{}\"}}]", "x".repeat(5 << 20));
    let table: Vec<(&str, i32, Answer)> = vec![
        ("cut by length", 5, Box::new(|text, stream| respond(stream, "Content-Length: 99999999\r\n", text.as_bytes()))),
        ("cut in an element", 5, Box::new(|text, stream| respond(stream, "", &text.as_bytes()[..text.len() / 2]))),
        ("cut before its end", 5, Box::new(|text, stream| respond(stream, "", &text.as_bytes()[..text.len() - 1]))),
        (
            "cut in a chunk",
            5,
            Box::new(|text, stream| {
                let body = chunked(text.as_bytes(), 500);
                respond(stream, "Transfer-Encoding: chunked\r\n", &body[..body.len() - 300]);
            }),
        ),
        (
            "without its last chunk",
            5,
            Box::new(|text, stream| {
                let body = chunked(text.as_bytes(), 500);
                respond(stream, "Transfer-Encoding: chunked\r\n", &body[..body.len() - 5]);
            }),
        ),
        (
            "packed and cut",
            5,
            Box::new(|text, stream| {
                let body = gzipped(text);
                respond(stream, "Content-Encoding: gzip\r\n", &body[..body.len() - 20]);
            }),
        ),
        ("fewer than it says", 5, Box::new(|text, stream| respond(stream, "X-Total-Count: 501\r\n", text.as_bytes()))),
        ("two documents", 5, Box::new(|text, stream| respond(stream, "", format!("{text}{text}").as_bytes()))),
        ("a bomb", 5, Box::new(move |_, stream| respond(stream, "", bomb().as_bytes()))),
        ("a text without end", 5, Box::new(move |_, stream| respond(stream, "", endless_text().as_bytes()))),
        ("a page", 4, Box::new(|_, stream| respond(stream, "", b"<!DOCTYPE html><title>Welcome</title>"))),
        ("an object", 4, Box::new(|_, stream| respond(stream, "", br#"{"data": []}"#))),
        ("nothing", 5, Box::new(|_, stream| respond(stream, "Content-Length: 0\r\n", b""))),
        (
            "a missing path",
            5,
            Box::new(|_, stream| {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }),
        ),
        (
            "no credentials",
            7,
            Box::new(|_, stream| {
                stream
                    .write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
            }),
        ),
    ];
    for (what, code, answer) in table {
        let news = sides.served(answer);
        for command in [&["diff"][..], &["sync", "--full", "--force"]] {
            let output = news.run(command);
            assert_eq!(output.code, code, "{what}, {command:?}: {}", output.stderr);
            assert_eq!(output.stdout, "", "{what}: no report of half a comparison");
            assert!(!output.stderr.contains("a bug"), "{what}: {}", output.stderr);
            if what == "a missing path" {
                assert!(output.stderr.contains("hint: is this the API's base URL?"), "{}", output.stderr);
            }
        }
    }
}

#[test]
fn a_target_in_passing_trouble_is_asked_again() {
    let sides = Sides::new();
    let say = |status: &str, headers: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    for (first, second) in [
        (say("503 Away", "Retry-After: 0\r\n"), say("502 Away", "Content-Length: 0\r\n")),
        // No answer at all.
        (String::new(), say("429 Slowly", "Retry-After: 1\r\n")),
        (say("429 Slowly", "Retry-After: 0\r\n"), say("425 Slowly", "")),
    ] {
        let asked = AtomicUsize::new(0);
        let told = first.clone();
        let news = sides.served(move |text, stream| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => stream.write_all(first.as_bytes()).unwrap(),
            1 => stream.write_all(second.as_bytes()).unwrap(),
            _ => respond(stream, "", text.as_bytes()),
        });
        let output = news.run(["diff"]).ok();
        assert!(output.stderr.contains("asking again in"), "{told}: {}", output.stderr);
    }
    // What no waiting mends is told at once, and what does not pass, in the end.
    for (status, asked_most, code) in [("401 No", 1, 7), ("404 No", 1, 5), ("400 No", 1, 5), ("500 No", 4, 5)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, said) = (Arc::clone(&asked), say(status, ""));
        let news = sides.served(move |_, stream| {
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(said.as_bytes()).unwrap();
        });
        news.run(["diff"]).expect_code(code);
        assert_eq!(asked.load(Ordering::SeqCst), asked_most, "{status}");
    }
}

#[test]
fn a_target_that_puts_us_off_can_be_given_up() {
    let sides = Sides::new();
    let news = sides.served(|_, stream| {
        stream.write_all(b"HTTP/1.1 429 Slowly\r\nConnection: close\r\nRetry-After: 600\r\n\r\n").unwrap();
    });
    for command in [&["diff"][..], &["sync", "--full"]] {
        let mut running = news.spawn(command);
        running.wait_line("word of the wait", |line| line.contains("asking again in 600.0 s").then_some(()));
        running.signal(Signal::INT);
        running.wait().expect_code(130);
    }
}

#[test]
fn a_slow_listing_trips_none_of_the_databases_time_outs() {
    let (db, fake) = (Db::new(), Fake::start(["--slow-listing", "1500ms"]));
    let mut sql = db.client();
    let name: String = sql.query_one("SELECT current_database()", &[]).unwrap().get(0);
    for setting in ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"] {
        sql.batch_execute(&format!("ALTER DATABASE {name} SET {setting} = '400ms'")).unwrap();
    }
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["import"]).ok();
    news.run(["diff"]).ok();
    sql.batch_execute("UPDATE news_post SET title = 'x' WHERE id = 1").unwrap();
    news.run(["diff"]).expect_code(1);
    news.run(["sync", "--full"]).ok();
    news.run(["diff"]).ok();
}

/// Returns the most memory that a process had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_endless_listing_takes_no_memory_and_is_stopped_cleanly() {
    let sides = Sides::new();
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&sent);
    let news = sides.served(move |text, stream| {
        respond(stream, "", b"[");
        // The same again and again: doubles, which are noted once.
        let elements = &text.as_bytes()[1..text.len() - 1];
        while stream.write_all(elements).and_then(|()| stream.write_all(b",")).is_ok() {
            counter.fetch_add(elements.len(), std::sync::atomic::Ordering::Relaxed);
        }
    });
    let diff = news.spawn(["diff"]);
    wait_until("it has read 30 MB", || sent.load(std::sync::atomic::Ordering::Relaxed) > 30_000_000);
    let peak = peak_kib(diff.pid());
    diff.signal(Signal::INT);
    let output = diff.wait().expect_code(130);
    assert_eq!(output.stdout, "");
    assert!(peak < 64 * 1024, "{peak} KiB");
}
