//! The target, asked now: for one object, for some, or whether it answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use news_core::session::{LOOK_WITHIN, Sight};
use news_core::{Entity, Key};
use postgres::Client;

use crate::compare;
use crate::error::{Failure, Kind, Result};
use crate::report::diff::{DifferenceRow, take_left_out};
use crate::report::show::TargetNow;
use crate::report::status::words;
use crate::run::looks::{Looked, Pace, look};
use crate::run::{self, Followed};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{left_out, runs, sent};
use crate::target::{Peer as _, Reader, Tries};

/// One attempt: an operator who waits can ask again.
const PACE: Pace = Pace { jobs: 1, rate_per_s: None, attempts_max: 1 };
/// The same for several objects.
const JOBS: usize = 4;

/// Asks the target for the object, which has `timeout` to begin its answer, and compares it with the row as it is now. What is known by then is told also where that fails.
pub fn object(
    client: &mut Client,
    key: Key,
    settings: &Settings,
    timeout: Duration,
    signals: &Signals,
) -> (TargetNow, Result<()>) {
    let mut now = TargetNow::default();
    let asked = compare_now(client, key, settings, (timeout, signals), &mut now);
    now.error = asked.as_ref().err().map(ToString::to_string);
    (now, asked)
}

fn compare_now(
    client: &mut Client,
    key: Key,
    settings: &Settings,
    (timeout, signals): (Duration, &Signals),
    now: &mut TargetNow,
) -> Result<()> {
    let Followed { url, access, .. } = run::to_follow(settings, client)?;
    now.url = Some(url.clone());
    let target = Reader::within(timeout.min(LOOK_WITHIN), &url, &access, 1, Tries::One)?;
    run::require_ids(target.profile())?;
    let Looked { sights, exchanges, .. } = look(&target, &[key], PACE, signals)?;
    let last = exchanges.get(&key);
    now.status = last.and_then(|last| last.status);
    now.ms = last.map(sent::Exchange::ms);
    now.there = Some(!matches!(sights.get(&key), Some(Sight::Gone) | None));
    let mut found = compare::keys::judge(client, &[key], sights, (target.profile(), settings.times))?;
    match found.pop() {
        Some(found) if found.altered => now.altered = DifferenceRow::from(found).fields,
        found => now.difference = found.map(DifferenceRow::from),
    }
    Ok(())
}

/// Some objects, compared once, with their texts.
#[derive(Debug, serde::Serialize)]
pub struct LookReport {
    /// What differs, by key.
    pub differences: Vec<DifferenceRow>,
    /// Objects that are equal, or that neither side has.
    pub equal: Vec<String>,
    /// Objects that an import left out: they are no differences.
    pub left_out: Vec<String>,
}

/// Compares these objects, once. `patience` is how long it may be waited until what runs have sent has had its effect.
///
/// Fails with [`Kind::Locked`] where that takes longer.
pub fn some(
    client: &mut Client,
    keys: &[Key],
    settings: &Settings,
    (timeout, patience): (Duration, Duration),
    signals: &Signals,
) -> Result<LookReport> {
    let settles_in = runs::all_settled_in(client, settings.times)?;
    if settles_in > patience {
        let why = format!("requests of a run may take effect for another {} s", settles_in.as_secs_f64().ceil());
        return Err(Failure::new(Kind::Locked, why).hint("Ask again then."));
    }
    run::settle(settles_in, signals)?;
    let Followed { url, access, .. } = run::to_follow(settings, client)?;
    let target = Reader::within(timeout.min(LOOK_WITHIN), &url, &access, JOBS, Tries::One)?;
    run::require_ids(target.profile())?;
    let pace = Pace { jobs: JOBS, ..PACE };
    let sights: BTreeMap<Key, Sight> = look(&target, keys, pace, signals)?.sights;
    let found = compare::keys::judge(client, keys, sights, (target.profile(), settings.times))?;
    let differences = compare::Altered::Equal.differing(found);
    let mut comparison = compare::Comparison { differences, ..compare::Comparison::default() };
    let apart = take_left_out(&mut comparison, &left_out::all(client)?);
    let differs = |key: &&Key| comparison.differences.iter().chain(&apart).all(|one| one.key != **key);
    Ok(LookReport {
        equal: words(keys.iter().filter(differs)),
        left_out: words(apart.iter().map(|one| &one.key)),
        differences: comparison.differences.into_iter().map(DifferenceRow::from).collect(),
    })
}

/// Whether the target answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TargetState {
    /// Whether it lists posts and comments.
    pub ok: bool,
    /// The status of its answers, where they are good.
    pub status: Option<u16>,
    /// How long both took, in milliseconds.
    pub ms: Option<u64>,
    /// When it was asked.
    pub asked_at: String,
    /// What is wrong, and what to do about it.
    pub why: Option<String>,
}

/// Looks at both listings, no further than to their first elements.
///
/// Fails with [`Kind::Usage`] where there is no target.
pub fn state(client: &mut Client, settings: &Settings, timeout: Duration, asked_at: String) -> Result<TargetState> {
    let Followed { url, access, .. } = run::to_follow(settings, client)?;
    let target = Reader::new(&url, &access, 1, timeout, Tries::One)?;
    let begun = Instant::now();
    let why = Entity::ALL.into_iter().find_map(|entity| target.probe(entity).listing.err());
    let why = why.map(|failure| failure.with_hints());
    let ms = u64::try_from(begun.elapsed().as_millis()).ok();
    Ok(TargetState { ok: why.is_none(), status: why.is_none().then_some(200), ms, asked_at, why })
}
