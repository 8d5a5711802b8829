//! Some objects on both sides, each asked for by its own address. That shows no object twice: only a listing does.

use std::collections::BTreeMap;

use news_core::Key;
use news_core::diff::Counts;
use news_core::profile::Profile;
use news_core::session::Sight;
use postgres::Client;

use super::again::{self, SeenThere};
use super::{Altered, Beside, Comparison, Difference, Suspicious, confirm};
use crate::error::{Failure, Kind, Result};
use crate::signals::Signals;
use crate::store::{log as change_log, objects, runs};
use crate::times::Times;

/// Asks the target for these objects.
pub type Ask<'a> = &'a dyn Fn(&[Key]) -> Result<BTreeMap<Key, Sight>>;

/// Compares these objects; `strictness` says what those are that the target has altered. What differs is looked at again, as by [`compare`](super::compare).
pub fn compare(
    client: &mut Client,
    keys: &[Key],
    ask: Ask<'_>,
    strictness: Altered,
    (profile, times, signals): (&Profile, Times, &Signals),
) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let here = objects::load(client, keys)?;
    let clock = runs::clock(client, times)?;
    comparison.pending = change_log::pending_of(client, keys, &clock)?;
    let sights = ask(keys)?;
    for key in keys {
        let counts: &mut Counts = comparison.counts.entry(key.entity()).or_default();
        let is_there = matches!(sights.get(key), Some(Sight::There(_)));
        counts.local += u64::from(here.contains_key(key));
        counts.target += u64::from(is_there);
        if !is_there && !here.contains_key(key) {
            log::warn!("{key}: neither side has it");
        }
    }
    let found = judge(client, keys, sights, (profile, times))?;
    for altered in found.iter().filter(|found| found.altered) {
        comparison.counts.entry(altered.key.entity()).or_default().altered += u64::from(strictness == Altered::Equal);
    }
    let differences = strictness.differing(found);
    let suspicious = differences.iter().map(|difference| (difference.key, difference.kind)).collect();
    let look_again = |client: &mut Client, suspicious: Suspicious| {
        let keys: Vec<Key> = suspicious.into_keys().collect();
        judge(client, &keys, ask(&keys)?, (profile, times)).map(|found| strictness.differing(found))
    };
    confirm(client, comparison, suspicious, (Beside::Runs, times, signals), look_again)
}

/// Compares what was seen with the rows as they are now.
///
/// Fails with [`Kind::Refused`] where something was seen that is not an object of ours: the target may be another API.
pub fn judge(
    client: &mut Client,
    keys: &[Key],
    sights: BTreeMap<Key, Sight>,
    (profile, times): (&Profile, Times),
) -> Result<Vec<Difference>> {
    let mut seen = BTreeMap::new();
    for (key, sight) in sights {
        match sight {
            Sight::Gone => {}
            Sight::There(element) => drop(seen.insert(key, SeenThere::from(element))),
            Sight::Odd(why) => {
                return Err(Failure::new(Kind::Refused, format!("GET {key}: expected an object, found {why}"))
                    .hint("Check --target-url: it has to be the API's base URL."));
            }
        }
    }
    again::read(client, keys, profile, seen, |client| {
        let clock = runs::clock(client, times)?;
        change_log::pending_of(client, keys, &clock)
    })
}
