//! Row security: a part of the rows is not the master.

use crate::support::{News, Pair};

/// A role of this test alone that sees some rows, and its URL.
fn some_rows(pair: &Pair) -> (String, String) {
    let mut sql = pair.db.client();
    let name: String = sql.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let role = format!("policy_{name}");
    sql.batch_execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role};
         ALTER TABLE news_comment ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON news_comment TO {role} USING (post_id > 20);
         ALTER TABLE news_post ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON news_post TO {role} USING (id > 20)"
    ))
    .unwrap();
    let url = pair.db.url().replace("user=tester", &format!("user={role}"));
    (role, url)
}

#[test]
fn a_role_that_sees_some_rows_sends_and_compares_nothing() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'x' WHERE id IN (5, 50)");
    let (role, url) = some_rows(&pair);
    // What the URL says does not change it.
    for url in [url.clone(), format!("{url}&options=-crow_security%3Don")] {
        let news = News::with_url(&url).env("NEWS_TARGET_URL", pair.fake.url());
        for args in
            [&["sync"][..], &["sync", "--full"], &["sync", "--full", "--force"], &["diff"], &["status", "--check"]]
        {
            let refused = news.run(args).expect_code(8);
            assert!(refused.stderr.contains("policy"), "{args:?}: {}", refused.stderr);
            assert!(refused.stderr.contains("BYPASSRLS"), "{args:?}: {}", refused.stderr);
        }
        let doctor = news.run(["doctor"]).expect_code(8).stdout;
        assert!(doctor.contains(&format!("hides rows of news_post from role {role}")), "{doctor}");
    }
    let writes: Vec<String> = pair.sent().into_iter().filter(|request| !request.starts_with("GET ")).collect();
    assert_eq!(writes, [""; 0]);
    // As the owner all is as ever.
    pair.sync([]).ok();
    pair.diff(0);
    // Who sees each row may sync.
    pair.edit(&format!("UPDATE news_post SET title = 'y' WHERE id IN (5, 50); ALTER ROLE {role} BYPASSRLS"));
    News::with_url(&url).env("NEWS_TARGET_URL", pair.fake.url()).run(["sync"]).ok();
    pair.diff(0);
    pair.edit(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn force_row_level_security_is_named_by_migrate_and_doctor() {
    let mut pair = Pair::new([]);
    let name: String = pair.sql.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let role = format!("forced_{name}");
    pair.edit(&format!(
        "CREATE ROLE {role}; ALTER TABLE news_post OWNER TO {role};
         ALTER TABLE news_post ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    ));
    let said = "news_post has FORCE ROW LEVEL SECURITY";
    let refused = pair.news.run(["db", "migrate"]).expect_code(8);
    assert!(refused.stderr.contains(said) && refused.stderr.contains("NO FORCE"), "{}", refused.stderr);
    let doctor = pair.news.run(["doctor"]).expect_code(8).stdout;
    assert!(doctor.contains(said) && doctor.contains("NO FORCE"), "{doctor}");
    pair.edit("ALTER TABLE news_post NO FORCE ROW LEVEL SECURITY");
    pair.news.run(["db", "migrate"]).ok();
    pair.edit(&format!("ALTER TABLE news_post OWNER TO tester; DROP ROLE {role}"));
}
