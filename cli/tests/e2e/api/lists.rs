//! Lists: pages, exact counts, and whole lists.

use serde_json::{Value, json};

use super::{Service, bearer};
use crate::support::{DEADLINE, wait_until};

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|object| object["id"].as_i64().unwrap()).collect()
}

#[test]
fn pages_from_both_ends_hold_every_object_once() {
    let service = Service::start();
    service.posts(1234, 10);
    // Gaps, and ids in several of the ranges that are counted by.
    let spread = "DELETE FROM news_post WHERE id % 7 = 0; UPDATE news_post SET id = id + 16383 - 700 WHERE id > 700;
                  UPDATE news_post SET id = id + 1000000 WHERE id > 16800";
    service.db.client().batch_execute(spread).unwrap();
    let mut all = service.post_ids();
    all.reverse();
    assert_eq!((all.len(), all.last()), (1058, Some(&1)));
    let mut wire = service.wire();
    let bearer = bearer();
    let mut get = |path: &str| wire.send("GET", path, &[("Authorization", &bearer)], None).unwrap();
    for (size, pages) in [(100, 11), (1000, 2), (1058, 2), (7, 152)] {
        let size_taken = usize::min(size, 1000);
        let mut seen = Vec::new();
        for page in 1..=pages {
            let json = get(&format!("/news/posts/?page={page}&page_size={size}")).expect(200).json();
            assert_eq!(json["count"], all.len(), "{json}");
            assert_eq!((json["next"].is_null(), json["previous"].is_null()), (page == pages, page == 1));
            let page_ids = ids(&json["results"]);
            assert!(page == pages || page_ids.len() == size_taken);
            seen.extend(page_ids);
        }
        assert_eq!(seen, all, "pages of {size}");
        get(&format!("/news/posts/?page={}&page_size={size}", pages + 1)).expect(404);
        let last = get(&format!("/news/posts/?page=last&page_size={size}")).expect(200).json();
        assert_eq!(ids(&last["results"]), all[(pages - 1) * size_taken..]);
    }
    get("/news/posts/?page=9007199254740993").expect(404);
    assert_eq!(ids(&get("/news/posts/?all=true").expect(200).json()), all);
    let indented = get("/news/posts/1/comments/?all=true").expect(200);
    assert_eq!(indented.text(), "[]");
    get("/news/posts/7/comments/?all=true").expect(404);
}

#[test]
fn the_count_is_exact_whatever_happens_to_the_rows() {
    let service = Service::start();
    let mut client = service.db.client();
    let count = || service.ask("GET", "/news/posts/", None).expect(200).json()["count"].as_i64().unwrap();
    assert_eq!(count(), 0);
    service.posts(100, 10);
    assert_eq!(count(), 100);
    let steps = [
        ("DELETE FROM news_post WHERE id <= 30", 70),
        ("UPDATE news_post SET id = id + 1000 WHERE id > 90", 70),
        ("UPDATE news_post SET id = id + 100000 WHERE id > 60", 70),
        ("BEGIN; DELETE FROM news_post; ROLLBACK", 70),
        (
            "BEGIN; INSERT INTO news_post VALUES (1, 1, 't', 'b'); SAVEPOINT a; DELETE FROM news_post; ROLLBACK TO a; COMMIT",
            71,
        ),
        (
            "WITH gone AS (DELETE FROM news_post RETURNING *) INSERT INTO news_post SELECT id + 5000, user_id, title, body FROM gone",
            71,
        ),
        ("INSERT INTO news_post VALUES (5001, 1, 't', 'b') ON CONFLICT DO NOTHING", 71),
        (
            "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO news_post VALUES (1, 1, 't', 'b'), (2, 1, 't', 'b'); COMMIT",
            73,
        ),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM news_post WHERE id = 2; COMMIT", 72),
        ("COPY news_post (user_id, title, body) FROM PROGRAM 'echo 1,t,b' (FORMAT csv)", 73),
        ("TRUNCATE news_post, news_comment", 0),
        ("INSERT INTO news_post VALUES (7, 1, 't', 'b')", 1),
        (
            "BEGIN; TRUNCATE news_post CASCADE; INSERT INTO news_post VALUES (8, 1, 't', 'b'), (9, 1, 't', 'b'); COMMIT",
            2,
        ),
        ("BEGIN; TRUNCATE news_post CASCADE; ROLLBACK", 2),
    ];
    for (sql, expected) in steps {
        client.batch_execute(sql).unwrap();
        let rows: i64 = client.query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0);
        assert_eq!((count(), rows), (expected, expected), "{sql}");
    }
}

/// Forty writers, each in transactions over both tables, in either order: no queue, no deadlock, no lost count.
#[test]
fn the_count_stays_exact_under_forty_writers_who_do_not_wait_for_each_other() {
    const WRITERS: i64 = 40;
    let service = Service::start();
    service.posts(WRITERS, 10);
    // All of them are in an open transaction at the same moment, and have written to both tables: nobody holds what
    // another one needs.
    let mut clients: Vec<_> = (0..WRITERS).map(|_| service.db.client()).collect();
    for (n, client) in (1_i64..).zip(&mut clients) {
        let post = format!("INSERT INTO news_post (user_id, title, body) VALUES ({n}, 't', 'b')");
        let comment = format!("INSERT INTO news_comment (post_id, name, email, body) VALUES ({n}, 'n', 'e', 'b')");
        let (first, second) = if n % 2 == 0 { (&post, &comment) } else { (&comment, &post) };
        client.batch_execute(&format!("SET lock_timeout = '1s'; BEGIN; {first}; {second}")).unwrap();
    }
    let count = || service.ask("GET", "/news/posts/", None).expect(200).json()["count"].as_i64().unwrap();
    assert_eq!(count(), WRITERS, "nothing is committed so far");
    for client in &mut clients {
        client.batch_execute("COMMIT").unwrap();
    }
    assert_eq!(count(), 2 * WRITERS);

    let isolations = ["READ COMMITTED", "READ COMMITTED", "READ COMMITTED", "REPEATABLE READ"];
    std::thread::scope(|scope| {
        for (n, mut client) in clients.into_iter().enumerate() {
            let isolation = isolations[n % isolations.len()];
            scope.spawn(move || {
                for round in 0..25 {
                    let insert =
                        "INSERT INTO news_post (user_id, title, body) SELECT 1, 't', 'b' FROM generate_series(1, 3)";
                    let delete =
                        format!("DELETE FROM news_post WHERE id = (SELECT max(id) FROM news_post WHERE id % 40 = {n})");
                    let end = if round % 5 == 0 { "ROLLBACK" } else { "COMMIT" };
                    client.batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}; {insert}")).unwrap();
                    // Under REPEATABLE READ a row may be gone meanwhile; only ours is in question, so it is not.
                    client.batch_execute(&format!("{delete}; {end}")).unwrap();
                }
            });
        }
        // The count and the rows of one list are of one moment.
        for _ in 0..50 {
            let json = service.ask("GET", "/news/posts/?page=last&page_size=1000", None).expect(200).json();
            let (count, rows) = (json["count"].as_i64().unwrap(), json["results"].as_array().unwrap().len());
            assert_eq!(i64::try_from(rows).unwrap(), (count - 1) % 1000 + 1);
        }
    });
    let mut client = service.db.client();
    let rows: i64 = client.query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0);
    assert_eq!(count(), rows);
    // Once nobody else writes, what forty have counted in is folded: a row lives for 64 changes.
    for _ in 0..=64 {
        client.execute("INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b')", &[]).unwrap();
    }
    assert_eq!(count(), rows + 65);
    let slots: i64 = client.query_one("SELECT count(*) FROM news_post_count", &[]).unwrap().get(0);
    assert!(slots <= 2, "{slots} rows");
}

/// Counts that somebody who switched the triggers off made wrong are put right when the service starts.
#[test]
fn a_start_puts_wrong_counts_right() {
    let service = Service::start();
    let mut client = service.db.client();
    let sql = "BEGIN; ALTER TABLE news_post DISABLE TRIGGER USER;
               INSERT INTO news_post (user_id, title, body) SELECT 1, 't', 'b' FROM generate_series(1, 500);
               ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_insert; COMMIT";
    client.batch_execute(sql).unwrap();
    let mut second = service.news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    second.address();
    wait_until("the count is right", || service.ask("GET", "/news/posts/", None).json()["count"] == 500);
}

#[test]
fn a_list_that_broke_off_does_not_look_whole() {
    let service = Service::start();
    service.posts(40_000, 1000);
    for path in ["/news/posts/?all=true", "/news/posts/?all=true&x=1"] {
        let mut wire = service.wire();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n", bearer());
        wire.push(head.as_bytes()).unwrap();
        let mut reply = wire.head().unwrap();
        assert_eq!(reply.status, 200);
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'news serve'";
        let killed: i64 = service.db.client().query_one(kill, &[]).unwrap().get(0);
        assert!(killed > 0);
        wire.content(&mut reply).expect_err("an answer that ends where it broke off");
        assert!(reply.body.len() < 40_000_000 && !reply.body.ends_with(b"]"));
    }
    // An HTTP/1.0 client knows the end by the connection's: a reset is not one.
    assert_eq!(service.ask("GET", "/news/posts/?all=true", None).expect(200).json().as_array().unwrap().len(), 40_000);
    let text = service.running.stderr();
    assert!(text.contains("a list broke off"), "{text}");
}

#[test]
fn a_whole_list_takes_no_memory_that_grows_with_it() {
    let service = Service::start();
    service.posts(60_000, 1000);
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.running.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let before = peak();
    let began = std::time::Instant::now();
    let whole = service.ask("GET", "/news/posts/?all=true", None).expect(200);
    assert!(began.elapsed() < DEADLINE && whole.body.len() > 60_000_000);
    assert!(peak() < before + 32, "{before} MiB before, {} MiB after", peak());
}

#[test]
fn links_keep_what_was_asked_for() {
    let service = Service::start();
    service.posts(30, 10);
    let json = service.ask_with("GET", "/news/posts/?b=1&page=2&a=%20", &[("Host", "news.example")], None).json();
    assert_eq!(json["next"], json!("http://news.example/news/posts/?a=+&b=1&page=3"));
    assert_eq!(json["previous"], json!("http://news.example/news/posts/?a=+&b=1"));
}
