//! What is told of the sync: a moment of the database in, a report out. The commands and the operator's console show the same.
//!
//! In scope: which facts make up a report. Out of scope: SQL (`store`), rules (`news_core`), exit codes and screens
//! (`commands`), who may ask (`api`).

pub mod object;
pub mod overview;
pub mod parked;
pub mod plan;
pub mod runs;
pub mod status;
pub mod target;
pub mod unsynced;

use std::collections::BTreeMap;

use news_core::ledger::{Clock, Hold};
use news_core::outlook::Outlook;
use news_core::plan::{Limits, OverLimit, Plan, Pressure};
use news_core::{Entity, Key};
use postgres::Transaction;

use crate::error::Result;
use crate::settings::Settings;
use crate::store::{holds, log, rows, runs as history};
use crate::times::Times;

/// What is pending at a moment, and what a run would do about it.
pub struct Seen {
    /// The database's clock.
    pub clock: Clock,
    /// What a run would do.
    pub outlook: Outlook,
    /// All holds.
    pub holds: BTreeMap<Key, Hold>,
}

impl Seen {
    /// Reads it in the snapshot `moment`.
    pub fn read(moment: &mut Transaction<'_>, times: Times) -> Result<Self> {
        let clock = history::clock(moment, times)?;
        let outlook = log::outlook(moment, &clock, None)?;
        Ok(Self { clock, outlook, holds: holds::all(moment)? })
    }

    /// Returns the limit that would refuse the next run, as far as settings tell: flags of a timer's command line are not known here.
    pub fn refusal(&self, moment: &mut Transaction<'_>, settings: &Settings) -> Result<Option<OverLimit>> {
        let limits = Limits { deletes_max: settings.deletes_max()? };
        refusal(moment, &self.outlook.plan, &self.outlook.pressure, limits)
    }
}

/// Returns the limit that refuses a plain sync of `plan`.
pub fn refusal(
    moment: &mut Transaction<'_>,
    plan: &Plan,
    pressure: &BTreeMap<Entity, Pressure>,
    limits: Limits,
) -> Result<Option<OverLimit>> {
    limits.refuse(plan, pressure, |entity| rows::count(moment, entity))
}
