//! `news sync --shard K/N`: several workers, one database.

use super::support::{Output, Pair, Running, wait_until};

/// Posts 1 to 20 without comments besides the fixtures', changed each.
const EDITS: &str =
    "UPDATE news_post SET title = 'new' WHERE id <= 20; UPDATE news_comment SET body = 'new' WHERE post_id <= 20";

/// The ids that requests named.
fn ids(requests: &[String], entity: &str) -> Vec<i64> {
    let of_entity = requests.iter().filter_map(|line| line.split(' ').nth(1)?.strip_prefix(&format!("/{entity}/")));
    let mut ids: Vec<i64> = of_entity.map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn shard(pair: &Pair, shard: &str) -> Output {
    pair.sync(["--shard", shard])
}

/// Starts a run in the background and waits until it has sent something.
fn start(pair: &Pair, shard: &str) -> Running {
    let arrived = pair.arrived();
    let running = pair.news.spawn(["sync", "--jobs", "1", "--shard", shard]);
    let mut sql = pair.db.client();
    let begun = "SELECT count(*) FROM news_sync_run WHERE shard = $1 AND status = 'running'";
    wait_until("the run has begun", || sql.query_one(begun, &[&shard]).unwrap().get::<_, i64>(0) == 1);
    wait_until("the run sends", || pair.arrived() > arrived);
    running
}

#[test]
fn shards_divide_posts_and_each_comment_goes_with_its_post() {
    let mut pair = Pair::new([]);
    pair.edit(EDITS);
    shard(&pair, "1/3").ok();
    let first = pair.sent();
    assert_eq!(ids(&first, "posts"), [1, 4, 7, 10, 13, 16, 19]);
    let comments = "SELECT count(*) FROM news_comment WHERE post_id <= 20 AND mod(post_id, 3) = 1";
    assert_eq!(i64::try_from(ids(&first, "comments").len()), Ok(pair.number(comments)));
    pair.diff(1);
    shard(&pair, "2/3").ok();
    assert_eq!(ids(&pair.sent(), "posts"), [2, 5, 8, 11, 14, 17, 20]);
    let refused = pair.news.run(["sync", "--shard", "0/3"]).expect_code(2);
    assert!(refused.stderr.contains("with K from 1 to N"), "{}", refused.stderr);
    let plan = pair.news.run(["--json", "sync", "--dry-run", "--shard", "3/3"]).expect_code(1).json();
    assert_eq!(plan["plan"]["posts"]["update"], 6);
    shard(&pair, "3/3").ok();
    assert_eq!(ids(&pair.sent(), "posts"), [3, 6, 9, 12, 15, 18]);
    pair.diff(0);
    let runs = pair.news.run(["--json", "runs"]).ok().json();
    assert_eq!(runs["runs"][0]["shard"], "3/3");
}

#[test]
fn shards_of_one_division_run_side_by_side_and_nobody_else_does() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'new'");
    pair.fake.set_faults(r#"{"latency_ms": 200}"#);
    let first = start(&pair, "1/2");
    let pid = first.pid().to_string();
    for flags in [&["--shard", "1/2"][..], &["--shard", "1/3"], &["--shard", "1/1"], &[], &["--full"]] {
        let refused = pair.news.run(["sync"].iter().chain(flags)).expect_code(11);
        assert!(refused.stderr.contains(&pid) && refused.stderr.contains("sync 1/2"), "{flags:?}: {}", refused.stderr);
    }
    pair.news.run(["discard", "posts/1"]).expect_code(11);
    let second = start(&pair, "2/2");
    let lock = pair.news.run(["--json", "status"]).ok().json()["lock"].as_str().unwrap().to_owned();
    assert!(lock.contains("sync 1/2") && lock.contains("sync 2/2"), "{lock}");
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_run WHERE status = 'running'"), 2);
    pair.fake.set_faults("{}");
    first.wait().ok();
    second.wait().ok();
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_run WHERE status = 'lost'"), 0);
    pair.diff(0);
}

#[test]
fn a_run_without_shards_keeps_shards_away() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'new'");
    pair.fake.set_faults(r#"{"latency_ms": 200}"#);
    let whole = pair.news.spawn(["sync", "--jobs", "1"]);
    wait_until("the run sends", || pair.arrived() > 0);
    shard(&pair, "1/2").expect_code(11);
    pair.fake.set_faults("{}");
    whole.wait().ok();
    shard(&pair, "1/2").ok();
}

#[test]
fn a_shard_that_loses_its_session_is_not_stopped_by_what_others_did_meanwhile() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'new'");
    pair.fake.set_faults(r#"{"latency_ms": 100}"#);
    let mut first = start(&pair, "1/2");
    shard(&pair, "2/2").ok();
    let kill =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'news sync 1/2 %'
                AND datname = current_database()";
    assert_eq!(pair.number(kill), 1);
    first.wait_line("it takes the lock again", |line| line.contains("taking the lock again").then_some(()));
    first.wait().ok();
    pair.diff(0);
}

#[test]
fn a_comment_moved_to_a_post_that_another_shard_creates_is_held_until_then() {
    let mut pair = Pair::new([]);
    // The first unsynced event is about post 2, so the comment is the second shard's (of 2: 2/2).
    pair.edit(
        "UPDATE news_comment SET post_id = 2 WHERE id = 1;
         INSERT INTO news_post (id, user_id, title, body) VALUES (1001, 1, 'title', 'body');
         UPDATE news_comment SET post_id = 1001 WHERE id = 1",
    );
    let held = shard(&pair, "2/2").expect_code(3).json();
    assert_eq!((&held["held"], &held["parked"], &held["requests"]), (&1.into(), &0.into(), &0.into()));
    shard(&pair, "1/2").ok();
    shard(&pair, "2/2").ok();
    pair.diff(0);
}

#[test]
fn two_workers_create_each_object_once() {
    let mut pair = Pair::new([]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) SELECT i, 1, 'title', 'body' FROM generate_series(1001, 1200) i;
         INSERT INTO news_comment (id, post_id, name, email, body)
         SELECT i, 1001 + mod(i, 200), 'name', 'a@b.c', 'body' FROM generate_series(10001, 10400) i;
         DELETE FROM news_post WHERE id <= 10",
    );
    pair.fake.set_faults(r#"{"latency_ms": 5, "fail_rate": 0.02}"#);
    let workers: Vec<Running> =
        ["1/2", "2/2"].iter().map(|shard| pair.news.spawn(["sync", "--jobs", "8", "--shard", shard])).collect();
    for worker in workers {
        worker.wait().ok();
    }
    pair.fake.set_faults("{}");
    pair.diff(0);
    let counts = pair.fake.counts();
    for (entity, ids) in [("posts", 1001..=1200), ("comments", 10_001..=10_400)] {
        for id in ids {
            assert_eq!(counts[entity][id.to_string()]["creates"], 1, "{entity}/{id}");
        }
    }
}

#[test]
fn follow_and_shard_go_together_and_full_does_not() {
    let mut pair = Pair::new([]);
    let workers: Vec<Running> =
        ["1/2", "2/2"].iter().map(|shard| pair.news.spawn(["sync", "--follow", "--shard", shard])).collect();
    pair.edit(EDITS);
    wait_until("everything is sent", || pair.unsynced() == 0);
    pair.diff(0);
    drop(workers);
    for args in [["--full", "--shard", "1/2"], ["--verify", "--shard", "3/2"], ["--verify", "--shard", "1/257"]] {
        pair.news.run(["sync"].iter().chain(&args)).expect_code(2);
    }
}

#[test]
fn a_worker_rests_while_what_is_due_is_another_shards() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    // Comment 900 of post 2, which a run without shards did not end with; and one that waits for its post, which is parked.
    pair.edit(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk)
         VALUES ('news_comment', 900, 'unknown', 'waiting', 0, 2, 2);
         INSERT INTO news_post (id, user_id, title, body) VALUES (901, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (901, 901, 'n', 'e', 'b')",
    );
    let worker = pair.news.spawn(["sync", "--follow", "--shard", "1/2"]);
    wait_until("one is held", || pair.number("SELECT count(*) FROM news_sync_object WHERE state = 'held'") == 1);
    let runs = "SELECT count(*) FROM news_sync_run";
    // Each of its own changes is a run, after which it looks at the others' once more.
    for n in 0..3 {
        pair.edit(&format!("UPDATE news_post SET title = 'new {n}' WHERE id = 1"));
        wait_until("that is sent", || pair.unsynced() == 2);
    }
    let before = pair.number(runs);
    let sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    let sessions_before = pair.number(sessions);
    for _ in 0..3 {
        pair.news.run(["db", "status"]).ok();
    }
    // What was under way may end; three commands have sessions of their own.
    let more = pair.number(sessions) - sessions_before;
    assert!(pair.number(runs) - before <= 1 && more < 15, "{} runs, {more} sessions", pair.number(runs) - before);
    drop(worker);
    shard(&pair, "2/2").ok();
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_object WHERE entity_pk = 900"), 0);
}

#[test]
fn a_comment_that_moves_stays_with_its_shard_until_it_is_done() {
    let mut pair = Pair::new(["--latency", "500ms"]);
    pair.edit(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk)
         VALUES ('news_comment', 1, 'unknown', 'waiting', 0, 1, 1);
         UPDATE news_comment SET post_id = 2, name = 'moved' WHERE id = 1",
    );
    let first = start(&pair, "1/2");
    // It is post 2's by now; but it is talked about.
    assert_eq!(shard(&pair, "2/2").ok().json()["requests"], 0);
    first.wait().ok();
    pair.fake.set_faults("{}");
    assert_eq!(ids(&pair.sent(), "comments"), [1, 1], "a GET and a PUT");
    pair.diff(0);
}
