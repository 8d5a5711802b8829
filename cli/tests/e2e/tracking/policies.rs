//! Row security: a policy decides which rows a role may see, and never what is tracked.

use super::Tracked;

/// Roles belong to the cluster: these have the test's name in theirs.
#[test]
fn rows_that_a_policy_hides_from_the_writer_are_tracked() {
    let mut tracked = Tracked::new();
    tracked
        .client
        .batch_execute(
            "DROP ROLE IF EXISTS e2e_policies_writer; CREATE ROLE e2e_policies_writer;
             GRANT SELECT, INSERT, UPDATE, DELETE ON news_post, news_comment TO e2e_policies_writer;
             ALTER TABLE news_post ENABLE ROW LEVEL SECURITY; ALTER TABLE news_comment ENABLE ROW LEVEL SECURITY;
             CREATE POLICY all_of ON news_post TO e2e_policies_writer USING (id > 2) WITH CHECK (true);
             CREATE POLICY all_of ON news_comment TO e2e_policies_writer USING (false) WITH CHECK (true);
             SET ROLE e2e_policies_writer",
        )
        .unwrap();
    // The new row is hidden from its writer at once, and exists all the same.
    let insert = "INSERT INTO news_post (id, user_id, title, body) VALUES (1000, 1, 't', 'b');
                  UPDATE news_post SET id = 999 WHERE id = 3; DELETE FROM news_post WHERE id = 999; RESET ROLE";
    assert_eq!(tracked.log(insert), ["C posts/1000", "C posts/999", "D posts/3", "D posts/999"]);
    let hidden = "SET ROLE e2e_policies_writer;
                  INSERT INTO news_comment (id, post_id, name, email, body) VALUES (31, 1000, 'n', 'e', 'b');
                  DELETE FROM news_post WHERE id = 1000; RESET ROLE";
    assert_eq!(tracked.log(hidden), ["C comments/31 of 1000", "D comments/31 of 1000", "D posts/1000"]);
    tracked.client.batch_execute("DROP OWNED BY e2e_policies_writer; DROP ROLE e2e_policies_writer").unwrap();
}

/// With FORCE, policies hide rows from the tables' owner, too, and so from the triggers: better no change than one
/// that is logged wrongly.
#[test]
fn a_change_whose_tracking_a_policy_would_falsify_is_refused() {
    let mut tracked = Tracked::new();
    tracked
        .client
        .batch_execute(
            "DROP ROLE IF EXISTS e2e_policies_owner; CREATE ROLE e2e_policies_owner;
             ALTER TABLE news_post OWNER TO e2e_policies_owner; GRANT INSERT ON news_modelevent TO e2e_policies_owner;
             GRANT SELECT, INSERT, UPDATE, DELETE ON news_post_count TO e2e_policies_owner;
             ALTER FUNCTION news_track_post() OWNER TO e2e_policies_owner; ALTER FUNCTION news_count_post() OWNER TO e2e_policies_owner;
             GRANT EXECUTE ON FUNCTION news_post_count_add(bigint, bigint) TO e2e_policies_owner;
             ALTER TABLE news_post ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY some_of ON news_post USING (id > 2)",
        )
        .unwrap();
    for change in ["UPDATE news_post SET title = 'new' WHERE id = 3", "DELETE FROM news_post WHERE id = 3"] {
        tracked.refused(&format!("BEGIN; {change}"), "42501");
    }
    tracked.client.batch_execute("ALTER TABLE news_post NO FORCE ROW LEVEL SECURITY").unwrap();
    assert_eq!(tracked.log("UPDATE news_post SET title = 'new' WHERE id = 3"), ["U posts/3"]);
    tracked
        .client
        .batch_execute("REASSIGN OWNED BY e2e_policies_owner TO tester; DROP OWNED BY e2e_policies_owner; DROP ROLE e2e_policies_owner")
        .unwrap();
}
