//! WordPress as it is: it chooses the ids, trims texts, and refuses some. What it refuses is named, what it alters is counted, and
//! all else is equal.
//!
//! `NEWS_WORDPRESS_POSTS=100` syncs so many of our posts with their comments, and not only some.

use std::collections::BTreeSet;

use postgres::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{FIXTURES, MANY, RUNS_MAX};
use crate::crash::{Random, edit};
use crate::support::pocketbase::Lossy;
use crate::support::wordpress::WordPress;
use crate::support::{Db, News};

/// Posts where nobody says otherwise: WordPress takes 30 ms and more for a request.
const POSTS: u64 = 40;

/// Loads some of our posts.
fn filled(db: &Db, news: &News) {
    news.run(["import", "--from", FIXTURES]).ok();
    let posts = std::env::var("NEWS_WORDPRESS_POSTS").map_or(POSTS, |posts| posts.parse().unwrap());
    // As if they had never been there.
    let sql = format!("DELETE FROM news_post WHERE id > {posts}; DELETE FROM news_modelevent");
    db.client().batch_execute(&sql).unwrap();
}

/// Edits by the twenty. WordPress knows what an address is.
fn edits(sql: &mut Client, random: &mut Random) {
    (0..20).for_each(|_| edit(sql, random));
    sql.batch_execute("UPDATE news_comment SET email = 'e@example.org' WHERE email = 'e'").unwrap();
}

/// What is not as the master has it was refused, or waits for what was; nothing is there twice, and nobody else's. Returns how
/// many differences there are, and how many objects are altered.
fn all_else_is_equal(news: &News) -> (usize, u64) {
    let report = news.run(["--json", "diff"]).json();
    let named = |rows: &Value| -> BTreeSet<String> {
        let key = |row: &Value| format!("{}/{}", row["entity"].as_str().unwrap(), row["id"]);
        rows.as_array().unwrap().iter().map(key).collect()
    };
    let left = named(&news.run(["--json", "parked"]).json()["objects"]);
    let differs = named(&report["differences"]);
    assert!(differs.is_subset(&left), "{:?} of {report}", differs.difference(&left).collect::<Vec<_>>());
    for entity in ["posts", "comments"] {
        let sides = &report["summary"][entity];
        for name in ["duplicate", "extra", "unreadable", "strangers", "nameless"] {
            assert_eq!(sides[name], 0, "{name}: {report}");
        }
    }
    let altered = |entity: &str| report["summary"][entity]["altered"].as_u64().unwrap();
    (differs.len(), altered("posts") + altered("comments"))
}

#[test]
fn wordpress_is_kept_in_sync_but_for_what_it_refuses() {
    let Some(wordpress) = WordPress::start() else { return };
    let db = Db::new();
    let news = wordpress.news(&db, wordpress.url());
    filled(&db, &news);
    // A post without a text is refused, and its comments wait for it.
    let report = news.run(["--json", "sync", "--full"]).expect_code(3).json();
    assert!(report["first_error"].as_str().unwrap().contains("empty_content"), "{report}");
    assert_eq!((&report["failed"], &report["warnings"]), (&json!(0), &json!([])), "{report}");
    let (refused, altered) = all_else_is_equal(&news);
    assert!(refused > 5 && altered >= 5, "{refused} {altered}");
    // Nothing but what was refused is tried again.
    let again = news.run(["--json", "sync", "--full"]).expect_code(3).json();
    assert_eq!(again["methods"]["PUT"], Value::Null, "{again}");
    let (mut sql, mut random) = (db.client(), Random(51));
    for _ in 0..10 {
        edits(&mut sql, &mut random);
        news.run(["sync", "--max-deletes", MANY]);
    }
    let report = news.run(["--json", "diff"]).json();
    assert!(all_else_is_equal(&news).1 > 0, "{report}");

    // The same comment again is refused, and says why.
    let twice = "INSERT INTO news_comment (post_id, name, email, body)
                 SELECT min(id), 'Ada', 'ada@example.org', 'again' FROM news_post";
    for _ in 0..2 {
        sql.batch_execute(twice).unwrap();
        news.run(["sync", "--max-deletes", MANY]);
    }
    let parked = news.run(["parked"]).stdout;
    assert_eq!(parked.matches("comment_duplicate").count(), 1, "{parked}");
    all_else_is_equal(&news);

    let doctor = news.run(["doctor", "--write-test"]);
    assert!(doctor.stdout.contains("a post and a comment were created"), "{}", doctor.stdout);
    // It does not have the author of a post.
    let refused = wordpress.news(&Db::new(), wordpress.url()).run(["import"]).expect_code(4);
    assert!(refused.stderr.contains("does not have all fields of posts"), "{}", refused.stderr);
    sql.batch_execute("UPDATE news_post SET user_id = user_id + 1").unwrap();
    news.run(["sync"]);
    all_else_is_equal(&news);
}

#[test]
fn lost_messages_and_kills_make_no_record_of_wordpress_twice() {
    let Some(wordpress) = WordPress::start() else { return };
    let network = Lossy::to(wordpress.url(), 20);
    let db = Db::new();
    let timed = |url: &str| wordpress.news(&db, url).env("NEWS_TARGET_TIMEOUT", "10s").env("NEWS_TARGET_LATE", "10s");
    let (news, lossy) = (timed(wordpress.url()), timed(&network.url(wordpress.url())));
    filled(&db, &news);
    // What was refused alone is no reason for another run.
    let until_done = |command: &[&str]| {
        let left = |output: &crate::support::Output| {
            // Without a report it has failed as a whole.
            let report = if output.stdout.is_empty() { Value::Null } else { output.json() };
            let count = |name: &str| report[name].as_u64().unwrap_or(1);
            count("failed") + count("untouched") + count("overtaken") > 0
        };
        let runs = (0..RUNS_MAX).map(|_| lossy.run(command)).take_while(|run| run.code != 0 && left(run)).count();
        assert!(runs < RUNS_MAX, "{command:?}");
    };
    let full = lossy.spawn(["sync", "--full", "--jobs", "8"]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    full.signal(Signal::KILL);
    full.wait();
    until_done(&["--json", "sync", "--full", "--jobs", "8"]);
    let (mut sql, mut random) = (db.client(), Random(53));
    for _ in 0..10 {
        edits(&mut sql, &mut random);
        let run = lossy.spawn(["sync", "--jobs", "8", "--max-deletes", MANY]);
        // At any time of a run.
        std::thread::sleep(std::time::Duration::from_millis(random.below(1500)));
        run.signal(Signal::KILL);
        run.wait();
    }
    until_done(&["--json", "sync", "--jobs", "8", "--max-deletes", MANY]);
    all_else_is_equal(&news);
    assert!(network.cuts() > 10, "{} messages lost", network.cuts());
}
