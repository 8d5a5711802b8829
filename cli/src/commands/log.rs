//! `news log`: the change log, with who made each change and which run synced it.

use std::time::Duration;

use news_core::tail::{GivenUp, Tail};

use crate::args::Log;
use crate::commands::{self, Outcome};
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::log::{LogReport, LogRow};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::events::{self, EventRow, Follower, LookedEvents, More, Newest};
use crate::store::schema;
use crate::ui::{self, Ui};

/// A follower looks so often while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Where the log's sequence was set back, events are shown from so many ids before the last one that was handed out.
const AGAIN_IDS: i64 = 1000;
/// A database that is unavailable is tried again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: &Log, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    if args.follow {
        return Err(follow(args, settings, ui));
    }
    let mut client = connect(&master::existing(settings)?, Purpose::Run)?;
    schema::require_current(&mut client)?;
    let Newest { events: found, has_more } =
        events::newest(&mut client, &args.keys, i64::from(args.limit), args.since)?;
    for key in args.keys.iter().filter(|key| !found.iter().any(|event| event.key == **key)) {
        log::info!("{key}: no change found in the log");
    }
    let events = found.into_iter().map(LogRow::from).collect();
    Ok(Outcome::done(Report::Log(LogReport { events, has_more })))
}

/// Prints the newest events, and then each one that is committed. Returns what ended it.
fn follow(args: &Log, settings: &Settings, ui: &Ui) -> Failure {
    let started = Signals::install().and_then(|signals| {
        let url = master::existing(settings)?;
        let mut follower = Follower::connect(&url)?;
        let (tail, found) = follower.begin(&args.keys, i64::from(args.limit), args.since)?;
        print(args, ui, found)?;
        Ok((signals, url, follower, tail))
    });
    let (signals, url, follower, mut tail) = match started {
        Ok(started) => started,
        Err(failure) => return failure,
    };
    let mut ours = Some(follower);
    loop {
        let pause = match turn(args, &url, ui, &mut ours, &mut tail) {
            Ok(More::Perhaps) => Duration::ZERO,
            Ok(More::No) => LOOK_EVERY,
            // A restart of the server; what was committed meanwhile is found then.
            Err(failure) if failure.kind() == Kind::Database => {
                log::warn!("{}; trying again in {} s", failure.with_hints(), AGAIN_AFTER.as_secs());
                ours = None;
                AGAIN_AFTER
            }
            Err(failure) => return failure,
        };
        if let Err(stopped) = signals.pause(pause).and_then(|()| ui::require_reader()) {
            return stopped;
        }
    }
}

/// Looks once, on a connection that lives as long as it can. A private server that was stopped meanwhile stays stopped.
fn turn(args: &Log, url: &Secret, ui: &Ui, ours: &mut Option<Follower>, tail: &mut Tail) -> Result<More> {
    let mut follower = if let Some(follower) = ours.take() {
        follower
    } else {
        tail.reconnected();
        Follower::connect(url)?
    };
    let LookedEvents { events, more, given_up, set_back } = follower.look(tail)?;
    if let Some((from, to)) = set_back {
        log::warn!(
            "the sequence of the change log was set back from {from} to {to}: events may be missing or come twice here"
        );
        // What was logged since then is shown, and at worst some events before it again.
        *tail = Tail::new((to - AGAIN_IDS).max(0), []);
    }
    *ours = Some(follower);
    if let Some(GivenUp { first, last }) = given_up {
        log::warn!(
            "too many open transactions: events {first} to {last} are not shown if they are still to be committed"
        );
    }
    print(args, ui, events)?;
    Ok(more)
}

fn print(args: &Log, ui: &Ui, events: Vec<EventRow>) -> Result<()> {
    let wanted = events.into_iter().filter(|event| args.keys.is_empty() || args.keys.contains(&event.key));
    let rows: Vec<LogRow> = wanted.map(LogRow::from).collect();
    if rows.is_empty() { Ok(()) } else { commands::print(ui, &Report::LogRows(rows)) }
}
