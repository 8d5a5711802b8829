//! Who goes before whom.

use super::*;
use crate::reply::Method;
use crate::session::LEASE;
use Presence::{Absent, Present, Unknown};

fn a_bit_of_everything() -> Vec<Work> {
    let mut all = works(&[
        ("posts/9", Present, Wish::Absent),
        ("comments/8", Present, Wish::Absent),
        ("comments/7", Present, Wish::Present),
        ("comments/6", Absent, Wish::Present),
        ("posts/5", Present, Wish::Present),
        ("posts/1", Absent, Wish::Present),
    ]);
    all[1].parent = PostId::new(9).ok();
    all
}

#[test]
fn the_happy_path() {
    let played = scene(a_bit_of_everything()).play(|request, _, _| fine(request));
    assert_eq!(
        played.requests,
        [
            "POST posts/1",
            "GET posts/1",
            "PUT posts/5",
            "POST comments/6",
            "GET comments/6",
            "PUT comments/7",
            "DELETE comments/8",
            "DELETE posts/9",
        ]
    );
    assert!(played.recorded().iter().all(|line| line.ends_with("done")), "{:?}", played.recorded());
    // Two more ask before the first write.
    assert_eq!((played.summary.requests, played.summary.retries, played.summary.stop), (10, 0, None));
    // What was learnt last is recorded at once: nothing else is to come.
    assert_eq!(played.took, 8 * LATENCY);
}

#[test]
fn what_is_known_is_recorded_before_an_idle_wait() {
    let scene = scene(works(&[("posts/5", Present, Wish::Present), ("posts/6", Present, Wish::Present)])).jobs(2);
    let mut session = Session::new(scene.config, &Plan::new(scene.works), Duration::ZERO);
    let mut sent = 0;
    let facts = loop {
        let next = session.next(Duration::ZERO);
        if let Next::Prepare(keys) = next {
            for key in keys {
                session.loaded(key, Loaded::Ready, Duration::ZERO);
            }
        } else if let Next::Send(request) = next {
            sent += 1;
            let reply = if request.key.id() == 6 { status(503) } else { fine(&request) };
            session.answered(request.key, &reply, Some(&object(request.key)), Duration::ZERO, 100);
        } else if let Next::Record(facts) = next {
            break facts;
        } else {
            panic!("expected a record, found {next:?}");
        }
    };
    assert_eq!((sent, facts.len()), (2, 1));
}

#[test]
fn many_jobs_keep_the_order_where_it_matters() {
    let played = scene(a_bit_of_everything()).jobs(8).play(|request, _, _| fine(request));
    let at = |request| played.sent_at[played.first(request)];
    assert!(at("POST comments/6") > at("GET posts/1"));
    assert!(at("PUT comments/7") > at("GET posts/1"), "a target that drops orphans would drop it");
    assert!(at("DELETE comments/8") > at("PUT comments/7") && at("DELETE comments/8") > at("GET comments/6"));
    assert!(at("DELETE posts/9") > at("DELETE comments/8"));
}

#[test]
fn no_delete_goes_before_a_change_that_is_tried_again() {
    let works = works(&[("posts/5", Present, Wish::Present), ("posts/9", Present, Wish::Absent)]);
    let played = scene(works).jobs(8).play(|request, times, _| match request.key.id() {
        5 if request.method == Method::Put && times == 1 => status(503),
        _ => fine(request),
    });
    assert_eq!(played.requests, ["PUT posts/5", "GET posts/5", "DELETE posts/9"]);
}

#[test]
fn a_parked_post_holds_its_comments_and_nobody_else() {
    let mut works = works(&[
        ("posts/1", Absent, Wish::Present),
        ("comments/6", Absent, Wish::Present),
        ("comments/7", Present, Wish::Present),
        ("comments/9", Present, Wish::Present),
    ]);
    works[3].parent = PostId::new(2).ok();
    let parks = |request: &Request| if request.key.to_string() == "posts/1" { status(422) } else { fine(request) };
    let played = scene(works.clone()).jobs(4).play(|request, _, _| parks(request));
    let left = ["comments/6 Held Absent", "comments/7 Held Present", "comments/9 done"];
    assert_eq!(played.recorded(), [&left[..], &["posts/1 Parked Absent"]].concat());
    assert_eq!((played.summary.parked, played.summary.held), (1, 2));

    // The next run does not try it, and holds them again.
    works[0].standing = Standing::Parked;
    let played = scene(works).jobs(4).play(|request, _, _| parks(request));
    assert_eq!((played.requests, played.summary.parked_before), (alloc::vec!["PUT comments/9".to_string()], 1));
    assert_eq!(played.facts.len(), 3);
}

#[test]
fn a_posts_delete_is_held_while_a_comments_is_not_done() {
    let mut works = works(&[
        ("comments/7", Present, Wish::Absent),
        ("comments/8", Present, Wish::Absent),
        ("posts/1", Present, Wish::Absent),
        ("posts/2", Present, Wish::Absent),
    ]);
    let refuses = |request: &Request| if request.key.id() == 7 { status(400) } else { fine(request) };
    let played = scene(works.clone()).play(|request, _, _| refuses(request));
    assert_eq!(
        played.recorded(),
        ["comments/7 Parked Present", "comments/8 done", "posts/1 Held Present", "posts/2 done"]
    );
    works[0].standing = Standing::Parked;
    let played = scene(works).play(|request, _, _| refuses(request));
    assert_eq!(played.requests, ["DELETE comments/8", "DELETE posts/2"]);
}

#[test]
fn what_another_run_may_have_sent_is_waited_for() {
    let mut scene = scene(works(&[("posts/1", Unknown, Wish::Present), ("posts/2", Present, Wish::Absent)]));
    scene.config.settled_in = SETTLE + LEASE;
    let played = scene.jobs(2).play(|request, _, _| match request.method {
        Method::Delete => status(404),
        Method::Get | Method::Post | Method::Put => fine(request),
    });
    assert_eq!((played.requests[0].as_str(), played.sent_at[0]), ("GET posts/1", SETTLE + LEASE));
    // The first one shows that 404s are to be believed.
    assert_eq!(played.requests, ["GET posts/1", "DELETE posts/2"]);
}

#[test]
fn a_404_that_may_come_too_early_is_looked_into() {
    let mut scene = scene(works(&[("posts/1", Present, Wish::Present), ("posts/2", Present, Wish::Absent)]));
    scene.config.settled_in = SETTLE;
    // An earlier run's creates are acknowledged, and on their way.
    let played = scene.jobs(2).play(|request, _, now| if now < SETTLE { status(404) } else { fine(request) });
    assert_eq!(played.requests, ["PUT posts/1", "GET posts/1", "DELETE posts/2"]);
    assert_eq!(played.recorded(), ["posts/1 done", "posts/2 done"]);
}

#[test]
fn a_comment_waits_for_its_post_even_where_both_are_updates() {
    // The target has lost everything.
    let works = works(&[("posts/1", Present, Wish::Present), ("comments/7", Present, Wish::Present)]);
    let lost = |request: &Request| match request.method {
        Method::Put => status(404),
        Method::Get | Method::Post | Method::Delete => fine(request),
    };
    let played = scene(works.clone()).jobs(4).play(|request, _, _| lost(request));
    let creates: Vec<&String> = played.requests.iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(creates, ["POST posts/1", "POST comments/7"]);
    assert!(played.first("PUT comments/7") > played.first("POST posts/1"));
    // The post is refused: its comment has nowhere to go.
    let played = scene(works.clone()).play(|request, _, _| match request.method {
        Method::Post => status(422),
        Method::Get | Method::Put | Method::Delete => status(404),
    });
    assert_eq!(played.recorded(), ["comments/7 Held Present", "posts/1 Parked Absent"]);
    // So is one whose create has no address. That says nothing of the object, and makes the earlier 404 doubtful.
    let mut no_address = scene(works.clone());
    no_address.listing = listing(&["posts/900"]);
    let played = no_address.play(|request, _, _| if request.key.id() == 900 { fine(request) } else { status(404) });
    assert_eq!(played.recorded(), ["comments/7 Held Present", "posts/1 Parked Unknown"]);
    // A post that is there, if older, keeps nobody waiting.
    let played = scene(works).play(|request, _, _| if request.key.id() == 1 { status(422) } else { fine(request) });
    assert_eq!(played.recorded(), ["comments/7 done", "posts/1 Parked Present"]);
}
