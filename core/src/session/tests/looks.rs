//! Sessions that only look.

use super::*;
use crate::session::{LOOK_WITHIN, Sight};

/// Plays a look at these objects, two at a time. Returns what was seen, in words, the requests, and the stop.
fn look(
    keys: &[&str],
    listing: &Listing,
    answer: impl Fn(&Request, usize) -> Reply,
) -> (Vec<String>, Vec<String>, Option<Stop>) {
    let keys: Vec<Key> = keys.iter().map(|key| key.parse().unwrap()).collect();
    let config = Config { jobs: 2, ..scene(Vec::new()).config };
    let mut session = Session::looking(config, &keys, 3, Duration::ZERO);
    let (mut now, mut requests) = (Duration::ZERO, Vec::new());
    loop {
        match session.next(now) {
            Next::Send(request) => {
                assert_eq!(request.method, Method::Get);
                let line = format!("GET {}", request.key);
                let before = requests.iter().filter(|other| **other == line).count();
                requests.push(line);
                session.answered(request.key, &answer(&request, before), None, now, 100);
            }
            Next::CheckListing(look) => {
                requests.push(format!("LIST {}", look.entity));
                session.listed(listing.clone(), now, 100);
            }
            Next::Probe(key) => {
                requests.push(format!("PROBE {key}"));
                session.probed(key, &http(200, &wire::to_json(&JSON_SERVER, &object(key), None)), now, 100);
            }
            Next::Wait(until) => now = until.unwrap(),
            Next::Finished => break,
            next @ (Next::Prepare(_)
            | Next::Load(_)
            | Next::Record(_)
            | Next::AskMaster(_)
            | Next::ProbeFilter(_)
            | Next::Warn(_)) => {
                panic!("{next:?}")
            }
        }
    }
    let stop = session.summary().stop.clone();
    let word = |(key, sight): (Key, Sight)| match sight {
        Sight::Gone => format!("{key} gone"),
        Sight::There(element) => format!("{key} there {}", element.is_readable()),
        Sight::Odd(why) => format!("{key} odd: {why}"),
    };
    (session.into_sights().into_iter().map(word).collect(), requests, stop)
}

#[test]
fn each_object_is_asked_for_once_and_a_404_is_trusted_once_another_one_was_found() {
    let answer = |request: &Request, _| match request.key.id() {
        1 => fine(request),
        2 => status(404),
        3 => http(200, r#"{"id": 3, "userId": 1, "title": 5, "body": ""}"#),
        _ => http(200, "<html>"),
    };
    let keys = ["posts/1", "posts/2", "posts/3", "posts/4", "posts/1"];
    let (seen, requests, stop) = look(&keys, &Listing::Read(Sample::default()), answer);
    assert_eq!(seen[..3], ["posts/1 there true", "posts/2 gone", "posts/3 there false"]);
    assert!(seen[3].starts_with("posts/4 odd: "), "{seen:?}");
    assert_eq!((requests.len(), stop), (4, None), "{requests:?}");
}

#[test]
fn a_404_is_not_trusted_where_the_listing_and_the_addresses_disagree() {
    let gone = |_: &Request, _| status(404);
    let listed = |keys: &[&str]| {
        let speaking = keys.iter().map(|key| key.parse().unwrap()).collect();
        Listing::Read(Sample { elements: 1, speaking, silent: BTreeSet::new() })
    };
    // Another object has the address that it should have.
    let (seen, requests, stop) = look(&["posts/2"], &listed(&["posts/7"]), gone);
    assert_eq!((seen, stop), (alloc::vec!["posts/2 gone".to_string()], None));
    assert_eq!(requests, ["GET posts/2", "LIST posts", "PROBE posts/7"]);
    // An empty listing says it, too.
    let (seen, ..) = look(&["posts/2"], &Listing::Read(Sample::default()), gone);
    assert_eq!(seen, ["posts/2 gone"]);
    // What is no listing of ours does not.
    let (seen, _, stop) = look(&["posts/2"], &Listing::Refused("GET /posts: status 404".into()), gone);
    assert!(seen.is_empty() && matches!(stop, Some(Stop::WrongBase(_))), "{seen:?} {stop:?}");
}

#[test]
fn trouble_is_tried_again_and_then_ends_the_look() {
    let (seen, requests, stop) = look(&["posts/1", "posts/2"], &Listing::Read(Sample::default()), |request, before| {
        if request.key.id() == 1 && before < 2 { status(503) } else { fine(request) }
    });
    assert_eq!((seen.len(), requests.len(), stop), (2, 4, None));
    for (reply, ends) in [
        (status(503), "unavailable"),
        (Reply::NotSent { why: "refused".into() }, "unavailable"),
        (status(401), "credentials"),
        (status(403), "credentials"),
        (status(301), "base URL"),
        (status(418), "refuses posts/1"),
    ] {
        let (_, requests, stop) = look(&["posts/1"], &Listing::Read(Sample::default()), |_, _| reply.clone());
        let said = stop.map(|stop| stop.to_string()).unwrap_or_default();
        assert!(said.contains(ends) && said.contains("posts/1") && requests.len() <= 3, "{said} {requests:?}");
    }
}

#[test]
fn a_look_that_took_too_long_is_not_repeated() {
    for (took, is_over) in [(LOOK_WITHIN / 2, false), (LOOK_WITHIN, true)] {
        let key: Key = "posts/1".parse().unwrap();
        let mut session = Session::looking(scene(Vec::new()).config, &[key], 5, Duration::ZERO);
        assert!(matches!(session.next(Duration::ZERO), Next::Send(_)));
        let lost = Reply::Lost { why: String::from("timed out") };
        session.answered(key, &lost, None, took, 100);
        assert_eq!(session.summary().stop.is_some(), is_over, "{took:?}");
    }
}
