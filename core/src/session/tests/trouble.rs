//! Outages: what ends a run and what does not.

use super::*;
use crate::session::pace::Exhausted;
use Presence::Present;

fn updates(n: u32) -> Vec<Work> {
    many("posts", 1..=n, Present, Wish::Present)
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
        let has_left = !matches!(reply, Reply::NotSent { .. });
        assert_eq!(
            (played.summary.requests > 0, !played.summary.methods.is_empty()),
            (has_left, has_left),
            "{reply:?}"
        );
    }
    // Few objects make no streak: it is the target all the same.
    let played = scene(updates(1)).play(|_, _, _| status(503));
    assert!(matches!(played.summary.stop, Some(Stop::Unavailable(..))));
}

#[test]
fn a_target_that_stumbles_over_many_is_not_away() {
    // JSONPlaceholder: PUT of objects made here: 500, GET: 404, POST: 201.
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
        Fact::Done(..) => None,
    });
    assert!(whys.clone().count() == 3 && whys.clone().all(str::is_empty), "{:?}", played.facts);
}
