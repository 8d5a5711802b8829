//! Objects on hold: known when the run was planned, or found when they are prepared.

use super::*;
use Presence::{Absent, Present};

fn on_hold(mut works: Vec<Work>, key: &str) -> Vec<Work> {
    for work in works.iter_mut().filter(|work| work.key.to_string() == key) {
        work.standing = Standing::OnHold;
    }
    works
}

/// Plays the scene twice: with the hold in the plan, and with one that came after it.
fn play(lines: &[(&str, Presence, Wish)], key: &str) -> [Played; 2] {
    let mut later = scene(works(lines));
    later.loaded.push((key.parse().unwrap(), Loaded::OnHold));
    [scene(on_hold(works(lines), key)), later].map(|scene| scene.play(|request, _, _| fine(request)))
}

#[test]
fn nothing_is_sent_for_an_object_on_hold_and_nothing_recorded_of_it() {
    for (before, after) in [(Absent, Wish::Present), (Present, Wish::Present), (Present, Wish::Absent)] {
        for played in play(&[("posts/1", before, after), ("posts/2", Present, Wish::Present)], "posts/1") {
            assert!(played.requests.iter().all(|line| line == "PUT posts/2"), "{:?}", played.requests);
            assert_eq!(played.recorded(), ["posts/2 done"]);
            assert_eq!(played.summary.on_hold, ["posts/1".parse().unwrap()].into_iter().collect());
        }
    }
    // Created and deleted since: its events stay, too.
    let [played, _] = play(&[("posts/1", Absent, Wish::Absent)], "posts/1");
    assert_eq!((played.recorded().len(), played.summary.on_hold.len()), (0, 1));
}

#[test]
fn comments_wait_for_a_post_on_hold_that_is_not_at_the_target() {
    for (before, comment) in [(Absent, "comments/7 Held Absent"), (Present, "comments/7 done")] {
        for played in play(&[("posts/1", before, Wish::Present), ("comments/7", Absent, Wish::Present)], "posts/1") {
            assert_eq!(played.recorded(), [comment]);
            assert!(!played.requests.iter().any(|line| line.ends_with("posts/1")), "{:?}", played.requests);
        }
    }
}

#[test]
fn a_posts_delete_waits_for_a_comment_on_hold() {
    let lines = [
        ("comments/7", Present, Wish::Absent),
        ("comments/8", Present, Wish::Absent),
        ("posts/1", Present, Wish::Absent),
    ];
    for played in play(&lines, "comments/7") {
        assert_eq!(played.recorded(), ["comments/8 done", "posts/1 Held Present"]);
        assert_eq!(played.requests, ["DELETE comments/8"]);
    }
}

#[test]
fn a_create_that_is_put_on_hold_is_not_asked_for_first() {
    let mut scene = scene(works(&[("posts/1", Absent, Wish::Present), ("posts/2", Absent, Wish::Present)]));
    scene.asks_first = true;
    scene.loaded.push(("posts/1".parse().unwrap(), Loaded::OnHold));
    let played = scene.play(|request, _, _| match request.method {
        Method::Get => status(404),
        Method::Post | Method::Put | Method::Delete => fine(request),
    });
    assert!(!played.requests.iter().any(|line| line.ends_with("posts/1")), "{:?}", played.requests);
}
