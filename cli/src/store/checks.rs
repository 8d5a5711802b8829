//! What `news doctor` asks of a database: who answers, whether a change is tracked, what this role may do.

use std::time::SystemTime;

use postgres::Client;

use crate::error::{Failure, Kind, Result};
use crate::pg::READ_ONLY_HINT;

/// Who answers, and how.
#[derive(Debug)]
pub struct ServerIdentity {
    /// As the server calls it: `15.17 (Debian …)`.
    pub version: String,
    /// `150017`
    pub version_number: i32,
    /// `TLSv1.3`; none without TLS.
    pub tls: Option<String>,
    /// Whether the connection stays on this machine.
    pub is_local: bool,
    /// Whether it is a standby.
    pub is_standby: bool,
    /// Its clock.
    pub now: SystemTime,
}

/// Asks who answers.
pub fn server(client: &mut Client) -> Result<ServerIdentity> {
    let row = client.query_one(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int,
                (SELECT CASE WHEN ssl THEN version END FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
                coalesce(host(inet_client_addr()) IN ('127.0.0.1', '::1')
                         OR inet_client_addr() = inet_server_addr(), true),
                pg_is_in_recovery(), clock_timestamp()",
        &[],
    )?;
    Ok(ServerIdentity {
        version: row.get(0),
        version_number: row.get(1),
        tls: row.get(2),
        is_local: row.get(3),
        is_standby: row.get(4),
        now: row.get(5),
    })
}

/// Fails with [`Kind::Database`] where nobody may write.
pub fn require_writable(client: &mut Client) -> Result<()> {
    let row =
        client.query_typed_one("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean", &[])?;
    let what = match (row.get(0), row.get(1)) {
        (true, _) => "the server is a standby",
        (false, true) => "the database is read-only",
        (false, false) => return Ok(()),
    };
    Err(Failure::new(Kind::Database, format!("{what}, expected one that takes writes")).hint(READ_ONLY_HINT))
}

/// The id of a post that is made and taken back: the last but one that there may be.
const PROBE_ID: i64 = 9_007_199_254_740_990;

/// Makes a post, looks for its event, and takes both back.
pub fn is_tracking(client: &mut Client) -> Result<bool> {
    let mut transaction = client.transaction()?;
    transaction.batch_execute("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'")?;
    transaction.execute(
        "INSERT INTO news_post (id, user_id, title, body) VALUES ($1, 1, 'news doctor', '') ON CONFLICT DO NOTHING",
        &[&PROBE_ID],
    )?;
    let row = transaction.query_one(
        "SELECT EXISTS (SELECT FROM news_modelevent
                        WHERE entity_table = 'news_post' AND entity_pk = $1 AND type = 'CREATED' AND synced_at IS NULL)",
        &[&PROBE_ID],
    )?;
    let is_tracking = row.get(0);
    transaction.rollback()?;
    Ok(is_tracking)
}

/// Returns our role.
pub fn role(client: &mut Client) -> Result<String> {
    Ok(client.query_one("SELECT current_user::text", &[])?.get(0))
}

/// Lists what our role may not do and must: `UPDATE on news_post`.
pub fn missing_rights(client: &mut Client) -> Result<Vec<String>> {
    let rows = client.query(
        "SELECT needed || ' on ' || name
         FROM (VALUES ('news_post', 'SELECT,INSERT,UPDATE,DELETE'), ('news_comment', 'SELECT,INSERT,UPDATE,DELETE'),
                      ('news_modelevent', 'SELECT,UPDATE'), ('auth_user', 'SELECT,UPDATE'),
                      ('news_sync_state', 'SELECT,UPDATE'), ('news_sync_run', 'SELECT,INSERT,UPDATE'),
                      ('news_sync_object', 'SELECT,INSERT,UPDATE,DELETE')) AS t (name, rights),
              LATERAL unnest(string_to_array(rights, ',')) AS needed
         WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), needed)
         ORDER BY name, needed",
        &[],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
