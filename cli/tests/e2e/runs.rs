//! `news runs`, `status` and `parked`: what is told of runs.

use serde_json::{Value, json};

use crate::support::{Db, News, Pair, wait_until};

#[test]
fn the_history_tells_of_every_run() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5)");
    pair.sync([]).expect_code(3);
    pair.sync(["--full", "--force"]).expect_code(3);
    pair.fake.set_faults(r#"{"forbid": "all"}"#);
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 6");
    pair.sync([]).expect_code(7);
    // What is refused is a run that sent nothing; what is only looked at is none.
    pair.sync(["--checksum", "0"]).expect_code(4);
    pair.sync(["--dry-run", "--max-deletes", "0"]).expect_code(1);
    let runs = pair.news.run(["--json", "runs"]).ok().json()["runs"].clone();
    let told: Vec<(&str, &str, i64, i64)> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            let text = |field: &str| run[field].as_str().unwrap();
            (text("kind"), text("status"), run["exit_code"].as_i64().unwrap(), run["requests"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("sync", "failed", 4, 0),
            ("sync", "failed", 7, 1),
            ("full", "partly", 3, 2),
            ("sync", "partly", 3, 3),
            ("import", "done", 0, 0)
        ]
    );
    for run in runs.as_array().unwrap() {
        assert_eq!(run["target_url"], json!(pair.fake.url()));
        assert_eq!(run["version"], json!(env!("CARGO_PKG_VERSION")));
        assert!(run["pid"].as_i64().unwrap() > 0 && !run["host"].as_str().unwrap().is_empty());
        let time = |field: &str| run[field].as_str().unwrap().to_owned();
        assert!(
            time("started_at") <= time("finished_at")
                && time("started_at").ends_with('Z')
                && time("started_at").len() == 20
        );
        assert!(run["seconds"].as_f64().unwrap() >= 0.0);
    }
    assert!(runs[0]["first_error"].as_str().unwrap().contains("checksum"));
    assert!(runs[1]["first_error"].as_str().unwrap().contains("403"));
    assert!(runs[3]["first_error"].as_str().unwrap().starts_with("posts/5: status 422"), "{}", runs[3]);
    assert_eq!(runs[4]["first_error"], Value::Null);
    let limited = pair.news.run(["--json", "runs", "--limit", "2"]).ok().json();
    assert_eq!(limited["runs"].as_array().unwrap().len(), 2);
    let text = pair.news.run(["runs"]).ok().stdout;
    assert!(text.contains("partly") && text.contains("posts/5"), "{text}");
}

#[test]
fn status_tells_what_the_next_run_would_do() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    let calm = pair.news.run(["--json", "status", "--check"]).ok().json();
    assert_eq!((&calm["pending"], &calm["oldest_s"], &calm["lock"]), (&json!(0), &Value::Null, &Value::Null));
    assert_eq!((&calm["last_run"]["kind"], &calm["last_done"][0]["kind"]), (&json!("import"), &json!("import")));
    pair.edit(
        "UPDATE news_post SET title = 'x' WHERE id IN (4, 5);
         UPDATE news_post SET title = 'y' WHERE id = 5;
         INSERT INTO news_post (user_id, title, body) VALUES (1, 'a', 'b');
         INSERT INTO news_post (user_id, title, body) VALUES (1, 'a', 'b');
         DELETE FROM news_post WHERE id = 102;
         DELETE FROM news_comment WHERE id = 500",
    );
    let status = pair.news.run(["--json", "status", "--check"]).expect_code(1).json();
    assert_eq!((&status["pending"], &status["events"]), (&json!(5), &json!(7)));
    assert!(status["oldest_s"].as_f64().unwrap() > 0.0);
    assert_eq!(
        status["plan"],
        json!({
            "posts": {"create": 1, "update": 2, "delete": 0, "ask": 0, "nothing": 1},
            "comments": {"create": 0, "update": 0, "delete": 1, "ask": 0, "nothing": 0},
        })
    );
    pair.news.run(["status", "--check", "--max-lag", "1h"]).ok();
    wait_until("it is late", || pair.news.run(["status", "--check", "--max-lag", "250ms"]).code == 1);
    assert!(pair.news.run(["status"]).ok().stdout.contains("5 objects, 7 events"));

    pair.sync([]).expect_code(3);
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!((&status["pending"], &status["parked"], &status["held"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&status["last_run"]["status"], &status["last_done"].as_array().unwrap().len()), (&json!("partly"), &1));
    // What is parked is no part of the next run.
    assert_eq!(status["plan"]["posts"]["update"], json!(0));
}

#[test]
fn parked_is_calm_when_nothing_is() {
    let pair = Pair::new([]);
    assert_eq!(pair.news.run(["--json", "parked"]).ok().json(), json!({"objects": [], "more": 0}));
    assert!(pair.news.run(["parked"]).ok().stdout.contains("nothing"));
}

#[test]
fn what_a_target_says_is_shown_without_harm() {
    let mut pair = Pair::new(["--reject-text", "red"]);
    pair.edit("UPDATE news_post SET title = E'\\x1b[31mred' WHERE id = 1");
    pair.sync([]).expect_code(3);
    for command in [&["parked"][..], &["runs"], &["status"], &["diff", "--exit-zero"]] {
        let output = pair.news.run(command).ok();
        assert!(
            !output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'),
            "{command:?}: {:?}",
            output.stdout
        );
    }
}

/// Locks are the server's, and others may have a database there.
#[test]
fn a_lock_in_another_database_keeps_no_run_alive() {
    let (db, other) = (Db::new(), Db::new());
    let mut stranger = other.client();
    stranger.batch_execute("SET application_name = 'news sync 1@h'; SELECT pg_advisory_lock(1852143475, 0)").unwrap();
    let killed =
        "INSERT INTO news_sync_run (kind, host, pid, version, target_url, epoch) VALUES ('sync', 'h', 1, 'v', 'u', 1)";
    db.client().batch_execute(killed).unwrap();
    assert_eq!(News::on(&db).run(["--json", "runs"]).ok().json()["runs"][0]["status"], "lost");
}
