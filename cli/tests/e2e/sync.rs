//! `news sync`: what is sent, what is not, and what becomes of trouble.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::pair::{Change, FIFTY_EDITS, counted};
use crate::support::{Db, Fake, Network, News, Node, Output, Pair, Server, fixtures, wait_until};

const NEW_POST: &str = "INSERT INTO news_post (user_id, title, body) VALUES (1, 'new', 'b')";
const NEW_COMMENT: &str =
    "INSERT INTO news_comment (post_id, name, email, body) VALUES (1, 'new', 'a@example.org', 'b')";

fn nobody_listens() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

fn sum(report: &Value, field: &str) -> u64 {
    ["posts", "comments"].iter().map(|entity| report["done"][entity][field].as_u64().unwrap()).sum()
}

// What is sent.

#[test]
fn fifty_edits_come_to_the_fewest_requests_and_the_second_sync_sends_nothing() {
    let mut pair = Pair::new([]);
    let change = Change::begin(&mut pair.sql);
    pair.edit(FIFTY_EDITS);
    let wanted = change.requests(&mut pair.sql);
    let report = pair.sync([]).ok().json();
    let sent = pair.sent();
    assert_eq!(counted(&sent), wanted, "{sent:#?}");
    assert_eq!(report["requests"], json!(sent.len()));
    assert!(sum(&report, "nothing") >= 3, "what came and went: {report}");
    pair.diff(0);
    assert_eq!(pair.unsynced(), 0);
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_object"), 0);
    pair.sent();

    let again = pair.sync([]).ok().json();
    assert_eq!((&again["requests"], pair.sent()), (&json!(0), vec![]));
}

#[test]
fn what_comes_and_goes_between_two_runs_sends_nothing() {
    let mut pair = Pair::new([]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'a', 'b');
         UPDATE news_post SET title = 'c' WHERE id = 900;
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'a', 'b', 'c');
         DELETE FROM news_post WHERE id = 900",
    );
    let report = pair.sync([]).ok().json();
    assert_eq!((&report["requests"], sum(&report, "nothing")), (&json!(0), 2));
    assert_eq!((pair.sent(), pair.unsynced()), (vec![], 0));

    pair.edit("UPDATE news_comment SET name = 'c' WHERE id = 7; DELETE FROM news_comment WHERE id = 7");
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["DELETE /comments/7 200"]);
}

#[test]
fn a_posts_comments_are_deleted_before_it() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post WHERE id IN (3, 4)");
    pair.sync(["--jobs", "8"]).ok();
    let sent = pair.sent();
    assert_eq!(sent.len(), 12, "{sent:?}");
    let at =
        |line: &str| sent.iter().position(|other| other == line).unwrap_or_else(|| panic!("no {line} in {sent:?}"));
    for (post, comments) in [(3, 11..=15), (4, 16..=20)] {
        for comment in comments {
            assert!(
                at(&format!("DELETE /comments/{comment} 200")) < at(&format!("DELETE /posts/{post} 200")),
                "{sent:?}"
            );
        }
    }
    pair.diff(0);
}

#[test]
fn stages_keep_their_order_with_many_jobs() {
    let mut pair = Pair::new(["--latency", "5ms", "--jitter", "10ms"]);
    pair.edit(FIFTY_EDITS);
    pair.sync(["--jobs", "16"]).ok();
    let sent = pair.sent();
    let first_delete = sent.iter().position(|line| line.starts_with("DELETE")).unwrap();
    let last_change = sent.iter().rposition(|line| line.starts_with('P')).unwrap();
    assert!(last_change < first_delete, "no DELETE before the last create and update: {sent:#?}");
    // No comment is created before its post.
    let bad: Vec<&String> = sent.iter().filter(|line| !line.ends_with("200") && !line.ends_with("201")).collect();
    assert!(bad.is_empty() || bad.iter().all(|line| line.starts_with("DELETE") && line.ends_with("404")), "{bad:?}");
    pair.diff(0);
}

#[test]
fn psql_changes_cascades_and_truncate_are_tracked() {
    let mut pair = Pair::new([]);
    pair.edit(
        "SET session_replication_role = replica;
         UPDATE news_post SET title = 'by a replica' WHERE id = 1;
         RESET session_replication_role;
         DELETE FROM news_post WHERE id = 2;
         TRUNCATE news_comment",
    );
    pair.sync(["--jobs", "8"]).ok();
    let sent = pair.sent();
    assert_eq!(sent.iter().filter(|line| line.starts_with("DELETE /comments/")).count(), 500);
    assert!(sent.contains(&"PUT /posts/1 200".to_owned()) && sent.contains(&"DELETE /posts/2 200".to_owned()));
    pair.diff(0);
}

// The real targets.

fn imported(real: &Server) -> (Db, News) {
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", real.url());
    news.run(["import"]).ok();
    (db, news)
}

#[test]
fn json_server_is_brought_in_step_with_the_fewest_requests() {
    let Some(real) = Node::json_server(&fixtures()) else { return };
    let (db, news) = imported(&real);
    let mut sql = db.client();
    let change = Change::begin(&mut sql);
    for statement in FIFTY_EDITS.split(';').filter(|text| !text.trim().is_empty()) {
        sql.batch_execute(statement).unwrap();
    }
    let wanted = change.requests(&mut sql);
    let report = news.run(["--json", "sync"]).ok().json();
    let methods = |wanted: &BTreeMap<String, usize>| {
        let mut methods = BTreeMap::<String, usize>::new();
        for (request, count) in wanted {
            *methods.entry(request.split(' ').next().unwrap().to_owned()).or_default() += count;
        }
        json!(methods)
    };
    assert_eq!(report["methods"], methods(&wanted));
    assert_eq!(report["warnings"], json!([]));
    news.run(["diff"]).ok();
    assert_eq!(news.run(["--json", "sync", "--verify"]).ok().json()["requests"], json!(0));
}

#[test]
fn jsonplaceholder_ends_well_and_says_that_it_stores_nothing() {
    let Some(real) = Node::jsonplaceholder(None) else { return };
    let (db, news) = imported(&real);
    let mut sql = db.client();
    for statement in FIFTY_EDITS.split(';').filter(|text| !text.trim().is_empty()) {
        sql.batch_execute(statement).unwrap();
    }
    let done = news.run(["--json", "sync"]).ok();
    assert!(done.stderr.contains("not stored"), "{}", done.stderr);
    let warnings = done.json()["warnings"].as_array().unwrap().clone();
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains("not stored")), "{warnings:?}");
    assert_eq!(news.run(["--json", "sync"]).ok().json()["requests"], json!(0));
    // What it says to a PUT of what it never kept: 500. The loop is bounded, and ends.
    sql.batch_execute("UPDATE news_post SET title = 'again' WHERE id = 101").unwrap();
    let again = news.run(["--json", "sync"]).ok();
    assert!(again.json()["requests"].as_u64().unwrap() <= 8, "{}", again.stdout);
    // 2xx is no proof, and --verify says so.
    sql.batch_execute("UPDATE news_post SET title = 'again' WHERE id = 1").unwrap();
    let verified = news.run(["sync", "--verify"]).expect_code(3);
    assert!(verified.stderr.contains("differ"), "{}", verified.stderr);
}

#[test]
fn json_server_that_watches_its_file_is_repaired_by_a_full_sync() {
    let Some(real) = Node::json_server_on_file(&fixtures(), crate::support::Watch::File) else { return };
    let (db, news) = imported(&real);
    db.client().batch_execute("UPDATE news_post SET title = 'changed' WHERE id <= 20").unwrap();
    // Its restarts cost it acknowledged writes, and for moments itself.
    wait_until("it is in step", || {
        news.run(["sync", "--jobs", "1"]);
        news.run(["sync", "--full", "--force", "--jobs", "1"]).code == 0 && news.run(["diff"]).code == 0
    });
}

#[test]
fn a_target_with_ids_of_its_own_is_refused_and_nothing_is_left_there() {
    let mut pair = Pair::new(["--mode", "own-ids"]);
    for (edit, key) in [(NEW_POST, "posts/101"), (NEW_COMMENT, "comments/501")] {
        pair.edit("DELETE FROM news_modelevent");
        let before = pair.fake.http().get("/db").json();
        pair.edit(edit);
        let refused = pair.sync([]).expect_code(4);
        assert!(refused.stderr.contains("own ids") && refused.stderr.contains(key), "{}", refused.stderr);
        assert_eq!(pair.fake.http().get("/db").json(), before);
        assert_eq!(pair.unsynced(), 1);
        assert_eq!(pair.last_run().0, "failed");
        assert!(pair.sent().iter().filter(|line| line.starts_with("POST")).count() == 1);
    }
    // The next one does no better and no worse.
    let before = pair.fake.http().get("/db").json();
    pair.sync([]).expect_code(4);
    assert_eq!(pair.fake.http().get("/db").json(), before);
}

// One object in trouble.

#[test]
fn one_refused_object_is_parked_and_the_rest_is_synced() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5, 6)");
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], sum(&report, "update")), (&json!(1), 2));
    assert_eq!(pair.unsynced(), 1);
    let parked = pair.news.run(["--json", "parked"]).ok().json()["objects"].clone();
    assert_eq!(parked.as_array().unwrap().len(), 1, "{parked}");
    let row = &parked[0];
    assert_eq!(
        (&row["entity"], &row["id"], &row["state"], &row["status"]),
        (&json!("posts"), &json!(5), &json!("parked"), &json!(422))
    );
    assert!(row["reason"].as_str().unwrap().contains("422: "), "the body's start: {row}");
    let text = pair.news.run(["parked"]).ok().stdout;
    assert!(text.contains("posts/5") && text.contains("422"), "{text}");
    let drift = pair.diff(1);
    assert_eq!(
        drift["differences"],
        json!([{"entity": "posts", "id": 5, "kind": "different", "pending": true,
        "fields": [{"field": "title", "local": "x", "target": fixtures()["posts"][4]["title"]}]}])
    );
    pair.sent();

    // Not again by itself…
    assert_eq!(pair.sync([]).expect_code(3).json()["requests"], json!(0));
    assert_eq!(pair.sent(), Vec::<String>::new());
    // …but after an edit, which un-parks it at once.
    pair.fake.set_faults("{}");
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5");
    assert_eq!(pair.news.run(["--json", "status"]).ok().json()["parked"], json!(0));
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/5 200"]);
    assert_eq!(pair.news.run(["--json", "parked"]).ok().json()["objects"], json!([]));
    pair.diff(0);
}

#[test]
fn retry_and_discard() {
    let mut pair = Pair::new(["--status-for", "posts/5=422", "--status-for", "posts/6=400"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (5, 6)");
    pair.sync([]).expect_code(3);
    // What is not parked is said, and nothing is changed then.
    let refused = pair.news.run(["retry", "posts/5", "posts/7"]).expect_code(4);
    assert!(refused.stderr.contains("posts/7") && !refused.stderr.contains("posts/5"), "{}", refused.stderr);
    pair.sent();
    pair.sync([]).expect_code(3);
    assert_eq!(pair.sent(), Vec::<String>::new());
    assert_eq!(pair.news.run(["--json", "retry", "posts/5"]).ok().json()["keys"], json!(["posts/5"]));
    pair.fake.set_faults("{}");
    pair.sync([]).expect_code(3);
    let sent = pair.sent();
    assert!(
        sent.contains(&"PUT /posts/5 200".to_owned()) && !sent.iter().any(|line| line.contains("posts/6")),
        "{sent:?}"
    );
    assert_eq!(pair.news.run(["--json", "retry", "--all"]).ok().json()["keys"], json!(["posts/6"]));
    pair.sync([]).ok();
    pair.diff(0);

    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5; UPDATE news_post SET title = 'z' WHERE id = 5");
    let discarded = pair.news.run(["--json", "discard", "posts/5"]).ok().json();
    assert_eq!((&discarded["keys"], &discarded["events"]), (&json!(["posts/5"]), &json!(2)));
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), Vec::<String>::new());
    let differs = pair.diff(1);
    assert_eq!(differs["differences"][0]["pending"], json!(false), "given up is drift");
    pair.news.run(["discard", "posts/5"]).expect_code(4);
    // Whatever comes next begins with a question: the log no longer tells what is there.
    pair.edit("DELETE FROM news_post WHERE id = 7");
    pair.news
        .run(["discard", "posts/7", "comments/31", "comments/32", "comments/33", "comments/34", "comments/35"])
        .ok();
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (7, 1, 'again', '')");
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["GET /posts/7 200", "PUT /posts/7 200"]);
    pair.news.run(["discard", "post/5"]).expect_code(2);
    pair.news.run(["retry"]).expect_code(2);
}

#[test]
fn what_depends_on_a_refused_object_is_held() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (901, 1, 'n', 'e', 'b')",
    );
    for run in 1..=2 {
        let report = pair.sync([]).expect_code(3).json();
        assert_eq!((&report["parked"], &report["held"]), (&json!(1), &json!(1)), "run {run}");
        let sent = pair.sent();
        assert_eq!(sent.is_empty(), run == 2, "{sent:?}");
    }
    let states: Vec<Value> = pair.news.run(["--json", "parked"]).ok().json()["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["state"].clone())
        .collect();
    assert_eq!(states, [json!("parked"), json!("held")]);
    // Once the post goes, so does what was held.
    pair.edit("UPDATE news_post SET title = 'take me' WHERE id = 900");
    pair.sync([]).ok();
    pair.diff(0);
    let counts = pair.fake.counts();
    assert_eq!((&counts["posts"]["900"]["creates"], &counts["comments"]["900"]["creates"]), (&json!(1), &json!(1)));
}

#[test]
fn a_comment_that_moved_to_a_new_post_waits_for_that_one() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 1, 'n', 'e', 'b');
         INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         UPDATE news_comment SET post_id = 900 WHERE id = 900",
    );
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["held"]), (&json!(1), &json!(1)), "{report}");
    assert!(!pair.sent().iter().any(|line| line.contains("comments")));
}

#[test]
fn a_posts_delete_is_held_while_a_comments_failed() {
    let mut pair = Pair::new(["--status-for", "comments/11=422"]);
    pair.edit("DELETE FROM news_post WHERE id = 3");
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["held"], sum(&report, "delete")), (&json!(1), &json!(1), 4));
    assert!(!pair.sent().iter().any(|line| line.contains("/posts/3")));
    pair.fake.set_faults("{}");
    pair.news.run(["retry", "--all"]).ok();
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn a_missing_object_is_made_again() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("DELETE", "/posts/9", "");
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 9; UPDATE news_comment SET name = 'x' WHERE id = 41");
    pair.sent();
    pair.sync(["--jobs", "1"]).ok();
    let sent = pair.sent();
    // 404 is believed once GET /posts has listed something.
    assert_eq!(sent[..2], ["PUT /posts/9 404", "GET /posts 200"]);
    let wanted =
        ["POST /posts 201", "GET /posts/9 200", "PUT /comments/41 404", "POST /comments 201", "GET /comments/41 200"];
    assert!(wanted.iter().all(|line| sent.iter().any(|other| other == line)), "{sent:?}");
    assert_eq!(sent.len(), 7, "{sent:?}");
    // Comments that went with the post are drift: nobody edited them.
    assert_eq!(pair.diff(1)["summary"]["comments"]["missing"], json!(4));
}

// The target as a whole in trouble.

#[test]
fn credentials_are_7_and_park_nothing() {
    let fake = News::bare().env("NEWS_FAKE_TOKEN", "secret");
    let fake = Fake::start_by(fake, [""; 0]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["import"]).ok();
    let unsynced = || {
        db.client()
            .query_one("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL", &[])
            .unwrap()
            .get::<_, i64>(0)
    };
    for (edits, faults) in [
        ("UPDATE news_post SET title = 'a' WHERE id <= 50", r#"{"require_token": true}"#),
        ("UPDATE news_post SET title = 'b' WHERE id <= 50", r#"{"forbid": "all"}"#),
        ("UPDATE news_post SET title = 'c' WHERE id <= 50", r#"{"forbid": "writes"}"#),
        ("DELETE FROM news_modelevent; UPDATE news_post SET title = 'd' WHERE id = 1", r#"{"forbid": "all"}"#),
        ("DELETE FROM news_modelevent; DELETE FROM news_comment WHERE id = 1", r#"{"forbid": "writes"}"#),
    ] {
        fake.set_faults(faults);
        db.client().batch_execute(edits).unwrap();
        let pending = unsynced();
        let refused = news.run(["sync"]).expect_code(7);
        assert!(refused.stderr.contains("credentials"), "{}", refused.stderr);
        assert_eq!(unsynced(), pending, "{faults}");
        let left = news.run(["--json", "parked"]).ok().json();
        assert!(left["objects"].as_array().unwrap().iter().all(|o| o["state"] != "parked"), "{left}");
    }
    fake.set_faults(r#"{"require_token": true}"#);
    db.client().batch_execute("UPDATE news_post SET title = 'e'").unwrap();
    let news = news.env("NEWS_TARGET_TOKEN", "secret");
    news.run(["sync"]).ok();
    news.run(["diff"]).ok();
}

#[test]
fn one_forbidden_object_among_others_is_parked() {
    let mut pair = Pair::new(["--status-for", "posts/1=403"]);
    pair.edit("UPDATE news_post SET title = 'a' WHERE id <= 3");
    assert_eq!(pair.sync(["--jobs", "1"]).expect_code(3).json()["parked"], json!(1));
    assert_eq!(pair.unsynced(), 1);
}

#[test]
fn an_unreachable_target_is_5_with_changes_and_no_matter_without() {
    let mut pair = Pair::new([]);
    let url = nobody_listens();
    let away = |pair: &Pair| pair.news.run(["--json", "sync", "--target-url", &url]);
    assert_eq!(away(&pair).ok().json()["requests"], json!(0));
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let failed = away(&pair).expect_code(5);
    assert!(failed.stderr.contains("unavailable"), "{}", failed.stderr);
    assert_eq!(pair.unsynced(), 1);
    // A target that never answered is not the one to follow: the next run without a name goes where the data came from.
    let status = News::on(&pair.db).run(["--json", "status"]).ok().json();
    assert_eq!(status["target"], json!(pair.fake.url()));
    News::on(&pair.db).run(["sync"]).ok();
    pair.diff(0);
}

#[test]
fn a_wrong_base_url_is_5_and_no_delete_counts_as_done() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post WHERE id = 1");
    for path in ["/api", "/posts"] {
        let url = format!("{}{path}", pair.fake.url());
        let failed = pair.news.run(["sync", "--target-url", &url]).expect_code(5);
        assert!(failed.stderr.contains("does not look like our API"), "{}", failed.stderr);
        assert_eq!(pair.unsynced(), 6);
    }
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn twenty_refusals_in_a_row_stop_the_run() {
    let mut pair = Pair::new(["--reject-text", "x"]);
    pair.edit("UPDATE news_post SET title = 'x'");
    let stopped = pair.sync(["--jobs", "1"]).expect_code(3);
    assert!(stopped.stderr.contains("20 objects in a row"), "{}", stopped.stderr);
    assert_eq!(pair.sent().len(), 20);
    assert_eq!(stopped.json()["parked"], json!(20));
}

#[test]
fn trouble_of_every_sort_ends_equal_and_nothing_is_created_twice() {
    // A target that stores a second record under an id that is there: nothing hides a mistake.
    let mut pair = Pair::new(["--mode", "duplicates", "--seed", "11"]);
    let faults = r#"{"fail_before": 0.05, "fail_after": 0.07, "cut_before": 0.03, "cut_after": 0.07, "throttle": 400,
        "late_writes_ms": 1200, "latency_ms": 1, "jitter_ms": 5}"#;
    pair.fake.set_faults(faults);
    pair.edit(FIFTY_EDITS);
    pair.edit("INSERT INTO news_post (user_id, title, body) SELECT 1, 'many', '' FROM generate_series(1, 60)");
    pair.edit("INSERT INTO news_comment (post_id, name, email, body) SELECT id, 'many', '', '' FROM news_post WHERE title = 'many'");
    let mut codes = Vec::new();
    wait_until("a sync is done", || {
        let code = pair.sync(["--jobs", "16"]).code;
        codes.push(code);
        assert!(matches!(code, 0 | 3 | 5) && codes.len() < 30, "{codes:?}");
        code == 0
    });
    pair.fake.set_faults("{}");
    wait_until("no write is on its way", || pair.fake.counts()["late"] == 0);
    pair.diff(0);
    assert_eq!(pair.unsynced(), 0);
    nothing_twice(&pair.fake);
}

/// No id was created twice, and none was tried to be.
#[track_caller]
pub fn nothing_twice(fake: &Fake) {
    let counts = fake.counts();
    for entity in ["posts", "comments"] {
        for (id, tally) in counts[entity].as_object().unwrap() {
            let (creates, refused) = (tally["creates"].as_u64().unwrap_or(0), tally["refused"].as_u64().unwrap_or(0));
            assert!(creates <= 1 && refused == 0, "{entity}/{id}: {tally}");
        }
    }
}

#[test]
fn retry_after_is_kept_in_both_its_forms() {
    for form in ["seconds", "date"] {
        let mut pair = Pair::new(["--retry-after", form, "--throttle", "5"]);
        pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 8");
        let report = pair.sync(["--jobs", "4"]).ok().json();
        let sent = pair.sent();
        let throttled = sent.iter().filter(|line| line.ends_with("429")).count();
        assert!((1..=40).contains(&throttled), "{form}: {throttled}");
        assert!(report["throttled_s"].as_f64().unwrap() > 0.0);
        assert_eq!(report["retries"], json!(0), "a 429 costs no attempt");
        pair.fake.set_faults("{}");
        pair.diff(0);
    }
}

// Limits.

#[test]
fn too_many_deletes_are_refused_before_anything_is_sent() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post WHERE id = 1; UPDATE news_post SET title = 'x' WHERE id = 2");
    for flags in [["--max-deletes", "5"], ["--max-deletes=5", "--dry-run"]] {
        let refused = pair.sync(flags).expect_code(4);
        assert!(refused.stderr.contains("6 objects") && refused.stderr.contains('5'), "{}", refused.stderr);
    }
    assert_eq!((pair.sent(), pair.unsynced()), (vec![], 7));
    pair.sync(["--max-deletes", "6"]).ok();
    pair.diff(0);
    pair.edit("DELETE FROM news_post WHERE id = 2");
    pair.sync(["--max-deletes", "0", "--force"]).ok();
    pair.diff(0);
}

#[test]
fn a_dry_run_tells_the_plan_and_its_checksum_binds() {
    let mut pair = Pair::new([]);
    assert_eq!(pair.sync(["--dry-run"]).ok().json()["actions"], json!([]));
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 2; DELETE FROM news_comment WHERE id = 1");
    pair.edit(NEW_POST);
    pair.sent();
    let plan = pair.sync(["--dry-run"]).expect_code(1).json();
    assert_eq!(
        plan["actions"],
        json!([
            {"entity": "posts", "id": 101, "action": "create"},
            {"entity": "posts", "id": 2, "action": "update"},
            {"entity": "comments", "id": 1, "action": "delete"},
        ])
    );
    let checksum = plan["checksum"].as_str().unwrap().to_owned();
    assert!(pair.news.run(["sync", "--dry-run"]).expect_code(1).stdout.contains(&checksum));
    assert_eq!((pair.sent(), pair.unsynced()), (vec![], 3));

    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 3");
    let other = pair.sync(["--checksum", &checksum]).expect_code(4);
    assert!(other.stderr.contains(&checksum), "{}", other.stderr);
    assert_eq!(pair.sent(), Vec::<String>::new());
    pair.edit("DELETE FROM news_modelevent WHERE entity_pk = 3");
    pair.sync(["--checksum", &checksum]).ok();
    assert_eq!(pair.unsynced(), 0);
}

#[test]
fn the_rate_is_kept() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 30");
    let start = Instant::now();
    pair.sync(["--rate", "30", "--jobs", "8"]).ok();
    // 29 gaps of 33 ms.
    assert!(start.elapsed() >= Duration::from_millis(950), "{:?}", start.elapsed());
    pair.diff(0);
}

#[test]
fn naming_another_target_is_a_loud_warning() {
    let mut pair = Pair::new([]);
    let other = Fake::start([""; 0]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let warned = pair.news.run(["sync", "--target-url", other.url()]).ok();
    assert!(warned.stderr.contains(pair.fake.url()) && warned.stderr.contains(other.url()), "{}", warned.stderr);
    // It is the one to follow from now on.
    let status = News::on(&pair.db).run(["--json", "status"]).ok().json();
    assert_eq!(status["target"], json!(other.url()));
}

#[test]
fn without_a_target_there_is_nothing_to_follow() {
    let db = Db::new();
    let refused = News::on(&db).run(["sync"]).expect_code(2);
    assert!(refused.stderr.contains("--target-url"), "{}", refused.stderr);
}

// Stops, locks and lost sessions.

/// Waits until the run has got somewhere.
fn underway(pair: &Pair, flags: &[&str]) -> crate::support::Running {
    let run = pair.news.spawn(["--json", "sync"].iter().chain(flags));
    pair.wait_for_requests(5);
    run
}

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let mut pair = Pair::new(["--latency", "200ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 40");
    for flags in [&["--jobs", "2"][..], &["--full", "--force", "--jobs", "2"]] {
        let first = underway(&pair, flags);
        let host = std::process::Command::new("uname").arg("-n").output().unwrap();
        let host = String::from_utf8(host.stdout).unwrap();
        for command in [&["sync"][..], &["sync", "--full"], &["import"], &["discard", "posts/1"]] {
            let start = Instant::now();
            let locked = pair.news.run(command).expect_code(11);
            let named = [format!("pid {} ", first.pid()), host.trim().to_owned()];
            assert!(named.iter().all(|name| locked.stderr.contains(name.as_str())), "{command:?}: {}", locked.stderr);
            assert!(start.elapsed() < Duration::from_secs(5), "at once");
        }
        let status = pair.news.run(["--json", "status"]).ok().json();
        assert!(status["lock"].as_str().unwrap().contains(&first.pid().to_string()), "{status}");
        assert_eq!(status["last_run"]["status"], json!("running"));
        // Who only looks is not in the way.
        pair.news.run(["runs"]).ok();
        pair.news.run(["parked"]).ok();
        pair.news.run(["sync", "--dry-run"]);
        drop(first);
        pair.edit("UPDATE news_post SET title = 'y' WHERE id <= 40");
        wait_until("the lock is free", || pair.news.run(["--json", "status"]).ok().json()["lock"].is_null());
        pair.sent();
    }
}

#[test]
fn a_signal_stops_cleanly_and_what_was_answered_is_recorded() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut pair = Pair::new(["--latency", "50ms"]);
        pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
        let run = underway(&pair, &["--jobs", "3"]);
        run.signal(signal);
        let ended = run.wait().expect_code(code);
        let answered = pair.sent().len();
        assert!(answered < 60);
        assert_eq!(pair.unsynced(), 60 - i64::try_from(answered).unwrap());
        assert_eq!(sum(&ended.json(), "update"), answered as u64);
        let (status, exit_code, _) = pair.last_run();
        assert_eq!((status.as_str(), exit_code), ("stopped", i64::from(code)));
        // The next one sends the others, and at once: nothing is unknown.
        pair.sync(["--jobs", "8"]).ok();
        let sent = pair.sent();
        assert_eq!(sent.len(), 60 - answered, "{sent:?}");
        assert!(sent.iter().all(|line| line.starts_with("PUT")));
        pair.diff(0);
    }
}

const TAKE_LOCK: &str = "SELECT pg_advisory_lock(1852143475, 0); UPDATE news_sync_state SET epoch = epoch + 1";
const QUEUED: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const KILL_RUN: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'news sync%'";

#[test]
fn a_run_survives_the_loss_of_its_session() {
    let mut pair = Pair::new(["--latency", "50ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
    let run = underway(&pair, &["--jobs", "3"]);
    assert_eq!(pair.number(KILL_RUN), 1);
    pair.wait_for_requests(20);
    wait_until("it has a session again", || pair.number(KILL_RUN) == 1);
    let ended = run.wait().ok();
    assert!(ended.stderr.contains("lost"), "{}", ended.stderr);
    let sent = pair.sent();
    assert_eq!(sent.len(), 60, "each once: {sent:?}");
    assert_eq!(pair.unsynced(), 0);
    assert_eq!(pair.last_run().0, "done");
    pair.diff(0);
}

#[test]
fn a_run_whose_lock_went_to_another_sends_and_records_nothing_more() {
    let mut pair = Pair::new(["--latency", "300ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 24");
    let run = underway(&pair, &["--jobs", "2"]);
    // Another one waits for the lock, and gets it the moment that it is free.
    let mut other = pair.db.client();
    let waiting = std::thread::spawn(move || {
        other.batch_execute(TAKE_LOCK).unwrap();
        other
    });
    wait_until("the other one waits", || pair.number(QUEUED) == 1);
    assert_eq!(pair.number(KILL_RUN), 1);
    let other = waiting.join().unwrap();
    let (recorded, arrived) = (pair.unsynced(), pair.arrived());
    let ended = run.wait().expect_code(11);
    drop(other);
    assert!(ended.stderr.contains("another run"), "{}", ended.stderr);
    assert_eq!(pair.unsynced(), recorded, "nothing is recorded by a run without the lock");
    let late = pair.arrived() - arrived;
    assert!(late <= 4, "{late} requests were sent after the lock was lost");
    // The next run finds out what came of it.
    pair.sync(["--jobs", "8"]).ok();
    pair.diff(0);
    let lost = pair.news.run(["--json", "runs"]).ok().json();
    assert_eq!(lost["runs"][1]["status"], json!("lost"));
}

#[test]
fn a_run_without_its_lock_sends_nothing_to_a_target_that_says_nothing() {
    // Nothing is answered for long: there is nothing to record, by which the loss would show.
    let mut pair = Pair::new(["--latency", "1800ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
    let run = pair.news.spawn(["sync", "--jobs", "2"]);
    pair.wait_for_requests(2);
    let mut other = pair.db.client();
    let waiting = std::thread::spawn(move || {
        other.batch_execute(TAKE_LOCK).unwrap();
        other
    });
    wait_until("the other one waits", || pair.number(QUEUED) == 1);
    assert_eq!(pair.number(KILL_RUN), 1);
    let other = waiting.join().unwrap();
    run.wait().expect_code(11);
    drop(other);
    assert_eq!((pair.arrived(), pair.unsynced()), (2, 60));
}

#[test]
fn one_that_was_killed_is_in_nobodys_way() {
    let mut pair = Pair::new(["--latency", "20ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
    let run = underway(&pair, &["--jobs", "2"]);
    run.signal(Signal::KILL);
    run.wait().expect_code(137);
    // At once, not when the server has noticed; and so the one after.
    pair.sync(["--jobs", "8"]).ok();
    pair.sync([]).ok();
    pair.diff(0);
    let runs = pair.news.run(["--json", "runs", "--limit", "3"]).ok().json();
    let statuses: Vec<&str> =
        runs["runs"].as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["done", "done", "lost"]);
}

#[test]
fn a_cut_network_to_the_database_is_survived() {
    let mut pair = Pair::new(["--latency", "40ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
    let network = Network::to(&pair.db);
    let news = News::with_url(network.url()).env("NEWS_TARGET_URL", pair.fake.url());
    let run = news.spawn(["sync", "--jobs", "2"]);
    pair.wait_for_requests(10);
    // The server does not learn of it: the old session has the lock still, and it is ours.
    network.cut();
    run.wait().ok();
    assert_eq!((pair.sent().len(), pair.unsynced()), (60, 0));
    assert_eq!(pair.last_run().0, "done");
    pair.diff(0);
}

#[test]
fn edits_during_a_run_are_the_next_ones() {
    let mut pair = Pair::new(["--latency", "30ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60");
    let run = underway(&pair, &["--jobs", "2"]);
    pair.edit(
        "UPDATE news_post SET title = 'y' WHERE id <= 60;
         DELETE FROM news_post WHERE id BETWEEN 50 AND 60;
         INSERT INTO news_post (id, user_id, title, body) VALUES (55, 1, 'back', '')",
    );
    run.wait().ok();
    assert!(pair.unsynced() > 0);
    pair.diff(1);
    pair.news.run(["diff", "--ignore-pending"]).ok();
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn an_empty_plan_is_a_run_too() {
    let pair = Pair::new([]);
    let Output { stdout, .. } = pair.news.run(["sync"]).ok();
    assert!(stdout.contains("0 requests"), "{stdout}");
    assert_eq!(pair.last_run(), ("done".to_owned(), 0, String::new()));
}
