//! Objects as another `news` has them (`/news/replica/`): who may write them, that they are kept as they come, and that writes that
//! meet do no harm.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use super::wire::Reply;
use super::{Service, tally};

const NEW: [(&str, &str); 1] = [("If-None-Match", "*")];

/// A replica whose user is staff.
fn replica() -> Service {
    let service = Service::start_with(&["--replica"], |news| news);
    set_staff(&service, true);
    service
}

fn set_staff(service: &Service, is_staff: bool) {
    service.db.client().execute("UPDATE auth_user SET is_staff = $1", &[&is_staff]).unwrap();
}

fn post(title: &str) -> Value {
    json!({ "user_id": 5, "title": title, "body": "b" })
}

fn comment(post: i64) -> Value {
    json!({ "post_id": post, "name": "n", "email": "e", "body": "b" })
}

#[track_caller]
fn create(service: &Service, path: &str, object: &Value) -> Reply {
    service.ask_with("PUT", &format!("/news/replica/{path}/"), &NEW, Some(object))
}

#[test]
fn an_object_is_kept_as_it_comes() {
    let service = replica();
    let texts = ["  t\u{2028} \t", "", "\u{200b}", "é".repeat(256).as_str()].map(str::to_owned);
    for (id, title) in (7..).zip(&texts) {
        let object = json!({ "id": 1, "user_id": -3, "title": title, "body": " " });
        let made = create(&service, &format!("posts/{id}"), &object).expect(201);
        let expected = json!({ "id": id, "user_id": -3, "title": title, "body": " " });
        assert_eq!(made.json(), expected);
        let read = service.ask("GET", &format!("/news/replica/posts/{id}/"), None).expect(200);
        assert_eq!((read.json(), read.header("etag")), (expected, made.header("etag")));
    }
    let first = json!({ "post_id": 7, "name": " n ", "email": "not an address", "body": "b" });
    create(&service, "comments/9007199254740991", &first).expect(201);
    create(&service, "comments/3", &first).expect(201);
    // A change is one of all fields: an author, or the post of a comment, too.
    let path = "/news/replica/comments/3/";
    let moved = json!({ "post_id": 8, "name": "", "email": "e", "body": "b" });
    let changed = service.ask("PUT", path, Some(&moved)).expect(200);
    assert_eq!(changed.json(), json!({ "id": 3, "post_id": 8, "name": "", "email": "e", "body": "b" }));
    service.ask("PUT", "/news/replica/posts/7/", Some(&post("u"))).expect(200);
    let tag = changed.header("etag").unwrap();
    service.ask_with("PUT", path, &[("If-Match", "\"x\"")], Some(&first)).expect(412);
    service.ask_with("PUT", path, &[("If-Match", tag)], Some(&first)).expect(200);
    service.ask_with("DELETE", path, &[("If-Match", tag)], None).expect(412);

    let ids = |path: &str| -> Vec<i64> {
        let all = service.ask("GET", path, None).expect(200).json();
        all.as_array().unwrap().iter().map(|object| object["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("/news/replica/posts/"), [7, 8, 9, 10]);
    assert_eq!(ids("/news/replica/comments/"), [3, 9_007_199_254_740_991]);
    // The API has them, too, and gives its own ids behind them.
    let listed = service.ask("GET", "/news/posts/", None).expect(200).json();
    assert_eq!((&listed["count"], &listed["results"][3]["user_id"]), (&4.into(), &5.into()));
    for _ in 0..9 {
        service.ask("POST", "/news/posts/", Some(&json!({ "title": "t", "body": "b" }))).expect(201);
    }
    assert_eq!(ids("/news/replica/posts/").last(), Some(&13), "ids 1 to 6 and then from 11 on");
    service.ask("DELETE", "/news/replica/posts/7/", None).expect(204);
    service.ask("DELETE", "/news/replica/posts/7/", None).expect(404);
    assert_eq!(ids("/news/replica/comments/"), Vec::<i64>::new());
    let actors = "SELECT count(*) FROM news_modelevent WHERE actor IS DISTINCT FROM 'api admin'";
    assert_eq!(service.db.client().query_one(actors, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn only_staff_writes_and_only_where_the_service_is_to_be_a_replica() {
    let service = replica();
    create(&service, "posts/1", &post("t")).expect(201);
    // Whatever else is wrong with the request, it says nothing to those who may not write.
    let writes = |service: &Service| -> Vec<Value> {
        let ask = |method, path: &str, headers: &[(&str, &str)], body: Option<&Value>| {
            service.ask_with(method, &format!("/news/replica/{path}/"), headers, body).expect(403).json()["code"]
                .clone()
        };
        vec![
            ask("PUT", "posts/1", &[], Some(&post("u"))),
            ask("PUT", "posts/1", &NEW, Some(&post("u"))),
            ask("PUT", "posts/2", &[], Some(&post("u"))),
            ask("PUT", "posts/2", &NEW, Some(&post("u"))),
            ask("PUT", "posts/2", &NEW, Some(&json!({}))),
            ask("PUT", "posts/0", &[("If-None-Match", "*"), ("If-Match", "*")], Some(&post("u"))),
            ask("PUT", "comments/2", &NEW, Some(&comment(99))),
            ask("DELETE", "posts/1", &[], None),
            ask("DELETE", "posts/2", &[], None),
        ]
    };
    set_staff(&service, false);
    assert_eq!(writes(&service), vec![json!("not_staff"); 9]);
    assert_eq!(service.ask("GET", "/news/replica/posts/1/", None).expect(200).json()["title"], "t");
    // At once again.
    set_staff(&service, true);
    service.ask("PUT", "/news/replica/posts/1/", Some(&post("u"))).expect(200);
    service.db.client().batch_execute("UPDATE auth_user SET is_active = false").unwrap();
    for (method, path) in [("GET", "posts/"), ("GET", "posts/1/"), ("PUT", "posts/1/"), ("DELETE", "posts/1/")] {
        service.ask(method, &format!("/news/replica/{path}"), Some(&post("v"))).expect(401);
        service.wire().send(method, &format!("/news/replica/{path}"), &[], None).unwrap().expect(401);
    }

    let plain = Service::start();
    plain.posts(1, 10);
    assert_eq!(writes(&plain), vec![json!("not_staff"); 9]);
    set_staff(&plain, true);
    assert_eq!(writes(&plain), vec![json!("no_replica"); 9]);
    assert_eq!(plain.ask("GET", "/news/replica/posts/", None).expect(200).json().as_array().unwrap().len(), 1);
    // The API itself is as it always was: what clients send of ids and authors is ignored, and a PUT creates nothing.
    plain.ask_with("PUT", "/news/posts/5/", &NEW, Some(&post("t"))).expect(404);
    plain.ask("PUT", "/news/posts/1/", Some(&post("t"))).expect(200);
    assert_eq!(plain.ask("GET", "/news/posts/1/", None).json()["user_id"], 1);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let service = replica();
    create(&service, "posts/1", &post("t")).expect(201);
    let required = "This field is required.";
    let bodies = [
        (
            "comments/1",
            json!({}),
            json!({ "post_id": [required], "name": [required], "email": [required], "body": [required] }),
        ),
        ("comments/1", comment(99), json!({ "post_id": ["Invalid pk \"99\" - object does not exist."] })),
        (
            "comments/1",
            comment(i64::MAX),
            json!({ "post_id": [format!("Invalid pk \"{}\" - object does not exist.", i64::MAX)] }),
        ),
        (
            "posts/2",
            json!({ "user_id": 1.5, "title": "t".repeat(257), "body": null }),
            json!({
                "user_id": ["A valid integer is required."],
                "title": ["Ensure this field has no more than 256 characters."],
                "body": ["This field may not be null."],
            }),
        ),
    ];
    for (path, body, expected) in &bodies {
        assert_eq!(create(&service, path, body).expect(400).json(), *expected);
    }
    for id in ["0", "-5", "9007199254740992", "99999999999999999999999"] {
        for (path, object) in [(format!("posts/{id}"), post("t")), (format!("comments/{id}"), comment(1))] {
            assert!(create(&service, &path, &object).expect(400).json()["id"].is_array());
            service.ask("PUT", &format!("/news/replica/{path}/"), Some(&object)).expect(404);
            service.ask("DELETE", &format!("/news/replica/{path}/"), None).expect(404);
        }
    }
    create(&service, "posts/abc", &post("t")).expect(404);
    create(&service, "posts/+2", &post("t")).expect(404);
    // What is missing is more wrong than its body; what is there is not created.
    service.ask("PUT", "/news/replica/posts/2/", Some(&json!({}))).expect(404);
    assert_eq!(create(&service, "posts/1", &post("u")).expect(412).json()["code"], "exists");
    service.ask_with("PUT", "/news/replica/posts/3/", &[NEW[0], ("If-Match", "*")], Some(&post("t"))).expect(412);
    // Entity tags are about versions of what is there.
    service.ask_with("PUT", "/news/replica/posts/3/", &[("If-None-Match", "\"x\"")], Some(&post("t"))).expect(404);
    service.ask("PUT", "/news/replica/comments/1/", Some(&comment(1))).expect(404);
    create(&service, "comments/1", &comment(1)).expect(201);
    service.ask("PUT", "/news/replica/comments/1/", Some(&comment(99))).expect(400);
    service.ask("POST", "/news/replica/posts/", Some(&post("t"))).expect(405);
    service.ask("PATCH", "/news/replica/posts/1/", Some(&post("t"))).expect(405);
    assert_eq!(service.post_ids(), [1]);
}

#[test]
fn of_many_who_create_the_same_object_one_does() {
    let service = replica();
    for (round, path) in ["posts/5", "posts/6", "posts/7"].into_iter().enumerate() {
        let statuses: Vec<u16> = thread::scope(|scope| {
            let service = &service;
            let put = move |n: usize| create(service, path, &post(&format!("{round} {n}"))).status;
            let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || put(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(tally(statuses), [(201, 1), (412, 15)].into(), "{path}");
    }
}

/// Creates, updates and deletes of the same posts, and of comments on them, at the same moment: each has an answer that can be,
/// and the change log tells a story that can be.
#[test]
fn creates_updates_and_deletes_that_meet_leave_a_log_that_agrees_with_the_rows() {
    let service = replica();
    let statuses: BTreeSet<(usize, u16)> = thread::scope(|scope| {
        let service = &service;
        let threads: Vec<_> = (0..8_usize)
            .map(|n| {
                scope.spawn(move || {
                    let mut seen = BTreeSet::new();
                    for round in 0..40 {
                        let (post_id, kind) = ((round + n) % 2 + 1, (round * 7 + n) % 5);
                        let path = format!("posts/{post_id}");
                        let reply = match kind {
                            0 => create(service, &path, &post(&format!("{n} {round}"))),
                            1 => {
                                let object = post(&format!("{n} {round}"));
                                service.ask("PUT", &format!("/news/replica/{path}/"), Some(&object))
                            }
                            2 => service.ask("DELETE", &format!("/news/replica/{path}/"), None),
                            3 => create(
                                service,
                                &format!("comments/{}", round % 3 + 1),
                                &comment(i64::try_from(post_id).unwrap()),
                            ),
                            _ => {
                                let object = comment(i64::try_from(3 - post_id).unwrap());
                                service.ask("PUT", &format!("/news/replica/comments/{}/", round % 3 + 1), Some(&object))
                            }
                        };
                        seen.insert((kind, reply.status));
                    }
                    seen
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let possible =
        [(0, &[201, 412][..]), (1, &[200, 404]), (2, &[204, 404]), (3, &[201, 400, 412]), (4, &[200, 400, 404])];
    for (kind, status) in &statuses {
        assert!(possible[*kind].1.contains(status), "{statuses:?}");
    }
    // Of each object: created, changed any number of times, deleted, and again; and it is there if that says so.
    let story =
        "SELECT entity_table || '/' || entity_pk, string_agg(left(type, 1), '' ORDER BY id), bool_or(doubt) IS TRUE
                 FROM news_modelevent GROUP BY 1";
    let mut sql = service.db.client();
    for row in sql.query(story, &[]).unwrap() {
        let (key, story, doubt): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let lives: Vec<&str> = story.split_inclusive('D').collect();
        let is_life = |life: &&str| life.starts_with('C') && life[1..].trim_end_matches('D').bytes().all(|c| c == b'U');
        assert!(!doubt && lives.iter().all(is_life), "{key}: {story}");
        let (table, id) = key.split_once('/').unwrap();
        let rows: i64 = sql.query_one(&format!("SELECT count(*) FROM {table} WHERE id = {id}"), &[]).unwrap().get(0);
        assert_eq!(rows == 1, !story.ends_with('D'), "{key}: {story}");
    }
}
