//! What the console does: whole or not at all, as it was seen, and with the user's name.

use serde_json::{Value, json};

use super::{Console, refused};
use crate::support::{Db, News, Pair};

fn console() -> Console {
    Console::over(refused(), &["--console", "act"])
}

/// Returns who did what by which way, newest first.
fn acts(console: &Console) -> Vec<(String, String, String)> {
    let rows =
        console.pair.db.client().query("SELECT what, who, via FROM news_sync_act ORDER BY id DESC", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

fn is(what: &str) -> (String, String, String) {
    (what.to_owned(), "ada".to_owned(), "console".to_owned())
}

#[test]
fn an_object_that_is_tried_again_arrives_once_the_target_takes_it() {
    let mut console = console();
    let body = json!({ "keys": console.seen(&["posts/900"]), "why": "the title is right now" });
    let report = console.act("retry/", &body).expect(200).json();
    assert_eq!(report, json!({ "what": "retried", "keys": ["posts/900"], "count": 1 }));
    assert_eq!(acts(&console), [is("retried")]);
    let why: String = console.pair.db.client().query_one("SELECT why FROM news_sync_act", &[]).unwrap().get(0);
    assert_eq!(why, "the title is right now");
    // The overview was made before, and knows of it all the same.
    assert_eq!(console.get("overview/")["acts"][0]["who"], "ada");
    // It was not sent by the click.
    console.pair.forget_requests();
    assert_eq!(console.get("posts/900/")["state"], "waiting");
    console.pair.sync([]).expect_code(3);
    assert!(console.pair.sent().iter().any(|request| request.starts_with("POST /posts ")));
}

#[test]
fn nothing_is_done_where_one_of_several_is_not_as_it_was_seen() {
    let mut console = console();
    let seen = console.seen(&["posts/900", "posts/901"]);
    console.pair.edit("UPDATE news_post SET body = 'c' WHERE id = 901");
    let refusal = console.act("retry/", &json!({ "keys": seen })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["keys"]), (&"changed".into(), &json!(["posts/901"])));
    let refusal = console.act("discard/?preview=true", &json!({ "keys": seen })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["keys"]), (&"changed".into(), &json!(["posts/901"])));

    let other = json!([{ "key": "posts/900" }, { "key": "posts/1" }]);
    let refusal = console.act("retry/", &json!({ "keys": other })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["keys"]), (&"not_parked".into(), &json!(["posts/1"])));
    let body = json!({ "keys": other, "events": 1, "along": [] });
    let refusal = console.act("discard/", &body).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["keys"]), (&"nothing_pending".into(), &json!(["posts/1"])));
    let refusal = console.act("release/", &json!({ "keys": other })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["keys"]), (&"not_on_hold".into(), &json!(["posts/1", "posts/900"])));
    assert_eq!(
        (acts(&console).len(), console.pair.number("SELECT count(*) FROM news_sync_object WHERE state = 'parked'")),
        (0, 3)
    );
}

#[test]
fn a_group_is_tried_again_if_it_has_as_many_objects_as_were_shown() {
    let console = console();
    let groups = console.get("left/groups/");
    let group = groups["groups"].as_array().unwrap().iter().find(|group| group["entity"] == "posts").unwrap();
    let refusal = console.act("retry/", &json!({ "group": group["id"], "count": 3 })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["count"]), (&"count".into(), &2.into()));
    let report = console.act("retry/", &json!({ "group": group["id"], "count": 2 })).expect(200).json();
    assert_eq!(report["keys"], json!(["posts/900", "posts/901"]));
    let refusal = console.act("retry/", &json!({ "group": group["id"], "count": 2 })).expect(409).json();
    assert_eq!((&refusal["code"], &refusal["count"]), (&"count".into(), &0.into()));
    assert_eq!(acts(&console), [is("retried")]);
}

#[test]
fn giving_up_does_what_its_preview_told_and_nothing_else() {
    let mut console = console();
    let keys = console.seen(&["posts/900"]);
    let before = console.pair.unsynced();
    let preview = console.act("discard/?preview=true", &json!({ "keys": keys })).expect(200).json();
    assert_eq!((&preview["keys"], &preview["along"]), (&json!(["posts/900"]), &json!(["comments/900"])));
    assert_eq!((preview["events"].as_i64(), console.pair.unsynced(), acts(&console).len()), (Some(2), before, 0));

    for (events, along) in [(3, json!(["comments/900"])), (2, json!([])), (2, json!(["comments/901"]))] {
        let body = json!({ "keys": keys, "events": events, "along": along });
        assert_eq!(console.act("discard/", &body).expect(409).json()["code"], "changed");
    }
    console.act("discard/", &json!({ "keys": keys })).expect(400);
    assert_eq!((console.pair.unsynced(), acts(&console).len()), (before, 0));

    let body = json!({ "keys": keys, "events": 2, "along": ["comments/900"], "why": "a typo" });
    let report = console.act("discard/", &body).expect(200).json();
    assert_eq!((&report["what"], &report["events"]), (&"discarded".into(), &2.into()));
    assert_eq!((console.pair.unsynced(), acts(&console)), (before - 2, vec![is("discarded")]));
    assert_eq!(console.get("posts/900/")["acts"][0]["who"], "ada");
}

#[test]
fn nothing_is_given_up_while_a_run_is_at_work() {
    let mut pair = refused();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 3");
    let console = Console::over(pair, &["--console", "act"]);
    let keys = console.seen(&["posts/900"]);
    let mut holder = console.pair.db.client();
    holder
        .batch_execute("SET application_name = 'news sync 1@elsewhere'; SELECT pg_advisory_lock(1852143475, 0)")
        .unwrap();
    console.act("discard/?preview=true", &json!({ "keys": keys })).expect(200);
    let body = json!({ "keys": keys, "events": 2, "along": ["comments/900"] });
    let refusal = console.act("discard/", &body).expect(409).json();
    assert_eq!(refusal["code"], "locked");
    assert!(refusal["detail"].as_str().unwrap().contains("pid 1 on host elsewhere"), "{refusal}");
    // Trying again needs no lock.
    console.act("retry/", &json!({ "keys": keys })).expect(200);
    drop(holder);
    crate::support::wait_until("the lock is free", || console.act("discard/", &body).status == 200);
}

#[test]
fn objects_are_held_and_released_with_the_users_name() {
    let console = console();
    let keys = json!([{ "key": "posts/1" }, { "key": "posts/2", "event_id": 0 }]);
    let report = console.act("hold/", &json!({ "keys": keys, "why": "a campaign" })).expect(200).json();
    assert_eq!((&report["what"], &report["keys"]), (&"on_hold".into(), &json!(["posts/1", "posts/2"])));
    let newer = json!([{ "key": "posts/1", "event_id": 5 }]);
    for path in ["hold/", "release/"] {
        let refusal = console.act(path, &json!({ "keys": newer })).expect(409).json();
        assert_eq!((&refusal["code"], &refusal["keys"]), (&"changed".into(), &json!(["posts/1"])));
    }
    let again = console.act("hold/", &json!({ "keys": [{ "key": "posts/1" }] })).expect(200).json();
    assert_eq!((&again["keys"], &again["already"][0]["by"]), (&json!([]), &"ada".into()));
    assert_eq!(console.get("posts/1/")["hold"]["why"], "a campaign");
    assert_eq!(console.get("left/?state=on_hold")["total"], 2);
    console.act("release/", &json!({ "keys": keys })).expect(200);
    assert_eq!(console.get("left/?state=on_hold")["total"], 0);
    assert_eq!(acts(&console), [is("released"), is("on_hold")]);
}

#[test]
fn bodies_that_are_wrong_do_nothing() {
    let console = console();
    let one = json!({ "key": "posts/900" });
    let many: Vec<Value> = (1..=1001).map(|id| json!({ "key": format!("posts/{id}") })).collect();
    for (path, body, why) in [
        ("retry/", json!({}), "keys: expected 1 to 1000"),
        ("retry/", json!([]), "body: expected an object"),
        (
            "retry/",
            json!({ "keys": [one], "more": 1 }),
            "body: expected no fields but keys, group, count, why, got \"more\"",
        ),
        ("retry/", json!({ "keys": [one, one] }), "each once"),
        ("retry/", json!({ "keys": [{ "key": "users/1" }] }), "key: expected posts/5 or comments/7"),
        ("retry/", json!({ "keys": [{ "key": "posts/0" }] }), "key: expected"),
        (
            "retry/",
            json!({ "keys": [{ "key": "posts/1", "event_id": "x" }] }),
            "event_id: expected a whole number from 0, got \"x\"",
        ),
        ("retry/", json!({ "keys": many }), "keys: expected 1 to 1000, got 1001"),
        ("retry/", json!({ "keys": [one], "why": "x".repeat(201) }), "why: expected at most 200"),
        ("retry/", json!({ "keys": [one], "why": "two\nlines" }), "why: expected one line"),
        (
            "retry/",
            json!({ "keys": [one], "group": "0123456789abcdef", "count": 1 }),
            "either keys, or group and count",
        ),
        ("retry/", json!({ "group": "x", "count": 1 }), "group: expected"),
        ("discard/", json!({ "keys": &many[..101], "events": 1, "along": [] }), "keys: expected 1 to 100, got 101"),
        ("discard/?preview=perhaps", json!({ "keys": [one] }), "preview: expected one of true, false"),
        ("hold/", json!({ "keys": [] }), "keys: expected"),
        ("release/", json!({ "keys": ["posts/1"] }), "keys: expected an object, got \"posts/1\""),
    ] {
        let refusal = console.act(path, &body).expect(400).json();
        assert!(refusal["detail"].as_str().is_some_and(|detail| detail.contains(why)), "{path} {refusal}");
    }
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let bearer = crate::api::bearer();
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", media)];
        let mut wire = crate::api::wire::Wire::open(console.address);
        wire.send("POST", "/news/sync/retry/", &headers, Some(b"{}")).unwrap().expect(415);
    }
    assert_eq!(acts(&console).len(), 0);
}

#[test]
fn all_acts_are_listed_newest_first() {
    let mut console = console();
    console.pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) SELECT 1000 + n, 1, 'refuse me', 'b' FROM generate_series(1, 1200) n",
    );
    console.pair.news.run(["hold", "posts/1", "--why", "asked for"]).ok();
    let all: Vec<String> = (1001..=2200).map(|id| format!("posts/{id}")).collect();
    console.pair.news.run(["discard"].into_iter().chain(all.iter().map(String::as_str))).ok();
    console.act("release/", &json!({ "keys": [{ "key": "posts/1" }], "why": "done" })).expect(200);
    let list = console.get("acts/");
    let of = |at: usize, field: &str| list["acts"][at][field].clone();
    let told: Vec<Value> =
        (0..3).map(|at| json!([of(at, "what"), of(at, "via"), of(at, "count"), of(at, "why")])).collect();
    // One act, though its rows are two.
    assert_eq!(
        json!(told),
        json!([
            ["released", "console", 1, "done"],
            ["discarded", "command", 1200, null],
            ["on_hold", "command", 1, "asked for"]
        ])
    );
    assert_eq!((of(1, "keys")[0].clone(), of(1, "events")), (json!("posts/1001"), json!(1200)));
    assert_eq!((of(0, "who"), &list["next"]), (json!("ada"), &json!(null)));
    // Page by page.
    let first = console.get("acts/?limit=1");
    let second = console.get(&format!("acts/?limit=1&before={}", first["next"]));
    let third = console.get(&format!("acts/?limit=1&before={}", second["next"]));
    assert_eq!(json!([first["acts"][0], second["acts"][0], third["acts"][0]]), list["acts"]);
    assert_eq!(third["next"], json!(null));
    // The command shows the same.
    assert_eq!(console.pair.news.run(["--json", "acts"]).ok().json()["acts"], list["acts"]);
    let text = console.pair.news.run(["acts", "--limit", "2"]).ok().stdout;
    assert!(text.contains("posts/1001, posts/1002, posts/1003 and 1,197 more"), "{text}");
    assert!(text.contains("ada") && text.ends_with("and older ones (--limit)\n"), "{text}");
    assert_eq!(News::on(&Db::new()).run(["acts"]).ok().stdout, "no operator has done anything\n");
}

#[test]
fn a_hold_of_what_the_master_does_not_have_says_so() {
    let console = console();
    let held =
        console.act("hold/", &json!({ "keys": [{ "key": "posts/1" }, { "key": "posts/77777" }] })).expect(200).json();
    assert_eq!((&held["count"], &held["not_here"]), (&json!(2), &json!(["posts/77777"])), "{held}");
    let held = console.pair.news.run(["--json", "hold", "comments/88888", "comments/1"]).ok().json();
    assert_eq!(held["not_here"], json!(["comments/88888"]), "{held}");
    let text = console.pair.news.run(["hold", "posts/99999"]).ok().stdout;
    assert!(
        text.contains("posts/99999: the master has no such object; the hold is for one that only the target has"),
        "{text}"
    );
}

#[test]
fn commands_take_a_reason_too() {
    let pair: Pair = refused();
    pair.news.run(["retry", "posts/900", "--why", "asked for"]).ok();
    pair.news.run(["discard", "posts/901", "--why", "a typo"]).ok();
    let rows = pair.db.client().query("SELECT what, why FROM news_sync_act ORDER BY id", &[]).unwrap();
    let acts: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [("retried", "asked for"), ("discarded", "a typo")];
    assert_eq!(acts, expected.map(|(what, why)| (what.to_owned(), why.to_owned())));
    pair.news.run(["retry", "--all", "--why", "two\nlines"]).expect_code(2);
}
