//! `news doctor` on set-ups that are broken in one way each: it names that one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::support::canned::{Canned, respond};
use super::support::{Db, Fake, News, Pair};

const SECRET: &str = "a-key-of-the-tests-that-nobody-else-has-0123456789";

/// A set-up with nothing wrong.
struct Sound {
    pair: Pair,
}

impl Sound {
    fn new() -> Self {
        Self { pair: Pair::new([]) }
    }

    /// The binary on it; what is set later wins.
    fn news(&self) -> News {
        News::on(&self.pair.db).env("NEWS_JWT_SECRET", SECRET).env("NEWS_TARGET_URL", self.pair.fake.url())
    }
}

/// Runs the doctor; it ends with `code`. Returns what is not ok: `fail database: … hint: …`.
#[track_caller]
fn complaints(news: &News, code: i32) -> Vec<String> {
    let output = news.run(["--json", "doctor"]).expect_code(code);
    assert_eq!(output.stderr.contains("failed"), code != 0, "{}", output.stderr);
    let report = output.json();
    let line = |check: &Value| {
        let hints: Vec<&str> = check["hints"].as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect();
        let text = |name: &str| check[name].as_str().unwrap().to_owned();
        format!("{} {}: {} hint: {}", text("verdict"), text("name"), text("text"), hints.join(" "))
    };
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|check| check["verdict"] != "ok").map(line).collect()
}

/// There is one complaint, and it says all of `said`.
#[track_caller]
fn only(complaints: &[String], said: &[&str]) {
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(said.iter().all(|said| complaints[0].contains(said)), "{complaints:#?}");
}

#[test]
fn a_sound_setup_is_all_ok_and_left_as_it_was() {
    let mut sound = Sound::new();
    let news = sound.news();
    assert_eq!(complaints(&news, 0), Vec::<String>::new());
    let text = news.run(["doctor"]).ok().stdout;
    for name in [
        "configuration",
        "database",
        "schema",
        "roles",
        "tracking",
        "lock",
        "pending",
        "target",
        "profile",
        "credentials",
        "clock",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("ok    {name} "))), "{name}: {text}");
    }
    assert_eq!(sound.pair.unsynced(), 0, "what it tried is taken back");
    assert_eq!(sound.pair.number("SELECT count(*) FROM news_post"), 100);
}

#[test]
fn the_database() {
    let sound = Sound::new();
    let news = |url: &str| sound.news().env("NEWS_DATABASE_URL", url);
    let tcp = sound.pair.db.tcp_url();
    let (front, name) = tcp.rsplit_once('/').unwrap();
    for (url, code, said) in [
        (
            "postgresql://me:s3cret@127.0.0.1:1/x".to_owned(),
            8,
            &["fail database", "nothing listens at 127.0.0.1:1"][..],
        ),
        (tcp.replace("p%40ss", "wrong"), 8, &["fail database", "the password for role tester is wrong"]),
        (format!("{front}/no_such_{name}"), 8, &["fail database", "createdb no_such_"]),
        ("postgress://me@h/x".to_owned(), 2, &["fail database", "begins with postgress://"]),
    ] {
        only(&complaints(&news(&url), code), said);
    }
    let empty = Db::empty();
    only(&complaints(&news(&empty.url()), 8), &["fail schema", "news db migrate"]);
}

#[test]
fn tracking_and_rights() {
    let mut sound = Sound::new();
    let news = sound.news();
    sound.pair.edit("ALTER TABLE news_post DISABLE TRIGGER news_track_update");
    let disabled =
        ["fail tracking", "news_track_update of news_post is disabled", "ENABLE ALWAYS TRIGGER", "sync --full"];
    only(&complaints(&news, 8), &disabled);
    sound.pair.edit(
        "ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update; DROP TRIGGER news_track_delete ON news_comment",
    );
    only(&complaints(&news, 8), &["fail tracking", "news_track_delete of news_comment is missing"]);

    let mut sound = Sound::new();
    let news = sound.news();
    sound
        .pair
        .edit("CREATE OR REPLACE FUNCTION news_actor() RETURNS text LANGUAGE sql AS $$ SELECT repeat('x', 5000) $$");
    only(
        &complaints(&news, 8),
        &["fail tracking", "news_actor() is not as `news db migrate` makes it", "V2__tracking.sql"],
    );
    // The trigger bounds whatever it is told.
    sound.pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    assert_eq!(sound.pair.number("SELECT max(length(actor))::bigint FROM news_modelevent"), 200);
    sound.pair.edit("DROP FUNCTION news_actor()");
    only(&complaints(&news, 8), &["fail tracking", "news_actor() is missing"]);

    let sound = Sound::new();
    let name: String = sound.pair.db.client().query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let role = format!("reader_{name}");
    let mut sql = sound.pair.db.client();
    sql.batch_execute(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        .unwrap();
    let url = sound.pair.db.url().replace("user=tester", &format!("user={role}"));
    let found = complaints(&sound.news().env("NEWS_DATABASE_URL", &url), 8);
    sql.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    assert!(found[0].contains("fail roles") && found[0].contains("INSERT on news_post"), "{found:#?}");
}

#[test]
fn the_target() {
    let sound = Sound::new();
    let news = |url: &str| sound.news().env("NEWS_TARGET_URL", url);
    let other = |found: Vec<String>| -> Vec<String> {
        found.into_iter().filter(|line| !line.contains("but this database followed")).collect()
    };
    only(&other(complaints(&news("http://127.0.0.1:1"), 5)), &["fail target", "refused", "is the target running"]);
    only(&complaints(&news("127.0.0.1:3000"), 2), &["fail target", "Write http://HOST:PORT"]);
    let wrong_path = format!("{}/elsewhere", sound.pair.fake.url());
    only(&other(complaints(&news(&wrong_path), 5)), &["fail target", "status 404", "base URL"]);
    let closed = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", "s3cret"), ["--require-token"]);
    only(&other(complaints(&news(closed.url()), 7)), &["fail target", "status 401", "set NEWS_TARGET_TOKEN"]);
    let wrong = news(closed.url()).env("NEWS_TARGET_TOKEN", "wrong");
    only(&other(complaints(&wrong, 7)), &["fail target", "refuses NEWS_TARGET_TOKEN"]);
    let right = news(closed.url()).env("NEWS_TARGET_TOKEN", "s3cret");
    assert_eq!(other(complaints(&right, 0)), Vec::<String>::new());

    let page = stub("Content-Type: text/html\r\n", "<!DOCTYPE html><p>a proxy's page");
    only(&other(complaints(&news(&page), 5)), &["fail target", "not a listing of posts", "base URL"]);
    let things = stub("", r#"[{"name":"a thing"}]"#);
    only(&other(complaints(&news(&things), 5)), &["fail target", "has no id of ours"]);
    let late = stub("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "[]");
    only(&other(complaints(&news(&late), 0)), &["warn clock", "the target's clock and this machine's are "]);
    let more = Canned::start(|path, stream| {
        let one = r#"{"id":2,"userId":1,"postId":1,"title":"t","name":"n","email":"e","body":"b","slug":"s"}"#;
        match path.matches('/').count() {
            1 => respond(stream, "", format!("[{one},{{\"id\":1}}]").as_bytes()),
            _ if path.ends_with("/2") => respond(stream, "", one.as_bytes()),
            _ => respond(stream, "", b"{}"),
        }
    });
    let found = other(complaints(&news(more.url()), 0));
    assert_eq!(found.len(), 4, "{found:#?}");
    let posts = ["warn fields: posts have fields that are not ours (email, name, postId, slug)", "PUT", "loses them"];
    only(&found[..1], &posts);
    only(&found[1..2], &["warn fields: comments have", "(slug, title, userId)"]);
    only(
        &found[2..3],
        &["warn profile: some of what the target lists cannot be read: posts/1: userId: missing", "news diff"],
    );

    // None is named, and none is remembered.
    let db = Db::new();
    let nobody = News::on(&db).env("NEWS_JWT_SECRET", SECRET);
    only(&complaints(&nobody, 2), &["fail target", "no target is named", "NEWS_TARGET_URL"]);
}

#[test]
fn secrets_and_what_waits() {
    let mut sound = Sound::new();
    only(&complaints(&sound.news().env("NEWS_JWT_SECRET", "short"), 2), &["fail credentials", "has 5 bytes"]);
    only(&complaints(&sound.news().env("NEWS_JWT_SECRET", ""), 0), &["warn credentials", "NEWS_JWT_SECRET is not set"]);
    let news = sound.news().env("NEWS_JWT_SECRET", "");
    let path = news.home().join("key");
    fs::write(&path, SECRET).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let news = news.env("NEWS_JWT_SECRET_FILE", path.to_str().unwrap());
    only(&complaints(&news, 0), &["warn credentials", "open to others (mode 0644)", "chmod 600"]);
    let missing = sound.news().env("NEWS_TARGET_TOKEN_FILE", "/nowhere");
    only(&complaints(&missing, 2), &["fail credentials", "/nowhere"]);

    sound.pair.edit("UPDATE news_post SET title = 'x' WHERE id = 7");
    sound.pair.fake.set_faults(r#"{"status_for": {"posts/7": 422}}"#);
    sound.pair.sync([]).expect_code(3);
    only(&complaints(&sound.news(), 0), &["warn pending", "1 object parked", "news parked"]);
}

#[test]
fn the_worst_is_the_exit_code_and_nothing_is_started() {
    let down = News::with_url("postgresql://me@127.0.0.1:1/x").env("NEWS_TARGET_URL", "http://127.0.0.1:1");
    let found = complaints(&down.env("NEWS_JWT_SECRET", "short"), 8);
    assert_eq!(found.len(), 3, "{found:#?}");
    let private = News::bare().env("NEWS_TARGET_URL", "http://127.0.0.1:1");
    let found = complaints(&private, 5);
    assert!(found[0].contains("warn database") && found[0].contains("was not made yet"), "{found:#?}");
    assert!(!private.home().join("pg").exists(), "it starts nothing");
}

/// Something that answers every request with 200, this header and this body, as long as the tests run.
fn stub(header: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for _ in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {}
            let head =
                format!("HTTP/1.1 200 OK\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).ok();
        }
    });
    url
}
