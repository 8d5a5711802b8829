//! `news db`

use crate::args::Db;
use crate::commands::Outcome;
use crate::error::Result;
use crate::master;
use crate::report::Report;
use crate::report::db::Migrated;
use crate::settings::Settings;
use crate::store::{self, Purpose, schema};
use crate::ui::Ui;

/// Runs the command.
pub fn run(args: &Db, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    match args {
        Db::Migrate => migrate(settings),
        Db::Status | Db::Start | Db::Stop | Db::Shell { .. } | Db::Url => unimplemented!("{ui:?}"),
    }
}

fn migrate(settings: &Settings) -> Result<Outcome> {
    let mut client = store::connect(&master::url(settings)?, Purpose::Admin)?;
    let applied = schema::migrate(&mut client)?;
    let schema_version = schema::applied(&mut client)?;
    Ok(Outcome::done(Report::DbMigrated(Migrated { applied, schema_version })))
}
