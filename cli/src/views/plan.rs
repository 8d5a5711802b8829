//! What a run would do now.

use postgres::Transaction;

use super::Seen;
use crate::error::Result;
use crate::report::sync::PlanReport;
use crate::run;
use crate::settings::Settings;

/// Describes what a run would do that somebody starts now, with at most `limit` actions of each kind and entity.
pub fn describe(moment: &mut Transaction<'_>, settings: &Settings, limit: usize) -> Result<PlanReport> {
    let seen = Seen::read(moment, settings.times)?;
    let followed = run::followed(settings, moment)?;
    let warnings = followed.and_then(|followed| followed.warning).into_iter().collect();
    let over_limit = seen.refusal(moment, settings)?.map(|over| over.to_string());
    Ok(PlanReport { over_limit, ..PlanReport::new(&seen.outlook, &seen.holds, limit, warnings) })
}
