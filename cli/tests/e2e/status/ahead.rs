//! What an operator is told before, and after, the exit code of a run says it.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Output, Pair, wait_until};

/// Changes a share of the rows that no full sync takes for granted, and that no event tells of.
const UNTOLD: &str = "UPDATE news_post SET title = 'untold' WHERE id <= 40; DELETE FROM news_modelevent";

#[test]
fn a_full_sync_that_failed_is_told_until_one_succeeds() {
    let mut pair = Pair::new([]);
    pair.edit(UNTOLD);
    pair.sync(["--full"]).expect_code(4);
    // A plain run ends well.
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 50");
    pair.sync([]).ok();
    let status = pair.status();
    assert_eq!(status["verdict"]["word"], json!("full"), "{status}");
    let text = status["verdict"]["text"].as_str().unwrap();
    assert!(text.starts_with("Changes arrive. Full syncs fail since "), "{text}");
    assert!(text.contains("(exit 4): 40 % of the target's posts would be updated"), "{text}");
    assert_eq!(status["failed_full"]["exit_code"], json!(4), "{status}");
    let lines = pair.news.run(["status"]).ok().stdout;
    assert!(lines.contains("\nfull sync  fails since "), "{lines}");
    pair.check(&[], 3);
    pair.check(&["--max-lag", "15m", "--allow-parked"], 3);
    // One that the command line refuses says nothing, and one that was only tried neither.
    pair.sync(["--full", "--checksum", "00000000", "--force"]).expect_code(4);
    pair.sync(["--full", "--dry-run", "--force"]).expect_code(1);
    assert_eq!(pair.status()["verdict"]["word"], json!("full"));
    pair.sync(["--full", "--force"]).ok();
    let status = pair.status();
    assert_eq!((&status["verdict"]["word"], &status["failed_full"]), (&json!("ok"), &json!(null)), "{status}");
    pair.check(&[], 0);
}

#[test]
fn a_full_sync_that_a_service_manager_ends_is_a_failure_and_one_that_a_person_ends_is_not() {
    for (signal, code, fails) in [(Signal::INT, 130, false), (Signal::TERM, 143, true)] {
        let mut pair = Pair::new([]);
        pair.fake.set_faults(r#"{"latency_ms": 60000}"#);
        let running = pair.news.spawn(["sync", "--full"]);
        let at_work = "SELECT EXISTS (SELECT FROM news_sync_run WHERE kind = 'full' AND finished_at IS NULL)";
        wait_until("the run has begun", || pair.sql.query_one(at_work, &[]).unwrap().get(0));
        running.signal(signal);
        running.wait().expect_code(code);
        pair.fake.set_faults("{}");
        assert_eq!(pair.status()["failed_full"].is_object(), fails, "{code}");
        pair.sync(["--full"]).ok();
        assert_eq!(pair.status()["failed_full"], json!(null));
    }
}

#[test]
fn an_import_makes_both_sides_equal_too() {
    let mut pair = Pair::new([]);
    pair.edit(UNTOLD);
    pair.sync(["--full"]).expect_code(4);
    assert_eq!(pair.status()["verdict"]["word"], json!("full"));
    pair.edit("DELETE FROM news_post");
    pair.news.run(["import"]).ok();
    assert_eq!(pair.status()["failed_full"], json!(null));
}

#[test]
fn a_limit_is_told_before_a_run_meets_it() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_post");
    let status = pair.status();
    assert_eq!(status["verdict"]["word"], json!("refused"), "{status}");
    let over = status["over_limit"].as_str().unwrap();
    assert!(over.contains("would be deleted (100 of 100), more than 30 %"), "{over}");
    assert_eq!(
        status["verdict"]["text"],
        json!(format!("The next run will be refused: {over}. It will send nothing."))
    );
    let lines = pair.news.run(["status"]).ok().stdout;
    assert!(lines.contains(&format!("\nlimit      the next run will be refused: {over}\n")), "{lines}");
    // However young the changes are.
    pair.check(&["--max-lag", "15m"], 1);
    assert_eq!(pair.sync(["--dry-run"]).expect_code(4).json()["over_limit"], json!(over));
    assert_eq!(pair.sync(["--dry-run", "--force"]).expect_code(1).json()["over_limit"], json!(null));
    assert_eq!(pair.sync(["--dry-run", "--checksum", "0"]).expect_code(4).json()["over_limit"], json!(over));
    pair.sync([]).expect_code(4);
    assert!(pair.status()["verdict"]["text"].as_str().unwrap().starts_with("Runs are refused since "));
    pair.sync(["--force"]).ok();
    assert_eq!(pair.status()["over_limit"], json!(null));
}

#[test]
fn a_limit_of_the_settings_is_the_one_that_counts() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_comment WHERE id <= 300");
    let with = |pair: &Pair, max: &str| {
        let mut command = pair.news.command(["--json", "status"]);
        command.env("NEWS_SYNC_MAX_DELETES", max);
        Output::of(command, "").ok().json()["over_limit"].clone()
    };
    assert_eq!(with(&pair, "300"), json!(null));
    assert_eq!(with(&pair, "299"), json!("the plan deletes 300 objects, more than 299"));
}
