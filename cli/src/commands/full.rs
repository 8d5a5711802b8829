//! `news sync --full`: compares both sides whole and repairs what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use news_core::diff::Kind as DifferenceKind;
use news_core::merge::{Presence, Wish};
use news_core::plan::{Plan, Sides, Standing, Work};
use news_core::session::Fact;
use news_core::{Entity, Key, PostId};
use postgres::Client;

use crate::args::Sync;
use crate::commands::send::{self, Sending};
use crate::commands::{self, Outcome};
use crate::compare::{self, Beside, Comparison, Difference, FOUND_MAX};
use crate::error::{Failure, Kind, Result};
use crate::listing::Source;
use crate::master;
use crate::run::Run;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::log as change_log;
use crate::store::objects::{self, Basis, Mark};
use crate::store::runs::{self, RunKind};
use crate::store::{Purpose, connect};
use crate::ui::Ui;

/// Facts recorded in one transaction.
const RECORD_BATCH: usize = 1000;

/// Runs the command.
pub fn run(args: &Sync, settings: &Settings, signals: &Signals, ui: &Ui) -> Result<Outcome> {
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "sync --full")?;
    let (target, warnings) = send::target(args, settings, &mut lock)?;
    // What another run had sent may still be on its way: the listing would miss it.
    let settled_in = runs::settled_in(lock.client())?;
    let plan_repair = || {
        signals.pause(settled_in)?;
        let mut client = connect(&url, Purpose::Bulk)?;
        let source = Source::Target(Arc::clone(&target));
        let sides = compare::Sides { source: &source, entities: &Entity::ALL, beside: Beside::Nobody, ui, signals };
        let comparison = compare::compare(&mut client, &sides)?;
        Repair::plan(&mut client, comparison)
    };
    if args.dry_run {
        let repair = plan_repair()?;
        return send::show(args, &repair.plan, 0, warnings, repair.check(args), ui);
    }
    let mut run = Run::begin(&mut lock, RunKind::Full, target.url())?;
    run.warnings = warnings;
    let repair = plan_repair().and_then(|repair| {
        repair.check(args)?;
        runs::remember_target(run.lock.client(), target.url())?;
        repair.end_with_equal_ones(run.lock)?;
        // The differences, with their texts, have done their part.
        Ok((repair.plan, repair.marks))
    });
    match repair {
        Ok((plan, marks)) => Sending { args, target: &target, plan: &plan, marks: &marks, signals, ui }.carry_out(run),
        Err(failure) => Err(commands::end_failed(run, failure)),
    }
}

/// What brings the target in step with the master.
struct Repair {
    comparison: Comparison,
    plan: Plan,
    marks: BTreeMap<Key, Mark>,
    /// Objects that are equal, and that a change or a conversation is still recorded of, or may be.
    equal: Vec<Key>,
}

impl Repair {
    fn plan(client: &mut Client, comparison: Comparison) -> Result<Self> {
        let plan = plan(client, &comparison)?;
        // Nothing but the look says what is there: not even the events that the first pass has read.
        let mut marks = send::marks(&comparison.pending);
        let unfinished = change_log::unfinished(client)?;
        marks.extend(send::marks(&unfinished));
        for mark in marks.values_mut() {
            mark.basis = Basis::Look;
        }
        // A row that came in between, and is equal to what was there already: its event does not know that.
        for key in &comparison.settled {
            marks.entry(*key).or_insert(Mark::looked_at(None));
        }
        let planned: BTreeSet<Key> = plan.works().iter().map(|work| work.key).collect();
        let equal = marks.keys().filter(|key| !planned.contains(key)).copied().collect();
        for work in plan.works() {
            // An object without events has none to mark.
            marks.entry(work.key).or_insert(Mark::looked_at(work.parent));
        }
        Ok(Self { comparison, plan, marks, equal })
    }

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
        send::check(args, &self.plan)?;
        if args.force {
            return Ok(());
        }
        let sides = self.comparison.counts.iter();
        let sides =
            sides.map(|(entity, counts)| Sides { entity: *entity, local: counts.local, target: counts.objects() });
        self.plan.check_full(&sides.collect::<Vec<Sides>>()).map_err(|over| {
            Failure::new(Kind::Refused, over)
                .hint("nothing was sent; look with --dry-run or `news diff`, then lift the limits with --force")
        })
    }

    /// Records of objects that are equal already that they are: nothing needs to be sent for them.
    fn end_with_equal_ones(&self, lock: &mut Lock) -> Result<()> {
        for batch in self.equal.chunks(RECORD_BATCH) {
            let facts: Vec<Fact> = batch.iter().copied().map(Fact::Done).collect();
            lock.run(|client| objects::record(client, &facts, &self.marks))?;
        }
        Ok(())
    }
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

/// Returns what repairs the differences. The master's comments of posts that are [`uprooting`], the
/// equal ones, too, are asked for once their post is there.
fn plan(client: &mut Client, comparison: &Comparison) -> Result<Plan> {
    let posts = uprooting(comparison);
    let uprooting: BTreeSet<PostId> = posts.iter().copied().collect();
    let mut works: Vec<Work> = comparison.differences.iter().map(|difference| work(difference, &uprooting)).collect();
    let planned: BTreeSet<Key> = works.iter().map(|work| work.key).collect();
    objects::each_comment_of(client, &posts, |key, post| {
        if works.len() >= FOUND_MAX {
            let why = format!("more than {FOUND_MAX} objects are to be repaired, or asked for since their posts are");
            return Err(Failure::new(Kind::Refused, why).hint("is this the right target?"));
        }
        if !planned.contains(&key) {
            let (before, after) = (Presence::Unknown, Wish::Present);
            works.push(Work { key, parent: Some(post), before, after, standing: Standing::Ready });
        }
        Ok(())
    })?;
    Ok(Plan::new(works))
}

fn work(difference: &Difference, uprooting: &BTreeSet<PostId>) -> Work {
    let after = if difference.local { Wish::Present } else { Wish::Absent };
    let is_uprooted = difference.local && difference.parent.is_some_and(|post| uprooting.contains(&post));
    let before = match difference.kind {
        // A capped listing must not make duplicates: asked for before it is created.
        DifferenceKind::Missing => Presence::Unknown,
        DifferenceKind::Duplicate => Presence::Doubled,
        DifferenceKind::Extra | DifferenceKind::Different | DifferenceKind::Unreadable if is_uprooted => {
            Presence::Unknown
        }
        DifferenceKind::Extra | DifferenceKind::Different | DifferenceKind::Unreadable => Presence::Present,
    };
    Work { key: difference.key, parent: difference.parent, before, after, standing: Standing::Ready }
}
