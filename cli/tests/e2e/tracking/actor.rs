//! Who made a change.

use super::Tracked;

impl Tracked {
    /// Runs `sql` and returns who made each change that it logged.
    fn actors(&mut self, sql: &str) -> Vec<String> {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = self.client.query("SELECT actor FROM news_modelevent ORDER BY id", &[]).unwrap();
        self.client.batch_execute("DELETE FROM news_modelevent").unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[test]
fn an_event_names_the_role_and_the_application() {
    let mut tracked = Tracked::new();
    tracked.client.batch_execute("SET application_name = 'psql'").unwrap();
    for sql in [
        "INSERT INTO news_post (id, user_id, title, body) VALUES (4, 1, 'a', 'b')",
        "UPDATE news_post SET title = 'x' WHERE id = 2",
        "DELETE FROM news_comment WHERE id = 21",
        "TRUNCATE news_comment",
    ] {
        let actors = tracked.actors(sql);
        assert!(!actors.is_empty() && actors.iter().all(|actor| actor == "sql tester (psql)"), "{sql}: {actors:?}");
    }
    assert_eq!(tracked.actors("RESET application_name; UPDATE news_post SET title = 'y' WHERE id = 2"), ["sql tester"]);
}

/// The tracking functions run as their owner, who has made no change.
#[test]
fn an_event_names_the_role_that_the_session_has_taken() {
    let mut tracked = Tracked::new();
    let role = format!("actor_{}", std::process::id());
    let actors = tracked.actors(&format!(
        "CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; SET ROLE {role};
         UPDATE news_post SET title = 'x' WHERE id = 2; RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
    assert_eq!(actors, [format!("sql {role}")]);
}

#[test]
fn what_a_client_says_of_itself_is_bounded_and_has_no_control_characters() {
    let mut tracked = Tracked::new();
    let change = "UPDATE news_post SET title = title || '!' WHERE id = 2";
    let long = "x".repeat(1000);
    let actors = tracked.actors(&format!("SET application_name = '{long}'; {change}; RESET application_name"));
    assert_eq!(actors, [format!("sql tester ({})", &long[..63])]);
    let actors =
        tracked.actors(&format!("SET news.actor = E'ada\\n\\x1b[31m'; {change}; SET news.actor = ''; {change}"));
    assert_eq!(actors, ["api ada  [31m", "sql tester"]);
    let actors = tracked.actors(&format!("SET news.actor = '{}'; {change}", "é".repeat(1000)));
    assert_eq!(actors[0].chars().count(), 154);
}
