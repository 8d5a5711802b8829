//! What comes in between the looks of a full sync, and how its failures are told.

use super::full;
use crate::support::Pair;

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
