//! `news show`: the questions of an operator about one object, one command each.

use serde_json::{Value, json};

use crate::support::{Db, News, Pair, fixtures};

fn show(pair: &Pair, key: &str) -> Value {
    pair.news.run(["--json", "show", key]).ok().json()
}

#[track_caller]
fn says(pair: &Pair, key: &str, all: &[&str]) {
    let text = pair.news.run(["show", key]).ok().stdout;
    for words in all {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
}

#[test]
fn an_object_in_sync_says_so() {
    let mut pair = Pair::new([]);
    let report = show(&pair, "posts/5");
    assert_eq!(
        (&report["state"], &report["next"], &report["events"]),
        (&json!("in_sync"), &json!("nothing"), &json!([]))
    );
    assert_eq!(report["row"][1], json!({"field": "title", "value": fixtures()["posts"][4]["title"]}));
    assert_eq!((&report["target"]["there"], &report["target"]["difference"]), (&json!(true), &Value::Null));
    assert_eq!(pair.sent(), ["GET /posts/5 200"]);
    says(&pair, "posts/5", &["posts/5: in sync: nothing is pending.", "  equal"]);
    pair.sent();
    let offline = pair.news.run(["--json", "show", "posts/5", "--offline"]).ok().json();
    assert_eq!((&offline["target"], pair.sent().len()), (&Value::Null, 0));
}

#[test]
fn an_object_that_differs_is_not_called_in_sync() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    pair.news.run(["discard", "posts/5"]).ok();
    assert_eq!(show(&pair, "posts/5")["state"], json!("drift"));
    says(&pair, "posts/5", &["nothing is pending, but the target differs"]);
}

#[test]
fn why_is_it_pending() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "UPDATE news_post SET title = 'x' WHERE id = 1;
         INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b');
         INSERT INTO news_post (id, user_id, title, body) VALUES (901, 1, 'nothing', 'b');
         DELETE FROM news_post WHERE id = 901",
    );
    let state = |pair: &Pair, key: &str| {
        let report = show(pair, key);
        (report["state"].as_str().unwrap().to_owned(), report["next"].as_str().unwrap().to_owned())
    };
    assert_eq!(state(&pair, "posts/1"), ("pending".into(), "update".into()));
    assert_eq!(state(&pair, "posts/901"), ("pending".into(), "mark".into()));
    says(
        &pair,
        "posts/1",
        &["pending: 1 change, since 20", "The next run updates it (PUT)", "title: ", "UPDATED", "sql "],
    );
    pair.sync([]).expect_code(3);
    let post = show(&pair, "posts/900");
    assert_eq!((&post["state"], &post["holds_back"]), (&json!("parked"), &json!(["comments/900"])), "{post}");
    assert_eq!((&post["last_answer"]["method"], &post["last_answer"]["status"]), (&json!("POST"), &json!(422)));
    assert!(post["last_answer"]["body"].as_str().is_some_and(|body| !body.is_empty()), "{post}");
    let comment = show(&pair, "comments/900");
    assert_eq!((&comment["state"], &comment["waits_for"]), (&json!("held"), &json!(["posts/900"])), "{comment}");
    says(
        &pair,
        "posts/900",
        &["parked: ", "422", "news retry posts/900", "waiting for it: comments/900", "last response"],
    );
    says(&pair, "comments/900", &["it waits for posts/900", "waits for: posts/900"]);
    // What was created and deleted since, and never sent, is nobody's.
    assert_eq!(state(&pair, "posts/1"), ("in_sync".into(), "nothing".into()));
}

#[test]
fn what_happened_to_it_and_which_run_sent_it() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5)");
    pair.sync([]).expect_code(3);
    pair.fake.set_faults("{}");
    pair.news.run(["retry", "posts/5"]).ok();
    let run = pair.sync([]).ok().json()["run"].clone();
    pair.news.run(["hold", "posts/5", "--why", "enough for today"]).ok();
    let report = show(&pair, "posts/5");
    let sent: Vec<(&Value, &Value)> =
        report["sent"].as_array().unwrap().iter().map(|sent| (&sent["came_to"], &sent["status"])).collect();
    assert_eq!(sent, [(&json!("updated"), &json!(200)), (&json!("parked"), &json!(422))]);
    assert_eq!((&report["sent"][0]["run"], &report["last_answer"]["run"]), (&run, &run));
    let acts: Vec<&Value> = report["acts"].as_array().unwrap().iter().map(|act| &act["what"]).collect();
    assert_eq!(acts, [&json!("on_hold"), &json!("retried")]);
    let by = report["sent"][0]["by"].as_array().unwrap();
    assert!(by.len() == 1 && by[0].as_str().unwrap().starts_with("sql "), "{report}");
    assert_eq!((&report["state"], &report["hold"]["why"]), (&json!("on_hold"), &json!("enough for today")));
    says(
        &pair,
        "posts/5",
        &["on hold since", "news release posts/5", "runs that sent it", "what people did", "retried"],
    );
}

#[test]
fn a_target_that_does_not_answer_hides_nothing_else() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    for (faults, code, words) in [
        (r#"{"fail_rate": 1}"#, 5, "unavailable"),
        (r#"{"forbid": "all"}"#, 7, "credentials"),
        (r#"{"html": true}"#, 4, "expected an object"),
    ] {
        pair.fake.set_faults(faults);
        let output = pair.news.run(["--json", "show", "posts/5"]).expect_code(code);
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((&report["state"], &report["next"]), (&json!("pending"), &json!("update")));
        assert!(report["target"]["error"].as_str().unwrap().contains(words), "{report}");
        let text = pair.news.run(["show", "posts/5"]).expect_code(code).stdout;
        assert!(text.contains("pending: 1 change") && text.contains("not known: "), "{text}");
    }
    pair.fake.set_faults("{}");
    // A 404 where everything is one says nothing of the object.
    let wrong = format!("{}/api", pair.fake.url());
    pair.news.run(["show", "posts/5", "--target-url", &wrong]).expect_code(5);
}

#[test]
fn what_only_one_side_knows_is_known() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("POST", "/posts", r#"{"id": 900, "userId": 1, "title": "by a stranger", "body": ""}"#);
    let extra = show(&pair, "posts/900");
    assert_eq!((&extra["state"], &extra["target"]["difference"]["kind"]), (&json!("not_here"), &json!("extra")));
    pair.fake.http().send("DELETE", "/posts/9", "");
    assert_eq!(show(&pair, "posts/9")["target"]["difference"]["kind"], json!("missing"));
    // Deleted, and sent: the history knows it.
    pair.edit("DELETE FROM news_comment WHERE id = 7");
    pair.sync([]).ok();
    let gone = show(&pair, "comments/7");
    assert_eq!((&gone["state"], &gone["sent"][0]["came_to"]), (&json!("not_here"), &json!("deleted")));
    // Nobody.
    for flags in [&[][..], &["--offline"]] {
        let output = pair.news.run(["show", "posts/9000"].iter().chain(flags)).expect_code(4);
        assert!(output.stdout.is_empty() && output.stderr.contains("posts/9000"), "{}", output.stderr);
    }
    pair.news.run(["show", "post/5"]).expect_code(2);
    pair.news.run(["show"]).expect_code(2);
    // Without a target, --offline needs none.
    let db = Db::new();
    db.client().batch_execute("INSERT INTO news_post (id, user_id, title, body) VALUES (1, 1, 't', 'b')").unwrap();
    News::on(&db).run(["show", "posts/1", "--offline"]).ok();
    News::on(&db).run(["show", "posts/1"]).expect_code(2);
}

#[test]
fn a_posts_delete_names_the_comments_that_it_waits_for() {
    let mut pair = Pair::new([]);
    pair.news.run(["hold", "comments/11"]).ok();
    pair.edit("DELETE FROM news_post WHERE id = 3");
    pair.sync([]).expect_code(3);
    let post = show(&pair, "posts/3");
    assert_eq!((&post["state"], &post["waits_for"]), (&json!("held"), &json!(["comments/11"])), "{post}");
    assert_eq!(show(&pair, "comments/11")["holds_back"], json!(["posts/3"]));
}

#[test]
fn an_object_tells_of_the_run_that_was_lost_with_its_answer() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    pair.edit(
        "INSERT INTO news_sync_run (kind, host, pid, version, target_url, epoch) VALUES ('sync', 'h', 1, 'v', 'u', 1);
         INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id)
         SELECT entity_table, entity_pk, 'unknown', 'sent', id FROM news_modelevent WHERE synced_at IS NULL",
    );
    says(
        &pair,
        "posts/5",
        &[
            "; run 2 was lost before it recorded the answer. ",
            "it is not known whether the target has the newest version",
        ],
    );
    assert_eq!(show(&pair, "posts/5")["next"], json!("ask"));
}
