//! A 2xx that its own body contradicts.

use super::*;
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
