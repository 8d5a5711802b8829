//! What the target has more than once: deleted until it is gone, and created; whatever comes in between.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::full;
use crate::support::{News, Node, Pair, fixtures, wait_until};

/// Lists posts/3 once more.
fn double(pair: &Pair, title: &str) {
    let twin = json!({"id": 3, "userId": 1, "title": title, "body": ""}).to_string();
    assert_eq!(pair.fake.http().send("POST", "/posts", &twin).status, 201);
}

/// Ends a full sync by this signal once it has asked for the first of posts/3 to be deleted.
#[track_caller]
fn end_while_it_clears(pair: &mut Pair, signal: Signal) {
    let running = pair.news.spawn(["sync", "--full"]);
    wait_until("one is deleted", || pair.sent().iter().any(|line| line.starts_with("DELETE /posts/3")));
    running.signal(signal);
    running.wait().expect_code(128 + signal.as_raw());
}

#[test]
fn comments_that_a_doubled_post_took_along_are_back() {
    // This target leaves comments alone; one that does not would have to be told of them.
    let pair = Pair::new(["--mode", "duplicates"]);
    double(&pair, "twice");
    let plan = full(&pair, ["--dry-run"]).expect_code(1).json();
    // Its five comments are equal, and asked for all the same.
    assert_eq!((&plan["plan"]["posts"]["renew"], &plan["plan"]["comments"]["ask"]), (&json!(1), &json!(5)));
    let done = full(&pair, []).ok().json()["done"].take();
    // What was done, not what was planned: the comments were there.
    assert_eq!((&done["posts"]["renew"], &done["posts"]["ask"]), (&json!(1), &json!(0)), "{done}");
    assert_eq!((&done["comments"]["create"], &done["comments"]["ask"]), (&json!(0), &json!(5)), "{done}");
    pair.diff(0);
}

#[test]
fn what_is_there_twice_is_deleted_and_counts_as_that() {
    let pair = Pair::new(["--mode", "duplicates"]);
    for id in 1..=31 {
        let twin = format!(r#"{{"id": {id}, "userId": 1, "title": "twice", "body": ""}}"#);
        assert_eq!(pair.fake.http().send("POST", "/posts", &twin).status, 201);
    }
    let sent = |pair: &mut Pair| pair.sent().iter().filter(|line| !line.starts_with("GET")).count();
    let mut pair = pair;
    pair.sent();
    let refused = full(&pair, []).expect_code(4);
    // Of the objects, not of the elements.
    assert!(refused.stderr.contains("31 %") && refused.stderr.contains("(31 of 100)"), "{}", refused.stderr);
    full(&pair, ["--max-deletes", "30", "--dry-run"]).expect_code(4);
    let plan = full(&pair, ["--force", "--dry-run"]).expect_code(1).json();
    assert_eq!((&plan["plan"]["posts"]["renew"], &plan["actions"][0]["action"]), (&json!(31), &json!("renew")));
    assert_eq!(sent(&mut pair), 0);
    let done = full(&pair, ["--force", "--jobs", "8", "--rate", "500"]).ok().json();
    assert_eq!((&done["done"]["posts"]["renew"], &done["methods"]["DELETE"]), (&json!(31), &json!(62)), "{done}");
    pair.diff(0);
}

#[test]
fn a_signal_ends_it_while_it_clears_up() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "100ms"]);
    for _ in 0..30 {
        double(&pair, "many times");
    }
    let running = pair.news.spawn(["sync", "--full"]);
    wait_until("it deletes", || pair.sent().iter().any(|line| line.starts_with("DELETE")));
    running.signal(Signal::TERM);
    running.wait().expect_code(143);
    assert_eq!(pair.last_run().0, "stopped");
}

/// What a check says when all is sent after a full sync that did not come to its end: it may have left more than what it began.
const SINCE_FULL: i32 = 3;

#[test]
fn stopped_or_killed_while_it_clears_the_next_sync_ends_it() {
    for signal in [Signal::KILL, Signal::TERM] {
        let mut pair = Pair::new(["--mode", "duplicates", "--latency", "50ms"]);
        double(&pair, "twice");
        double(&pair, "three times");
        end_while_it_clears(&mut pair, signal);
        assert_eq!(pair.number("SELECT count(*) FROM news_sync_object WHERE presence = 'doubled'"), 1, "{signal:?}");
        // That one was killed is seen by the next run.
        pair.news.run(["status", "--check"]).expect_code(if signal == Signal::KILL { 1 } else { SINCE_FULL });
        pair.sync([]).ok();
        pair.diff(0);
        pair.news.run(["status", "--check"]).expect_code(SINCE_FULL);
        assert_eq!(pair.number("SELECT count(*) FROM news_sync_object"), 0, "{signal:?}");
    }
}

/// json-server 0.17 refuses a second record, but its file may have one; and a deleted post takes its comments along.
#[test]
fn stopped_or_killed_while_it_clears_comments_are_not_forgotten() {
    for signal in [Signal::KILL, Signal::TERM] {
        let mut data = fixtures();
        let twin = data["posts"][2].clone();
        data["posts"].as_array_mut().unwrap().push(twin);
        let Some(real) = Node::json_server(&data) else { return };
        let pair = Pair::new([]);
        let news = News::on(&pair.db).env("NEWS_TARGET_URL", real.url());
        let running = news.spawn(["sync", "--full"]);
        // Its post comes no sooner than two seconds later.
        wait_until("they are gone", || real.http().get("/comments?postId=3").json() == json!([]));
        running.signal(signal);
        running.wait().expect_code(128 + signal.as_raw());
        news.run(["sync"]).ok();
        news.run(["diff"]).ok();
        news.run(["status", "--check"]).expect_code(SINCE_FULL);
    }
}

#[test]
fn killed_between_its_deletes_and_its_post() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "50ms"]);
    double(&pair, "refuse me");
    let running = pair.news.spawn(["sync", "--full"]);
    let mut deletes = 0;
    wait_until("both are deleted", || {
        deletes += pair.sent().iter().filter(|line| line.starts_with("DELETE /posts/3")).count();
        deletes == 2
    });
    running.signal(Signal::KILL);
    running.wait().expect_code(137);
    assert_eq!(pair.diff(1)["summary"]["posts"]["missing"], json!(1));
    pair.sync([]).ok();
    pair.diff(0);
    pair.news.run(["status", "--check"]).expect_code(SINCE_FULL);
}

#[test]
fn what_was_mended_by_hand_meanwhile_is_at_an_end_with_the_next_full_sync() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "50ms"]);
    double(&pair, "twice");
    double(&pair, "three times");
    end_while_it_clears(&mut pair, Signal::TERM);
    pair.fake.reset();
    pair.forget_requests();
    pair.diff(0);
    assert_eq!(full(&pair, []).ok().json()["requests"], json!(0));
    pair.news.run(["status", "--check"]).ok();
    pair.sent();
    assert_eq!(pair.sync([]).ok().json()["requests"], json!(0), "nothing is deleted that is as it should be");
}

#[test]
fn what_is_given_up_while_it_is_cleared_is_cleared_with_its_next_change() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "50ms"]);
    double(&pair, "twice");
    double(&pair, "three times");
    double(&pair, "four times");
    end_while_it_clears(&mut pair, Signal::TERM);
    // Its comments are there, or it is: they were waiting, and not for a post that is to be created.
    pair.edit("UPDATE news_comment SET name = 'edited' WHERE id = 11");
    assert_eq!(pair.news.run(["--json", "discard", "posts/3"]).ok().json()["along"], Value::Null);
    pair.edit("DELETE FROM news_post WHERE id = 3");
    pair.sync([]).ok();
    pair.diff(0);
}
