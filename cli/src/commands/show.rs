//! `news show`: one object, everything that is known of it, and its difference to the target now.

use news_core::Key;

use crate::args::Show;
use crate::commands::{self, Outcome};
use crate::error::{Failure, Kind, Result};
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::show::{RunActivity, ShowReport};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::{about, lock, schema};
use crate::ui::Ui;
use crate::{master, views};

/// Runs the command.
pub fn run(args: &Show, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let key = args.key;
    let signals = Signals::install()?;
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let about = about::read(&mut client, key, settings.times)?;
    let runs = if lock::holders(&mut client)?.is_empty() { RunActivity::None } else { RunActivity::AtWork };
    let asked = if args.offline {
        None
    } else {
        Some(views::target::object(&mut client, key, settings, settings.times.timeout, &signals))
    };
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
