//! `news sync --full`: compares both sides whole and repairs what differs.

use std::collections::{BTreeMap, BTreeSet};

use news_core::left_out::Sorted;
use news_core::object::{Effects, Wait};
use news_core::outlook::Outlook;
use news_core::phrase::count;
use news_core::plan::{Limits, Sides};
use news_core::repair::{self, Repair, Sighting};
use news_core::reply::{self, Answer, Method};
use news_core::session::SETTLE;
use news_core::{Entity, Key};
use postgres::Client;

use crate::args::Sync;
use crate::commands::send::{self, Sending, Task};
use crate::commands::{self, Outcome};
use crate::compare::{self, Altered, Beside, Comparison, Difference, FOUND_MAX};
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::run::{self, Run};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::source::Source;
use crate::store::lock::Lock;
use crate::store::remembered;
use crate::store::runs::{self, RunKind, Sent};
use crate::store::{holds, kept, ledger, left_out, log as change_log, objects};
use crate::target::{Peer as _, Reader, Target};
use crate::times::Times;
use crate::ui::Ui;

/// Objects that are asked for before a row takes their place, in a run: more of them wait for the next one.
const VACANT_ASKED_MAX: usize = 100;

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<Outcome> {
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "sync --full", settings.times)?;
    let (target, warnings) = send::target(args, settings, &mut lock)?;
    let times = settings.times.at(target.profile());
    // What another run had sent may still be on its way: the listing would miss it.
    let settles_in = runs::all_settled_in(lock.client(), times)?;
    let compare_both = || {
        run::settle(settles_in, signals)?;
        let mut client = connect(&url, Purpose::Bulk)?;
        let source = Source::Target(Reader::of(&target));
        let entities = &Entity::ALL;
        let sides = compare::Sides {
            source: &source,
            entities,
            beside: Beside::Nobody,
            altered: Altered::Equal,
            times,
            ui,
            signals,
        };
        let comparison = compare::compare(&mut client, &sides)?;
        plan(&mut client, comparison, times)
    };
    if args.dry_run {
        let looked = compare_both()?;
        let checked = looked.check(args);
        let warnings = warnings.into_iter().chain(looked.spared.inspect(|spared| log::warn!("{spared}"))).collect();
        let outlook = Outlook::of(looked.repair.plan);
        let holds = holds::all(lock.client())?;
        return send::show(args, &outlook, &holds, warnings, checked, ui);
    }
    let mut run = Run::begin(&mut lock, RunKind::Full, target.url())?;
    run.warnings = warnings;
    run.lock.once(|client| kept::forget_of_others(client, target.url()))?;
    let repair = compare_both().and_then(|looked| {
        looked.check(args)?;
        if let Some(spared) = looked.spared {
            log::warn!("{spared}");
            run.warnings.push(spared);
        }
        run.lock.once(|client| remembered::remember(client, target.url(), target.chosen()))?;
        let vacated = vacated(&looked.vacant, &target, signals)?;
        run.lock.once(|client| left_out::forget(client, &[vacated, looked.equal].concat()))?;
        run.lock.once(|client| kept::tidy(client, &looked.comparison.as_sent))?;
        // The differences, with their texts, have done their part.
        let repair = looked.repair;
        // Nothing needs to be sent for what is equal already.
        send::record_done(
            run.lock,
            run.id(),
            repair.equal.iter().filter_map(|key| Some((*key, repair.marks.get(key)?))),
        )?;
        Ok(repair)
    });
    let effects = Effects { settle: SETTLE, late: times.late, wait: Wait::Once };
    match repair {
        Ok(Repair { plan, marks, .. }) => {
            let sending = Sending { args, target: &target, effects, times, replan: None, signals, ui };
            sending.carry_out(run, Task { plan, marks, nothing: Vec::new() })
        }
        Err(failure) => Err(commands::end_failed(run, failure, Sent::Something)),
    }
}

/// What was seen, and what follows.
struct FullLook {
    comparison: Comparison,
    repair: Repair,
    /// Objects that are left alone, in words.
    spared: Option<String>,
    /// Objects that an import left out: no longer listed, and rows have their ids.
    vacant: Vec<Key>,
    /// Objects that an import left out: rows are equal to them by now.
    equal: Vec<Key>,
}

impl FullLook {
    /// Checks the whole plan before the first request.
    fn check(&self, args: &Sync) -> Result<()> {
        let nameless: u64 = self.comparison.counts.values().map(|counts| counts.nameless).sum();
        if nameless > 0 {
            return Err(Failure::new(
                Kind::Refused,
                format!("the target lists {} without an id that could be ours", count(nameless, "object")),
            )
            .hint("is this the right target? `news diff` counts them; they cannot be repaired from here"));
        }
        send::check(args, &self.repair.plan)?;
        if args.force {
            return Ok(());
        }
        let sides = self.comparison.counts.iter();
        let sides =
            sides.map(|(entity, counts)| Sides { entity: *entity, local: counts.local, target: counts.objects() });
        let limits = Limits { deletes_max: args.max_deletes };
        self.repair.plan.check_full(&sides.collect::<Vec<Sides>>(), limits).map_err(|over| {
            Failure::new(Kind::Refused, over)
                .hint("nothing was sent; look with --dry-run or `news diff`, then lift the limits with --force")
        })
    }
}

/// Reads what the core needs to know besides the comparison, and lets it plan.
fn plan(client: &mut Client, comparison: Comparison, times: Times) -> Result<FullLook> {
    let sightings: Vec<Sighting> = comparison.differences.iter().map(Difference::sighting).collect();
    let left_out = left_out::all(client)?;
    let keys: BTreeSet<Key> = left_out.keys().copied().collect();
    let Sorted { rest: sightings, spared, vacant, equal } = Sorted::new(sightings, &comparison.pending, &keys);
    let holds = holds::keys(client)?;
    let posts: Vec<_> = repair::uprooting(&sightings, &holds).into_iter().collect();
    let mut uprooted = Vec::new();
    objects::each_comment_of(client, &posts, |key, post| {
        if sightings.len() + uprooted.len() >= FOUND_MAX {
            let why = format!("more than {FOUND_MAX} objects are to be repaired, or asked for since their posts are");
            return Err(Failure::new(Kind::Refused, why).hint("is this the right target?"));
        }
        uprooted.push((key, post));
        Ok(())
    })?;
    let clock = runs::clock(client, times)?;
    let mut pending = comparison.pending.clone();
    pending.extend(change_log::unfinished(client, &clock)?);
    // Where both sides are equal, it is over that an operator dropped the changes.
    let mut settled = comparison.settled.clone();
    ledger::each_discarded(client, |key, _| settled.push(key))?;
    let mut repair = Repair::new(&sightings, uprooted, &pending, &settled, &holds).without(&spared);
    // Where the target no longer lists an object that was left out, or lists the row's, nothing is in the way.
    let free = |key: &Key| vacant.contains(key) || equal.contains(key);
    repair.plan = repair.plan.barring(&keys.into_iter().filter(|key| !free(key)).collect());
    Ok(FullLook { comparison, repair, spared: told(&spared, &left_out), vacant, equal })
}

/// Returns which of these objects, which are no longer listed, the target does not have at their own addresses either.
fn vacated(vacant: &[Key], target: &Target, signals: &Signals) -> Result<Vec<Key>> {
    let mut gone = Vec::new();
    for key in vacant.iter().take(VACANT_ASKED_MAX) {
        signals.stop().map_or(Ok(()), Err)?;
        if reply::read(target.profile(), Method::Get, *key, None, &target.ask_for(*key)).answer == Answer::Gone {
            gone.push(*key);
        }
    }
    Ok(gone)
}

/// Says which objects are left alone.
fn told(spared: &BTreeSet<Key>, left_out: &BTreeMap<Key, String>) -> Option<String> {
    let first = spared.first()?;
    let why = left_out.get(first).map_or("it cannot be read, or its post was left out", String::as_str);
    let objects = count(spared.len() as u64, "object");
    Some(format!(
        "{objects} at the target that the master cannot hold: neither deleted nor overwritten; the first is {first} ({why})"
    ))
}
