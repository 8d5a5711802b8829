//! Targets that alter texts: what they make of them is remembered, and is neither sent again nor taken for a difference.

use serde_json::{Value, json};

use super::{Drf, FIXTURES, MANY};
use crate::crash::{Random, edit};
use crate::support::{Db, Http, News};

/// White space at both ends of all titles of posts, and of some bodies of comments.
const BLANKS: &str = "UPDATE news_post SET title = ' ' || left(title, 250) || E'\\n';
                      UPDATE news_comment SET body = body || '  ' WHERE id % 5 = 0";

/// A target that trims, and what its second database is called with.
struct Scene {
    drf: Drf,
    http: Http,
    db: Db,
    news: News,
}

impl Scene {
    fn start() -> Option<Self> {
        let drf = Drf::start("with a field of ours", &["key", "trim"])?;
        let db = Db::new();
        let news = drf.news(&db, &drf.url);
        news.run(["import", "--from", FIXTURES]).ok();
        let token = Http::new(&drf.url)
            .send("POST", "/api/token/", r#"{"username": "reader", "password": "a password"}"#)
            .json();
        let http = Http::new(&drf.url).bearer(token["access"].as_str().unwrap());
        Some(Self { drf, http, db, news })
    }

    fn sql(&self, sql: &str) {
        self.db.client().batch_execute(sql).unwrap();
    }

    fn diff(&self, arguments: &[&str], code: i32) -> Value {
        self.news.run(["--json", "diff"].iter().chain(arguments)).expect_code(code).json()
    }

    /// The address of a post there.
    fn address(&self, key: i64) -> String {
        let found = self.http.get(&format!("/posts/?external_id={key}")).json();
        format!("/posts/{}/", found["results"][0]["id"])
    }
}

fn altered(report: &Value) -> (Value, Value) {
    let of = |entity: &str| report["summary"][entity]["altered"].clone();
    (of("posts"), of("comments"))
}

#[test]
fn what_django_trims_is_sent_once_and_counted() {
    let Some(scene) = Scene::start() else { return };
    scene.sql(BLANKS);
    let first = scene.news.run(["--json", "sync", "--full"]).ok().json();
    // Some of the fixtures' texts have blanks of their own.
    let all = first["altered"].as_u64().unwrap();
    assert!((200..220).contains(&all), "{first}");
    assert_eq!(first["warnings"], json!([]), "{first}");
    let report = scene.diff(&[], 0);
    assert_eq!((&report["equal"], altered(&report)), (&json!(true), (json!(100), json!(all - 100))), "{report}");
    let told = scene.news.run(["diff"]).ok();
    assert!(told.stdout.contains(&format!("{all} objects with texts that the target has altered")), "{}", told.stdout);
    // Nothing is sent again: neither by a full sync, nor where nothing has changed.
    let second = scene.news.run(["--json", "sync", "--full"]).ok().json();
    assert_eq!(second["requests"], 0, "{second}");
    let shown = scene.news.run(["--json", "show", "posts/5"]).ok().json();
    assert_eq!(
        (&shown["state"], &shown["target"]["altered"][0]["field"]),
        (&json!("in_sync"), &json!("title")),
        "{shown}"
    );
    assert!(scene.news.run(["show", "posts/5"]).ok().stdout.contains("texts that the target has altered"));

    let strict = scene.diff(&["--strict"], 1);
    assert_eq!((&strict["summary"]["posts"]["different"], altered(&strict).0), (&json!(100), json!(100)), "{strict}");
    assert_eq!(
        (&strict["differences"][0]["altered"], &strict["differences"][0]["fields"][0]["field"]),
        (&json!(true), &json!("title"))
    );
    let named = scene.diff(&["posts/5", "posts/6"], 0);
    assert_eq!((&named["equal"], altered(&named).0), (&json!(true), json!(2)), "{named}");
    assert_eq!(scene.diff(&["--strict", "posts/5"], 1)["differences"][0]["altered"], true);

    let mut random = Random(41);
    for _ in 0..4 {
        let mut sql = scene.db.client();
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        scene.sql("UPDATE news_post SET body = ' ' || left(body, 1000) WHERE id % 7 = 0");
        scene.news.run(["sync", "--max-deletes", MANY]).ok();
    }
    let report = scene.diff(&[], 0);
    assert_eq!(report["equal"], true, "{report}");
    // What is altered no longer, or is gone, is forgotten.
    scene.sql(
        "UPDATE news_post SET title = 't' || id, body = 'b'; UPDATE news_comment SET name = 'n', body = 'b' || id",
    );
    scene.news.run(["sync"]).ok();
    assert_eq!(altered(&scene.diff(&["--strict"], 0)), (json!(0), json!(0)));
    let left: i64 = scene.db.client().query_one("SELECT count(*) FROM news_sync_kept", &[]).unwrap().get(0);
    assert_eq!(left, 0);
}

#[test]
fn a_change_on_either_side_makes_an_altered_object_different_again() {
    let Some(scene) = Scene::start() else { return };
    scene.sql(BLANKS);
    scene.news.run(["sync", "--full"]).ok();
    let address = scene.address(5);
    scene.http.send("PATCH", &address, r#"{"title": "by hand"}"#);
    let report = scene.diff(&[], 1);
    assert_eq!(
        (&report["differences"][0]["id"], &report["more"], altered(&report).0),
        (&json!(5), &json!(0), json!(99))
    );
    let repaired = scene.news.run(["--json", "sync", "--full"]).ok().json();
    assert_eq!((&repaired["methods"]["PUT"], &repaired["altered"]), (&json!(1), &json!(1)), "{repaired}");
    assert_eq!(altered(&scene.diff(&[], 0)).0, json!(100));
    // A row that is changed without tracking.
    scene.sql("SET session_replication_role = replica; UPDATE news_post SET title = ' other' WHERE id = 6");
    assert_eq!(scene.diff(&[], 1)["differences"][0]["id"], 6);
    scene.news.run(["sync", "--full"]).ok();
    assert_eq!(altered(&scene.diff(&[], 0)).0, json!(100));
    // Another database has the texts as the target has them.
    let other = Db::new();
    let news = scene.drf.news(&other, &scene.drf.url);
    news.run(["import"]).ok();
    let report = news.run(["--json", "diff", "--strict"]).ok().json();
    assert_eq!(altered(&report), (json!(0), json!(0)), "{report}");
    // An import forgets what was known of the rows that it replaces.
    scene.sql("TRUNCATE news_post, news_comment");
    scene.news.run(["import"]).ok();
    assert_eq!(altered(&scene.diff(&["--strict"], 0)), (json!(0), json!(0)));
}

#[test]
fn what_one_target_keeps_says_nothing_of_another() {
    let Some(scene) = Scene::start() else { return };
    scene.sql(BLANKS);
    scene.news.run(["sync", "--full"]).ok();
    let entries = || -> i64 { scene.db.client().query_one("SELECT count(*) FROM news_sync_kept", &[]).unwrap().get(0) };
    assert!(entries() > 0);
    let plain = crate::support::Fake::start([""; 0]);
    let other = News::on(&scene.db).env("NEWS_TARGET_URL", plain.url()).env("NEWS_TARGET_PROFILE", "json-server");
    other.run(["sync", "--full", "--force"]).ok();
    assert_eq!(entries(), 0);
    other.run(["diff", "--strict"]).ok();
}
