//! Changes that do not come into the log: each command that relies on it says so.

use crate::support::{Db, Http, News, Pair, psql};

/// How to break tracking, how to repair it, and what is said.
const BREAKS: [(&str, &str, &str); 9] = [
    (
        "ALTER TABLE news_post DISABLE TRIGGER news_track_update",
        "ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update",
        "the trigger news_track_update of news_post is disabled",
    ),
    (
        // What pg_restore --disable-triggers leaves.
        "ALTER TABLE news_comment ENABLE TRIGGER news_track_insert",
        "ALTER TABLE news_comment ENABLE ALWAYS TRIGGER news_track_insert",
        "the trigger news_track_insert of news_comment is not enabled for every session",
    ),
    (
        "ALTER TRIGGER news_track_delete ON news_comment RENAME TO other",
        "ALTER TRIGGER other ON news_comment RENAME TO news_track_delete",
        "the trigger news_track_delete of news_comment is missing",
    ),
    (
        "CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE OR REPLACE TRIGGER news_track_truncate BEFORE TRUNCATE ON news_post EXECUTE FUNCTION idle();
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_truncate",
        "CREATE OR REPLACE TRIGGER news_track_truncate BEFORE TRUNCATE ON news_post EXECUTE FUNCTION news_track_truncate();
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_truncate",
        "the trigger news_track_truncate of news_post is missing",
    ),
    (
        "ALTER TABLE news_comment ALTER COLUMN post_id TYPE integer",
        "ALTER TABLE news_comment ALTER COLUMN post_id TYPE bigint",
        "the column post_id of news_comment is not a bigint",
    ),
    (
        "CREATE TABLE archive () INHERITS (news_post)",
        "DROP TABLE archive",
        "the table archive inherits from news_post",
    ),
    (
        "CREATE TABLE things (id bigint NOT NULL); ALTER TABLE news_comment INHERIT things",
        "ALTER TABLE news_comment NO INHERIT things; DROP TABLE things",
        "news_comment inherits from things",
    ),
    (
        // As if its worker had fetched the tables of a publication: for that it takes a second server.
        "CREATE SUBSCRIPTION cms CONNECTION 'dbname=cms' PUBLICATION p WITH (connect = false, slot_name = NONE);
         SET allow_system_table_mods = on;
         INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
         SELECT oid, 'news_post'::regclass, 'r' FROM pg_subscription WHERE subname = 'cms'",
        "DROP SUBSCRIPTION cms",
        "the subscription cms writes to news_post",
    ),
    (
        "DROP TRIGGER news_track_insert ON news_post",
        "CREATE TRIGGER news_track_insert AFTER INSERT ON news_post REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION news_track_post();
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_insert",
        "the trigger news_track_insert of news_post is missing",
    ),
];

#[test]
fn tracking_that_does_not_work_is_said_by_each_command_that_relies_on_it() {
    let mut pair = Pair::new([]);
    let file = pair.news.home().join("news.prom");
    let file = file.to_str().unwrap();
    let metric = || -> String {
        pair.news.run(["sync", "--metrics-file", file]);
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().find(|line| line.starts_with("news_tracking_up ")).unwrap_or_default().to_owned()
    };
    assert_eq!(metric(), "news_tracking_up 1");
    let mut sql = pair.db.client();
    let mut edit = |statements: &str| {
        for statement in statements.split(";\n") {
            sql.batch_execute(statement).unwrap_or_else(|error| panic!("{error:?} in {statement}"));
        }
    };
    for (breaks, repairs, said) in BREAKS {
        edit(breaks);
        for args in [&["sync"][..], &["sync", "--full"], &["status", "--check"]] {
            let refused = pair.news.run(args).expect_code(8);
            assert!(refused.stderr.contains(said) && refused.stderr.contains("hint: "), "{args:?}: {}", refused.stderr);
        }
        let doctor = pair.news.run(["doctor"]).expect_code(8).stdout;
        assert!(doctor.contains("fail  tracking") && doctor.contains(said), "{doctor}");
        let status = pair.news.run(["--json", "status"]).ok();
        assert!(status.json()["tracking"][0].as_str().unwrap().contains(said), "{}", status.stdout);
        assert!(status.stderr.contains(said), "{}", status.stderr);
        assert_eq!(metric(), "news_tracking_up 0", "{said}");
        edit(repairs);
        pair.news.run(["sync"]).ok();
        assert_eq!(pair.news.run(["--json", "status", "--check"]).ok().json()["tracking"], serde_json::json!([]));
    }
    pair.sent();
}

/// The service goes on without a run: what it serves is not tracked, either.
#[test]
fn the_metrics_of_the_service_tell_of_tracking() {
    let db = Db::new();
    let news = News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32));
    for (statement, expected) in [
        ("ALTER TABLE news_post DISABLE TRIGGER news_track_update", "news_tracking_up 0"),
        ("ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update", "news_tracking_up 1"),
    ] {
        psql(&db, statement);
        // What a service has read is good for some seconds: one for each.
        let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
        let metrics = Http::new(&format!("http://{}", server.address())).get("/metrics").text;
        assert!(metrics.lines().any(|line| line == expected), "{expected}: {metrics}");
    }
}

#[test]
fn counting_that_is_off_is_a_warning() {
    let mut pair = Pair::new([]);
    pair.edit("ALTER TABLE news_post DISABLE TRIGGER news_count_insert");
    let doctor = pair.news.run(["doctor"]).ok().stdout;
    assert!(doctor.contains("warn  counts") && doctor.contains("ENABLE ALWAYS TRIGGER news_count_insert"), "{doctor}");
    pair.sync([]).ok();
}
