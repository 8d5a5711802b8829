//! `news hold` and `news release`: an operator stops and resumes the sync of objects.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use news_core::Key;
use postgres::Client;

use crate::args::{Hold, Release};
use crate::commands::Outcome;
use crate::error::{Exit, Failure, Kind, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::holds::HoldRow;
use crate::report::status::{KeysReport, words};
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::acts::By;
use crate::store::lock::Busy;
use crate::store::{holds, schema};
use crate::ui::Ui;

/// A request in flight is waited for so long: most are answered by then.
const IN_FLIGHT_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Puts objects on hold, and waits a little for requests in flight.
pub fn run(args: &Hold, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let keys: BTreeSet<Key> = args.keys.iter().copied().collect();
    let signals = Signals::install()?;
    let mut client = open(settings, &signals)?;
    let busy = Busy::begin();
    let why = args.why.as_deref().filter(|why| !why.is_empty());
    let (new, already) = holds::hold(&mut client, &keys, &By::command_line(), why)?;
    drop(busy);
    let in_flight = wait(&mut client, &new, settings, &signals)?;
    let exit = if in_flight.is_empty() { Exit::Done } else { Exit::Partly };
    let report = KeysReport {
        what: "on_hold",
        keys: words(&new),
        already: HoldRow::first(&already),
        in_flight: words(&in_flight),
        not_here: words(&holds::not_here(&mut client, &new)?),
        ..KeysReport::default()
    };
    Ok(Outcome { report: Some(Report::Keys(report)), exit })
}

/// Releases objects.
pub fn release(args: &Release, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let keys: BTreeSet<Key> = args.keys.iter().copied().collect();
    let mut client = open(settings, &Signals::install()?)?;
    let why = args.why.as_deref().filter(|why| !why.is_empty());
    let busy = Busy::begin();
    let released = holds::release(&mut client, &keys, &By::command_line(), why)?;
    drop(busy);
    let missed: Vec<Key> = keys.difference(&released).copied().collect();
    if !missed.is_empty() {
        return Err(Failure::new(Kind::Refused, format!("not on hold: {}", words(&missed).join(", ")))
            .hint("Nothing was released. Run `news parked` to see what is on hold."));
    }
    let keys = words(&released);
    Ok(Outcome::done(Report::Keys(KeysReport { what: "released", keys, ..KeysReport::default() })))
}

fn open(settings: &Settings, signals: &Signals) -> Result<Client> {
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    watchdog::start(signals, "is a synchronous standby gone? Run `news parked` to see what is on hold")?;
    Ok(client)
}

/// Waits until nothing that was sent before can take effect any more. Returns the objects of which that is not known in time.
fn wait(client: &mut Client, keys: &[Key], settings: &Settings, signals: &Signals) -> Result<Vec<Key>> {
    let begun = Instant::now();
    loop {
        let in_flight = holds::in_flight(client, keys, settings.times)?;
        let longest = in_flight.values().map(|settles_in| settles_in.unwrap_or_default()).max();
        let Some(longest) = longest else { return Ok(Vec::new()) };
        if begun.elapsed() + longest > IN_FLIGHT_MAX {
            return Ok(in_flight.into_keys().collect());
        }
        signals.pause(LOOK_EVERY)?;
    }
}
