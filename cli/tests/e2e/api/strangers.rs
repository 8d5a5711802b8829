//! Clients that behave badly, and many of them at once.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::wire::Wire;
use super::{SECRET, Service, bearer};
use crate::support::{Db, News, Running};

/// A good client is answered within this time, whatever the others do.
const IN_TIME: Duration = Duration::from_secs(5);

#[test]
fn five_hundred_slow_clients_are_in_nobodys_way() {
    let service = Service::start();
    service.posts(20, 10);
    let slow: Vec<Option<Wire>> = (0..500)
        .map(|n| {
            let mut wire = Wire::try_open(service.address).ok()?;
            // Some have sent nothing, some half a head, some half a body; those that were refused are refused.
            let begun = [
                "",
                "GET /news/posts/ HTTP/1.1\r\nHost: x\r\nX-",
                "POST /news/posts/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            ];
            wire.push(begun[n % begun.len()].as_bytes()).ok();
            Some(wire)
        })
        .collect();
    assert!(slow.iter().flatten().count() == 500);
    let bearer = bearer();
    for n in 0..100 {
        let began = Instant::now();
        let path = format!("/news/posts/{}/", n % 20 + 1);
        let mut wire = service.wire();
        // A full house may turn one away, politely: then it comes again.
        while wire.send("GET", &path, &[("Authorization", &bearer)], None).map_or(503, |reply| reply.status) != 200 {
            assert!(began.elapsed() < IN_TIME, "request {n} is not answered in time");
            wire = service.wire();
        }
        assert!(began.elapsed() < IN_TIME, "request {n} took {:?}", began.elapsed());
    }
    drop(slow);
}

#[test]
fn clients_that_do_not_read_their_lists_leave_sessions_to_the_others() {
    let service = Service::start();
    // More than the sockets' buffers take.
    service.posts(20_000, 1000);
    let bearer = bearer();
    let mut deaf: Vec<Wire> = (0..20).map(|_| service.wire()).collect();
    for wire in &mut deaf {
        let request = format!("GET /news/posts/?all=true HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n");
        wire.push(request.as_bytes()).unwrap();
    }
    // The first of them has its list begun: the others are behind it, or wait.
    deaf[0].head().unwrap();
    let change = json!({ "title": "t", "body": "b" });
    for _ in 0..20 {
        let began = Instant::now();
        service.ask("GET", "/news/posts/1/", None).expect(200);
        service.ask("PUT", "/news/posts/1/", Some(&change)).expect(200);
        assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    }
}

#[test]
fn with_few_files_and_many_clients_it_still_answers_afterwards() {
    let db = Db::new();
    super::add_user(&db, "admin", "true");
    let news = News::on(&db).env("NEWS_JWT_SECRET", SECRET);
    let inner = news.command(["serve", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    command
        .env_clear()
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(news.home());
    let mut running = Running::start(command);
    let address = running.address();
    let bearer = bearer();
    let get = |wire: &mut Wire| wire.send("GET", "/news/posts/", &[("Authorization", &bearer)], None);
    get(&mut Wire::open(address)).unwrap().expect(200);
    // At the same moment: each has connected before the first of them asks.
    let mut wires: Vec<Wire> = (0..200).filter_map(|_| Wire::try_open(address).ok()).collect();
    let answered = wires.iter_mut().filter_map(|wire| get(wire).ok()).filter(|reply| reply.status == 200).count();
    assert!(answered > 0);
    drop(wires);
    let began = Instant::now();
    while get(&mut Wire::open(address)).map_or(0, |reply| reply.status) != 200 {
        assert!(began.elapsed() < IN_TIME, "it does not answer any more");
    }
    for _ in 0..50 {
        get(&mut Wire::open(address)).unwrap().expect(200);
    }
}

#[test]
fn sixteen_keep_alive_clients_are_all_served() {
    let service = Service::start();
    service.posts(20, 10);
    let mut wires: Vec<Wire> = (0..64).map(|_| service.wire()).collect();
    let bearer = bearer();
    for round in 1..=3 {
        for wire in &mut wires {
            let path = format!("/news/posts/{round}/");
            wire.send("GET", &path, &[("Authorization", &bearer)], None).unwrap().expect(200);
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_head_has_no_body() {
    let service = Service::start();
    service.posts(3, 10);
    let bearer = bearer();
    let request = |method: &str, id: u8| {
        format!("{method} /news/posts/{id}/ HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n")
    };
    let mut wire = service.wire();
    wire.push([request("GET", 3), request("HEAD", 2), request("GET", 1), request("GET", 9)].concat().as_bytes())
        .unwrap();
    assert_eq!(wire.reply("GET").unwrap().expect(200).json()["id"], 3);
    let head = wire.reply("HEAD").unwrap().expect(200);
    assert_eq!(wire.reply("GET").unwrap().expect(200).json()["id"], 1);
    wire.reply("GET").unwrap().expect(404);
    let whole = service.ask("GET", "/news/posts/2/", None);
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
}

#[test]
fn an_early_answer_leaves_no_rest_that_is_taken_for_a_request() {
    let service = Service::start();
    let smuggled = "GET /news/ HTTP/1.1\r\nHost: x\r\n\r\n";
    for (method, path, status) in [
        ("POST", "/news/posts/", 401),
        ("POST", "/news/posts", 301),
        ("PUT", "/nowhere/", 404),
        ("PUT", "/api-auth/token/", 405),
        ("DELETE", "/news/posts/1/", 401),
    ] {
        let mut wire = service.wire();
        let body = Some(smuggled.as_bytes());
        wire.send(method, path, &[], body).unwrap().expect(status);
        // The next answer on the same connection is the next request's.
        assert_eq!(wire.send("GET", "/healthz", &[], None).unwrap().expect(200).json(), json!({ "status": "ok" }));
    }
    let mut wire = service.wire();
    let huge = "POST /news/posts/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n";
    wire.push(huge.as_bytes()).unwrap();
    wire.reply("POST").unwrap().expect(413);
    service.ask("GET", "/news/posts/", None).expect(200);
}

#[test]
fn every_request_is_logged_with_the_id_that_its_answer_names() {
    let service = Service::start_with(&["--log-format", "json"], |news| news);
    let reply = service.ask("GET", "/news/posts/?page=1", None).expect(200);
    let id = reply.header("x-request-id").unwrap().to_owned();
    let mut running = service.running;
    let line = running.wait_line("the request is logged", |line| line.contains(&id).then(|| line.to_owned()));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &"/news/posts/".into(), &200.into()));
    assert!(!line.to_string().contains("Bearer"), "{line}");
}
