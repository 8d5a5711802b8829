//! `news sync --full`: whatever differs is repaired, within limits, and newer edits survive.

mod beside;
mod clearing;

use serde_json::json;

use crate::support::{Db, Fake, News, Output, Pair, wait_until};

fn full<const N: usize>(pair: &Pair, flags: [&str; N]) -> Output {
    pair.news.run(["--json", "sync", "--full"].into_iter().chain(flags))
}

/// Differences of every kind behind our back, and some of our own.
fn damage(pair: &mut Pair) {
    let http = pair.fake.http();
    for (method, path, json) in [
        ("DELETE", "/comments/1", ""),
        ("DELETE", "/comments/500", ""),
        ("POST", "/posts", r#"{"id": 900, "userId": 1, "title": "extra", "body": ""}"#),
        ("POST", "/comments", r#"{"id": 900, "postId": 900, "name": "extra", "email": "", "body": ""}"#),
        ("POST", "/comments", r#"{"id": 901, "postId": 5, "name": "extra", "email": "", "body": ""}"#),
        ("PUT", "/posts/2", r#"{"id": 2, "userId": 1, "title": "other", "body": "other"}"#),
        ("PUT", "/comments/30", r#"{"id": 30, "postId": 7, "name": "other", "email": "e", "body": "other"}"#),
        ("PUT", "/posts/4", r#"{"id": 4, "title": "no user, no body"}"#),
        ("DELETE", "/posts/99", ""),
    ] {
        let status = http.send(method, path, json).status;
        assert!(status < 300, "{method} {path}: {status}");
    }
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (950, 1, 'pending', '');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (950, 950, 'pending', '', '');
         UPDATE news_post SET title = 'pending' WHERE id = 10;
         DELETE FROM news_post WHERE id = 20",
    );
}

#[test]
fn every_kind_is_repaired_and_pending_events_are_done() {
    for mode in ["strict", "duplicates"] {
        let mut pair = Pair::new(["--mode", mode]);
        damage(&mut pair);
        if mode == "duplicates" {
            for twin in [
                ("/posts", r#"{"id": 3, "userId": 1, "title": "twice", "body": ""}"#),
                ("/comments", r#"{"id": 77, "postId": 1, "name": "twice", "email": "", "body": ""}"#),
                ("/comments", r#"{"id": 902, "postId": 1, "name": "nobody's, twice", "email": "", "body": ""}"#),
                ("/comments", r#"{"id": 902, "postId": 1, "name": "nobody's, twice", "email": "", "body": ""}"#),
            ] {
                assert_eq!(pair.fake.http().send("POST", twin.0, twin.1).status, 201);
            }
        }
        full(&pair, []).ok();
        pair.diff(0);
        assert_eq!(pair.unsynced(), 0, "{mode}");
        assert_eq!(pair.number("SELECT count(*) FROM news_sync_object"), 0);
        assert_eq!(pair.last_run().0, "done");
        let again = full(&pair, []).ok().json();
        assert_eq!(again["requests"], json!(0));
        pair.sent();
        assert_eq!(pair.sync([]).ok().json()["requests"], json!(0));
    }
}

#[test]
fn more_than_a_third_is_refused_with_the_numbers() {
    let mut pair = Pair::new([]);
    // 31 of 100 posts, and with them 155 of 500 comments.
    pair.edit("DELETE FROM news_post WHERE id <= 31; DELETE FROM news_modelevent");
    pair.sent();
    for flags in [&[][..], &["--dry-run"]] {
        let refused = pair.news.run(["sync", "--full"].iter().chain(flags)).expect_code(4);
        assert!(refused.stderr.contains("31 %") && refused.stderr.contains("(31 of 100)"), "{}", refused.stderr);
    }
    assert!(pair.sent().iter().all(|line| line.starts_with("GET")), "nothing was sent");
    assert_eq!(pair.diff(1)["summary"]["posts"]["extra"], json!(31));
    full(&pair, ["--force", "--jobs", "8"]).ok();
    pair.diff(0);

    // 30 % is within the limit.
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post WHERE id <= 30; DELETE FROM news_modelevent");
    full(&pair, ["--jobs", "8"]).ok();
    pair.diff(0);

    // So are updates, and an absolute limit.
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60; DELETE FROM news_modelevent");
    let refused = full(&pair, []).expect_code(4);
    assert!(refused.stderr.contains("43 %") && refused.stderr.contains("updated (30 of 70)"), "{}", refused.stderr);
    pair.edit("DELETE FROM news_comment WHERE id = 500; DELETE FROM news_modelevent");
    full(&pair, ["--max-deletes", "0"]).expect_code(4);
    full(&pair, ["--max-deletes", "0", "--force"]).ok();
    pair.diff(0);
}

#[test]
fn an_empty_master_does_not_empty_the_target() {
    let mut pair = Pair::new([]);
    pair.edit("TRUNCATE news_post, news_comment; DELETE FROM news_modelevent");
    let refused = full(&pair, []).expect_code(4);
    assert!(refused.stderr.contains("no posts while the target has 100"), "{}", refused.stderr);
}

#[test]
fn a_listing_that_is_not_whole_or_none_is_refused_whatever_is_said() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    pair.sent();
    for (faults, code) in [
        (r#"{"cut_listing": "connection"}"#, 5),
        (r#"{"cut_listing": "text"}"#, 5),
        (r#"{"cut_listing": "items", "total": "always"}"#, 5),
        (r#"{"fail_rate": 1}"#, 5),
        (r#"{"html": true}"#, 4),
        (r#"{"forbid": "all"}"#, 7),
    ] {
        pair.fake.set_faults(faults);
        full(&pair, ["--force"]).expect_code(code);
        assert!(pair.sent().iter().all(|line| line.starts_with("GET")));
        assert_eq!(pair.unsynced(), 1);
    }
    // Objects without an id of ours: this is somebody else's.
    pair.fake.set_faults("{}");
    pair.fake.http().send("POST", "/posts", r#"{"id": "abc", "title": "x"}"#);
    let refused = full(&pair, ["--force"]).expect_code(4);
    assert!(refused.stderr.contains("1 object without an id"), "{}", refused.stderr);
}

#[test]
fn a_capped_listing_makes_no_duplicates() {
    let mut pair = Pair::new(["--mode", "duplicates"]);
    // Half of everything seems to be missing: each is asked for, and there.
    pair.fake.set_faults(r#"{"cut_listing": "items", "total": "never"}"#);
    full(&pair, ["--jobs", "8"]).ok();
    assert!(!pair.sent().iter().any(|line| line.starts_with("POST")));
    pair.fake.set_faults("{}");
    pair.diff(0);
}

#[test]
fn a_dry_run_tells_the_plan_and_its_checksum_binds() {
    let mut pair = Pair::new([]);
    full(&pair, ["--dry-run"]).ok();
    damage(&mut pair);
    pair.sent();
    let plan = full(&pair, ["--dry-run"]).expect_code(1).json();
    assert!(pair.sent().iter().all(|line| line.starts_with("GET")));
    let checksum = plan["checksum"].as_str().unwrap().to_owned();
    assert_eq!(full(&pair, ["--dry-run"]).expect_code(1).json()["checksum"], json!(checksum));
    full(&pair, ["--checksum", "0123456789abcdef"]).expect_code(4);
    full(&pair, ["--checksum", "zz"]).expect_code(2);
    pair.edit("UPDATE news_post SET title = 'one more' WHERE id = 60");
    full(&pair, ["--checksum", &checksum]).expect_code(4);
    assert!(pair.sent().iter().all(|line| line.starts_with("GET")));
    let checksum = full(&pair, ["--dry-run"]).expect_code(1).json()["checksum"].as_str().unwrap().to_owned();
    full(&pair, ["--checksum", &checksum]).ok();
    pair.diff(0);
}

#[test]
fn edits_during_it_are_never_overwritten_by_older_data() {
    let mut pair = Pair::new(["--latency", "20ms"]);
    // At the target everything is older.
    pair.edit("UPDATE news_post SET title = 'mine'; DELETE FROM news_modelevent");
    let run = pair.news.spawn(["sync", "--full", "--force", "--jobs", "2"]);
    wait_until("it writes", || pair.fake.requests().iter().any(|line| line.starts_with("PUT")));
    // What it has sent, what it will send, what it will not send at all.
    pair.edit("UPDATE news_post SET title = 'newer'; DELETE FROM news_post WHERE id > 90; UPDATE news_comment SET name = 'newer' WHERE id <= 10");
    run.wait().ok();
    assert!(pair.unsynced() > 0, "the edits are pending still");
    pair.diff(1);
    pair.news.run(["diff", "--ignore-pending"]).ok();
    pair.sync(["--jobs", "8"]).ok();
    pair.diff(0);
    let titles = pair.fake.http().get("/posts").json();
    assert!(titles.as_array().unwrap().iter().all(|post| post["title"] == "newer"));
}

#[test]
fn lost_acknowledged_writes_are_found_and_repaired() {
    let mut pair = Pair::new(["--lose-writes", "30%", "--seed", "5"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 25");
    let verified = pair.sync(["--verify"]).expect_code(3);
    assert!(verified.stderr.contains("differ"), "{}", verified.stderr);
    assert_eq!(pair.unsynced(), 0, "acknowledged is acknowledged");
    let run = pair.news.run(["--json", "runs", "--limit", "1"]).ok().json()["runs"][0].take();
    assert_eq!((&run["status"], &run["exit_code"]), (&json!("partly"), &json!(3)), "{run}");
    pair.news.run(["diff", "--ignore-pending"]).expect_code(1);
    pair.fake.set_faults("{}");
    assert_eq!(full(&pair, ["--verify"]).ok().json()["drift"], json!(0));
    pair.diff(0);
}

#[test]
fn killed_it_is_simply_run_again() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "15ms"]);
    damage(&mut pair);
    pair.edit("INSERT INTO news_post (user_id, title, body) SELECT 1, 'many', '' FROM generate_series(1, 20)");
    assert_eq!(
        pair.fake.http().send("POST", "/posts", r#"{"id": 3, "userId": 1, "title": "twice", "body": ""}"#).status,
        201
    );
    for writes in [2, 9] {
        pair.sent();
        let run = pair.news.spawn(["sync", "--full"]);
        wait_until("it has written", || {
            pair.arrived() > 0
                && pair
                    .fake
                    .requests()
                    .iter()
                    .rev()
                    .take(pair.arrived())
                    .filter(|line| !line.starts_with("GET"))
                    .count()
                    >= writes
        });
        run.signal(rustix::process::Signal::KILL);
        run.wait().expect_code(137);
    }
    full(&pair, []).ok();
    pair.diff(0);
    assert_eq!(pair.unsynced(), 0);
    // Deleted as a duplicate and created again; all others once.
    let counts = pair.fake.counts();
    for (id, tally) in counts["posts"].as_object().unwrap() {
        assert!(tally["creates"].as_u64().unwrap_or(0) <= if id == "3" { 2 } else { 1 }, "posts/{id}: {tally}");
    }
}

#[test]
fn what_it_cannot_repair_waits_for_an_operator_without_an_event_too() {
    let mut pair = Pair::new(["--status-for", "posts/2=422"]);
    // By the back door: writes to it are refused at the front.
    pair.edit("UPDATE news_post SET title = 'mine' WHERE id = 2; DELETE FROM news_modelevent");
    assert_eq!(full(&pair, []).expect_code(3).json()["parked"], json!(1));
    let parked = pair.news.run(["--json", "parked"]).ok().json();
    assert_eq!((&parked["objects"][0]["id"], &parked["objects"][0]["status"]), (&json!(2), &json!(422)), "{parked}");
    assert_eq!(pair.news.run(["--json", "status"]).ok().json()["parked"], json!(1));
    // While something is parked, a sync says so, and sends nothing.
    pair.sent();
    assert_eq!(pair.sync([]).expect_code(3).json()["parked"], json!(1));
    assert_eq!(pair.sent(), Vec::<String>::new());
    // All or none: a slip in one key is no licence for the others.
    let slip = pair.news.run(["discard", "posts/2", "posts/77"]).expect_code(4);
    assert!(slip.stderr.contains("no pending changes: posts/77"), "{}", slip.stderr);
    assert_eq!(pair.news.run(["--json", "status"]).ok().json()["parked"], json!(1));
    // Given up, it is nobody's matter but the diff's.
    pair.news.run(["discard", "posts/2"]).ok();
    pair.sync([]).ok();
    pair.diff(1);
    // Or repaired by the next full sync.
    assert_eq!(full(&pair, []).expect_code(3).json()["parked"], json!(1));
    pair.fake.set_faults("{}");
    full(&pair, []).ok();
    assert_eq!(pair.news.run(["--json", "parked"]).ok().json()["objects"], json!([]));
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn a_new_target_is_filled_from_the_master() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join("db.json"), r#"{"posts": [], "comments": []}"#).unwrap();
    let other = Fake::start(["--data", empty.path().join("db.json").to_str().unwrap()]);
    let news = News::on(&pair.db).env("NEWS_TARGET_URL", other.url());
    // Another target is a loud warning, and in the reports.
    for (args, code) in [(&["status"][..], 0), (&["sync", "--dry-run"], 1), (&["sync", "--full", "--jobs", "16"], 0)] {
        let said = news.run(["--json"].iter().chain(args)).expect_code(code);
        assert!(said.stderr.contains(pair.fake.url()), "{args:?}: {}", said.stderr);
        let warning = said.json()["warnings"][0].as_str().unwrap_or_default().to_owned();
        assert!(warning.contains(pair.fake.url()), "{args:?}: {}", said.stdout);
    }
    news.run(["diff"]).ok();
    assert_eq!(news.run(["--json", "status"]).ok().json()["target"], json!(other.url()));
    assert_eq!(pair.unsynced(), 0);
}

#[test]
fn a_database_without_a_schema_is_8() {
    let (db, fake) = (Db::empty(), Fake::start([""; 0]));
    News::on(&db).env("NEWS_TARGET_URL", fake.url()).run(["sync", "--full"]).expect_code(8);
}

#[test]
fn whom_it_leaves_the_next_sync_goes_on_with() {
    // Deleted, and not made again: nothing in the log tells.
    let mut pair = Pair::new(["--mode", "duplicates"]);
    let twin = r#"{"id": 3, "userId": 1, "title": "refuse me", "body": ""}"#;
    assert_eq!(pair.fake.http().send("POST", "/posts", twin).status, 201);
    pair.edit("UPDATE news_post SET title = 'refuse me' WHERE id = 3; DELETE FROM news_modelevent");
    pair.fake.set_faults(r#"{"reject_text": ["refuse me"]}"#);
    let left = full(&pair, []).expect_code(3).json();
    assert_eq!((&left["parked"], &left["held"]), (&json!(1), &json!(5)), "{left}");
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!((&status["pending"], &status["events"], &status["parked"]), (&json!(6), &json!(0), &json!(1)));
    pair.news.run(["status", "--check"]).expect_code(3);
    pair.fake.set_faults("{}");
    assert_eq!(pair.sync([]).expect_code(3).json()["requests"], json!(0));
    pair.news.run(["retry", "--all"]).ok();
    pair.sync([]).ok();
    pair.diff(0);

    // Given up, it stays given up.
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'refuse me' WHERE id = 3; DELETE FROM news_modelevent");
    pair.fake.set_faults(r#"{"reject_text": ["refuse me"]}"#);
    full(&pair, []).expect_code(3);
    pair.news.run(["discard", "posts/3"]).ok();
    pair.sync([]).ok();
    pair.news.run(["status", "--check"]).ok();
    pair.diff(1);
}

#[test]
fn what_was_listed_and_is_not_found_when_it_is_deleted_is_reported() {
    let mut pair = Pair::new([]);
    for id in [700, 701, 702] {
        let post = format!(r#"{{"id":{id},"userId":1,"title":"t","body":"b"}}"#);
        assert_eq!(pair.fake.http().send("POST", "/posts", &post).status, 201);
    }
    pair.fake.set_faults(r#"{"status_for": {"posts/700": 404, "posts/701": 404, "posts/9": 404}}"#);
    let output = full(&pair, []).ok();
    let warned = output.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warned.starts_with("2 objects were listed, and their DELETE was answered with 404, the first posts/70"));
    assert!(output.stderr.contains(&warned), "{}", output.stderr);
    assert_eq!(pair.diff(1)["summary"]["posts"]["extra"], json!(2));
    // A plain sync's log does not say that the target has the object.
    pair.edit("DELETE FROM news_post WHERE id = 9");
    assert_eq!(pair.sync([]).ok().json()["warnings"], json!([]));
}
