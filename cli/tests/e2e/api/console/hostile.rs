//! Texts of strangers: what posts, targets and other operators say is data in every answer, and nothing else.

use serde_json::{Value, json};

use super::{Console, STAFF};
use crate::api::bearer;
use crate::api::wire::Wire;
use crate::support::{Pair, psql};

/// Markup, script, line separators, and what turns text round.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{2028}\u{202e}';--{{7*7}}";

/// A master whose texts are hostile, and a target whose refusals are.
fn hostile() -> Console {
    let mut pair = Pair::new(["--reject-text", HOSTILE]);
    let sql = format!(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, '{0}', '{0}')",
        HOSTILE.replace('\'', "''")
    );
    pair.sql.batch_execute(&sql).unwrap();
    pair.sync([]).expect_code(3);
    Console::over(pair, &["--console", "act"])
}

#[test]
fn hostile_texts_are_json_and_never_markup() {
    let console = hostile();
    psql(&console.pair.db, "UPDATE news_sync_object SET body = '<b>\u{1b}[31m', reason = reason || E'<script>\\x01'");
    let mut seen = 0;
    for (method, path, _) in STAFF.iter().filter(|(method, ..)| *method == "GET") {
        let path = path.strip_prefix("/news/sync/").unwrap().replace("posts/1/", "posts/900/");
        let reply = console.send(method, &path, &[], None);
        let kind = reply.header("content-type").unwrap_or_default().to_owned();
        assert!(kind == "application/json" || kind == "application/octet-stream", "{path}: {kind}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        // No line separator, no control character is in the bytes themselves.
        if kind == "application/json" {
            let text = reply.text();
            assert!(!text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{path}: {text}");
            seen += usize::from(text.contains("onerror"));
        }
    }
    assert!(seen >= 3, "{seen}");
    let post = console.get("posts/900/");
    assert_eq!(post["row"][1]["value"], HOSTILE);
}

#[test]
fn hostile_requests_are_refused_with_words_that_are_data() {
    let console = hostile();
    let bearer = bearer();
    for path in [
        "left/?q=%3Cscript%3E",
        "left/?state=%3Cscript%3E",
        "left/?after=%27%3B--",
        "events/?after=posts%2F1%2F%00",
        "runs/?before=1%27",
        "runs/%27%3B--/",
        "posts/1%2F..%2F..%2F/",
        "posts/%3Cscript%3E/",
        "prints/posts/?side=..%2Fmaster",
        "runs/1/?after=9223372036854775807/9223372036854775807",
        "events/?as_of=99999999999999999999",
        "../posts/",
    ] {
        let reply = console.send("GET", path, &[], None);
        assert!([200, 301, 400, 404].contains(&reply.status), "{path}: {}", reply.status);
        if let Some(kind) = reply.header("content-type") {
            assert!(kind.starts_with("application/json") || reply.body.is_empty(), "{path}: {kind}");
        }
    }
    let deep = format!("{{\"keys\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for body in [
        json!({ "keys": [{ "key": HOSTILE }] }).to_string(),
        json!({ "keys": [{ "key": "posts/900" }], "why": HOSTILE }).to_string(),
        json!({ "keys": [{ "key": "posts/900", "event_id": -1 }] }).to_string(),
        json!({ "group": HOSTILE, "count": 1 }).to_string(),
        deep,
        String::from("{\"keys\":[{\"key\":\"posts/900\"}"),
        String::from("\u{feff}{}"),
    ] {
        for path in ["retry/", "discard/?preview=true", "hold/", "release/", "look/"] {
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
            let path = format!("/news/sync/{path}");
            let reply = Wire::open(console.address).send("POST", &path, &headers, Some(body.as_bytes())).unwrap();
            assert!([400, 409].contains(&reply.status), "{path} {}: {}", reply.status, reply.text());
            let detail: Value = reply.json();
            assert!(detail.is_object(), "{detail}");
        }
    }
    // A name that an administrator chose is one, too.
    psql(&console.pair.db, "UPDATE auth_user SET username = E'<b>\\x1bx' WHERE id = 1");
    console.act("hold/", &json!({ "keys": [{ "key": "posts/2" }] })).expect(200);
    assert_eq!(console.get("posts/2/")["hold"]["by"], "<b> x");
}
