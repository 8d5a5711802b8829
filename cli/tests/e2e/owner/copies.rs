//! A copy of the database does not write to the target of its original.

use postgres::{Client, NoTls};

use crate::support::{News, Pair, wait_until};

/// Copies the pair's database within the server. Returns the URL of the copy.
fn copy(pair: &Pair) -> String {
    let url = pair.db.url();
    let name = url.split("///").nth(1).unwrap().split('?').next().unwrap().to_owned();
    let mut admin = Client::connect(&url.replace(&format!("/{name}?"), "/postgres?"), NoTls).unwrap();
    // A database with a session in it is no template.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    admin.query(end, &[&name]).unwrap();
    let create = format!("CREATE DATABASE {name}_copy TEMPLATE {name}");
    wait_until("the database is copied", || admin.batch_execute(&create).is_ok());
    url.replace(&format!("/{name}?"), &format!("/{name}_copy?"))
}

fn writes(pair: &mut Pair) -> Vec<String> {
    pair.sent().into_iter().filter(|request| !request.starts_with("GET ")).collect()
}

#[test]
fn a_copy_sends_nothing_until_its_target_is_named() {
    let mut pair = Pair::new([]);
    let url = copy(&pair);
    let mut sql = Client::connect(&url, NoTls).unwrap();
    sql.batch_execute("DELETE FROM news_post WHERE id <= 20").unwrap();
    let copy = News::with_url(&url);
    for args in [&["sync"][..], &["sync", "--dry-run"], &["sync", "--full"], &["sync", "--full", "--force"], &["diff"]]
    {
        let refused = copy.run(args).expect_code(4);
        let said =
            format!("this database may be a copy of the one that followed {}: it is another database", pair.fake.url());
        assert!(refused.stderr.contains(&said), "{args:?}: {}", refused.stderr);
        let line = format!("type once: news --target-url {} sync", pair.fake.url());
        assert!(
            refused.stderr.contains("an upgrade or a restore") && refused.stderr.contains(&line),
            "{}",
            refused.stderr
        );
    }
    let status = copy.run(["--json", "status"]).ok().json();
    assert_eq!(status["target"], serde_json::Value::Null);
    assert!(status["warnings"][0].as_str().unwrap().contains("may be a copy"), "{status}");
    assert!(copy.run(["doctor"]).stdout.contains("fail  target         this database may be a copy"));
    assert_eq!(writes(&mut pair), [""; 0]);
    // The original goes on as ever; it does so without a name.
    let original = News::on(&pair.db);
    pair.sql = pair.db.client();
    pair.edit("UPDATE news_post SET title = 'x' WHERE id = 50");
    original.run(["sync"]).ok();
    assert_eq!(writes(&mut pair), ["PUT /posts/50 200"]);
    // With another target it may do as it likes, and goes on with that.
    let other = Pair::new([]);
    copy.run(["--target-url", other.fake.url(), "sync"]).ok();
    sql.batch_execute("UPDATE news_post SET title = 'y' WHERE id = 60").unwrap();
    copy.run(["sync"]).ok();
    assert_eq!(writes(&mut pair), [""; 0]);
}

/// An upgrade by dump and restore gives another identity: the line of the hint is enough, also if nothing is to be sent.
#[test]
fn who_takes_the_originals_place_names_the_target_once() {
    let mut pair = Pair::new([]);
    for identity in ["7/5", "?/5"] {
        pair.edit(&format!("UPDATE news_sync_state SET target_identity = '{identity}'"));
        let unnamed = News::on(&pair.db);
        let refused = unnamed.run(["sync"]).expect_code(4);
        let changed = if identity == "7/5" { "it is in another server" } else { "it is another database" };
        assert!(refused.stderr.contains(changed) && refused.stderr.contains(identity), "{}", refused.stderr);
        pair.sync([]).ok();
        unnamed.run(["sync"]).ok();
    }
    // Where the system identifier could not be read then, the same database is recognised by its oid.
    pair.edit("UPDATE news_sync_state SET target_identity = regexp_replace(news_identity(), '^[^/]+', '?')");
    News::on(&pair.db).run(["sync"]).ok();
}
