//! The log is evidence, not proof: what other people's triggers, dumps and imports make of it, and what a sync makes of that.

use serde_json::json;

use super::support::{Db, Fake, News, Pair, wait_until};

/// How many records of the listing have this id.
fn records(fake: &Fake, entity: &str, id: i64) -> usize {
    let listing = fake.http().get(&format!("/{entity}")).json();
    listing.as_array().unwrap().iter().filter(|record| record["id"] == json!(id)).count()
}

fn row_trigger(name: &str, when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
         CREATE TRIGGER a_{name} {when} ON news_post FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
}

#[test]
fn a_row_that_a_trigger_deletes_at_once_is_deleted_at_the_target() {
    let mut pair = Pair::new([]);
    let body = "IF NEW.title LIKE 'spam%' THEN DELETE FROM news_post WHERE id = NEW.id; END IF;";
    pair.sql.batch_execute(&row_trigger("moderate", "AFTER INSERT OR UPDATE", body)).unwrap();
    pair.edit("UPDATE news_post SET title = 'spam' WHERE id = 5");
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'spam, too', 'b')");
    let report = pair.sync([]).ok().json();
    assert_eq!(report["overtaken"], json!(0));
    assert_eq!((records(&pair.fake, "posts", 5), records(&pair.fake, "posts", 900), pair.unsynced()), (0, 0, 0));
    pair.diff(0);
}

#[test]
fn a_row_that_a_trigger_puts_back_is_there_once() {
    let mut pair = Pair::new(["--mode", "duplicates"]);
    let body = "IF OLD.id = 5 THEN INSERT INTO news_post VALUES (5, OLD.user_id, 'put back', OLD.body); END IF;";
    pair.sql.batch_execute(&row_trigger("keep", "AFTER DELETE", body)).unwrap();
    pair.edit("DELETE FROM news_post WHERE id = 5");
    pair.sync([]).ok();
    assert_eq!(records(&pair.fake, "posts", 5), 1);
    pair.diff(0);
}

#[test]
fn an_id_that_one_statement_moves_away_and_inserts_again_arrives() {
    let mut pair = Pair::new([]);
    pair.edit("DELETE FROM news_comment WHERE post_id IN (90, 91)");
    pair.sync([]).ok();
    pair.edit(
        "WITH moved AS (UPDATE news_post SET id = id + 1000 WHERE id IN (90, 91) RETURNING id)
         INSERT INTO news_post (id, user_id, title, body) SELECT 90, 1, 'the new ninety', 'b' FROM moved LIMIT 1",
    );
    pair.sync([]).ok();
    assert_eq!(pair.fake.http().get("/posts/90").json()["title"], json!("the new ninety"));
    pair.diff(0);
}

#[test]
fn a_value_that_cannot_be_sent_parks_its_object_and_nothing_else() {
    let mut pair = Pair::new([]);
    pair.edit("ALTER TABLE news_post ALTER body DROP NOT NULL");
    pair.edit("UPDATE news_post SET body = NULL WHERE id = 7; UPDATE news_post SET title = 'good' WHERE id = 8");
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["done"]["posts"]["update"]), (&json!(1), &json!(1)));
    assert_eq!(report["first_error"], json!("posts/7: body: expected a value, found NULL"));
    assert_eq!(pair.fake.http().get("/posts/8").json()["title"], json!("good"));
    // The lock is free, and the object is not tried again by itself.
    pair.sync([]).expect_code(3);
    let parked = pair.news.run(["--json", "parked"]).ok().json();
    assert_eq!((&parked["objects"][0]["id"], &parked["objects"][0]["state"]), (&json!(7), &json!("parked")));
    pair.edit("UPDATE news_post SET body = 'again' WHERE id = 7");
    pair.sync([]).ok();
    pair.diff(0);
}

/// The triggers log a create for every row, and the target has them all.
fn restored(fake: &Fake, change: &str) -> (Db, News) {
    let (db, first) = (Db::new(), Db::new());
    News::on(&first).env("NEWS_TARGET_URL", fake.url()).run(["import"]).ok();
    let mut sql = db.client();
    for (table, columns) in
        [("news_post", "id, user_id, title, body"), ("news_comment", "id, post_id, name, email, body")]
    {
        let mut rows = Vec::new();
        let copy = format!("COPY {table} ({columns}) TO STDOUT");
        std::io::Read::read_to_end(&mut first.client().copy_out(&copy).unwrap(), &mut rows).unwrap();
        let mut writer = sql.copy_in(&format!("COPY {table} ({columns}) FROM STDIN")).unwrap();
        std::io::Write::write_all(&mut writer, &rows).unwrap();
        writer.finish().unwrap();
    }
    sql.batch_execute(change).unwrap();
    (db, News::bare().env("NEWS_TARGET_URL", fake.url()))
}

#[test]
fn a_dump_of_the_data_alone_creates_nothing_twice() {
    let fake = Fake::start(["--mode", "duplicates"]);
    let (db, news) = restored(&fake, "DELETE FROM news_comment WHERE id = 500");
    let news = news.env("NEWS_DATABASE_URL", &db.url());
    let before = fake.requests().len();
    let output = news.run(["--json", "sync"]).ok();
    assert!(output.stderr.contains("is at the target already"), "{}", output.stderr);
    let report = output.json();
    assert_eq!((&report["done"]["posts"]["ask"], &report["done"]["comments"]["ask"]), (&json!(100), &json!(499)));
    // Created and deleted would be nothing, were the log honest: it is asked for, too.
    assert_eq!(report["done"]["comments"]["delete"], json!(1));
    assert!(fake.requests()[before..].iter().all(|line| !line.starts_with('P')), "neither POST nor PUT");
    news.run(["diff"]).ok();
    // What comes later is as sure as ever.
    db.client().batch_execute("INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'new', 'b')").unwrap();
    let later = news.run(["--json", "sync"]).ok().json();
    assert_eq!(later["methods"], json!({"POST": 1, "GET": 2}));
}

#[test]
fn the_doubt_outlives_the_run_that_found_it() {
    let fake = Fake::start(["--mode", "duplicates", "--latency", "20ms"]);
    let (db, news) = restored(&fake, "");
    let news = news.env("NEWS_DATABASE_URL", &db.url());
    let run = news.spawn(["sync", "--jobs", "1"]);
    let doubt = "SELECT doubtful_until FROM news_sync_state";
    let mut sql = db.client();
    super::support::wait_until("the log is in doubt", || sql.query_one(doubt, &[]).unwrap().get::<_, i64>(0) > 0);
    run.signal(rustix::process::Signal::KILL);
    run.wait().expect_code(137);
    fake.set_faults("{}");
    let report = news.run(["--json", "sync", "--jobs", "8"]).ok().json();
    assert!(report["methods"]["POST"].is_null(), "{report}");
    news.run(["diff"]).ok();
}

#[test]
fn many_creates_over_other_content_are_refused_until_they_are_meant() {
    let fake = Fake::start(["--mode", "duplicates"]);
    let (db, news) = restored(&fake, "UPDATE news_post SET title = 'of another world'");
    let news = news.env("NEWS_DATABASE_URL", &db.url());
    for _ in 0..2 {
        let refused = news.run(["sync"]).expect_code(4);
        let why = "is at the target already, with other content, and 100 posts are to be created";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert!(fake.counts()["posts"]["1"]["updates"].is_null(), "nothing was written");
    news.run(["sync", "--force"]).ok();
    assert_eq!(records(&fake, "posts", 1), 1);
    news.run(["diff"]).ok();
}

#[test]
fn an_import_starts_afresh_and_deletes_no_event() {
    let mut pair = Pair::new(["--mode", "duplicates", "--reject-text", "nope"]);
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (600, 1, 'nope', 'x')");
    pair.sync([]).expect_code(3);
    pair.fake.set_faults("{}");
    let by_hand = r#"{"id":600,"userId":1,"title":"by hand, at the target","body":"x"}"#;
    assert_eq!(pair.fake.http().send("POST", "/posts", by_hand).status, 201);
    pair.edit("TRUNCATE news_post, news_comment");
    let events = pair.number("SELECT count(*) FROM news_modelevent");
    let imported = pair.news.run(["--json", "import"]).ok().json();
    assert_eq!((&imported["posts"], &imported["superseded"]), (&json!(101), &json!(602)));
    assert_eq!((pair.number("SELECT count(*) FROM news_modelevent"), pair.unsynced()), (events, 0));
    pair.sent();
    for _ in 0..2 {
        assert_eq!(pair.sync([]).ok().json()["requests"], json!(0));
    }
    // What was known of it before the import is of another row.
    pair.edit("UPDATE news_post SET title = 'edited' WHERE id = 600");
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/600 200"]);
    assert_eq!(records(&pair.fake, "posts", 600), 1);
    pair.diff(0);
}

#[test]
fn what_an_import_from_files_does_not_bring_is_asked_for() {
    let mut pair = Pair::new([]);
    let folder = tempfile::tempdir().unwrap();
    let posts = pair.fake.http().get("/posts").json();
    let half: Vec<_> = posts.as_array().unwrap().iter().filter(|post| post["id"].as_i64() <= Some(50)).collect();
    std::fs::write(folder.path().join("posts.json"), serde_json::to_string(&half).unwrap()).unwrap();
    std::fs::write(folder.path().join("comments.json"), "[]").unwrap();
    pair.edit("TRUNCATE news_post, news_comment");
    pair.news.run(["import", "--from", folder.path().to_str().unwrap()]).ok();
    pair.sent();
    pair.sync([]).expect_code(4);
    let report = pair.sync(["--max-deletes", "550"]).ok().json();
    // 50 posts and 500 comments are the target's alone.
    assert_eq!(
        report["done"]["posts"]["delete"].as_u64().unwrap() + report["done"]["posts"]["ask"].as_u64().unwrap(),
        50
    );
    assert_eq!(report["methods"]["GET"], json!(550));
    pair.diff(0);
}

#[test]
fn a_row_that_changes_untracked_under_a_run_is_said_and_sent_by_the_next() {
    let mut pair = Pair::new(["--latency", "30ms"]);
    pair.edit("UPDATE news_post SET title = 'new ' || id");
    pair.sent();
    let run = pair.news.spawn(["sync", "--jobs", "1"]);
    pair.wait_for_requests(2);
    pair.edit(
        "ALTER TABLE news_post DISABLE TRIGGER ALL;
         DELETE FROM news_comment WHERE post_id = 100;
         DELETE FROM news_post WHERE id = 100;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_insert;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_delete;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_truncate;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_insert;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_update;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_delete;
         ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_truncate",
    );
    run.wait().expect_code(3);
    assert_eq!(
        pair.number("SELECT (counts ->> 'contradicted')::bigint FROM news_sync_run ORDER BY id DESC LIMIT 1"),
        1
    );
    pair.fake.set_faults("{}");
    pair.sync([]).ok();
    assert_eq!(records(&pair.fake, "posts", 100), 0);
    assert_eq!(pair.unsynced(), 0);
    pair.diff(0);
}

#[test]
fn a_retry_waits_for_what_a_run_records_and_writes_nothing_over_it() {
    let mut pair = Pair::new(["--reject-text", "nope"]);
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (600, 1, 'nope', 'b')");
    pair.sync([]).expect_code(3);
    // A run records, and has not committed yet: the object is in sync.
    let mut other = pair.db.client();
    let mut run = other.transaction().unwrap();
    run.batch_execute("DELETE FROM news_sync_object").unwrap();
    let retry = pair.news.spawn(["retry", "posts/600"]);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("the retry waits", || pair.number(waits) == 1);
    run.commit().unwrap();
    retry.wait().expect_code(4);
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_object"), 0);
}
