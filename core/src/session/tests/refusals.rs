//! Refusals: the object's own, the target's, or the credentials'.

use super::*;
use crate::reply::Method;
use Presence::{Absent, Present, Unknown};

fn updates(n: u32) -> Vec<Work> {
    many("posts", 1..=n, Present, Wish::Present)
}

fn refused(listing: u16) -> Listing {
    Listing::Refused(format!("status {listing}"))
}

/// How objects that the run has left are recorded, and how many.
fn left(played: &Played) -> Vec<String> {
    let mut ends: Vec<String> = played
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Left { end, .. } => Some(format!("{end:?}")),
            Fact::Done(..) => None,
        })
        .collect();
    ends.dedup();
    ends
}

#[test]
fn a_refusal_is_the_objects_own_once_a_write_of_another_object_is_accepted() {
    for code in [301, 400, 401, 403, 404, 405, 422] {
        let method = if code == 404 { Absent } else { Present };
        let works = many("posts", 1..=3, method, Wish::Present);
        let played =
            scene(works).play(|request, _, _| if request.key.id() == 1 { status(code) } else { fine(request) });
        // That a create has no address says nothing of the object.
        let recorded = if code == 404 { "posts/1 Parked Unknown" } else { "posts/1 Parked Present" };
        assert_eq!(played.recorded(), [recorded, "posts/2 done", "posts/3 done"], "{code}");
        assert_eq!((&played.summary.stop, played.summary.parked), (&None, 1), "{code}");
        assert!(!played.requests.contains(&"LIST".to_string()), "{code}: {:?}", played.requests);
    }
}

#[test]
fn what_was_sent_before_a_refusal_came_says_nothing_about_it() {
    // Two at once: the first is refused, the second was on its way by then.
    let mut scene = scene(updates(2)).jobs(2);
    scene.listing = refused(400);
    let played = scene.play(|request, _, _| if request.key.id() == 1 { status(400) } else { fine(request) });
    assert_eq!(played.recorded(), ["posts/1 Waiting Present", "posts/2 done"]);
}

#[test]
fn the_last_object_that_is_refused_is_judged_by_the_listing() {
    for code in [302, 400, 422] {
        let target = |request: &Request| if request.key.id() == 3 { status(code) } else { fine(request) };
        let played = scene(updates(3)).play(|request, _, _| target(request));
        assert_eq!(played.recorded()[2], "posts/3 Parked Present", "{code}");
        assert_eq!(played.requests.last().unwrap(), "LIST");
        // The target stopped answering in the middle of the run: it is not the object.
        let mut scene = scene(updates(3));
        scene.listing = refused(code);
        let played = scene.play(|request, _, _| target(request));
        assert_eq!(played.recorded()[2], "posts/3 Waiting Present", "{code}");
        assert!(matches!(played.summary.stop, Some(Stop::Redirected(_) | Stop::Refusing { .. })), "{code}");
    }
}

#[test]
fn creates_that_have_no_address_are_judged_by_what_is_listed() {
    let listed = ["posts/901", "posts/902"];
    for (found, parked) in [(true, 2), (false, 0)] {
        let mut scene = scene(many("posts", 1..=2, Absent, Wish::Present));
        scene.listing = listing(&listed);
        let played = scene.play(|request, _, _| match request.method {
            Method::Get if found => fine(request),
            Method::Get | Method::Post | Method::Put | Method::Delete => status(404),
        });
        assert_eq!(played.summary.parked, parked, "{:?}", played.requests);
        let is_contradicted = matches!(played.summary.stop, Some(Stop::Contradicts(_)));
        assert_eq!(is_contradicted, !found, "{:?}", played.summary.stop);
    }
    // Nothing is listed: that a path takes no POST is no fault of the object.
    let played = scene(many("posts", 1..=2, Absent, Wish::Present)).play(|_, _, _| status(404));
    assert!(matches!(played.summary.stop, Some(Stop::Refusing { .. })), "{:?}", played.summary.stop);
    assert_eq!(left(&played), ["Waiting"]);
}

#[test]
fn a_target_that_refuses_everything_parks_nobody() {
    for objects in [1, 4, 50] {
        let mut scene = scene(updates(objects)).jobs(4);
        scene.listing = refused(400);
        let played = scene.play(|_, _, _| status(400));
        assert!(matches!(played.summary.stop, Some(Stop::Refusing { .. })), "{objects}: {:?}", played.summary.stop);
        assert!(played.requests.len() <= 24, "{objects}: {} requests", played.requests.len());
        assert!(left(&played) == ["Waiting"], "{objects}: {:?}", played.facts);
        assert_eq!(played.summary.parked, 0);
    }
    let mut scene = scene(updates(1));
    scene.listing = refused(400);
    let stop = scene.play(|_, _, _| http(400, "no such host")).summary.stop.unwrap();
    assert_eq!(stop.to_string(), "the target refuses everything (status 400): status 400: no such host");
}

#[test]
fn a_gateway_that_refuses_everything_from_the_middle_of_a_run_parks_nobody() {
    let mut accepted = 0;
    let played = scene(updates(100)).play(|request, _, _| {
        accepted += 1;
        if accepted <= 30 { fine(request) } else { status(400) }
    });
    assert!(matches!(played.summary.stop, Some(Stop::Refusing { .. })), "{:?}", played.summary.stop);
    assert_eq!((played.requests.len(), left(&played)), (50, alloc::vec!["Waiting".to_string()]));
}

#[test]
fn a_verdict_waits_for_the_rates_slot() {
    let mut scene = scene(updates(1));
    scene.config.rate_per_s = Some(2.0);
    let played = scene.play(|_, _, _| status(422));
    assert_eq!((played.recorded(), &played.summary.stop), (alloc::vec!["posts/1 Parked Present".to_string()], &None));
    assert_eq!(played.requests, ["PUT posts/1", "LIST"]);
}

#[test]
fn twenty_refusals_of_one_status_are_the_targets_though_it_lists() {
    let played = scene(updates(50)).play(|_, _, _| status(422));
    let stop = played.summary.stop.clone().unwrap();
    assert!(stop.to_string().starts_with("the target refuses 20 objects in a row"), "{stop}");
    assert_eq!((played.requests.len(), left(&played)), (20, alloc::vec!["Waiting".to_string()]));
    // Fewer are the objects' own.
    let played = scene(updates(19)).play(|_, _, _| status(422));
    assert_eq!((&played.summary.stop, played.summary.parked), (&None, 19));
    let few = |request: &Request| if request.key.id() % 10 == 0 { fine(request) } else { status(422) };
    let played = scene(updates(50)).play(|request, _, _| few(request));
    assert_eq!((&played.summary.stop, played.summary.parked), (&None, 45));
}

#[test]
fn nothing_but_401_and_403_is_the_credentials_whatever_the_listing_says() {
    for code in [401, 403] {
        for objects in [1, 4, 50] {
            let played = scene(updates(objects)).play(|_, _, _| status(code));
            assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))), "{code} {objects}");
            assert!(played.requests.len() <= 5, "{code} {objects}: an account gets locked");
            assert!(!played.requests.contains(&"LIST".to_string()), "{code} {objects}");
            assert_eq!(left(&played), ["Waiting"], "{code} {objects}");
        }
    }
}

#[test]
fn what_may_not_be_written_is_parked_where_others_were_written_before() {
    let last = |code: u16| {
        scene(updates(3)).play(move |request, _, _| if request.key.id() == 3 { status(code) } else { fine(request) })
    };
    assert_eq!(last(403).recorded()[2], "posts/3 Parked Present");
    // A token that has expired meanwhile speaks for itself.
    let played = last(401);
    assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))));
    assert_eq!(played.recorded()[2], "posts/3 Waiting Present");
}

#[test]
fn a_target_that_lets_read_and_not_write_parks_nobody() {
    let mut works = many("posts", 1..=9, Unknown, Wish::Present);
    works.extend(many("posts", 21..=25, Present, Wish::Absent));
    let played = scene(works).jobs(4).play(|request, _, _| match request.method {
        Method::Get if request.key.id() % 2 == 0 => fine(request),
        Method::Get => http(200, &format!("{{\"id\":{},\"title\":\"old\"}}", request.key.id())),
        Method::Post | Method::Put | Method::Delete => status(403),
    });
    assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))), "{:?}", played.summary.stop);
    assert_eq!(left(&played), ["Waiting"], "{:?}", played.facts);
}

#[test]
fn what_waits_for_a_refused_object_may_be_accepted() {
    // Deletes wait until every update has ended, and one of these may not be written.
    let mut works = works(&[("posts/1", Absent, Wish::Present), ("comments/1", Absent, Wish::Present)]);
    works.extend(many("posts", 7..=9, Present, Wish::Absent));
    let target = |request: &Request| if request.key.id() < 7 { status(403) } else { fine(request) };
    let played = scene(works.clone()).play(|request, _, _| target(request));
    let recorded = ["comments/1 Held Absent", "posts/1 Parked Absent", "posts/7 done", "posts/8 done", "posts/9 done"];
    assert_eq!((played.recorded(), &played.summary.stop), (recorded.map(str::to_string).to_vec(), &None));
    let played = scene(works).play(|_, _, _| status(403));
    assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))));
    assert!(played.recorded().contains(&"posts/1 Waiting Absent".to_string()), "{:?}", played.recorded());
    assert_eq!(played.requests.len(), 4);
}

#[test]
fn an_answer_that_cannot_be_understood_fails_its_object_and_is_not_an_outage() {
    let page = || http(200, "<html>Welcome");
    let played = scene(updates(60)).play(|request, _, _| if request.key.id() <= 15 { page() } else { fine(request) });
    assert_eq!((&played.summary.stop, played.summary.failed, played.summary.retries), (&None, 15, 0));
    assert_eq!(played.recorded()[0], "posts/1 Waiting Unknown", "it may have been written");
    assert_eq!(left(&played), ["Waiting"]);
    // Everything is a page: whatever answers is not the target.
    let mut guest = scene(updates(60));
    guest.listing = Listing::Other("a body that begins with '<'".into());
    let played = guest.play(|_, _, _| page());
    assert!(matches!(played.summary.stop, Some(Stop::Refusing { .. })), "{:?}", played.summary.stop);
    assert_eq!(played.requests.len(), 20);
    let mut guest = scene(updates(2));
    guest.listing = Listing::Other("a body that begins with '<'".into());
    assert!(matches!(guest.play(|_, _, _| page()).summary.stop, Some(Stop::NotOurs(_))));
}

#[test]
fn a_later_run_of_the_process_knows_whose_fault_it_was() {
    // Alone it may be the credentials.
    let first = scene(works(&[("posts/1", Present, Wish::Present)])).play(|_, _, _| status(403));
    assert!(matches!(first.summary.stop, Some(Stop::Credentials(_))));
    // Another object is accepted in a run that does not try it; so the next refusal is its own.
    let mut second = scene(works(&[("posts/2", Present, Wish::Present)]));
    second.memory = first.memory.clone();
    let second = second.play(|request, _, _| fine(request));
    let mut third = scene(works(&[("posts/1", Present, Wish::Present)]));
    third.memory = second.memory;
    let third = third.play(|_, _, _| status(403));
    assert_eq!((third.recorded(), third.summary.stop), (alloc::vec!["posts/1 Parked Present".to_string()], None));
    // Its own success says nothing.
    let mut again = scene(works(&[("posts/1", Present, Wish::Present)]));
    again.memory = first.memory;
    let again = again.play(|request, _, _| fine(request));
    let mut last = scene(works(&[("posts/1", Present, Wish::Present)]));
    last.memory = again.memory;
    assert!(matches!(last.play(|_, _, _| status(403)).summary.stop, Some(Stop::Credentials(_))));
}
