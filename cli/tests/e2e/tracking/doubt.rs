//! Statements whose rows are not what the statement says, since triggers of the owner or other parts of the same
//! statement touch them, too: the log tells what exists, and where `type` alone would mislead, it says so.

use std::collections::{BTreeMap, BTreeSet};

use super::Tracked;

/// The log of each object in the order of ids, `posts/5: C U?`; a question mark is doubt.
type Log = Vec<String>;

/// Runs `sql` under `triggers` in a transaction that is rolled back, checks that a reader of the log is not misled, and
/// returns the log.
#[track_caller]
fn logged(tracked: &mut Tracked, triggers: &str, sql: &str) -> Log {
    let client = &mut tracked.client;
    client.batch_execute(&format!("BEGIN; {triggers}")).unwrap_or_else(|error| panic!("{triggers}: {error:?}"));
    let before = rows(client);
    client.batch_execute(sql).unwrap_or_else(|error| panic!("{triggers} {sql}: {error:?}"));
    let after = rows(client);
    let events = "SELECT entity_table, entity_pk, type, coalesce(doubt, false) FROM news_modelevent ORDER BY id";
    let mut log: BTreeMap<(String, i64), Vec<(String, bool)>> = BTreeMap::new();
    for row in client.query(events, &[]).unwrap() {
        log.entry((row.get(0), row.get(1))).or_default().push((row.get(2), row.get(3)));
    }
    client.batch_execute("ROLLBACK").unwrap();
    for key in before.symmetric_difference(&after) {
        assert!(log.contains_key(key), "{key:?} came or went without an event: {triggers} {sql}");
    }
    for (key, events) in &log {
        let context = format!("{key:?} {events:?}: {triggers} {sql}");
        let is_there = |kind: &str| kind != "DELETED";
        let (first, last) = (&events[0].0, &events[events.len() - 1].0);
        assert_eq!(is_there(last), after.contains(key), "after: {context}");
        // Neighbours that do not fit and doubt make the target be asked; else the first event has to be right.
        let fits = events.windows(2).all(|pair| is_there(&pair[0].0) == (pair[1].0 != "CREATED"));
        if fits && !events.iter().any(|(_, doubt)| *doubt) {
            assert_eq!(first != "CREATED", before.contains(key), "before: {context}");
        }
    }
    let word = |(kind, doubt): &(String, bool)| format!(" {}{}", &kind[..1], if *doubt { "?" } else { "" });
    log.iter()
        .map(|((table, id), events)| {
            let words: String = events.iter().map(word).collect();
            format!("{}s/{id}:{words}", table.trim_start_matches("news_"))
        })
        .collect()
}

fn rows(client: &mut postgres::Client) -> BTreeSet<(String, i64)> {
    let query = "SELECT 'news_post', id FROM news_post UNION ALL SELECT 'news_comment', id FROM news_comment";
    client.query(query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A trigger of the owner, which does not fire for its own statements.
fn trigger(when: &str, body: &str) -> String {
    let result = if when.starts_with("BEFORE INSERT") { "NEW" } else { "NULL" };
    format!(
        "CREATE FUNCTION owners() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN {result}; END $f$;
         CREATE TRIGGER a_owners {when} WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION owners();"
    )
}

const INSERT: &str = "INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 'new', 'b')";
const AGAIN: &str = "INSERT INTO news_post (id, user_id, title, body) VALUES (OLD.id, 1, 'again', 'b')";

#[test]
fn triggers_of_the_owner_are_seen_in_the_log() {
    let mut tracked = Tracked::new();
    let after = |what: &str, body: &str| trigger(&format!("AFTER {what} ON news_post FOR EACH ROW"), body);
    let delete = "DELETE FROM news_post WHERE id = NEW.id";
    let insert_new = "INSERT INTO news_post (id, user_id, title, body) VALUES (NEW.id, 1, 'again', 'b')";
    let cases: [(String, &str, &[&str]); 17] = [
        // The new row is deleted, changed, replaced, moved.
        (after("INSERT", delete), INSERT, &["posts/5: D D?"]),
        (after("INSERT", "UPDATE news_post SET title = 'slug' WHERE id = NEW.id"), INSERT, &["posts/5: U C"]),
        (after("INSERT", &format!("{delete}; {insert_new}")), INSERT, &["posts/5: D C C"]),
        (after("INSERT", "UPDATE news_post SET id = 6 WHERE id = NEW.id"), INSERT, &["posts/5: D D?", "posts/6: C"]),
        // So is a changed one.
        (after("UPDATE", delete), "UPDATE news_post SET title = 'spam' WHERE id = 3", &["posts/3: D D?"]),
        (
            after("UPDATE", "UPDATE news_post SET body = 'too' WHERE id = NEW.id"),
            "UPDATE news_post SET title = 'new' WHERE id = 3",
            &["posts/3: U U"],
        ),
        (
            after("UPDATE", &format!("{delete}; {insert_new}")),
            "UPDATE news_post SET title = 'new' WHERE id = 3",
            &["posts/3: D C U"],
        ),
        // A row with a changed id is deleted, put back under the old one, or moved back.
        (after("UPDATE", delete), "UPDATE news_post SET id = 6 WHERE id = 3", &["posts/3: D", "posts/6: D D?"]),
        (after("UPDATE", AGAIN), "UPDATE news_post SET id = 6 WHERE id = 3", &["posts/3: C U?", "posts/6: C"]),
        (
            after("UPDATE", "UPDATE news_post SET id = OLD.id WHERE id = NEW.id"),
            "UPDATE news_post SET id = 6 WHERE id = 3",
            &["posts/3: C U?", "posts/6: D D?"],
        ),
        // A deleted row is put back, for good or for a moment.
        (after("DELETE", AGAIN), "DELETE FROM news_post WHERE id = 3", &["posts/3: C U?"]),
        (
            after("DELETE", &format!("{AGAIN}; DELETE FROM news_post WHERE id = OLD.id")),
            "DELETE FROM news_post WHERE id = 3",
            &["posts/3: C D D"],
        ),
        // Once per statement, and before the row is written.
        (trigger("AFTER INSERT ON news_post", "DELETE FROM news_post WHERE title = 'new'"), INSERT, &["posts/5: D D?"]),
        (
            trigger("BEFORE INSERT ON news_post FOR EACH ROW", delete),
            "INSERT INTO news_post (id, user_id, title, body) VALUES (3, 1, 'instead', 'b')",
            &["posts/3: D C"],
        ),
        (
            trigger(
                "BEFORE DELETE ON news_post FOR EACH ROW",
                "UPDATE news_post SET title = 'hidden' WHERE id = OLD.id",
            ),
            "DELETE FROM news_post WHERE id = 3",
            &["posts/3: U"],
        ),
        // One row's trigger touches another row of the same statement.
        (
            after(
                "UPDATE",
                "DELETE FROM news_comment WHERE post_id = 2; DELETE FROM news_post WHERE id = 2 AND NEW.id = 1",
            ),
            "UPDATE news_post SET body = 'new'",
            &["comments/21: D", "posts/1: U", "posts/2: D D?", "posts/3: U"],
        ),
        // A cascade whose comments a trigger has deleted before.
        (
            trigger("BEFORE DELETE ON news_post", "DELETE FROM news_comment WHERE post_id = 2"),
            "DELETE FROM news_post WHERE id = 3",
            &["comments/21: D", "posts/3: D"],
        ),
    ];
    for (triggers, sql, expected) in cases {
        // A BEFORE DELETE trigger that returns NULL cancels the row's deletion; for a statement it does nothing.
        assert_eq!(logged(&mut tracked, &triggers, sql), expected, "{triggers} {sql}");
    }
}

#[test]
fn one_statement_that_does_several_things_to_an_id_is_doubtful() {
    let mut tracked = Tracked::new();
    let deferrable = "ALTER TABLE news_comment DROP CONSTRAINT news_comment_post_id_fkey;
                      ALTER TABLE news_post DROP CONSTRAINT news_post_pkey, ADD PRIMARY KEY (id) DEFERRABLE";
    let cases: [(&str, &str, &[&str]); 5] = [
        // An id is moved away and inserted again.
        (
            "",
            "WITH moved AS (UPDATE news_post SET id = 30 WHERE id = 3 RETURNING id)
             INSERT INTO news_post (id, user_id, title, body) SELECT 3, 1, 'the new three', 'b' FROM moved",
            &["posts/30: C", "posts/3: U? C"],
        ),
        // A row is deleted and inserted again.
        (
            "",
            "WITH gone AS (DELETE FROM news_post WHERE id = 3 RETURNING *)
             INSERT INTO news_post (id, user_id, title, body) SELECT id, user_id, 'again', body FROM gone",
            &["posts/3: U? C"],
        ),
        // A row is deleted, and another one takes its id.
        (
            "",
            "WITH gone AS (DELETE FROM news_post WHERE id = 3 RETURNING id)
             UPDATE news_post SET id = gone.id FROM gone WHERE news_post.id = 4",
            &["posts/3: U? C", "posts/4: D"],
        ),
        // All ids move on by one: each id but the ends holds another row than before.
        (
            deferrable,
            "UPDATE news_post SET id = id + 1",
            &["posts/1: D", "posts/2: U", "posts/3: U", "posts/4: U", "posts/5: C"],
        ),
        // What fits is not doubtful: an upsert and MERGE do one thing to each id.
        (
            "",
            "MERGE INTO news_post p USING (VALUES (3, 'merged'), (4, 'gone'), (5, 'made')) s (id, title) ON p.id = s.id
             WHEN MATCHED AND s.title = 'gone' THEN DELETE
             WHEN MATCHED THEN UPDATE SET title = s.title
             WHEN NOT MATCHED THEN INSERT (id, user_id, title, body) VALUES (s.id, 1, s.title, '')",
            &["posts/3: U", "posts/4: D", "posts/5: C"],
        ),
    ];
    tracked.log("INSERT INTO news_post (id, user_id, title, body) VALUES (4, 1, 'four', 'b')");
    for (triggers, sql, expected) in cases {
        let mut log = logged(&mut tracked, triggers, sql);
        let mut expected: Vec<&str> = expected.to_vec();
        log.sort();
        expected.sort_unstable();
        assert_eq!(log, expected, "{sql}");
    }
}

#[test]
fn comments_are_tracked_in_the_same_way() {
    let mut tracked = Tracked::new();
    let after = |what: &str, body: &str| trigger(&format!("AFTER {what} ON news_comment FOR EACH ROW"), body);
    let insert = "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (31, 3, 'n', 'e', 'b')";
    let again = "INSERT INTO news_comment (id, post_id, name, email, body) VALUES (OLD.id, 3, 'again', 'e', 'b')";
    let delete = "DELETE FROM news_comment WHERE id = NEW.id";
    let cases: [(String, &str, &[&str]); 6] = [
        (after("INSERT", delete), insert, &["comments/31: D D?"]),
        (after("UPDATE", delete), "UPDATE news_comment SET body = 'new' WHERE id = 21", &["comments/21: D D?"]),
        (
            after("UPDATE", again),
            "UPDATE news_comment SET id = 22 WHERE id = 21",
            &["comments/21: C U?", "comments/22: C"],
        ),
        (after("DELETE", again), "DELETE FROM news_comment WHERE id = 21", &["comments/21: C U?"]),
        // So are those that a cascade deletes: to their triggers its statement is not the outermost one.
        (
            after("DELETE", again).replace("WHEN (pg_trigger_depth() = 0)", ""),
            "DELETE FROM news_post WHERE id = 2",
            &["comments/21: C U?", "posts/2: D"],
        ),
        // A comment without a post is a row, whatever else may be wrong with it.
        (
            String::from("ALTER TABLE news_comment ALTER post_id DROP NOT NULL"),
            "INSERT INTO news_comment (id, name, email, body) VALUES (31, 'n', 'e', 'b')",
            &["comments/31: C"],
        ),
    ];
    for (triggers, sql, expected) in cases {
        assert_eq!(logged(&mut tracked, &triggers, sql), expected, "{triggers} {sql}");
    }
}

/// A run orders a comment behind the post that the last event names.
#[test]
fn the_last_event_names_the_post_that_a_comment_belongs_to_now() {
    let mut tracked = Tracked::new();
    let moves = "UPDATE news_comment SET post_id = 3 WHERE id = NEW.id";
    let update = trigger("AFTER UPDATE ON news_comment FOR EACH ROW", moves);
    assert_eq!(
        tracked.log(&format!("{update} UPDATE news_comment SET post_id = 2 WHERE id = 11")),
        ["U comments/11 of 3", "U comments/11 of 3"]
    );
}

#[test]
fn a_change_that_the_collation_calls_equal_is_logged() {
    let mut tracked = Tracked::new();
    if !tracked.db.is_built_with("icu") {
        return;
    }
    // Language-neutral, and blind to case (PostgreSQL, "Collation Support").
    tracked.log(
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         ALTER TABLE news_post ALTER title TYPE varchar(256) COLLATE ci, ALTER body TYPE varchar(1024) COLLATE ci;
         ALTER TABLE news_comment ALTER name TYPE varchar(128) COLLATE ci, ALTER email TYPE varchar(128) COLLATE ci,
             ALTER body TYPE varchar(1024) COLLATE ci",
    );
    for column in ["title", "body"] {
        let sql = format!("UPDATE news_post SET {column} = upper({column}) WHERE id = 3");
        assert_eq!(tracked.log(&sql), ["U posts/3"], "{sql}");
        assert_eq!(tracked.log(&sql), [""; 0], "again: {sql}");
    }
    for column in ["name", "email", "body"] {
        let sql = format!("UPDATE news_comment SET {column} = upper({column}) WHERE id = 21");
        assert_eq!(tracked.log(&sql), ["U comments/21 of 2"], "{sql}");
        assert_eq!(tracked.log(&sql), [""; 0], "again: {sql}");
    }
}

/// A session keeps the plans that it made for the first rows of an empty table.
#[test]
fn a_bulk_load_after_a_single_row_reads_no_table_as_a_whole() {
    let mut tracked = Tracked::new();
    let empty = "TRUNCATE news_post, news_comment; ANALYZE news_post, news_comment";
    let each = |from: i32, to: i32| {
        format!(
            "INSERT INTO news_post (id, user_id, title, body) SELECT i, 1, 't', 'b' FROM generate_series({from}, {to}) i;
             INSERT INTO news_comment (id, post_id, name, email, body) SELECT i, i, 'n', 'e', 'b' FROM generate_series({from}, {to}) i;
             UPDATE news_comment SET name = 'm'; UPDATE news_post SET title = 'u';
             DELETE FROM news_comment; DELETE FROM news_post;"
        )
    };
    tracked.client.batch_execute(&format!("{empty}; BEGIN; {}", each(1, 1))).unwrap();
    let scans =
        "SELECT sum(seq_scan)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('news_post', 'news_comment')";
    let before: i64 = tracked.client.query_one(scans, &[]).unwrap().get(0);
    tracked.client.batch_execute(&each(1, 2000)).unwrap();
    let after: i64 = tracked.client.query_one(scans, &[]).unwrap().get(0);
    // Each of the statements above reads its table once; a scan for each row would come to thousands.
    assert!(after - before <= 20, "{} scans", after - before);
    let events: i64 =
        tracked.client.query_one("SELECT count(*) FROM news_modelevent WHERE doubt IS NULL", &[]).unwrap().get(0);
    assert!(events > 6 * 2000, "{events}");
    tracked.client.batch_execute("ROLLBACK").unwrap();
}
