//! What the console asks of the target: only on demand, only with GET, and only at the address that the service knows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Console, refused};
use crate::api::wire::Wire;
use crate::support::{Db, Fake, News, Pair};

/// A master and a target that differ in five objects, one of them pending.
fn differing() -> Console {
    let mut pair = Pair::new([]);
    let http = pair.fake.http();
    http.send("PUT", "/posts/1", r#"{"id": 1, "userId": 1, "title": "other", "body": "b"}"#);
    http.try_send("DELETE", "/comments/2", None).unwrap();
    http.send("POST", "/posts", r#"{"id": 990, "userId": 1, "title": "extra", "body": "b"}"#);
    http.send("PUT", "/comments/3", r#"{"id": 3, "postId": 1, "name": 5, "email": "e", "body": "b"}"#);
    pair.edit("UPDATE news_post SET title = 'pending' WHERE id = 4");
    pair.forget_requests();
    Console::over(pair, &[])
}

/// Reads a stream of records: id, what it is, fingerprint.
fn records(bytes: &[u8]) -> Vec<(i64, u64, u128)> {
    assert_eq!(bytes.len() % 32, 0);
    let number = |bytes: &[u8]| bytes.try_into().unwrap();
    bytes
        .chunks(32)
        .map(|record| {
            let (id, rest) = record.split_at(8);
            let (what, print) = rest.split_at(8);
            (
                i64::from_le_bytes(number(id)),
                u64::from_le_bytes(number(what)),
                u128::from_le_bytes(print.try_into().unwrap()),
            )
        })
        .collect()
}

#[test]
fn an_object_is_compared_with_the_target_by_one_get() {
    let mut console = differing();
    let equal = console.get("posts/2/target/");
    assert_eq!((&equal["there"], &equal["status"], &equal["difference"]), (&true.into(), &200.into(), &Value::Null));
    assert_eq!(console.pair.sent(), ["GET /posts/2 200"]);
    let different = console.get("posts/1/target/")["difference"].clone();
    assert_eq!(different, console.pair.news.run(["--json", "show", "posts/1"]).ok().json()["target"]["difference"]);
    assert_eq!(different["kind"], "different");
    assert_eq!(console.get("posts/4/target/")["difference"]["pending"], true);
    assert_eq!(console.get("comments/2/target/")["difference"]["kind"], "missing");
    assert_eq!(console.get("posts/990/target/")["difference"]["kind"], "extra");
    let odd = console.get("comments/3/target/");
    assert_eq!((&odd["difference"]["kind"], &odd["faults"][0]["field"]), (&"unreadable".into(), &"name".into()));
    assert!(console.pair.sent().iter().all(|request| request.starts_with("GET ")));
    console.send("GET", "posts/0/target/", &[], None).expect(404);
}

#[test]
fn fingerprints_of_both_sides_differ_where_a_diff_does() {
    let mut console = differing();
    let prints = |entity: &str, side: &str| {
        let reply = console.send("GET", &format!("prints/{entity}/?side={side}"), &[], None).expect(200);
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
        let mut records = records(&reply.body);
        let (count, what, print) = records.pop().unwrap();
        assert_eq!((usize::try_from(count).unwrap(), what, print), (records.len(), 255, 0));
        records.into_iter().map(|(id, what, print)| (id, (what, print))).collect::<BTreeMap<i64, (u64, u128)>>()
    };
    let mut found = Vec::new();
    for entity in ["comments", "posts"] {
        let (master, target) = (prints(entity, "master"), prints(entity, "target"));
        let ids = master.keys().chain(target.keys()).copied().collect::<std::collections::BTreeSet<i64>>();
        found.extend(ids.into_iter().filter(|id| master.get(id) != target.get(id)).map(|id| format!("{entity}/{id}")));
    }
    let diff = console.pair.diff(1);
    let key = |row: &Value| format!("{}/{}", row["entity"].as_str().unwrap(), row["id"]);
    let mut expected: Vec<String> = diff["differences"].as_array().unwrap().iter().map(key).collect();
    expected.sort_by_key(|key| (key.starts_with("posts"), key.split_once('/').unwrap().1.parse::<i64>().unwrap()));
    assert_eq!(found, expected);

    // The second look: texts of what differs.
    let mut keys = found.clone();
    keys.push(String::from("posts/7"));
    let looked = console.act("look/", &json!({ "keys": keys })).expect(200).json();
    assert_eq!((&looked["differences"], &looked["equal"]), (&diff["differences"], &json!(["posts/7"])));
    assert!(console.pair.sent().iter().all(|request| request.starts_with("GET ")));
    for (path, status) in [("prints/posts/", 400), ("prints/posts/?side=x", 400), ("prints/users/?side=master", 404)] {
        console.send("GET", path, &[], None).expect(status);
    }
    for keys in [json!([]), json!(["users/1"]), json!((1..=201).map(|id| format!("posts/{id}")).collect::<Vec<_>>())] {
        console.act("look/", &json!({ "keys": keys })).expect(400);
    }
}

#[test]
fn a_listing_that_is_cut_ends_without_its_end_record() {
    let console = differing();
    console.pair.fake.set_faults(r#"{"cut_listing": "text"}"#);
    let bearer = crate::api::bearer();
    let ask = |side: &str| {
        let path = format!("/news/sync/prints/comments/?side={side}");
        Wire::open(console.address).send("GET", &path, &[("Authorization", &bearer)], None)
    };
    match ask("target") {
        // The cut came before the first window was full.
        Ok(reply) => assert_eq!(reply.expect(502).json()["code"], "target_away"),
        Err(cut) => assert_eq!(cut.kind(), std::io::ErrorKind::UnexpectedEof),
    }
    ask("master").unwrap().expect(200);
}

#[test]
fn one_comparison_at_a_time_reads_a_side_and_holds_little() {
    let console = Console::over(Pair::new([]), &[]);
    let sql =
        "INSERT INTO news_comment (post_id, name, email, body) SELECT 1, 'n', 'e', 'b' FROM generate_series(1, 300000)";
    console.pair.db.client().batch_execute(sql).unwrap();
    let bearer = crate::api::bearer();
    // More than the sockets' buffers take; it does not read.
    let mut deaf = Wire::open(console.address);
    let request =
        format!("GET /news/sync/prints/comments/?side=master HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n");
    deaf.push(request.as_bytes()).unwrap();
    deaf.head().unwrap();
    let busy = console.send("GET", "prints/posts/?side=master", &[], None).expect(429);
    assert_eq!(busy.json()["code"], "busy");
    console.send("GET", "prints/posts/?side=target", &[], None).expect(200);
    drop(deaf);
    crate::support::wait_until("the place is free", || {
        console.send("GET", "prints/posts/?side=master", &[], None).status == 200
    });
    let whole = console.send("GET", "prints/comments/?side=master", &[], None).expect(200);
    assert_eq!(whole.body.len(), (300_500 + 1) * 32);
}

#[test]
fn a_target_that_is_away_or_refuses_is_told_and_the_rest_works() {
    // Nobody listens there.
    let console = Console::over(refused(), &["--target-url", "http://127.0.0.1:9"]);
    for (method, path, body) in [
        ("GET", "posts/1/target/", None),
        ("GET", "prints/posts/?side=target", None),
        ("POST", "look/", Some(json!({ "keys": ["posts/1"] }))),
    ] {
        let reply = console.send(method, path, &[], body.as_ref()).expect(502).json();
        assert_eq!(reply["code"], "target_away", "{path}");
        assert!(reply["detail"].as_str().unwrap().contains("refused"), "{reply}");
    }
    let state = console.get("target/");
    assert_eq!((&state["ok"], &state["status"]), (&false.into(), &Value::Null));
    // It is kept for 30 s.
    assert_eq!(console.get("target/"), state);
    console.get("overview/");
    console.get("posts/1/");
    console.send("GET", "prints/posts/?side=master", &[], None).expect(200);
}

#[test]
fn a_token_of_the_target_is_used_and_a_wrong_one_is_told() {
    let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", "sesame"), ["--require-token"]);
    let db = Db::new();
    News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_TOKEN", "sesame").run(["import"]).ok();
    let start = |token: &str| {
        let news = News::on(&db).env("NEWS_JWT_SECRET", crate::api::SECRET);
        let news = if token.is_empty() { news } else { news.env("NEWS_TARGET_TOKEN", token) };
        news.spawn(["serve", "--listen", "127.0.0.1:0"])
    };
    crate::api::add_user(&db, "ada", "true");
    db.client().batch_execute("UPDATE auth_user SET is_staff = true").unwrap();
    let bearer = crate::api::bearer();
    for (token, status, code) in
        [("sesame", 200, None), ("wrong", 502, Some("target_credentials")), ("", 502, Some("target_credentials"))]
    {
        let mut running = start(token);
        let mut wire = Wire::open(running.address());
        let reply =
            wire.send("GET", "/news/sync/posts/1/target/", &[("Authorization", &bearer)], None).unwrap().expect(status);
        assert_eq!(reply.json()["code"].as_str(), code, "{token}");
        assert!(!reply.text().contains("sesame") && !reply.text().contains("wrong"), "{}", reply.text());
    }
}

#[test]
fn without_a_target_there_is_nothing_to_ask() {
    let service = super::for_staff(&[], |news| news);
    for path in ["posts/1/target/", "target/", "prints/posts/?side=target"] {
        let refused = service.ask("GET", &format!("/news/sync/{path}"), None).expect(409);
        assert_eq!(refused.json()["code"], "no_target", "{path}");
    }
    let session = service.ask("GET", "/news/sync/session/", None).expect(200).json();
    assert_eq!(session["target_readable"], false);
    assert!(session["target_why"].as_str().unwrap().contains("has not met one"), "{session}");
}
