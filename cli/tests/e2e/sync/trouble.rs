//! The target as a whole in trouble.

use std::net::TcpListener;

use serde_json::json;

use crate::support::pair::{FIFTY_EDITS, nothing_twice};
use crate::support::told::{Scene, Threads, answer};
use crate::support::{Db, Fake, News, Pair, wait_until};

fn nobody_listens() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

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
fn an_object_that_is_put_off_is_not_deleted_once_its_row_is_back() {
    let mut scene = Scene::new(Threads::Many);
    scene.edit("DELETE FROM news_comment WHERE id = 7");
    let mut client = scene.db.client();
    scene.told.tell(move |asked| {
        (asked.line == "DELETE /comments/7").then(|| {
            client
                .batch_execute(
                    "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (7, 2, 'back', 'e@x.org', 'b')
                     ON CONFLICT DO NOTHING",
                )
                .unwrap();
            answer(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 0\r\n", "{}")
        })
    });
    let report = scene.news().run(["--json", "sync"]).ok().json();
    assert_eq!((scene.told.lines(), &report["overtaken"]), (vec!["DELETE /comments/7".to_owned()], &json!(1)));
    scene.news().run(["sync"]).ok();
    assert_eq!(scene.told.lines(), ["PUT /comments/7"]);
    scene.news().run(["diff"]).ok();
}

#[test]
fn one_forbidden_object_among_others_is_parked() {
    let mut pair = Pair::new(["--status-for", "posts/1=403"]);
    pair.edit("UPDATE news_post SET title = 'a' WHERE id <= 3");
    assert_eq!(pair.sync(["--jobs", "1"]).expect_code(3).json()["parked"], json!(1));
    assert_eq!(pair.unsynced(), 1);
}

#[test]
fn a_page_is_no_answer_to_a_write() {
    let mut pair = Pair::new([]);
    pair.fake.set_faults(r#"{"html": true}"#);
    for edit in ["UPDATE news_post SET title = 'a' WHERE id = 1", "DELETE FROM news_comment WHERE id = 1"] {
        pair.edit(edit);
        let pending = pair.unsynced();
        let lost = pair.sync([]).expect_code(4);
        assert!(lost.stderr.contains("does not look like our API"), "{}", lost.stderr);
        assert_eq!(pair.unsynced(), pending, "{edit}");
    }
    pair.fake.set_faults("{}");
    pair.sync([]).ok();
    pair.diff(0);
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
fn twenty_refusals_in_a_row_are_the_targets_and_park_nobody() {
    let mut pair = Pair::new(["--reject-text", "x"]);
    pair.edit("UPDATE news_post SET title = 'x'");
    let stopped = pair.sync(["--jobs", "1"]).expect_code(5);
    assert!(stopped.stderr.contains("20 objects in a row"), "{}", stopped.stderr);
    assert_eq!(pair.sent().len(), 20);
    assert_eq!(stopped.json()["parked"], json!(0));
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

#[test]
fn what_is_acknowledged_first_and_done_later_is_not_doubled() {
    let mut pair = Pair::new(["--mode", "duplicates", "--late-acks", "1500ms"]);
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (201, 1, 'kept', ''), (202, 1, 'gone', '')");
    pair.sync(["--jobs", "4"]).ok();
    // The creates are acknowledged, and on their way: a 404 tells nothing yet.
    pair.sent();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 201; DELETE FROM news_post WHERE id = 202");
    pair.sync(["--jobs", "4"]).ok();
    wait_until("no write is on its way", || pair.fake.counts()["late"] == 0);
    pair.diff(0);
    let sent = pair.sent();
    assert!(!sent.iter().any(|line| line.starts_with("POST")), "{sent:?}");
}
