//! Comments that are moved to another post while their old post is deleted. The Fake API deletes comments with their post, as
//! many targets do.

use serde_json::{Value, json};

use crate::support::Pair;

/// Comments 1 and 2 are moved away from posts/1, which is deleted with its other comments.
const MOVE: &str = "UPDATE news_comment SET post_id = 2 WHERE id = 1; UPDATE news_comment SET post_id = 3 WHERE id = 2;
    DELETE FROM news_post WHERE id = 1";

fn show(pair: &Pair, key: &str) -> Value {
    pair.news.run(["--json", "show", key]).ok().json()
}

#[test]
fn a_comment_is_moved_before_its_old_post_is_deleted() {
    let mut pair = Pair::new([]);
    pair.edit(MOVE);
    pair.sync(["--jobs", "8"]).ok();
    let sent = pair.sent();
    let at = |line: &str| sent.iter().position(|sent| sent == line).unwrap_or_else(|| panic!("{line}: {sent:?}"));
    let delete = at("DELETE /posts/1 200");
    assert!(at("PUT /comments/1 200") < delete && at("PUT /comments/2 200") < delete, "{sent:?}");
    assert!(sent.iter().all(|line| !line.starts_with("POST")), "one request moves a comment: {sent:?}");
    pair.diff(0);
}

#[test]
fn a_post_is_not_deleted_while_a_comment_is_not_moved_away() {
    let mut pair = Pair::new(["--status-for", "comments/2=422"]);
    pair.news.run(["hold", "comments/1"]).ok();
    pair.edit(MOVE);
    // It is known before the run; that one is refused shows in it.
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!((&status["held"], &status["on_hold"]), (&json!(1), &json!(1)), "{status}");
    let dry = pair.sync(["--dry-run"]).expect_code(1).json();
    assert_eq!((&dry["held"], &dry["plan"]["posts"]["delete"]), (&json!(1), &json!(0)), "{dry}");
    pair.sync([]).expect_code(3);
    pair.news.run(["release", "comments/1"]).ok();
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!(
        (&report["held"], pair.sent().iter().any(|line| line.contains("/posts/1 "))),
        (&json!(1), false),
        "{report}"
    );
    let post = show(&pair, "posts/1");
    assert_eq!((&post["state"], &post["waits_for"]), (&json!("held"), &json!(["comments/2"])), "{post}");
    let comment = show(&pair, "comments/2");
    assert_eq!((&comment["state"], &comment["holds_back"]), (&json!("parked"), &json!(["posts/1"])), "{comment}");
    let parked = pair.news.run(["parked"]).ok().stdout;
    assert!(parked.contains("waits for comments/2"), "{parked}");

    // A full sync knows it from the listing.
    let full = pair.sync(["--full"]).expect_code(3).json();
    assert_eq!(&full["held"], &json!(1), "{full}");
    assert!(pair.sent().iter().all(|line| !line.starts_with("DELETE")));

    pair.fake.set_faults("{}");
    pair.news.run(["retry", "comments/2"]).ok();
    pair.sync([]).ok();
    assert_eq!(pair.sent().last().map(String::as_str), Some("DELETE /posts/1 200"));
    pair.diff(0);
}

#[test]
fn a_comment_whose_move_was_dropped_is_created_again_once_its_old_post_is_deleted() {
    let mut pair = Pair::new(["--status-for", "comments/1=422"]);
    pair.edit("UPDATE news_comment SET post_id = 2 WHERE id = 1");
    pair.sync([]).expect_code(3);
    pair.news.run(["discard", "comments/1"]).ok();
    pair.sync([]).ok();
    pair.edit("DELETE FROM news_post WHERE id = 1");
    pair.fake.set_faults("{}");
    pair.sent();
    // The operator's decision blocks nothing; that the target has deleted the comment is remembered.
    pair.sync([]).ok();
    assert!(pair.sent().contains(&"DELETE /posts/1 200".to_owned()));
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!(status["pending"], json!(1), "{status}");
    let comment = show(&pair, "comments/1");
    assert_eq!((&comment["state"], &comment["next"]), (&json!("pending"), &json!("ask")), "{comment}");
    assert!(comment["sentence"].as_str().unwrap().contains("pending: posts/1 was deleted"), "{comment}");
    pair.sync([]).ok();
    assert!(pair.sent().contains(&"POST /comments 201".to_owned()));
    pair.diff(0);
}

#[test]
fn a_full_sync_that_could_not_move_a_comment_leaves_its_old_post_to_the_next_run() {
    let mut pair = Pair::new(["--status-for", "comments/1=422"]);
    // Nothing tells of the move but the listing.
    pair.edit(&format!("{MOVE}; UPDATE news_modelevent SET synced_at = now()"));
    pair.sync(["--full"]).expect_code(3);
    assert!(!pair.sent().contains(&"DELETE /posts/1 200".to_owned()));
    pair.sync([]).expect_code(3);
    assert!(!pair.sent().contains(&"DELETE /posts/1 200".to_owned()));
    pair.fake.set_faults("{}");
    pair.news.run(["retry", "comments/1"]).ok();
    pair.sync([]).ok();
    assert!(pair.sent().contains(&"DELETE /posts/1 200".to_owned()));
    pair.diff(0);
}

#[test]
fn a_post_waits_for_a_comment_that_another_shard_moves() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_comment SET post_id = 2 WHERE id = 1; DELETE FROM news_post WHERE id = 1");
    pair.sync(["--shard", "1/2"]).expect_code(3);
    assert!(!pair.sent().contains(&"DELETE /posts/1 200".to_owned()));
    pair.sync(["--shard", "2/2"]).ok();
    assert_eq!(pair.sent(), ["PUT /comments/1 200"]);
    pair.sync(["--shard", "1/2"]).ok();
    assert_eq!(pair.sent().last().map(String::as_str), Some("DELETE /posts/1 200"));
    pair.diff(0);
}
