//! Stops, locks and lost sessions.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::sum;
use crate::support::{Network, News, Output, Pair, wait_until};

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
    // The other one is no run: what is still called running is lost.
    assert_eq!(pair.news.run(["--json", "runs"]).ok().json()["runs"][0]["status"], json!("lost"));
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
