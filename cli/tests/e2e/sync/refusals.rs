//! One object's answer, and what holds for all of them: refusals, limits, 404s, and a 2xx that is none.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::told::{Asked, Scene, Threads, answer};
use crate::support::{Db, News, Node, fixtures, wait_until};

fn unsynced(scene: &mut Scene) -> i64 {
    scene.sql.query_one("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL", &[]).unwrap().get(0)
}

fn parked(scene: &Scene) -> Vec<Value> {
    let left = scene.news().run(["--json", "parked"]).ok().json();
    left["objects"].as_array().unwrap().iter().filter(|one| one["state"] == "parked").cloned().collect()
}

fn puts_posts_3(asked: &Asked) -> bool {
    asked.line == "PUT /posts/3"
}

#[test]
fn one_redirected_object_is_parked_and_a_loop_goes_on() {
    let mut scene = Scene::new(Threads::Many);
    let block = || answer(302, "Location: https://firewall.example/blocked\r\n", "");
    scene.told.tell(move |asked| puts_posts_3(asked).then(block));
    scene.edit("UPDATE news_post SET title = 'v' WHERE id <= 20");
    let follow = scene.news().spawn(["sync", "--follow", "--jobs", "1"]);
    wait_until("the others have arrived", || unsynced(&mut scene) == 1);
    let parked = parked(&scene);
    assert_eq!((parked.len(), &parked[0]["id"], &parked[0]["status"]), (1, &json!(3), &json!(302)));
    scene.edit("UPDATE news_post SET title = 'w' WHERE id = 4");
    wait_until("it still follows", || unsynced(&mut scene) == 1);
    assert!(!follow.stderr().contains("news:"), "{}", follow.stderr());
    follow.signal(Signal::INT);
    follow.wait().expect_code(130);
    scene.news().run(["sync"]).expect_code(3);
}

#[test]
fn a_redirect_of_everything_is_2_and_names_where_to() {
    let mut scene = Scene::new(Threads::Many);
    scene.told.tell(|_| Some(answer(301, "Location: https://new.example/v2\r\n", "")));
    scene.edit("UPDATE news_post SET title = 'v' WHERE id <= 2");
    let refused = scene.news().run(["sync"]).expect_code(2);
    assert!(refused.stderr.contains("https://new.example/v2"), "{}", refused.stderr);
    assert_eq!((parked(&scene).len(), unsynced(&mut scene)), (0, 2));
}

#[test]
fn one_throttled_object_waits_and_the_others_arrive() {
    let mut scene = Scene::new(Threads::Many);
    scene.told.tell(|asked| puts_posts_3(asked).then(|| answer(429, "Retry-After: 3600\r\n", "")));
    scene.edit("UPDATE news_post SET title = 'v' WHERE id <= 20");
    let begun = Instant::now();
    let report = scene.news().run(["--json", "sync", "--jobs", "1"]).expect_code(3).json();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!((unsynced(&mut scene), &report["failed"], &report["parked"]), (1, &json!(1), &json!(0)));
    assert!(report["throttled_s"].as_f64().unwrap() <= 2.0, "announced and not waited for: {report}");
}

#[test]
fn a_secondary_limit_that_comes_as_403_is_a_limit() {
    let mut scene = Scene::new(Threads::Many);
    let until = Instant::now() + Duration::from_secs(2);
    scene.told.tell(move |asked| {
        let is_limited = asked.line.starts_with("PUT") && Instant::now() < until;
        is_limited.then(|| answer(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1\r\n", "secondary rate limit"))
    });
    scene.edit("UPDATE news_post SET title = 'v' WHERE id <= 9");
    scene.news().run(["sync"]).ok();
    assert!(parked(&scene).is_empty());
}

#[test]
fn a_gateway_that_refuses_everything_parks_nobody_and_all_arrives_by_itself() {
    let mut scene = Scene::new(Threads::Many);
    let refuses = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&refuses);
    scene.told.tell(move |_| told.load(Ordering::SeqCst).then(|| answer(400, "", "no such host")));
    scene.edit("UPDATE news_post SET title = 'v'");
    let single = scene.news().run(["sync"]).expect_code(5);
    assert!(single.stderr.contains("refuses"), "{}", single.stderr);
    let requests = scene.told.lines().len();
    assert!(requests <= 24, "{requests}");
    let mut every = scene.news().spawn(["sync", "--every", "1s"]);
    every.wait_line("a run that is refused", |line| line.contains("the next run tries again").then_some(()));
    assert!(parked(&scene).is_empty());
    assert_eq!(unsynced(&mut scene), 100);
    refuses.store(false, Ordering::SeqCst);
    wait_until("all has arrived", || unsynced(&mut scene) == 0);
    every.signal(Signal::TERM);
    every.wait().expect_code(143);
    scene.news().run(["diff"]).ok();
}

#[test]
fn refused_credentials_do_not_end_a_loop_and_a_new_token_is_read() {
    let mut scene = Scene::new(Threads::Many);
    scene.told.tell(|asked| {
        let is_good = asked.headers.get("authorization").is_some_and(|value| value == "Bearer new");
        (!is_good).then(|| answer(401, "", ""))
    });
    scene.edit("UPDATE news_post SET title = 'v' WHERE id <= 20");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "old\n").unwrap();
    let news = scene.news().env("NEWS_TARGET_TOKEN_FILE", file.to_str().unwrap());
    news.run(["sync"]).expect_code(7);
    // No more than a few tries: accounts get locked.
    let tries = scene.told.lines().len();
    assert!(tries <= 8, "{tries}");
    let mut follow = news.spawn(["sync", "--follow"]);
    follow.wait_line("a run that is refused", |line| line.contains("trying again in").then_some(()));
    fs::write(&file, "new\n").unwrap();
    wait_until("all has arrived", || unsynced(&mut scene) == 0);
    follow.signal(Signal::TERM);
    follow.wait().expect_code(143);
    assert!(parked(&scene).is_empty());
}

#[test]
fn routes_that_disagree_delete_nothing() {
    let mut scene = Scene::new(Threads::Many);
    // Like json-server's nested routes: it lists under any path, and has objects at its root only.
    let all = scene.told.url().to_owned();
    scene.told.tell(move |asked| {
        let path = asked.line.strip_prefix("GET ")?.to_owned();
        let entity = path.strip_prefix("/api/v1/").filter(|rest| !rest.contains('/'))?;
        let records = fixtures()[entity].to_string();
        Some(answer(200, "", &records))
    });
    scene.edit("DELETE FROM news_comment WHERE id <= 5");
    let url = format!("{all}/api/v1");
    let refused = scene.news().run(["--target-url", &url, "sync"]).expect_code(5);
    assert!(refused.stderr.contains("has none of them at their own addresses"), "{}", refused.stderr);
    assert_eq!(unsynced(&mut scene), 5);
    assert!(scene.told.record("comments", 1).is_some());
    scene.news().run(["sync"]).ok();
    assert!(scene.told.record("comments", 1).is_none());
}

#[test]
fn json_server_below_a_path_that_it_does_not_have_deletes_nothing() {
    let Some(real) = Node::json_server(&fixtures()) else { return };
    let db = Db::new();
    News::on(&db).env("NEWS_TARGET_URL", real.url()).run(["import"]).ok();
    db.client().batch_execute("DELETE FROM news_comment WHERE id <= 5").unwrap();
    let url = format!("{}/api/v1", real.url());
    let refused = News::on(&db).env("NEWS_TARGET_URL", &url).run(["sync"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let unsynced: i64 =
        db.client().query_one("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL", &[]).unwrap().get(0);
    assert_eq!(unsynced, 5);
}

#[test]
fn deletes_that_others_have_done_already_are_believed() {
    let mut scene = Scene::new(Threads::Many);
    // All that is listed is about to be deleted: nothing else can speak for the addresses.
    scene.told.change(|records| records.retain(|(entity, id), _| entity == "posts" || *id > 490));
    scene.edit("DELETE FROM news_comment");
    let report = scene.news().run(["--json", "sync", "--max-deletes", "500", "--force"]).ok().json();
    assert_eq!(report["done"]["comments"]["delete"], json!(500));
    assert_eq!(unsynced(&mut scene), 0);
}

#[test]
fn a_2xx_whose_body_says_no_is_not_believed() {
    let mut scene = Scene::new(Threads::Many);
    let denies = |asked: &Asked| {
        asked.line.starts_with("PUT").then(|| answer(200, "", r#"{"success":false,"error":"read only"}"#))
    };
    scene.told.tell(move |asked| denies(asked));
    scene.edit("UPDATE news_post SET title = 'v' WHERE id = 7");
    scene.news().run(["sync"]).expect_code(3);
    let parked = parked(&scene);
    assert_eq!((&parked[0]["id"], unsynced(&mut scene)), (&json!(7), 1));
    assert!(parked[0]["reason"].as_str().unwrap().contains("read only"), "{parked:?}");
    assert_ne!(scene.told.record("posts", 7).unwrap()["title"], json!("v"));
}

#[test]
fn a_loop_with_one_create_costs_at_most_four_requests_and_no_listing() {
    let mut scene = Scene::new(Threads::Many);
    let follow = scene.news().spawn(["sync", "--follow"]);
    for id in 201..=203 {
        scene.edit(&format!("INSERT INTO news_post (id, user_id, title, body) VALUES ({id}, 1, 'new', 'b')"));
        wait_until("it has arrived", || unsynced(&mut scene) == 0);
        let lines = scene.told.lines();
        assert!(lines.len() <= 4 && !lines.contains(&"GET /posts".to_owned()), "{lines:?}");
    }
    // An object that is gone already: the last run has proved that a 404 means so.
    scene.told.change(|records| drop(records.remove(&("posts".to_owned(), 203))));
    scene.edit("DELETE FROM news_post WHERE id = 203");
    wait_until("it is through", || unsynced(&mut scene) == 0);
    let lines = scene.told.lines();
    assert!(!lines.contains(&"GET /posts".to_owned()), "{lines:?}");
    follow.signal(Signal::TERM);
    follow.wait().expect_code(143);
}

#[test]
fn an_object_that_one_status_refuses_is_parked_whichever_it_is() {
    let status = Arc::new(AtomicU16::new(0));
    let mut scene = Scene::new(Threads::Many);
    let told = Arc::clone(&status);
    scene.told.tell(move |asked| puts_posts_3(asked).then(|| answer(told.load(Ordering::SeqCst), "", "{}")));
    for code in [303, 400, 401, 403, 405, 409, 422] {
        status.store(code, Ordering::SeqCst);
        scene.edit(&format!("UPDATE news_post SET title = '{code}' WHERE id <= 5"));
        scene.news().run(["sync", "--jobs", "1"]).expect_code(3);
        let parked = parked(&scene);
        assert_eq!((parked.len(), &parked[0]["status"]), (1, &json!(code)), "{code}");
    }
}
