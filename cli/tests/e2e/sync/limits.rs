//! Limits, plans and rates.

use std::time::{Duration, Instant};

use serde_json::json;

use super::NEW_POST;
use crate::support::{Db, Fake, News, Pair};

#[test]
fn too_many_deletes_are_refused_before_anything_is_sent() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post WHERE id = 1; UPDATE news_post SET title = 'x' WHERE id = 2");
    for flags in [["--max-deletes", "5"], ["--max-deletes=5", "--dry-run"]] {
        let refused = pair.sync(flags).expect_code(4);
        assert!(refused.stderr.contains("6 objects") && refused.stderr.contains('5'), "{}", refused.stderr);
    }
    // What is refused can be looked at.
    let plan = pair.sync(["--max-deletes=5", "--dry-run", "--limit=2"]).expect_code(4).json();
    assert_eq!((plan["actions"].as_array().unwrap().len(), &plan["more"]), (4, &json!(3)), "{plan}");
    let text = pair.news.run(["sync", "--max-deletes=5", "--dry-run", "--limit=0"]).expect_code(4).stdout;
    assert!(text.contains("and 7 more (--limit)\nchecksum "), "{text}");
    assert_eq!((pair.sent(), pair.unsynced()), (vec![], 7));
    pair.sync(["--max-deletes", "6"]).ok();
    pair.diff(0);
    pair.edit("DELETE FROM news_post WHERE id = 2");
    pair.sync(["--max-deletes", "0", "--force"]).ok();
    pair.diff(0);
}

#[test]
fn a_delete_without_a_condition_is_refused_by_a_plain_sync_too() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post");
    for flags in [&["sync"][..], &["sync", "--dry-run"], &["sync", "--shard", "1/4"]] {
        let refused = pair.news.run(flags).expect_code(4);
        assert!(refused.stderr.contains("would be deleted (100 of 100), more than 30 %"), "{}", refused.stderr);
    }
    assert_eq!((pair.sent(), pair.unsynced()), (vec![], 600));
    // What waits in shards that are not at work counts; what is meant is allowed by its number.
    pair.sync(["--max-deletes", "599"]).expect_code(4);
    assert_eq!(pair.sync(["--max-deletes", "600"]).ok().json()["done"]["comments"]["delete"], json!(500));
    assert_eq!(pair.unsynced(), 0);

    let mut pair = Pair::new([]);
    // Few are no disaster, and neither is a small share of many.
    pair.edit("DELETE FROM news_comment WHERE id <= 150");
    pair.sync([]).ok();
    pair.edit("DELETE FROM news_comment WHERE id <= 300");
    pair.sync([]).expect_code(4);
    pair.sync(["--force"]).ok();
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
