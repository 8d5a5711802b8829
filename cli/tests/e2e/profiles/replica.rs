//! From `news` to `news`: another service as the target.

use rustix::process::Signal;
use serde_json::json;

use super::{FIXTURES, MANY, is_kept_in_sync, is_kept_in_sync_behind_a_lossy_network};
use crate::crash::{Random, edit};
use crate::support::{Db, News, OwnPg, Running, free_port, wait_until};

const SECRET: &str = "a secret of at least thirty-two bytes";
const PASSWORD: &str = "a password";

/// A `news serve` with the users `sync`, who is staff, and `reader`, who is not.
struct Service {
    _running: Running,
    news: News,
    db: Db,
    url: String,
}

impl Service {
    /// Starts one that is to be a replica.
    fn replica() -> Self {
        Self::start(&["--replica"])
    }

    fn start(flags: &[&str]) -> Self {
        let db = Db::new();
        let news = News::on(&db).env("NEWS_JWT_SECRET", SECRET);
        news.run_with(["user", "add", "sync", "--staff"], &format!("{PASSWORD}\n")).ok();
        news.run_with(["user", "add", "reader"], &format!("{PASSWORD}\n")).ok();
        let mut running = news.spawn([&["serve", "--listen", "127.0.0.1:0"], flags].concat());
        let url = format!("http://{}", running.address());
        Self { _running: running, news, db, url }
    }

    /// Returns the binary on `db`, with this service at `url` as its target.
    fn follow(db: &Db, url: &str, user: &str) -> News {
        as_target(News::on(db), url, user)
    }

    /// Returns whether it has the same rows as `db`, down to the last byte.
    fn has_all_of(&self, db: &Db) -> bool {
        let all = |db: &Db| -> String {
            let posts = "SELECT coalesce(string_agg(p::text, E'\\n' ORDER BY id), '') FROM news_post p";
            let comments = "SELECT coalesce(string_agg(c::text, E'\\n' ORDER BY id), '') FROM news_comment c";
            let mut sql = db.client();
            [posts, comments].map(|one| sql.query_one(one, &[]).unwrap().get::<_, String>(0)).concat()
        };
        all(&self.db) == all(db)
    }
}

fn as_target(news: News, url: &str, user: &str) -> News {
    let news = news.env("NEWS_TARGET_URL", url).env("NEWS_TARGET_PROFILE", "news");
    news.env("NEWS_TARGET_USER", user).env("NEWS_TARGET_PASSWORD", PASSWORD)
}

#[test]
fn another_news_serve_is_kept_in_sync() {
    let (db, replica) = (Db::new(), Service::replica());
    let news = Service::follow(&db, &replica.url, "sync");
    is_kept_in_sync(&db, &news);
    assert!(replica.has_all_of(&db));
    // What the API itself would trim or refuse.
    let odd = "INSERT INTO news_post (user_id, title, body) VALUES (-7, E' t\\u2028\\t', ''), (9223372036854775807, ' ', E'\\n');
               INSERT INTO news_comment (post_id, name, email, body) SELECT max(id), '', ' not an address ', repeat('é', 1024) FROM news_post";
    db.client().batch_execute(odd).unwrap();
    news.run(["sync", "--verify"]).ok();
    assert!(replica.has_all_of(&db));
    assert!(news.run(["doctor", "--write-test"]).ok().stdout.contains("were created, read, updated and deleted"));
    assert!(replica.has_all_of(&db));
    // Who made the changes there.
    let actors = "SELECT DISTINCT actor FROM news_modelevent";
    let actors: Vec<String> = replica.db.client().query(actors, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(actors, ["api sync"]);
    // What is changed there is a difference, and is set right.
    let theirs = "UPDATE news_post SET user_id = 77 WHERE id = (SELECT min(id) FROM news_post);
                  DELETE FROM news_post WHERE id = (SELECT max(id) FROM news_post);
                  INSERT INTO news_comment (id, post_id, name, email, body) SELECT 900001, min(id), 'n', 'e', 'b' FROM news_post";
    replica.db.client().batch_execute(theirs).unwrap();
    assert_eq!(news.run(["--json", "diff"]).expect_code(1).json()["differences"].as_array().unwrap().len(), 4);
    news.run(["sync", "--full"]).ok();
    assert!(replica.has_all_of(&db));
}

#[test]
fn another_news_serve_behind_a_network_that_loses_messages_gets_nothing_twice_and_nothing_less() {
    let (db, replica) = (Db::new(), Service::replica());
    Service::follow(&db, &replica.url, "sync").run(["import", "--from", FIXTURES]).ok();
    is_kept_in_sync_behind_a_lossy_network(&db, &replica.url, |url| Service::follow(&db, url, "sync"));
    assert!(replica.has_all_of(&db));
    // Each object was created as often as the master has created it, and not once more.
    let lives = "SELECT count(*) FROM (SELECT entity_table, entity_pk FROM news_modelevent WHERE type = 'CREATED'
                 GROUP BY 1, 2 HAVING count(*) > 1) twice";
    assert_eq!(replica.db.client().query_one(lives, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn a_service_that_is_not_to_be_a_replica_is_read_and_not_written_to() {
    let source = Service::start(&[]);
    source.news.run(["import", "--from", FIXTURES]).ok();
    let db = Db::new();
    let news = Service::follow(&db, &source.url, "reader");
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
    assert_eq!(news.run(["--json", "diff"]).ok().json()["equal"], true);
    news.run(["doctor"]).ok();
    source.db.client().batch_execute("UPDATE news_post SET title = 'other' WHERE id = 5").unwrap();
    let report = news.run(["--json", "diff"]).expect_code(1).json();
    assert_eq!(report["differences"][0]["id"], 5, "{report}");
    db.client().batch_execute("DELETE FROM news_comment WHERE id = 7; DELETE FROM news_post WHERE id = 8").unwrap();
    for (user, says) in [("reader", "Only users who are staff"), ("sync", "was started without --replica")] {
        for command in [&["sync"][..], &["sync", "--full"]] {
            let output = Service::follow(&db, &source.url, user).run(command).expect_code(7);
            assert!(output.stderr.contains(says), "{}", output.stderr);
        }
    }
    let rows = "SELECT (SELECT count(*) FROM news_post) * 1000 + (SELECT count(*) FROM news_comment)";
    assert_eq!(source.db.client().query_one(rows, &[]).unwrap().get::<_, i64>(0), 100_500);
}

/// The service and its database are killed while syncs write to them.
#[test]
fn a_replica_that_crashes_gets_nothing_twice_and_nothing_less() {
    let server = OwnPg::start(|_| {});
    let news = News::with_url(&server.url()).env("NEWS_JWT_SECRET", SECRET);
    news.run(["db", "migrate"]).ok();
    news.run_with(["user", "add", "sync", "--staff"], &format!("{PASSWORD}\n")).ok();
    let listen = format!("127.0.0.1:{}", free_port());
    let serve = || {
        let mut running = news.spawn(["serve", "--replica", "--listen", &listen]);
        running.address();
        running
    };
    let (db, mut running) = (Db::new(), serve());
    let follow = Service::follow(&db, &format!("http://{listen}"), "sync");
    follow.run(["import", "--from", FIXTURES]).ok();
    let (mut sql, mut random) = (db.client(), Random(17));
    for round in 0..8 {
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        let command: &[&str] = if round == 0 { &["sync", "--full"] } else { &["sync"] };
        let sync = follow.spawn([command, &["--jobs", "8", "--max-deletes", MANY]].concat());
        std::thread::sleep(std::time::Duration::from_millis(50 + random.below(500)));
        if round % 2 == 0 {
            running.signal(Signal::KILL);
            running.wait();
            running = serve();
        } else {
            server.crash();
            server.launch();
        }
        sync.wait();
    }
    wait_until("a full sync is done", || {
        follow.run(["sync", "--full", "--jobs", "8", "--max-deletes", MANY]).code == 0
    });
    assert_eq!(follow.run(["--json", "diff"]).ok().json()["equal"], true);
    let twice = "SELECT count(*) FROM (SELECT entity_table, entity_pk FROM news_modelevent WHERE type = 'CREATED'
                 GROUP BY 1, 2 HAVING count(*) > 1) twice";
    assert_eq!(server.client().query_one(twice, &[]).unwrap().get::<_, i64>(0), 0);
}

/// What the API offers to everybody: pages, and comments post by post.
#[test]
fn a_listing_for_each_post_is_read_page_by_page() {
    const WORDS: &str = "ids = \"none\"\nenvelope = \"results\"\n\
        auth = { kind = \"login\", path = \"/api-auth/token/\", user = \"username\", password = \"password\", token = \"access\" }\n\
        pages = { kind = \"next\", field = \"next\", total = \"count\" }\n\
        [posts]\nlist = \"GET /news/posts/?page_size=30\"\nfields = { user_id = \"user_id\" }\n\
        [comments]\nlist = \"GET /news/posts/{post}/comments/?page_size=3\"\nfields = { post_id = \"post_id\" }\n";
    let source = Service::start(&[]);
    source.news.run(["import", "--from", FIXTURES]).ok();
    let (db, folder) = (Db::new(), tempfile::tempdir().unwrap());
    let profile = folder.path().join("api.toml");
    std::fs::write(&profile, WORDS).unwrap();
    let news = Service::follow(&db, &source.url, "reader").env("NEWS_TARGET_PROFILE", profile.to_str().unwrap());
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
    assert!(source.has_all_of(&db));
    news.run(["diff"]).ok();
    assert!(news.run(["sync"]).expect_code(4).stderr.contains("gives ids of its own"));
}

/// More are created than a run asks for beforehand, so that the service itself has to say what is there.
#[test]
fn what_was_made_there_under_ids_of_the_master_becomes_the_masters() {
    let (db, replica) = (Db::new(), Service::replica());
    let news = Service::follow(&db, &replica.url, "sync");
    news.run(["import", "--from", FIXTURES]).ok();
    news.run(["sync", "--full"]).ok();
    let own = "INSERT INTO news_post (user_id, title, body) SELECT 9, 'own ' || n, 'b' FROM generate_series(1, 8) n;
               INSERT INTO news_comment (post_id, name, email, body) SELECT 1, 'own', 'e', 'b' FROM generate_series(1, 8)";
    let theirs = "INSERT INTO news_post SELECT id + 4, 1, title, body FROM news_post WHERE id > 97;
                  INSERT INTO news_comment SELECT id + 5, post_id, name, email, body FROM news_comment WHERE id > 497";
    db.client().batch_execute(own).unwrap();
    replica.db.client().batch_execute(theirs).unwrap();
    news.run(["sync"]).ok();
    assert!(replica.has_all_of(&db));
}

/// The changes of a sync are changes like all others: a replica passes them on to its own target.
#[test]
fn a_chain_of_replicas_arrives_at_its_end() {
    let (db, middle, last) = (Db::new(), Service::replica(), Service::replica());
    let first = Service::follow(&db, &middle.url, "sync");
    let second = as_target(News::on(&middle.db), &last.url, "sync");
    first.run(["import", "--from", FIXTURES]).ok();
    first.run(["sync", "--full"]).ok();
    second.run(["sync"]).ok();
    let (mut sql, mut random) = (db.client(), Random(3));
    for _ in 0..4 {
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        first.run(["sync", "--max-deletes", MANY]).ok();
        second.run(["sync", "--max-deletes", MANY]).ok();
    }
    assert!(middle.has_all_of(&db) && last.has_all_of(&db));
}

/// Two services that follow each other: a change comes back once, finds its like, and ends there.
#[test]
fn a_change_in_a_ring_comes_back_and_ends() {
    let (one, other) = (Service::replica(), Service::replica());
    let there = as_target(News::on(&one.db), &other.url, "sync");
    let back = as_target(News::on(&other.db), &one.url, "sync");
    one.news.run(["import", "--from", FIXTURES]).ok();
    there.run(["sync", "--full"]).ok();
    let edits = "UPDATE news_post SET title = 'u' WHERE id = 1; DELETE FROM news_post WHERE id = 2;
                 INSERT INTO news_post (user_id, title, body) VALUES (1, 'new', 'b')";
    one.db.client().batch_execute(edits).unwrap();
    for news in [&there, &back, &there, &back] {
        news.run(["sync", "--max-deletes", MANY]).ok();
    }
    assert!(one.has_all_of(&other.db));
    for db in [&one.db, &other.db] {
        let unsynced = "SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL";
        assert_eq!(db.client().query_one(unsynced, &[]).unwrap().get::<_, i64>(0), 0);
    }
}
