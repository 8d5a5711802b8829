//! `news runs`: the history, and what is kept of one run.

use crate::args::{KindOf, Runs};
use crate::commands::Outcome;
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::runs::RunsReport;
use crate::settings::Settings;
use crate::store::run_rows::{self, Listed, WantedRuns};
use crate::store::runs::RunKind;
use crate::store::{rows, schema};
use crate::ui::Ui;
use crate::views;

/// How runs end that did not do all they were to do and were not told to stop.
const FAILED: [&str; 3] = ["partly", "failed", "lost"];

/// Runs the command.
pub fn run(args: &Runs, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    if let Some(id) = args.id {
        let mut moment = rows::snapshot(&mut client)?;
        let Some((report, _)) = views::runs::one(&mut moment, id, None, i64::from(args.limit))? else {
            return Err(Failure::new(Kind::Refused, format!("the history has no run {id}"))
                .hint("`news runs` lists those that are kept; fewer are kept of runs that sent nothing"));
        };
        return Ok(Outcome::done(Report::Run(Box::new(report))));
    }
    let kind = |kind: &KindOf| match kind {
        KindOf::Sync => RunKind::Sync.word(),
        KindOf::Full => RunKind::Full.word(),
        KindOf::Import => RunKind::Import.word(),
    };
    let wanted = WantedRuns {
        kinds: args.kind.iter().map(kind).collect(),
        statuses: if args.failed { FAILED.to_vec() } else { Vec::new() },
        since: args.since,
        before: None,
    };
    let Listed { runs, more, .. } = run_rows::list(&mut client, &wanted, usize::from(args.limit))?;
    Ok(Outcome::done(Report::Runs(RunsReport { runs, more })))
}
