//! `news log`: what changed, who did it, and which run synced it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Db, News, OwnPg, Pair, Running, wait_until};

/// Returns the events of `news --json log ARGS`.
fn log(news: &News, args: &[&str]) -> Vec<Value> {
    let report = news.run(["--json", "log"].iter().chain(args)).ok().json();
    report["events"].as_array().unwrap().clone()
}

#[test]
fn the_log_tells_who_made_each_change_and_which_run_synced_it() {
    let mut pair = Pair::new(["--status-for", "posts/6=422"]);
    pair.edit("SET application_name = 'psql'; UPDATE news_post SET title = 'x' WHERE id IN (5, 6, 7)");
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5; INSERT INTO news_post (id, user_id, title, body) VALUES (300, 1, 'a', 'b')");
    pair.edit("DELETE FROM news_post WHERE id = 300; DELETE FROM news_comment WHERE id = 500");
    let run = pair.sync([]).expect_code(3).json()["run"].clone();
    pair.news.run(["discard", "posts/6"]).ok();
    pair.edit("UPDATE news_post SET title = 'z' WHERE id = 7");
    let told: Vec<Value> = log(&pair.news, &[])
        .iter()
        .map(|event| {
            assert_eq!(event["actor"], "sql tester (psql)", "{event}");
            assert_eq!(event["logged_at"].as_str().unwrap().len(), 24, "{event}");
            let key = format!("{}/{}", event["entity"].as_str().unwrap(), event["id"]);
            let is_discarded = event["discarded_by"].as_str().is_some_and(|who| who.contains('@'));
            json!([key, event["type"], event["run"], event["came_to"], is_discarded, event["synced_at"].is_string()])
        })
        .collect();
    assert_eq!(
        Value::from(told),
        json!([
            ["posts/5", "UPDATED", run, "updated", false, true],
            ["posts/6", "UPDATED", null, null, true, true],
            ["posts/7", "UPDATED", run, "updated", false, true],
            ["posts/5", "UPDATED", run, "updated", false, true],
            ["posts/300", "CREATED", null, null, false, true],
            ["posts/300", "DELETED", null, null, false, true],
            ["comments/500", "DELETED", run, "deleted", false, true],
            ["posts/7", "UPDATED", null, null, false, false],
        ])
    );
    let text = pair.news.run(["log", "posts/6", "posts/7"]).ok().stdout;
    assert!(text.contains("discarded by ") && text.contains("pending") && text.contains("updated"), "{text}");
    assert!(!text.contains("posts/5") && text.contains("sql tester (psql)"), "{text}");
}

#[test]
fn the_log_is_bounded_by_number_time_and_object() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 60; UPDATE news_post SET title = 'y' WHERE id = 1");
    let keys = |events: &[Value]| -> Vec<i64> { events.iter().map(|event| event["id"].as_i64().unwrap()).collect() };
    assert_eq!(log(&pair.news, &[]).len(), 50);
    assert_eq!(keys(&log(&pair.news, &["--limit", "2"])), [60, 1], "the newest, in the order of the log");
    pair.edit("UPDATE news_modelevent SET logged_at = now() - interval '2 h' WHERE entity_pk > 1");
    assert_eq!(keys(&log(&pair.news, &["--since", "1h"])), [1]);
    assert_eq!(keys(&log(&pair.news, &["posts/1", "posts/2", "comments/1"])), [1, 2, 1]);
    // What is not there is told beside the report.
    let unknown = pair.news.run(["--json", "log", "posts/999", "posts/1"]).ok();
    assert_eq!(unknown.json()["events"].as_array().unwrap().len(), 2);
    assert!(
        unknown.stderr.contains("posts/999: no change") && !unknown.stderr.contains("posts/1:"),
        "{}",
        unknown.stderr
    );
    assert!(pair.news.run(["log", "posts/999"]).ok().stdout.contains("no changes"));
    for wrong in [&["log", "5"][..], &["log", "--since", "90"], &["log", "--limit", "-1"]] {
        pair.news.run(wrong).expect_code(2);
    }
}

/// There is no index by object over the whole log.
#[test]
fn an_objects_old_events_are_found_by_what_runs_came_to() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5; UPDATE news_post SET title = 'y' WHERE id = 5");
    pair.sync([]).ok();
    pair.edit("INSERT INTO news_modelevent (id, entity_table, entity_pk, type, synced_at) VALUES (5000000, 'news_post', 1, 'UPDATED', now())");
    let events = log(&pair.news, &["posts/5"]);
    assert_eq!(events.len(), 2, "{events:?}");
}

/// Returns the ids of objects that a follower has written, by how often.
fn followed(news: &News) -> BTreeMap<i64, usize> {
    let text = std::fs::read_to_string(news.home().join("followed")).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        *counts.entry(event["id"].as_i64().unwrap()).or_default() += 1;
    }
    counts
}

/// Starts `news --json log --follow ARGS`, which writes to a file.
fn follow(news: &News, args: &[&str]) -> Running {
    let file = std::fs::File::create(news.home().join("followed")).unwrap();
    Running::start_writing(news.command(["--json", "log", "--follow"].iter().chain(args)), Stdio::from(file))
}

#[test]
fn a_follower_shows_each_event_once_also_what_commits_late() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (1, 2)");
    // Has its ids before the others, from before the follower begins.
    let (mut early, mut late) = (pair.db.client(), pair.db.client());
    early.batch_execute("BEGIN; UPDATE news_post SET title = 'x' WHERE id = 3").unwrap();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 4");
    let follower = follow(&pair.news, &["--limit", "1"]);
    wait_until("it shows the newest", || followed(&pair.news).len() == 1);
    late.batch_execute("BEGIN; UPDATE news_post SET title = 'x' WHERE id = 5").unwrap();
    pair.edit(
        "UPDATE news_post SET title = 'x' WHERE id = 6; BEGIN; UPDATE news_post SET title = 'x' WHERE id = 7; ROLLBACK",
    );
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 8");
    wait_until("it shows what is committed", || followed(&pair.news).len() == 3);
    early.batch_execute("COMMIT").unwrap();
    late.batch_execute("UPDATE news_post SET title = 'x' WHERE id = 9; COMMIT").unwrap();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 10");
    wait_until("it shows what was committed late", || followed(&pair.news).len() == 7);
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait().code, 143);
    assert_eq!(followed(&pair.news), [3, 4, 5, 6, 8, 9, 10].map(|id| (id, 1)).into());
}

#[test]
fn a_follower_shows_some_objects_alone_and_stops_with_its_signal() {
    let mut pair = Pair::new([]);
    let follower = follow(&pair.news, &["--limit", "0", "posts/5"]);
    // Its session tells that it has begun.
    wait_until("it looks", || {
        pair.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%ids AS%' AND pid <> pg_backend_pid()") > 0
    });
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5)");
    wait_until("it shows one", || followed(&pair.news).len() == 1);
    follower.signal(Signal::INT);
    assert_eq!(follower.wait().code, 130);
    assert_eq!(followed(&pair.news), [(5, 1)].into());
}

#[test]
fn a_follower_begins_again_where_the_logs_sequence_was_set_back() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (1, 2, 3)");
    pair.sync([]).ok();
    let follower = follow(&pair.news, &["--limit", "1"]);
    wait_until("it shows the newest", || followed(&pair.news).len() == 1);
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 7");
    wait_until("it has looked", || followed(&pair.news).len() == 2);
    pair.edit("DELETE FROM news_modelevent; ALTER SEQUENCE news_modelevent_id_seq RESTART");
    pair.edit("UPDATE news_post SET title = 'z' WHERE id = 9");
    wait_until("it shows what came since", || followed(&pair.news).contains_key(&9));
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait().code, 143);
}

#[test]
fn a_follower_ends_when_its_reader_has_gone() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let alone = pair.news.command(["log", "--follow"]);
    let mut bash = Command::new("bash");
    for (name, value) in alone.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    bash.env("NEWS", alone.get_program()).args(["-c", "\"$NEWS\" log --follow | head -n 1; echo ${PIPESTATUS[0]}"]);
    let output = crate::support::Output::of(bash, "").ok();
    assert!(output.stdout.contains("posts/1") && output.stdout.trim_end().ends_with("141"), "{}", output.stdout);
}

#[test]
fn a_follower_survives_a_restart_of_the_database() {
    let server = OwnPg::start(|_| {});
    let news = News::with_url(&server.url());
    news.run(["db", "migrate"]).ok();
    let post = |id: i64| format!("INSERT INTO news_post (id, user_id, title, body) VALUES ({id}, 1, 'a', 'b')");
    server.client().batch_execute(&post(1)).unwrap();
    let follower = follow(&news, &[]);
    wait_until("it shows the first", || followed(&news).len() == 1);
    server.crash();
    server.launch();
    server.client().batch_execute(&post(2)).unwrap();
    wait_until("it shows the second", || followed(&news).len() == 2);
    follower.signal(Signal::TERM);
    let output = follower.wait();
    assert!(output.code == 143 && output.stderr.contains("trying again"), "{}", output.stderr);
    assert_eq!(followed(&news), [(1, 1), (2, 1)].into());
}

#[test]
fn a_follower_needs_a_database_to_begin() {
    let db = Db::empty();
    News::on(&db).run(["log", "--follow"]).expect_code(8);
}
