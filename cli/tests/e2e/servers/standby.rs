//! A synchronous standby is unavailable: commits wait for it.

use rustix::process::Signal;

use crate::support::{News, OwnPg, wait_until};

#[test]
fn a_user_command_ends_although_its_commit_waits_and_says_what_is_unknown() {
    let server = OwnPg::start(|_| {});
    let news = News::with_url(&server.url());
    news.run(["db", "migrate"]).ok();
    news.run_with(["user", "add", "ada"], "lovelace\n").ok();
    let mut client = server.client();
    server.set_synchronous_standbys("nobody");
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')";
    let running = news.spawn(["user", "remove", "ada"]);
    wait_until("the commit waits", || client.query_one(waiting, &[]).unwrap().get(0));
    running.signal(Signal::TERM);
    let ended = running.wait().expect_code(143);
    assert_eq!(ended.stdout, "");
    let said = "news: terminated, while a commit did not return\nhint: Bring the synchronous standby back: ";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    // As the hint says.
    let is_there = || news.run(["user", "list"]).ok().stdout.contains("ada");
    assert!(is_there());
    server.set_synchronous_standbys("");
    wait_until("the change is seen", || !is_there());
}

#[test]
fn the_schema_and_old_events_do_not_wait_for_a_standby() {
    let server = OwnPg::start(|_| {});
    server.set_synchronous_standbys("nobody");
    let news = News::with_url(&server.url());
    news.run(["db", "migrate"]).ok();
    let changes = "SET synchronous_commit = off; INSERT INTO news_post (user_id, title, body) VALUES (1, 't', 'b');
                   UPDATE news_modelevent SET synced_at = logged_at";
    server.client().batch_execute(changes).unwrap();
    let pruned = news.run(["db", "prune", "--older-than", "0s"]).ok();
    assert!(pruned.stdout.starts_with("1 event deleted"), "{}", pruned.stdout);
}
