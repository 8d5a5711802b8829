//! Settings of the owner for a database or a role (ALTER DATABASE … SET) reach our sessions, too.

use postgres::Client;

use crate::support::{Db, Fake, News, psql};

/// Each would break a statement of ours, or change what it reads.
const SETTINGS: [(&str, &str); 12] = [
    ("statement_timeout", "1ms"),
    ("lock_timeout", "1ms"),
    ("idle_in_transaction_session_timeout", "1ms"),
    ("idle_session_timeout", "1ms"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("TimeZone", "Asia/Kathmandu"),
    ("DateStyle", "SQL, DMY"),
    ("IntervalStyle", "sql_standard"),
    ("standard_conforming_strings", "off"),
    ("extra_float_digits", "-15"),
    ("row_security", "off"),
];

fn set(sql: &mut Client, settings: &[(&str, &str)]) {
    let name: String = sql.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    for (setting, value) in settings {
        sql.batch_execute(&format!("ALTER DATABASE {name} SET {setting} = '{value}'")).unwrap();
    }
}

#[test]
fn settings_of_the_owner_break_no_command() {
    let fake = Fake::start([""; 0]);
    let db = Db::empty();
    let version = "SELECT current_setting('server_version_num')::int";
    let version: i32 = db.client().query_one(version, &[]).unwrap().get(0);
    // What a session has from its beginning it keeps.
    let mut edits = db.client();
    set(&mut edits, &SETTINGS);
    if version >= 170_000 {
        set(&mut edits, &[("transaction_timeout", "50ms")]);
    }
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["db", "migrate"]).ok();
    news.run(["import"]).ok();
    edits.batch_execute("UPDATE news_post SET title = 'by hand' WHERE id <= 20").unwrap();
    news.run(["sync"]).ok();
    news.run(["sync", "--full"]).ok();
    news.run(["diff"]).ok();
    news.run(["doctor"]);
    news.run(["db", "prune", "--older-than", "1s"]).ok();
    let run = news.run(["--json", "status"]).ok().json()["last_run"].clone();
    let started = run["started_at"].as_str().unwrap();
    assert!(started.ends_with('Z') && started.starts_with("20"), "{run}");
    assert!(run["seconds"].as_f64().unwrap() < 60.0, "{run}");
}

/// An owner, or a provider whose disk is full, stops all writers in this way: it is not ours to lift.
#[test]
fn a_read_only_database_is_named() {
    let fake = Fake::start([""; 0]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["import"]).ok();
    psql(&db, "UPDATE news_post SET title = 'by hand' WHERE id = 1");
    set(&mut db.client(), &[("default_transaction_read_only", "on")]);
    let refused = news.run(["sync"]).expect_code(8);
    assert!(refused.stderr.contains("hint: The database is read-only"), "{}", refused.stderr);
    let doctor = news.run(["doctor"]).expect_code(8).stdout;
    assert!(doctor.contains("read-only"), "{doctor}");
    // Reports only read.
    assert_eq!(news.run(["--json", "status"]).ok().json()["pending"], 1);
    news.run(["diff"]).expect_code(1);
    let empty = Db::empty();
    set(&mut empty.client(), &[("default_transaction_read_only", "on")]);
    let refused = News::on(&empty).run(["db", "migrate"]).expect_code(8);
    assert!(refused.stderr.contains("hint: The database is read-only"), "{}", refused.stderr);
}
