//! What is told of the sync: a moment of the database in, a report out. The commands and the operator's console show the same.
//!
//! In scope: which facts make up a report. Out of scope: SQL (`store`), rules (`news_core`), exit codes and screens
//! (`commands`), who may ask (`api`).

pub mod left;
pub mod object;
pub mod overview;
pub mod plan;
pub mod runs;
pub mod status;
pub mod target;
pub mod unsynced;

use std::collections::BTreeMap;

use news_core::Key;
use news_core::ledger::{Clock, Hold};
use news_core::outlook::Outlook;
use postgres::Transaction;

use crate::error::Result;
use crate::settings::Times;
use crate::store::{holds, log, runs as history};

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
}
