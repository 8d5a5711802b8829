//! Limits of the target, and of one object.

use super::*;
use crate::reply::Method;
use crate::session::pace::{Exhausted, THROTTLED_MAX};
use Presence::Present;

fn updates(n: u32) -> Vec<Work> {
    many("posts", 1..=n, Present, Wish::Present)
}

#[test]
fn throttled_runs_wait_as_told_and_no_attempt_is_counted() {
    let played =
        scene(updates(2)).jobs(2).play(|request, _, now| if now < MS(30_000) { throttled(3) } else { fine(request) });
    assert_eq!((&played.summary.stop, played.summary.retries, played.summary.failed), (&None, 0, 0));
    assert!(played.requests.len() < 26, "{}", played.requests.len());
    assert!(played.summary.throttled >= MS(25_000) && played.summary.throttled <= played.took, "{:?}", played.summary);
}

#[test]
fn retry_after_zero_for_ever_does_not_spin() {
    let played = scene(updates(1)).play(|_, _, _| throttled(0));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(Exhausted::Throttled(_), _))));
    assert!(played.requests.len() < 1000, "{} requests", played.requests.len());
    assert!(played.took < THROTTLED_MAX + MS(60_000));
}

#[test]
fn one_object_that_is_put_off_for_an_hour_keeps_nobody_waiting() {
    for jobs in [1, 4] {
        let played = scene(updates(20))
            .jobs(jobs)
            .play(|request, _, _| if request.key.id() == 3 { throttled(3600) } else { fine(request) });
        assert_eq!((&played.summary.stop, played.summary.failed), (&None, 1), "{jobs}");
        assert_eq!(played.recorded().iter().filter(|line| line.ends_with("done")).count(), 19, "{jobs}");
        assert!(played.recorded().contains(&"posts/3 Waiting Present".to_string()), "{jobs}");
        assert!(played.took < MS(3000), "{jobs}: {:?}", played.took);
        assert!(played.summary.throttled <= MS(1000), "{jobs}: not waited for, not reported");
    }
}

#[test]
fn so_does_one_that_would_show_whether_creates_are_kept() {
    let mut works = many("posts", 1..=1, Presence::Doubled, Wish::Present);
    works.extend(many("posts", 2..=9, Presence::Absent, Wish::Present));
    let played = scene(works).play(|request, _, _| if request.key.id() == 1 { throttled(3600) } else { fine(request) });
    assert_eq!((&played.summary.stop, played.summary.failed, played.recorded().len()), (&None, 1, 9));
    assert!(played.took < MS(3000), "{:?}", played.took);
}

#[test]
fn nor_does_it_while_the_target_stumbles() {
    // Ten failures in a row, and then one object is put off: another one finds out whether it is over.
    let mut works = many("posts", 1..=2, Presence::Unknown, Wish::Present);
    works.extend(many("comments", 1..=9, Present, Wish::Absent));
    let played = scene(works).jobs(2).play(|request, _, _| match request.key {
        Key::Post(_) => status(500),
        Key::Comment(id) if id.get() == 1 => throttled(3600),
        Key::Comment(_) => fine(request),
    });
    assert_eq!((&played.summary.stop, played.summary.failed), (&None, 3));
    assert!(played.took < MS(60_000), "{:?}", played.took);
}

#[test]
fn so_does_one_that_is_always_put_off() {
    let target = |request: &Request| if request.key.id() == 3 { throttled(2) } else { fine(request) };
    // Slow enough that the others are still at work when it comes again.
    let mut slow = scene(updates(60));
    slow.config.rate_per_s = Some(2.0);
    let played = slow.play(|request, _, _| target(request));
    assert_eq!((&played.summary.stop, played.summary.failed), (&None, 1));
    assert_eq!(played.requests.iter().filter(|line| *line == "PUT posts/3").count(), 5);
}

#[test]
fn what_had_to_wait_is_prepared_again_before_it_is_written() {
    let quota = Reply::Http { status: 403, retry_after: Some(MS(2000)), location: None, body: "quota".into() };
    for (before, after, request) in [
        (Present, Wish::Absent, "DELETE posts/1"),
        (Present, Wish::Present, "PUT posts/1"),
        // As the first create of its entity, it keeps no other one waiting.
        (Presence::Absent, Wish::Present, "POST posts/1"),
    ] {
        for (reply, recorded) in [(&quota, before), (&status(503), Presence::Unknown)] {
            for loaded in [Loaded::Overtaken, Loaded::Contradicted] {
                let other = if after == Wish::Absent { Present } else { before };
                let mut scene = scene(works(&[("posts/1", before, after), ("posts/2", other, after)]));
                scene.loaded = alloc::vec![
                    ("posts/1".parse().unwrap(), Loaded::Ready),
                    ("posts/1".parse().unwrap(), loaded.clone())
                ];
                let played = scene.play(|request, _, _| match (request.key.id(), request.method) {
                    (1, Method::Post | Method::Put | Method::Delete) => reply.clone(),
                    (1, Method::Get) if after == Wish::Present => status(404),
                    (1, Method::Get) => http(200, "{\"id\":1,\"userId\":1,\"title\":\"other\",\"body\":\"\"}"),
                    (_, Method::Get | Method::Post | Method::Put | Method::Delete) => fine(request),
                });
                let writes =
                    played.requests.iter().filter(|line| line.ends_with("posts/1") && !line.starts_with("GET"));
                assert_eq!(writes.collect::<Vec<_>>(), [request], "{reply:?}");
                // Asked for before it was found to be otherwise.
                let recorded = match (recorded, after) {
                    (Presence::Unknown, Wish::Absent) => Present,
                    (Presence::Unknown, Wish::Present) => Presence::Absent,
                    (recorded, _) => recorded,
                };
                let (overtaken, contradicted) = if loaded == Loaded::Overtaken { (1, 0) } else { (0, 1) };
                assert_eq!(played.recorded(), [format!("posts/1 Waiting {recorded:?}"), "posts/2 done".into()]);
                assert_eq!((played.summary.overtaken, played.summary.contradicted), (overtaken, contradicted));
                assert_eq!((&played.summary.stop, played.summary.failed), (&None, 0), "{reply:?}");
            }
        }
    }
}

#[test]
fn no_row_is_written_that_was_read_long_ago() {
    let mut slow = scene(updates(60));
    slow.config.rate_per_s = Some(1.0);
    let played = slow.play(|request, _, _| fine(request));
    assert_eq!((played.summary.stop, played.requests.len()), (None, 60));
    let prepared = played.prepared.len();
    assert!(prepared > 60 && prepared < 600, "{prepared}");
}

#[test]
fn a_service_unavailable_about_one_object_is_its_own_too() {
    let away = Reply::Http { status: 503, retry_after: Some(MS(3_600_000)), location: None, body: String::new() };
    let played =
        scene(updates(20)).play(|request, _, _| if request.key.id() == 3 { away.clone() } else { fine(request) });
    assert_eq!((&played.summary.stop, played.summary.failed), (&None, 1));
    assert!(played.took < MS(3000), "{:?}", played.took);
}

#[test]
fn an_hour_for_everybody_ends_the_run_at_once() {
    for objects in [1, 20] {
        let played = scene(updates(objects)).jobs(4).play(|_, _, _| throttled(3600));
        assert!(matches!(played.summary.stop, Some(Stop::Unavailable(Exhausted::Throttled(_), _))), "{objects}");
        assert!(played.requests.len() <= 4 && played.took < MS(3000), "{objects}: {:?}", played.took);
        assert!(played.summary.throttled <= played.took, "{objects}: {:?}", played.summary.throttled);
    }
}

#[test]
fn an_hour_before_the_first_create_ends_the_run_too() {
    let mut scene = scene(many("posts", 1..=1, Presence::Absent, Wish::Present));
    scene.asks_first = true;
    let played = scene.play(|_, _, _| throttled(3600));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(Exhausted::Throttled(_), _))));
    assert!(played.took < MS(3000), "{:?}", played.took);
}

#[test]
fn a_403_with_a_time_to_wait_is_a_limit() {
    let limited =
        Reply::Http { status: 403, retry_after: Some(MS(2000)), location: None, body: "secondary rate".into() };
    let played = scene(updates(9)).play(|request, _, now| if now < MS(5000) { limited.clone() } else { fine(request) });
    assert_eq!((&played.summary.stop, played.summary.parked, played.recorded().len()), (&None, 0, 9));
}

#[test]
fn a_token_bucket_is_used_up_to_its_rate_and_every_object_arrives() {
    // Two a second, and no more than two at once.
    for jobs in [1, 4, 16] {
        let (mut tokens, mut filled) = (2.0_f64, Duration::ZERO);
        let played = scene(updates(60)).jobs(jobs).play(|request, _, now| {
            tokens = (tokens + 2.0 * now.saturating_sub(filled).as_secs_f64()).min(2.0);
            filled = now;
            if tokens < 1.0 {
                return throttled(1);
            }
            tokens -= 1.0;
            fine(request)
        });
        assert_eq!((&played.summary.stop, played.summary.failed), (&None, 0), "{jobs}");
        assert_eq!(played.recorded().len(), 60, "{jobs}");
        assert!(played.took < MS(60_000), "{jobs}: {:?}", played.took);
        assert!(played.requests.len() < 120, "{jobs}: {} requests", played.requests.len());
    }
}
