//! How the sync goes at a glance: the verdict, what waits, the last runs, what people did.

use std::collections::BTreeMap;

use postgres::Client;
use serde::Serialize;
use serde_json::Value;

use super::{Seen, parked, status};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::report::holds::utc;
use crate::report::status::GroupRow;
use crate::report::verdict::{self, MAX_LAG, Verdict};
use crate::settings::Settings;
use crate::store::acts::{self, ActRow};
use crate::store::ledger::stamp;
use crate::store::run_rows::{self, RunRow, WantedRuns};
use crate::store::runs::RunKind;
use crate::store::{history, rows, tracking};

const GROUPS_MAX: usize = 20;
const RUNS_MAX: usize = 60;
const ACTS_MAX: usize = 5;

/// The overview. It tells times, not ages, so that it stays the same until something happens.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The database's clock.
    pub now: String,
    /// How the sync goes.
    pub verdict: Verdict,
    /// `news status`, without ages.
    pub status: Value,
    /// The largest groups of objects that wait.
    pub groups: Vec<GroupRow>,
    /// Groups beyond these.
    pub groups_more: u64,
    /// The last runs, newest first.
    pub runs: Vec<ShortRun>,
    /// The last acts, newest first.
    pub acts: Vec<ActRow>,
    /// The usual distance between runs of each kind, in seconds; null where there is none.
    pub distance_s: BTreeMap<&'static str, Option<f64>>,
}

/// A run in a line.
#[derive(Debug, Serialize)]
pub struct ShortRun {
    id: i64,
    kind: String,
    status: String,
    started_at: String,
    finished_at: Option<String>,
    /// How long it took; null while it is at work.
    seconds: Option<f64>,
    requests: i64,
    exit_code: Option<i32>,
    shard: Option<String>,
    alike: u64,
}

impl From<RunRow> for ShortRun {
    fn from(run: RunRow) -> Self {
        let seconds = run.finished_at.is_some().then_some(run.seconds);
        let RunRow { id, kind, status, started_at, finished_at, requests, exit_code, shard, alike, .. } = run;
        Self { id, kind, status, started_at, finished_at, seconds, requests, exit_code, shard, alike }
    }
}

/// Reads a moment, and describes it.
pub fn collect(client: &mut Client, settings: &Settings) -> Result<Overview> {
    let mut moment = rows::snapshot(client)?;
    let faults = tracking::faults(&mut moment)?;
    let seen = Seen::read(&mut moment, settings.times)?;
    let report = status::describe(&mut moment, &seen, settings, &faults, MAX_LAG)?;
    let groups = parked::groups(&mut moment, &seen, GROUPS_MAX)?;
    let run_rows::Listed { runs, .. } = run_rows::list(&mut moment, &WantedRuns::default(), RUNS_MAX)?;
    let mut distance_s = BTreeMap::new();
    for kind in [RunKind::Sync, RunKind::Full] {
        let begun = history::begun(&mut moment, kind)?;
        distance_s.insert(kind.word(), verdict::distance(&begun).map(|distance| distance.as_secs_f64()));
    }
    let acts = acts::newest(&mut moment, acts::WantedActs::default(), ACTS_MAX)?.acts;
    moment.commit()?;
    Ok(Overview {
        now: utc(stamp(seen.clock.now)),
        verdict: report.verdict.clone(),
        status: without_ages(serde_json::to_value(&report).or_fail(Kind::Bug, "a report is not JSON")?)?,
        groups: groups.groups,
        groups_more: groups.more,
        runs: runs.into_iter().map(ShortRun::from).collect(),
        acts,
        distance_s,
    })
}

/// Takes out what grows by itself.
fn without_ages(mut status: Value) -> Result<Value> {
    let fields = status.as_object_mut().ok_or_else(|| Failure::new(Kind::Bug, "a report is not an object"))?;
    fields.remove("verdict");
    fields.remove("oldest_s");
    if let Some(run) = fields.get_mut("last_run").and_then(Value::as_object_mut)
        && run.get("finished_at").is_some_and(Value::is_null)
    {
        run.insert("seconds".to_owned(), Value::Null);
    }
    Ok(status)
}
