//! Asking before the first write: is what is to be created there already?

use super::*;
use Presence::{Absent, Present};

/// Creates of posts with these ids, asked for as in a real run.
fn creates(ids: core::ops::RangeInclusive<u32>) -> Scene {
    let mut scene = scene(many("posts", ids, Absent, Wish::Present));
    scene.asks_first = true;
    scene
}

#[test]
fn the_lowest_the_middle_and_the_highest_of_each_entity_are_asked_for() {
    let mut scene = creates(1..=9);
    scene.works.extend(works(&[("comments/4", Absent, Wish::Present), ("posts/20", Present, Wish::Present)]));
    let played = scene.play(|request, times, _| {
        if request.method == Method::Get && times == 1 && is_asked(request) { status(404) } else { fine(request) }
    });
    assert_eq!(played.requests[..4], ["GET posts/1", "GET posts/5", "GET posts/9", "GET comments/4"]);
    assert_eq!(played.requests[4], "POST posts/1");
    assert_eq!((played.recorded().len(), played.summary.is_log_trusted), (11, true));
}

fn is_asked(request: &Request) -> bool {
    ["posts/1", "posts/5", "posts/9", "comments/4"].contains(&request.key.to_string().as_str())
}

#[test]
fn one_create_costs_three_requests() {
    let played = creates(7..=7).play(|request, times, _| match (request.method, times) {
        (Method::Get, 1) => status(404),
        _ => fine(request),
    });
    assert_eq!(played.requests, ["GET posts/7", "POST posts/7", "GET posts/7"]);
}

#[test]
fn a_hit_stops_the_run_for_a_new_plan_before_anything_is_written() {
    let played = creates(1..=4).play(|request, _, _| match request.key.id() {
        2 => fine(request),
        _ => status(404),
    });
    assert_eq!(played.requests, ["GET posts/1", "GET posts/2", "GET posts/4"]);
    assert_eq!(played.summary.stop, Some(Stop::Doubted("posts/2".parse().unwrap())));
    assert_eq!((played.facts.len(), played.prepared.len(), played.summary.is_log_trusted), (0, 0, false));
}

#[test]
fn what_an_acknowledged_delete_may_yet_remove_is_not_a_hit() {
    let mut scene = creates(7..=7);
    scene.config.settled_in = SETTLE;
    let mut is_posted = false;
    let played = scene.play(|request, _, now| {
        is_posted |= request.method == Method::Post;
        if is_posted || now < SETTLE { fine(request) } else { status(404) }
    });
    assert_eq!(played.requests, ["GET posts/7", "GET posts/7", "POST posts/7", "GET posts/7"]);
    assert_eq!((&played.summary.stop, played.recorded()), (&None, alloc::vec!["posts/7 done".to_string()]));
}

#[test]
fn what_could_not_be_asked_for_is_asked_for_in_its_turn() {
    let played = creates(1..=3).play(|request, times, _| match (request.method, request.key.id(), times) {
        (Method::Get, 2, 1) => status(400),
        (Method::Get, _, 1) if request.key.id() != 2 => status(404),
        _ => fine(request),
    });
    let of_it: Vec<&String> = played.requests.iter().filter(|line| line.ends_with("posts/2")).collect();
    assert_eq!(of_it, ["GET posts/2", "GET posts/2"]);
    assert_eq!(played.summary.stop, None);
}

#[test]
fn after_a_hit_every_create_is_asked_for() {
    let mut scene = creates(1..=4);
    scene.config.asks = Asks::Each;
    let played = scene.play(|request, times, _| match (request.method, request.key.id()) {
        (Method::Get, 3) if times == 1 => status(404),
        _ => fine(request),
    });
    assert_eq!(played.requests.iter().filter(|line| line.starts_with("POST")).count(), 1);
    // It is read back, being the first that really has to be created.
    let post = played.first("POST posts/3");
    assert_eq!(played.requests[post + 1], "GET posts/3");
    assert_eq!(played.summary.done.values().map(|tally| (tally.create, tally.ask)).collect::<Vec<_>>(), [(1, 3)]);
}

#[test]
fn many_creates_over_other_content_stop_the_run_before_anything_is_written() {
    let other = |request: &Request| match request.method {
        Method::Get => http(200, &format!("{{\"id\":{},\"title\":\"other\"}}", request.key.id())),
        Method::Post | Method::Put | Method::Delete => fine(request),
    };
    let played = creates(1..=31).play(|request, _, _| other(request));
    assert!(matches!(played.summary.stop, Some(Stop::Strangers { creates: 31, .. })), "{:?}", played.summary.stop);
    assert_eq!((played.requests.len(), played.facts.len(), played.prepared.len()), (3, 0, 0));
    // Few are a coincidence, and --force says that they are meant.
    let played = creates(1..=30).play(|request, _, _| other(request));
    assert!(matches!(played.summary.stop, Some(Stop::Doubted(_))));
    let mut forced = creates(1..=31);
    forced.config.strangers = Strangers::Overwritten;
    let played = forced.play(|request, _, _| other(request));
    assert!(matches!(played.summary.stop, Some(Stop::Doubted(_))));
}

#[test]
fn what_cannot_be_asked_for_first_is_asked_for_one_by_one() {
    let played = creates(1..=2).play(|request, times, _| match (request.method, times) {
        (Method::Get, 1) => status(400),
        (Method::Get, 2) => status(404),
        _ => fine(request),
    });
    assert_eq!(played.requests[..5], ["GET posts/1", "GET posts/2", "GET posts/1", "LIST", "POST posts/1"]);
}

#[test]
fn a_target_that_is_unavailable_is_found_out_by_asking() {
    let played = creates(1..=5).play(|_, _, _| status(503));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(..))), "{:?}", played.summary);
    assert!(played.requests.iter().all(|line| line.starts_with("GET")), "{:?}", played.requests);
}
