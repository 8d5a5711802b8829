//! The first create of each entity.

use alloc::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::session::Removed;
use Presence::{Absent, Present};

/// A target that answers each POST with an id of its own.
fn own_ids(request: &Request, made: &str) -> Reply {
    let json = wire::to_json(&JSON_SERVER, &object(request.key), None)
        .replace(&format!("\"id\":{},", request.key.id()), &format!("\"id\":{made},"));
    match request.method {
        Method::Post => http(201, &json),
        Method::Get if request.to.to_string() == made.trim_matches('"') => http(200, &json),
        Method::Delete => status(200),
        Method::Get | Method::Put => status(404),
    }
}

#[test]
fn they_go_alone_and_are_read_back() {
    let mut works = many("posts", 1..=4, Absent, Wish::Present);
    works.extend(
        many("comments", 1..=4, Absent, Wish::Present)
            .into_iter()
            .map(|work| Work { parent: PostId::new(9).ok(), ..work }),
    );
    let played = scene(works).jobs(8).play(|request, _, _| fine(request));
    assert_eq!(played.requests[..2], ["POST posts/1", "GET posts/1"]);
    // Not beside each other: one may end the run, and the other's stray would stay.
    assert!(played.sent_at[played.first("POST comments/1")] > played.sent_at[1]);
    assert!(played.sent_at[played.first("POST comments/2")] > played.sent_at[played.first("GET comments/1")]);
    assert_eq!(played.requests.len(), 10);
}

#[test]
fn a_target_that_pretends_is_told_once() {
    let mut works = many("posts", 1..=3, Absent, Wish::Present);
    works.extend(many("comments", 1..=3, Absent, Wish::Present));
    let played = scene(works).play(|request, _, _| match request.method {
        Method::Post => http(201, r#"{"id":101}"#),
        Method::Get | Method::Put | Method::Delete => status(404),
    });
    assert_eq!(played.warnings, [Warning::Pretends("posts/1".parse().unwrap())]);
    assert_eq!(played.requests[..5], ["POST posts/1", "GET posts/1", "GET posts/1", "LIST", "GET posts/101"]);
    assert!(played.sent_at[3] >= SETTLE, "a 404 may be too early");
    assert!(played.recorded().iter().all(|line| line.ends_with("done")), "{:?}", played.recorded());
}

#[test]
fn a_404_is_judged_by_when_it_was_asked_for() {
    // The answer comes after `settle`; the question was asked before.
    let mut asked = 0;
    let works = works(&[("posts/1", Absent, Wish::Present), ("posts/2", Present, Wish::Absent)]);
    let mut scene = scene(works);
    scene.config.effects.settle = LATENCY + MS(5);
    let played = scene.play(|request, _, _| {
        asked += u32::from(request.method == Method::Get);
        if asked == 1 && request.method == Method::Get { status(404) } else { fine(request) }
    });
    assert_eq!((played.warnings.len(), asked), (0, 2));
}

#[test]
fn other_content_is_judged_by_when_it_was_asked_for_too() {
    let before = r#"{"id":1,"userId":1,"title":"before","body":"before"}"#;
    let played = scene(works(&[("posts/1", Presence::Absent, Wish::Present)])).play(|request, times, _| {
        if request.method == Method::Get && times == 1 { http(200, before) } else { fine(request) }
    });
    assert_eq!(played.requests, ["POST posts/1", "GET posts/1", "GET posts/1"]);
    assert!(played.warnings.is_empty(), "{:?}", played.warnings);
}

#[test]
fn a_target_with_its_own_ids_is_left_as_it_was() {
    for (made, requests, removed) in [
        ("\"af3c\"", ["GET posts/af3c", "DELETE posts/af3c"], Removed::Yes),
        ("1001", ["GET posts/1001", "DELETE posts/1001"], Removed::Yes),
        // The master has an object of this id: it stays.
        ("101", ["GET posts/101", "GET posts/101"], Removed::No),
    ] {
        let works = many("posts", 1..=3, Absent, Wish::Present);
        let played = scene(works).jobs(4).play(|request, _, _| own_ids(request, made));
        assert_eq!(played.requests[4..], requests, "{made}");
        let named = made.trim_matches('"').to_string();
        let key = "posts/1".parse().unwrap();
        assert_eq!(played.summary.stop, Some(Stop::OwnIds { key, named, removed }), "{made}");
        assert_eq!(played.recorded()[0], "posts/1 Waiting Absent");
    }
}

#[test]
fn a_target_that_counts_is_found_out_by_a_later_create() {
    // The first object gets the id that it was sent with, by chance.
    let works = many("posts", 1..=3, Absent, Wish::Present);
    let played = scene(works).play(|request, _, _| match request.key.id() {
        1 => fine(request),
        _ => own_ids(request, "1002"),
    });
    assert!(matches!(played.summary.stop, Some(Stop::OwnIds { removed: Removed::Yes, .. })), "{:?}", played.requests);
    assert_eq!(played.recorded(), ["posts/1 done", "posts/2 Waiting Absent", "posts/3 Waiting Absent"]);
}

/// A target that keeps posts/1, and gives each other create an id of its own, from 1001 on; `odd`
/// answers some requests otherwise. In `strays` is what it has under such ids.
fn counting<'a>(
    strays: &'a mut BTreeSet<String>,
    odd: impl Fn(&Request) -> Option<Reply> + 'a,
) -> impl FnMut(&Request, usize, Duration) -> Reply + 'a {
    let mut made = 1000;
    move |request, _, _| {
        let json = |id: &str| {
            let ours = wire::to_json(&JSON_SERVER, &object(request.key), None);
            ours.replace(&format!("\"id\":{},", request.key.id()), &format!("\"id\":{id},"))
        };
        if let Some(reply) = odd(request) {
            return reply;
        }
        match request.method {
            Method::Post | Method::Get if request.key.id() == 1 => fine(request),
            Method::Post => {
                made += 1;
                strays.insert(made.to_string());
                http(201, &json(&made.to_string()))
            }
            Method::Get if strays.contains(&request.to.to_string()) => http(200, &json(&request.to.to_string())),
            Method::Delete if strays.remove(&request.to.to_string()) => status(200),
            Method::Get | Method::Put | Method::Delete => status(404),
        }
    }
}

fn stray_told(played: &Played) -> Option<(String, Removed)> {
    match &played.summary.stop {
        Some(Stop::OwnIds { named, removed, .. }) => Some((named.clone(), *removed)),
        _ => None,
    }
}

#[test]
fn whatever_it_left_of_creates_under_way_is_removed_too() {
    // The first is kept; by the time that the second tells, three more have been sent.
    let mut strays = BTreeSet::new();
    let played = scene(many("posts", 1..=9, Absent, Wish::Present)).jobs(4).play(counting(&mut strays, |_| None));
    assert_eq!(stray_told(&played).map(|told| told.1), Some(Removed::Yes), "{:?}", played.summary);
    assert_eq!(strays.len(), 0, "{:?}", played.requests);
    assert_eq!(played.requests.iter().filter(|request| request.starts_with("DELETE posts/100")).count(), 4);
    assert_eq!(played.recorded().iter().filter(|line| line.ends_with("Waiting Absent")).count(), 4 + 4);
}

#[test]
fn a_stray_that_cannot_be_removed_is_told_of() {
    let about = |request: &Request| request.to.to_string() == "1002" && request.method == Method::Get;
    // It answers nothing that helps, or puts us off for ever: either way, the run ends.
    for reply in [status(500), throttled(60)] {
        let mut strays = BTreeSet::new();
        let works = many("posts", 1..=9, Absent, Wish::Present);
        let odd = |request: &Request| about(request).then(|| reply.clone());
        let played = scene(works).jobs(4).play(counting(&mut strays, odd));
        assert_eq!(stray_told(&played), Some(("1002".into(), Removed::No)), "{reply:?}: {:?}", played.requests);
        assert!(strays.contains("1002"));
    }
}

#[test]
fn a_wish_to_stop_ends_the_removing() {
    let about = |request: &Request| request.to.to_string() == "1002" && request.method == Method::Get;
    let mut strays = BTreeSet::new();
    let mut scene = scene(many("posts", 1..=9, Absent, Wish::Present)).jobs(4);
    // By then the others are removed, and this one is asked for again and again.
    scene.interrupt_after = Some(24);
    let played = scene.play(counting(&mut strays, |request| about(request).then(|| status(500))));
    assert_eq!(stray_told(&played), Some(("1002".into(), Removed::No)), "{:?}", played.requests);
    let asked = played.requests.iter().filter(|request| *request == "GET posts/1002").count();
    assert!(played.requests.len() == 24 && asked < 5, "{:?}", played.requests);
}

#[test]
fn a_stray_is_told_of_though_the_run_was_stopped_before() {
    let mut strays = BTreeSet::new();
    let mut scene = scene(many("posts", 2..=5, Absent, Wish::Present)).jobs(4);
    // While the first create is under way.
    scene.interrupt_after = Some(1);
    let played = scene.play(counting(&mut strays, |_| None));
    assert_eq!((played.requests.len(), played.summary.stop), (1, Some(Stop::Asked)));
    let (key, named) = ("posts/2".parse().unwrap(), String::from("1001"));
    assert_eq!(played.warnings, [Warning::Stray { key, named }]);
}

#[test]
fn nothing_is_deleted_to_be_made_anew_before_the_target_has_shown_that_it_keeps_ids() {
    let doubled = || many("posts", 1..=5, Presence::Doubled, Wish::Present);
    let mut records: BTreeMap<i64, u32> = (1..=5).map(|id| (id, 2)).collect();
    let played = scene(doubled()).jobs(4).play(|request, _, _| {
        let left =
            records.get_mut(&request.key.id()).filter(|_| request.to.to_string() == request.key.id().to_string());
        match (request.method, left) {
            (Method::Delete, Some(left @ 1..)) => {
                *left -= 1;
                status(200)
            }
            (Method::Get, Some(1..)) => fine(request),
            _ => own_ids(request, "1001"),
        }
    });
    assert_eq!(stray_told(&played), Some(("1001".into(), Removed::Yes)));
    let values: Vec<u32> = records.into_values().collect();
    assert_eq!(values, [0, 2, 2, 2, 2], "{:?}", played.requests);
}

#[test]
fn the_listing_is_asked_for_strays_too() {
    // An older object under posts/2 tells at once; the others' 404s are the run's first, and come after the stop.
    let older = |request: &Request| {
        let about = request.method == Method::Get && request.to.to_string() == "2";
        about.then(|| http(200, r#"{"id":2,"userId":1,"title":"older","body":"b"}"#))
    };
    let mut strays = BTreeSet::new();
    let played = scene(many("posts", 1..=9, Absent, Wish::Present)).jobs(4).play(counting(&mut strays, older));
    assert_eq!(stray_told(&played).map(|told| told.1), Some(Removed::Yes), "{:?}", played.summary);
    assert_eq!(strays.len(), 0, "{:?}", played.requests);
}

#[test]
fn an_older_object_under_the_id_is_no_proof() {
    // POST is answered with another id; GET finds something else under ours.
    let played = scene(works(&[("posts/1", Absent, Wish::Present)])).play(|request, _, _| {
        match (request.method, request.to.to_string().as_str()) {
            (Method::Get, "1") => http(200, r#"{"id":1,"userId":1,"title":"older","body":""}"#),
            _ => own_ids(request, "1002"),
        }
    });
    assert!(matches!(played.summary.stop, Some(Stop::OwnIds { .. })), "{:?}", played.requests);
}

#[test]
fn other_content_is_told_and_done() {
    let played = scene(works(&[("posts/1", Absent, Wish::Present)])).play(|request, _, _| match request.method {
        Method::Get => http(200, r#"{"id":1,"userId":1,"title":"T","body":"b"}"#),
        Method::Post | Method::Put | Method::Delete => fine(request),
    });
    assert_eq!(played.warnings, [Warning::StoredDifferently("posts/1".parse().unwrap())]);
    assert_eq!(played.recorded(), ["posts/1 done"]);
}

#[test]
fn a_first_that_fails_lets_the_next_be_first() {
    let works = many("posts", 1..=2, Absent, Wish::Present);
    let played = scene(works).play(|request, _, _| if request.key.id() == 1 { status(422) } else { fine(request) });
    assert_eq!(played.requests, ["POST posts/1", "POST posts/2", "GET posts/2"]);
}

#[test]
fn a_stop_before_the_read_back_leaves_a_doubt() {
    let mut scene = scene(works(&[("posts/1", Absent, Wish::Present)]));
    scene.interrupt_after = Some(2);
    let played = scene.play(|request, _, _| match request.method {
        Method::Get => Reply::Lost { why: "cut".to_string() },
        Method::Post | Method::Put | Method::Delete => fine(request),
    });
    assert_eq!(played.recorded(), ["posts/1 Waiting Unknown"]);
}
