//! What targets send as their listing, down to the bytes: whole, and in every way not.

mod parts;

use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, mknodat};
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
        "with a byte order mark, and all totals",
        &sides.served(|text, stream| {
            let total = if text.contains("postId") { 500 } else { 100 };
            let last = total - 1;
            let headers = format!(
                "X-WP-Total: {total}\r\nX-WP-TotalPages: 1\r\nX-Total: {total}\r\nX-Pagination-Total: {total}\r\n\
                 Content-Range: items 0-{last}/{total}\r\nLink: </posts?page=1>; rel=\"last\"\r\n"
            );
            respond(stream, &headers, &[b"\xef\xbb\xbf", text.as_bytes()].concat());
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
        ("UTF-16", 4, Box::new(|_, stream| respond(stream, "", b"\xff\xfe[\0]\0"))),
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
    let settings = ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "idle_session_timeout"];
    for setting in settings {
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
    let peak = diff.peak_kib();
    diff.signal(Signal::INT);
    let output = diff.wait().expect_code(130);
    assert_eq!(output.stdout, "");
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn long_texts_take_no_memory_either() {
    let sides = Sides::new();
    // 60 MB in which everything differs: some are ours, some nobody's, some cannot be read.
    let news = sides.served(move |_, stream| {
        respond(stream, "", b"[");
        let text = "long ".repeat(40_000);
        for id in 1..=300 {
            let comma = if id == 1 { "" } else { "," };
            let number = if id % 3 == 0 { "null" } else { "1" };
            let element = format!(
                r#"{comma}{{"id":{id},"userId":{number},"postId":{number},"title":"{text}","name":"","email":"","body":""}}"#
            );
            if stream.write_all(element.as_bytes()).is_err() {
                return;
            }
        }
        stream.write_all(b"]").ok();
    });
    let (output, peak) = news.spawn(["--json", "diff"]).wait_and_weigh();
    let report = output.expect_code(1).json();
    assert_eq!(report["summary"]["posts"]["extra"], json!(133));
    let fields = report["differences"][0]["fields"].as_array().unwrap();
    let title = fields.iter().find(|field| field["field"] == "title").unwrap()["target"].as_str().unwrap();
    assert!(title.starts_with("long long") && title.ends_with('…') && title.len() < 5000, "{}", title.len());
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn a_listing_that_drips_nothing_is_no_hindrance_to_a_stop() {
    let sides = Sides::new();
    let asked = AtomicUsize::new(0);
    let drip = |stream: &mut TcpStream| {
        respond(stream, "", b"[");
        while stream.write_all(b" ").is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    };
    // The second time: the first look has found what is missing.
    let news = sides.served(move |_, stream| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => respond(stream, "", b"[]"),
        _ => drip(stream),
    });
    let mut running = news.spawn(["-v", "diff"]);
    running.wait_line("the second look", |line| line.contains("looking again").then_some(()));
    running.signal(Signal::TERM);
    running.wait().expect_code(143);

    // Blanks without end are no listing: a 404 is not believed for their sake.
    let target = Canned::start(|path, stream| {
        if path != "/posts" {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }
        respond(stream, "", b"");
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    sides.db.client().batch_execute("UPDATE news_post SET title = 'x' WHERE id = 1").unwrap();
    let lost = News::on(&sides.db).run(["--target-url", target.url(), "sync"]).expect_code(5);
    assert!(lost.stderr.contains("a body with nothing in it"), "{}", lost.stderr);
}

#[test]
fn what_cannot_be_read_twice_is_refused() {
    let sides = Sides::new();
    let folder = tempfile::tempdir().unwrap();
    for name in ["posts.json", "comments.json"] {
        mknodat(CWD, folder.path().join(name), FileType::Fifo, 0o600.into(), 0).unwrap();
    }
    let refused = News::on(&sides.db).run(["diff", "--from", folder.path().to_str().unwrap()]).expect_code(2);
    assert!(refused.stderr.contains("posts.json is not a regular file"), "{}", refused.stderr);
}

#[test]
fn one_text_that_is_no_unicode_hides_no_other_object() {
    let sides = Sides::new();
    let folder = tempfile::tempdir().unwrap();
    let posts = sides.posts.replacen(r#""title":""#, r#""title":"\ud800"#, 1);
    std::fs::write(folder.path().join("posts.json"), posts).unwrap();
    std::fs::write(folder.path().join("comments.json"), &sides.comments).unwrap();
    let from = ["--from", folder.path().to_str().unwrap()];
    let report = News::on(&sides.db).run([&["--json", "diff"][..], &from].concat()).expect_code(1).json();
    let why = "not Unicode (a lone surrogate, or bytes that are not UTF-8)";
    let expected = json!([{"entity": "posts", "id": 1, "kind": "unreadable", "pending": false,
        "faults": [{"field": "title", "why": why}]}]);
    assert_eq!(report["differences"], expected);
    let db = Db::new();
    let refused = News::on(&db).run([&["import"][..], &from].concat()).expect_code(4);
    assert!(refused.stderr.contains("posts/1: title: not Unicode"), "{}", refused.stderr);
    News::on(&db).run([&["import", "--skip-invalid"][..], &from].concat()).expect_code(3);
}
