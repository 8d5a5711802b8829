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

/// The history of a schema that was made before the first release.
const UNRELEASED: &str = "
    CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar, applied_on varchar, checksum varchar);
    INSERT INTO refinery_schema_history (version, name)
    VALUES (1, 'tables'), (2, 'tracking'), (3, 'sync'), (4, 'vacuum'), (5, 'shards'), (6, 'counts'), (7, 'unfinished'), (8, 'since');";

#[test]
fn a_schema_from_before_the_first_release_is_refused_by_every_command() {
    let db = Db::new();
    db.client().batch_execute(&format!("DROP TABLE news_schema_history; {UNRELEASED}")).unwrap();
    let news = News::on(&db).env("NEWS_TARGET_URL", "http://127.0.0.1:1").env("NEWS_JWT_SECRET", &"s".repeat(32));
    for args in [
        &["db", "migrate"][..],
        &["db", "prune", "--older-than", "1d"],
        &["import"],
        &["sync"],
        &["sync", "--full"],
        &["diff"],
        &["status"],
        &["runs"],
        &["parked"],
        &["retry", "--all"],
        &["discard", "posts/1"],
        &["user", "list"],
        &["token", "ada"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let refused = news.run(args).expect_code(8);
        let expected = "expected its history in news_schema_history, found it in refinery_schema_history";
        assert!(refused.stderr.contains(expected), "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("hint: Dump the posts and comments"), "{args:?}: {}", refused.stderr);
    }
    assert!(news.run(["doctor"]).expect_code(8).stdout.contains("fail  schema"));
    // What it is can be looked at, and its data can be taken out.
    let status = news.run(["--json", "db", "status"]).ok().json();
    assert_eq!((&status["schema"], &status["schema_version"]), (&"unreleased".into(), &0.into()), "{status}");
    news.run(["db", "shell", "-Xc", "SELECT FROM news_post"]).ok();
}

#[test]
fn another_applications_history_is_left_alone() {
    let foreign = [
        // Refinery's own table of an application with some names like ours, or one that only has the table's name.
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar, applied_on varchar, checksum varchar);
         INSERT INTO refinery_schema_history (version, name) VALUES (1, 'tables'), (2, 'users'), (9, 'sync')",
        "CREATE TABLE refinery_schema_history (what text); INSERT INTO refinery_schema_history VALUES ('something else')",
    ];
    for history in foreign {
        let db = Db::empty();
        let rows = "SELECT string_agg(h::text, ' ' ORDER BY h::text) FROM refinery_schema_history h";
        let rows = || -> String { db.client().query_one(rows, &[]).unwrap().get(0) };
        db.client().batch_execute(history).unwrap();
        let before = rows();
        let news = News::on(&db);
        assert_eq!(news.run(["--json", "db", "status"]).ok().json()["schema"], "behind");
        let applied = news.run(["--json", "db", "migrate"]).ok().json();
        assert_eq!(applied["applied"].as_array().unwrap().len(), migrations(), "{applied}");
        news.run(["status"]).ok();
        assert_eq!(rows(), before);
    }
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
    let newer =
        "INSERT INTO news_schema_history SELECT 9999, 'later', applied_on, checksum FROM news_schema_history LIMIT 1";
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
        (String::from("postgresql:///x?host=/nowhere&user=me"), "There is no socket at /nowhere:5432"),
    ] {
        let failed = News::with_url(&url).run(["status"]).expect_code(8);
        assert!(failed.stderr.contains(said), "{url}: {}", failed.stderr);
    }
    for (url, said) in [
        ("postgress://me@h/x", "begins with postgress://"),
        ("postgresql://me@h/x?sslmod=require", "hint: Did you mean sslmode?"),
        ("postgresql://me:a@b@h/x", "%40"),
    ] {
        let failed = News::with_url(url).run(["status"]).expect_code(2);
        assert!(failed.stderr.contains(said), "{url}: {}", failed.stderr);
    }
}
