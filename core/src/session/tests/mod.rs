//! Scenarios: a plan, a target in a closure, and what came of it. Everything takes 10 ms.

mod addresses;
mod altering;
mod asking;
mod confirming;
mod doubled;
mod firsts;
mod holds;
mod keyed;
mod limits;
mod looks;
mod moved;
mod order;
mod refusals;
mod trouble;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::kept::Kept;
use crate::merge::{Presence, Wish};
use crate::model::{Entity, Key, Object, PostId};
use crate::object::{Effects, Wait};
use crate::plan::{Leaving, Plan, Standing, Work};
use crate::profile::JSON_SERVER;
use crate::reply::{Method, Reply};
use crate::session::{
    Asks, Config, Fact, IMPOSSIBLE_ID, Left, Listing, Loaded, Memory, Next, Request, SETTLE, Sample, Session, Stop,
    Strangers, Summary, Warning,
};
use crate::wire;

const MS: fn(u64) -> Duration = Duration::from_millis;
const LATENCY: Duration = Duration::from_millis(10);

/// A plan, and what surrounds it; all is well unless said otherwise.
struct Scene {
    works: Vec<Work>,
    leaving: Leaving,
    config: Config,
    /// What each listing gives; of posts/900 and the like, the target is asked for by their own addresses.
    listing: Listing,
    /// What earlier runs have learnt.
    memory: Memory,
    /// What loading these gives, one time after the other, where it is not [`Loaded::Ready`].
    loaded: Vec<(Key, Loaded)>,
    /// What the target is known to keep in place of these objects.
    kept: Vec<(Key, Kept)>,
    /// What is asked for before the first write is the target's to answer; else it is not there, and that is not told of.
    asks_first: bool,
    /// The title of each row.
    title: &'static str,
    /// Interrupted once so many requests were sent.
    interrupt_after: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Played {
    /// `POST posts/1`, in the order of sending; `LIST` for a listing of posts, `LIST comments` for the other.
    requests: Vec<String>,
    sent_at: Vec<Duration>,
    /// Under way at the same time, at most.
    jobs: usize,
    prepared: Vec<Key>,
    facts: Vec<Fact>,
    warnings: Vec<Warning>,
    summary: Summary,
    memory: Memory,
    took: Duration,
}

/// Work on an object, in words: `posts/1 Absent Present`. A comment belongs to posts/1.
fn works(lines: &[(&str, Presence, Wish)]) -> Vec<Work> {
    let work = |(key, before, after): &(&str, Presence, Wish)| {
        let key: Key = key.parse().unwrap();
        let parent = matches!(key, Key::Comment(_)).then(|| PostId::new(1).unwrap());
        Work { key, parent, before: *before, after: *after, standing: Standing::Ready, settles_in: Duration::ZERO }
    };
    lines.iter().map(work).collect()
}

/// The same work for the objects of these ids.
fn many(entity: &str, ids: core::ops::RangeInclusive<u32>, before: Presence, after: Wish) -> Vec<Work> {
    ids.flat_map(|id| works(&[(&format!("{entity}/{id}"), before, after)])).collect()
}

fn object(key: Key) -> Object {
    titled(key, "t")
}

fn titled(key: Key, title: &str) -> Object {
    Object::new(key, 1, [title, "b", "c"].map(String::from)).unwrap()
}

fn status(status: u16) -> Reply {
    http(status, "{}")
}

fn http(status: u16, body: &str) -> Reply {
    Reply::Http { status, retry_after: None, location: None, body: body.to_string() }
}

fn throttled(seconds: u64) -> Reply {
    Reply::Http { status: 429, retry_after: Some(MS(seconds * 1000)), location: None, body: String::new() }
}

/// What a target answers that keeps everything.
fn fine(request: &Request) -> Reply {
    http(200, &wire::to_json(&JSON_SERVER, &object(request.key), None))
}

fn scene(works: Vec<Work>) -> Scene {
    let effects = Effects { settle: SETTLE, late: SETTLE, wait: Wait::Once };
    let strangers = Strangers::Refused;
    let config = Config {
        jobs: 1,
        rate_per_s: None,
        effects,
        settled_in: Duration::ZERO,
        strangers,
        asks: Asks::Some,
        profile: &JSON_SERVER,
    };
    Scene {
        works,
        leaving: Leaving::new(),
        config,
        listing: Listing::Read(Sample::default()),
        memory: Memory::default(),
        loaded: Vec::new(),
        kept: Vec::new(),
        asks_first: false,
        title: "t",
        interrupt_after: None,
    }
}

enum Flying {
    Request(Request),
    Listing,
    Probe(Key),
    Filter(Entity),
}

/// A listing of these objects, that can speak for others.
fn listing(keys: &[&str]) -> Listing {
    let speaking: Vec<Key> = keys.iter().map(|key| key.parse().unwrap()).collect();
    Listing::Read(Sample { elements: speaking.len() as u64, speaking, silent: BTreeSet::new() })
}

impl Scene {
    fn question(&self, key: Key) -> Request {
        Request { key, method: Method::Get, to: self.config.profile.to(key), parent: None }
    }

    fn tell_kept(&self, session: &mut Session, key: Key) {
        self.kept.iter().filter(|(other, _)| *other == key).for_each(|(key, kept)| session.keeps(*key, *kept));
    }

    fn jobs(mut self, jobs: usize) -> Self {
        self.config.jobs = jobs;
        self
    }

    /// Plays it. The target is given the request, how often it was sent, and the time.
    fn play(self, mut target: impl FnMut(&Request, usize, Duration) -> Reply) -> Played {
        let plan = Plan::new(self.works.clone()).with_leaving(self.leaving.clone());
        let mut session = Session::new(self.config, &plan, Duration::ZERO);
        session.recall(self.memory.clone(), Duration::ZERO);
        let (mut played, mut now) = (Played::default(), Duration::ZERO);
        let mut flying: VecDeque<(Duration, Flying)> = VecDeque::new();
        let mut asked_first = BTreeSet::new();
        loop {
            assert!(played.requests.len() < 10_000, "no end");
            match session.next(now) {
                Next::Prepare(keys) => {
                    for key in keys {
                        object(key).parent().into_iter().for_each(|post| session.belongs_to(key, post));
                        self.tell_kept(&mut session, key);
                        let times = played.prepared.iter().filter(|other| **other == key).count();
                        let other = self.loaded.iter().filter(|(other, _)| *other == key).nth(times);
                        session.loaded(key, other.map_or(Loaded::Ready, |(_, loaded)| loaded.clone()), now);
                        played.prepared.push(key);
                    }
                }
                Next::Load(keys) => {
                    asked_first.extend(keys.iter().copied().filter(|_| !self.asks_first));
                    for key in keys {
                        object(key).parent().into_iter().for_each(|post| session.belongs_to(key, post));
                        self.tell_kept(&mut session, key);
                        let is_on_hold = self.loaded.contains(&(key, Loaded::OnHold));
                        session.loaded(key, if is_on_hold { Loaded::OnHold } else { Loaded::Ready }, now);
                    }
                }
                Next::Send(request) if asked_first.remove(&request.key) => {
                    session.answered(request.key, &status(404), None, now, 100);
                }
                Next::Send(request) => {
                    played.requests.push(format!("{} {}/{}", request.method.name(), request.key.entity(), request.to));
                    played.sent_at.push(now);
                    flying.push_back((now + LATENCY, Flying::Request(request)));
                }
                Next::CheckListing(look) => {
                    let whose = if look.entity == Entity::Post { "LIST" } else { "LIST comments" };
                    played.requests.push(whose.to_string());
                    played.sent_at.push(now);
                    flying.push_back((now + LATENCY, Flying::Listing));
                }
                Next::Probe(key) => {
                    played.requests.push(format!("PROBE {key}"));
                    played.sent_at.push(now);
                    flying.push_back((now + LATENCY, Flying::Probe(key)));
                }
                Next::ProbeFilter(entity) => {
                    played.requests.push(format!("FILTER {entity}"));
                    played.sent_at.push(now);
                    flying.push_back((now + LATENCY, Flying::Filter(entity)));
                }
                // The master has every object below 1000.
                Next::AskMaster(key) => session.owned(key, key.id() < 1000),
                Next::Record(facts) => played.facts.extend(facts),
                Next::Warn(warning) => played.warnings.push(warning),
                Next::Wait(until) => {
                    let back = flying.front().map(|(at, _)| *at);
                    now = [until, back].into_iter().flatten().min().expect("something to wait for");
                }
                Next::Finished => break,
            }
            played.jobs = played.jobs.max(flying.len());
            if self.interrupt_after == Some(played.requests.len()) {
                session.stop(Stop::Asked);
            }
            while flying.front().is_some_and(|(at, _)| *at <= now) {
                match flying.pop_front() {
                    Some((_, Flying::Request(request))) => {
                        let line = format!("{} {}/{}", request.method.name(), request.key.entity(), request.to);
                        let times = played.requests.iter().filter(|sent| **sent == line).count();
                        let sent = titled(request.key, self.title);
                        let reply = target(&request, times, now);
                        session.answered(request.key, &reply, Some(&sent), now, 100);
                    }
                    Some((_, Flying::Listing)) => session.listed(self.listing.clone(), now, 100),
                    Some((_, Flying::Probe(key))) => {
                        session.probed(key, &target(&self.question(key), 1, now), now, 100);
                    }
                    Some((_, Flying::Filter(entity))) => {
                        let key = entity.key(IMPOSSIBLE_ID).unwrap();
                        session.filter_probed(&target(&self.question(key), 1, now), now, 100);
                    }
                    None => {}
                }
            }
        }
        played.summary = session.summary().clone();
        played.memory = session.memory(now);
        played.took = now;
        played
    }
}

impl Played {
    /// What was recorded, by key: `done`, or how it was left and with which presence.
    fn recorded(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .facts
            .iter()
            .map(|fact| match fact {
                Fact::Done(key, ..) => format!("{key} done"),
                Fact::Left { key, presence, end, .. } => format!("{key} {end:?} {presence:?}"),
            })
            .collect();
        lines.sort_unstable();
        lines
    }

    fn first(&self, request: &str) -> usize {
        self.requests.iter().position(|sent| sent == request).unwrap_or_else(|| panic!("{request} was not sent"))
    }
}

#[test]
fn nothing_to_do_ends_at_once() {
    let played = scene(Vec::new()).play(|_, _, _| status(500));
    assert_eq!(
        (played.requests.len(), played.took, played.summary),
        (0, Duration::ZERO, Summary { is_log_trusted: true, ..Summary::default() })
    );
}

#[test]
fn what_comes_to_nothing_is_recorded_without_a_request() {
    let played = scene(works(&[("posts/1", Presence::Absent, Wish::Absent)])).play(|_, _, _| status(500));
    assert_eq!((played.requests.len(), played.recorded()), (0, alloc::vec!["posts/1 done".to_string()]));
}

#[test]
fn an_object_whose_row_is_not_as_planned_leaves_no_fact() {
    for loaded in [Loaded::Overtaken, Loaded::Contradicted] {
        let mut scene = scene(works(&[
            ("posts/1", Presence::Absent, Wish::Present),
            ("comments/1", Presence::Absent, Wish::Present),
        ]));
        scene.loaded = alloc::vec![("posts/1".parse().unwrap(), loaded.clone())];
        let played = scene.play(|request, _, _| fine(request));
        // With its post's row the comment's was deleted: where that is there again, newer events say so.
        assert_eq!((played.requests.len(), played.recorded().len()), (0, 0));
        let (overtaken, contradicted) = if loaded == Loaded::Overtaken { (2, 0) } else { (1, 1) };
        assert_eq!((played.summary.overtaken, played.summary.contradicted), (overtaken, contradicted));
    }
}

#[test]
fn a_value_that_cannot_be_sent_parks_its_object_and_holds_what_depends_on_it() {
    let mut scene = scene(works(&[
        ("posts/1", Presence::Absent, Wish::Present),
        ("posts/2", Presence::Present, Wish::Present),
        ("comments/1", Presence::Absent, Wish::Present),
    ]));
    scene.loaded = alloc::vec![("posts/1".parse().unwrap(), Loaded::Unreadable("body: NULL".to_string()))];
    let played = scene.play(|request, _, _| fine(request));
    assert_eq!(played.recorded(), ["comments/1 Held Absent", "posts/1 Parked Absent", "posts/2 done"]);
    assert_eq!(played.summary.first_error.as_deref(), Some("posts/1: body: NULL"));
}

#[test]
fn no_more_rows_are_held_than_the_limit() {
    let works = many("posts", 1..=5000, Presence::Unknown, Wish::Present);
    let mut open_max = 0;
    let plan = Plan::new(works);
    let config = Config { jobs: 4, settled_in: SETTLE, ..scene(Vec::new()).config };
    let mut session = Session::new(config, &plan, Duration::ZERO);
    while let Next::Prepare(keys) = session.next(Duration::ZERO) {
        open_max += keys.len();
        for key in keys {
            session.loaded(key, Loaded::Ready, Duration::ZERO);
        }
    }
    assert_eq!(open_max, 4096);
}

#[test]
fn an_interrupt_waits_for_answers_and_tells_what_is_known() {
    let mut scene = scene(works(&[
        ("posts/1", Presence::Present, Wish::Present),
        ("posts/2", Presence::Present, Wish::Present),
        ("posts/3", Presence::Absent, Wish::Absent),
    ]));
    scene.interrupt_after = Some(1);
    let played = scene.play(|request, _, _| fine(request));
    assert_eq!(played.requests, ["PUT posts/1"]);
    assert_eq!(played.recorded(), ["posts/1 done", "posts/2 Waiting Present", "posts/3 done"]);
    assert_eq!((played.summary.stop, played.summary.untouched), (Some(Stop::Asked), 1));
    assert_eq!(played.facts.iter().filter(|fact| matches!(fact, Fact::Left { end: Left::Waiting, .. })).count(), 1);
}
