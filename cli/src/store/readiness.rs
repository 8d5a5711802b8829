//! Whether the API can work on the database.

use crate::store::session::Live;

/// Whether the API can work on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The version of the schema; nothing where none was applied.
    pub schema: Option<i32>,
    /// Whether it takes no writes: a standby, or read-only by a setting.
    pub is_read_only: bool,
    /// Whether commits of ours wait for a synchronous standby.
    pub commits_wait: bool,
}

/// Asks whether the API can work on the database.
pub fn readiness(live: &mut Live) -> Result<Readiness, postgres::Error> {
    // Commits under way for less than a second are a standby's usual pace.
    let row = live.client.query_typed_one(
        "SELECT (SELECT max(version) FROM news_schema_history),
                pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
                EXISTS (SELECT FROM pg_stat_activity
                        WHERE wait_event = 'SyncRep' AND datname = current_database() AND usename = current_user
                              AND state_change < clock_timestamp() - interval '1 second')",
        &[],
    )?;
    Ok(Readiness { schema: row.try_get(0)?, is_read_only: row.try_get(1)?, commits_wait: row.try_get(2)? })
}

/// Makes a post and takes it back: fails where nothing can be written.
pub fn try_to_write(live: &mut Live) -> Result<(), postgres::Error> {
    let mut transaction = live.client.transaction()?;
    transaction.batch_execute("SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '2s'")?;
    transaction.batch_execute(
        "INSERT INTO news_post (user_id, title, body) VALUES (1, 'a test of writing', repeat('x', 1024))
         ON CONFLICT DO NOTHING",
    )?;
    transaction.rollback()
}
