//! `news db prune`.

use super::support::{Db, News};

/// A log of `n` events each of: synced 40 days ago, synced 20 days ago, logged 40 days ago and not synced.
fn fill(db: &Db, n: i32) {
    db.client()
        .batch_execute(&format!(
            "INSERT INTO news_modelevent (entity_table, entity_pk, type, logged_at, synced_at)
             SELECT 'news_post', i, 'UPDATED', now() - interval '40 days',
                    CASE mod(i, 3) WHEN 0 THEN now() - interval '40 days' WHEN 1 THEN now() - interval '20 days' END
             FROM generate_series(0, {n} * 3 - 1) i"
        ))
        .unwrap();
}

fn number(db: &Db, sql: &str) -> i64 {
    db.client().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn prune_deletes_old_synced_events_in_batches_and_nothing_else() {
    let db = Db::new();
    let news = News::on(&db);
    fill(&db, 250);
    let report = news.run(["--json", "db", "prune", "--older-than", "30d", "--batch", "100"]).ok().json();
    assert_eq!((&report["deleted"], &report["kept"], &report["batches"]), (&250.into(), &500.into(), &8.into()));
    assert_eq!(number(&db, "SELECT count(*) FROM news_modelevent"), 500);
    assert_eq!(number(&db, "SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL"), 250);
    let again = news.run(["--json", "db", "prune", "--older-than", "30d"]).ok().json();
    assert_eq!((&again["deleted"], &again["kept"]), (&0.into(), &500.into()));
    let all = news.run(["db", "prune", "--older-than", "0"]).ok();
    assert!(all.stdout.contains("250 events deleted"), "{}", all.stdout);
    assert_eq!(number(&db, "SELECT count(*) FROM news_modelevent WHERE synced_at IS NOT NULL"), 0);
}

#[test]
fn ids_go_on_after_everything_was_pruned() {
    let db = Db::new();
    let news = News::on(&db);
    fill(&db, 10);
    db.client().batch_execute("UPDATE news_modelevent SET synced_at = logged_at").unwrap();
    let last = number(&db, "SELECT max(id) FROM news_modelevent");
    news.run(["db", "prune", "--older-than", "30d"]).ok();
    assert_eq!(number(&db, "SELECT count(*) FROM news_modelevent"), 0);
    db.client().batch_execute("INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b')").unwrap();
    assert_eq!(number(&db, "SELECT min(id) FROM news_modelevent"), last + 1);
}

#[test]
fn prune_waits_for_no_run() {
    let db = Db::new();
    let news = News::on(&db);
    fill(&db, 10);
    // What a run holds.
    let mut holder = db.client();
    holder.batch_execute("SELECT pg_advisory_lock(1852143475, 0)").unwrap();
    news.run(["db", "prune", "--older-than", "30d"]).ok();
    assert_eq!(number(&db, "SELECT count(*) FROM news_modelevent"), 20);
}

#[test]
fn prune_has_to_be_told_how_old() {
    let db = Db::new();
    let news = News::on(&db);
    news.run(["db", "prune"]).expect_code(2);
    news.run(["db", "prune", "--older-than", "soon"]).expect_code(2);
    // Longer than there is time.
    news.run(["db", "prune", "--older-than", "200000000d"]).ok();
}

#[test]
fn prune_deletes_the_history_of_that_time_as_well() {
    let db = Db::new();
    let news = News::on(&db);
    let history = "INSERT INTO news_sync_sent (run_id, entity_table, entity_pk, came_to, at)
                   SELECT i / 10, 'news_post', i, 'updated', now() - i * interval '1 day' FROM generate_series(1, 60) i;
                   INSERT INTO news_sync_act (at, what, who, via, keys)
                   SELECT now() - i * interval '1 day', 'retried', 'ada@h', 'command', '{posts/5}' FROM generate_series(1, 60) i";
    db.client().batch_execute(history).unwrap();
    let report = news.run(["--json", "db", "prune", "--older-than", "30d", "--batch", "7"]).ok().json();
    assert_eq!((&report["sent"], &report["acts"]), (&31.into(), &31.into()), "{report}");
    for table in ["news_sync_sent", "news_sync_act"] {
        assert_eq!(number(&db, &format!("SELECT count(*) FROM {table} WHERE at > now() - interval '30 days'")), 29);
        assert_eq!(number(&db, &format!("SELECT count(*) FROM {table}")), 29, "{table}");
    }
}
