//! Targets that choose the ids: objects are found by their keys, created exactly once, and strangers are left alone.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Drf, FIXTURES, MANY};
use crate::crash::{Random, edit};
use crate::support::pocketbase::Lossy;
use crate::support::{Db, Fake, Http, News, Node, Server, fixtures, wait_until};

/// Behind faults a run may give up, but not so often in a row.
const RUNS_MAX: usize = 20;

struct Keyed {
    /// Keeps it running.
    _target: Target,
    http: Http,
    url: String,
    db: Db,
    news: News,
}

#[expect(dead_code, reason = "each is stopped when it is dropped")]
enum Target {
    Fake(Fake),
    Real(Server),
}

impl Keyed {
    /// Starts json-server 1.0 as the Fake API plays it, with its own 100 posts and 500 comments.
    fn start() -> Self {
        let fake = Fake::start(["--mode", "own-ids"]);
        let (http, url) = (fake.http().clone(), fake.url().to_owned());
        Self::of(Target::Fake(fake), http, &url)
    }

    /// The same, the real one.
    fn real() -> Option<Self> {
        let server = Node::json_server_1(&fixtures())?;
        let (http, url) = (server.http().clone(), server.url().to_owned());
        Some(Self::of(Target::Real(server), http, &url))
    }

    fn of(target: Target, http: Http, url: &str) -> Self {
        let db = Db::new();
        let news = news(&db, url);
        news.run(["import", "--from", FIXTURES]).ok();
        Self { _target: target, http, url: url.to_owned(), db, news }
    }

    /// Edits in bursts; the run of `news` after each of them is killed if `kills`.
    fn edited(&self, news: &News, random: &mut Random, times: u64, kills: bool) {
        let mut sql = self.db.client();
        for _ in 0..times {
            (0..20).for_each(|_| edit(&mut sql, random));
            let run = news.spawn(["sync", "--jobs", "8", "--max-deletes", MANY]);
            if kills {
                // At any time of a run.
                std::thread::sleep(std::time::Duration::from_millis(random.below(600)));
                run.signal(Signal::KILL);
            }
            run.wait();
        }
    }

    /// Returns the keys of the records that have one, and fails where a key is there twice.
    fn keys(&self, entity: &str) -> BTreeSet<i64> {
        let all = self.http.get(&format!("/{entity}")).json();
        let keys: Vec<i64> = all.as_array().unwrap().iter().filter_map(|record| record["key"].as_i64()).collect();
        let set: BTreeSet<i64> = keys.iter().copied().collect();
        assert_eq!(set.len(), keys.len(), "a key of {entity} is there twice");
        set
    }

    fn is_equal(&self) -> Value {
        let report = self.news.run(["--json", "diff"]).ok().json();
        assert_eq!(report["equal"], true, "{report}");
        for entity in ["posts", "comments"] {
            let local = report["summary"][entity]["local"].as_u64().unwrap();
            assert_eq!(self.keys(entity).len() as u64, local, "{report}");
        }
        report
    }
}

#[test]
fn what_the_target_gives_its_own_ids_is_kept_in_sync_and_strangers_are_left_alone() {
    is_kept_in_sync(&Keyed::start());
}

#[test]
fn json_server_1_is_kept_in_sync() {
    Keyed::real().iter().for_each(is_kept_in_sync);
}

fn is_kept_in_sync(keyed: &Keyed) {
    let report = keyed.news.run(["--json", "sync", "--full"]).ok().json();
    let created = |entity: &str| report["done"][entity]["create"].clone();
    assert_eq!((created("posts"), created("comments")), (json!(100), json!(500)), "{report}");
    let report = keyed.is_equal();
    let strangers = |entity: &str| report["summary"][entity]["strangers"].clone();
    assert_eq!((strangers("posts"), strangers("comments")), (json!(100), json!(500)), "{report}");

    let mut random = Random(5);
    keyed.edited(&keyed.news, &mut random, 10, false);
    keyed.is_equal();
    // One comment by hand: created under a post that is there, moved, changed, deleted.
    let mut sql = keyed.db.client();
    for change in [
        "INSERT INTO news_post (id, user_id, title, body) VALUES (9001, 1, 't', 'b'), (9002, 1, 't', 'b')",
        "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (9001, 9001, 'n', 'e@example.org', 'b')",
        "UPDATE news_comment SET post_id = 9002 WHERE id = 9001",
        "UPDATE news_comment SET body = 'c' WHERE id = 9001",
    ] {
        sql.batch_execute(change).unwrap();
        keyed.news.run(["sync"]).ok();
        keyed.news.run(["diff", "comments/9001", "posts/9001"]);
        keyed.is_equal();
    }
    assert!(keyed.news.run(["show", "comments/9001"]).ok().stdout.contains("equal"));
    sql.batch_execute("DELETE FROM news_comment WHERE id = 9001; DELETE FROM news_post WHERE id = 9001").unwrap();
    keyed.news.run(["sync"]).ok();
    keyed.is_equal();

    let doctor = keyed.news.run(["doctor", "--write-test"]);
    assert!(doctor.stdout.contains("a post and a comment were created"), "{}", doctor.stdout);
    keyed.is_equal();

    // Another database takes over what has a key, and nothing else.
    let other = Db::new();
    let news = news(&other, &keyed.url);
    let import = news.run(["--json", "import"]).ok();
    assert!(import.stderr.contains("posts: 100 records without a key of ours: not imported"), "{}", import.stderr);
    let report = news.run(["--json", "diff"]).ok().json();
    assert_eq!(report["equal"], true, "{report}");
}

#[test]
fn lost_messages_and_kills_make_no_record_twice() {
    let keyed = Keyed::start();
    let cuts = nothing_is_there_twice_behind_a_lossy_network(&keyed);
    assert!(cuts > 10, "{cuts} messages lost");
}

#[test]
fn lost_messages_and_kills_make_no_record_of_json_server_1_twice() {
    let Some(keyed) = Keyed::real() else { return };
    let cuts = nothing_is_there_twice_behind_a_lossy_network(&keyed);
    assert!(cuts > 10, "{cuts} messages lost");
}

#[test]
fn django_rest_framework_with_a_field_of_ours_is_kept_in_sync_over_a_lossy_network() {
    let Some(drf) = Drf::start("with a field of ours", &["key"]) else { return };
    let network = Lossy::to(&drf.url, 20);
    let db = Db::new();
    let (news, lossy) = (drf.news(&db, &drf.url), drf.news(&db, &network.url(&drf.url)));
    news.run(["import", "--from", FIXTURES]).ok();
    until_done(&lossy, &["sync", "--full"]);
    let (mut sql, mut random) = (db.client(), Random(31));
    for _ in 0..10 {
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        let run = lossy.spawn(["sync", "--max-deletes", MANY]);
        // At any time of a run.
        std::thread::sleep(std::time::Duration::from_millis(random.below(600)));
        run.signal(Signal::KILL);
        run.wait();
    }
    until_done(&lossy, &["sync", "--max-deletes", MANY]);
    // What is there twice would be a difference.
    let report = news.run(["--json", "diff"]).ok().json();
    assert_eq!(report["equal"], true, "{report}");
    assert!(network.cuts() > 10, "{} messages lost", network.cuts());
    let other = Db::new();
    let other_news = drf.news(&other, &drf.url);
    other_news.run(["import"]).ok();
    other_news.run(["diff"]).ok();
}

#[test]
fn records_without_a_key_are_adopted_and_an_adoption_that_was_killed_goes_on() {
    let fake = Fake::start(["--mode", "own-ids"]);
    let db = Db::new();
    let news = news(&db, fake.url());
    let empty = news.run(["--json", "import", "--adopt", "--dry-run"]).expect_code(1).json();
    assert_eq!((&empty["adopted"]["posts"], &empty["adopted"]["comments"]), (&json!(100), &json!(500)), "{empty}");
    assert!(fake.http().get("/posts").json().as_array().unwrap().iter().all(|post| post["key"].is_null()));
    // Records that cannot be one of ours, and those with another key, stay as they are.
    fake.http().send("POST", "/posts", r#"{"userId": 1, "title": "t", "body": "b", "key": "a key of theirs"}"#);
    fake.http().send("POST", "/posts", r#"{"userId": "nobody", "title": "t", "body": "b"}"#);
    fake.set_faults(r#"{"latency_ms": 20, "cut_before": 0.02, "cut_after": 0.02}"#);
    let adoption = news.spawn(["import", "--adopt"]);
    wait_until("some have a key", || {
        let posts = fake.http().get("/posts").json();
        posts.as_array().unwrap().iter().filter(|post| post["key"].is_i64()).count() > 20
    });
    adoption.signal(Signal::KILL);
    adoption.wait();
    fake.set_faults("{}");
    let report = news.run(["--json", "import", "--adopt"]).expect_code(3);
    assert!(report.stderr.contains("gets no key: userId"), "{}", report.stderr);
    let report = report.json();
    assert_eq!(
        (&report["posts"], &report["comments"], &report["adopted"]["left"]),
        (&json!(100), &json!(500), &json!(2))
    );
    assert!(report["adopted"]["posts"].as_u64().unwrap() < 80, "{report}");
    let equal = news.run(["--json", "diff"]).ok().json();
    assert_eq!((&equal["equal"], &equal["summary"]["posts"]["strangers"]), (&json!(true), &json!(2)), "{equal}");
    db.client().batch_execute("UPDATE news_comment SET body = 'x' WHERE id <= 3").unwrap();
    news.run(["sync"]).ok();
    news.run(["diff"]).ok();
    let refused = News::on(&Db::new()).env("NEWS_TARGET_URL", fake.url()).run(["import", "--adopt"]).expect_code(2);
    assert!(refused.stderr.contains("has no key"), "{}", refused.stderr);
}

#[test]
fn a_profile_whose_keys_have_another_form_is_refused_before_anything_is_created_again() {
    let fake = Fake::start(["--mode", "own-ids"]);
    let (db, folder) = (Db::new(), tempfile::tempdir().unwrap());
    let page = include_str!("../../../../docs/profiles.md");
    let words = page.split("### Keys").nth(1).unwrap().split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let profile = folder.path().join("keys.toml");
    let path = profile.to_str().unwrap();
    std::fs::write(&profile, words).unwrap();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", path);
    db.client().batch_execute("INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b')").unwrap();
    news.run(["sync"]).ok();
    std::fs::write(&profile, words.replace("as = \"{id}\"", "as = \"news-{id}\"")).unwrap();
    for command in [&["sync"][..], &["sync", "--full"]] {
        let refused = news.run(command).expect_code(4);
        assert!(refused.stderr.contains("may not be found by their keys"), "{}", refused.stderr);
    }
    // A comment in the file is no other profile.
    std::fs::write(&profile, format!("# ours\n{words}")).unwrap();
    news.run(["sync", "--full"]).ok();
    assert_eq!(fake.http().get("/posts?key=1").json().as_array().unwrap().len(), 1);
}

/// Returns how many messages were lost.
fn nothing_is_there_twice_behind_a_lossy_network(keyed: &Keyed) -> u64 {
    let network = Lossy::to(&keyed.url, 20);
    let lossy = news(&keyed.db, &network.url(&keyed.url));
    until_done(&lossy, &["sync", "--full", "--jobs", "8"]);
    keyed.edited(&lossy, &mut Random(23), 10, true);
    until_done(&lossy, &["sync", "--jobs", "8", "--max-deletes", MANY]);
    keyed.is_equal();
    network.cuts()
}

fn news(db: &Db, url: &str) -> News {
    News::on(db).env("NEWS_TARGET_URL", url).env("NEWS_TARGET_PROFILE", "json-server-1")
}

fn until_done(news: &News, command: &[&str]) {
    let runs: Vec<_> = (0..RUNS_MAX).map(|_| news.run(command)).take_while(|run| run.code != 0).collect();
    assert!(runs.len() < RUNS_MAX, "{:?}", runs.last());
}

#[test]
fn what_was_changed_at_the_target_is_repaired() {
    let keyed = Keyed::start();
    keyed.news.run(["sync", "--full"]).ok();
    let http = &keyed.http;
    let id = |entity: &str, key: i64| -> String {
        let found = http.get(&format!("/{entity}?key={key}")).json();
        found[0]["id"].as_str().unwrap().to_owned()
    };
    let (post, comment) = (id("posts", 5), id("comments", 7));
    http.send("DELETE", &format!("/comments/{comment}"), "");
    http.send("PATCH", &format!("/posts/{post}"), r#"{"title": "changed"}"#);
    http.send("POST", "/posts", r#"{"key": 6, "userId": 1, "title": "again", "body": "b"}"#);
    http.send("POST", "/posts", r#"{"key": 7000, "userId": 1, "title": "extra", "body": "b"}"#);
    let report = keyed.news.run(["--json", "diff"]).expect_code(1).json();
    let found: BTreeSet<String> = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| {
            format!(
                "{}/{} {}",
                difference["entity"].as_str().unwrap(),
                difference["id"],
                difference["kind"].as_str().unwrap()
            )
        })
        .collect();
    let expected = ["comments/7 missing", "posts/5 different", "posts/6 duplicate", "posts/7000 extra"];
    assert_eq!(found, expected.map(String::from).into(), "{report}");
    keyed.news.run(["sync", "--full"]).ok();
    keyed.is_equal();
}
