//! `news sync --every`, `--follow` and `--metrics-file`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::support::{Db, Fake, Network, News, Running, wait_until};

/// A Fake API of its own, with nothing in it.
fn target(news: &News, faults: &[&str]) -> (Running, String) {
    std::fs::write(news.home().join("empty.json"), r#"{"posts":[],"comments":[]}"#).unwrap();
    let mut args = vec!["fake-api", "--listen", "127.0.0.1:0", "--data", "empty.json"];
    args.extend(faults);
    let mut running = news.spawn(args);
    let url = format!("http://{}", running.address());
    (running, url)
}

/// How many objects of `entity` the target has.
fn count(url: &str, entity: &str) -> usize {
    let text = ureq::get(format!("{url}/{entity}")).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len()
}

fn add_post(db: &Db, title: &str) -> i64 {
    let insert = "INSERT INTO news_post (user_id, title, body) VALUES (1, $1, 'text') RETURNING id";
    db.client().query_one(insert, &[&title]).unwrap().get(0)
}

fn number(db: &Db, sql: &str) -> i64 {
    db.client().query_one(sql, &[]).unwrap().get(0)
}

const PENDING: &str = "SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL";
const RUNS: &str = "SELECT count(*) FROM news_sync_run";

/// Ends it by SIGTERM and returns how long that took.
fn stop(running: Running) -> Duration {
    let begun = Instant::now();
    running.signal(Signal::TERM);
    running.wait().expect_code(143);
    begun.elapsed()
}

#[test]
fn every_runs_at_multiples_of_the_period_and_stops_within_a_second() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    add_post(&db, "first");
    let sync = news.spawn(["--target-url", &url, "sync", "--every", "2s"]);
    wait_until("the first change is sent", || number(&db, PENDING) == 0);
    add_post(&db, "second");
    wait_until("the second change is sent", || number(&db, PENDING) == 0);
    assert_eq!(count(&url, "posts"), 2);
    assert!(stop(sync) < Duration::from_secs(2));
    // Late by the jitter (100 ms), and by what a loaded machine makes of it.
    let late = "SELECT count(*) FROM news_sync_run WHERE mod(extract(epoch FROM started_at), 2) > 1.5";
    assert_eq!(number(&db, late), 0);
    let apart =
        "SELECT count(*) FROM (SELECT started_at - lag(started_at) OVER (ORDER BY id) AS gap FROM news_sync_run) g
                 WHERE gap < interval '1 second'";
    assert_eq!(number(&db, apart), 0);
}

#[test]
fn follow_sends_a_change_within_a_second_and_rests_without() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    let sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    let mut took = Vec::new();
    for n in 0..5 {
        add_post(&db, &format!("post {n}"));
        let begun = Instant::now();
        wait_until("the change is sent", || number(&db, PENDING) == 0);
        took.push(begun.elapsed());
    }
    assert_eq!(count(&url, "posts"), 5);
    took.sort();
    // The first has to wait for the process; of the others a loaded machine may delay one.
    assert!(took[2] < Duration::from_secs(1), "{took:?}");
    wait_until("the last run is over", || {
        number(&db, "SELECT count(*) FROM news_sync_run WHERE status = 'running'") == 0
    });
    let runs = number(&db, RUNS);
    // Nothing is held in between: somebody else gets the lock.
    news.run(["--target-url", &url, "sync"]).ok();
    assert_eq!(number(&db, RUNS), runs + 1);
    assert!(stop(sync) < Duration::from_secs(2));
}

/// The way to the database is no work of the database: looking often is as cheap over a slow one.
#[test]
fn follow_is_as_quick_with_a_database_ten_milliseconds_away() {
    let db = Db::new();
    let network = Network::slow(&db, Duration::from_millis(5));
    let news = News::with_url(network.url());
    let (_target, url) = target(&news, &["--reject-text", "bad words"]);
    // Something that stays makes each look ask for more.
    add_post(&db, "bad words");
    let sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    let mut took = Vec::new();
    for n in 0..8 {
        let asked = network.messages();
        add_post(&db, &format!("post {n}"));
        let begun = Instant::now();
        wait_until("the change is at the target", || count(&url, "posts") == n + 1);
        took.push((begun.elapsed(), network.messages() - asked));
    }
    stop(sync);
    took.sort();
    // A loaded machine delays some of them; what they ask for takes less than a second in round trips of 10 ms.
    let (quickest, fewest) = (took[0].0, took.iter().map(|(_, messages)| *messages).min().unwrap());
    assert!(quickest < Duration::from_secs(1) && fewest < 75, "{took:?}");
}

#[test]
fn follow_leaves_a_parked_object_alone_until_somebody_changes_or_retries_it() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &["--reject-text", "bad words"]);
    let bad = add_post(&db, "bad words");
    let sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    wait_until("it is parked", || number(&db, "SELECT count(*) FROM news_sync_object WHERE state = 'parked'") == 1);
    add_post(&db, "good");
    wait_until("the other one is sent", || number(&db, PENDING) == 1);
    assert_eq!(number(&db, "SELECT failures::bigint FROM news_sync_object"), 1, "it was tried once");
    wait_until("the last run is over", || {
        number(&db, "SELECT count(*) FROM news_sync_run WHERE status = 'running'") == 0
    });
    let runs = number(&db, RUNS);
    news.run(["retry", &format!("posts/{bad}")]).ok();
    wait_until("it is tried again", || number(&db, RUNS) > runs);
    db.client().execute("UPDATE news_post SET title = 'better' WHERE id = $1", &[&bad]).unwrap();
    wait_until("the better one is sent", || number(&db, PENDING) == 0);
    assert_eq!(count(&url, "posts"), 2);
    stop(sync);
}

/// A full sync has no events, and a run that is stopped right behind the post leaves its comments held.
#[test]
fn follow_takes_up_what_nothing_holds_any_more() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    let post = add_post(&db, "title");
    news.run(["--target-url", &url, "sync"]).ok();
    let held = format!(
        "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (1, {post}, 'n', 'e', 'b');
         DELETE FROM news_modelevent;
         INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, parent_pk, home_pk, reason, since)
         VALUES ('news_comment', 1, 'unknown', 'held', 0, {post}, {post}, 'waits for posts/{post}', now() - interval '1 h')"
    );
    db.client().batch_execute(&held).unwrap();
    // Nor is it excused from the lag.
    news.run(["status", "--check", "--max-lag", "15m"]).expect_code(1);
    let sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    wait_until("it is sent", || number(&db, "SELECT count(*) FROM news_sync_object") == 0);
    assert_eq!(count(&url, "comments"), 1);
    stop(sync);
}

#[test]
fn repeated_runs_let_a_failing_object_wait_and_a_run_by_hand_does_not() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &["--status-for", "posts/1=500"]);
    let rest =
        "INSERT INTO news_post (id, user_id, title, body) SELECT i, 1, 'title', 'body' FROM generate_series(2, 40) i";
    db.client().batch_execute(rest).unwrap();
    news.run(["--target-url", &url, "sync"]).ok();
    db.client()
        .batch_execute("INSERT INTO news_post (id, user_id, title, body) VALUES (1, 1, 'title', 'body')")
        .unwrap();
    // Others succeed meanwhile, so it is the object that fails and not the target.
    db.client().batch_execute("UPDATE news_post SET title = 'new' WHERE id > 1").unwrap();
    let sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    let waiting = "SELECT count(*) FROM news_sync_object WHERE state = 'waiting' AND failures = 1
                   AND next_try_at BETWEEN clock_timestamp() + interval '30 s' AND clock_timestamp() + interval '61 s'";
    wait_until("it waits for a minute", || number(&db, waiting) == 1);
    db.client().batch_execute("UPDATE news_post SET title = 'newer' WHERE id = 2").unwrap();
    wait_until("the other one is sent", || number(&db, PENDING) == 1);
    assert_eq!(number(&db, waiting), 1, "it was not tried again");
    stop(sync);
    let changes = "UPDATE news_post SET title = 'newest' WHERE id > 1";
    db.client().batch_execute(changes).unwrap();
    news.run(["--target-url", &url, "sync"]).expect_code(3);
    let twice = "SELECT count(*) FROM news_sync_object WHERE state = 'waiting' AND failures = 2
                 AND next_try_at > clock_timestamp() + interval '61 s'";
    assert_eq!(number(&db, twice), 1, "it was tried, and waits twice as long");
}

#[test]
fn an_outage_ends_no_loop_and_leaves_nobody_waiting() {
    let db = Db::new();
    let news = News::on(&db);
    let (target, url) = target(&news, &[]);
    drop(target);
    add_post(&db, "title");
    let mut sync = news.spawn(["--target-url", &url, "sync", "--follow"]);
    sync.wait_line("it says that it tries again", |line| line.contains("trying again").then_some(()));
    assert_eq!(number(&db, "SELECT count(*) FROM news_sync_object WHERE next_try_at IS NOT NULL"), 0);
    assert!(stop(sync) < Duration::from_secs(2));
}

#[test]
fn what_the_next_run_would_meet_again_ends_the_loop() {
    let db = Db::new();
    let news = News::on(&db);
    add_post(&db, "title");
    // No target is named, and none is remembered.
    news.run(["sync", "--every", "1s"]).expect_code(2);
    news.run(["sync", "--follow"]).expect_code(2);
}

/// A token and a password are rotated while loops go on: at the other end first, then in the file.
#[test]
fn secrets_in_files_are_read_again_by_loops() {
    let db = Db::new();
    let mut admin = db.client();
    let name: String = admin.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let role = format!("rotated_{name}");
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'first'")).unwrap();
    let url = |password: &str| db.tcp_url().replace("tester:p%40ss%2Fword", &format!("{role}:{password}"));
    let news = News::bare().env("NEWS_FAKE_TOKEN", "second-token");
    let (token_file, url_file) = (news.home().join("token"), news.home().join("url"));
    std::fs::write(&token_file, "first-token\n").unwrap();
    std::fs::write(&url_file, url("first")).unwrap();
    let news = news.env("NEWS_TARGET_TOKEN_FILE", token_file.to_str().unwrap());
    let news = news.env("NEWS_DATABASE_URL_FILE", url_file.to_str().unwrap());
    let (_target, target_url) = target(&news, &["--require-token"]);
    add_post(&db, "one");
    for mode in [&["--follow"][..], &["--every", "1s"]] {
        std::fs::write(&token_file, "first-token\n").unwrap();
        let mut sync = news.spawn(["--target-url", &target_url, "sync"].iter().chain(mode));
        let hint = format!("Put a token that may write into {}", token_file.display());
        sync.wait_line("the token is refused", |line| line.contains(&hint).then_some(()));
        std::fs::write(&token_file, "second-token\n").unwrap();
        wait_until("the change is sent with the new token", || number(&db, PENDING) == 0);
        // The password: new sessions need the new one.
        admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD 'second'")).unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1";
        admin.query_one(end, &[&role]).unwrap();
        add_post(&db, "two");
        let hint = format!("The URL with the password is in {}", url_file.display());
        sync.wait_line("the password is refused", |line| line.contains(&hint).then_some(()));
        std::fs::write(&url_file, url("second")).unwrap();
        wait_until("the change is sent over the new session", || number(&db, PENDING) == 0);
        stop(sync);
        admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD 'first'")).unwrap();
        std::fs::write(&url_file, url("first")).unwrap();
        add_post(&db, "three");
    }
    drop(news);
    admin.batch_execute(&format!("DROP ROLE {role}")).unwrap();
}

/// Within one run, too: what was refused for the token's sake had no effect.
#[test]
fn a_token_that_is_rotated_during_a_run_is_read_again() {
    let db = Db::new();
    let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", "new"), ["--latency", "20ms"]);
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    let file = news.home().join("token");
    std::fs::write(&file, "old").unwrap();
    let news = news.env("NEWS_TARGET_TOKEN_FILE", file.to_str().unwrap());
    news.run(["import"]).ok();
    let before = fake.requests().len();
    db.client().batch_execute("UPDATE news_post SET title = 'x' WHERE id <= 60").unwrap();
    let sync = news.spawn(["sync", "--jobs", "1"]);
    wait_until("the run has begun to send", || fake.requests().len() > before + 3);
    std::fs::write(&file, "new").unwrap();
    fake.set_faults(r#"{"require_token": true}"#);
    let output = sync.wait().ok();
    assert!(output.stderr.contains("its file has another one now"), "{}", output.stderr);
    assert_eq!(number(&db, PENDING), 0);
}

/// Monitoring and reports are beside the point: changes arrive, whatever becomes of these.
#[test]
fn a_loop_outlives_its_metrics_file_and_its_report() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    let file = news.home().join("late").join("m.prom");
    let args = ["--json", "--target-url", &url, "sync", "--follow", "--metrics-file", file.to_str().unwrap()];
    let full_disk = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    add_post(&db, "one");
    let mut sync = Running::start_writing(news.command(args), full_disk.into());
    wait_until("the first change is sent", || number(&db, PENDING) == 0);
    sync.wait_line("the file is missed", |line| (line.contains("m.prom") && line.contains("warning")).then_some(()));
    sync.wait_line("the report is missed", |line| line.contains("the report is lost").then_some(()));
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    add_post(&db, "two");
    wait_until("the second change is sent", || number(&db, PENDING) == 0);
    wait_until("the file is there", || file.exists());
    stop(sync);
}

#[test]
fn loops_exclude_what_makes_no_sense_with_them() {
    let news = News::bare();
    for args in [
        &["sync", "--every", "5m", "--follow"][..],
        &["sync", "--every", "5m", "--dry-run"],
        &["sync", "--follow", "--checksum", "0"],
        &["sync", "--follow", "--full"],
        &["sync", "--every", "0"],
        &["sync", "--every", "500ms"],
    ] {
        news.run(args).expect_code(2);
    }
}

#[test]
fn full_runs_repeat() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    add_post(&db, "title");
    let sync = news.spawn(["--target-url", &url, "sync", "--full", "--every", "1s"]);
    wait_until("two of them are done", || {
        number(&db, "SELECT count(*) FROM news_sync_run WHERE kind = 'full' AND status = 'done'") >= 2
    });
    stop(sync);
    assert_eq!(count(&url, "posts"), 1);
}

/// The samples of a metrics file, by name and labels.
fn samples(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn metrics_tell_how_things_stand_after_each_run() {
    let db = Db::new();
    let news = News::on(&db);
    let (api, url) = target(&news, &["--reject-text", "bad words"]);
    add_post(&db, "good");
    let read = || samples(&std::fs::read_to_string(news.home().join("news.prom")).unwrap());
    let sync = ["--target-url", &url, "sync", "--metrics-file", "news.prom"];
    let success = "news_last_success_timestamp_seconds{kind=\"sync\"}";
    news.run(sync).ok();
    let good = read();
    assert_eq!((&*good["news_sync_exit_code"], &*good["news_pending_objects"]), ("0", "0"));
    assert_eq!(good["news_run_status{kind=\"sync\",status=\"done\"}"], "1");
    assert_eq!(good["news_run_requests{kind=\"sync\"}"], "3", "asked for first, and read back");
    let now: f64 = db.client().query_one("SELECT extract(epoch FROM now())::float8", &[]).unwrap().get(0);
    assert!((now - good[success].parse::<f64>().unwrap()).abs() < 60.0);

    add_post(&db, "bad words");
    news.run(sync).expect_code(3);
    let partly = read();
    assert_eq!((&*partly["news_sync_exit_code"], &*partly["news_parked_objects"]), ("3", "1"));
    assert_eq!(partly["news_run_status{kind=\"sync\",status=\"partly\"}"], "1");
    assert_eq!(partly[success], good[success]);

    drop(api);
    add_post(&db, "other");
    news.run(sync).expect_code(5);
    let away = read();
    assert_eq!((&*away["news_sync_exit_code"], &*away["news_pending_objects"]), ("5", "2"));

    news.run(["--database-url", "postgresql://127.0.0.1:1/x", "sync", "--metrics-file", "news.prom"]).expect_code(8);
    let without = read();
    assert_eq!((&*without["news_sync_exit_code"], &*without["news_database_up"]), ("8", "0"));
    assert!(!without.contains_key("news_pending_objects"));

    // A database that follows no target is not away.
    let lone = Db::new();
    let path = news.home().join("lone.prom");
    News::on(&lone).run(["sync", "--metrics-file", path.to_str().unwrap()]).expect_code(2);
    let lone = samples(&std::fs::read_to_string(path).unwrap());
    assert_eq!((&*lone["news_sync_exit_code"], &*lone["news_database_up"]), ("2", "1"));

    let names: Vec<_> = news.home().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".news-")), "{names:?}");
}

#[test]
fn metrics_that_cannot_be_written_are_a_failure_of_their_own() {
    let db = Db::new();
    let news = News::on(&db);
    let (_target, url) = target(&news, &[]);
    let failed = news.run(["--target-url", &url, "sync", "--metrics-file", "no/such/folder.prom"]).expect_code(74);
    assert!(failed.stdout.contains("run 1 to "), "what was done is told: {}", failed.stdout);
    assert!(failed.stderr.contains("cannot write no/such/folder.prom: No such file"), "{}", failed.stderr);
}
