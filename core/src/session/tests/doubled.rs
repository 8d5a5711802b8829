//! What the target has more than once: deleted until it is gone, and made again.

use alloc::collections::BTreeMap;

use super::*;
use Presence::{Doubled, Present, Unknown};

/// A target with so many records under each key.
fn target(copies: &[(&str, u32)]) -> impl FnMut(&Request, usize, Duration) -> Reply {
    let mut records: BTreeMap<Key, u32> = copies.iter().map(|(key, n)| (key.parse().unwrap(), *n)).collect();
    move |request, _, _| {
        let here = records.entry(request.key).or_default();
        match request.method {
            Method::Get | Method::Put | Method::Delete if *here == 0 => status(404),
            Method::Get | Method::Put => fine(request),
            Method::Delete => {
                *here -= 1;
                status(200)
            }
            Method::Post => {
                *here += 1;
                http(201, &wire::to_json(&JSON_SERVER, &object(request.key), None))
            }
        }
    }
}

#[test]
fn it_is_deleted_until_it_is_gone_and_its_comments_come_after_it() {
    let works = works(&[
        ("comments/1", Unknown, Wish::Present),
        ("posts/1", Doubled, Wish::Present),
        ("comments/2", Doubled, Wish::Absent),
        ("comments/3", Present, Wish::Present),
    ]);
    let played = scene(works).play(target(&[("posts/1", 2), ("comments/2", 2), ("comments/3", 1)]));
    // 404 is believed once `settle` has passed since the last DELETE.
    let clearing = ["DELETE posts/1", "GET posts/1", "DELETE posts/1", "GET posts/1", "GET posts/1"];
    assert_eq!(played.requests[..5], clearing);
    let creating =
        ["POST posts/1", "GET posts/1", "GET comments/1", "LIST comments", "POST comments/1", "GET comments/1"];
    assert_eq!(played.requests[5..11], creating);
    assert!(played.sent_at[5] >= played.sent_at[2] + SETTLE, "{:?}", played.sent_at);
    assert_eq!(played.requests[11], "PUT comments/3");
    let last = ["DELETE comments/2", "GET comments/2", "DELETE comments/2", "GET comments/2", "GET comments/2"];
    assert_eq!(played.requests[12..], last);
    assert_eq!(played.recorded(), ["comments/1 done", "comments/2 done", "comments/3 done", "posts/1 done"]);
    let posts = played.summary.done[&crate::model::Entity::Post];
    assert_eq!((posts.renew, posts.create, posts.delete), (1, 0, 0));
}

#[test]
fn the_first_goes_alone_and_the_next_one_where_it_cannot_be_deleted() {
    let mut keeps = target(&[("posts/1", 2), ("posts/2", 2), ("posts/3", 2)]);
    let works = many("posts", 1..=3, Doubled, Wish::Present);
    let played = scene(works).jobs(4).play(|request, times, now| match (request.key.id(), request.method) {
        (1, Method::Delete) => status(422),
        _ => keeps(request, times, now),
    });
    assert_eq!(played.recorded(), ["posts/1 Parked Doubled", "posts/2 done", "posts/3 done"]);
    assert!(played.first("POST posts/2") < played.first("DELETE posts/3"), "{:?}", played.requests);
}

#[test]
fn a_target_that_does_not_let_go_costs_its_object_alone() {
    let mut works = works(&[("posts/1", Doubled, Wish::Present), ("comments/1", Present, Wish::Present)]);
    works.extend(many("posts", 2..=3, Present, Wish::Present));
    let played = scene(works).play(|request, _, _| fine(request));
    assert_eq!(played.requests.iter().filter(|line| *line == "DELETE posts/1").count(), 100);
    let recorded = played.recorded();
    assert!(recorded.contains(&"posts/1 Parked Doubled".to_string()), "{recorded:?}");
    assert!(recorded.contains(&"posts/3 done".to_string()), "{recorded:?}");
    let why = played.facts.iter().find_map(|fact| match fact {
        Fact::Left { end: Left::Parked, why, .. } => Some(why.as_str()),
        Fact::Left { .. } | Fact::Done(..) => None,
    });
    assert!(why.unwrap().starts_with("it is still there, however often it is deleted"), "{why:?}");
}

#[test]
fn a_hundred_records_are_not_too_many() {
    let played = scene(works(&[("posts/1", Doubled, Wish::Present)])).play(target(&[("posts/1", 100)]));
    assert_eq!(played.recorded(), ["posts/1 done"]);
    assert_eq!(played.requests.iter().filter(|line| *line == "DELETE posts/1").count(), 100);
}

#[test]
fn interrupted_on_the_way_it_is_gone_on_with_by_the_next_run() {
    let mut scene = scene(works(&[("posts/1", Doubled, Wish::Present)]));
    scene.interrupt_after = Some(3);
    let played = scene.play(target(&[("posts/1", 2)]));
    assert_eq!(played.requests, ["DELETE posts/1", "GET posts/1", "DELETE posts/1"]);
    assert_eq!(played.recorded(), ["posts/1 Waiting Doubled"]);
}
