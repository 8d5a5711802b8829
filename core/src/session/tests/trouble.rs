//! Outages, refusals, throttling, wrong bases: what ends a run and what does not.

use super::*;
use crate::reply::Method;
use crate::session::pace::{Exhausted, THROTTLED_MAX};
use Presence::{Absent, Present};

fn updates(n: u32) -> Vec<Work> {
    many("posts", 1..=n, Present, Wish::Present)
}

#[test]
fn a_401_ends_the_run() {
    let played = scene(updates(9)).jobs(2).play(|_, _, _| status(401));
    assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))));
    assert_eq!((played.requests.len(), played.recorded()[0].as_str()), (2, "posts/1 Waiting Present"));
}

#[test]
fn a_403_is_the_objects_if_anything_else_is_allowed() {
    let played = scene(updates(3)).play(|request, _, _| if request.key.id() < 3 { status(403) } else { fine(request) });
    assert_eq!(played.recorded(), ["posts/1 Parked Present", "posts/2 Parked Present", "posts/3 done"]);
    assert_eq!((played.summary.stop, played.summary.parked), (None, 2));
}

#[test]
fn only_403_is_the_credentials() {
    for objects in [1, 4, 50] {
        let played = scene(updates(objects)).play(|_, _, _| status(403));
        assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))), "{objects}");
        assert!(played.requests.len() <= 5, "{objects}");
        assert!(played.recorded().iter().all(|line| line.ends_with("Waiting Present")), "{objects}");
    }
}

#[test]
fn only_403_is_the_credentials_when_others_depend_on_it() {
    let mut works = works(&[("posts/1", Absent, Wish::Present), ("comments/1", Absent, Wish::Present)]);
    works.extend(many("posts", 7..=9, Present, Wish::Absent));
    let played = scene(works).play(|_, _, _| status(403));
    assert!(matches!(played.summary.stop, Some(Stop::Credentials(_))));
    assert_eq!(played.requests, ["POST posts/1"]);
}

#[test]
fn a_redirect_ends_the_run() {
    let played = scene(updates(3)).play(|_, _, _| status(301));
    assert!(matches!(played.summary.stop, Some(Stop::Redirected(_))));
    assert_eq!(played.requests.len(), 1);
}

#[test]
fn a_wrong_base_does_not_look_like_deletes_that_succeed() {
    let mut scene = scene(many("posts", 1..=9, Present, Wish::Absent)).jobs(2);
    scene.listing = Listing::Other("status 404".to_string());
    let played = scene.play(|_, _, _| status(404));
    assert_eq!(played.summary.stop, Some(Stop::WrongBase("status 404".to_string())));
    assert!(played.recorded().iter().all(|line| line.ends_with("Waiting Present")), "{:?}", played.recorded());
}

#[test]
fn a_listing_that_is_forbidden_is_a_matter_of_credentials() {
    let mut scene = scene(many("posts", 1..=2, Present, Wish::Absent));
    scene.listing = Listing::Forbidden("GET /posts: status 401".to_string());
    let played = scene.play(|_, _, _| status(404));
    assert_eq!(played.summary.stop, Some(Stop::Credentials("GET /posts: status 401".to_string())));
}

#[test]
fn a_listing_that_does_not_come_ends_the_run_after_some_tries() {
    let mut scene = scene(many("posts", 1..=2, Present, Wish::Absent));
    scene.listing = Listing::None("timed out".to_string());
    let played = scene.play(|_, _, _| status(404));
    assert!(matches!(played.summary.stop, Some(Stop::NoListing(_))));
    assert_eq!(played.requests.iter().filter(|line| *line == "LIST").count(), 5);
}

#[test]
fn the_listing_counts_for_jobs_and_rate() {
    let mut scene = scene(many("posts", 1..=9, Present, Wish::Absent)).jobs(2);
    scene.config.rate_per_s = Some(20.0);
    let played = scene.play(|_, _, _| status(404));
    assert!(played.jobs <= 2, "{}", played.jobs);
    let listed = played.sent_at[played.first("LIST")];
    assert!(played.sent_at.windows(2).all(|two| two[0] + MS(45) <= two[1]), "{listed:?} {:?}", played.sent_at);
    assert_eq!(played.summary.methods[&Method::Get], 1);
}

#[test]
fn throttled_runs_wait_as_told_and_no_attempt_is_counted() {
    let played =
        scene(updates(2)).jobs(2).play(|request, _, now| if now < MS(30_000) { throttled(3) } else { fine(request) });
    assert_eq!((played.summary.stop, played.summary.retries), (None, 0));
    assert_eq!(played.requests.len(), 22);
    assert!(played.summary.throttled >= MS(27_000));
}

#[test]
fn retry_after_zero_for_ever_does_not_spin() {
    let played = scene(updates(1)).play(|_, _, _| throttled(0));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(Exhausted::Throttled(_), _))));
    assert!(played.requests.len() < 1000, "{} requests", played.requests.len());
    assert!(played.took < THROTTLED_MAX + MS(60_000));
}

#[test]
fn twenty_parkings_in_a_row_end_the_run() {
    let played = scene(updates(50)).play(|_, _, _| status(422));
    assert_eq!(played.summary.stop, Some(Stop::Refusing { status: 422, count: 20 }));
    assert_eq!((played.summary.parked, played.requests.len()), (20, 20));
    let played =
        scene(updates(50)).play(|request, _, _| if request.key.id() % 10 == 0 { fine(request) } else { status(422) });
    assert_eq!((played.summary.stop, played.summary.parked), (None, 45));
}

#[test]
fn one_broken_object_keeps_nobody_waiting() {
    let played = scene(updates(200))
        .jobs(4)
        .play(|request, _, _| if request.key.id() == 1 { status(500) } else { fine(request) });
    assert_eq!((played.summary.stop, played.summary.failed), (None, 1));
    let last_other = played.requests.iter().rposition(|line| line != "GET posts/1").unwrap();
    assert!(played.sent_at[last_other] < MS(1000), "{:?}", played.sent_at[last_other]);
}

#[test]
fn a_target_that_is_away_is_noticed_soon() {
    for reply in [status(503), Reply::NotSent { why: "refused".to_string() }] {
        let played = scene(updates(500)).jobs(4).play(|_, _, _| reply.clone());
        assert!(matches!(played.summary.stop, Some(Stop::Unavailable(Exhausted::Streak(_), _))));
        assert!(played.requests.len() <= 28, "{} requests", played.requests.len());
    }
    // Few objects make no streak: it is the target all the same.
    let played = scene(updates(1)).play(|_, _, _| status(503));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(..))));
}

#[test]
fn a_target_that_stumbles_over_many_is_not_away() {
    // TARGETS 4: PUT of objects made here: 500, GET: 404, POST: 201.
    for jobs in [1, 16, 64] {
        let played = scene(updates(300)).jobs(jobs).play(|request, _, _| match request.method {
            Method::Put => status(500),
            Method::Post => http(201, r#"{"id":101}"#),
            Method::Get | Method::Delete => status(404),
        });
        assert_eq!((played.summary.stop.clone(), played.summary.failed), (None, 0), "{jobs}");
        assert_eq!(played.warnings.len(), 1);
    }
}

#[test]
fn whom_a_wish_to_stop_left_between_two_tries_has_not_failed() {
    let mut scene = scene(updates(3));
    scene.interrupt_after = Some(2);
    let played = scene.play(|_, _, _| status(500));
    let whys = played.facts.iter().filter_map(|fact| match fact {
        Fact::Left { why, .. } => Some(why.as_str()),
        Fact::Done(_) => None,
    });
    assert!(whys.clone().count() == 3 && whys.clone().all(str::is_empty), "{:?}", played.facts);
}
