//! What is kept of each object: what runs sent and what came of it, and what people did.

mod log;
mod runs;

use serde_json::json;

use crate::support::Pair;

/// What runs came to, oldest first: `posts/5 updated PUT 200 1`, with the number of events that were marked.
fn sent(pair: &mut Pair) -> Vec<String> {
    let rows = pair.sql.query(
        "SELECT replace(entity_table, 'news_', '') || 's/' || entity_pk || ' ' || came_to || ' ' || coalesce(method, '-') || ' '
             || coalesce(status::text, '-') || ' ' || events
         FROM news_sync_sent ORDER BY run_id, entity_table DESC, entity_pk",
        &[],
    );
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn what_a_run_came_to_is_kept_of_each_object_that_needed_a_request() {
    let mut pair = Pair::new(["--status-for", "posts/5=422", "--status-for", "posts/6=500"]);
    pair.edit(
        "UPDATE news_post SET title = 'x' WHERE id IN (4, 5, 6);
         UPDATE news_post SET title = 'y' WHERE id = 4;
         DELETE FROM news_comment WHERE id = 500;
         INSERT INTO news_post (id, user_id, title, body) VALUES (200, 1, 'a', 'b'), (201, 1, 'a', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 5, 'n', 'e@x.org', 'b');
         DELETE FROM news_post WHERE id = 201",
    );
    pair.sync([]).expect_code(3);
    // Of posts/201, created and deleted, nothing is kept; posts/6 waits after its last attempt.
    assert_eq!(
        sent(&mut pair),
        [
            "posts/4 updated PUT 200 2",
            "posts/5 parked PUT 422 0",
            "posts/6 waiting PUT 500 0",
            "posts/200 created GET 200 1",
            "comments/500 deleted DELETE 200 1",
            "comments/900 created GET 200 1",
        ]
    );
    let bad = "SELECT count(*) FROM news_sync_sent s WHERE ms IS NULL OR ms > 60000 OR at > clock_timestamp()
                   OR NOT EXISTS (SELECT FROM news_sync_run WHERE id = s.run_id)
                   OR NOT EXISTS (SELECT FROM news_modelevent e WHERE e.id = s.first_event AND e.entity_pk = s.entity_pk)";
    assert_eq!(pair.number(bad), 0);
    // What is parked is not sent again, and so not told again.
    pair.edit("DELETE FROM news_sync_sent");
    pair.fake.set_faults("{}");
    pair.sync([]).expect_code(3);
    assert_eq!(sent(&mut pair), ["posts/6 updated PUT 200 1"]);
}

#[test]
fn a_full_sync_keeps_what_no_event_explains() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 4; DELETE FROM news_modelevent");
    pair.sync(["--full"]).ok();
    assert_eq!(sent(&mut pair), ["posts/4 updated PUT 200 0"]);
    assert_eq!(pair.number("SELECT count(*) FROM news_sync_sent WHERE first_event IS NULL AND last_event IS NULL"), 1);
}

#[test]
fn the_ledger_keeps_the_last_response() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 5");
    let report = pair.sync([]).expect_code(3).json();
    let row = pair.sql.query_one(
        "SELECT run_id, method, ms BETWEEN 0 AND 60000, asked_at BETWEEN clock_timestamp() - interval '1 min' AND clock_timestamp(),
                body, reason FROM news_sync_object",
        &[],
    );
    let row = row.unwrap();
    assert_eq!(json!(row.get::<_, i64>(0)), report["run"]);
    assert_eq!((row.get(1), row.get(2), row.get(3)), ("PUT", true, true));
    let (body, reason): (&str, &str) = (row.get(4), row.get(5));
    assert!(!body.is_empty() && reason.contains(body), "{body:?} {reason:?}");
}

#[test]
fn what_people_did_is_kept() {
    let mut pair = Pair::new(["--status-for", "posts/5=422"]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (5, 6)");
    pair.sync([]).expect_code(3);
    // What was refused did not happen.
    pair.news.run(["retry", "posts/5", "posts/7"]).expect_code(4);
    pair.news.run(["discard", "posts/5", "posts/7"]).expect_code(4);
    pair.news.run(["retry", "posts/5"]).ok();
    pair.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (300, 1, 'a', 'b')");
    pair.edit("INSERT INTO news_comment (id, post_id, name, email, body) VALUES (900, 300, 'n', 'e@x.org', 'b')");
    pair.news.run(["discard", "posts/5", "posts/300"]).ok();
    let rows = pair.sql.query("SELECT what, who, via, keys, along, events, id FROM news_sync_act ORDER BY id", &[]);
    let acts: Vec<_> = rows
        .unwrap()
        .iter()
        .map(|row| {
            let list = |column: usize| row.get::<_, Vec<String>>(column).join(" ");
            assert!(row.get::<_, &str>(1).contains('@'));
            (row.get::<_, String>(0), row.get::<_, String>(2), list(3), list(4), row.get::<_, Option<i64>>(5))
        })
        .collect();
    let act = |what: &str, keys: &str, along: &str, events| {
        (what.to_owned(), "command".to_owned(), keys.to_owned(), along.to_owned(), events)
    };
    assert_eq!(
        acts,
        [act("retried", "posts/5", "", None), act("discarded", "posts/5 posts/300", "comments/900", Some(3))]
    );
    let dropped =
        "SELECT count(*) FROM news_modelevent e JOIN news_sync_act a ON a.at = e.synced_at WHERE what = 'discarded'";
    assert_eq!(pair.number(dropped), 3, "an act and the events that it drops have one time");
}
