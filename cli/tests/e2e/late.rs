//! A request that was not answered may take effect much later: nothing else is sent for its object until then.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use super::support::pair::nothing_twice;
use super::support::{Pair, Running, wait_until};

/// The answer to each write gets lost, and the write takes effect 2.5 s later.
const LOST: &str = r#"{"cut_after": 1.0, "late_writes_ms": 2500}"#;

/// A target that stores a second record under an id that is there, 3 s for late effects, and a post that it has not.
fn pair() -> Pair {
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "400ms"]);
    pair.news = pair.news.env("NEWS_TARGET_LATE", "3s");
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (600, 1, 'slow', 'x')");
    pair
}

/// Starts a run, and waits until the target has got its POST, whose answer is lost.
fn lose_the_post(pair: &Pair, flags: &[&str]) -> Running {
    let run = pair.news.spawn(["sync"].iter().chain(flags));
    // The GET that asks first is on its way, and well.
    pair.wait_for_requests(1);
    pair.fake.set_faults(LOST);
    let is_posted = || pair.fake.requests().iter().any(|line| line.starts_with("POST /posts"));
    wait_until("a POST has arrived", is_posted);
    pair.fake.set_faults("{}");
    run
}

fn once(pair: &mut Pair) {
    wait_until("no write is on its way", || pair.fake.counts()["late"] == 0);
    nothing_twice(&pair.fake);
    pair.diff(0);
    assert_eq!(pair.unsynced(), 0);
}

#[test]
fn a_worker_killed_while_the_target_is_at_work_is_waited_for() {
    let mut pair = pair();
    let run = lose_the_post(&pair, &[]);
    run.signal(Signal::KILL);
    run.wait().expect_code(137);
    pair.sync([]).ok();
    once(&mut pair);
}

#[test]
fn a_single_sync_waits_once() {
    let mut pair = pair();
    pair.news = pair.news.env("NEWS_TARGET_LATE", "5s");
    let waited = lose_the_post(&pair, &[]).wait().expect_code(0);
    assert!(waited.stderr.contains("waiting 5 s: "), "{}", waited.stderr);
    once(&mut pair);
    // Lost again, it is left to the next run.
    pair.edit("UPDATE news_post SET title = 'again' WHERE id = 600");
    pair.fake.set_faults(r#"{"cut_before": 1.0}"#);
    let begun = Instant::now();
    let report = pair.sync([]).expect_code(5);
    assert!(begun.elapsed().as_secs() < 30, "{report:?}");
    pair.fake.set_faults("{}");
    pair.sync([]).ok();
    once(&mut pair);
}

#[test]
fn a_loop_leaves_the_object_and_goes_on_with_the_others() {
    let mut pair = pair();
    let run = lose_the_post(&pair, &["--follow"]);
    let waiting = "SELECT count(*) FROM news_sync_object WHERE settled_at > clock_timestamp() AND presence = 'unknown'";
    wait_until("it is left for its time", || pair.number(waiting) == 1);
    pair.edit("UPDATE news_post SET title = 'meanwhile' WHERE id = 1");
    wait_until("the other one is sent", || pair.unsynced() == 1);
    assert_eq!(pair.number(waiting), 1, "it did not wait");
    wait_until("it comes back to the first", || pair.unsynced() == 0);
    run.signal(Signal::TERM);
    run.wait().expect_code(143);
    once(&mut pair);
}

#[test]
fn a_listing_waits_for_what_may_still_take_effect() {
    let mut pair = pair();
    let run = lose_the_post(&pair, &[]);
    run.signal(Signal::KILL);
    run.wait().expect_code(137);
    pair.news.run(["sync", "--full"]).ok();
    once(&mut pair);
}

#[test]
fn no_clock_that_was_set_back_hides_an_object() {
    let mut pair = pair();
    pair.fake.set_faults(r#"{"cut_before": 1.0}"#);
    pair.sync([]).expect_code(5);
    pair.fake.set_faults("{}");
    pair.edit(
        "UPDATE news_sync_object SET next_try_at = clock_timestamp() + interval '1 day', settled_at = NULL;
         UPDATE news_modelevent SET logged_at = clock_timestamp() + interval '1 hour' WHERE synced_at IS NULL",
    );
    let status = pair.news.run(["--json", "status", "--check", "--max-lag", "15m"]).expect_code(3).json();
    assert!(status["oldest_s"].as_f64().unwrap() > 3000.0, "{status}");
    let run = pair.news.spawn(["sync", "--follow"]);
    wait_until("it is sent", || pair.unsynced() == 0);
    run.signal(Signal::TERM);
    run.wait().expect_code(143);
    once(&mut pair);
}

#[test]
fn the_time_for_an_effect_is_at_least_the_time_for_an_answer() {
    let news = super::support::News::bare().env("NEWS_TARGET_TIMEOUT", "10s").env("NEWS_TARGET_LATE", "5s");
    let refused = news.run(["sync"]).expect_code(2);
    assert!(
        refused.stderr.contains("target_late: expected at least target_timeout (10s), got 5s"),
        "{}",
        refused.stderr
    );
    let json = super::support::News::bare().env("NEWS_TARGET_TIMEOUT", "1m").env("NEWS_TARGET_LATE", "");
    let config = json.run(["--json", "config"]).ok().json();
    let timeout = config["settings"].as_array().unwrap().iter().find(|row| row["name"] == json!("target_timeout"));
    assert_eq!(timeout.map(|row| &row["value"]), Some(&json!("1m")), "{config}");
}
