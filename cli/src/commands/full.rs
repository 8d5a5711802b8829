//! `news sync --full`: compares both sides whole and repairs what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use news_core::diff::Kind as DifferenceKind;
use news_core::merge::{Presence, Wish};
use news_core::plan::{Plan, Sides, Standing, Work};
use news_core::session::Fact;
use news_core::{Entity, Key, PostId};

use crate::args::Sync;
use crate::commands::send::{self, Sending};
use crate::commands::{self, Outcome};
use crate::compare::{self, Comparison, Difference};
use crate::error::{Failure, Kind, Result};
use crate::listing::Source;
use crate::master;
use crate::run::Run;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::objects::{self, Mark};
use crate::store::runs::{self, RunKind};
use crate::store::{Purpose, connect};
use crate::ui::Ui;

/// Facts recorded in one transaction.
const RECORD_BATCH: usize = 1000;

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<Outcome> {
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "sync --full")?;
    let target = send::target(args, settings, &mut lock)?;
    // What another run had sent may still be on its way: the listing would miss it.
    signals.pause(runs::settled_in(lock.client())?)?;
    let comparison = {
        let mut client = connect(&url, Purpose::Bulk)?;
        let source = Source::Target(Arc::clone(&target));
        compare::compare(&mut client, &compare::Sides { source: &source, entities: &Entity::ALL, ui, signals })?
    };
    let children = objects::comments_of(lock.client(), &uprooting(&comparison))?;
    let plan = plan(&comparison, &children);
    if args.dry_run {
        return send::show(args, &plan, 0, check(args, &plan, &comparison), ui);
    }
    let mut marks = send::marks(&comparison.pending);
    for work in plan.works() {
        // An object without events has none to mark.
        marks.entry(work.key).or_insert(Mark { last_id: 0, parent: work.parent });
    }
    let run = Run::begin(&mut lock, RunKind::Full, target.url())?;
    let prepared = check(args, &plan, &comparison)
        .and_then(|()| runs::remember_target(run.lock.client(), target.url()))
        .and_then(|()| mark_equal(run.lock, &comparison, &plan, &marks));
    if let Err(failure) = prepared {
        return Err(commands::end_failed(run, failure));
    }
    Sending { args, target: &target, plan: &plan, marks: &marks, signals, ui }.carry_out(run)
}

/// Returns the posts that are about to be deleted at the target, or are not there: their comments
/// may go with them, or as orphans (TARGETS, "DELETE of a post").
fn uprooting(comparison: &Comparison) -> Vec<PostId> {
    let uproots = |kind| match kind {
        DifferenceKind::Duplicate | DifferenceKind::Missing => true,
        DifferenceKind::Extra | DifferenceKind::Different | DifferenceKind::Unreadable => false,
    };
    let differences = comparison.differences.iter().filter(|difference| uproots(difference.kind));
    differences
        .filter_map(|difference| match difference.key {
            Key::Post(post) => Some(post),
            Key::Comment(_) => None,
        })
        .collect()
}

/// Returns what repairs the differences. `children` are the master's comments of the posts that
/// are [`uprooting`]: the equal ones are asked for once their post is there.
fn plan(comparison: &Comparison, children: &[(Key, PostId)]) -> Plan {
    let uprooting: BTreeSet<PostId> = uprooting(comparison).into_iter().collect();
    let mut works: Vec<Work> = comparison.differences.iter().map(|difference| work(difference, &uprooting)).collect();
    let planned: BTreeSet<Key> = works.iter().map(|work| work.key).collect();
    works.extend(children.iter().filter(|(key, _)| !planned.contains(key)).map(|(key, post)| Work {
        key: *key,
        parent: Some(*post),
        before: Presence::Unknown,
        after: Wish::Present,
        standing: Standing::Ready,
    }));
    Plan::new(works)
}

fn work(difference: &Difference, uprooting: &BTreeSet<PostId>) -> Work {
    let after = if difference.local { Wish::Present } else { Wish::Absent };
    let is_uprooted = difference.local && difference.parent.is_some_and(|post| uprooting.contains(&post));
    let before = match difference.kind {
        // A capped listing must not make duplicates: asked for before it is created.
        DifferenceKind::Missing => Presence::Unknown,
        DifferenceKind::Duplicate => Presence::Doubled,
        _ if is_uprooted => Presence::Unknown,
        DifferenceKind::Extra | DifferenceKind::Different | DifferenceKind::Unreadable => Presence::Present,
    };
    Work { key: difference.key, parent: difference.parent, before, after, standing: Standing::Ready }
}

/// Checks the whole plan before the first request.
fn check(args: &Sync, plan: &Plan, comparison: &Comparison) -> Result<()> {
    let nameless: u64 = comparison.counts.values().map(|counts| counts.nameless).sum();
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
    send::check(args, plan)?;
    if args.force {
        return Ok(());
    }
    let sides: Vec<Sides> = comparison
        .counts
        .iter()
        .map(|(entity, counts)| Sides { entity: *entity, local: counts.local, target: counts.objects() })
        .collect();
    plan.check_full(&sides).map_err(|over| {
        Failure::new(Kind::Refused, over)
            .hint("nothing was sent; look with --dry-run or `news diff`, then lift the limits with --force")
    })
}

/// Marks the events of objects that are equal already: nothing needs to be sent for them.
fn mark_equal(lock: &mut Lock, comparison: &Comparison, plan: &Plan, marks: &BTreeMap<Key, Mark>) -> Result<()> {
    let planned: BTreeSet<Key> = plan.works().iter().map(|work| work.key).collect();
    let equal: Vec<Fact> =
        comparison.pending.iter().filter(|p| !planned.contains(&p.key)).map(|p| Fact::Done(p.key)).collect();
    for batch in equal.chunks(RECORD_BATCH) {
        lock.run(|client| objects::record(client, batch, marks))?;
    }
    Ok(())
}
