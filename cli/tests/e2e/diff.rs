//! `news diff`: every kind of difference, told apart from what is pending, and trouble never as 1.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Db, Fake, News, Pair};

fn keys(report: &Value) -> Vec<String> {
    let row = |d: &Value| {
        format!("{}/{} {} {}", d["entity"].as_str().unwrap(), d["id"], d["kind"].as_str().unwrap(), d["pending"])
    };
    report["differences"].as_array().unwrap().iter().map(row).collect()
}

/// Makes every kind: at the target, behind our back, and at the master, as changes that are pending.
fn every_kind(flags: &[&str]) -> Pair {
    let mut pair = match flags {
        [] => Pair::new(["--mode", "duplicates"]),
        _ => Pair::new(["--mode", "duplicates", "--shuffle", "--string-ids"]),
    };
    let http = pair.fake.http();
    for (method, path, json) in [
        ("DELETE", "/posts/1", ""),
        ("DELETE", "/comments/500", ""),
        ("POST", "/posts", r#"{"id": 900, "userId": 1, "title": "extra", "body": ""}"#),
        ("POST", "/comments", r#"{"id": 900, "postId": 900, "name": "extra", "email": "", "body": ""}"#),
        ("PUT", "/posts/2", r#"{"id": 2, "userId": 1, "title": "other", "body": "other"}"#),
        ("PUT", "/comments/6", r#"{"id": 6, "postId": 7, "name": "other", "email": "e", "body": "other"}"#),
        ("POST", "/posts", r#"{"id": 3, "userId": 1, "title": "twice", "body": ""}"#),
        ("PUT", "/posts/4", r#"{"id": 4, "title": "no user, no body"}"#),
    ] {
        let status = http.send(method, path, json).status;
        assert!(status < 300, "{method} {path}: {status}");
    }
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (950, 1, 'pending', '');
         UPDATE news_post SET title = 'pending' WHERE id = 10;
         DELETE FROM news_comment WHERE id = 100",
    );
    pair.sent();
    pair
}

#[test]
fn every_kind_is_named_with_its_fields_and_told_apart_from_what_is_pending() {
    for flags in [&[][..], &["shuffled"]] {
        let mut pair = every_kind(flags);
        let report = pair.diff(1);
        assert_eq!(
            keys(&report),
            [
                "posts/1 missing false",
                "posts/2 different false",
                "posts/3 duplicate false",
                "posts/4 unreadable false",
                "posts/10 different true",
                "posts/900 extra false",
                "posts/950 missing true",
                "comments/6 different false",
                "comments/100 extra true",
                "comments/500 missing false",
                "comments/900 extra false",
            ]
        );
        assert_eq!(report["equal"], json!(false));
        let fields = |at: usize| -> Vec<Value> {
            report["differences"][at]["fields"].as_array().unwrap().iter().map(|f| f["field"].clone()).collect()
        };
        assert_eq!(fields(1), [json!("title"), json!("body")]);
        assert_eq!(fields(7), [json!("postId"), json!("name"), json!("email"), json!("body")]);
        assert_eq!(report["differences"][4]["fields"][0]["local"], json!("pending"));
        let posts = &report["summary"]["posts"];
        assert_eq!(
            (
                &posts["local"],
                &posts["target"],
                &posts["missing"],
                &posts["extra"],
                &posts["different"],
                &posts["duplicate"],
                &posts["unreadable"],
                &posts["pending"]
            ),
            (&json!(101), &json!(101), &json!(2), &json!(1), &json!(2), &json!(1), &json!(1), &json!(2))
        );
        assert!(
            pair.sent().iter().all(|line| line.starts_with("GET /posts 200") || line.starts_with("GET /comments 200"))
        );
    }
}

#[test]
fn what_counts_can_be_chosen() {
    let mut pair = every_kind(&[]);
    let drift = pair.news.run(["--json", "diff", "--ignore-pending"]).expect_code(1).json();
    assert_eq!(keys(&drift).len(), 8);
    assert!(keys(&drift).iter().all(|key| key.ends_with("false")));
    let posts = pair.news.run(["--json", "diff", "--only", "posts"]).expect_code(1).json();
    assert!(keys(&posts).iter().all(|key| key.starts_with("posts/")) && keys(&posts).len() == 7);
    assert!(posts["summary"].get("comments").is_none());
    let comments = pair.news.run(["--json", "diff", "--only", "comments"]).expect_code(1).json();
    assert_eq!(keys(&comments).len(), 4);
    pair.sent();
    pair.news.run(["--json", "diff", "--only", "comments"]).expect_code(1);
    assert!(pair.sent().iter().all(|line| line.starts_with("GET /comments ")), "the other listing is not fetched");
    let zero = pair.news.run(["--json", "diff", "--exit-zero"]).ok().json();
    assert_eq!((&zero["equal"], keys(&zero).len()), (&json!(false), 11));
    let limited = pair.news.run(["--json", "diff", "--limit", "2"]).expect_code(1).json();
    assert_eq!((keys(&limited).len(), &limited["more"]), (2, &json!(9)));
    let text = pair.news.run(["diff", "--limit", "2"]).expect_code(1).stdout;
    assert!(text.contains("posts/1 missing") && text.contains("and 9 more"), "{text}");

    // Only what is pending: CI is content.
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'pending' WHERE id = 10");
    pair.diff(1);
    let report = pair.news.run(["--json", "diff", "--ignore-pending"]).ok().json();
    assert_eq!((&report["equal"], keys(&report).len()), (&json!(true), 0));
}

#[test]
fn objects_without_an_id_of_ours_are_differences() {
    let pair = Pair::new([]);
    for id in ["-3", "9007199254740992", "\"abc\"", "0"] {
        assert_eq!(pair.fake.http().send("POST", "/posts", &format!(r#"{{"id": {id}, "title": "x"}}"#)).status, 201);
    }
    let report = pair.diff(1);
    assert_eq!(report["summary"]["posts"]["nameless"], json!(4));
    assert_eq!(report["equal"], json!(false));
    pair.news.run(["diff", "--ignore-pending"]).expect_code(1);
}

#[test]
fn trouble_is_never_1() {
    let pair = Pair::new([]);
    for (faults, code) in [
        (r#"{"html": true}"#, 4),
        (r#"{"fail_rate": 1}"#, 5),
        (r#"{"cut_listing": "connection"}"#, 5),
        (r#"{"cut_listing": "text"}"#, 5),
        (r#"{"cut_listing": "items", "total": "always"}"#, 5),
        (r#"{"forbid": "all"}"#, 7),
    ] {
        pair.fake.set_faults(faults);
        for flags in [&[][..], &["--exit-zero"], &["--ignore-pending"]] {
            let output = pair.news.run(["diff"].iter().chain(flags)).expect_code(code);
            assert_eq!(output.stdout, "", "no report of half a comparison");
        }
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = format!("http://127.0.0.1:{port}");
    pair.news.run(["diff", "--target-url", &away]).expect_code(5);
    pair.fake.set_faults("{}");
    pair.news.run(["diff", "--target-url", &format!("{}/api", pair.fake.url())]).expect_code(5);
    pair.news.run(["diff", "--target-url", "ftp://x"]).expect_code(2);
    pair.news.run(["diff", "--only", "users"]).expect_code(2);
    let gone = News::with_url("postgresql:///nothing?host=/nowhere").env("NEWS_TARGET_URL", pair.fake.url());
    gone.run(["diff"]).expect_code(8);
    let unmigrated = Db::empty();
    News::on(&unmigrated).env("NEWS_TARGET_URL", pair.fake.url()).run(["diff"]).expect_code(8);
    // A listing that lies about being whole, without a count to tell by, is a difference and no trouble.
    pair.fake.set_faults(r#"{"cut_listing": "items", "total": "never"}"#);
    assert_eq!(pair.diff(1)["summary"]["posts"]["missing"], json!(50));
}

#[test]
fn a_sync_beside_it_makes_no_drift() {
    let mut pair = Pair::new(["--latency", "10ms"]);
    pair.edit("UPDATE news_post SET title = 'x'");
    pair.edit("INSERT INTO news_comment (post_id, name, email, body) SELECT id, 'x', '', '' FROM news_post");
    let sync = pair.news.spawn(["sync", "--jobs", "2"]);
    pair.wait_for_requests(10);
    let mut looks = 0;
    while pair.news.run(["--json", "status"]).ok().json()["lock"].is_string() {
        pair.news.run(["diff", "--ignore-pending"]).ok();
        looks += 1;
    }
    sync.wait().ok();
    assert!(looks > 0);
    pair.diff(0);
}

#[test]
fn an_equal_pair_is_equal_in_any_order_and_spelling() {
    for flags in [["--shuffle", "--string-ids", "--total"], ["--shuffle", "--no-total", "--slow-listing=300ms"]] {
        let fake = Fake::start(flags);
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
        news.run(["import"]).ok();
        let report = news.run(["--json", "diff"]).ok().json();
        assert_eq!(
            (&report["equal"], &report["differences"], &report["target"]),
            (&json!(true), &json!([]), &json!(fake.url()))
        );
        assert!(news.run(["diff"]).ok().stdout.contains("equal"));
    }
}
