//! `news diff`: compares both sides.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use news_core::{Entity, Key};

use crate::args::{Diff, Only};
use crate::commands::Outcome;
use crate::compare::{self, Beside, Comparison, Sides};
use crate::error::{Exit, Result};
use crate::listing::Source;
use crate::render;
use crate::report::Report;
use crate::report::diff::{Counting, DiffReport, Shown, take_left_out};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{Purpose, connect, left_out, schema};
use crate::target::Target;
use crate::ui::{Colour, Format, Page, Ui};
use crate::{files, master, run};

/// Differences listed for people where they do not say how many.
const SHOWN: usize = 50;

/// Runs the command.
pub fn run(args: &Diff, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let entities: &[Entity] = match args.only {
        None => &Entity::ALL,
        Some(Only::Posts) => &[Entity::Post],
        Some(Only::Comments) => &[Entity::Comment],
    };
    let counting = if args.ignore_pending { Counting::DriftOnly } else { Counting::All };
    let format = if args.ndjson { Format::Lines } else { ui.format() };
    let shown = match (args.stat, args.limit, format) {
        (true, _, _) => Shown::Summary,
        (false, Some(limit), _) => Shown::AtMost(limit),
        (false, None, Format::Text) => Shown::AtMost(SHOWN),
        // A program that asked for the differences gets them.
        (false, None, Format::Json | Format::Lines) => Shown::All,
    };
    let signals = Signals::install()?;
    let (source, comparison, left_out) = compare_with(args.from.as_deref(), settings, &signals, ui, entities)?;
    let report = DiffReport::new(&source, comparison, &left_out, counting, shown);
    let exit = if report.equal || args.exit_zero { Exit::Done } else { Exit::Differ };
    let report = Report::Diff(report);
    match &args.output {
        Some(path) if path != Path::new("-") => {
            // Like any file of the user's, within the umask.
            // Whoever has kept others from reading it means the next report, too.
            let mode = path.metadata().map_or(0o666, |data| data.permissions().mode() & 0o666);
            files::replace(path, mode, |out| render::render(&report, format, page_of_file(ui), out))?;
        }
        Some(_) | None => ui.report(|out| render::render(&report, format, ui.page(), out))?,
    }
    Ok(Outcome { report: None, exit })
}

/// Counts what differs at the target and neither a pending change nor a hold explains.
pub(super) fn count_drift(settings: &Settings, signals: &Signals, ui: &Ui) -> Result<usize> {
    let (_, mut comparison, left_out) = compare_with(None, settings, signals, ui, &Entity::ALL)?;
    take_left_out(&mut comparison, &left_out);
    Ok(comparison.differences.iter().filter(|difference| difference.is_drift()).count())
}

fn compare_with(
    from: Option<&Path>,
    settings: &Settings,
    signals: &Signals,
    ui: &Ui,
    entities: &[Entity],
) -> Result<(String, Comparison, BTreeMap<Key, String>)> {
    let mut client = connect(&master::existing(settings)?, Purpose::Bulk)?;
    schema::require_current(&mut client)?;
    let (source, beside) = if let Some(folder) = from {
        (Source::Folder(folder.to_owned()), Beside::Nobody)
    } else {
        let url = run::to_follow(settings, &mut client)?.url;
        let target = Target::new(&url, settings.target_token.as_ref(), 1, settings.times.timeout)?;
        (Source::Target(Arc::new(target)), Beside::Runs)
    };
    let times = settings.times;
    let comparison = compare::compare(&mut client, &Sides { source: &source, entities, beside, times, ui, signals })?;
    let left_out = left_out::all(&mut client)?;
    Ok((source.name(), comparison, left_out))
}

/// A file is no terminal: it has room, and colour only where that is asked for in so many words.
fn page_of_file(ui: &Ui) -> Page {
    Page {
        width: crate::ui::WIDTH_WITHOUT_TERMINAL,
        colour: if ui.always_coloured() { Colour::On } else { Colour::Off },
    }
}
