//! What comes in between the looks of a full sync, and how its failures are told.

use super::full;
use crate::support::{Pair, wait_until};

#[test]
fn a_row_that_is_there_again_between_its_looks_is_asked_for() {
    for title in [None, Some("another")] {
        let mut pair = Pair::new(["--mode", "duplicates", "--latency", "300ms"]);
        let old = pair.fake.http().get("/posts/100").json();
        pair.edit("DELETE FROM news_post WHERE id = 100");
        pair.sent();
        let running = pair.news.spawn(["sync", "--full"]);
        // Posts, comments, and posts once more.
        pair.wait_for_requests(3);
        let title = title.map_or_else(|| old["title"].as_str().unwrap().to_owned(), str::to_owned);
        let insert = "INSERT INTO news_post (id, user_id, title, body) VALUES (100, $1, $2, $3)";
        let (user, body) = (old["userId"].as_i64().unwrap(), old["body"].as_str().unwrap());
        pair.sql.execute(insert, &[&user, &title, &body]).unwrap();
        running.wait().ok();
        pair.fake.set_faults("{}");
        // Its CREATED does not mean that it is not there.
        pair.sync([]).ok();
        pair.diff(0);
        let tally = pair.fake.counts()["posts"]["100"].take();
        assert_eq!(tally["creates"].as_u64().unwrap_or(0), 0, "it was there all along: {tally}");
    }
}

/// The first look finds an extra, the second finds a row that is equal to it.
#[test]
fn a_row_that_is_made_equal_between_its_looks_is_asked_for() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "300ms"]);
    pair.fake.http().send("POST", "/posts", r#"{"id": 101, "userId": 1, "title": "t", "body": "b"}"#);
    pair.sent();
    let running = pair.news.spawn(["sync", "--full"]);
    pair.wait_for_requests(3);
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (101, 1, 't', 'b')");
    running.wait().ok();
    pair.fake.set_faults("{}");
    pair.sync([]).ok();
    pair.diff(0);
    assert_eq!(pair.fake.counts()["posts"]["101"]["creates"], 1);
}

#[test]
fn a_comparison_that_fails_is_in_the_history_and_the_metrics() {
    let pair = Pair::new([]);
    full(&pair, []).ok();
    pair.fake.set_faults(r#"{"cut_listing": "text"}"#);
    full(&pair, ["--metrics-file", "news.prom"]).expect_code(5);
    let (status, code, why) = pair.last_run();
    assert_eq!((status.as_str(), code), ("failed", 5), "{why}");
    assert!(why.contains("not whole"), "{why}");
    let metrics = std::fs::read_to_string(pair.news.home().join("news.prom")).unwrap();
    assert!(metrics.contains("\nnews_run_exit_code{kind=\"full\"} 5\n"), "{metrics}");
    // A look alone is none.
    full(&pair, ["--dry-run"]).expect_code(5);
    let runs = pair.news.run(["--json", "runs"]).ok().json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3, "the import and two: {runs}");
}

#[test]
fn it_looks_twice_and_no_more_often() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("DELETE", "/comments/1", "");
    // A run that was killed is no reason to look again either.
    pair.edit(
        "INSERT INTO news_sync_run (kind, host, pid, version, target_url, epoch) VALUES ('sync', 'h', 1, 'v', 'u', 1)",
    );
    pair.sent();
    pair.diff(1);
    assert_eq!(pair.sent().len(), 3, "posts, comments, and comments again");
    full(&pair, []).ok();
    let listings: Vec<String> =
        pair.sent().into_iter().filter(|line| line == "GET /posts 200" || line == "GET /comments 200").collect();
    // The last one is the session's: is a 404 to be believed?
    assert!(listings.len() <= 4, "{listings:?}");
}

/// Makes an edit once a full sync has sent its first request with this method: the sync after it makes both sides equal.
#[track_caller]
fn overtake(pair: &mut Pair, method: &str, edit: &str) {
    pair.sent();
    let running = pair.news.spawn(["sync", "--full", "--jobs", "1"]);
    wait_until("it is at work", || pair.sent().iter().any(|line| line.starts_with(method)));
    pair.edit(edit);
    running.wait().ok();
    pair.sync([]).ok();
    pair.diff(0);
}

/// The target has an object that the master has not, and then the master makes one of that id.
#[test]
fn an_extra_whose_id_is_taken_meanwhile_is_not_there_twice() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "30ms"]);
    pair.fake.http().send("POST", "/posts", r#"{"id": 101, "userId": 1, "title": "extra", "body": ""}"#);
    pair.edit("UPDATE news_post SET title = 'drift' WHERE id <= 12; DELETE FROM news_modelevent");
    // Deletes come last, and are prepared after that.
    overtake(&mut pair, "PUT", "INSERT INTO news_post (id, user_id, title, body) VALUES (101, 1, 'mine', 'b')");
}

/// Whose second record no event tells of.
#[test]
fn a_doubled_post_that_is_deleted_meanwhile_leaves_no_record() {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "20ms"]);
    for id in 1..=20 {
        let twin = format!(r#"{{"id": {id}, "userId": 1, "title": "twice", "body": ""}}"#);
        assert_eq!(pair.fake.http().send("POST", "/posts", &twin).status, 201);
    }
    // Sixteen are prepared at a time.
    overtake(&mut pair, "DELETE", "DELETE FROM news_post WHERE id = 20");
}
