//! `news show`: one object, everything that is known of it, and its difference to the target now.

use news_core::Key;
use news_core::session::Sight;
use postgres::Client;

use crate::args::Show;
use crate::commands::diff::look;
use crate::commands::{self, Outcome};
use crate::compare;
use crate::error::{Failure, Kind, Result};
use crate::report::Report;
use crate::report::diff::DifferenceRow;
use crate::report::show::{Runs, ShowReport, TargetNow};
use crate::run::Followed;
use crate::run::looks::{Looked, Pace};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{Purpose, about, connect, lock, schema};
use crate::target::Target;
use crate::ui::Ui;
use crate::{master, run};

/// One attempt: an operator who waits can ask again.
const PACE: Pace = Pace { jobs: 1, rate_per_s: None, attempts_max: 1 };

/// Runs the command.
pub fn run(args: &Show, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let key = args.key;
    let signals = Signals::install()?;
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let about = about::read(&mut client, key, settings.times)?;
    let runs = if lock::holders(&mut client)?.is_empty() { Runs::None } else { Runs::AtWork };
    let asked = if args.offline { None } else { Some(ask(&mut client, key, settings, &signals)) };
    let (target, failure) = match asked {
        None => (None, None),
        Some((target, Ok(()))) => (Some(target), None),
        Some((target, Err(failure))) => (Some(target), Some(failure)),
    };
    let is_there = target.as_ref().is_some_and(|target| target.there == Some(true));
    if !about.is_known(key) && !is_there {
        return Err(failure.unwrap_or_else(|| unknown(key, args)));
    }
    let report = Report::Show(Box::new(ShowReport::new(key, about, runs, target)));
    match failure {
        None => Ok(Outcome::done(report)),
        // What the database knows is told all the same.
        Some(failure) => {
            commands::print(ui, &report)?;
            Err(failure)
        }
    }
}

fn unknown(key: Key, args: &Show) -> Failure {
    if args.offline {
        return Failure::new(Kind::Refused, format!("{key}: the database knows nothing of it"))
            .hint("Run it without --offline to ask the target.");
    }
    Failure::new(Kind::Refused, format!("{key}: neither the database nor the target knows it"))
        .hint("Run `news log` to see the latest changes.")
}

/// Asks the target for the object, and compares it with the row as it is now.
fn ask(client: &mut Client, key: Key, settings: &Settings, signals: &Signals) -> (TargetNow, Result<()>) {
    let mut now = TargetNow::default();
    let asked = compare_now(client, key, settings, signals, &mut now);
    now.error = asked.as_ref().err().map(ToString::to_string);
    (now, asked)
}

fn compare_now(
    client: &mut Client,
    key: Key,
    settings: &Settings,
    signals: &Signals,
    now: &mut TargetNow,
) -> Result<()> {
    let Followed { url, access, .. } = run::to_follow(settings, client)?;
    now.url = Some(url.clone());
    let target = Target::new(&url, &access, 1, settings.times.timeout)?;
    run::require_ids(&target)?;
    let Looked { sights, exchanges, .. } = look(&target, &[key], PACE, signals)?;
    let last = exchanges.get(&key);
    now.status = last.and_then(|last| last.status);
    now.ms = last.map(crate::store::sent::Exchange::ms);
    now.there = Some(!matches!(sights.get(&key), Some(Sight::Gone) | None));
    let mut differences = compare::keys::judge(client, &[key], sights, settings.times)?;
    now.difference = differences.pop().map(DifferenceRow::from);
    Ok(())
}
