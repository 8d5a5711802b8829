//! Composition, chunking, replay.

use std::collections::BTreeMap;

use news_core::merge::EventType::{Created, Deleted, Updated};
use news_core::merge::{Action, Change, Event, EventType, Merged, Presence, Wish, action, merge};
use news_core::object::next_request;
use news_core::reply::Method;
use news_core::{Entity, Key};
use proptest::prelude::*;

use crate::cases;

const EVENTS: [EventType; 3] = [Created, Updated, Deleted];
const PRESENCES: [Presence; 4] = [Presence::Absent, Presence::Present, Presence::Unknown, Presence::Doubled];
const WISHES: [Wish; 2] = [Wish::Absent, Wish::Present];

fn changes() -> Vec<Change> {
    PRESENCES
        .into_iter()
        .flat_map(|before| WISHES.map(|after| (before, after)))
        .flat_map(|(before, after)| [false, true].map(|doubtful| Change { before, after, doubtful }))
        .collect()
}

/// All sequences of 1 to `length_max` events.
fn sequences(length_max: usize) -> Vec<Vec<EventType>> {
    let mut all: Vec<Vec<EventType>> = Vec::new();
    let mut longest = vec![Vec::new()];
    for _ in 0..length_max {
        longest = longest.iter().flat_map(|head| EVENTS.map(|last| [head.as_slice(), &[last]].concat())).collect();
        all.extend_from_slice(&longest);
    }
    all
}

fn log(kinds: &[EventType]) -> Vec<Event> {
    (1..).zip(kinds).map(|(id, kind)| Event { id, key: post(1), kind: *kind, doubtful: false }).collect()
}

fn post(id: i64) -> Key {
    Entity::Post.key(id).unwrap()
}

/// A target that takes every event as it comes: is the object there in the end?
fn replayed(start: bool, kinds: &[EventType]) -> bool {
    let mut there = start;
    for kind in kinds {
        there = match kind {
            Created | Updated => true,
            Deleted => false,
        };
    }
    there
}

/// A target that takes one request, and is strict: it knows no upsert.
fn sent(there: bool, request: Option<Method>) -> Result<bool, &'static str> {
    match (request, there) {
        (None, there) => Ok(there),
        (Some(Method::Post), false) | (Some(Method::Put), true) => Ok(true),
        (Some(Method::Delete), true) => Ok(false),
        (Some(Method::Post), true) => Err("POST of what exists"),
        (Some(Method::Put), false) => Err("PUT of what is missing"),
        (Some(Method::Delete), false) => Err("DELETE of what is missing"),
        (Some(Method::Get), _) => Err("GET again"),
    }
}

#[test]
fn composition_is_associative() {
    for a in changes() {
        for b in changes() {
            for c in changes() {
                law!("(a then b) then c = a then (b then c)",
                    expected a.then(b.then(c)), seen a.then(b).then(c), of "{a:?}, {b:?}, {c:?}");
                let ends = |change: Change| (change.before, change.after);
                law!("what lies between two ends does not matter for them: a then b then c = a then c",
                    expected ends(a.then(c)), seen ends(a.then(b).then(c)), of "{a:?}, {b:?}, {c:?}");
            }
        }
    }
}

#[test]
fn a_doubt_is_never_lost() {
    for a in changes() {
        for b in changes() {
            let fits = Presence::from(a.after) == b.before;
            law!("a then b is doubtful where either is, or where they contradict each other",
                expected a.doubtful || b.doubtful || !fits, seen a.then(b).doubtful, of "{a:?}, {b:?}");
        }
        law!("a doubtful change asks",
            expected if a.doubtful { Action::Ask } else { action(a.before, a.after) }, seen a.action(), of "{a:?}");
    }
}

#[test]
fn composition_keeps_the_outer_ends() {
    for a in changes() {
        for b in changes() {
            law!("a then b is from before a to after b",
                expected (a.before, b.after), seen (a.then(b).before, a.then(b).after), of "{a:?}, {b:?}");
        }
    }
}

/// Every pair of events composes, odd ones too; written out, so that it can be read.
#[test]
fn every_pair_composes() {
    let table = [
        (Created, Created, Action::Ask),
        (Created, Updated, Action::Create),
        (Created, Deleted, Action::Nothing),
        (Updated, Created, Action::Ask),
        (Updated, Updated, Action::Update),
        (Updated, Deleted, Action::Delete),
        (Deleted, Created, Action::Update),
        (Deleted, Updated, Action::Ask),
        (Deleted, Deleted, Action::Ask),
    ];
    for (first, second, expected) in table {
        let seen = Change::of(first).then(Change::of(second)).action();
        law!("the table of pairs", expected expected, seen seen, of "{first:?} then {second:?}");
    }
}

/// 3 + 9 + … + 3^8 = 9840 sequences x what the target had.
#[test]
fn replaying_the_merged_change_is_replaying_the_log() {
    let all = sequences(8);
    assert_eq!(all.len(), 9840);
    for kinds in all {
        let merged = merge(log(&kinds))[&post(1)];
        let first_says_there = kinds[0] != Created;
        law!("the first event says what was before",
            expected if first_says_there { Presence::Present } else { Presence::Absent },
            seen merged.change.before, of "{kinds:?}");
        for start in [false, true] {
            let known = if start { Presence::Present } else { Presence::Absent };
            let expected = Ok(replayed(start, &kinds));
            let after = merged.change.after;
            law!("one request from the recorded presence = the whole log",
                expected expected, seen sent(start, next_request(known, after)), of "{kinds:?} from {known:?}");
            if start == first_says_there {
                law!("the inferred presence is as good where the log is honest",
                    expected expected, seen sent(start, next_request(merged.change.before, after)),
                    of "{kinds:?} from {known:?}");
            }
            law!("an unknown presence is asked for first",
                expected Some(Method::Get), seen next_request(Presence::Unknown, after), of "{kinds:?}");
        }
        let whole = (1, i64::try_from(kinds.len()).unwrap(), kinds.len() as u64);
        law!("the merged change stands for all its events",
            expected whole, seen (merged.first_id, merged.last_id, merged.events), of "{kinds:?}");
    }
}

#[test]
fn nothing_is_sent_exactly_where_nothing_changes_for_the_target() {
    for before in PRESENCES {
        for after in WISHES {
            let stays_away = before == Presence::Absent && after == Wish::Absent;
            law!("nothing is sent for what was not and shall not be there, and only for that",
                expected stays_away, seen action(before, after) == Action::Nothing, of "{before:?} -> {after:?}");
        }
    }
}

/// What one event says, where it is trusted.
fn ends(merged: Merged) -> (Presence, Wish, i64, i64) {
    (merged.change.before, merged.change.after, merged.first_id, merged.last_id)
}

/// Every way to deal a log out to two machines, and either of them first.
#[test]
fn merging_a_log_that_is_dealt_out_to_two_gives_the_same_ends_and_loses_no_doubt() {
    for kinds in sequences(6) {
        let events = log(&kinds);
        let expected = merge(events.clone())[&post(1)];
        for mask in 1..(1_usize << events.len()) - 1 {
            let part = |side: usize| {
                let of_side = (0..).zip(&events).filter(|(i, _)| (mask >> i) & 1 == side).map(|(_, event)| *event);
                merge(of_side)[&post(1)]
            };
            let cuts = events.windows(2).enumerate().filter(|(i, _)| (mask >> i) & 1 != (mask >> (i + 1)) & 1).count();
            for (one, other) in [(part(0), part(1)), (part(1), part(0))] {
                let seen = one.with(other);
                law!("parts of a log have the ends of the log", expected ends(expected), seen ends(seen), of "{kinds:?} dealt by {mask:b}");
                if cuts == 1 {
                    law!("two consecutive parts merge to what the log merges to",
                        expected expected, seen seen, of "{kinds:?} dealt by {mask:b}");
                } else {
                    law!("parts that lie between each other are in doubt", expected true, seen seen.change.doubtful, of "{kinds:?} dealt by {mask:b}");
                }
            }
        }
    }
}

/// Events of a few objects of both kinds, odd sequences included, with gaps in the ids.
fn logs() -> impl Strategy<Value = Vec<Event>> {
    let one = (1_i64..5, any::<bool>(), 0_usize..3, 1_i64..9);
    prop::collection::vec(one, 1..40).prop_map(|drawn| {
        let mut id = 0;
        let mut events = Vec::new();
        for (number, is_post, kind, gap) in drawn {
            id += gap;
            let entity = if is_post { Entity::Post } else { Entity::Comment };
            let doubtful = gap == 8;
            events.push(Event { id, key: entity.key(number).unwrap(), kind: EVENTS[kind], doubtful });
        }
        events
    })
}

fn joined(all: &mut BTreeMap<Key, Merged>, chunk: BTreeMap<Key, Merged>) {
    for (key, merged) in chunk {
        all.entry(key).and_modify(|part| *part = part.with(merged)).or_insert(merged);
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn merging_is_the_same_under_any_chunking_in_any_order(
        events in logs(), cuts in prop::collection::vec(0_usize..40, 0..6), order in any::<u64>(),
    ) {
        // Chunks are consecutive; the events of one, and the chunks, come in any order.
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % events.len()).chain([0, events.len()]).collect();
        cuts.sort_unstable();
        let scrambled = |id: u64| id.wrapping_mul(order | 1).rotate_left(17);
        let mut chunks: Vec<Vec<Event>> = cuts.windows(2).map(|ends| events[ends[0]..ends[1]].to_vec()).collect();
        for chunk in &mut chunks {
            chunk.sort_by_key(|event| scrambled(event.id.unsigned_abs()));
        }
        chunks.sort_by_key(|chunk| scrambled(chunk.len() as u64));
        let mut parts: Vec<BTreeMap<Key, Merged>> = chunks.into_iter().map(merge).collect();
        // Neighbours are joined before others are.
        parts.sort_by_key(|part| part.values().map(|merged| merged.first_id).min());
        let mut seen = BTreeMap::new();
        for part in parts {
            joined(&mut seen, part);
        }
        let expected = merge(events.clone());
        law!("chunks merge to what the log merges to", expected expected, seen seen, of "{events:?} cut at {cuts:?}");
    }

    #[test]
    fn merging_parts_is_associative_commutative_and_idempotent(events in logs(), one in 0_usize..40, two in 0_usize..40) {
        let events: Vec<Event> = events.into_iter().map(|event| Event { key: post(1), ..event }).collect();
        let (low, high) = (one.min(two) % events.len(), one.max(two) % events.len());
        let (low, high) = (low.min(high), low.max(high));
        let part = |events: &[Event]| merge(events.iter().copied()).get(&post(1)).copied();
        let parts = [part(&events[..low]), part(&events[low..high]), part(&events[high..])];
        let [Some(a), Some(b), Some(c)] = parts else { return Ok(()) };
        law!("with is associative for consecutive parts", expected a.with(b.with(c)), seen a.with(b).with(c), of "{a:?}, {b:?}, {c:?}");
        law!("with is commutative", expected a.with(b), seen b.with(a), of "{a:?}, {b:?}");
        // The number of events is a count and no set: it alone grows when a part comes twice.
        law!("a part that comes twice leaves the ends as they are", expected ends(a.with(b)), seen ends(a.with(b).with(b)), of "{a:?}, {b:?}");
    }

    /// With contents: a master lives on after a sync; the target is then brought in step event by event,
    /// each with the content of its time, or by the merged changes with the content of now.
    #[test]
    fn sending_the_merged_changes_comes_to_what_sending_every_event_comes_to(
        synced in 0_usize..30,
        edits in prop::collection::vec((1_i64..6, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let mut master: BTreeMap<Key, usize> = BTreeMap::new();
        let mut naive = BTreeMap::new();
        let mut target = BTreeMap::new();
        let mut events = Vec::new();
        for (content, (number, is_post, deletes)) in edits.into_iter().enumerate() {
            if content == synced {
                (naive, target) = (master.clone(), master.clone());
                events.clear();
            }
            let key = if is_post { Entity::Post } else { Entity::Comment }.key(number).unwrap();
            let kind = match (deletes, master.contains_key(&key)) {
                (true, false) => continue,
                (true, true) => Deleted,
                (false, false) => Created,
                (false, true) => Updated,
            };
            let at = i64::try_from(content).unwrap() + 1;
            events.push(Event { id: at, key, kind, doubtful: false });
            for side in [&mut master, &mut naive] {
                if kind == Deleted { side.remove(&key); } else { side.insert(key, content); }
            }
        }
        let mut requests = 0;
        for (key, merged) in merge(events.iter().copied()) {
            let request = next_request(merged.change.before, merged.change.after);
            requests += usize::from(request.is_some());
            let there = sent(target.contains_key(&key), request);
            match there {
                Ok(true) => { target.insert(key, master[&key]); }
                Ok(false) => { target.remove(&key); }
                Err(why) => panic!("law broken: an honest log needs no refused request\n  seen {why} for {key}\n  of {events:?}"),
            }
        }
        law!("merged changes with today's content = every event with its own", expected naive, seen target, of "{events:?}");
        law!("the target then equals the master", expected master, seen target, of "{events:?}");
        let objects = merge(events.iter().copied()).len();
        prop_assert!(requests <= objects, "law broken: at most one request an object\n  seen {requests} for {objects}");
    }
}
