//! `news import`: all or nothing.

mod beside;
mod wrong;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::pair::last_run;
use crate::support::{Db, Fake, News, Node, fixtures};

fn number(db: &Db, query: &str) -> i64 {
    db.client().query_one(query, &[]).unwrap().get(0)
}

const ROWS: &str = "SELECT (SELECT count(*) FROM news_post) + (SELECT count(*) FROM news_comment)";
const EVENTS: &str = "SELECT count(*) FROM news_modelevent";
/// Triggers that `session_replication_role` does not switch off.
const ALWAYS: &str = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'news\\_track\\_%' AND tgenabled = 'A'";

/// Nothing is in the tables or the log, tracking is on, and the history says how it ended.
#[track_caller]
fn nothing_imported(db: &Db, news: &News, code: i64) {
    assert_eq!((number(db, ROWS), number(db, EVENTS), number(db, ALWAYS)), (0, 0, 8));
    let (status, exit_code, first_error) = last_run(news);
    assert_eq!((status.as_str(), exit_code), ("failed", code), "{first_error}");
    assert!(!first_error.is_empty());
    let id = "INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b') RETURNING id";
    assert_eq!(number(db, id), 1, "the sequence is where it was");
    assert_eq!(number(db, EVENTS), 1, "tracked");
    // As if nothing had been: for the next one.
    let clean = "TRUNCATE news_post RESTART IDENTITY CASCADE; DELETE FROM news_modelevent";
    db.client().batch_execute(clean).unwrap();
}

fn folder(posts: &Value, comments: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("posts.json"), posts.to_string()).unwrap();
    std::fs::write(folder.path().join("comments.json"), comments.to_string()).unwrap();
    folder
}

fn import_from(news: &News, folder: &Path) -> crate::support::Output {
    news.run(["--json".as_ref(), "import".as_ref(), "--from".as_ref(), folder.as_os_str()])
}

fn post(id: i64) -> Value {
    json!({"id": id, "userId": 1, "title": "t", "body": "b"})
}

fn comment(id: i64, post: i64) -> Value {
    json!({"id": id, "postId": post, "name": "n", "email": "a@example.org", "body": "b"})
}

#[test]
fn ids_are_kept_sequences_go_on_and_nothing_is_logged() {
    let (db, fake) = (Db::new(), Fake::start(["--total"]));
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!(
        (&report["posts"], &report["comments"], &report["source"]),
        (&json!(100), &json!(500), &json!(fake.url()))
    );
    assert_eq!((number(&db, EVENTS), number(&db, ALWAYS)), (0, 8));
    assert_eq!(fake.requests(), ["GET /posts 200", "GET /comments 200"], "plain listings and nothing else");

    let mut sql = db.client();
    let wanted = fixtures();
    for row in sql.query("SELECT id, user_id, title, body FROM news_post ORDER BY id", &[]).unwrap() {
        let id: i64 = row.get(0);
        let post = &wanted["posts"][usize::try_from(id - 1).unwrap()];
        let got = json!({"id": id, "userId": row.get::<_, i64>(1), "title": row.get::<_, &str>(2), "body": row.get::<_, &str>(3)});
        assert_eq!(&got, post);
    }
    for row in sql.query("SELECT id, post_id, name, email, body FROM news_comment ORDER BY id", &[]).unwrap() {
        let id: i64 = row.get(0);
        let comment = &wanted["comments"][usize::try_from(id - 1).unwrap()];
        let got = json!({"id": id, "postId": row.get::<_, i64>(1), "name": row.get::<_, &str>(2),
            "email": row.get::<_, &str>(3), "body": row.get::<_, &str>(4)});
        assert_eq!(&got, comment);
    }
    let post = "INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b') RETURNING id";
    let comment = "INSERT INTO news_comment (post_id, name, email, body) VALUES (1, 'n', 'e', 'b') RETURNING id";
    assert_eq!((number(&db, post), number(&db, comment), number(&db, EVENTS)), (101, 501, 2));
    assert_eq!(last_run(&news).0, "done");
    // The database remembers its target.
    let status = News::on(&db).run(["--json", "status"]).ok().json();
    assert_eq!(status["target"], json!(fake.url()));
}

#[test]
fn the_real_targets_are_imported_whole() {
    for real in [Node::json_server(&fixtures()), Node::jsonplaceholder(None)] {
        let Some(real) = real else { return };
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", real.url());
        let report = news.run(["--json", "import"]).ok().json();
        assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
        news.run(["diff"]).ok();
    }
}

#[test]
fn tables_with_something_in_them_are_left_alone() {
    let (db, fake) = (Db::new(), Fake::start([""; 0]));
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    db.client().batch_execute("INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b')").unwrap();
    let refused = news.run(["import"]).expect_code(4);
    assert!(refused.stderr.contains("1 post and 0 comments"), "{}", refused.stderr);
    assert_eq!(number(&db, ROWS), 1);
    assert_eq!(last_run(&news).1, 4);
    assert_eq!(number(&db, ALWAYS), 8);
}

#[test]
fn another_target_than_before_is_a_loud_warning() {
    let (db, fake, other) = (Db::new(), Fake::start([""; 0]), Fake::start([""; 0]));
    let news = News::on(&db);
    news.run(["--target-url", fake.url(), "import"]).ok();
    db.client().batch_execute("TRUNCATE news_post, news_comment").unwrap();
    let warned = news.run(["--target-url", other.url(), "import"]).ok();
    assert!(warned.stderr.contains(fake.url()) && warned.stderr.contains(other.url()), "{}", warned.stderr);
}

#[test]
fn a_target_in_trouble_leaves_nothing_behind() {
    let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", "secret"), [""; 0]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    for (faults, code, said) in [
        (r#"{"html": true}"#, 4, "not a listing"),
        (r#"{"fail_rate": 1}"#, 5, "status 5"),
        (r#"{"cut_listing": "connection"}"#, 5, "GET http"),
        (r#"{"cut_listing": "text"}"#, 5, "not whole"),
        (r#"{"cut_listing": "items", "total": "always"}"#, 5, "X-Total-Count"),
        (r#"{"require_token": true}"#, 7, "401"),
        (r#"{"forbid": "all"}"#, 7, "403"),
    ] {
        fake.set_faults(faults);
        let failed = news.run(["import"]).expect_code(code);
        assert!(failed.stderr.contains(said), "{faults}: {}", failed.stderr);
        assert_eq!(failed.stdout, "");
        nothing_imported(&db, &news, i64::from(code));
    }
    // With the token it goes.
    fake.set_faults(r#"{"require_token": true}"#);
    news.env("NEWS_TARGET_TOKEN", "secret").run(["import"]).ok();
    assert_eq!(number(&db, ROWS), 600);
}

#[test]
fn the_second_listing_in_trouble_undoes_the_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // A connection a request: posts whole, of the comments half an array and then the end.
        for (path, head, body) in [
            ("/posts ", "Content-Length: 52", r#"[{"id":1,"userId":1,"title":"posts once","body":""}]"#),
            ("/comments ", "Content-Length: 5000", r#"[{"id":1,"postId":1,"name":"","email":"","body":""},"#),
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            assert!(String::from_utf8_lossy(&request).contains(path));
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n{body}").unwrap();
        }
    });
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", &url);
    news.run(["import"]).expect_code(5);
    server.join().unwrap();
    nothing_imported(&db, &news, 5);
}

#[test]
fn a_target_that_is_down_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", &format!("http://127.0.0.1:{port}"));
    let failed = news.run(["import"]).expect_code(5);
    assert!(failed.stderr.contains(&format!("127.0.0.1:{port}/posts")), "{}", failed.stderr);
    nothing_imported(&db, &news, 5);
    // What could not be reached is not what the database follows from now on.
    assert_eq!(News::on(&db).run(["--json", "status"]).ok().json()["target"], Value::Null);
}

#[test]
fn a_live_targets_orphan_is_named_with_its_post() {
    let fake = Fake::start([""; 0]);
    assert_eq!(fake.http().send("POST", "/comments", &comment(700, 999).to_string()).status, 201);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
    let refused = news.run(["import"]).expect_code(4);
    assert!(refused.stderr.contains("comments/700") && refused.stderr.contains("posts/999"), "{}", refused.stderr);
    nothing_imported(&db, &news, 4);
}

#[test]
fn from_a_folder_it_is_the_same_and_no_target_is_remembered() {
    let fixtures_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let db = Db::new();
    let news = News::on(&db);
    let report = import_from(&news, &fixtures_folder).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
    assert_eq!(news.run(["--json", "status"]).ok().json()["target"], Value::Null);
    let fake = Fake::start([""; 0]);
    news.run(["diff", "--target-url", fake.url()]).ok();

    let (db, nothing) = (Db::new(), tempfile::tempdir().unwrap());
    let news = News::on(&db);
    let missing = import_from(&news, nothing.path()).expect_code(2);
    assert!(missing.stderr.contains("posts.json"), "{}", missing.stderr);
    nothing_imported(&db, &news, 2);
    // Empty listings are listings.
    let db = Db::new();
    let news = News::on(&db);
    import_from(&news, folder(&json!([]), &json!([])).path()).ok();
    let id = "INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b') RETURNING id";
    assert_eq!((number(&db, id), number(&db, EVENTS)), (1, 1));
}

#[test]
fn ids_as_texts_and_fields_of_others_do_no_harm() {
    let db = Db::new();
    let news = News::on(&db);
    let posts =
        json!([{"id": "5", "userId": "7", "title": "t", "body": "b", "likes": [1, {"deep": [[[]]]}], "author": null}]);
    let comments = json!([{"id": "6", "postId": "5", "name": "n", "email": "e", "body": "b", "x": 1e300}]);
    import_from(&news, folder(&posts, &comments).path()).ok();
    assert_eq!(number(&db, "SELECT max(id) + max(user_id) FROM news_post"), 12);
    assert_eq!(number(&db, "SELECT nextval(pg_get_serial_sequence('news_comment', 'id'))"), 7);
}

fn from_stdin(news: &News, flags: &[&str], document: &str) -> crate::support::Output {
    news.run_with(["--json", "import", "--from", "-"].iter().chain(flags), document)
}

#[test]
fn stdin_is_one_document_with_the_posts_first() {
    let all = fixtures();
    let db = Db::new();
    let news = News::on(&db);
    let (posts, comments) = (&all["posts"], &all["comments"]);
    for (document, code, told) in [
        (format!(r#"{{"comments": {comments}, "posts": {posts}}}"#), 4, "comments come before posts"),
        (format!(r#"{{"posts": {posts}, "comments": {comments}"#), 4, "not whole"),
        (format!(r#"{{"posts": {posts}, "comments": [7"#), 4, "not whole"),
        (posts.to_string(), 4, "no document"),
        (String::new(), 4, "empty"),
    ] {
        let refused = from_stdin(&news, &[], &document).expect_code(code);
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
        nothing_imported(&db, &news, code.into());
    }
    let report = from_stdin(
        &news,
        &[],
        &format!(r#"{{"profile": {{}}, "posts": {posts}, "tags": [[1]], "comments": {comments}}}"#),
    )
    .ok()
    .json();
    assert_eq!(report, json!({"source": "stdin", "posts": 100, "comments": 500}));
    let fake = Fake::start([""; 0]);
    news.run(["diff", "--target-url", fake.url()]).ok();

    // Posts alone are a master, too.
    let db = Db::new();
    let news = News::on(&db);
    assert_eq!(from_stdin(&news, &[], r#"{"posts": []}"#).ok().json()["posts"], json!(0));
    let one = news.run_with(["import", "--from", "-"], &format!(r#"{{"posts": [{}], "comments": []}}"#, post(1))).ok();
    assert_eq!(one.stdout, "imported 1 post and 0 comments from stdin\n");
}

#[test]
fn fields_that_are_not_ours_are_named_with_what_becomes_of_them() {
    let fake = Fake::start([""; 0]);
    let post = r#"{"id":7,"userId":1,"title":"t","body":"b","createdAt":"2020","a":1,"b":1,"c":1,"d\u001b":1,"e":1}"#;
    for (path, json) in [("/posts/7", post), ("/posts/8", r#"{"id":8,"userId":1,"title":"t","body":"b","z":1}"#)] {
        assert_eq!(fake.http().send("PUT", path, json).status, 200);
    }
    let db = Db::new();
    let text = News::on(&db).run(["import", "--target-url", fake.url()]).ok().stdout;
    let line = "posts have fields that are not ours (a, b, c, createdAt, d\\u{1b}, …); \
                an update is a PUT, which replaces the object: the target loses them";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(!text.contains("comments have"), "{text}");
    // That is so.
    let news = News::on(&db);
    db.client().batch_execute("UPDATE news_post SET title = 'x' WHERE id = 7").unwrap();
    news.run(["sync"]).ok();
    assert_eq!(fake.http().get("/posts/7").json()["createdAt"], Value::Null);
}
