//! Rows come with ids of their own: by psql, a restore, another program.

use serde_json::json;

use crate::support::{Db, Http, News, Pair, Running, psql, wait_until};

const ROWS: &str = "INSERT INTO news_post (id, user_id, title, body) SELECT g, 1, 'by psql', 'b' FROM generate_series(1, 500) g;
    INSERT INTO news_comment (id, post_id, name, email, body) SELECT g, g, 'n', 'e@x.org', 'b' FROM generate_series(1, 500) g";

struct Served {
    // In this order: the process ends before its database goes.
    _server: Running,
    db: Db,
    news: News,
    http: Http,
}

fn serve(db: Db) -> Served {
    let news = News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32)).env("NEWS_TARGET_URL", "http://127.0.0.1:1");
    news.run_with(["user", "add", "ada"], "a long password\n").ok();
    let token = news.run(["token", "ada"]).ok().stdout.trim().to_owned();
    let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let http = Http::new(&format!("http://{}", server.address())).bearer(&token);
    Served { _server: server, db, news, http }
}

#[test]
fn the_api_creates_beside_rows_that_came_past_the_sequence() {
    let db = Db::new();
    // A start of the service puts this right after the sequences: from then on nobody moves them in the background.
    psql(&db, "INSERT INTO news_post_count (bucket, n, uses) VALUES (0, 7, 1)");
    let served = serve(db);
    let counted = "SELECT coalesce(sum(n), 0)::bigint FROM news_post_count";
    wait_until("the start is over", || served.db.client().query_one(counted, &[]).unwrap().get::<_, i64>(0) == 0);
    psql(&served.db, ROWS);
    // So does a dump of the data alone, behind the events that its rows made.
    psql(&served.db, "SELECT setval(pg_get_serial_sequence('news_modelevent', 'id'), 1, false)");
    let behind = served.news.run(["doctor"]).stdout;
    for (table, highest) in [("news_post", 500), ("news_comment", 500), ("news_modelevent", 1000)] {
        let said = |line: &str| {
            line.starts_with(&format!("warn  sequences      the sequence of {table} gives id "))
                && line.contains(&format!(" next, but ids up to {highest} are in use"))
        };
        assert!(behind.lines().any(said), "{behind}");
    }
    let post = |path: &str, body: serde_json::Value| served.http.send("POST", path, &body.to_string());
    for id in 501..504 {
        let made = post("/news/posts/", json!({"title": "x", "body": "y"}));
        assert_eq!((made.status, &made.json()["id"]), (201, &id.into()));
        let made = post("/news/posts/501/comments/", json!({"name": "n", "email": "e@x.org", "body": "b"}));
        assert_eq!((made.status, &made.json()["id"]), (201, &id.into()));
    }
    assert!(!served.news.run(["doctor"]).stdout.contains("warn  sequences"));
}

#[test]
fn a_run_moves_the_sequence_of_the_log_behind_its_events() {
    let mut pair = Pair::new([]);
    pair.edit(
        "SELECT setval('news_modelevent_id_seq', 1000); UPDATE news_post SET title = 'a' WHERE id = 1;
         ALTER SEQUENCE news_modelevent_id_seq RESTART; UPDATE news_post SET title = 'b' WHERE id = 1",
    );
    let ids = "SELECT min(id) FROM news_modelevent";
    assert_eq!(pair.number(ids), 1, "the later event has the lower id");
    let warned = pair.news.run(["sync"]).ok().stderr;
    assert!(warned.contains("the sequence of the change log was set back: it was moved"), "{warned}");
    pair.edit("DELETE FROM news_modelevent WHERE id = 1; UPDATE news_post SET title = 'c' WHERE id = 1");
    assert_eq!(
        pair.number(
            "SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL AND id <= (
                   SELECT max(id) FROM news_modelevent WHERE synced_at IS NOT NULL)"
        ),
        0
    );
    assert!(!pair.news.run(["sync"]).ok().stderr.contains("sequence"));
    pair.diff(0);
}

#[test]
fn a_start_of_the_service_moves_sequences_behind_what_is_in_use_and_never_back() {
    let db = Db::new();
    psql(&db, ROWS);
    // What an import left out is an id of the target's, and the highest ids of all are no reason to go there.
    psql(
        &db,
        "INSERT INTO news_sync_left_out VALUES ('news_post', 7000, 'a title that is too long'),
             ('news_comment', 9007199254740991, 'no name');
         INSERT INTO news_post (id, user_id, title, body) VALUES (9007199254740991, 1, 't', 'b')",
    );
    let next = |db: &Db, table: &str| -> i64 {
        let query = format!("SELECT nextval(pg_get_serial_sequence('{table}', 'id'))");
        db.client().query_one(&query, &[]).unwrap().get(0)
    };
    let served = serve(db);
    let state = "SELECT last_value FROM news_comment_id_seq";
    wait_until("the sequences are moved", || served.db.client().query_one(state, &[]).unwrap().get::<_, i64>(0) == 500);
    assert_eq!((next(&served.db, "news_post"), next(&served.db, "news_comment")), (7001, 501));
    psql(
        &served.db,
        "TRUNCATE news_sync_left_out; DELETE FROM news_post WHERE id > 100; SELECT news_sequences_repair()",
    );
    assert_eq!((next(&served.db, "news_post"), next(&served.db, "news_comment")), (7002, 502));
    // Database 2 of 4 keeps its remainder (docs/scaling.md).
    psql(
        &served.db,
        "ALTER SEQUENCE news_comment_id_seq INCREMENT BY 4 RESTART WITH 1002;
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (1005, 1, 'n', 'e@x.org', 'b');
         SELECT news_sequences_repair()",
    );
    assert_eq!((next(&served.db, "news_comment"), next(&served.db, "news_comment")), (1006, 1010));
}
