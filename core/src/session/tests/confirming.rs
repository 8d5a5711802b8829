//! A 2xx that its own body contradicts.

use super::*;
use crate::profile::{Profile, Writes};
use crate::reply::Method;
use Presence::Present;

const DENIAL: &str = r#"{"success":false,"error":"read only"}"#;

#[test]
fn the_first_of_each_entity_is_read_back_and_the_others_are_counted() {
    let mut works = many("posts", 1..=4, Present, Wish::Present);
    works.extend(
        many("comments", 1..=2, Present, Wish::Present)
            .into_iter()
            .map(|work| Work { parent: PostId::new(9).ok(), ..work }),
    );
    let played = scene(works).play(|request, _, _| match request.method {
        Method::Put => http(200, DENIAL),
        Method::Get | Method::Post | Method::Delete => fine(request),
    });
    let gets: Vec<&String> = played.requests.iter().filter(|line| line.starts_with("GET")).collect();
    assert_eq!(gets, ["GET posts/1", "GET comments/1"]);
    let key = "posts/2".parse().unwrap();
    assert_eq!(played.warnings, [Warning::Unproven { count: 4, key }]);
    assert_eq!(played.recorded().len(), 6);
}

#[test]
fn what_was_not_done_is_refused() {
    let works = || many("posts", 1..=1, Present, Wish::Present);
    let other = |title: &str| http(200, &format!(r#"{{"id":1,"userId":1,"title":"{title}","body":"b"}}"#));
    for echo in [http(200, DENIAL), http(200, r#"{"id":2,"title":"t"}"#)] {
        let played = scene(works()).play(|request, _, _| match request.method {
            Method::Put => echo.clone(),
            Method::Get | Method::Post | Method::Delete => other("old"),
        });
        // It might be seen late: asked again after settle.
        assert_eq!(played.requests, ["PUT posts/1", "GET posts/1", "GET posts/1", "LIST"], "{echo:?}");
        assert!(played.sent_at[2] >= SETTLE);
        assert_eq!(played.recorded(), ["posts/1 Parked Unknown"], "{echo:?}");
        let Some(Fact::Left { why, .. }) = played.facts.first() else { panic!("{:?}", played.facts) };
        assert!(why.starts_with("status 200: {"), "{why}");
    }
    // A target that keeps texts in its own way is told of.
    let played = scene(works()).play(|_, _, _| other("T"));
    assert_eq!(played.warnings, [Warning::StoredDifferently("posts/1".parse().unwrap())]);
    assert_eq!(played.recorded(), ["posts/1 done"]);
    // What is not there at all is created.
    let played = scene(works()).play(|request, times, _| match (request.method, times) {
        (Method::Put, _) => http(200, DENIAL),
        (Method::Get, 1..=3) => status(404),
        _ => fine(request),
    });
    assert!(played.requests.contains(&"POST posts/1".to_string()), "{:?}", played.requests);
    assert_eq!(played.recorded(), ["posts/1 done"]);
}

#[test]
fn a_delete_that_was_not_done_is_refused() {
    let works = || many("posts", 1..=1, Present, Wish::Absent);
    let played = scene(works()).play(|request, _, _| match request.method {
        Method::Delete => http(200, DENIAL),
        Method::Get | Method::Post | Method::Put => fine(request),
    });
    assert_eq!(played.recorded(), ["posts/1 Parked Unknown"]);
    let played = scene(works()).play(|request, _, _| match request.method {
        Method::Delete => http(200, DENIAL),
        Method::Get | Method::Post | Method::Put => status(404),
    });
    assert_eq!(played.recorded(), ["posts/1 done"]);
}

#[test]
fn trouble_on_the_way_leaves_a_doubt() {
    let played = scene(many("posts", 1..=1, Present, Wish::Present)).play(|request, _, _| match request.method {
        Method::Put => http(200, DENIAL),
        Method::Get | Method::Post | Method::Delete => status(500),
    });
    assert_eq!(played.recorded(), ["posts/1 Waiting Unknown"]);
}

/// Updates of posts/1 to posts/3 at a target whose 2xx to an update proves nothing.
fn unproven(writes: Writes) -> Scene {
    let mut scene = scene(many("posts", 1..=3, Present, Wish::Present));
    scene.config.profile = alloc::boxed::Box::leak(alloc::boxed::Box::new(Profile { writes, ..JSON_SERVER.clone() }));
    scene
}

#[test]
fn an_update_that_has_to_be_shown_is_asked_for_where_it_is_not() {
    let silent = |request: &Request, _: usize, _: Duration| match request.method {
        Method::Put => http(204, ""),
        Method::Get | Method::Post | Method::Delete => fine(request),
    };
    let asked = ["PUT posts/1", "GET posts/1", "PUT posts/2", "GET posts/2", "PUT posts/3", "GET posts/3"];
    for writes in [Writes::Echoed, Writes::Read] {
        let played = unproven(writes).play(silent);
        assert_eq!(played.requests, asked, "{writes:?}");
        assert_eq!(played.recorded(), ["posts/1 done", "posts/2 done", "posts/3 done"]);
    }
    assert_eq!(unproven(Writes::Read).play(|request, _, _| fine(request)).requests, asked);
    let shown = unproven(Writes::Echoed).play(|request, _, _| fine(request));
    assert_eq!(shown.requests, ["PUT posts/1", "PUT posts/2", "PUT posts/3"]);
    let trusted = unproven(Writes::Trusted).play(silent);
    assert_eq!(trusted.requests, ["PUT posts/1", "PUT posts/2", "PUT posts/3"]);
}

#[test]
fn an_update_of_what_is_not_there_becomes_a_create_whatever_the_target_acknowledges() {
    let mut there = BTreeSet::new();
    let played = unproven(Writes::Echoed).play(|request, _, _| match request.method {
        Method::Put if there.contains(&request.key) || request.key.id() == 2 => fine(request),
        Method::Put => http(204, ""),
        Method::Get if there.contains(&request.key) => fine(request),
        Method::Get => status(404),
        Method::Post => {
            there.insert(request.key);
            fine(request)
        }
        Method::Delete => panic!("{request:?}"),
    });
    for (id, posts) in [(1, 1), (2, 0), (3, 1)] {
        let post = format!("POST posts/{id}");
        assert_eq!(played.requests.iter().filter(|line| **line == post).count(), posts, "{:?}", played.requests);
    }
    assert_eq!(played.recorded().len(), 3);
    assert!(played.recorded().iter().all(|line| line.ends_with("done")), "{:?}", played.recorded());
}
