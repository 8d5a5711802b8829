//! When a 404 is believed.

use super::*;
use crate::reply::Method;
use crate::session::base::PROOF_HOLDS;
use Presence::{Absent, Present, Unknown};

/// Deletes that are all answered 404, with this listing; `found` are the objects that are there.
fn deletes(ids: core::ops::RangeInclusive<u32>, listing: Listing, found: &[&str]) -> Played {
    let mut scene = scene(many("posts", ids, Present, Wish::Absent)).jobs(2);
    scene.listing = listing;
    scene.play(|request, _, _| {
        let is_found = request.method == Method::Get && found.contains(&request.key.to_string().as_str());
        if is_found { fine(request) } else { status(404) }
    })
}

fn all_wait(played: &Played) -> bool {
    played.recorded().iter().all(|line| line.ends_with("Waiting Present"))
}

#[test]
fn a_404_is_believed_where_nothing_is_listed() {
    let played = deletes(1..=9, Listing::Read(Sample::default()), &[]);
    assert_eq!((&played.summary.stop, played.recorded().len()), (&None, 9));
    assert_eq!(played.requests.iter().filter(|line| *line == "LIST").count(), 1);
    assert_eq!(played.requests.len(), 10);
}

#[test]
fn or_where_one_of_three_listed_objects_is_found_by_its_own_address() {
    let three = ["posts/901", "posts/902", "posts/903"];
    for (found, probes) in [(&three[..], 1), (&three[1..], 2), (&three[2..], 3)] {
        let played = deletes(1..=9, listing(&three), found);
        assert_eq!((&played.summary.stop, played.recorded().len()), (&None, 9), "{found:?}");
        let asked = played.requests.iter().filter(|line| line.starts_with("PROBE")).count();
        assert_eq!(asked, probes, "{:?}", played.requests);
    }
    // None is: the routes disagree.
    let played = deletes(1..=9, listing(&three), &[]);
    assert_eq!(played.summary.stop, Some(Stop::Contradicts("posts/901, posts/902, posts/903".into())));
    assert_eq!(played.requests.iter().filter(|line| line.starts_with("PROBE")).count(), 6);
    assert!(all_wait(&played), "{:?}", played.recorded());
}

#[test]
fn or_where_nothing_else_is_listed_and_the_object_is_not() {
    let keys = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect();
    let sample = |silent| Listing::Read(Sample { elements: 2, speaking: Vec::new(), silent });
    let played = deletes(1..=3, sample(keys(&["posts/7", "posts/8"])), &[]);
    assert_eq!((&played.summary.stop, played.recorded().len()), (&None, 3));
    let played = deletes(1..=3, sample(keys(&["posts/1", "posts/2", "posts/3"])), &[]);
    assert!(matches!(&played.summary.stop, Some(Stop::Contradicts(key)) if key == "posts/1"), "{:?}", played.summary);
    assert!(all_wait(&played), "{:?}", played.recorded());
    // It came there meanwhile: it is deleted after all.
    let mut deletes = 0;
    let mut scene = scene(many("posts", 1..=1, Present, Wish::Absent));
    scene.listing = sample(keys(&["posts/1"]));
    let played = scene.play(|request, _, _| {
        deletes += usize::from(request.method == Method::Delete);
        match request.method {
            Method::Get => http(200, r#"{"id":1,"userId":9,"title":"t","body":"b"}"#),
            Method::Delete if deletes == 1 => status(404),
            Method::Post | Method::Put | Method::Delete => fine(request),
        }
    });
    assert_eq!(played.requests, ["DELETE posts/1", "LIST", "PROBE posts/1", "GET posts/1", "DELETE posts/1"]);
    assert_eq!(played.recorded(), ["posts/1 done"]);
}

#[test]
fn what_was_listed_before_it_was_deleted_is_looked_for_again() {
    // posts/1 is gone already; posts/2 is there, and its DELETE is done though it is answered with 500.
    let mut scene = scene(many("posts", 1..=2, Present, Wish::Absent));
    scene.listing = Listing::Read(Sample {
        elements: 1,
        speaking: Vec::new(),
        silent: ["posts/2".parse().unwrap()].into_iter().collect(),
    });
    let played = scene.play(|request, _, _| match (request.key.id(), request.method) {
        (2, Method::Delete) => status(500),
        _ => status(404),
    });
    // The listing of this scene never changes: the second look contradicts.
    let looks = ["LIST", "PROBE posts/2", "LIST", "PROBE posts/2"];
    assert_eq!(played.requests[..4], ["DELETE posts/1", "LIST", "DELETE posts/2", "GET posts/2"]);
    assert_eq!(played.requests[4..], looks);
    assert!(matches!(played.summary.stop, Some(Stop::Contradicts(_))));
    assert_eq!(played.recorded(), ["posts/1 done", "posts/2 Waiting Unknown"]);
}

#[test]
fn a_contradiction_is_looked_at_again_with_nothing_else_in_flight() {
    // A delete of ours takes the only other object along, between the listing and the question.
    let mut scene = scene(many("posts", 1..=60, Present, Wish::Absent)).jobs(4);
    scene.listing = listing(&["posts/901"]);
    let mut probes = 0;
    let played = scene.play(|request, _, _| match request.key.id() {
        901 => {
            probes += 1;
            if probes == 1 { status(404) } else { fine(request) }
        }
        _ => status(404),
    });
    assert_eq!((&played.summary.stop, played.recorded().len()), (&None, 60));
    let looks: Vec<usize> = (0..played.requests.len()).filter(|at| played.requests[*at] == "LIST").collect();
    assert_eq!(looks.len(), 2, "{:?}", played.requests);
    assert!(played.sent_at[looks[1]] >= played.sent_at[looks[1] - 1] + LATENCY, "{:?}", played.sent_at);
    assert_eq!(played.requests[looks[1] + 1], "PROBE posts/901");
}

#[test]
fn an_object_that_was_found_proves_the_addresses_of_its_entity_alone() {
    let mut works = works(&[("posts/1", Unknown, Wish::Present), ("comments/1", Unknown, Wish::Absent)]);
    works.extend(many("posts", 7..=9, Present, Wish::Absent));
    let played = scene(works).play(
        |request, _, _| {
            if request.key.to_string() == "posts/1" { fine(request) } else { status(404) }
        },
    );
    assert_eq!(played.requests[..3], ["GET posts/1", "GET comments/1", "LIST comments"]);
    assert_eq!((played.requests.len(), played.recorded().len()), (6, 5));
}

#[test]
fn a_later_run_of_the_process_believes_for_ten_minutes() {
    let found = scene(works(&[("posts/1", Unknown, Wish::Present)])).play(|request, _, _| fine(request));
    for (age, lists) in [(PROOF_HOLDS.saturating_sub(MS(1000)), 0), (PROOF_HOLDS, 1)] {
        let mut later = scene(works(&[("posts/2", Present, Wish::Absent)]));
        later.memory = found.memory.clone().aged(age);
        let played = later.play(|_, _, _| status(404));
        assert_eq!(played.requests.iter().filter(|line| *line == "LIST").count(), lists, "{age:?}");
        assert_eq!(played.recorded(), ["posts/2 done"]);
    }
}

#[test]
fn a_wrong_base_does_not_look_like_deletes_that_succeed() {
    for listing in [Listing::Other("a body that begins with '{'".into()), Listing::Refused("status 404".into())] {
        let played = deletes(1..=9, listing.clone(), &[]);
        assert!(matches!(played.summary.stop, Some(Stop::WrongBase(_) | Stop::NotOurs(_))), "{listing:?}");
        assert!(all_wait(&played), "{:?}", played.recorded());
    }
    let played = deletes(1..=2, Listing::Forbidden("status 401".into()), &[]);
    assert_eq!(played.summary.stop, Some(Stop::Credentials("status 401".into())));
    let played = deletes(1..=2, Listing::Redirected("status 301 to x".into()), &[]);
    assert_eq!(played.summary.stop, Some(Stop::Redirected("status 301 to x".into())));
}

#[test]
fn a_listing_that_does_not_come_ends_the_run_after_some_tries() {
    let played = deletes(1..=2, Listing::None("timed out".into()), &[]);
    assert!(matches!(played.summary.stop, Some(Stop::NoListing(_))));
    assert_eq!(played.requests.iter().filter(|line| *line == "LIST").count(), 5);
    // So does an object that is not answered for.
    let mut scene = scene(many("posts", 1..=2, Present, Wish::Absent));
    scene.listing = listing(&["posts/901"]);
    let played = scene.play(|request, _, _| if request.key.id() == 901 { status(503) } else { status(404) });
    assert!(matches!(&played.summary.stop, Some(Stop::NoListing(why)) if why.starts_with("posts/901: ")));
    assert!(all_wait(&played));
}

#[test]
fn listing_and_probes_count_for_jobs_and_rate() {
    let mut scene = scene(many("posts", 1..=9, Present, Wish::Absent)).jobs(2);
    scene.config.rate_per_s = Some(20.0);
    scene.listing = listing(&["posts/901", "posts/902"]);
    let played = scene.play(|request, _, _| if request.key.id() == 902 { fine(request) } else { status(404) });
    assert!(played.jobs <= 2, "{}", played.jobs);
    assert!(played.sent_at.windows(2).all(|two| two[0] + MS(45) <= two[1]), "{:?}", played.sent_at);
    assert_eq!(played.summary.methods[&Method::Get], 3);
    assert_eq!(played.summary.requests, played.requests.len() as u64);
}

#[test]
fn one_create_needs_no_listing() {
    let mut scene = scene(works(&[("posts/7", Absent, Wish::Present)]));
    scene.asks_first = true;
    let played = scene.play(|request, times, _| match (request.method, times) {
        (Method::Get, 1) => status(404),
        _ => fine(request),
    });
    assert_eq!(played.requests, ["GET posts/7", "POST posts/7", "GET posts/7"]);
}

#[test]
fn what_is_gone_before_it_is_deleted_is_counted() {
    let gone = |ids: &'static [i64]| move |request: &Request| ids.contains(&request.key.id());
    let listed = Listing::Read(Sample { elements: 3, speaking: Vec::new(), silent: BTreeSet::new() });
    // Listed a moment ago; of the log's deletes the same is counted.
    for (before, answers_404, count, first) in [
        (Presence::Present, &[][..], 0, None),
        (Presence::Present, &[2, 3], 2, Some("posts/2")),
        (Presence::Doubled, &[2], 1, Some("posts/2")),
        // Asked for first, nobody said that it is there.
        (Presence::Unknown, &[2], 0, None),
    ] {
        let is_gone = gone(answers_404);
        let mut scene = scene(many("posts", 1..=3, before, Wish::Absent));
        scene.listing = listed.clone();
        // A clearing ends with a DELETE that finds nothing.
        let played = scene.play(|request, times, _| match request.method {
            Method::Delete if is_gone(request) || times > 1 => status(404),
            Method::Get if is_gone(request) || before == Presence::Doubled => status(404),
            Method::Get | Method::Put | Method::Post | Method::Delete => fine(request),
        });
        let vanished = played.summary.vanished;
        let first = first.map(|key| key.parse::<Key>().unwrap());
        assert_eq!(
            (vanished.count, vanished.first),
            (count, first),
            "{before:?} {answers_404:?} {:?}",
            played.requests
        );
    }
    // A lost DELETE may have been the one that did it.
    let played = scene(many("posts", 1..=1, Presence::Present, Wish::Absent)).play(|request, times, _| {
        match (request.method, times) {
            (Method::Delete, 1) => Reply::Lost { why: "timed out".to_string() },
            _ => status(404),
        }
    });
    assert_eq!(played.summary.vanished.count, 0, "{:?}", played.requests);
    // The target may delete a comment with its post.
    let mut both = many("posts", 1..=1, Presence::Doubled, Wish::Present);
    both.extend(many("comments", 1..=1, Presence::Present, Wish::Absent));
    let played = scene(both).play(|request, times, _| match (request.key, request.method) {
        (Key::Comment(_), _) => status(404),
        (Key::Post(_), Method::Delete) if times > 1 => status(404),
        (Key::Post(_), Method::Get) if times == 1 => status(404),
        (Key::Post(_), _) => fine(request),
    });
    assert_eq!(played.summary.vanished.count, 0, "{:?}", played.requests);
}
