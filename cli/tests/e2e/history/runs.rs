//! `news runs`: the list, and all that is kept of one run.

use serde_json::{Value, json};

use crate::support::Pair;

/// Returns the runs of `news --json runs ARGS`.
fn runs(pair: &Pair, args: &[&str]) -> Vec<Value> {
    let report = pair.news.run(["--json", "runs"].iter().chain(args)).ok().json();
    report["runs"].as_array().unwrap().clone()
}

fn ids(runs: &[Value]) -> Vec<i64> {
    runs.iter().map(|run| run["id"].as_i64().unwrap()).collect()
}

#[test]
fn the_list_tells_what_each_run_did() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit(
        "UPDATE news_post SET title = 'x' WHERE id IN (4, 5);
         INSERT INTO news_post (id, user_id, title, body) VALUES (200, 1, 'a', 'b');
         DELETE FROM news_comment WHERE id IN (499, 500)",
    );
    pair.sync([]).expect_code(3);
    let run = runs(&pair, &["--limit", "1"]).remove(0);
    let counts = ["created", "updated", "deleted", "parked", "alike"].map(|key| run[key].as_i64().unwrap());
    assert_eq!(counts, [1, 1, 2, 1, 0], "{run}");
}

/// Each listed run, with how many before it are like it.
fn folded(runs: &[Value]) -> Vec<(i64, i64)> {
    runs.iter().map(|run| (run["id"].as_i64().unwrap(), run["alike"].as_i64().unwrap())).collect()
}

#[test]
fn runs_in_a_row_that_found_nothing_to_do_count_as_one() {
    let mut pair = Pair::new([]);
    for _ in 0..3 {
        pair.sync([]).ok();
    }
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 4");
    pair.sync([]).ok();
    // A full sync that found nothing is an answer by itself, and so is one that was verified or warned.
    pair.sync(["--full"]).ok();
    pair.sync([]).ok();
    pair.sync([]).ok();
    let listed = runs(&pair, &[]);
    assert_eq!(folded(&listed), [(8, 1), (6, 0), (5, 0), (4, 2), (1, 0)], "{listed:?}");
    assert!(listed[0]["alike_since"].as_str() <= listed[0]["started_at"].as_str(), "{listed:?}");
    assert_eq!(ids(&runs(&pair, &["--limit", "2"])), [8, 6], "they do not push the others out");
    let text = pair.news.run(["runs"]).ok().stdout;
    assert!(text.contains("run 4: and 2 like it since "), "{text}");
}

#[test]
fn runs_in_a_row_that_sent_nothing_and_came_to_the_same_count_as_one() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    // The first one parks the object; the others find it parked.
    for _ in 0..4 {
        pair.sync([]).expect_code(3);
    }
    pair.news.run(["hold", "posts/6"]).ok();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 6");
    for _ in 0..2 {
        pair.sync([]).expect_code(3);
    }
    assert_eq!(folded(&runs(&pair, &[])), [(7, 1), (5, 2), (2, 0), (1, 0)]);
    let text = pair.news.run(["runs"]).ok().stdout;
    assert!(
        text.contains("run 5: 1 object parked by earlier runs: `news parked` says why; and 2 like it since "),
        "{text}"
    );
    // Between shards that take turns each is compared with its own.
    for _ in 0..2 {
        pair.sync(["--shard", "1/2"]).expect_code(3);
        pair.sync(["--shard", "2/2"]).expect_code(3);
    }
    assert_eq!(folded(&runs(&pair, &["--limit", "3"])), [(11, 1), (10, 1), (7, 1)]);
}

#[test]
fn a_target_that_is_down_does_not_flood_the_history() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    for _ in 0..2 {
        let report = pair.news.run(["--json", "--target-url", "http://127.0.0.1:9", "sync"]).expect_code(5).json();
        assert_eq!(
            (&report["requests"], &report["methods"]),
            (&json!(0), &json!({})),
            "a refused connection is no request"
        );
    }
    assert_eq!(folded(&runs(&pair, &[])), [(3, 1), (1, 0)]);
}

#[test]
fn lists_tell_that_there_is_more() {
    let mut pair = Pair::new([]);
    for title in ["x", "y", "z"] {
        pair.edit(&format!("UPDATE news_post SET title = '{title}' WHERE id = 4"));
        pair.sync([]).ok();
    }
    let more = |args: &[&str]| pair.news.run(["--json"].iter().chain(args)).ok().json();
    assert_eq!(more(&["runs", "--limit", "4"])["more"], json!(0));
    assert_eq!(more(&["runs", "--limit", "1", "--kind", "sync"])["more"], json!(2));
    let none = more(&["runs", "--limit", "0"]);
    assert_eq!((&none["runs"], &none["more"]), (&json!([]), &json!(4)));
    assert!(pair.news.run(["runs", "--limit", "2"]).ok().stdout.ends_with("and 2 more (--limit)\n"));
    assert_eq!(more(&["log", "--limit", "3"])["has_more"], json!(false));
    let newest = more(&["log", "--limit", "2"]);
    assert_eq!((newest["events"].as_array().unwrap().len(), &newest["has_more"]), (2, &json!(true)));
    let none = more(&["log", "--limit", "0"]);
    assert_eq!((&none["events"], &none["has_more"]), (&json!([]), &json!(true)));
    assert!(pair.news.run(["log", "--limit", "1"]).ok().stdout.ends_with("and older ones (--limit)\n"));
}

#[test]
fn fewer_quiet_runs_are_kept_and_they_push_no_other_out() {
    let mut pair = Pair::new([]);
    pair.edit(
        "INSERT INTO news_sync_run (kind, status, finished_at, host, pid, version, target_url, epoch, exit_code, is_quiet)
         SELECT 'sync', 'done', now(), 'h', 1, 'v', 'u', 1, 0, true FROM generate_series(1, 100097)",
    );
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 4");
    pair.sync([]).ok();
    pair.sync([]).ok();
    assert_eq!(pair.number("SELECT max(id) FROM news_sync_run"), 100_100, "every hundredth run thins the history");
    assert_eq!(ids(&runs(&pair, &[])), [100_100, 100_099, 100_098, 1]);
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_run WHERE is_quiet"), 1001);
}

#[test]
fn runs_are_chosen_by_kind_end_and_time() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    pair.sync([]).expect_code(3);
    pair.sync(["--full", "--max-deletes", "0"]).expect_code(3);
    pair.sync(["--checksum", "0"]).expect_code(4);
    pair.edit(
        "INSERT INTO news_sync_run (kind, host, pid, version, target_url, epoch) VALUES ('sync', 'h', 1, 'v', 'u', 1);
         UPDATE news_sync_run SET started_at = now() - interval '2 d' WHERE id <= 2",
    );
    assert_eq!(ids(&runs(&pair, &["--failed"])), [5, 4, 3, 2], "the last one was killed");
    assert_eq!(ids(&runs(&pair, &["--kind", "full", "--kind", "import"])), [3, 1]);
    assert_eq!(ids(&runs(&pair, &["--since", "1d"])), [5, 4, 3]);
    assert_eq!(ids(&runs(&pair, &["--failed", "--kind", "sync", "--since", "1d", "--limit", "1"])), [5]);
    assert!(pair.news.run(["runs", "abc"]).expect_code(2).stderr.contains("expected the number of a run"));
    for wrong in
        [&["runs", "1", "--failed"][..], &["runs", "--kind", "diff"], &["runs", "x"], &["runs", "--since", "1"]]
    {
        pair.news.run(wrong).expect_code(2);
    }
}

#[test]
fn one_run_tells_all_that_is_kept_of_it() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5, 6)");
    let synced = pair.sync([]).expect_code(3).json();
    let id = synced["run"].to_string();
    let report = pair.news.run(["--json", "runs", &id]).ok().json();
    assert_eq!(report["report"], synced);
    assert_eq!((&report["run"]["id"], &report["run"]["exit_code"]), (&synced["run"], &json!(3)));
    let sent: Vec<Value> = report["sent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!([row["id"], row["came_to"], row["method"], row["status"], row["events"]]))
        .collect();
    let mut sorted = sent.clone();
    sorted.sort_by_key(|row| row[0].as_i64());
    let expected = json!([[4, "updated", "PUT", 200, 1], [5, "parked", "PUT", 422, 0], [6, "updated", "PUT", 200, 1]]);
    assert_eq!((Value::from(sorted), &report["more"]), (expected, &json!(0)));
    let limited = pair.news.run(["--json", "runs", &id, "--limit", "1"]).ok().json();
    assert_eq!((limited["sent"].as_array().unwrap().len(), &limited["more"]), (1, &json!(2)));
    let text = pair.news.run(["runs", &id]).ok().stdout;
    // In the words of the run itself, and with its times.
    assert_eq!(synced["started_at"], report["run"]["started_at"]);
    assert!(synced["finished_at"].as_str() >= synced["started_at"].as_str() && synced["seconds"].as_f64().is_some());
    assert!(text.contains(&format!("run {id} to ")) && text.contains("1 parked: `news parked` says why"), "{text}");
    for part in ["partly, exit 3", "posts/5", "parked", "422", "trouble", "posts/5: status 422"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Of an import there is its report, too; of a run that does not exist, nothing.
    assert_eq!(pair.news.run(["--json", "runs", "1"]).ok().json()["report"]["posts"], json!(100));
    assert!(pair.news.run(["runs", "77"]).expect_code(4).stderr.contains("no run 77"));
}
