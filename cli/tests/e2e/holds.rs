//! Objects on hold: an operator stops and resumes the sync of an object.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Pair, wait_until};

const WHY: &str = "the target's team asked for it";

/// A post that has changed, and is on hold.
fn held() -> Pair {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (5, 6)");
    let report = pair.news.run(["--json", "hold", "posts/5", "--why", WHY]).ok().json();
    assert_eq!(report, json!({"what": "on_hold", "keys": ["posts/5"]}));
    pair
}

fn names(report: &Value) -> Vec<String> {
    let name = |hold: &Value| format!("{}/{}", hold["entity"].as_str().unwrap(), hold["id"]);
    report["holds"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn nothing_is_sent_for_an_object_on_hold_until_it_is_released() {
    let mut pair = held();
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!(pair.sent(), ["PUT /posts/6 200"]);
    assert_eq!((&report["on_hold"], names(&report)), (&json!(1), vec![String::from("posts/5")]), "{report}");
    let hold = &report["holds"][0];
    assert!(hold["by"].as_str().unwrap().contains('@') && hold["why"] == json!(WHY), "{hold}");
    assert_eq!(pair.unsynced(), 1);
    // Neither by a full sync, nor by a shard, nor where it is edited again.
    pair.edit("UPDATE news_post SET body = 'y' WHERE id = 5");
    for flags in [&["--full"][..], &["--full", "--force"], &["--shard", "1/2"], &["--shard", "2/2"], &[]] {
        let code = if flags == ["--shard", "2/2"] { 0 } else { 3 };
        pair.news.run(["sync"].iter().chain(flags)).expect_code(code);
    }
    assert!(pair.sent().iter().all(|line| line.starts_with("GET /posts 200") || line.starts_with("GET /comments 200")));
    assert_eq!(pair.unsynced(), 2);

    assert_eq!(
        pair.news.run(["--json", "release", "posts/5"]).ok().json(),
        json!({"what": "released", "keys": ["posts/5"]})
    );
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/5 200"]);
    pair.diff(0);
}

#[test]
fn every_report_names_an_object_on_hold() {
    let pair = held();
    let dry = pair.sync(["--dry-run"]).expect_code(1).json();
    assert_eq!(
        (&dry["actions"][0]["id"], &dry["on_hold"], names(&dry)),
        (&json!(6), &json!(1), vec!["posts/5".into()])
    );
    pair.sync([]).expect_code(3);
    assert_eq!(pair.sync(["--dry-run"]).expect_code(3).json()["on_hold"], json!(1));
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!(
        (&status["pending"], &status["on_hold"], names(&status)),
        (&json!(1), &json!(1), vec!["posts/5".into()])
    );
    assert_eq!((&status["oldest_s"], &status["plan"]["posts"]["update"]), (&Value::Null, &json!(0)));
    let parked = pair.news.run(["--json", "parked"]).ok().json()["objects"][0].clone();
    assert_eq!((&parked["state"], &parked["id"], &parked["reason"]), (&json!("on_hold"), &json!(5), &json!(WHY)));
    for command in [&["sync"][..], &["sync", "--dry-run"], &["status"], &["parked"]] {
        let text = pair.news.run(command).stdout;
        assert!(text.contains("posts/5") && text.contains("on hold") && text.contains(WHY), "{command:?}: {text}");
    }
}

#[test]
fn a_hold_of_an_object_without_changes_holds_those_to_come() {
    let mut pair = Pair::new([]);
    pair.news.run(["hold", "posts/7", "comments/8"]).ok();
    pair.sync([]).ok();
    pair.news.run(["status", "--check"]).ok();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 7; DELETE FROM news_comment WHERE id = 8");
    pair.sync([]).expect_code(3);
    assert_eq!(pair.sent(), Vec::<String>::new());
    // Created and deleted since is nothing to send, and is not marked either.
    pair.news.run(["hold", "posts/900"]).ok();
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'x', ''); DELETE FROM news_post WHERE id = 900");
    assert_eq!(pair.sync([]).expect_code(3).json()["on_hold"], json!(3));
    assert_eq!((pair.unsynced(), pair.sent()), (4, vec![]));
    pair.news.run(["release", "posts/7", "comments/8", "posts/900"]).ok();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/7 200", "DELETE /comments/8 200"]);
}

#[test]
fn what_depends_on_an_object_on_hold_is_held() {
    let mut pair = Pair::new([]);
    pair.news.run(["hold", "posts/900", "comments/11", "posts/5"]).ok();
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'new', '');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b');
         DELETE FROM news_post WHERE id = 3;
         UPDATE news_post SET title = 'x' WHERE id = 5;
         UPDATE news_comment SET name = 'x' WHERE id = 21",
    );
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["on_hold"], &report["held"]), (&json!(3), &json!(2)), "{report}");
    let sent = pair.sent();
    assert!(!sent.iter().any(|line| line.contains("900") || line.contains("posts/3") || line.contains("comments/11 ")));
    // A post that is at the target holds none of its comments.
    assert!(sent.contains(&String::from("PUT /comments/21 200")), "{sent:?}");
    pair.news.run(["release", "posts/900", "comments/11", "posts/5"]).ok();
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn a_difference_of_an_object_on_hold_is_told_from_drift() {
    let mut pair = held();
    pair.news.run(["hold", "posts/8", "posts/900"]).ok();
    pair.sync([]).expect_code(3);
    pair.fake.http().send("PUT", "/posts/8", r#"{"id": 8, "userId": 1, "title": "by a stranger", "body": ""}"#);
    pair.fake.http().send("POST", "/posts", r#"{"id": 900, "userId": 1, "title": "by a stranger", "body": ""}"#);
    let report = pair.diff(1);
    let told: Vec<(i64, bool, bool)> = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_i64().unwrap(), one["pending"] == true, one["on_hold"] == true))
        .collect();
    assert_eq!(told, [(5, true, true), (8, false, true), (900, false, true)]);
    assert_eq!(report["summary"]["posts"]["on_hold"], json!(3));
    pair.news.run(["diff", "--ignore-pending"]).ok();
    let text = pair.news.run(["diff"]).expect_code(1).stdout;
    assert!(text.contains("posts/5 different (pending, on hold)") && text.contains("posts/8 different (on hold)"));
    // A full sync repairs none of them, and deletes nothing.
    pair.sent();
    let report = pair.sync(["--full"]).expect_code(3).json();
    assert_eq!(report["on_hold"], json!(3), "{report}");
    assert!(pair.sent().iter().all(|line| line.starts_with("GET ")));
    pair.news.run(["release", "posts/5", "posts/8", "posts/900"]).ok();
    pair.sync(["--full"]).ok();
    pair.diff(0);
}

#[test]
fn a_hold_stays_until_it_is_released() {
    let mut pair = held();
    // A second one changes nothing.
    let again = pair.news.run(["--json", "hold", "posts/5", "posts/6", "--why", "mine"]).ok().json();
    assert_eq!((&again["keys"], &again["already"][0]["why"]), (&json!(["posts/6"]), &json!(WHY)));
    // Whatever is done with its changes.
    pair.news.run(["discard", "posts/5"]).ok();
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5");
    pair.sync([]).expect_code(3);
    // None is released where one is not on hold.
    let refused = pair.news.run(["release", "posts/5", "posts/7"]).expect_code(4);
    assert!(refused.stderr.contains("posts/7") && !refused.stderr.contains("posts/5"), "{}", refused.stderr);
    pair.sync([]).expect_code(3);
    assert_eq!(pair.sent(), Vec::<String>::new());
    for wrong in ["hold", "hold post/5", "release", "hold posts/5 --why \u{1b}[31m"] {
        pair.news.run(wrong.split(' ')).expect_code(2);
    }
    let long = "x".repeat(201);
    let output = pair.news.run(["hold", "posts/5", "--why", &long]).expect_code(2);
    assert!(output.stderr.contains("at most 200 characters, found 201"), "{}", output.stderr);
    // Nor does an import end it.
    pair.edit("DELETE FROM news_post");
    pair.news.run(["import"]).ok();
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_hold"), 2);
}

#[test]
fn a_run_at_work_leaves_alone_what_is_put_on_hold_before_its_turn() {
    let mut pair = Pair::new(["--latency", "20ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 100");
    let run = pair.news.spawn(["--json", "sync", "--jobs", "1"]);
    pair.wait_for_requests(1);
    pair.news.run(["hold", "posts/100"]).ok();
    let report = run.wait().expect_code(3).json();
    assert_eq!((&report["on_hold"], pair.unsynced()), (&json!(1), 1), "{report}");
    assert!(!pair.sent().iter().any(|line| line.contains("posts/100 ")));
}

#[test]
fn a_hold_waits_for_a_request_in_flight_and_says_where_it_waits_in_vain() {
    let mut pair = Pair::new(["--latency", "500ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    let run = pair.news.spawn(["sync"]);
    pair.wait_for_requests(1);
    pair.news.run(["hold", "posts/5"]).ok();
    run.wait().ok();
    pair.news.run(["release", "posts/5"]).ok();
    // A process that is gone can answer for nothing, and waiting for so long is no use.
    pair.news = pair.news.env("NEWS_TARGET_LATE", "60s");
    pair.fake.set_faults(r#"{"latency_ms": 60000}"#);
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5");
    let run = pair.news.spawn(["sync"]);
    pair.sent();
    wait_until("it is sent", || pair.number("SELECT count(*) FROM news_sync_object WHERE state = 'sent'") == 1);
    run.signal(Signal::KILL);
    run.wait();
    let report = pair.news.run(["--json", "hold", "posts/5"]).expect_code(3).json();
    assert_eq!((&report["keys"], &report["in_flight"]), (&json!(["posts/5"]), &json!(["posts/5"])));
}

#[test]
fn a_loop_rests_beside_an_object_on_hold_and_goes_on_when_it_is_released() {
    let mut pair = held();
    let follow = pair.news.spawn(["sync", "--follow"]);
    wait_until("the other one is sent", || pair.unsynced() == 1);
    pair.edit("UPDATE news_post SET title = 'z' WHERE id = 9");
    wait_until("so is a third one", || pair.unsynced() == 1);
    pair.news.run(["release", "posts/5"]).ok();
    wait_until("it is sent without another change", || pair.unsynced() == 0);
    follow.signal(Signal::TERM);
    follow.wait().expect_code(143);
    assert_eq!(pair.sent(), ["PUT /posts/6 200", "PUT /posts/9 200", "PUT /posts/5 200"]);
}
