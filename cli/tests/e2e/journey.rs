//! The main job, once, whole: import from the real json-server, edits through the API with a
//! token, a sync that sends the merged minimum, a diff that finds nothing, a sync that sends nothing.

use serde_json::{Value, json};

use crate::support::{Db, Fake, Http, News, Node, fixtures};

const SECRET: &str = "a signing key of more than 32 bytes, for tests";

/// The API as a client sees it, with its token.
struct Api {
    http: Http,
    _server: crate::support::Running,
}

impl Api {
    fn start(news: &News) -> Self {
        news.run_with(["user", "add", "ada"], "lovelace\n").ok();
        let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0", "--workers", "2"]);
        let http = Http::new(&format!("http://{}", server.address()));
        let credentials = json!({"username": "ada", "password": "lovelace"}).to_string();
        let tokens = http.send("POST", "/api-auth/token/", &credentials);
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        let access = tokens.json()["access"].as_str().unwrap().to_owned();
        Self { http: http.bearer(&access), _server: server }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let answer = self.http.send(method, path, &body.to_string());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    fn post(&self) -> i64 {
        self.ask("POST", "/news/posts/", &json!({"title": "new", "body": "b"}), 201)["id"].as_i64().unwrap()
    }

    fn comment(&self, post: i64) -> i64 {
        let body = json!({"name": "n", "email": "a@example.org", "body": "b"});
        self.ask("POST", &format!("/news/posts/{post}/comments/"), &body, 201)["id"].as_i64().unwrap()
    }

    fn put_post(&self, id: i64, title: &str) {
        self.ask("PUT", &format!("/news/posts/{id}/"), &json!({"title": title, "body": "b"}), 200);
    }

    fn put_comment(&self, id: i64, name: &str) {
        let body = json!({"name": name, "email": "a@example.org", "body": "b"});
        self.ask("PUT", &format!("/news/comments/{id}/"), &body, 200);
    }

    fn delete(&self, path: &str) {
        self.ask("DELETE", path, &Value::Null, 204);
    }
}

/// 50 requests; returns what they come to: [posts, comments] x [created, updated, deleted, nothing].
fn fifty_edits(api: &Api) -> Value {
    // 5 new posts, of which 2 are changed and 1 is deleted again.
    let posts: Vec<i64> = (0..5).map(|_| api.post()).collect();
    api.put_post(posts[0], "once");
    api.put_post(posts[0], "twice");
    api.delete(&format!("/news/posts/{}/", posts[4]));
    // 8 new comments, of which 2 go with their new post, 1 is changed, 1 is deleted again.
    let comments: Vec<i64> = (0..6).map(|n| api.comment(if n < 3 { posts[1] } else { 10 })).collect();
    let gone = api.post();
    api.comment(gone);
    api.comment(gone);
    api.delete(&format!("/news/posts/{gone}/"));
    api.put_comment(comments[0], "changed");
    api.delete(&format!("/news/comments/{}/", comments[5]));
    // 6 posts changed in 10 requests; one of them is deleted in the end, with its 5 comments.
    for id in 1..=6 {
        api.put_post(id, "changed");
    }
    for id in 1..=4 {
        api.put_post(id, "changed again");
    }
    api.delete("/news/posts/6/");
    // 8 comments changed in 13 requests; 4 of them and 2 others are deleted.
    for id in (101..=108).chain(101..=105) {
        api.put_comment(id, "changed");
    }
    for id in 105..=110 {
        api.delete(&format!("/news/comments/{id}/"));
    }
    json!({
        "posts": {"create": 4, "update": 5, "delete": 1, "ask": 0, "nothing": 2},
        "comments": {"create": 5, "update": 4, "delete": 11, "ask": 0, "nothing": 3},
    })
}

fn journey(target: &str) -> (Db, News) {
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", target).env("NEWS_JWT_SECRET", SECRET);
    let imported = news.run(["--json", "import"]).ok().json();
    assert_eq!((&imported["posts"], &imported["comments"]), (&json!(100), &json!(500)));
    news.run(["diff"]).ok();

    let expected = fifty_edits(&Api::start(&news));
    assert_eq!(news.run(["--json", "status"]).ok().json()["plan"], expected);
    assert_eq!(news.run(["--json", "diff"]).expect_code(1).json()["equal"], json!(false));
    news.run(["diff", "--ignore-pending"]).ok();

    let report = news.run(["--json", "sync"]).ok().json();
    assert_eq!(report["done"], expected);
    // The minimum; of the creates of each entity three are asked for first, and the first is read back.
    assert_eq!(report["methods"], json!({"POST": 9, "PUT": 9, "DELETE": 12, "GET": 8}));
    assert_eq!((&report["requests"], &report["retries"]), (&json!(38), &json!(0)));
    assert_eq!(news.run(["--json", "diff"]).ok().json()["equal"], json!(true));

    let again = news.run(["--json", "sync"]).ok().json();
    assert_eq!(again["requests"], json!(0));
    (db, news)
}

#[test]
fn on_real_json_server() {
    let Some(real) = Node::json_server(&fixtures()) else { return };
    journey(real.url());
    assert_eq!(real.http().get("/posts").json().as_array().unwrap().len(), 103);
    assert_eq!(real.http().get("/comments").json().as_array().unwrap().len(), 494);
}

#[test]
fn on_the_fake_api_which_counts_what_took_effect() {
    let fake = Fake::start(["--drop-orphans"]);
    journey(fake.url());
    let requests = fake.requests();
    let writes: Vec<&String> = requests.iter().filter(|line| !line.starts_with("GET")).collect();
    assert_eq!(writes.len(), 30, "{requests:#?}");
    let first_delete = writes.iter().position(|line| line.starts_with("DELETE")).unwrap();
    assert!(writes[first_delete..].iter().all(|line| line.starts_with("DELETE")), "{writes:#?}");
    assert!(writes.last().unwrap().starts_with("DELETE /posts/6 "), "{writes:#?}");
    let counts = fake.counts();
    for entity in ["posts", "comments"] {
        for (id, of) in counts[entity].as_object().unwrap() {
            assert!(of["creates"].as_i64().unwrap() <= 1, "{entity}/{id}: {of}");
        }
    }
}

#[test]
fn on_real_jsonplaceholder_which_only_pretends() {
    let Some(real) = Node::jsonplaceholder(None) else { return };
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", real.url());
    news.run(["import"]).ok();
    db.client()
        .batch_execute(
            "INSERT INTO news_post (user_id, title, body) VALUES (1, 'a', 'b'), (1, 'c', 'd');
             INSERT INTO news_comment (post_id, name, email, body) VALUES (101, 'n', 'a@example.org', 'b');
             UPDATE news_post SET title = 'changed' WHERE id = 3; DELETE FROM news_post WHERE id = 9",
        )
        .unwrap();
    let synced = news.run(["sync"]).ok();
    assert!(synced.stderr.contains("not stored"), "{}", synced.stderr);
    // Sent again, what was made here is not there: PUT 500, GET 404, POST 201. It ends, and well.
    db.client().batch_execute("UPDATE news_post SET title = 'once more' WHERE id = 101").unwrap();
    let synced = news.run(["--json", "sync"]).ok().json();
    assert_eq!(synced["retries"], json!(1), "{synced}");
}
