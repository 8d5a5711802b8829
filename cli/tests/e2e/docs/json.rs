//! `docs/json.md` names the keys of the reports, all of them and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Db, Fake, News, Pair};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md");

/// Objects that may be null: their keys are documented.
const NULL_AS_A_WHOLE: [&str; 7] =
    ["failed_full", "private", "skipped", "hold", "row", "last_answer", "target.difference"];

/// Keys that depend on what was done, each in one way: as they are written there.
fn general(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        // Of a run there is a section of its own.
        ["last_run" | "last_done[]", ..] => parts[1] = "id",
        ["methods", _] => parts[1] = "PUT",
        _ if parts.len() > 2 && ["posts", "comments"].contains(&parts[1]) => parts[1] = "ENTITY",
        _ => {}
    }
    parts.join(".")
}

fn collect(prefix: &str, value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                collect(&format!("{prefix}{dot}{name}"), value, keys);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(&format!("{prefix}[]"), element, keys)),
        Value::Null if NULL_AS_A_WHOLE.contains(&prefix) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            keys.insert(general(prefix));
        }
    }
}

/// Returns the keys that a section names in the first column of its table.
fn documented(section: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(DOCUMENT)).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let rows = rest.lines().take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split(" |").next().unwrap());
    cells
        .flat_map(|cell| cell.split(", ").filter_map(|key| key.split('`').find(|part| !part.is_empty())))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn check(section: &str, reports: &[Value]) {
    let mut keys = BTreeSet::new();
    for report in reports {
        collect("", report, &mut keys);
    }
    let documented: BTreeSet<String> = documented(section).into_iter().filter(|key| !key.contains(' ')).collect();
    let (left, added): (Vec<&String>, Vec<&String>) =
        (keys.difference(&documented).collect(), documented.difference(&keys).collect());
    assert!(
        left.is_empty() && added.is_empty(),
        "{section}: not in the document: {left:?}; not in a report: {added:?}"
    );
}

/// Runs a command and returns its report, whatever it ends with.
#[track_caller]
fn report(pair: &Pair, args: &[&str]) -> Value {
    pair.news.run(["--json"].iter().chain(args)).json()
}

#[test]
fn what_an_import_tells_is_in_the_document() {
    let db = Db::new();
    let document =
        r#"{"posts": [{"id": 1, "userId": 1, "title": "t", "body": "b", "slug": "s"}, {"id": "x"}], "comments": []}"#;
    let output = News::on(&db).run_with(["--json", "import", "--from", "-", "--skip-invalid"], document);
    let fake = Fake::start(["--mode", "own-ids"]);
    let other = Db::new();
    let keyed = News::on(&other).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", "json-server-1");
    let adopted = keyed.run(["--json", "import", "--adopt", "--dry-run"]).expect_code(1).json();
    check("news import", &[output.expect_code(3).json(), adopted]);
}

#[test]
fn what_syncs_tell_is_in_the_document() {
    let mut pair = Pair::new(["--mode", "duplicates", "--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b'), (901, 1, 't', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b'), (901, 900, 'n', 'e', 'b');
         UPDATE news_post SET title = 'x' WHERE id = 1",
    );
    pair.fake.http().send("POST", "/posts", r#"{"id": 800, "userId": 1, "title": 5, "body": ""}"#);
    pair.fake.http().send("POST", "/posts", r#"{"id": 801, "userId": 1, "title": "", "body": ""}"#);
    pair.edit("INSERT INTO news_sync_left_out VALUES ('news_post', 801, 'the title is too long')");
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 2");
    let held = [report(&pair, &["hold", "posts/2", "--why", "why"]), report(&pair, &["hold", "posts/2"])];
    let warned = ["--target-url", &pair.fake.url().replace("127.0.0.1", "localhost"), "sync"].map(str::to_owned);
    let warned: Vec<&str> = warned.iter().map(String::as_str).collect();
    check("news sync --dry-run", &[report(&pair, &[&warned[..], &["--dry-run"]].concat())]);
    check("news diff", &[report(&pair, &["diff"]), report(&pair, &["diff", "posts/1"])]);
    let synced = [
        report(&pair, &[&warned[..], &["--verify"]].concat()),
        report(&pair, &["sync"]),
        report(&pair, &["sync", "--full", "--verify"]),
    ];
    check("news sync", &synced);
    pair.news.run(["sync", "--shard", "1/2"]).ok();
    check("news runs", &[report(&pair, &["runs"])]);
    check("news log", &[report(&pair, &["log"])]);
    // The row and the report have sections of their own.
    let mut run = report(&pair, &["runs", "2"]);
    (run["run"], run["report"]) = (Value::Null, Value::Null);
    check("news runs ID", &[run]);
    let mut statuses =
        vec![report(&pair, &["status"]), report(&pair, &["--target-url", "http://localhost:1", "status"])];
    pair.edit("ALTER TABLE news_post DISABLE TRIGGER news_track_update");
    pair.edit("UPDATE news_sync_run SET exit_code = 4 WHERE kind = 'full'");
    statuses.push(report(&pair, &["status"]));
    pair.edit("ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update");
    check("news status", &statuses);
    let parked = report(&pair, &["parked"]);
    check("news show", &["posts/900", "comments/900", "posts/2"].map(|key| report(&pair, &["show", key])));
    pair.edit(
        "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, settled_at)
         VALUES ('news_post', 3, 'unknown', 'waiting', 0, now() + interval '1 h')",
    );
    let in_flight = pair.news.run(["--json", "--target-late", "1h", "hold", "posts/3"]).expect_code(3).json();
    let released = report(&pair, &["release", "posts/2", "posts/3"]);
    let not_here = report(&pair, &["hold", "posts/77777"]);
    check("news acts", &[report(&pair, &["acts"])]);
    check("news hold, news release", &[&held[..], &[in_flight, released, not_here]].concat());
    check(
        "news retry, news discard",
        &[report(&pair, &["retry", "posts/900"]), report(&pair, &["discard", "posts/900"])],
    );

    // One that failed waits for its time.
    pair.edit(
        "UPDATE news_sync_object SET next_try_at = now() + interval '1 h', state = 'waiting', reason = 'it fails'",
    );
    check("news parked", &[parked, report(&pair, &["parked"])]);
}

#[test]
fn so_are_those_of_the_database_and_its_users() {
    let db = Db::empty();
    let news = News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32));
    let run = |news: &News, args: &[&str]| news.run_with(["--json"].iter().chain(args), "lovelace\n").json();
    check("news db migrate", &[run(&news, &["db", "migrate"])]);
    check("news db url", &[run(&news, &["db", "url"])]);
    check("news db prune", &[run(&news, &["db", "prune", "--older-than", "30d"])]);
    check("news user add, news user passwd, news user staff, news user remove", &[run(&news, &["user", "add", "ada"])]);
    check("news user list", &[run(&news, &["user", "list"])]);
    check("news token", &[run(&news, &["token", "ada"])]);
    check("news config", &[run(&news, &["config"])]);
    check("news doctor", &[run(&news, &["doctor"])]);
    let private = News::bare();
    let stopped = run(&private, &["db", "stop"]);
    // Before there is one, it has no version and no process.
    check("news db status", &[run(&news, &["db", "status"]), private_status(&run(&private, &["db", "status"]))]);
    check("news db start, news db stop", &[stopped]);
}

/// Of a database that does not answer there is no more than this.
fn private_status(status: &Value) -> Value {
    serde_json::json!({"private": status["private"]})
}
