//! Targets that choose the ids.

use alloc::vec;
use core::cell::RefCell;

use super::*;
use crate::profile::{JSON_SERVER_1, To};
use crate::session::Removed;
use crate::target_id::TargetId;

/// A record of the target: `posts/5` under an id of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    id: String,
    key: Key,
    /// The target's id of its post.
    parent: Option<String>,
    title: &'static str,
}

impl Record {
    fn new(id: &str, key: &str) -> Self {
        let key: Key = key.parse().unwrap();
        let parent = matches!(key, Key::Comment(_)).then(|| "p1".to_string());
        Self { id: id.to_string(), key, parent, title: "t" }
    }

    fn json(&self) -> String {
        let object = Object::new(self.key, 1, [self.title, "b", "c"].map(String::from)).unwrap();
        let parent = self.parent.as_deref().and_then(TargetId::text);
        wire::to_json(&JSON_SERVER_1, &object, parent.as_ref()).replacen('{', &format!("{{\"id\":\"{}\",", self.id), 1)
    }
}

/// What a target does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Asked for a key, it lists everything.
    IgnoresTheFilter,
    /// It keeps the key of a create in other words.
    AltersTheKey,
    /// It answers creates, and keeps nothing.
    Pretends,
    /// It never finds anything.
    FindsNothing,
}

struct Target {
    records: RefCell<Vec<Record>>,
    flaw: Flaw,
}

impl Target {
    fn new(records: &[(&str, &str)], flaw: Flaw) -> Self {
        Self { records: RefCell::new(records.iter().map(|(id, key)| Record::new(id, key)).collect()), flaw }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut records = self.records.borrow_mut();
        match (request.method, &request.to) {
            (Method::Get, To::Key(key)) => {
                let shows = |record: &&Record| match self.flaw {
                    Flaw::IgnoresTheFilter => record.key.entity() == key.entity(),
                    Flaw::FindsNothing => false,
                    Flaw::None | Flaw::AltersTheKey | Flaw::Pretends => record.key == *key,
                };
                let found: Vec<String> = records.iter().filter(shows).map(Record::json).collect();
                http(200, &format!("[{}]", found.join(",")))
            }
            (Method::Post, _) => {
                let id = format!("new{}", records.len() + 1);
                let parent = request.parent.as_ref().map(ToString::to_string);
                let mut record = Record { id, key: request.key, parent, title: "t" };
                if self.flaw == Flaw::AltersTheKey {
                    record.key = request.key.entity().key(request.key.id() + 500).unwrap();
                }
                if self.flaw != Flaw::Pretends {
                    records.push(record.clone());
                }
                http(201, &record.json())
            }
            (method, To::Id(id) | To::Stray(id)) => {
                let Some(at) = records.iter().position(|record| record.id == *id) else { return status(404) };
                if method == Method::Delete {
                    records.remove(at);
                    return status(200);
                }
                if method == Method::Put {
                    records[at].title = "t";
                    records[at].parent = request.parent.as_ref().map(ToString::to_string);
                }
                http(200, &records[at].json())
            }
            (Method::Put | Method::Delete, To::Key(_)) => status(500),
        }
    }

    fn left(&self) -> Vec<String> {
        self.records.borrow().iter().map(|record| format!("{} {}", record.key, record.id)).collect()
    }
}

fn keyed(works: Vec<Work>) -> Scene {
    let plain = scene(works);
    let effects = Effects { late: SETTLE + JSON_SERVER_1.search_takes(), ..plain.config.effects };
    Scene { config: Config { profile: &JSON_SERVER_1, effects, ..plain.config }, asks_first: true, ..plain }
}

fn play(scene: Scene, target: &Target) -> Played {
    scene.play(|request, _, _| target.answer(request))
}

#[test]
fn what_is_created_is_found_by_its_key_and_a_comment_carries_the_targets_id_of_its_post() {
    let plan = works(&[
        ("posts/1", Presence::Absent, Wish::Present),
        ("posts/2", Presence::Absent, Wish::Present),
        ("comments/7", Presence::Absent, Wish::Present),
    ]);
    let target = Target::new(&[], Flaw::None);
    let played = play(keyed(plan), &target);
    assert_eq!(
        played.requests,
        [
            // Both are asked for before the first write, and nothing is trusted before the filter is.
            "GET posts/the key of posts/1",
            "FILTER posts",
            "GET posts/the key of posts/2",
            "GET comments/the key of comments/7",
            "FILTER comments",
            "POST posts/1",
            "GET posts/the key of posts/1",
            "POST posts/2",
            "POST comments/7",
            "GET comments/the key of comments/7",
        ],
    );
    assert_eq!(target.left(), ["posts/1 new1", "posts/2 new2", "comments/7 new3"]);
    let parent = target.records.borrow()[2].parent.clone();
    assert_eq!((parent.as_deref(), played.recorded().len()), (Some("new1"), 3));
    assert_eq!((played.summary.stop, played.warnings), (None, Vec::new()));
}

#[test]
fn an_update_or_a_delete_finds_the_object_and_then_names_the_targets_id() {
    let plan = works(&[
        ("posts/1", Presence::Present, Wish::Present),
        ("posts/2", Presence::Present, Wish::Absent),
        ("comments/7", Presence::Present, Wish::Present),
    ]);
    let target = Target::new(&[("p1", "posts/1"), ("p2", "posts/2"), ("c7", "comments/7")], Flaw::None);
    let played = play(keyed(plan), &target);
    assert_eq!(
        played.requests,
        [
            "GET posts/the key of posts/1",
            "PUT posts/p1",
            // The post's id is known by then.
            "GET comments/the key of comments/7",
            "PUT comments/c7",
            "GET posts/the key of posts/2",
            "DELETE posts/p2",
        ],
    );
    assert_eq!(target.left(), ["posts/1 p1", "comments/7 c7"]);
    assert_eq!(played.recorded(), ["comments/7 done", "posts/1 done", "posts/2 done"]);
}

#[test]
fn a_comment_asks_for_its_post_where_that_is_not_known() {
    let plan = works(&[("comments/7", Presence::Unknown, Wish::Present)]);
    let target = Target::new(&[("p1", "posts/1"), ("c900", "comments/900")], Flaw::None);
    let played = play(Scene { listing: listing(&["comments/900"]), ..keyed(plan.clone()) }, &target);
    assert_eq!(
        &played.requests[..3],
        ["GET comments/the key of posts/1", "GET comments/the key of comments/7", "FILTER comments"]
    );
    assert_eq!(target.left(), ["posts/1 p1", "comments/900 c900", "comments/7 new3"]);

    let nowhere = Target::new(&[], Flaw::None);
    let played = play(keyed(plan), &nowhere);
    assert_eq!(played.recorded(), ["comments/7 Waiting Unknown"]);
    assert_eq!(played.summary.first_error.as_deref(), Some("comments/7: posts/1 is not at the target"));
    assert_eq!(nowhere.left(), Vec::<String>::new());
}

#[test]
fn an_id_of_a_post_that_is_outdated_is_asked_for_once_more() {
    let plan =
        works(&[("posts/1", Presence::Present, Wish::Present), ("comments/7", Presence::Present, Wish::Present)]);
    let target = Target::new(&[("p1", "posts/1"), ("c7", "comments/7")], Flaw::None);
    let played = keyed(plan).play(|request, _, _| {
        let is_update = request.method == Method::Put && matches!(request.key, Key::Comment(_));
        if is_update && request.parent == TargetId::text("p1") {
            // Somebody has made the post anew.
            target.records.borrow_mut()[0].id = "p9".to_string();
            return status(422);
        }
        target.answer(request)
    });
    let last = &played.requests[played.requests.len() - 2..];
    assert_eq!(last, ["GET comments/the key of posts/1", "PUT comments/c7"]);
    assert_eq!(played.recorded(), ["comments/7 done", "posts/1 done"]);
}

#[test]
fn a_target_that_ignores_the_filter_is_refused_before_a_second_record_exists() {
    for (before, after) in [(Presence::Absent, Wish::Present), (Presence::Present, Wish::Absent)] {
        let target = Target::new(&[("x", "posts/900")], Flaw::IgnoresTheFilter);
        let played = play(keyed(works(&[("posts/1", before, after)])), &target);
        assert!(matches!(played.summary.stop, Some(Stop::Unfiltered(_))), "{:?}", played.summary);
        assert_eq!(target.left(), ["posts/900 x"]);
        assert_eq!(played.recorded().iter().filter(|line| line.ends_with("done")).count(), 0, "{:?}", played.facts);
    }
}

#[test]
fn a_create_that_is_not_found_by_its_key_is_removed_and_stops_the_run() {
    for (flaw, finds) in [(Flaw::AltersTheKey, "another key"), (Flaw::FindsNothing, "nothing is found")] {
        let plan = many("posts", 1..=3, Presence::Absent, Wish::Present);
        let target = Target::new(&[], flaw);
        let played = play(keyed(plan), &target);
        let (key, named, removed) = ("posts/1".parse().unwrap(), "new1".to_string(), Removed::Yes);
        assert_eq!(played.summary.stop, Some(Stop::KeyLost { key, named, removed }), "{finds}");
        assert_eq!(target.left(), Vec::<String>::new(), "{finds}");
        assert_eq!(played.requests.iter().filter(|line| line.starts_with("POST")).count(), 1, "{finds}");
    }
}

#[test]
fn a_create_that_is_not_found_by_its_key_stops_the_run_where_no_id_is_named() {
    let played =
        keyed(many("posts", 1..=3, Presence::Absent, Wish::Present)).play(|request, _, _| match request.method {
            Method::Get => http(200, "[]"),
            Method::Post | Method::Put | Method::Delete => status(200),
        });
    assert!(matches!(played.summary.stop, Some(Stop::KeyLost { removed: Removed::No, .. })), "{:?}", played.summary);
    assert_eq!(played.requests.iter().filter(|line| line.starts_with("POST")).count(), 1, "{:?}", played.requests);
    assert!(played.recorded().contains(&"posts/1 Waiting Unknown".to_string()), "{:?}", played.recorded());
}

#[test]
fn after_a_lost_answer_a_search_is_given_its_time_besides() {
    for (trouble, waits) in [(Reply::Lost { why: "cut".to_string() }, SETTLE * 2), (status(500), SETTLE * 2)] {
        let target = Target::new(&[], Flaw::None);
        let mut lost_at = None;
        let plan = works(&[("posts/1", Presence::Absent, Wish::Present)]);
        let played = keyed(plan).play(|request, times, now| match (request.method, times) {
            (Method::Post, 1) => {
                lost_at = Some(now);
                trouble.clone()
            }
            _ => target.answer(request),
        });
        let at = played.requests.iter().rposition(|line| line.starts_with("POST")).unwrap();
        let asked = played.requests[..at].iter().rposition(|line| line.starts_with("GET")).unwrap();
        assert!(played.sent_at[asked] >= lost_at.unwrap() + waits, "{:?} {:?}", played.requests, played.sent_at);
        assert_eq!(target.left().len(), 1);
    }
}

#[test]
fn a_target_that_only_pretends_is_told_of() {
    let target = Target::new(&[], Flaw::Pretends);
    let played = play(keyed(works(&[("posts/1", Presence::Absent, Wish::Present)])), &target);
    assert_eq!(played.warnings, [Warning::Pretends("posts/1".parse().unwrap())]);
}

#[test]
fn several_objects_with_one_key_are_left_to_a_full_sync_which_clears_them() {
    let records = [("a", "posts/1"), ("b", "posts/1")];
    let target = Target::new(&records, Flaw::None);
    let plain = works(&[("posts/1", Presence::Present, Wish::Present), ("posts/2", Presence::Present, Wish::Present)]);
    let played = play(keyed(plain), &target);
    assert!(played.recorded().contains(&"posts/1 Parked Doubled".to_string()), "{:?}", played.recorded());
    assert!(target.left().starts_with(&["posts/1 a".to_string(), "posts/1 b".to_string()]), "{:?}", target.left());

    let target = Target::new(&records, Flaw::None);
    let played = play(keyed(works(&[("posts/1", Presence::Doubled, Wish::Present)])), &target);
    assert_eq!(target.left(), ["posts/1 a"], "{:?}", played.requests);
    assert!(played.requests.iter().all(|line| !line.starts_with("POST")), "one is kept: {:?}", played.requests);
    assert_eq!(played.recorded(), ["posts/1 done"]);
}

#[test]
fn a_lost_answer_to_a_create_is_found_by_its_key() {
    let target = Target::new(&[], Flaw::None);
    let plan = works(&[("posts/1", Presence::Absent, Wish::Present)]);
    let played = keyed(plan).play(|request, times, _| match (request.method, times) {
        (Method::Post, 1) => {
            target.answer(request);
            Reply::Lost { why: "cut".to_string() }
        }
        _ => target.answer(request),
    });
    assert_eq!(target.left(), ["posts/1 new1"], "{:?}", played.requests);
    assert_eq!(played.recorded(), vec!["posts/1 done"]);
}
