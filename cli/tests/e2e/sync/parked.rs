//! One object in trouble: parked, held, tried again, given up.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::sum;
use crate::support::{Http, Pair, fixtures, wait_until};

#[test]
fn one_refused_object_is_parked_and_the_rest_is_synced() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (4, 5, 6)");
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], sum(&report, "update")), (&json!(1), 2));
    assert_eq!(pair.unsynced(), 1);
    let parked = pair.news.run(["--json", "parked"]).ok().json()["objects"].clone();
    assert_eq!(parked.as_array().unwrap().len(), 1, "{parked}");
    let row = &parked[0];
    assert_eq!(
        (&row["entity"], &row["id"], &row["state"], &row["status"]),
        (&json!("posts"), &json!(5), &json!("parked"), &json!(422))
    );
    assert!(row["reason"].as_str().unwrap().contains("422: "), "the body's start: {row}");
    let text = pair.news.run(["parked"]).ok().stdout;
    assert!(text.contains("posts/5") && text.contains("422"), "{text}");
    let drift = pair.diff(1);
    assert_eq!(
        drift["differences"],
        json!([{"entity": "posts", "id": 5, "kind": "different", "pending": true,
        "fields": [{"field": "title", "local": "x", "target": fixtures()["posts"][4]["title"]}]}])
    );
    pair.sent();

    // Not again by itself…
    assert_eq!(pair.sync([]).expect_code(3).json()["requests"], json!(0));
    assert_eq!(pair.sent(), Vec::<String>::new());
    // …but after an edit, which un-parks it at once.
    pair.fake.set_faults("{}");
    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5");
    assert_eq!(pair.news.run(["--json", "status"]).ok().json()["parked"], json!(0));
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/5 200"]);
    assert_eq!(pair.news.run(["--json", "parked"]).ok().json()["objects"], json!([]));
    pair.diff(0);
}

#[test]
fn retry_and_discard() {
    let mut pair = Pair::new(["--status-for", "posts/5=422", "--status-for", "posts/6=400"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (5, 6)");
    pair.sync([]).expect_code(3);
    // What is not parked is said, and nothing is changed then.
    let refused = pair.news.run(["retry", "posts/5", "posts/7"]).expect_code(4);
    assert!(refused.stderr.contains("posts/7") && !refused.stderr.contains("posts/5"), "{}", refused.stderr);
    pair.sent();
    pair.sync([]).expect_code(3);
    assert_eq!(pair.sent(), Vec::<String>::new());
    assert_eq!(pair.news.run(["--json", "retry", "posts/5"]).ok().json()["keys"], json!(["posts/5"]));
    pair.fake.set_faults("{}");
    pair.sync([]).expect_code(3);
    let sent = pair.sent();
    assert!(
        sent.contains(&"PUT /posts/5 200".to_owned()) && !sent.iter().any(|line| line.contains("posts/6")),
        "{sent:?}"
    );
    assert_eq!(pair.news.run(["--json", "retry", "--all"]).ok().json()["keys"], json!(["posts/6"]));
    pair.sync([]).ok();
    pair.diff(0);

    pair.edit("UPDATE news_post SET title = 'y' WHERE id = 5; UPDATE news_post SET title = 'z' WHERE id = 5");
    let discarded = pair.news.run(["--json", "discard", "posts/5"]).ok().json();
    assert_eq!((&discarded["keys"], &discarded["events"]), (&json!(["posts/5"]), &json!(2)));
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), Vec::<String>::new());
    let differs = pair.diff(1);
    assert_eq!(differs["differences"][0]["pending"], json!(false), "given up is drift");
    pair.news.run(["discard", "posts/5"]).expect_code(4);
    // Whatever comes next begins with a question: the log no longer tells what is there.
    pair.edit("DELETE FROM news_post WHERE id = 7");
    pair.news
        .run(["discard", "posts/7", "comments/31", "comments/32", "comments/33", "comments/34", "comments/35"])
        .ok();
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (7, 1, 'again', '')");
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["GET /posts/7 200", "PUT /posts/7 200"]);
    pair.news.run(["discard", "post/5"]).expect_code(2);
    pair.news.run(["retry"]).expect_code(2);
}

#[test]
fn what_depends_on_a_refused_object_is_held() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (901, 1, 'n', 'e', 'b')",
    );
    for run in 1..=2 {
        let report = pair.sync([]).expect_code(3).json();
        assert_eq!((&report["parked"], &report["held"]), (&json!(1), &json!(1)), "run {run}");
        let sent = pair.sent();
        assert_eq!(sent.is_empty(), run == 2, "{sent:?}");
    }
    let states: Vec<Value> = pair.news.run(["--json", "parked"]).ok().json()["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["state"].clone())
        .collect();
    assert_eq!(states, [json!("parked"), json!("held")]);
    // Once the post goes, so does what was held.
    pair.edit("UPDATE news_post SET title = 'take me' WHERE id = 900");
    pair.sync([]).ok();
    pair.diff(0);
    let counts = pair.fake.counts();
    assert_eq!((&counts["posts"]["900"]["creates"], &counts["comments"]["900"]["creates"]), (&json!(1), &json!(1)));
}

#[test]
fn a_dry_run_and_a_discard_know_who_waits_for_whom() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (901, 1, 'n', 'e', 'b')",
    );
    pair.sync([]).expect_code(3);
    // Nothing would be sent; and a run would exit as this does.
    let plan = pair.sync(["--dry-run"]).expect_code(3).json();
    assert_eq!((&plan["actions"], &plan["parked"], &plan["held"]), (&json!([]), &json!(1), &json!(1)), "{plan}");
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let plan = pair.sync(["--dry-run"]).expect_code(1).json();
    assert_eq!(plan["actions"], json!([{"entity": "posts", "id": 1, "action": "update"}]));
    pair.news.run(["retry", "comments/900"]).expect_code(4);

    // The comment must not go to a post that will not come.
    let discarded = pair.news.run(["--json", "discard", "posts/900"]).ok().json();
    let expected = json!({"what": "discarded", "keys": ["posts/900"], "along": ["comments/900"], "events": 2});
    assert_eq!(discarded, expected);
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), ["PUT /posts/1 200"]);
    assert_eq!(pair.diff(1)["summary"]["comments"]["missing"], json!(1));
}

#[test]
fn a_comment_of_a_post_whose_creation_was_given_up_is_held() {
    let post = json!({"id": 900, "userId": 1, "title": "t", "body": "b"});
    for way in ["an edit", "a full sync", "by hand"] {
        let mut pair = Pair::new([]);
        pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 't', 'b')");
        pair.news.run(["discard", "posts/900"]).ok();
        pair.edit("INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b')");
        for flag in ["--dry-run", "--jobs=1", "--jobs=1"] {
            let report = pair.sync([flag]).expect_code(3).json();
            assert_eq!((&report["held"], &report["parked"]), (&json!(1), &json!(0)), "{report}");
        }
        assert_eq!(pair.sent(), Vec::<String>::new());
        let left = pair.news.run(["--json", "parked"]).ok().json();
        let says = "waits for posts/900, which is not at the target: its creation was given up";
        assert_eq!((&left["objects"][0]["id"], &left["objects"][0]["reason"]), (&json!(900), &json!(says)), "{left}");
        match way {
            "an edit" => pair.edit("UPDATE news_post SET title = 'after all' WHERE id = 900"),
            "by hand" => drop(Http::new(pair.fake.url()).send("POST", "/posts", &post.to_string())),
            _ => {}
        }
        pair.sync([if way == "an edit" { "--jobs=1" } else { "--full" }]).ok();
        pair.sync([]).ok();
        pair.diff(0);
    }
}

#[test]
fn whom_a_stop_left_is_not_for_an_operator() {
    let mut pair = Pair::new(["--latency", "200ms"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id <= 50");
    let running = pair.news.spawn(["sync", "--jobs", "1"]);
    wait_until("it sends", || !pair.sent().is_empty());
    running.signal(Signal::INT);
    running.wait().expect_code(130);
    assert!(pair.number("SELECT count(*) FROM news_sync_object") > 1);
    assert_eq!(pair.news.run(["--json", "parked"]).ok().json()["objects"], json!([]));
}

#[test]
fn a_comment_that_moved_to_a_new_post_waits_for_that_one() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 1, 'n', 'e', 'b');
         INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         UPDATE news_comment SET post_id = 900 WHERE id = 900",
    );
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["held"]), (&json!(1), &json!(1)), "{report}");
    // It is asked for, before anything is written, and no more.
    assert!(pair.sent().iter().all(|line| !line.contains("comments") || line.starts_with("GET")));
}

#[test]
fn a_posts_delete_is_held_while_a_comments_failed() {
    let mut pair = Pair::new(["--status-for", "comments/11=422"]);
    pair.edit("DELETE FROM news_post WHERE id = 3");
    let report = pair.sync([]).expect_code(3).json();
    assert_eq!((&report["parked"], &report["held"], sum(&report, "delete")), (&json!(1), &json!(1), 4));
    assert!(!pair.sent().iter().any(|line| line.contains("/posts/3")));
    pair.fake.set_faults("{}");
    pair.news.run(["retry", "--all"]).ok();
    pair.sync([]).ok();
    pair.diff(0);
}

#[test]
fn a_missing_object_is_made_again() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("DELETE", "/posts/9", "");
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 9; UPDATE news_comment SET name = 'x' WHERE id = 41");
    pair.sent();
    pair.sync(["--jobs", "1"]).ok();
    let sent = pair.sent();
    // A 404 is believed once an object that is listed was found by its own address, of each entity.
    assert_eq!(sent[..3], ["PUT /posts/9 404", "GET /posts 200", "GET /posts/1 200"]);
    let wanted =
        ["POST /posts 201", "GET /posts/9 200", "PUT /comments/41 404", "POST /comments 201", "GET /comments/41 200"];
    assert!(wanted.iter().all(|line| sent.iter().any(|other| other == line)), "{sent:?}");
    assert_eq!(sent.len(), 10, "{sent:?}");
    // Comments that went with the post are drift: nobody edited them.
    assert_eq!(pair.diff(1)["summary"]["comments"]["missing"], json!(4));
}

#[test]
fn comments_of_a_post_that_the_target_lost_are_given_up_with_it() {
    // A full sync finds it missing, and events tell nothing; or an event is an update's.
    for edit in [None, Some("UPDATE news_post SET title = 'refuse me' WHERE id = 3")] {
        let mut pair = Pair::new([]);
        pair.fake.http().send("DELETE", "/posts/3", "");
        pair.fake.set_faults(r#"{"reject_text": ["refuse me"]}"#);
        match edit {
            Some(edit) => pair.edit(edit),
            None => pair.edit("UPDATE news_post SET title = 'refuse me' WHERE id = 3; DELETE FROM news_modelevent"),
        }
        pair.edit("INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 3, 'n', 'e', 'b')");
        pair.news.run(["--json", "sync", "--full"]).expect_code(3);
        let held: Vec<Value> =
            pair.news.run(["--json", "parked"]).ok().json()["objects"].as_array().unwrap()[1..].to_vec();
        assert_eq!(held.len(), 6, "{held:?}");
        assert!(held.iter().all(|o| o["state"] == "held" && o["reason"] == "waits for posts/3"), "{held:?}");
        let discarded = pair.news.run(["--json", "discard", "posts/3"]).ok().json();
        assert_eq!(discarded["along"].as_array().unwrap().len(), 6, "{discarded}");
        pair.sent();
        pair.sync([]).ok();
        assert_eq!(pair.sent(), Vec::<String>::new());
        pair.news.run(["status", "--check"]).ok();
    }
}

#[test]
fn what_waits_for_an_operator_is_no_lag() {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 900, 'n', 'e', 'b')",
    );
    pair.sync([]).expect_code(3);
    let status = pair.news.run(["--json", "status"]).ok().json();
    assert_eq!((&status["pending"], &status["oldest_s"]), (&json!(2), &Value::Null), "{status}");
    pair.news.run(["status", "--check"]).expect_code(3);
    pair.news.run(["status", "--check", "--max-lag", "1ms", "--allow-parked"]).ok();
    // Nor is it where it is edited meanwhile.
    pair.edit("UPDATE news_comment SET body = 'edited' WHERE id = 900");
    pair.news.run(["status", "--check", "--max-lag", "1ms", "--allow-parked"]).ok();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    pair.news.run(["status", "--check", "--max-lag", "1ms", "--allow-parked"]).expect_code(1);
}

#[test]
fn comments_that_are_held_for_a_post_nobody_knows_of_are_given_up_with_it() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("DELETE", "/posts/3", "");
    // Its creation fails, and nothing tells whether it was carried out.
    pair.fake.set_faults(r#"{"status_for": {"posts/3": 500}}"#);
    pair.news.run(["sync", "--full"]).expect_code(3);
    let discarded = pair.news.run(["--json", "discard", "posts/3"]).ok().json();
    assert_eq!(discarded["along"].as_array().map_or(0, Vec::len), 5, "{discarded}");
    pair.fake.set_faults("{}");
    pair.sent();
    pair.sync([]).ok();
    assert_eq!(pair.sent(), Vec::<String>::new());
}
