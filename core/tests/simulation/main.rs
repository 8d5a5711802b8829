//! The real session against a model of everything around it: a master that is edited, a
//! target of one of the kinds in `target.rs`, a network that loses, repeats and delays,
//! processes that die between any two steps, a lock whose session is lost. A schedule
//! follows from its seed alone.
//!
//! - `NEWS_SIM_SCHEDULES=1000000` plays so many schedules (default: [`SCHEDULES`]).
//! - `NEWS_SIM_FIRST=7` begins with this seed (default 0).
//! - `NEWS_SIM_SEED=7` plays this one alone and prints what happens; `NEWS_SIM_FLAWED_SEED=7`
//!   does so for the tests with a flawed driver (`README.md` beside this file).

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test, modules and all")]

mod cache;
mod calm;
mod column;
mod driver;
mod edits;
mod event;
mod full;
mod jobs;
mod manners;
mod master;
mod net;
mod operators;
mod rng;
mod rules;
mod run;
mod setup;
mod target;
mod wire;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use event::Stats;
use rules::Broken;
use setup::Flaw;
use world::World;

/// Enough for CI, in well under a minute on two cores.
const SCHEDULES: u64 = 100_000;
/// A flaw shows within so many schedules.
const FLAWED_SCHEDULES_MAX: u64 = 200_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn play(seed: u64, flaw: Option<Flaw>) -> Result<Stats, Broken> {
    let mut world = World::new(seed, flaw);
    world.play()?;
    Ok(world.stats)
}

/// A panic is a broken promise, too, and its seed has to be known.
fn play_guarded(seed: u64, flaw: Option<Flaw>) -> Result<Stats, Broken> {
    std::panic::catch_unwind(|| play(seed, flaw)).unwrap_or_else(|_| Err(Broken("a panic".to_string())))
}

/// Plays seeds from `first`, on all cores, up to the lowest that breaks a promise.
fn search(first: u64, schedules: u64, flaw: Option<Flaw>) -> (Stats, Option<(u64, Broken)>) {
    let next = AtomicU64::new(first);
    let found: Mutex<Option<(u64, Broken)>> = Mutex::new(None);
    let total = Mutex::new(Stats::default());
    let end = AtomicU64::new(first + schedules);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut stats = Stats::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    match play_guarded(seed, flaw) {
                        Ok(one) => stats.add(&one),
                        Err(broken) => {
                            end.fetch_min(seed, Ordering::Relaxed);
                            let mut found = found.lock().unwrap();
                            if found.as_ref().is_none_or(|(other, _)| seed < *other) {
                                *found = Some((seed, broken));
                            }
                        }
                    }
                }
                total.lock().unwrap().add(&stats);
            });
        }
    });
    (total.into_inner().unwrap(), found.into_inner().unwrap())
}

fn replay(seed: u64, flaw: Option<Flaw>) {
    let mut world = World::new(seed, flaw);
    world.trace = Some(Vec::new());
    let result = world.play();
    for line in world.trace.iter().flatten() {
        println!("{line}");
    }
    if let Err(Broken(what)) = result {
        panic!("seed {seed}: {what}");
    }
}

#[test]
fn every_promise_holds_in_every_schedule() {
    if let Some(seed) = number("NEWS_SIM_SEED") {
        return replay(seed, None);
    }
    let start = Instant::now();
    let first = number("NEWS_SIM_FIRST").unwrap_or(0);
    let schedules = number("NEWS_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let (stats, found) = search(first, schedules, None);
    if let Some((seed, Broken(what))) = found {
        panic!(
            "seed {seed}: {what}\nreplay: NEWS_SIM_SEED={seed} cargo test -p news-core --test simulation \
             every_promise -- --nocapture"
        );
    }
    println!("{schedules} schedules in {:.1?}: {stats:?}", start.elapsed());
}

fn caught(flaw: Flaw) {
    if let Some(seed) = number("NEWS_SIM_FLAWED_SEED") {
        return replay(seed, Some(flaw));
    }
    let (_, found) = search(0, FLAWED_SCHEDULES_MAX, Some(flaw));
    let Some((seed, Broken(what))) = found else {
        panic!("{flaw:?} is not noticed in {FLAWED_SCHEDULES_MAX} schedules");
    };
    println!("{flaw:?}: seed {seed}: {what}");
}

macro_rules! caught {
    ($($name:ident: $flaw:ident,)+) => {
        $(#[test]
        fn $name() {
            caught(Flaw::$flaw);
        })+
    };
}

caught! {
    catches_a_missing_row_before_sending: NoPreSendRow,
    catches_a_timeout_taken_for_not_sent: TimeoutIsNotSent,
    catches_not_waiting_for_late_effects: NoSettle,
    catches_recording_after_the_lock_was_lost: RecordsAfterLockLost,
    catches_sending_without_asking_for_the_lock: NoLease,
    catches_not_asking_again_after_a_slow_connection: NoGate,
    catches_a_missing_sign_of_life: NoSignOfLife,
    catches_taking_a_cached_answer_for_a_fresh_one: NoFreshness,
}
