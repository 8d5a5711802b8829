//! One row that no target could take: it concerns its object alone.

use serde_json::json;

use crate::support::{Http, News, Pair};

#[test]
fn one_bad_row_stops_neither_a_sync_nor_a_comparison_nor_a_list() {
    let mut pair = Pair::new([]);
    pair.edit(
        "ALTER TABLE news_post ALTER title DROP NOT NULL; ALTER TABLE news_post ALTER body TYPE text;
         ALTER TABLE news_comment ALTER email DROP NOT NULL; ALTER TABLE news_post ALTER user_id DROP NOT NULL;
         UPDATE news_post SET title = NULL WHERE id = 5; UPDATE news_post SET user_id = NULL WHERE id = 7;
         UPDATE news_post SET body = repeat('x', 2000) WHERE id = 8; UPDATE news_comment SET email = NULL WHERE id = 9;
         UPDATE news_post SET title = 'good' WHERE id = 6",
    );
    let bad = ["comments/9", "posts/5", "posts/7", "posts/8"];
    pair.sync([]).expect_code(3);
    let parked = pair.news.run(["--json", "parked"]).ok().json();
    let parked = parked["objects"].as_array().unwrap();
    let mut keys: Vec<String> =
        parked.iter().map(|one| format!("{}/{}", one["entity"].as_str().unwrap(), one["id"])).collect();
    keys.sort();
    assert_eq!(keys, bad);
    assert!(parked.iter().all(|one| one["state"] == "parked" && one["reason"] != ""), "{parked:?}");
    assert_eq!(
        pair.sent().iter().filter(|request| !request.starts_with("GET ")).collect::<Vec<_>>(),
        ["PUT /posts/6 200"]
    );

    let mut differ: Vec<String> = pair.diff(1)["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}/{} {}", one["entity"].as_str().unwrap(), one["id"], one["kind"].as_str().unwrap()))
        .collect();
    differ.sort();
    assert_eq!(differ, bad.map(|key| format!("{key} different")));
    pair.edit("UPDATE news_post SET title = 'better' WHERE id = 6");
    pair.sync(["--full"]).expect_code(3);
    assert!(pair.sent().contains(&String::from("PUT /posts/6 200")));

    let news = News::on(&pair.db).env("NEWS_JWT_SECRET", &"s".repeat(32));
    news.run_with(["user", "add", "ada"], "a long password\n").ok();
    let token = news.run(["token", "ada"]).ok().stdout.trim().to_owned();
    let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let http = Http::new(&format!("http://{}", server.address())).bearer(&token);
    let posts = http.get("/news/posts/?page_size=100");
    assert_eq!((posts.status, &posts.json()["count"]), (200, &json!(100)));
    assert_eq!(posts.json()["results"].as_array().unwrap().len(), 100);
    assert_eq!(http.get("/news/posts/?all=true").json().as_array().unwrap().len(), 100);
    assert_eq!((http.get("/news/posts/5/").status, &http.get("/news/posts/5/").json()["title"]), (200, &json!("")));
    assert_eq!(http.get("/news/comments/9/").status, 200);
    assert_eq!(http.get("/news/posts/2/comments/").status, 200);
}
