//! Texts that the target alters.

use alloc::vec;

use super::*;
use crate::fingerprint::Fingerprint;
use crate::profile::{JSON_SERVER_1, Profile, Writes};
use Presence::{Absent, Present, Unknown};

/// The title that is sent.
const SENT: &str = " t ";

/// posts/1 as the target has it.
fn post(title: &str) -> Object {
    titled("posts/1".parse().unwrap(), title)
}

fn shows(title: &str) -> Reply {
    http(200, &wire::to_json(&JSON_SERVER, &post(title), None))
}

fn kept(title: &str) -> Kept {
    Kept { sent: Fingerprint::of(&post(SENT)), kept: Fingerprint::of(&post(title)) }
}

fn one(before: Presence) -> Scene {
    Scene { title: SENT, ..scene(works(&[("posts/1", before, Wish::Present)])) }
}

fn writing(writes: Writes) -> Scene {
    let mut scene = one(Present);
    scene.config.profile = alloc::boxed::Box::leak(alloc::boxed::Box::new(Profile { writes, ..JSON_SERVER.clone() }));
    scene
}

/// What was recorded of posts/1 as kept in its place, or how it was left.
fn outcome(played: &Played) -> Option<Kept> {
    match played.facts.as_slice() {
        [Fact::Done(_, _, kept)] => {
            assert_eq!(played.summary.altered, u64::from(kept.is_some()));
            *kept
        }
        facts => panic!("{facts:?}"),
    }
}

#[test]
fn what_the_target_makes_of_a_create_is_remembered_and_found_again() {
    for title in ["t", "T"] {
        let played = one(Absent).play(|request, _, _| match (request.method, shows(title)) {
            (Method::Post, Reply::Http { body, .. }) => http(201, &body),
            (_, shown) => shown,
        });
        assert_eq!(
            (played.requests.as_slice(), played.warnings.len()),
            (&["POST posts/1", "GET posts/1"].map(String::from)[..], 0)
        );
        assert!(played.took < SETTLE, "{:?}", played.took);
        assert_eq!(outcome(&played), Some(kept(title)));
    }
}

#[test]
fn white_space_in_the_response_to_an_update_is_an_alteration() {
    for writes in [Writes::Trusted, Writes::Echoed] {
        let played = writing(writes).play(|_, _, _| shows("t"));
        assert_eq!(played.requests, ["PUT posts/1"], "{writes:?}");
        assert_eq!(outcome(&played), Some(kept("t")));
    }
    let played = writing(Writes::Read).play(|request, _, _| match request.method {
        Method::Get => shows("t"),
        Method::Put | Method::Post | Method::Delete => http(204, ""),
    });
    assert_eq!(played.requests, ["PUT posts/1", "GET posts/1", "GET posts/1"]);
    assert_eq!(outcome(&played), Some(kept("t")));
}

#[test]
fn another_text_in_the_response_to_an_update_is_an_alteration_if_it_was_not_there_before() {
    let played = one(Unknown).play(|request, times, _| match (request.method, times) {
        (Method::Get, 1) => shows("old"),
        _ => shows("T"),
    });
    assert_eq!((played.requests, played.warnings), (vec!["GET posts/1".into(), "PUT posts/1".into()], vec![]));
    let altered = [Fact::Done("posts/1".parse().unwrap(), crate::merge::Action::Update, Some(kept("T")))];
    assert_eq!(played.facts, altered);
    // An update that is ignored shows what was there.
    for before in [Unknown, Present] {
        let played = one(before).play(|_, _, _| shows("T"));
        assert_eq!(played.warnings, [Warning::StoredDifferently("posts/1".parse().unwrap())], "{before:?}");
        assert_eq!(outcome(&played), None);
    }
    // A GET that shows it may show what somebody else wrote.
    let played = writing(Writes::Read).play(|request, _, _| match request.method {
        Method::Get => shows("T"),
        Method::Put | Method::Post | Method::Delete => http(204, ""),
    });
    assert_eq!(played.recorded(), ["posts/1 Parked Unknown"]);
}

#[test]
fn a_record_found_by_its_key_before_the_update_tells_an_alteration() {
    let keyed = |title| {
        let mut scene = one(Present);
        scene.config.profile = &JSON_SERVER_1;
        let record =
            move |title: &str| wire::to_json(&JSON_SERVER_1, &post(title), None).replacen('{', "{\"id\":\"a\",", 1);
        scene.play(move |request, _, _| match request.method {
            Method::Get => http(200, &format!("[{}]", record(title))),
            Method::Put | Method::Post | Method::Delete => http(200, &record("T")),
        })
    };
    let played = keyed("old");
    assert_eq!((outcome(&played), played.warnings.len()), (Some(kept("T")), 0));
    assert_eq!((outcome(&keyed(SENT)), outcome(&keyed("T"))), (Some(kept("T")), None));
}

#[test]
fn what_is_known_to_be_kept_is_equal() {
    let known = |title: &str, before| {
        let mut scene = one(before);
        scene.kept = vec![("posts/1".parse().unwrap(), kept(title))];
        scene
    };
    let played = known("T", Unknown).play(|_, _, _| shows("T"));
    assert_eq!(played.requests, ["GET posts/1"]);
    assert_eq!(outcome(&played), Some(kept("T")));
    let played = known("T", Present).play(|_, _, _| shows("T"));
    assert_eq!((played.requests.as_slice(), outcome(&played)), (&["PUT posts/1".to_string()][..], Some(kept("T"))));
    // Whoever says nothing is believed to do what was done before; a target that has changed its ways is not.
    assert_eq!(outcome(&known("T", Present).play(|_, _, _| http(204, ""))), Some(kept("T")));
    assert_eq!(outcome(&known("T", Present).play(|_, _, _| shows(SENT))), None);
    assert_eq!(outcome(&known("T", Unknown).play(|_, _, _| shows(SENT))), None);
    // Somebody else has changed the record: it is written again.
    let played = known("T", Unknown).play(|request, _, _| match request.method {
        Method::Get => shows("changed"),
        Method::Put | Method::Post | Method::Delete => shows("T"),
    });
    assert_eq!((played.requests.len(), outcome(&played)), (2, Some(kept("T"))));
    // What was made of another row says nothing of this one.
    let mut scene = known("T", Present);
    scene.kept[0].1.sent = Fingerprint(7);
    assert_eq!(outcome(&scene.play(|_, _, _| http(204, ""))), None);
}

#[test]
fn a_create_that_is_answered_with_what_was_there_before_is_no_alteration() {
    let played = one(Absent).play(|_, _, _| shows("of somebody else"));
    assert_eq!(played.warnings, [Warning::StoredDifferently("posts/1".parse().unwrap())]);
    assert_eq!(outcome(&played), None);
}

#[test]
fn another_number_is_no_alteration() {
    let body = r#"{"id":1,"userId":2,"title":"t","body":"b"}"#;
    let played = one(Absent).play(|_, _, _| http(200, body));
    assert_eq!(played.warnings, [Warning::StoredDifferently("posts/1".parse().unwrap())]);
    assert_eq!(outcome(&played), None);
}
