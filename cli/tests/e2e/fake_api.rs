//! `news fake-api` as a process: how it starts, serves many at once, breaks connections, and stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Fake, Http, News, fixtures};

#[test]
fn serves_our_fixtures_and_stops_by_signal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let fake = Fake::start::<&str>([]);
        let db = fixtures();
        assert_eq!(fake.http().get("/posts").json(), db["posts"]);
        assert_eq!(fake.http().get("/comments").json(), db["comments"]);
        assert_eq!(fake.http().get("/db").json(), db);
        assert_eq!(fake.requests(), ["GET /posts 200", "GET /comments 200", "GET /db 200"]);
        let running = fake.into_running();
        running.signal(signal);
        let output = running.wait().expect_code(code);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.starts_with("listening on http://127.0.0.1:"), "{}", output.stderr);
    }
}

#[test]
fn takes_back_what_it_showed() {
    let fake = Fake::start::<&str>([]);
    fake.http().send("POST", "/posts", "{\"id\":900,\"title\":\"kept\"}");
    let db = fake.http().get("/db").text;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.json");
    std::fs::write(&file, &db).unwrap();
    let again = Fake::start(["--data", file.to_str().unwrap()]);
    assert_eq!(again.http().get("/db").text, db);
}

#[test]
fn says_what_is_wrong_with_its_flags() {
    let news = News::bare();
    let busy = Fake::start::<&str>([]);
    let address = busy.url().trim_start_matches("http://");
    for (args, expected) in [
        (vec!["--cut-before", "101%"], "at most 100%"),
        (vec!["--cut-before", "60%", "--fail-after", "50%"], "110 %"),
        (vec!["--late-writes", "1s"], "none gets lost"),
        (vec!["--require-token"], "NEWS_FAKE_TOKEN"),
        (vec!["--data", "nowhere.json"], "nowhere.json"),
        (vec!["--mode", "other"], "possible values"),
        (vec!["--status-for", "posts/5"], "posts/5=422"),
        (vec!["--listen", address], "cannot listen on"),
    ] {
        let args = ["fake-api", "--listen", "127.0.0.1:0"]
            .into_iter()
            .take(if args[0] == "--listen" { 1 } else { 3 })
            .chain(args);
        let output = news.run(args).expect_code(2);
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
}

#[test]
fn asks_for_a_token() {
    let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", "s3cret"), ["--require-token"]);
    assert_eq!(fake.http().get("/posts/1").status, 401);
}

#[test]
fn a_cut_answer_is_no_answer() {
    let fake = Fake::start(["--cut-after", "100%"]);
    let http = || Http::new(fake.url());
    for id in 900..910 {
        let body = format!("{{\"id\":{id}}}");
        let answer = http().try_send("POST", "/posts", Some(("application/json", &body)));
        assert!(answer.is_err(), "{answer:?}");
    }
    fake.set_faults("{\"cut_before\":1}");
    assert!(http().try_send("POST", "/posts", Some(("application/json", "{\"id\":950}"))).is_err());
    fake.set_faults("{\"cut_listing\":\"connection\"}");
    assert!(http().try_send("GET", "/posts", None).is_err());
    fake.set_faults("{\"cut_listing\":\"text\"}");
    let text = http().get("/posts").text;
    assert!(text.starts_with('[') && serde_json::from_str::<serde_json::Value>(&text).is_err());
    fake.set_faults("{}");
    assert_eq!((http().get("/posts/909").status, http().get("/posts/950").status), (200, 404));
    assert!(fake.requests().contains(&"POST /posts cut".to_owned()));
}

#[test]
fn latency_is_not_a_queue() {
    const CLIENTS: u32 = 16;
    const REQUESTS: u32 = 10;
    let fake = Fake::start(["--latency", "50ms"]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let url = fake.url();
            scope.spawn(move || {
                let http = Http::new(url);
                for request in 0..REQUESTS {
                    let body = format!("{{\"id\":{}}}", 1000 + client * REQUESTS + request);
                    assert_eq!(http.send("POST", "/posts", &body).status, 201);
                }
            });
        }
    });
    let took = begun.elapsed();
    let one_by_one = Duration::from_millis(50) * CLIENTS * REQUESTS;
    assert!(took >= Duration::from_millis(50) * REQUESTS && took < one_by_one / 2, "{took:?}");
    let counts = fake.counts();
    let creates = counts["posts"].as_object().unwrap().values().map(|tally| tally["creates"].as_u64().unwrap());
    assert_eq!(creates.sum::<u64>(), u64::from(CLIENTS * REQUESTS));
    fake.reset();
    assert_eq!(fake.counts()["posts"], serde_json::json!({}));
}

#[test]
fn a_slow_list_arrives_whole_and_bit_by_bit() {
    let fake = Fake::start(["--slow-listing", "1s"]);
    let begun = Instant::now();
    assert_eq!(fake.http().get("/comments").json(), fixtures()["comments"]);
    assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());
    // A list that would fit one piece does not wait for its end.
    let mut stream = TcpStream::connect(fake.url().trim_start_matches("http://")).unwrap();
    let begun = Instant::now();
    stream.write_all(b"GET /posts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = vec![0; 1];
    stream.read_exact(&mut text).unwrap();
    let first = begun.elapsed();
    stream.read_to_end(&mut text).unwrap();
    assert!(text.ends_with(b"]") && first < begun.elapsed() / 2, "{first:?} of {:?}", begun.elapsed());
}
