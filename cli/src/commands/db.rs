//! `news db`

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::args::Db;
use crate::commands::{self, Outcome, prune};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::master;
use crate::pg::{self, Purpose};
use crate::private_pg::{self, Started};
use crate::report::Report;
use crate::report::db::{Action, DbAnswer, DbReport, DbTable, Migrated, Private, Schema, Switched, Url};
use crate::secret::Secret;
use crate::settings::{Database, Settings};
use crate::store::{inspect, schema};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Db, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    match args {
        Db::Migrate => migrate(settings),
        Db::Status => status(settings, ui),
        Db::Start => start(settings),
        Db::Stop => stop(settings),
        Db::Shell { psql_args } => shell(psql_args, settings),
        Db::Prune { older_than, batch } => prune::run(*older_than, *batch, settings, ui),
        Db::Url => {
            let url = master::url(settings)?.expose().to_owned();
            Ok(Outcome::done(Report::DbUrl(Url { url })))
        }
    }
}

fn migrate(settings: &Settings) -> Result<Outcome> {
    let mut client = master::admin(settings)?;
    let applied = schema::migrate(&mut client)?;
    let schema_version = schema::applied(&mut client)?;
    Ok(Outcome::done(Report::DbMigrated(Migrated { applied, schema_version })))
}

/// Starts nothing. A private PostgreSQL that does not run is no error; a database that does not answer is.
fn status(settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let (url, private) = match &settings.database {
        Database::Named(url) => (url.clone(), None),
        Database::Private => (private_pg::url(&settings.home)?, Some(private(&settings.home)?)),
    };
    let database = pg::url::split(&url)?.shown;
    let mut report = DbReport { database, private, reachable: false, error: None, answer: None };
    if report.private.as_ref().is_some_and(|private| !private.running) {
        return Ok(Outcome::done(Report::DbStatus(report)));
    }
    match answer(&url) {
        Ok(answer) => {
            let fit = schema::require_utf8(&answer.encoding);
            report.reachable = true;
            report.answer = Some(answer);
            let report = Report::DbStatus(report);
            if let Err(failure) = fit {
                commands::print(ui, &report)?;
                return Err(failure);
            }
            Ok(Outcome::done(report))
        }
        Err(failure) => {
            report.error = Some(failure.to_string());
            let report = Report::DbStatus(report);
            commands::print(ui, &report)?;
            Err(failure)
        }
    }
}

fn private(home: &Path) -> Result<Private> {
    let state = private_pg::state(home)?;
    Ok(Private {
        running: state.pid.is_some(),
        pid: state.pid,
        data: state.data.display().to_string(),
        version: state.major,
    })
}

fn answer(url: &Secret) -> Result<DbAnswer> {
    let mut client = pg::connect(url, Purpose::Admin)?;
    let whole = inspect::whole(&mut client)?;
    let tables = inspect::tables(&mut client)?;
    let logged = tables.iter().any(|table| table.name == "news_modelevent");
    Ok(DbAnswer {
        server_version: whole.server_version,
        size_bytes: whole.size_bytes,
        encoding: schema::encoding(&mut client)?,
        schema_version: schema::applied(&mut client)?,
        schema_version_wanted: schema::newest(),
        schema: match schema::version(&mut client)? {
            schema::Version::Current => Schema::Current,
            schema::Version::Behind => Schema::Behind,
            schema::Version::Ahead => Schema::Ahead,
            schema::Version::Unreleased => Schema::Unreleased,
        },
        pending_events: if logged { Some(inspect::pending_events(&mut client)?) } else { None },
        tables: tables
            .into_iter()
            .map(|table| DbTable {
                name: table.name,
                rows_estimated: table.rows_estimated,
                size_bytes: table.size_bytes,
            })
            .collect(),
    })
}

fn start(settings: &Settings) -> Result<Outcome> {
    only_private(settings)?;
    let action = match private_pg::start(&settings.home)? {
        Started::Already => Action::RanAlready,
        Started::Now => Action::Started,
        Started::Made => Action::Made,
    };
    master::url(settings)?;
    let state = private(&settings.home)?;
    Ok(Outcome::done(Report::DbSwitched(Switched { action, pid: state.pid, data: state.data })))
}

fn stop(settings: &Settings) -> Result<Outcome> {
    only_private(settings)?;
    let pid = private_pg::stop(&settings.home)?;
    let action = if pid.is_some() { Action::Stopped } else { Action::DidNotRun };
    let data = private(&settings.home)?.data;
    Ok(Outcome::done(Report::DbSwitched(Switched { action, pid, data })))
}

fn only_private(settings: &Settings) -> Result<()> {
    match settings.database {
        Database::Private => Ok(()),
        Database::Named(_) => {
            Err(Failure::new(Kind::Usage, "a database is named, and it is not ours to start or stop").hint(
                "to mean the private PostgreSQL, unset NEWS_DATABASE_URL and DATABASE_URL and leave --database-url out",
            ))
        }
    }
}

/// Becomes psql: its exit code is ours. The command line of a process is everybody's to
/// read, so a password goes by the environment.
fn shell(psql_args: &[OsString], settings: &Settings) -> Result<Outcome> {
    let parts = pg::url::split(&master::url(settings)?)?;
    let psql = private_pg::psql()?;
    let mut command = Command::new(&psql);
    command.arg(format!("--dbname={}", parts.shown)).args(psql_args);
    if let Some(password) = &parts.password {
        command.env("PGPASSWORD", password.expose());
    }
    Err(command.exec()).or_fail(Kind::Database, format!("cannot run {}", psql.display()))
}
