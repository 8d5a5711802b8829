//! What `news doctor` asks of a database: who answers, whether changes are tracked, what this role may do.

use std::collections::BTreeMap;
use std::time::SystemTime;

use postgres::Client;

use crate::error::Result;

/// Who answers, and how.
#[derive(Debug)]
pub struct Server {
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
pub fn server(client: &mut Client) -> Result<Server> {
    let row = client.query_one(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int,
                (SELECT CASE WHEN ssl THEN version END FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
                coalesce(host(inet_client_addr()) IN ('127.0.0.1', '::1')
                         OR inet_client_addr() = inet_server_addr(), true),
                pg_is_in_recovery(), clock_timestamp()",
        &[],
    )?;
    Ok(Server {
        version: row.get(0),
        version_number: row.get(1),
        tls: row.get(2),
        is_local: row.get(3),
        is_standby: row.get(4),
        now: row.get(5),
    })
}

/// The triggers that write the change log: each is on both tables (migration V2).
const TRACKING: [&str; 4] = ["news_track_insert", "news_track_update", "news_track_delete", "news_track_truncate"];
/// The triggers that count posts (migration V3).
const COUNTING: [&str; 4] = ["news_count_insert", "news_count_update", "news_count_delete", "news_count_truncate"];
const TABLES: [&str; 2] = ["news_post", "news_comment"];

/// Returns the table and the name of each of our triggers, with those that count.
pub(super) fn triggers() -> impl Iterator<Item = (&'static str, &'static str)> {
    tracking().chain(COUNTING.into_iter().map(|name| ("news_post", name)))
}

fn tracking() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.into_iter().flat_map(|table| TRACKING.into_iter().map(move |name| (table, name)))
}

/// A trigger that does not do what it should.
#[derive(Debug, PartialEq, Eq)]
pub struct BadTrigger {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it.
    pub fault: TriggerFault,
}

/// What may be wrong with a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerFault {
    /// It is not there.
    Missing,
    /// It fires for nobody.
    Disabled,
    /// It fires, but not under `session_replication_role = replica` (or there alone).
    Sometimes,
}

/// Lists our triggers that are not there, or not always enabled.
pub fn bad_triggers(client: &mut Client) -> Result<Vec<BadTrigger>> {
    let rows = client.query(
        "SELECT c.relname::text, t.tgname::text, t.tgenabled::text
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE NOT t.tgisinternal AND c.oid IN (to_regclass('news_post'), to_regclass('news_comment'))",
        &[],
    )?;
    let enabled: BTreeMap<(String, String), String> =
        rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    let mut bad = Vec::new();
    for (table, name) in tracking() {
        let state = enabled.get(&(table.to_owned(), name.to_owned())).map(String::as_str);
        let fault = match state {
            Some("A") => continue,
            None => TriggerFault::Missing,
            Some("D") => TriggerFault::Disabled,
            Some(_) => TriggerFault::Sometimes,
        };
        bad.push(BadTrigger { table, name, fault });
    }
    Ok(bad)
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
