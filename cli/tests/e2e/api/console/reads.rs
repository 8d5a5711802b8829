//! What the console shows is what the commands tell.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Console, refused};
use crate::support::Pair;
use crate::support::pair::FIFTY_EDITS;

/// A target that refuses a word, and objects that it has refused.
fn with_refused() -> Console {
    let mut pair = refused();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1; UPDATE news_post SET title = 'y' WHERE id = 2");
    pair.news.run(["hold", "posts/2", "--why", "why"]).ok();
    Console::over(pair, &[])
}

/// Takes out what grows by itself.
fn without_ages(mut report: Value) -> Value {
    for row in report.get_mut("objects").and_then(Value::as_array_mut).into_iter().flatten() {
        row.as_object_mut().unwrap().remove("since_s");
    }
    if let Some(fields) = report.as_object_mut() {
        for name in ["oldest_s", "verdict"] {
            fields.remove(name);
        }
    }
    report
}

#[test]
fn the_overview_has_the_status_the_groups_the_runs_and_the_acts() {
    let console = with_refused();
    let status = console.pair.news.run(["--json", "status"]).ok().json();
    let overview = console.get("overview/");
    assert_eq!(overview["verdict"], status["verdict"]);
    assert_eq!(overview["status"], without_ages(status.clone()));
    assert!(status["oldest_at"].is_string(), "{status}");
    let groups = overview["groups"].as_array().unwrap();
    let posts = groups.iter().find(|group| group["entity"] == "posts").unwrap();
    assert_eq!((&posts["state"], &posts["count"], &posts["behind"]), (&"parked".into(), &2.into(), &2.into()));
    assert_eq!(posts["first"], json!(["posts/900", "posts/901"]));
    assert!(posts["status"].as_u64().is_some_and(|status| status >= 400), "{posts}");
    let run = &overview["runs"][0];
    assert_eq!((&run["kind"], &run["status"], &run["exit_code"]), (&"sync".into(), &"partly".into(), &3.into()));
    let act = &overview["acts"][0];
    assert_eq!((&act["what"], &act["via"], &act["why"]), (&"on_hold".into(), &"command".into(), &"why".into()));
    assert_eq!((&act["keys"], &act["count"]), (&json!(["posts/2"]), &1.into()));
    assert_eq!(overview["distance_s"], json!({ "sync": null, "full": null }));
}

#[test]
fn an_overview_stays_the_same_until_something_happens() {
    let mut console = with_refused();
    let first = console.send("GET", "overview/", &[], None).expect(200);
    let tag = first.header("etag").unwrap().to_owned();
    let again = |console: &Console| console.send("GET", "overview/", &[("If-None-Match", &tag)], None);
    assert_eq!(again(&console).expect(304).body.len(), 0);
    console.pair.edit("UPDATE news_post SET title = 'z' WHERE id = 3");
    // It is kept for 2 s.
    crate::support::wait_until("it tells of the change", || again(&console).status == 200);
}

#[test]
fn lists_of_what_is_left_are_those_of_the_command_page_by_page() {
    let console = with_refused();
    let parked = without_ages(console.pair.news.run(["--json", "parked"]).ok().json());
    let whole = without_ages(console.get("left/"));
    assert_eq!(whole["objects"], parked["objects"]);
    assert_eq!((&whole["total"], &whole["next"], &whole["more"]), (&6.into(), &Value::Null, &0.into()));
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = without_ages(console.get(&format!("left/?limit=2{after}")));
        assert_eq!(page["total"], 6);
        pages.extend(page["objects"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(Value::from(pages), parked["objects"]);

    let keys = |query: &str| {
        let page = console.get(&format!("left/?{query}"));
        let key = |row: &Value| format!("{}/{}", row["entity"].as_str().unwrap(), row["id"]);
        page["objects"].as_array().unwrap().iter().map(key).collect::<Vec<String>>()
    };
    assert_eq!(keys("state=parked&entity=posts"), ["posts/900", "posts/901"]);
    assert_eq!(keys("state=held"), ["comments/900", "comments/901"]);
    assert_eq!(keys("state=on_hold"), ["posts/2"]);
    assert_eq!(keys("q=posts/9"), ["posts/900", "posts/901"]);
    let groups = console.get("left/groups/");
    let group = groups["groups"].as_array().unwrap().iter().find(|group| group["entity"] == "comments").unwrap();
    assert_eq!(keys(&format!("group={}", group["id"].as_str().unwrap())), ["comments/5"]);
    let held = &console.get("left/?state=held")["objects"][0];
    assert_eq!(held["waits_for"], json!(["posts/900"]));
    for bad in ["limit=0", "limit=1001", "state=x", "entity=x", "group=x", "after=x"] {
        assert!(
            console.send("GET", &format!("left/?{bad}"), &[], None).expect(400).json()["detail"].is_string(),
            "{bad}"
        );
    }
}

#[test]
fn raw_events_come_to_the_plan_that_a_run_would_have() {
    let mut pair = Pair::new([]);
    pair.edit(FIFTY_EDITS);
    // One that the log may be wrong about, and one whose conversation is open.
    pair.edit("UPDATE news_modelevent SET doubt = true WHERE id = (SELECT max(id) FROM news_modelevent)");
    let mut console = Console::over(pair, &[]);
    let plan = console.pair.news.run(["--json", "sync", "--dry-run"]).expect_code(1).json();
    assert_eq!(console.get("plan/?limit=1000")["checksum"], plan["checksum"]);
    assert_eq!(console.get("plan/?limit=1000")["actions"], plan["actions"]);

    let (mut chunks, mut doubtful, mut recorded) = (Vec::new(), Vec::new(), BTreeMap::new());
    let (mut after, mut as_of) = (String::new(), None);
    loop {
        let page = console.get(&format!("events/?limit=7{after}"));
        assert_eq!(*as_of.get_or_insert(page["as_of"].clone()), page["as_of"]);
        chunks.push(page["events"].clone());
        doubtful.extend(page["doubtful"].as_array().unwrap().clone());
        for (key, word) in page["recorded"].as_object().unwrap() {
            recorded.insert(key.clone(), word.clone());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}&as_of={}", page["as_of"]);
    }
    let events: usize = chunks.iter().map(|chunk| chunk.as_array().unwrap().len()).sum();
    assert_eq!(i64::try_from(events).unwrap(), console.pair.unsynced());
    assert_eq!(doubtful.len(), 1);
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (key, action) in merged(&chunks, &doubtful, &recorded) {
        let (entity, _) = key.split_once('/').unwrap();
        *counts.entry((entity.to_owned(), action)).or_default() += 1;
    }
    for entity in ["posts", "comments"] {
        for action in ["create", "update", "delete", "ask", "nothing"] {
            let count = counts.get(&(entity.to_owned(), action.to_owned())).copied().unwrap_or_default();
            assert_eq!(plan["plan"][entity][action], count, "{entity} {action}");
        }
    }
}

/// Merges as the page does, by the core.
fn merged(chunks: &[Value], doubtful: &[Value], recorded: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    use news_core::merge::{Event, EventType, Presence, action, merge};
    let event = |event: &Value| Event {
        id: event[0].as_i64().unwrap(),
        key: event[1].as_str().unwrap().parse().unwrap(),
        kind: EventType::of_word(event[2].as_str().unwrap()).unwrap(),
        doubtful: doubtful.contains(&event[0]),
    };
    let events: Vec<Event> = chunks.iter().flat_map(|chunk| chunk.as_array().unwrap()).map(event).collect();
    let word = |(key, merged): (news_core::Key, news_core::merge::Merged)| {
        let key = key.to_string();
        let known = recorded.get(&key).map(|word| Presence::of_word(word.as_str().unwrap()).unwrap());
        let action = action(known.unwrap_or(merged.change.presence()), merged.change.after);
        (key, format!("{action:?}").to_lowercase())
    };
    merge(events).into_iter().map(word).collect()
}

#[test]
fn the_history_is_that_of_the_command() {
    let console = with_refused();
    for _ in 0..3 {
        console.pair.sync([]);
    }
    let runs = console.pair.news.run(["--json", "runs"]).ok().json()["runs"].clone();
    assert_eq!(console.get("runs/")["runs"], runs);
    let first = console.get("runs/?limit=1");
    assert_eq!(first["runs"][0], runs[0]);
    let rest = console.get(&format!("runs/?before={}", first["next"]));
    assert_eq!(rest["runs"].as_array().unwrap()[..], runs.as_array().unwrap()[1..]);
    assert_eq!(console.get("runs/?kind=import")["runs"].as_array().unwrap().len(), 1);
    assert_eq!(console.get("runs/?status=stopped")["runs"], json!([]));
    let id = runs.as_array().unwrap().iter().find(|run| run["requests"].as_i64() > Some(3)).unwrap()["id"].clone();
    let whole = console.pair.news.run(["--json", "runs", &id.to_string()]).ok().json();
    let run = console.get(&format!("runs/{id}/"));
    assert_eq!((&run["run"], &run["report"], &run["sent"]), (&whole["run"], &whole["report"], &whole["sent"]));
    let first = console.get(&format!("runs/{id}/?limit=1"));
    let rest = console.get(&format!("runs/{id}/?after={}", first["next"].as_str().unwrap()));
    let sent = [first["sent"].as_array().unwrap().clone(), rest["sent"].as_array().unwrap().clone()].concat();
    assert_eq!(Value::from(sent), whole["sent"]);
    assert_eq!(first["more"].as_u64().unwrap() + 1, whole["sent"].as_array().unwrap().len() as u64);
    for (path, status) in [("runs/999999/", 404), ("runs/x/", 404), ("runs/?limit=201", 400), ("runs/1/?after=x", 400)]
    {
        console.send("GET", path, &[], None).expect(status);
    }
}

#[test]
fn an_object_is_told_as_by_the_command_without_asking_the_target() {
    let mut console = with_refused();
    console.pair.sent();
    for (key, state, presence) in [
        ("posts/900", "parked", "absent"),
        ("comments/900", "held", "absent"),
        ("posts/1", "pending", "present"),
        ("posts/3", "in_sync", "present"),
    ] {
        let told = console.pair.news.run(["--json", "show", key, "--offline"]).ok().json();
        let object = console.get(&format!("{key}/"));
        for (name, value) in told.as_object().unwrap() {
            assert_eq!(&object[name], value, "{key} {name}");
        }
        assert_eq!(
            (&object["key"], &object["state"], &object["presence"]),
            (&key.into(), &state.into(), &presence.into())
        );
        let last: i64 = console.pair.number(&format!(
            "SELECT coalesce(max(id), 0) FROM news_modelevent WHERE synced_at IS NULL
             AND entity_table = 'news_{}' AND entity_pk = {}",
            key.split_once("s/").unwrap().0,
            key.split_once('/').unwrap().1
        ));
        assert_eq!(object["event_id"], last, "{key}");
        assert_eq!(object["pending"].is_null(), last == 0);
        assert_eq!(object["standing"]["state"].as_str(), (state == "parked").then_some("parked"), "{key}");
    }
    assert_eq!(console.pair.sent(), Vec::<String>::new());
    for path in ["posts/999999/", "posts/0/", "posts/x/", "comments/-1/", "posts/9223372036854775807/"] {
        console.send("GET", path, &[], None).expect(404);
    }
}

#[test]
fn without_its_schema_and_its_database_the_console_says_so() {
    let console = with_refused();
    let sql = &mut console.pair.db.client();
    sql.batch_execute("UPDATE news_schema_history SET version = version + 100 WHERE version = 4").unwrap();
    let refused = console.send("GET", "overview/", &[], None).expect(503);
    assert_eq!((refused.json()["code"].as_str(), refused.header("retry-after")), (Some("schema"), Some("1")));
    sql.batch_execute("UPDATE news_schema_history SET version = version - 100 WHERE version = 104").unwrap();
    crate::support::wait_until("it works again", || console.send("GET", "overview/", &[], None).status == 200);
}

#[test]
fn objects_that_an_import_left_out_are_listed_unless_a_row_has_their_id() {
    let mut pair = Pair::new([]);
    pair.edit(
        "INSERT INTO news_sync_left_out SELECT 'news_post', 1000 + n, 'the title is too long' FROM generate_series(1, 3) n;
         INSERT INTO news_sync_left_out VALUES ('news_comment', 5000, 'its post was left out'), ('news_post', 1, 'a row has it')",
    );
    let console = Console::over(pair, &[]);
    let all = json!(["comments/5000", "posts/1001", "posts/1002", "posts/1003"]);
    assert_eq!(console.get("left/out/"), json!({ "keys": all, "next": null }));
    let first = console.get("left/out/?limit=3");
    assert_eq!(first, json!({ "keys": all.as_array().unwrap()[..3], "next": "posts/1002" }));
    assert_eq!(console.get("left/out/?after=posts/1002"), json!({ "keys": ["posts/1003"], "next": null }));
}
