//! What a loop of runs prints.

use rustix::process::Signal;

use crate::support::{Db, Fake, News, wait_until};

#[test]
fn a_loop_prints_a_line_for_a_run_that_failed_too() {
    let db = Db::new();
    let fake = Fake::start::<&str>([]);
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["import"]).ok();
    db.client().batch_execute("UPDATE news_post SET title = 'x' WHERE id = 1").unwrap();
    fake.set_faults(r#"{"forbid": "all"}"#);
    for flags in [&["sync", "--every", "1s"][..], &["--json", "sync", "--every", "1s"]] {
        let runs = || news.run(["--json", "runs", "--limit", "1"]).ok().json()["runs"][0]["id"].as_i64().unwrap();
        let (before, running) = (runs(), news.spawn(flags));
        wait_until("a run", || runs() >= before + 2);
        running.signal(Signal::TERM);
        let output = running.wait().expect_code(143);
        for line in output.stdout.lines() {
            if flags[0] == "--json" {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            } else {
                assert!(line.starts_with("20") && line.contains("Z run "), "{line}");
            }
        }
        assert!(output.stdout.lines().count() >= 1, "{output:?}");
    }
    // Whoever stopped the loop says nothing about the target.
    let status = news.run(["--json", "status", "--check", "--max-lag", "15m"]).expect_code(1).json();
    assert_eq!(status["verdict"]["word"], "credentials", "{status}");
}

#[test]
fn a_loop_prints_a_line_for_each_run() {
    let db = Db::new();
    let fake = Fake::start::<&str>([]);
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["import"]).ok();
    let mut sql = db.client();
    for flags in [&["sync", "--every", "1s"][..], &["--json", "sync", "--every", "1s"]] {
        let runs = || news.run(["--json", "runs", "--limit", "1"]).ok().json()["runs"][0]["id"].as_i64().unwrap();
        sql.batch_execute("UPDATE news_post SET title = title || 'x' WHERE id = 1").unwrap();
        let (before, running) = (runs(), news.spawn(flags));
        wait_until("two runs", || runs() >= before + 3);
        running.signal(Signal::TERM);
        let output = running.wait().expect_code(143);
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(lines.len() >= 2, "{lines:?}");
        for (index, line) in lines.iter().enumerate() {
            if flags[0] == "--json" {
                let report: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(report["requests"].as_i64(), Some(i64::from(index == 0)), "{line}");
            } else {
                let told = if index == 0 { "1 updated (1 request)" } else { "nothing to do (0 requests)" };
                assert!(line.starts_with("20") && line.contains("Z run ") && line.ends_with(told), "{line}");
            }
        }
    }
}
