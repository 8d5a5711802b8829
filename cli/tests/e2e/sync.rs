//! `news sync`: what is sent, what is not, and what becomes of trouble.

mod limits;
mod pages;
mod parked;
mod refusals;
mod stops;
mod trouble;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::pair::{Change, FIFTY_EDITS, counted};
use crate::support::{Db, News, Node, Pair, Server, fixtures, wait_until};

const NEW_POST: &str = "INSERT INTO news_post (user_id, title, body) VALUES (1, 'new', 'b')";
const NEW_COMMENT: &str =
    "INSERT INTO news_comment (post_id, name, email, body) VALUES (1, 'new', 'a@example.org', 'b')";

/// Adds up both entities' numbers of what was done.
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
    // A GET asks before the first write.
    let is_fine = |line: &&&String| line.ends_with("404") && (line.starts_with("DELETE") || line.starts_with("GET"));
    assert!(bad.iter().all(|line| is_fine(&line)), "{bad:?}");
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
    // Nobody empties a table by mistake unnoticed.
    pair.sync(["--jobs", "8"]).expect_code(4);
    assert_eq!(pair.sent(), [""; 0]);
    pair.sync(["--jobs", "8", "--force"]).ok();
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
    let verified = news.run(["--json", "sync", "--verify"]).ok().json();
    assert_eq!((&verified["requests"], &verified["drift"]), (&json!(0), &json!(0)));
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
        pair.edit("DELETE FROM news_modelevent; DELETE FROM news_sync_object");
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

#[test]
fn what_takes_effect_a_moment_after_it_was_acknowledged_is_no_drift() {
    let mut pair = Pair::new(["--late-acks", "1s"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 3");
    assert_eq!(pair.sync(["--verify"]).ok().json()["drift"], json!(0));
    pair.edit("UPDATE news_post SET title = 'y' WHERE id <= 3");
    pair.sync([]).ok();
    pair.diff(0);
}
