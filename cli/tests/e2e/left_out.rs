//! Objects of the target that an import left out: never deleted, never written over, and told of as what they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::canned::{Canned, respond};
use crate::support::{Db, Fake, News, Pair};

/// A master that was imported from a target whose posts/5 has a title that is too long.
struct Scene(Pair);

impl Scene {
    fn new() -> Self {
        let fake = Fake::start::<&str>([]);
        assert_eq!(fake.http().send("PUT", "/posts/5", &post_5()).status, 200);
        Self(Pair::over(fake, &["import", "--skip-invalid"], 3))
    }

    #[track_caller]
    fn edit(&mut self, statements: &str) {
        self.0.edit(statements);
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Value {
        self.0.news.run(["--json"].iter().chain(args)).expect_code(code).json()
    }

    fn send(&self, method: &str, path: &str, json: &str) {
        let status = self.0.fake.http().send(method, path, json).status;
        assert!(status < 300, "{method} {path}: {status}");
    }

    #[track_caller]
    fn has(&self, path: &str) -> bool {
        self.0.fake.http().get(path).status == 200
    }

    /// The target's posts/5 is as it was, whatever else came.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(self.0.fake.http().get("/posts/5").json()["body"], json!("precious"));
        let counts = self.0.fake.counts();
        let writes = &counts["posts"]["5"];
        // Ours, when the scene began.
        assert_eq!((&writes["updates"], writes["deletes"].as_u64().unwrap_or(0)), (&json!(1), 0), "{writes}");
    }
}

fn post_5() -> String {
    format!(r#"{{"id":5,"userId":1,"title":"{}","body":"precious"}}"#, "x".repeat(300))
}

/// Rows with an id that was left out, and a comment of it.
const ROWS: &str = "INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'ours', 'ours'), (950, 1, 't', 'b');
    INSERT INTO news_comment (id, post_id, name, email, body) VALUES (950, 5, 'n', 'e', 'b')";

#[test]
fn what_an_import_left_out_is_never_deleted_or_overwritten() {
    let scene = Scene::new();
    // Another comment on it, and one that cannot be read.
    scene.send("POST", "/comments", r#"{"id":900,"postId":5,"name":"n","email":"e","body":"b"}"#);
    scene.send("POST", "/comments", r#"{"id":901,"postId":1,"name":7,"email":"e","body":"b"}"#);
    for flags in [&["--json", "sync", "--full", "--dry-run"][..], &["--json", "sync", "--full"]] {
        let output = scene.0.news.run(flags).ok();
        let warned = output.json()["warnings"][0].as_str().unwrap().to_owned();
        assert!(warned.starts_with("8 objects at the target that the master cannot hold"), "{warned}");
        assert!(warned.contains("posts/5 (title: 300 characters, more than 256)"), "{warned}");
        assert!(output.stderr.contains("neither deleted nor overwritten"), "{}", output.stderr);
    }
    for path in ["/posts/5", "/comments/21", "/comments/900", "/comments/901"] {
        assert!(scene.has(path), "{path}");
    }
    // What the master does not want still goes.
    scene.send("POST", "/posts", r#"{"id":700,"userId":1,"title":"t","body":"b"}"#);
    scene.0.news.run(["sync", "--full"]).ok();
    assert!(!scene.has("/posts/700"));
    scene.is_untouched();
}

#[test]
fn a_row_with_such_an_id_is_parked_by_every_sync_and_its_comments_are_held() {
    for first in [&["sync"][..], &["sync", "--full"]] {
        let mut scene = Scene::new();
        scene.edit(ROWS);
        for args in [first, &["sync"], &["sync", "--full"], &["sync"]] {
            let report = scene.run(args, 3);
            assert_eq!((&report["parked"], &report["held"]), (&json!(1), &json!(1)), "{args:?} {report}");
            scene.is_untouched();
            assert!(!scene.has("/comments/950"));
        }
        assert!(scene.has("/posts/950"));
        let parked = &scene.run(&["parked"], 0)["objects"][0];
        assert_eq!((&parked["entity"], &parked["id"]), (&json!("posts"), &json!(5)));
        let reason = parked["reason"].as_str().unwrap();
        for part in ["left out", "title: 300 characters, more than 256", "`news sync --full`"] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
        // Trying again changes nothing while the object is there.
        scene.0.news.run(["retry", "--all"]).ok();
        scene.run(&["sync"], 3);
        scene.is_untouched();
        // An edit does not, either, nor does a comment that comes once the post's own change was given up.
        scene.edit("UPDATE news_post SET title = 'ours, too' WHERE id = 5");
        scene.run(&["sync"], 3);
        scene.0.news.run(["discard", "posts/5"]).ok();
        scene.edit("INSERT INTO news_comment (id, post_id, name, email, body) VALUES (951, 5, 'n', 'e', 'b')");
        scene.run(&["sync"], 3);
        assert!(!scene.has("/comments/951"));
        scene.is_untouched();
        // The row goes: nothing has to be done at the target.
        scene.edit("DELETE FROM news_post WHERE id = 5");
        scene.run(&["sync"], 0);
        scene.is_untouched();
        assert_eq!(scene.0.number("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL"), 0);
    }
}

#[test]
fn a_row_that_is_deleted_again_leaves_the_object_alone_whatever_the_log_says() {
    let mut scene = Scene::new();
    scene.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'ours', 'ours')");
    scene.run(&["sync"], 3);
    // As after a restored dump: nothing that the log says is trusted.
    scene.edit("UPDATE news_modelevent SET doubt = true; UPDATE news_sync_object SET presence = 'unknown'");
    scene.edit("DELETE FROM news_post WHERE id = 5");
    assert_eq!(scene.run(&["sync"], 0)["requests"], json!(0));
    scene.is_untouched();
}

#[test]
fn a_full_sync_creates_the_row_once_the_target_no_longer_has_the_object() {
    let mut scene = Scene::new();
    scene.edit(ROWS);
    scene.run(&["sync"], 3);
    for comment in 21..=25 {
        scene.send("DELETE", &format!("/comments/{comment}"), "");
    }
    scene.send("DELETE", "/posts/5", "");
    // A plain sync does not look at the listing, and says what to do.
    scene.0.news.run(["retry", "posts/5"]).ok();
    scene.run(&["sync"], 3);
    assert!(!scene.has("/posts/5"));
    scene.run(&["sync", "--full", "--dry-run"], 1);
    assert_eq!(
        scene.0.number("SELECT count(*) FROM news_sync_left_out WHERE entity_pk = 5"),
        1,
        "a dry run forgets nothing"
    );
    scene.run(&["sync", "--full"], 0);
    assert_eq!(scene.0.fake.http().get("/posts/5").json()["title"], json!("ours"));
    assert!(scene.has("/comments/950"));
    scene.0.news.run(["diff"]).ok();
    // From now on it is an object like any other.
    scene.edit("UPDATE news_post SET title = 'again' WHERE id = 5");
    scene.run(&["sync"], 0);
    assert_eq!(scene.0.fake.http().get("/posts/5").json()["title"], json!("again"));
}

#[test]
fn a_row_that_is_equal_to_the_object_is_in_sync_with_it() {
    let mut scene = Scene::new();
    scene.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'short', 'precious')");
    scene.run(&["sync"], 3);
    scene.send("PUT", "/posts/5", r#"{"id":5,"userId":1,"title":"short","body":"precious"}"#);
    scene.run(&["sync", "--full"], 0);
    scene.run(&["sync"], 0);
    scene.edit("UPDATE news_post SET title = 'shorter' WHERE id = 5");
    scene.run(&["sync"], 0);
    assert_eq!(scene.0.fake.http().get("/posts/5").json()["title"], json!("shorter"));
}

#[test]
fn an_object_that_is_not_listed_but_has_its_address_keeps_its_place() {
    let is_listed = Arc::new(AtomicBool::new(true));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (listed, paths) = (Arc::clone(&is_listed), Arc::clone(&asked));
    let target = Canned::start(move |path, stream| {
        paths.lock().unwrap().push(path.to_owned());
        let listing = format!("[{}]", post_5());
        match path {
            "/posts" if listed.load(Ordering::SeqCst) => respond(stream, "", listing.as_bytes()),
            "/posts/5" => respond(stream, "", post_5().as_bytes()),
            _ => respond(stream, "", b"[]"),
        }
    });
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", target.url());
    news.run(["import", "--skip-invalid"]).expect_code(3);
    db.client()
        .batch_execute("INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'ours', 'ours')")
        .unwrap();
    is_listed.store(false, Ordering::SeqCst);
    asked.lock().unwrap().clear();
    let report = news.run(["--json", "sync", "--full"]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["requests"]), (&json!(1), &json!(0)), "{report}");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|path| *path == "/posts/5").count(), 1, "{asked:?}");
}

#[test]
fn a_diff_names_them_apart_and_does_not_count_them() {
    let mut scene = Scene::new();
    scene.send("POST", "/comments", r#"{"id":900,"postId":5,"name":"n","email":"e","body":"b"}"#);
    let report = scene.run(&["diff"], 0);
    let sides = &report["summary"]["posts"];
    assert_eq!((&sides["left_out"], &sides["extra"], &sides["unreadable"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!((&report["equal"], &report["differences"]), (&json!(true), &json!([])));
    // Five came with the post, one since.
    assert_eq!(report["summary"]["comments"]["left_out"], json!(6));
    let named: Vec<String> = report["left_out"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(named.len(), 7);
    assert!(named[0].contains(r#""id":5,"why":"title: 300 characters, more than 256""#), "{named:?}");
    assert!(named[6].contains(r#""id":900,"why":"its post was left out""#), "{named:?}");
    let text = scene.0.news.run(["diff"]).ok().stdout;
    for line in [
        "7 objects of the target left out by an import: neither compared nor changed",
        "    posts/5 (title: 300 characters, more than 256)",
        "    and 4 more",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!scene.0.news.run(["diff", "--stat"]).ok().stdout.contains("posts/5"));
    let last = scene.0.news.run(["diff", "--ndjson"]).ok().stdout;
    assert!(last.lines().count() == 1 && last.contains(r#""left_out":[{"entity":"posts","id":5,"#), "{last}");

    // A row with its id differs, and is pending; a sync that is verified finds no drift.
    scene.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    assert_eq!(scene.run(&["sync", "--verify"], 0)["drift"], json!(0));
    scene.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'ours', 'ours')");
    scene.run(&["sync"], 3);
    let report = scene.run(&["diff"], 1);
    assert_eq!(report["differences"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!((&report["differences"][0]["id"], &report["differences"][0]["pending"]), (&json!(5), &json!(true)));
    scene.run(&["diff", "--ignore-pending"], 0);
}
