//! Sending order and checksum.

use std::collections::BTreeSet;

use news_core::merge::{Action, Presence, Wish};
use news_core::outlook::Outlook;
use news_core::plan::{Plan, Stage, Standing, Work};
use news_core::session::{Session, Untried};
use news_core::{Entity, Key, PostId};
use proptest::prelude::*;

use crate::cases;

/// Any work on any set of objects, each once.
fn works() -> impl Strategy<Value = Vec<Work>> {
    let all = [Presence::Absent, Presence::Present, Presence::Unknown, Presence::Doubled];
    let presence = prop::sample::select(all.to_vec());
    let wish = prop::sample::select([Wish::Absent, Wish::Present].as_slice());
    let standing =
        prop::sample::select([Standing::Ready, Standing::Ready, Standing::Parked, Standing::OnHold].as_slice());
    let one = (presence, wish, standing, 1_i64..9);
    prop::collection::btree_map((any::<bool>(), 1_i64..30), one, 0..30).prop_map(|drawn| {
        let work = |((is_post, id), (before, after, standing, parent))| {
            let entity = if is_post { Entity::Post } else { Entity::Comment };
            let parent = (!is_post).then(|| PostId::new(parent).unwrap());
            Work {
                key: entity.key(id).unwrap(),
                parent,
                before,
                after,
                standing,
                settles_in: std::time::Duration::ZERO,
            }
        };
        drawn.into_iter().map(work).collect()
    })
}

/// The same works, where comments leave some posts.
fn moving() -> impl Strategy<Value = Plan> {
    let leaving = prop::collection::btree_map(1_i64..30, prop::collection::btree_set(1_i64..9, 1..3), 0..8);
    (works(), leaving).prop_map(|(works, leaving)| {
        let posts = |ids: BTreeSet<i64>| ids.into_iter().map(|id| PostId::new(id).unwrap()).collect();
        let leaving = leaving.into_iter().map(|(id, ids)| (Entity::Comment.key(id).unwrap(), posts(ids)));
        Plan::new(works).with_leaving(leaving.collect())
    })
}

fn shuffled() -> impl Strategy<Value = (Vec<Work>, Vec<Work>)> {
    works().prop_flat_map(|works| (Just(works.clone()), Just(works).prop_shuffle()))
}

/// What may not come after what, a number for each of the six steps (ARCHITECTURE.md, "Order").
fn step(work: &Work) -> u8 {
    match (work.key.entity(), work.action(), work.after) {
        (Entity::Post, Action::Create | Action::Ask | Action::Renew, Wish::Present) => 1,
        (Entity::Post, Action::Update, _) => 2,
        (Entity::Comment, Action::Create | Action::Ask | Action::Renew, Wish::Present) => 3,
        (Entity::Comment, Action::Update, _) => 4,
        (Entity::Comment, _, _) => 5,
        (Entity::Post, _, _) => 6,
    }
}

fn keys(plan: &Plan) -> Vec<Key> {
    plan.works().iter().map(|work| work.key).collect()
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn the_sending_order_is_kept_and_nothing_is_lost((works, other) in shuffled()) {
        let plan = Plan::new(works.clone());
        let steps: Vec<u8> = plan.works().iter().map(step).collect();
        law!("posts created, updated, comments created, updated, deleted, posts deleted",
            expected { let mut sorted = steps.clone(); sorted.sort_unstable(); sorted }, seen steps, of "{works:?}");
        for pair in plan.works().windows(2).filter(|pair| step(&pair[0]) == step(&pair[1])) {
            prop_assert!(pair[0].key < pair[1].key, "law broken: by id within a step\n  seen {} before {}", pair[0].key, pair[1].key);
        }
        law!("the order is the plan's and not its maker's",
            expected keys(&plan), seen keys(&Plan::new(other)), of "{works:?}");
        let (mut expected, mut seen) = (works.clone(), plan.works().to_vec());
        expected.sort_by_key(|work| work.key);
        seen.sort_by_key(|work| work.key);
        law!("a plan holds the work it was made of", expected expected, seen seen, of "{works:?}");
    }

    #[test]
    fn the_checksum_depends_on_what_is_sent_and_on_nothing_else((works, other) in shuffled(), at in any::<prop::sample::Index>()) {
        let checksum = Plan::new(works.clone()).checksum();
        law!("the checksum is the plan's and not its maker's",
            expected checksum, seen Plan::new(other).checksum(), of "{works:?}");
        let ready: Vec<Work> = works.iter().copied().filter(|work| work.standing == Standing::Ready).collect();
        law!("what is parked or on hold is not in the checksum",
            expected checksum, seen Plan::new(ready.clone()).checksum(), of "{works:?}");
        if ready.is_empty() { return Ok(()) }
        let at = at.index(ready.len());
        let without = [&ready[..at], &ready[at + 1..]].concat();
        prop_assert_ne!(&checksum, &Plan::new(without).checksum(), "law broken: one work less, another checksum");
        let mut turned = ready;
        turned[at].after = if turned[at].after == Wish::Present { Wish::Absent } else { Wish::Present };
        prop_assert_ne!(&checksum, &Plan::new(turned).checksum(), "law broken: another wish, another checksum");
    }

    #[test]
    fn an_outlook_counts_every_object_once(works in works()) {
        let outlook = Outlook::of(Plan::new(works.clone()));
        let tried: u64 = outlook.tallies.values().map(|tally| tally.requests() + tally.nothing).sum();
        let Untried { parked, held, waiting, on_hold } = &outlook.untried;
        let untried = (parked.len() + held.len() + waiting.len() + on_hold.len()) as u64;
        law!("every object is counted once", expected works.len() as u64, seen tried + untried, of "{works:?}");
        let parked: Vec<Key> = outlook.untried.parked.into_iter().collect();
        let mut wanted: Vec<Key> =
            works.iter().filter(|work| work.standing == Standing::Parked).map(|work| work.key).collect();
        wanted.sort_unstable();
        law!("what is parked is not tried", expected wanted, seen parked, of "{works:?}");
    }

    #[test]
    fn a_run_leaves_alone_what_is_on_hold_and_what_depends_on_it(works in works()) {
        let untried = Session::untried(&Plan::new(works.clone()));
        let on_hold: BTreeSet<Key> = works.iter().filter(|work| work.standing == Standing::OnHold).map(|work| work.key).collect();
        law!("objects on hold are told apart from parked ones", expected on_hold, seen untried.on_hold.clone(), of "{works:?}");
        let is_missing = |post: PostId| works.iter().any(|work| {
            work.key == Key::Post(post) && on_hold.contains(&work.key) && work.stage() == Stage::CreatePosts
        });
        for work in works.iter().filter(|work| work.parent.is_some_and(is_missing) && work.after == Wish::Present) {
            let held = untried.has(work.key) || work.action() == Action::Nothing;
            prop_assert!(held, "law broken: a comment waits for a post on hold\n  seen {} sent, of {works:?}", work.key);
        }
    }

    #[test]
    fn a_post_is_deleted_after_all_comments_that_may_be_under_it(plan in moving()) {
        let untried = Session::untried(&plan);
        let is_left = |work: &Work| untried.has(work.key) && work.before != Presence::Absent;
        for post in plan.works().iter().filter(|work| work.stage() == Stage::DeletePosts && work.standing == Standing::Ready) {
            let Key::Post(id) = post.key else { continue };
            let waits_for: Vec<Key> = plan
                .works()
                .iter()
                .filter(|work| is_left(work) && plan.places(work).any(|place| place == id))
                .map(|work| work.key)
                .collect();
            let held = untried.held.contains_key(&post.key);
            law!("a post's delete is held behind a comment that the target may have under it",
                expected post.action() != Action::Nothing && !waits_for.is_empty(), seen held, of "{post:?} {waits_for:?} {plan:?}");
        }
    }
}
