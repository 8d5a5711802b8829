//! `news sync --full`: compares both sides whole and repairs what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use news_core::object::{Effects, Wait};
use news_core::plan::{Limits, Sides};
use news_core::repair::{self, Repair, Sighting};
use news_core::session::SETTLE;
use news_core::{Entity, Key};
use postgres::Client;

use crate::args::Sync;
use crate::commands::send::{self, Nothing, Sending, Task};
use crate::commands::{self, Outcome};
use crate::compare::{self, Beside, Comparison, FOUND_MAX};
use crate::error::{Failure, Kind, Result};
use crate::listing::Source;
use crate::master;
use crate::run::{self, Run};
use crate::settings::{Settings, Times};
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::runs::{self, RunKind};
use crate::store::{Purpose, connect, log as change_log, objects, rows};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<Outcome> {
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "sync --full", settings.times)?;
    let (target, warnings) = send::target(args, settings, &mut lock)?;
    let times = settings.times;
    // What another run had sent may still be on its way: the listing would miss it.
    let settles_in = runs::all_settled_in(lock.client(), times)?;
    let compare_both = || {
        run::settle(settles_in, signals)?;
        let mut client = connect(&url, Purpose::Bulk)?;
        let source = Source::Target(Arc::clone(&target));
        let entities = &Entity::ALL;
        let sides = compare::Sides { source: &source, entities, beside: Beside::Nobody, times, ui, signals };
        let comparison = compare::compare(&mut client, &sides)?;
        let (repair, spared) = plan(&mut client, &comparison, times)?;
        Ok(Looked { comparison, repair, spared })
    };
    if args.dry_run {
        let looked = compare_both()?;
        let checked = looked.check(args);
        let warnings = warnings.into_iter().chain(looked.spared.inspect(|spared| log::warn!("{spared}"))).collect();
        return send::show(args, &looked.repair.plan, (0, &Nothing::new()), warnings, checked, ui);
    }
    let mut run = Run::begin(&mut lock, RunKind::Full, target.url())?;
    run.warnings = warnings;
    let repair = compare_both().and_then(|looked| {
        looked.check(args)?;
        if let Some(spared) = looked.spared {
            log::warn!("{spared}");
            run.warnings.push(spared);
        }
        run.lock.once(|client| runs::remember_target(client, target.url()))?;
        // The differences, with their texts, have done their part.
        let repair = looked.repair;
        // Nothing needs to be sent for what is equal already.
        send::record_done(run.lock, repair.equal.iter().filter_map(|key| Some((*key, repair.marks.get(key)?))))?;
        Ok(repair)
    });
    let effects = Effects { settle: SETTLE, late: times.late, wait: Wait::Once };
    match repair {
        Ok(Repair { plan, marks, .. }) => {
            let sending = Sending { args, target: &target, effects, times, replan: None, signals, ui };
            sending.carry_out(run, Task { plan, marks, nothing: Vec::new() })
        }
        Err(failure) => Err(commands::end_failed(run, failure)),
    }
}

/// What was seen, and what follows.
struct Looked {
    comparison: Comparison,
    repair: Repair,
    /// Objects that are left alone, in words.
    spared: Option<String>,
}

impl Looked {
    /// Checks the whole plan before the first request.
    fn check(&self, args: &Sync) -> Result<()> {
        let nameless: u64 = self.comparison.counts.values().map(|counts| counts.nameless).sum();
        if nameless > 0 {
            return Err(Failure::new(
                Kind::Refused,
                match nameless {
                    1 => String::from("the target lists 1 object without an id that could be ours"),
                    _ => format!("the target lists {nameless} objects without an id that could be ours"),
                },
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

/// Reads what the core needs to know besides the comparison, and lets it plan. Returns with the plan what is left alone.
fn plan(client: &mut Client, comparison: &Comparison, times: Times) -> Result<(Repair, Option<String>)> {
    let sightings: Vec<Sighting> = comparison
        .differences
        .iter()
        .map(|seen| Sighting { key: seen.key, kind: seen.kind, parent: seen.parent, is_local: seen.local })
        .collect();
    let left_out = rows::left_out(client)?;
    let (sightings, spared) = repair::split_spared(sightings, &left_out.keys().copied().collect());
    let posts: Vec<_> = repair::uprooting(&sightings).into_iter().collect();
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
    let repair = Repair::new(&sightings, uprooted, &pending, &comparison.settled).without(&spared);
    Ok((repair, told(&spared, &left_out)))
}

/// Says which objects are left alone.
fn told(spared: &BTreeSet<Key>, left_out: &BTreeMap<Key, String>) -> Option<String> {
    let first = spared.first()?;
    let why = left_out.get(first).map_or("it cannot be read, or its post was left out", String::as_str);
    let objects = if spared.len() == 1 { "1 object".to_owned() } else { format!("{} objects", spared.len()) };
    Some(format!(
        "{objects} at the target that the master cannot hold: neither deleted nor overwritten; the first is {first} ({why})"
    ))
}
