//! A primary dies under load, its standby takes over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{SECRET, serve};
use crate::support::{Fake, News, OwnPg, wait_until};

#[test]
fn a_failover_loses_no_acknowledged_write_and_nothing_of_ours_is_restarted() {
    let primary = OwnPg::start(|_| {});
    News::with_url(&primary.url()).run(["db", "migrate"]).ok();
    let standby = OwnPg::standby_of(&primary);
    // Only here: whoever takes over waits for nobody.
    primary.set_synchronous_standbys("*");
    let mut sql = primary.client();
    wait_until("the standby is synchronous", || {
        let query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        sql.query_one(query, &[]).unwrap().get::<_, i64>(0) == 1
    });
    drop(sql);

    let (first, second) = (primary.port(), standby.port());
    let nothing = standby.folder().join("nothing.json");
    std::fs::write(&nothing, r#"{"posts":[],"comments":[]}"#).unwrap();
    let fake = Fake::start([std::ffi::OsStr::new("--data"), nothing.as_os_str()]);
    let news = News::with_url(&format!("postgresql://tester@127.0.0.1:{first},127.0.0.1:{second}/postgres"))
        .env("NEWS_JWT_SECRET", SECRET)
        .env("NEWS_TARGET_URL", fake.url());
    let (service, http) = serve(&news);
    let follower = news.spawn(["sync", "--follow"]);

    let (acknowledged, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let made = || acknowledged.lock().unwrap().len();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (http, acknowledged, is_over) = (http.clone(), &acknowledged, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = http.send("POST", "/news/posts/", r#"{"title":"t","body":"b"}"#);
                    match answer.status {
                        201 => acknowledged.lock().unwrap().push(answer.json()["id"].as_i64().unwrap()),
                        // Sent again later, or perhaps made already.
                        503 | 504 => {}
                        other => panic!("{other}: {}", answer.text),
                    }
                }
            });
        }
        wait_until("posts are made", || made() > 100);
        primary.crash();
        standby.promote();
        let before = made();
        wait_until("posts are made after the failover", || made() > before + 100);
        is_over.store(true, Ordering::Relaxed);
    });

    let acknowledged = acknowledged.into_inner().unwrap();
    let mut sql = standby.client();
    let query = "SELECT count(*) FROM unnest($1::bigint[]) AS made(id)
                 WHERE EXISTS (SELECT FROM news_post p WHERE p.id = made.id)
                   AND EXISTS (SELECT FROM news_modelevent e WHERE e.entity_pk = made.id AND e.type = 'CREATED')";
    let kept: i64 = sql.query_one(query, &[&acknowledged]).unwrap().get(0);
    assert_eq!(usize::try_from(kept).unwrap(), acknowledged.len(), "each acknowledged post is there, with its event");
    wait_until("the follower has sent everything", || {
        sql.query_one("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL", &[]).unwrap().get::<_, i64>(0)
            == 0
    });
    news.run(["diff"]).ok();
    drop((service, follower));
}
