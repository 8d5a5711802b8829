//! What the operator's console asks and does, below `/news/sync/`: for users who are staff. The answers are the reports of the
//! commands, made by the same functions (`views`).

mod acts;
mod body;
mod cache;
pub mod prints;
mod query;
mod reads;
mod session;
mod target;

use postgres::{Client, Transaction};
use tiny_http::Method;

use super::handlers::Context;
use super::response::{Coded, Problem, Response};
use super::routes::Operator;
use crate::args::ConsoleMode;
use crate::error::{Failure, Kind, Result};
use crate::pool::Queue;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::store::{SideSessions, rows, schema};
use crate::views::target::TargetState;
use cache::Cache;
use reads::Made;

/// What the endpoints share.
pub struct Desk {
    mode: ConsoleMode,
    settings: Settings,
    sessions: SideSessions,
    /// Everybody who looks sees the same.
    overview: Cache<Made>,
    /// The same of whether the target answers.
    target: Cache<TargetState>,
    /// Places for requests to the target.
    asking: Queue,
    /// A comparison reads each side once, and one at a time may.
    reading_master: Queue,
    reading_target: Queue,
}

impl Desk {
    /// Makes one on the database that `url` names.
    pub fn new(mode: ConsoleMode, settings: &Settings, url: &Secret) -> Self {
        Self {
            mode,
            settings: settings.clone(),
            sessions: SideSessions::new(url),
            overview: Cache::new(reads::OVERVIEW_KEPT, reads::OVERVIEW_SHARE),
            target: Cache::new(target::STATE_KEPT, 0),
            asking: Queue::new(target::ASKING_MAX),
            reading_master: Queue::new(1),
            reading_target: Queue::new(1),
        }
    }

    /// Returns what the console allows.
    pub fn mode(&self) -> ConsoleMode {
        self.mode
    }

    /// Lends a snapshot of the whole master to `work`.
    fn moment<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T, Problem> {
        self.ask(|client| {
            let mut moment = rows::snapshot(client)?;
            let done = work(&mut moment)?;
            moment.commit()?;
            Ok(done)
        })
    }

    /// Lends a session that sees the whole master to `work`.
    fn ask<T>(&self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T, Problem> {
        let asked = self.sessions.with(|client| match schema::require_current(client) {
            // A session is as good with another schema; somebody may be migrating it.
            Err(failure) if failure.kind() == Kind::Database && !client.is_closed() => Ok(Err(of_schema(&failure))),
            Err(failure) => Err(failure),
            Ok(()) => work(client).map(Ok),
        });
        asked.unwrap_or_else(|failure| Err(refused(&failure)))
    }
}

/// Runs the handler of an endpoint.
pub fn run(context: &Context<'_>, what: Operator) -> Result<Response, Problem> {
    if context.request.method == Method::Post {
        same_origin(context)?;
    }
    match what {
        Operator::Session => session::get(context),
        Operator::Overview => reads::overview(context),
        Operator::Events => reads::events(context),
        Operator::Plan => reads::plan(context),
        Operator::Left => reads::left(context),
        Operator::Groups => reads::groups(context),
        Operator::Runs => reads::runs(context),
        Operator::Run => reads::run(context),
        Operator::Acts => reads::acts(context),
        Operator::LeftOut => reads::left_out(context),
        Operator::Object(entity) => reads::object(context, entity),
        Operator::AtTarget(entity) => target::object(context, entity),
        Operator::Target => target::state(context),
        Operator::Prints(entity) => prints::get(context, entity),
        Operator::Look => target::look(context),
        Operator::Retry => may_act(context).and_then(|()| acts::retry(context)),
        Operator::Discard => may_act(context).and_then(|()| acts::discard(context)),
        Operator::Hold => may_act(context).and_then(|()| acts::hold(context)),
        Operator::Release => may_act(context).and_then(|()| acts::release(context)),
    }
}

/// Refuses what a page of another origin sends (Fetch Metadata Request Headers). Tokens keep others out anyway: this is a second lock.
fn same_origin(context: &Context<'_>) -> Result<(), Problem> {
    match context.request.header("sec-fetch-site") {
        None | Some("same-origin") => Ok(()),
        Some(_) => Err(Coded::problem(403, "cross_site", "Only pages of the console itself may do this.")),
    }
}

/// Refuses acts where the service only lets staff read.
fn may_act(context: &Context<'_>) -> Result<(), Problem> {
    match context.service.desk.mode {
        ConsoleMode::Act => Ok(()),
        ConsoleMode::Off | ConsoleMode::Read => Err(Coded::problem(
            403,
            "read_only",
            "The service was started without --console act: the console shows, and changes nothing.",
        )),
    }
}

fn of_schema(failure: &Failure) -> Problem {
    Coded::problem(503, "schema", format!("{}.", failure.with_hints()))
}

/// Gives a failure of the commands' functions its answer.
fn refused(failure: &Failure) -> Problem {
    let (status, code) = match failure.kind() {
        Kind::Database => (503, "database"),
        Kind::Locked => (409, "locked"),
        Kind::Target => (502, "target_away"),
        Kind::Credentials => (502, "target_credentials"),
        Kind::Refused => (409, "refused"),
        // The service has connected with the same URL, so it is a pooler.
        Kind::Usage => (409, "pooler"),
        Kind::Partly | Kind::Bug | Kind::Output | Kind::ClosedPipe | Kind::Interrupted | Kind::Terminated => {
            log::error!("{}", failure.with_hints());
            return Problem::Internal;
        }
    };
    log::warn!("{}", failure.with_hints());
    Coded::problem(status, code, failure.with_hints())
}
