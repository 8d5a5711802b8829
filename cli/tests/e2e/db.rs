//! `news db` on a named database.

use super::support::{Db, News, Output, Running, migrations};

#[test]
fn migrate_names_what_it_applied_and_may_be_repeated() {
    let db = Db::empty();
    let news = News::on(&db);
    let first = news.run(["--json", "db", "migrate"]).ok().json();
    assert_eq!(first["applied"].as_array().unwrap().len(), migrations(), "{first}");
    let second = news.run(["--json", "db", "migrate"]).ok().json();
    assert_eq!(second["applied"].as_array().unwrap().len(), 0, "{second}");
    assert_eq!(first["schema_version"], second["schema_version"]);
}

/// A database as a binary left it whose last migration was `version`.
fn at_version(version: i32) -> Db {
    let (done, db) = (Db::new(), Db::empty());
    let mut sql = db.client();
    sql.batch_execute("CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar, applied_on varchar, checksum varchar)")
        .unwrap();
    let migrations =
        "SELECT version, name, applied_on, checksum FROM refinery_schema_history WHERE version <= $1 ORDER BY version";
    for row in done.client().query(migrations, &[&version]).unwrap() {
        let (version, name): (i32, String) = (row.get(0), row.get(1));
        let file = format!("{}/../migrations/V{version}__{name}.sql", env!("CARGO_MANIFEST_DIR"));
        sql.batch_execute(&std::fs::read_to_string(file).unwrap()).unwrap();
        let (applied_on, checksum): (String, String) = (row.get(2), row.get(3));
        let insert = "INSERT INTO refinery_schema_history VALUES ($1, $2, $3, $4)";
        sql.execute(insert, &[&version, &name, &applied_on, &checksum]).unwrap();
    }
    db
}

/// Up to version 6, what was given up was no different from what waits.
#[test]
fn what_was_given_up_before_version_7_stays_given_up() {
    let db = at_version(6);
    db.client()
        .batch_execute(
            "INSERT INTO news_post (user_id, title, body) SELECT 1, 't', 'b' FROM generate_series(1, 3);
             INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id)
             VALUES ('news_post', 1, 'unknown', 'waiting', 0), ('news_post', 2, 'unknown', 'waiting', 2),
                    ('news_post', 3, 'unknown', 'waiting', 3);
             UPDATE news_modelevent SET synced_at = now() WHERE entity_pk <> 3",
        )
        .unwrap();
    let news = News::on(&db);
    news.run(["db", "migrate"]).ok();
    let states = "SELECT state FROM news_sync_object ORDER BY entity_pk";
    let states: Vec<String> = db.client().query(states, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["discarded", "discarded", "waiting"]);
    assert_eq!(news.run(["--json", "status"]).ok().json()["pending"], 1);
}

#[test]
fn four_migrators_at_once_all_end_well() {
    let db = Db::empty();
    let news = News::on(&db);
    let running: Vec<Running> = (0..4).map(|_| news.spawn(["--json", "db", "migrate"])).collect();
    let ended: Vec<Output> = running.into_iter().map(|one| one.wait().ok()).collect();
    let applied: usize = ended.iter().map(|one| one.json()["applied"].as_array().unwrap().len()).sum();
    assert_eq!(applied, migrations(), "each migration is applied by one of them: {ended:?}");
}

#[test]
fn status_tells_what_a_database_is_and_never_its_password() {
    let db = Db::new();
    db.client()
        .batch_execute("INSERT INTO news_post (user_id, title, body) SELECT 1, 't', 'b' FROM generate_series(1, 50); ANALYZE news_post")
        .unwrap();
    let news = News::with_url(&db.tcp_url());
    let status = news.run(["--json", "db", "status"]).ok();
    let json = status.json();
    assert_eq!((&json["reachable"], &json["schema"]), (&true.into(), &"current".into()), "{json}");
    assert_eq!(json["schema_version"], json["schema_version_wanted"], "{json}");
    assert_eq!(json["pending_events"], 50, "{json}");
    let posts = json["tables"].as_array().unwrap().iter().find(|table| table["name"] == "news_post").unwrap();
    assert_eq!(posts["rows_estimated"], 50, "{json}");
    assert!(json["size_bytes"].as_i64().unwrap() > 1_000_000, "{json}");
    let text = news.run(["db", "status"]).ok();
    assert!(text.stdout.contains("pending    50 events"), "{}", text.stdout);
    for output in [&status, &text] {
        assert!(!output.stdout.contains("p@ss") && !output.stdout.contains("p%40ss"), "{}", output.stdout);
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn status_of_a_database_that_is_not_there_is_a_report_and_exit_8() {
    let news = News::with_url("postgresql://me:s3cret@127.0.0.1:1/news");
    let status = news.run(["--json", "db", "status"]).expect_code(8);
    assert_eq!(status.json()["reachable"], false);
    assert_eq!(status.json()["database"], "postgresql://me@127.0.0.1:1/news");
    assert!(status.stderr.contains("127.0.0.1:1"), "{}", status.stderr);
    assert!(!format!("{status:?}").contains("s3cret"));
    // Said once, with what to do.
    let text = news.run(["db", "status"]).expect_code(8);
    assert!(!text.stdout.contains("refused") && text.stdout.contains("reachable  no"), "{}", text.stdout);
    assert!(text.stderr.contains("hint: nothing listens at 127.0.0.1:1"), "{}", text.stderr);

    let bad = News::with_url("postgresql://me:s3cret@h/db?nonsense=1").run(["db", "status"]).expect_code(2);
    assert!(!format!("{bad:?}").contains("s3cret"), "{bad:?}");
}

#[test]
fn an_empty_database_is_behind() {
    let db = Db::empty();
    let json = News::on(&db).run(["--json", "db", "status"]).ok().json();
    assert_eq!((&json["schema"], &json["schema_version"]), (&"behind".into(), &0.into()), "{json}");
    assert_eq!(json["pending_events"], serde_json::Value::Null, "{json}");
}

#[test]
fn a_newer_schema_is_refused() {
    let db = Db::new();
    let newer = "INSERT INTO refinery_schema_history SELECT 9999, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    db.client().batch_execute(newer).unwrap();
    let refused = News::on(&db).run(["db", "migrate"]).expect_code(8);
    assert!(refused.stderr.contains("newer version"), "{}", refused.stderr);
}

#[test]
fn a_named_database_is_not_ours_to_start_or_stop() {
    let db = Db::empty();
    for verb in ["start", "stop"] {
        let refused = News::on(&db).run(["db", verb]).expect_code(2);
        assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    }
}

#[test]
fn the_shell_is_psql_with_its_exit_code_and_no_password_on_its_command_line() {
    let db = Db::new();
    let news = News::with_url(&db.tcp_url());
    assert_eq!(news.run(["db", "url"]).ok().stdout.trim(), db.tcp_url());
    assert_eq!(news.run(["--json", "db", "url"]).ok().json()["url"], db.tcp_url());
    // What the process list shows of it, as psql itself sees it.
    let seen =
        news.run(["db", "shell", "-XAtq", "-c", "SELECT 1", "-c", r"\! tr '\\0' ' ' < /proc/$PPID/cmdline"]).ok();
    assert!(seen.stdout.starts_with("1\n"), "{}", seen.stdout);
    assert!(!seen.stdout.contains("p%40ss") && !seen.stdout.contains("p@ss"), "{}", seen.stdout);
    assert!(!cfg!(target_os = "linux") || seen.stdout.contains("--dbname=postgresql://"), "{}", seen.stdout);
    let failed = ["db", "shell", "-X", "-v", "ON_ERROR_STOP=1", "-c", "SELECT 1/0"];
    news.run(failed).expect_code(1);
    // A flag of psql's is psql's, also where we have one of that name.
    news.run(["db", "shell", "-v", "ON_ERROR_STOP=1", "-q", "-c", "SELECT 1/0", "-c", "SELECT 1"]).expect_code(1);
    assert_eq!(news.run(["db", "shell", "-v", "x=3", "-XAtc", r"\echo :x"]).ok().stdout, "3\n");
    assert_eq!(news.run_with(["db", "shell", "-XAtq"], "SELECT 2;\n").ok().stdout, "2\n");
}

#[test]
fn what_keeps_us_out_is_told_with_what_to_do() {
    let db = Db::empty();
    let tcp = db.tcp_url();
    let (front, name) = tcp.rsplit_once('/').unwrap();
    for (url, said) in [
        (tcp.replace("p%40ss", "wrong"), "the password for role tester is wrong"),
        (tcp.replace(":p%40ss%2Fword", ""), "the server asks role tester for a password"),
        (format!("{front}/no_such_{name}"), "hint: make it: createdb no_such_"),
        (String::from("postgresql://me@no-such-host.invalid/x"), "the name in no-such-host.invalid:5432"),
        (String::from("postgresql:///x?host=/nowhere&user=me"), "there is no socket at /nowhere:5432"),
    ] {
        let failed = News::with_url(&url).run(["status"]).expect_code(8);
        assert!(failed.stderr.contains(said), "{url}: {}", failed.stderr);
    }
    for (url, said) in [
        ("postgress://me@h/x", "begins with postgress://"),
        ("postgresql://me@h/x?sslmod=require", "hint: do you mean sslmode?"),
        ("postgresql://me:a@b@h/x", "%40"),
    ] {
        let failed = News::with_url(url).run(["status"]).expect_code(2);
        assert!(failed.stderr.contains(said), "{url}: {}", failed.stderr);
    }
}
