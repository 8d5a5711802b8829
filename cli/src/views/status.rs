//! `news status`: how the sync goes, what is pending, what a run would do.

use std::time::Duration;

use news_core::session::Untried;
use postgres::{Client, Transaction};
use time::OffsetDateTime;

use super::Seen;
use crate::error::{Kind, Result};
use crate::report::holds::{HoldRow, utc};
use crate::report::status::{FullRow, StatusReport};
use crate::report::sync::by_entity;
use crate::report::verdict::{Facts, Verdict};
use crate::run;
use crate::settings::Settings;
use crate::store::runs::RunKind;
use crate::store::tracking::Fault;
use crate::store::{history, ledger, lock, rows, run_rows, schema};

/// Reads a moment, and describes it. A change that waits longer than `max_lag` is late.
pub fn collect(client: &mut Client, settings: &Settings, faults: &[Fault], max_lag: Duration) -> Result<StatusReport> {
    let mut moment = rows::snapshot(client)?;
    let seen = Seen::read(&mut moment, settings.times)?;
    let report = describe(&mut moment, &seen, settings, faults, max_lag)?;
    moment.commit()?;
    Ok(report)
}

/// Describes what was seen in `moment`.
pub fn describe(
    moment: &mut Transaction<'_>,
    seen: &Seen,
    settings: &Settings,
    faults: &[Fault],
    max_lag: Duration,
) -> Result<StatusReport> {
    let Seen { clock, outlook, holds } = seen;
    let last = history::last_run(moment)?;
    let begun = history::begun(moment, RunKind::Sync)?;
    let at_work = history::at_work(moment)?;
    let holders: Vec<String> =
        lock::holders(moment)?.iter().map(|holder| format!("{}, since {}", holder.who, holder.since)).collect();
    // Nothing is sent from here: how things stand is told, whatever is wrong with the URL.
    let (target, warning) = match run::followed(settings, moment) {
        Ok(followed) => followed.map_or((None, None), |followed| (Some(followed.url), followed.warning)),
        Err(failure) if matches!(failure.kind(), Kind::Usage | Kind::Refused) => (None, Some(failure.with_hints())),
        Err(failure) => return Err(failure),
    };
    let oldest = outlook.oldest.map(|since| since.age(clock.now));
    let Untried { parked, held, on_hold, .. } = &outlook.untried;
    let [parked, held, on_hold] = [parked.len(), held.len(), on_hold.len()].map(|count| count as u64);
    let time = |moment| OffsetDateTime::from(ledger::stamp(moment));
    let failed = last.as_ref().map_or(0, |last| last.failed);
    let over_limit = seen.refusal(moment, settings)?.map(|over| over.to_string());
    let full = history::failed_full(moment)?;
    let verdict = Verdict::of(&Facts {
        now: time(clock.now),
        untracked: faults.first().map(ToString::to_string),
        last,
        full: full.clone(),
        over_limit: over_limit.clone(),
        running_since: at_work.iter().map(|run| time(run.since)).min(),
        begun,
        oldest,
        max_lag,
        pending: outlook.objects,
        parked,
        on_hold,
        held,
        waiting: outlook.retried.len() as u64,
    });
    Ok(StatusReport {
        verdict,
        target,
        pending: outlook.objects,
        events: outlook.events,
        in_flight: outlook.in_flight,
        oldest_s: oldest.map(|age| age.as_secs_f64()),
        oldest_at: outlook.oldest.map(|since| utc(ledger::stamp(since))),
        plan: by_entity(&outlook.tallies),
        over_limit,
        parked,
        held,
        waiting: outlook.retried.len() as u64,
        on_hold,
        holds: HoldRow::first(holds),
        lock: (!holders.is_empty()).then(|| holders.join("; ")),
        last_done: run_rows::last_done(moment)?,
        last_run: run_rows::last(moment)?,
        failed_full: full.as_ref().map(FullRow::from),
        schema: schema::applied(moment)?,
        tracking: faults.iter().map(ToString::to_string).collect(),
        warnings: warning.into_iter().collect(),
        failed,
    })
}
