//! The change log as the database writes it, whoever makes the change: by SQL alone.

mod actor;
mod doubt;
mod policies;
mod shapes;

use std::thread;

use postgres::{Client, NoTls};

use super::support::{Db, psql};

/// A migrated database, with posts 1 to 3 and comments 11 to 13 on post 1, and 21 on post 2.
pub struct Tracked {
    pub client: Client,
    pub db: Db,
}

impl Tracked {
    fn new() -> Self {
        let db = Db::new();
        let mut client = db.client();
        client
            .batch_execute(
                "INSERT INTO news_post (id, user_id, title, body) SELECT i, 1, 'title ' || i, 'body' FROM generate_series(1, 3) i;
                 INSERT INTO news_comment (id, post_id, name, email, body)
                 VALUES (11, 1, 'n', 'e@x.org', 'b'), (12, 1, 'n', 'e@x.org', 'b'), (13, 1, 'n', 'e@x.org', 'b'),
                        (21, 2, 'n', 'e@x.org', 'b');
                 DELETE FROM news_modelevent;",
            )
            .unwrap();
        Self { client, db }
    }

    /// Runs `sql` and returns what it logged, sorted: `C posts/1`, `D comments/11 of 1`; with doubt `D? posts/1`.
    pub fn log(&mut self, sql: &str) -> Vec<String> {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        self.logged()
    }

    pub fn logged(&mut self) -> Vec<String> {
        let rows = self
            .client
            .query("DELETE FROM news_modelevent RETURNING entity_table, entity_pk, type, parent_pk, doubt", &[]);
        let mut lines: Vec<String> = rows
            .unwrap()
            .iter()
            .map(|row| {
                let (table, pk, kind): (&str, i64, &str) = (row.get(0), row.get(1), row.get(2));
                let parent = row.get::<_, Option<i64>>(3).map(|parent| format!(" of {parent}")).unwrap_or_default();
                let doubt = if row.get::<_, Option<bool>>(4) == Some(true) { "?" } else { "" };
                format!("{}{doubt} {}s/{pk}{parent}", &kind[..1], table.trim_start_matches("news_"))
            })
            .collect();
        lines.sort();
        lines
    }

    /// Runs `sql`, which must fail with `code`, and checks that it left no event.
    fn refused(&mut self, sql: &str, code: &str) {
        let error = self.client.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(postgres::error::SqlState::code), Some(code), "{sql}: {error:?}");
        self.client.batch_execute("ROLLBACK").unwrap();
        assert_eq!(self.logged(), [""; 0], "{sql}");
    }
}

#[test]
fn every_kind_of_change_is_logged_and_nothing_else() {
    let mut tracked = Tracked::new();
    let cases: [(&str, &[&str]); 24] = [
        // One row.
        ("INSERT INTO news_post (id, user_id, title, body) VALUES (4, 1, 't', 'b')", &["C posts/4"]),
        ("UPDATE news_post SET title = 'new' WHERE id = 4", &["U posts/4"]),
        ("DELETE FROM news_post WHERE id = 4", &["D posts/4"]),
        // Nothing changes, or nothing is there.
        ("UPDATE news_post SET title = title, body = body", &[]),
        ("UPDATE news_comment SET body = 'b'", &[]),
        ("UPDATE news_post SET title = 'x' WHERE id = 99", &[]),
        ("DELETE FROM news_comment WHERE false", &[]),
        // Many rows, of which some change.
        ("UPDATE news_comment SET name = CASE id WHEN 12 THEN 'other' ELSE name END", &["U comments/12 of 1"]),
        (
            "INSERT INTO news_comment (id, post_id, name, email, body) SELECT i, 3, '', '', '' FROM generate_series(31, 33) i",
            &["C comments/31 of 3", "C comments/32 of 3", "C comments/33 of 3"],
        ),
        // The post of a comment: the new one when it moves, the old one when it goes.
        ("UPDATE news_comment SET post_id = 2 WHERE id = 31", &["U comments/31 of 2"]),
        ("DELETE FROM news_comment WHERE id = 31", &["D comments/31 of 2"]),
        // A cascade.
        ("DELETE FROM news_post WHERE id = 3", &["D comments/32 of 3", "D comments/33 of 3", "D posts/3"]),
        // Ids: changed, moved on, swapped.
        ("UPDATE news_comment SET id = 22 WHERE id = 21", &["C comments/22 of 2", "D comments/21 of 2"]),
        ("UPDATE news_comment SET id = 11 + (id - 11 + 1) % 3 + 100 WHERE post_id = 1", &[
            "C comments/111 of 1",
            "C comments/112 of 1",
            "C comments/113 of 1",
            "D comments/11 of 1",
            "D comments/12 of 1",
            "D comments/13 of 1",
        ]),
        ("INSERT INTO news_post (id, user_id, title, body) VALUES (7, 1, 't', 'b'), (8, 1, 't', 'b')", &[
            "C posts/7",
            "C posts/8",
        ]),
        // Upserts.
        (
            "INSERT INTO news_post (id, user_id, title, body) VALUES (7, 1, 'upserted', 'b'), (9, 1, 't', 'b')
             ON CONFLICT (id) DO UPDATE SET title = excluded.title",
            &["C posts/9", "U posts/7"],
        ),
        ("INSERT INTO news_post (id, user_id, title, body) VALUES (7, 1, 'x', 'b') ON CONFLICT DO NOTHING", &[]),
        (
            "MERGE INTO news_post p USING (VALUES (7, 'merged'), (8, 'gone'), (10, 'made')) s (id, title) ON p.id = s.id
             WHEN MATCHED AND s.title = 'gone' THEN DELETE
             WHEN MATCHED THEN UPDATE SET title = s.title
             WHEN NOT MATCHED THEN INSERT (id, user_id, title, body) VALUES (s.id, 1, s.title, '')",
            &["C posts/10", "D posts/8", "U posts/7"],
        ),
        // COPY is an INSERT.
        ("COPY news_post (id, user_id, title, body) FROM PROGRAM 'printf \"20,1,t,b\\n\"' (FORMAT csv)", &["C posts/20"]),
        // Two changes in two statements are two events; what is rolled back is none.
        ("BEGIN; UPDATE news_post SET body = '1' WHERE id = 20; UPDATE news_post SET body = '2' WHERE id = 20; COMMIT", &[
            "U posts/20",
            "U posts/20",
        ]),
        ("BEGIN; DELETE FROM news_post; ROLLBACK", &[]),
        ("BEGIN; SAVEPOINT s; DELETE FROM news_post; ROLLBACK TO s; COMMIT", &[]),
        // No setting switches it off, a superuser's neither.
        ("SET session_replication_role = replica; UPDATE news_post SET body = 'r' WHERE id = 20; RESET session_replication_role", &[
            "U posts/20",
        ]),
        // Both tables, whole.
        ("TRUNCATE news_comment", &[
            "D comments/111 of 1",
            "D comments/112 of 1",
            "D comments/113 of 1",
            "D comments/22 of 2",
        ]),
    ];
    for (sql, expected) in cases {
        assert_eq!(tracked.log(sql), expected, "{sql}");
    }
}

#[test]
fn swapped_ids_are_updates_of_both() {
    let mut tracked = Tracked::new();
    // A plain primary key is checked row by row: three steps, and the log has them all.
    let sql = "BEGIN; UPDATE news_comment SET id = 99 WHERE id = 11; UPDATE news_comment SET id = 11, name = '12' WHERE id = 12;
               UPDATE news_comment SET id = 12, name = '11' WHERE id = 99; COMMIT";
    assert_eq!(
        tracked.log(sql),
        [
            "C comments/11 of 1",
            "C comments/12 of 1",
            "C comments/99 of 1",
            "D comments/11 of 1",
            "D comments/12 of 1",
            "D comments/99 of 1",
        ]
    );
    // With a deferrable one, one statement swaps: what each id holds has changed.
    let mut alike = Tracked::new();
    let deferrable = "ALTER TABLE news_comment DROP CONSTRAINT news_comment_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
                      UPDATE news_comment SET name = id::text";
    alike.log(deferrable);
    let swap = "UPDATE news_comment SET id = 11 + 12 - id WHERE id IN (11, 12)";
    assert_eq!(alike.log(swap), ["U comments/11 of 1", "U comments/12 of 1"]);
    // Equal but for the id, they swap without a trace: there is nothing to send.
    alike.log("UPDATE news_comment SET name = 'same'");
    assert_eq!(alike.log(swap), [""; 0]);
}

#[test]
fn truncate_is_logged_where_that_is_possible() {
    let mut tracked = Tracked::new();
    let refused = "0A000";
    tracked.refused("BEGIN ISOLATION LEVEL REPEATABLE READ; TRUNCATE news_comment", refused);
    tracked.refused("BEGIN ISOLATION LEVEL SERIALIZABLE; TRUNCATE news_post CASCADE", refused);
    tracked.refused("BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; TRUNCATE news_comment", refused);
    // Rows that were committed after the transaction began are seen.
    tracked.client.batch_execute("BEGIN; SELECT count(*) FROM news_comment").unwrap();
    let other = "INSERT INTO news_post (id, user_id, title, body) VALUES (5, 1, 't', 'b')";
    tracked.db.client().batch_execute(other).unwrap();
    let logged = tracked.log("TRUNCATE news_post RESTART IDENTITY CASCADE; COMMIT");
    let expected = [
        "C posts/5",
        "D comments/11 of 1",
        "D comments/12 of 1",
        "D comments/13 of 1",
        "D comments/21 of 2",
        "D posts/1",
        "D posts/2",
        "D posts/3",
        "D posts/5",
    ];
    assert_eq!(logged, expected);
    assert_eq!(tracked.log("TRUNCATE news_post, news_comment"), [""; 0]);
}

/// One statement that deletes and inserts one id: whatever the order of the two events,
/// the last one must tell that the object is there.
#[test]
fn a_row_replaced_by_one_statement_ends_present() {
    let mut tracked = Tracked::new();
    let by_id = "WITH gone AS (DELETE FROM news_comment WHERE id = 11 RETURNING *)
        INSERT INTO news_comment (id, post_id, name, email, body) SELECT id, post_id, 'again', email, body FROM gone";
    tracked.client.batch_execute(by_id).unwrap();
    let types = "SELECT string_agg(type, ' ' ORDER BY id) FROM news_modelevent";
    let types: String = tracked.client.query_one(types, &[]).unwrap().get(0);
    // The first one tells that it was there before, the last one that it is there now.
    assert_eq!(types, "UPDATED CREATED");
    tracked.client.batch_execute("DELETE FROM news_comment").unwrap();
    tracked.logged();
    let deferrable = "ALTER TABLE news_comment DROP CONSTRAINT news_comment_post_id_fkey;
                      ALTER TABLE news_post DROP CONSTRAINT news_post_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED";
    tracked.client.batch_execute(deferrable).unwrap();
    let replaces = [
        "WITH gone AS (DELETE FROM news_post WHERE id = 1 RETURNING *)
         INSERT INTO news_post (id, user_id, title, body) SELECT id, user_id, 'again', body FROM gone",
        "WITH made AS (INSERT INTO news_post (id, user_id, title, body) VALUES (1, 1, 'thrice', 'b') RETURNING id)
         DELETE FROM news_post WHERE id = 1",
    ];
    for sql in replaces {
        tracked.client.batch_execute(sql).unwrap();
        let last = "SELECT type FROM news_modelevent WHERE entity_pk = 1 ORDER BY id DESC LIMIT 1";
        let last: String = tracked.client.query_one(last, &[]).unwrap().get(0);
        assert_ne!(last, "DELETED", "{sql}: {:?}", tracked.logged());
        let there: i64 = tracked.client.query_one("SELECT count(*) FROM news_post WHERE id = 1", &[]).unwrap().get(0);
        assert_eq!(there, 1, "{sql}");
        tracked.logged();
    }
}

#[test]
fn a_role_that_may_not_touch_the_log_is_tracked_and_cannot_switch_it_off() {
    let mut tracked = Tracked::new();
    // Roles are the cluster's, not the database's: one of this test alone.
    tracked
        .client
        .batch_execute(
            "DROP ROLE IF EXISTS e2e_writer; CREATE ROLE e2e_writer;
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON news_post, news_comment TO e2e_writer;
             GRANT TEMPORARY ON DATABASE template1 TO e2e_writer;
             SET ROLE e2e_writer",
        )
        .unwrap();
    let insert = "INSERT INTO news_post (id, user_id, title, body) VALUES (50, 1, 't', 'b')";
    tracked.client.batch_execute(insert).unwrap();
    for (sql, code) in [
        ("SELECT FROM news_modelevent", "42501"),
        ("DELETE FROM news_modelevent", "42501"),
        ("SET session_replication_role = replica", "42501"),
        ("ALTER TABLE news_post DISABLE TRIGGER ALL", "42501"),
        ("SELECT news_track_post()", "42501"),
        (
            "CREATE TEMP TABLE bait (LIKE news_post); CREATE TRIGGER t AFTER INSERT ON bait EXECUTE FUNCTION news_track_post()",
            "42501",
        ),
    ] {
        let error = tracked.client.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(postgres::error::SqlState::code), Some(code), "{sql}: {error:?}");
    }
    // Names that would come first on the caller's search path.
    tracked
        .client
        .batch_execute(
            "CREATE TEMP TABLE news_modelevent (entity_table text, entity_pk bigint, type text, parent_pk bigint);
             CREATE TEMP TABLE news_post (id bigint, user_id bigint, title text, body text);
             CREATE FUNCTION pg_temp.coalesce_(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0';
             SET search_path = pg_temp, public;
             UPDATE public.news_post SET title = 'u' WHERE id = 50;
             DELETE FROM public.news_post WHERE id = 50;",
        )
        .unwrap();
    tracked.client.batch_execute("TRUNCATE public.news_comment").unwrap();
    assert_eq!(tracked.client.query("SELECT FROM news_modelevent", &[]).unwrap().len(), 0, "the bait is not taken");
    tracked
        .client
        .batch_execute("RESET ROLE; DROP TABLE pg_temp.news_modelevent, pg_temp.news_post; RESET search_path")
        .unwrap();
    let logged = tracked.logged();
    assert_eq!(&logged[..3], ["C posts/50", "D comments/11 of 1", "D comments/12 of 1"]);
    assert_eq!(&logged[5..], ["D posts/50", "U posts/50"], "{logged:?}");
    tracked.client.batch_execute("DROP OWNED BY e2e_writer; DROP ROLE e2e_writer").unwrap();
}

/// Who may make functions in our schema must not get the triggers to call them as their owner.
#[test]
fn operators_of_a_stranger_are_not_called() {
    let mut tracked = Tracked::new();
    tracked
        .client
        .batch_execute(
            "CREATE FUNCTION spy(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'called as %', current_user; END $$;
             CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = spy);
             CREATE OPERATOR <> (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = spy);",
        )
        .unwrap();
    assert_eq!(tracked.log("UPDATE news_post SET title = 'u' WHERE id = 3"), ["U posts/3"]);
    assert_eq!(tracked.log("UPDATE news_comment SET name = 'u' WHERE id = 21"), ["U comments/21 of 2"]);
    assert_eq!(tracked.log("DELETE FROM news_comment WHERE id = 21; TRUNCATE news_comment").len(), 4);
}

/// Per object, the ids of the log follow the order of the commits: each writer notes, in its own
/// transaction and under the row's lock, which version of the row it wrote.
#[test]
fn ids_follow_commit_order_under_forty_writers() {
    const WRITERS: usize = 40;
    const UPDATES: usize = 25;
    let mut tracked = Tracked::new();
    let url = tracked.db.url();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let url = &url;
            scope.spawn(move || {
                let mut client = Client::connect(url, NoTls).unwrap();
                for i in 0..UPDATES {
                    let id = 1 + (writer + i) % 3;
                    // The row counts its own versions; the log's row that the trigger makes gets that number.
                    let sql = format!(
                        "BEGIN; UPDATE news_post SET user_id = user_id + 1 WHERE id = {id};
                         UPDATE news_modelevent SET parent_pk = (SELECT user_id FROM news_post WHERE id = {id})
                         WHERE id = (SELECT max(id) FROM news_modelevent
                                     WHERE entity_pk = {id} AND xmin = pg_current_xact_id()::xid); COMMIT"
                    );
                    client.batch_execute(&sql).unwrap();
                }
            });
        }
    });
    let query = "SELECT count(*), count(*) FILTER (WHERE parent_pk <= before)
                 FROM (SELECT parent_pk, lag(parent_pk) OVER (PARTITION BY entity_pk ORDER BY id) AS before
                       FROM news_modelevent) log";
    let row = tracked.client.query_one(query, &[]).unwrap();
    let (events, inversions): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!((usize::try_from(events).unwrap(), inversions), (WRITERS * UPDATES, 0));
}

#[test]
fn ids_are_exact_in_json_and_sequences_are_owned() {
    let mut tracked = Tracked::new();
    for id in ["0", "-1", "9007199254740992"] {
        tracked.refused(&format!("INSERT INTO news_post (id, user_id, title, body) VALUES ({id}, 1, '', '')"), "23514");
    }
    for table in ["news_post", "news_comment", "news_modelevent"] {
        let query = "SELECT pg_get_serial_sequence($1, 'id') IS NOT NULL";
        assert!(tracked.client.query_one(query, &[&table]).unwrap().get::<_, bool>(0), "{table}");
    }
    let missing = "SELECT column_name::text FROM information_schema.columns
                   WHERE table_name = 'news_modelevent' AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
                   ORDER BY ordinal_position";
    let names: Vec<String> = tracked.client.query(missing, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["entity_table", "entity_pk", "type"], "what others insert into the log");
}

#[test]
fn rows_with_ids_of_their_own_may_be_put_in_by_anybody() {
    let db = Db::new();
    let seed = "BEGIN; TRUNCATE news_modelevent, news_comment, news_post RESTART IDENTITY;
        INSERT INTO news_post (id, user_id, title, body) SELECT i, 1, 't', 'b' FROM generate_series(1, 100) i;
        INSERT INTO news_comment (id, post_id, name, email, body) SELECT i, 1 + i % 100, 'n', 'e', 'b' FROM generate_series(1, 500) i;
        SELECT setval(pg_get_serial_sequence('news_post', 'id'), (SELECT max(id) FROM news_post));
        SELECT setval(pg_get_serial_sequence('news_comment', 'id'), (SELECT max(id) FROM news_comment));
        COMMIT; ANALYZE news_post; ANALYZE news_comment;";
    psql(&db, seed);
    psql(&db, seed);
    let mut client = db.client();
    let next = "INSERT INTO news_post (user_id, title, body) VALUES (1, '', '') RETURNING id";
    assert_eq!(client.query_one(next, &[]).unwrap().get::<_, i64>(0), 101);
    let events = "SELECT count(*), count(*) FILTER (WHERE type = 'CREATED') FROM news_modelevent";
    let row = client.query_one(events, &[]).unwrap();
    assert_eq!(row.get::<_, i64>(1), 601, "of {} events", row.get::<_, i64>(0));
}
