//! `news diff`: compares both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use news_core::object::ATTEMPTS_MAX;
use news_core::session::LOOK_WITHIN;
use news_core::{Entity, Key};

use crate::args::{Diff, Only};
use crate::commands::Outcome;
use crate::compare::{self, Altered, Beside, Comparison, Sides};
use crate::error::{Exit, Failure, Kind, Result};
use crate::pg::{Purpose, connect};
use crate::render;
use crate::report::Report;
use crate::report::diff::{Counting, DiffReport, Shown, take_left_out};
use crate::run::Followed;
use crate::run::looks::{Pace, look};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::source::Source;
use crate::store::{left_out, schema};
use crate::target::{Peer as _, Reader, Tries};
use crate::ui::{Colour, Format, Layout, Ui};
use crate::{files, master, run};

/// Objects that are named at once; more are as quickly found in the listing.
const KEYS_MAX: usize = 1000;
const JOBS: u16 = 4;
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
    let altered = if args.strict { Altered::Differs } else { Altered::Equal };
    let (source, comparison, left_out) = if args.keys.is_empty() {
        compare_with(args.from.as_deref(), settings, (&signals, ui), entities, altered)?
    } else {
        compare_keys(args, settings, &signals, altered)?
    };
    let report = DiffReport::new(&source, comparison, &left_out, counting, shown).of(&args.keys);
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
    let (_, mut comparison, left_out) = compare_with(None, settings, (signals, ui), &Entity::ALL, Altered::Equal)?;
    take_left_out(&mut comparison, &left_out);
    Ok(comparison.differences.iter().filter(|difference| difference.is_drift()).count())
}

fn compare_with(
    from: Option<&Path>,
    settings: &Settings,
    (signals, ui): (&Signals, &Ui),
    entities: &[Entity],
    altered: Altered,
) -> Result<(String, Comparison, BTreeMap<Key, String>)> {
    let mut client = connect(&master::existing(settings)?, Purpose::Bulk)?;
    schema::require_current(&mut client)?;
    let (source, beside) = if let Some(folder) = from {
        (Source::Folder(folder.to_owned()), Beside::Nobody)
    } else {
        let followed = run::to_follow(settings, &mut client)?;
        let target = Reader::new(&followed.url, &followed.access, 1, settings.times.timeout, Tries::Many)?;
        (Source::Target(target), Beside::Runs)
    };
    let times = settings.times;
    let sides = Sides { source: &source, entities, beside, altered, times, ui, signals };
    let comparison = compare::compare(&mut client, &sides)?;
    let left_out = left_out::all(&mut client)?;
    Ok((source.name(), comparison, left_out))
}

fn compare_keys(
    args: &Diff,
    settings: &Settings,
    signals: &Signals,
    altered: Altered,
) -> Result<(String, Comparison, BTreeMap<Key, String>)> {
    if args.keys.len() > KEYS_MAX {
        let why = format!("expected at most {KEYS_MAX} keys, found {}", args.keys.len());
        return Err(Failure::new(Kind::Usage, why).hint("Run `news diff` without keys to compare everything."));
    }
    let keys: Vec<Key> = args.keys.iter().copied().collect::<BTreeSet<Key>>().into_iter().collect();
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let Followed { url, access, .. } = run::to_follow(settings, &mut client)?;
    let jobs = usize::from(args.jobs.unwrap_or(JOBS));
    let target = Reader::within(settings.times.timeout.min(LOOK_WITHIN), &url, &access, jobs, Tries::Many)?;
    run::require_ids(target.profile())?;
    let pace = Pace { jobs, rate_per_s: args.rate, attempts_max: ATTEMPTS_MAX };
    let ask = |keys: &[Key]| look(&target, keys, pace, signals).map(|looked| looked.sights);
    let comparison =
        compare::keys::compare(&mut client, &keys, &ask, altered, (target.profile(), settings.times, signals))?;
    Ok((url, comparison, left_out::all(&mut client)?))
}

/// A file is no terminal: it has room, and colour only where that is asked for in so many words.
fn page_of_file(ui: &Ui) -> Layout {
    Layout {
        width: crate::ui::WIDTH_WITHOUT_TERMINAL,
        colour: if ui.always_coloured() { Colour::On } else { Colour::Off },
    }
}
