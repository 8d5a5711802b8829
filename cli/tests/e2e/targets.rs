//! Our Fake API is faithful: one conversation with it and with the real target that it plays, answer by answer.

use crate::support::{Answer, Fake, Http, Node, Server, Watch, fixtures, wait_until};

/// Method, path, media type (`-`: no content), content. What a real target makes up at random is left out.
const CONVERSATION: &[(&str, &str, &str, &str)] = &[
    ("GET", "/posts", "-", ""),
    ("GET", "/comments", "-", ""),
    ("GET", "/posts/5", "-", ""),
    ("GET", "/posts/5/", "-", ""),
    ("GET", "/posts/05", "-", ""),
    ("GET", "/posts/999", "-", ""),
    ("GET", "/posts/abc", "-", ""),
    ("GET", "/posts/17", "-", ""),
    ("GET", "/nothing", "-", ""),
    ("HEAD", "/posts/5", "-", ""),
    ("HEAD", "/posts/999", "-", ""),
    ("OPTIONS", "/posts", "-", ""),
    // Lists in part.
    ("GET", "/comments?postId=1", "-", ""),
    ("GET", "/comments?postId=1&id=2", "-", ""),
    ("GET", "/comments?postId=1&postId=2&_limit=3", "-", ""),
    ("GET", "/comments?postId_ne=1&_limit=2", "-", ""),
    ("GET", "/comments?nothing=1&_limit=2", "-", ""),
    ("GET", "/comments?email=x%40example.museum", "-", ""),
    ("GET", "/comments?_page=2&_limit=3", "-", ""),
    ("GET", "/comments?_page=1&_limit=500", "-", ""),
    ("GET", "/comments?_page=167&_limit=3", "-", ""),
    ("GET", "/posts?_page=3", "-", ""),
    ("GET", "/posts?_page=0&_limit=2", "-", ""),
    ("GET", "/posts?_start=2&_end=4", "-", ""),
    ("GET", "/posts?_start=2&_limit=1", "-", ""),
    ("GET", "/posts?_start=2", "-", ""),
    ("GET", "/posts/1/comments", "-", ""),
    ("GET", "/users/1/posts?_limit=1", "-", ""),
    ("GET", "/comments/1/posts?_limit=1", "-", ""),
    // Writes.
    ("POST", "/posts", "application/json", r#"{"userId":1,"id":1001,"title":"t","body":"\u0000 \ud83c\udf0a \u2028"}"#),
    ("GET", "/posts/1001", "-", ""),
    ("POST", "/posts", "application/json", r#"{"userId":1,"id":1001,"title":"again","body":"b"}"#),
    ("POST", "/posts", "application/json", r#"{"userId":1,"title":"no id","body":"b"}"#),
    ("GET", "/posts/1002", "-", ""),
    ("PUT", "/posts/1001", "application/json", r#"{"id":7,"title":"other"}"#),
    ("GET", "/posts/1001", "-", ""),
    ("PATCH", "/posts/1001", "application/json", r#"{"id":8,"more":[1,2.50,1e2,{"b":1,"a":null}]}"#),
    ("GET", "/posts/1001", "-", ""),
    ("PUT", "/posts/9999", "application/json", r#"{"title":"x"}"#),
    ("PATCH", "/posts/9999", "application/json", r#"{"title":"x"}"#),
    ("PUT", "/posts", "application/json", "{}"),
    ("DELETE", "/posts", "-", ""),
    ("POST", "/posts/5", "application/json", "{}"),
    ("POST", "/posts", "application/json", "{bad"),
    ("POST", "/posts", "application/json", "\"text\""),
    ("PUT", "/posts/3", "text/plain", r#"{"title":"x"}"#),
    ("GET", "/posts/3", "-", ""),
    ("PUT", "/posts/4", "application/x-www-form-urlencoded", "title=a+b%20c&x=1"),
    ("POST", "/posts/1/comments", "application/json", r#"{"name":"nested"}"#),
    ("GET", "/posts/1/comments", "-", ""),
    ("POST", "/comments", "application/json", r#"{"id":9007199254740993,"postId":1}"#),
    ("GET", "/comments/9007199254740992", "-", ""),
    // Ends. The next DELETE takes the orphan along.
    ("POST", "/comments", "application/json", r#"{"postId":777,"id":7001,"name":"orphan"}"#),
    ("GET", "/comments/7001", "-", ""),
    ("DELETE", "/posts/9998", "-", ""),
    ("GET", "/comments/7001", "-", ""),
    ("DELETE", "/posts/2", "-", ""),
    ("GET", "/posts/2", "-", ""),
    ("GET", "/comments?postId=2", "-", ""),
    ("DELETE", "/posts/2", "-", ""),
    ("DELETE", "/comments/11", "-", ""),
    ("POST", "/comments", "application/json", r#"{"postId":4,"id":11,"name":"back, as the last"}"#),
    ("POST", "/comments", "application/json", r#"{"postId":null,"id":7002,"name":"null"}"#),
    ("DELETE", "/posts/6", "-", ""),
    ("GET", "/posts/6", "-", ""),
    ("GET", "/comments?postId=6", "-", ""),
    ("GET", "/posts", "-", ""),
    ("GET", "/comments", "-", ""),
    ("GET", "/db", "-", ""),
];

/// A body beyond the 10 MiB that Express takes.
const TOO_LARGE_BYTES: usize = 10 * 1024 * 1024 + 1;

fn same_conversation(real: &Server, fake: &Fake) {
    for (method, path, media_type, content) in CONVERSATION {
        let body = (*media_type != "-").then_some((*media_type, *content));
        let of = |http: &Http, base: &str| seen(&http.try_send(method, path, body).unwrap(), base);
        let (wanted, got) = (of(real.http(), real.url()), of(fake.http(), fake.url()));
        assert_eq!(got, wanted, "{method} {path} {content}: ours, the real one's");
    }
    let large = format!("{{\"id\":5000,\"title\":\"{}\"}}", "x".repeat(TOO_LARGE_BYTES));
    let status = |http: &Http| http.send("POST", "/posts", &large).status;
    assert_eq!(status(fake.http()), status(real.http()), "a body that is too large");
}

/// Returns what is compared: the status, what kind of content, the JSON, and the headers that a client goes by.
fn seen(answer: &Answer, base: &str) -> (u16, String, serde_json::Value, Vec<Option<String>>) {
    let media_type = answer.header("content-type").unwrap_or_default().to_owned();
    let is_json = media_type.starts_with("application/json") && !answer.text.is_empty();
    let json = if is_json { answer.json() } else { serde_json::Value::Null };
    let header = |name: &str| {
        let value = answer.header(name).filter(|value| !value.is_empty())?;
        Some(value.replace(base, "BASE"))
    };
    (answer.status, media_type, json, ["x-total-count", "link", "location"].map(header).into())
}

#[test]
fn strict_is_json_server_0_17() {
    let Some(real) = Node::json_server(&fixtures()) else { return };
    same_conversation(&real, &Fake::start(["--drop-orphans"]));
}

#[test]
fn pretend_is_jsonplaceholder() {
    let Some(real) = Node::jsonplaceholder(Some(&fixtures())) else { return };
    same_conversation(&real, &Fake::start(["--mode", "pretend"]));
}

#[test]
fn jsonplaceholder_has_data_of_its_own() {
    let Some(real) = Node::jsonplaceholder(None) else { return };
    let length = |path| real.http().get(path).json().as_array().unwrap().len();
    assert_eq!((length("/posts"), length("/comments")), (100, 500));
    assert!(real.http().get("/posts/1").text.contains("sunt aut facere"));
}

#[test]
fn json_server_keeps_its_file() {
    for watch in [Watch::Nothing, Watch::File] {
        let Some(real) = Node::json_server_on_file(&fixtures(), watch) else { return };
        assert_eq!(real.http().send("POST", "/posts", "{\"id\":900}").status, 201);
        wait_until("the file has the record", || {
            std::fs::read_to_string(real.db_file()).unwrap().contains("\"id\": 900")
        });
        // Watching it may begin anew because of its own write; then it is away for a moment.
        let found = || real.http().try_send("GET", "/posts/900", None).is_ok_and(|answer| answer.status == 200);
        wait_until("it shows the record", found);
    }
}
