//! Whoever reads or writes while an import is at work, and what is left where it is killed.

use rustix::process::Signal;
use serde_json::json;

use super::{ALWAYS, EVENTS, ROWS, number};
use crate::support::{Db, Fake, Http, News, wait_until};

/// The databases of tests are copies: their tables have the same numbers.
const HAS_THE_TABLES: &str = "
    SELECT FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND granted AND relation = 'news_post'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[test]
fn nobody_waits_for_an_import_that_waits() {
    let (db, fake) = (Db::new(), Fake::start(["--slow-listing", "2s"]));
    let news = News::on(&db);
    let import = ["--target-url", fake.url(), "import"];
    // Somebody writes, and takes his time.
    let mut writer = db.client();
    writer.batch_execute("BEGIN; DELETE FROM news_post").unwrap();
    let running = news.spawn(import);
    let mut reader = db.client();
    reader.batch_execute("SET statement_timeout = '1s'").unwrap();
    let waits = |reader: &mut postgres::Client| {
        reader
            .query(
                "SELECT FROM pg_stat_activity WHERE application_name = 'news bulk' AND datname = current_database()",
                &[],
            )
            .unwrap()
            .len()
            == 1
    };
    wait_until("it waits", || waits(&mut reader));
    for _ in 0..5 {
        reader.query("SELECT * FROM news_post", &[]).unwrap();
    }
    running.signal(Signal::INT);
    running.wait().expect_code(130);

    wait_for_the_end_of_sessions(&db);
    let running = news.spawn(import);
    wait_until("it waits again", || waits(&mut reader));
    writer.batch_execute("COMMIT").unwrap();
    wait_until("it has the tables", || reader.query(HAS_THE_TABLES, &[]).unwrap().len() == 1);
    // Readers go on meanwhile.
    assert_eq!(reader.query("SELECT * FROM news_post", &[]).unwrap().len(), 0);
    running.wait().ok();
    assert_eq!(number(&db, "SELECT count(*) FROM news_comment"), 500);

    // Where there is something already, nothing is waited for at all.
    writer.batch_execute("BEGIN; UPDATE news_post SET title = 'x' WHERE id = 1").unwrap();
    news.run(import).expect_code(4);
}

#[test]
fn a_service_goes_on_answering_while_an_import_is_at_work() {
    let (db, fake) = (Db::new(), Fake::start(["--slow-listing", "3s"]));
    let news = News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32));
    // Each worker's connection begins with its first request: that is while the tables are locked.
    let mut service = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    news.run_with(["user", "add", "ada"], "lovelace\n").ok();
    let token = news.run(["token", "ada"]).ok().stdout;
    let http = Http::new(&format!("http://{}", service.address())).bearer(token.trim());
    let import = news.spawn(["--target-url", fake.url(), "import"]);
    let mut sql = db.client();
    wait_until("it has the tables", || sql.query(HAS_THE_TABLES, &[]).unwrap().len() == 1);
    for path in ["/readyz", "/news/posts/", "/news/comments/", "/news/posts/1/"] {
        let status = http.get(path).status;
        assert!([200, 404].contains(&status), "{path}: {status}");
    }
    assert_eq!(number(&db, ROWS), 0, "the import is still at work");
    import.wait().ok();
    assert_eq!(http.get("/news/posts/1/").status, 200);
}

/// Waits until no session of ours is left: the server notices a client's end within moments.
fn wait_for_the_end_of_sessions(db: &Db) {
    let query =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'news %'";
    let mut sql = db.client();
    wait_until("the dead client's sessions are gone", || sql.query_one(query, &[]).unwrap().get::<_, i64>(0) == 0);
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_and_the_next_one_goes() {
    let (db, fake) = (Db::new(), Fake::start([""; 0]));
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    for (signal, status) in [(Signal::KILL, "lost"), (Signal::TERM, "stopped"), (Signal::INT, "stopped")] {
        // It flows for a minute.
        fake.set_faults(r#"{"slow_listing_ms": 60000}"#);
        let import = news.spawn(["import"]);
        let copying =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY news_post%'";
        let mut sql = db.client();
        wait_until("posts are being copied", || sql.query_one(copying, &[]).unwrap().get::<_, i64>(0) == 1);
        import.signal(signal);
        let ended = import.wait();
        assert_eq!(ended.code, 128 + signal.as_raw(), "{}", ended.stderr);
        wait_for_the_end_of_sessions(&db);
        assert_eq!((number(&db, ROWS), number(&db, EVENTS), number(&db, ALWAYS)), (0, 0, 8));
        fake.set_faults("{}");
        news.run(["import"]).ok();
        assert_eq!(number(&db, ROWS), 600);
        let runs = news.run(["--json", "runs"]).ok().json();
        assert_eq!((&runs["runs"][0]["status"], &runs["runs"][1]["status"]), (&json!("done"), &json!(status)));
        sql.batch_execute("DELETE FROM news_post; DELETE FROM news_modelevent").unwrap();
    }
}

#[test]
fn an_import_that_lost_its_lock_to_another_run_brings_nothing() {
    let (db, fake) = (Db::new(), Fake::start([""; 0]));
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    let mut sql = db.client();
    news.run(["import"]).ok();
    // These deletes are what the other run sends.
    sql.batch_execute("TRUNCATE news_post, news_comment").unwrap();
    fake.set_faults(r#"{"slow_listing_ms": 2000}"#);
    let import = news.spawn(["import"]);
    wait_until("it has the tables", || sql.query(HAS_THE_TABLES, &[]).unwrap().len() == 1);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name LIKE 'news import %'";
    assert_eq!(number(&db, end), 1);
    news.run(["sync", "--force", "--jobs", "8"]).ok();
    assert_eq!(number(&db, ROWS), 0, "the import is still at work");
    let ended = import.wait().expect_code(11);
    assert!(ended.stderr.contains("another run took the lock"), "{}", ended.stderr);
    assert_eq!(number(&db, ROWS), 0);
    news.run(["diff"]).ok();
}

#[test]
fn triggers_of_others_that_may_change_what_is_imported_are_named() {
    let (db, fake) = (Db::new(), Fake::start([""; 0]));
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    news.run(["db", "migrate"]).ok();
    let trigger = "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN NEW.title = upper(NEW.title); RETURN NEW; END $$;
                   CREATE TRIGGER shout BEFORE INSERT ON news_post FOR EACH ROW EXECUTE FUNCTION shout()";
    db.client().batch_execute(trigger).unwrap();
    let said = news.run(["import"]).ok().stderr;
    assert!(said.contains("the trigger shout of news_post may change what is imported"), "{said}");
    news.run(["diff"]).expect_code(1);
}
