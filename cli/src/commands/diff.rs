//! `news diff`: compares both sides.

use news_core::Entity;

use crate::args::{Diff, Only};
use crate::commands::Outcome;
use crate::compare::{self, Comparison};
use crate::error::{Exit, Result};
use crate::report::Report;
use crate::report::diff::{Counting, DiffReport};
use crate::settings::Settings;
use crate::store::{Purpose, connect, schema};
use crate::target::Target;
use crate::ui::Ui;
use crate::{master, run};

/// Runs the command.
pub fn run(args: &Diff, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let entities: &[Entity] = match args.only {
        None => &Entity::ALL,
        Some(Only::Posts) => &[Entity::Post],
        Some(Only::Comments) => &[Entity::Comment],
    };
    let counting = if args.ignore_pending { Counting::DriftOnly } else { Counting::All };
    let (target, comparison) = compare_with(settings, ui, entities)?;
    let report = DiffReport::new(&target, comparison, counting, args.limit);
    let exit = if report.equal || args.exit_zero { Exit::Done } else { Exit::Differ };
    Ok(Outcome { report: Some(Report::Diff(report)), exit })
}

/// Counts what differs at the target and no pending change explains.
pub(super) fn count_drift(settings: &Settings, ui: &Ui) -> Result<usize> {
    let (_, comparison) = compare_with(settings, ui, &Entity::ALL)?;
    Ok(comparison.differences.iter().filter(|difference| !difference.pending).count())
}

fn compare_with(settings: &Settings, ui: &Ui, entities: &[Entity]) -> Result<(String, Comparison)> {
    let mut client = connect(&master::url(settings)?, Purpose::Bulk)?;
    schema::require_current(&mut client)?;
    let url = run::target_url(settings, &mut client)?;
    let target = Target::new(&url, settings.target_token.as_ref(), 1)?;
    let bar = ui.bar("compare", None, "objects");
    let comparison = compare::compare(&mut client, &target, entities, &bar)?;
    bar.finish();
    Ok((target.url().to_owned(), comparison))
}
