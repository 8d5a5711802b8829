//! `news status`, `news parked` and `news sync --dry-run`: one answer to one question.

mod ahead;
mod loops;
mod states;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Db, News, Pair, wait_until};

impl Pair {
    #[track_caller]
    fn status(&self) -> Value {
        self.news.run(["--json", "status"]).ok().json()
    }

    #[track_caller]
    fn check(&self, flags: &[&str], code: i32) {
        self.news.run(["status", "--check"].iter().chain(flags)).expect_code(code);
    }

    #[track_caller]
    fn objects(&self) -> Vec<Value> {
        self.news.run(["--json", "parked"]).ok().json()["objects"].as_array().unwrap().clone()
    }
}

/// A post that the target refuses, and a comment of it.
const REFUSED: &str = "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
    INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b')";

#[test]
fn objects_in_flight_are_no_trouble() {
    let mut pair = Pair::new(["--latency", "300ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 40");
    let running = pair.news.spawn(["sync", "--jobs", "1"]);
    wait_until("it sends", || !pair.sent().is_empty());
    let (status, plan) = (pair.status(), pair.news.run(["--json", "sync", "--dry-run"]).expect_code(1).json());
    for report in [&status, &plan] {
        assert!(report["in_flight"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(report["plan"]["posts"]["ask"], json!(0), "{report}");
        assert_eq!((&report["parked"], &report["held"], &report["waiting"]), (&json!(0), &json!(0), &json!(0)));
    }
    assert_eq!(status["verdict"]["word"], json!("running"), "{status}");
    running.signal(Signal::KILL);
    running.wait();
    // Nobody sends them now: the next run asks.
    let status = pair.status();
    assert_eq!(status["in_flight"], json!(0), "{status}");
    assert!(status["plan"]["posts"]["ask"].as_u64().unwrap() > 0, "{status}");
}

#[test]
fn a_check_fails_like_the_runs_do() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    let lag = ["--max-lag", "15m"];
    pair.check(&lag, 0);
    pair.edit(REFUSED);
    pair.check(&[], 1);
    pair.check(&lag, 0);
    pair.sync([]).expect_code(3);
    // Parked and held.
    pair.check(&[], 3);
    pair.check(&lag, 3);
    pair.check(&["--allow-parked"], 0);
    pair.check(&["--max-lag", "1ms", "--allow-parked"], 0);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    pair.check(&["--allow-parked"], 1);
    pair.check(&["--max-lag", "1ms", "--allow-parked"], 1);
    pair.news.run(["status", "--allow-parked"]).expect_code(2);
    // On hold is parked by an operator.
    pair.news.run(["hold", "posts/1"]).ok();
    pair.check(&["--max-lag", "15m"], 3);
    pair.check(&["--allow-parked"], 0);
    pair.news.run(["release", "posts/1"]).ok();

    // Failed, and tried again.
    pair.news.run(["discard", "posts/900"]).ok();
    pair.fake.set_faults(r#"{"status_for": {"posts/1": 500}}"#);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (2, 3, 4)");
    pair.sync([]).expect_code(3);
    pair.check(&lag, 3);
    pair.check(&["--max-lag", "15m", "--allow-parked"], 3);
    assert_eq!(pair.status()["waiting"], json!(1));
    pair.fake.set_faults("{}");
    pair.sync([]).ok();
    pair.check(&lag, 0);
}

#[test]
fn what_verify_found_is_told_by_a_check() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("PUT", "/posts/9", r#"{"id":9,"userId":1,"title":"theirs","body":"b"}"#);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    pair.sync(["--verify"]).expect_code(3);
    pair.check(&["--max-lag", "15m"], 3);
    pair.sync(["--full"]).ok();
    pair.check(&["--max-lag", "15m"], 0);
}

#[test]
fn a_held_object_says_since_when_it_waits() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(REFUSED);
    pair.sync([]).expect_code(3);
    pair.edit("UPDATE news_sync_object SET since = since - interval '1 h', updated_at = updated_at - interval '1 h'");
    for run in 1..=2 {
        pair.sync([]).expect_code(3);
        let objects = pair.objects();
        let ages: Vec<f64> = objects.iter().map(|object| object["since_s"].as_f64().unwrap()).collect();
        assert!(ages.len() == 2 && ages.iter().all(|age| *age >= 3600.0), "run {run}: {objects:?}");
    }
}

#[test]
fn a_row_in_the_place_of_an_object_that_was_left_out_is_parked_before_any_run() {
    let fake = crate::support::Fake::start::<&str>([]);
    let title = "x".repeat(300);
    fake.http().send("PUT", "/posts/5", &format!(r#"{{"id":5,"userId":1,"title":"{title}","body":"theirs"}}"#));
    let mut pair = Pair::over(fake, &["import", "--skip-invalid"], 3);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'ours', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (950, 5, 'n', 'e', 'b')",
    );
    for flags in [&["sync", "--dry-run"][..], &["sync", "--full", "--dry-run"]] {
        let plan = pair.news.run(["--json"].iter().chain(flags)).expect_code(3).json();
        assert_eq!((&plan["actions"], &plan["parked"], &plan["held"]), (&json!([]), &json!(1), &json!(1)), "{plan}");
    }
    let before = pair.objects();
    assert!(before[0]["reason"].as_str().unwrap().contains("an import left out the target's posts/5"), "{before:?}");
    assert_eq!(before[1]["reason"], json!("waits for posts/5"));
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["requests"], &report["parked"], &report["held"]), (&json!(0), &json!(1), &json!(1)));
    for (before, after) in before.iter().zip(pair.objects()) {
        assert_eq!((&before["state"], &before["reason"]), (&after["state"], &after["reason"]));
    }
    // A comment of such a post, which an operator gave up.
    pair.news.run(["discard", "posts/5"]).ok();
    pair.edit("INSERT INTO news_comment (id, post_id, name, email, body) VALUES (951, 5, 'n', 'e', 'b')");
    let plan = pair.news.run(["--json", "sync", "--dry-run"]).expect_code(3).json();
    assert_eq!((&plan["actions"], &plan["held"]), (&json!([]), &json!(1)), "{plan}");
    pair.sync([]).expect_code(3);
    assert_eq!(pair.status()["held"], json!(1));
}

#[test]
fn what_a_stop_left_does_not_wait_for_another_try() {
    let mut pair = Pair::new(["--latency", "200ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 50");
    let running = pair.news.spawn(["sync", "--jobs", "1"]);
    wait_until("it sends", || !pair.sent().is_empty());
    running.signal(Signal::INT);
    running.wait().expect_code(130);
    let status = pair.status();
    assert_eq!((&status["waiting"], &status["held"]), (&json!(0), &json!(0)), "{status}");
    assert_eq!(pair.objects(), Vec::<Value>::new());
}

#[test]
fn the_verdict_is_one_sentence_in_both_forms() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    let says = |pair: &Pair, word: &str, words: &str| {
        let verdict = pair.status()["verdict"].clone();
        assert_eq!(verdict["word"], json!(word), "{verdict}");
        let text = verdict["text"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
        let lines = pair.news.run(["status"]).ok().stdout;
        // An age goes on between the two commands.
        assert!(
            lines.lines().next().is_some_and(|line| line == text || (word == "late" && line.contains(words))),
            "{lines}"
        );
    };
    says(&pair, "new", "No sync has ended yet, and nothing is pending.");
    pair.edit(REFUSED);
    pair.sync([]).expect_code(3);
    says(&pair, "parked", "Changes arrive. 1 object waits for an operator, and 1 behind it.");
    pair.news.run(["discard", "posts/900"]).ok();
    says(&pair, "ok", "Changes arrive. Nothing waits for an operator.");
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    pair.fake.set_faults(r#"{"status_for": {"posts/1": 401}}"#);
    pair.sync([]).expect_code(7);
    says(&pair, "credentials", "The target refuses our credentials since ");
    pair.fake.set_faults("{}");
    pair.sync(["--max-deletes", "0"]).ok();
    pair.edit("DELETE FROM news_comment WHERE id = 7");
    pair.sync(["--max-deletes", "0"]).expect_code(4);
    says(&pair, "refused", "the plan deletes 1 object, more than 0");
    // A plan that the command line does not mean is no trouble of the sync's.
    pair.sync(["--max-deletes", "1"]).ok();
    pair.sync(["--checksum", "00000000"]).expect_code(4);
    pair.sync(["--full", "--checksum", "00000000"]).expect_code(4);
    says(&pair, "ok", "Changes arrive. Nothing waits for an operator.");
    pair.edit("DELETE FROM news_comment WHERE id = 8");
    pair.sync(["--max-deletes", "0"]).expect_code(4);
    pair.edit("UPDATE news_modelevent SET logged_at = logged_at - interval '41 min' WHERE synced_at IS NULL");
    pair.edit("UPDATE news_sync_run SET exit_code = 5, first_error = 'connection refused' WHERE exit_code = 4");
    says(&pair, "late", "Changes do not arrive: the oldest has waited 41 min");
}

#[test]
fn a_dry_run_without_a_target_ends_as_a_run_does() {
    let db = Db::new();
    let news = News::on(&db);
    for flags in [&["sync"][..], &["sync", "--dry-run"], &["sync", "--full", "--dry-run"]] {
        assert!(news.run(flags).expect_code(2).stderr.contains("no target is named"), "{flags:?}");
    }
}
