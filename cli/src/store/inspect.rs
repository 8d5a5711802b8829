//! What an operator asks of a database: its server, its size, what is in it.

use postgres::Client;

use crate::error::Result;

/// The database as a whole.
#[derive(Debug)]
pub struct Whole {
    /// As the server calls its version: `15.17 (Debian 15.17-0+deb12u1)`.
    pub server_version: String,
    /// On disk, in bytes.
    pub size_bytes: i64,
}

/// One of our tables.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows, by the statistics: not counted.
    pub rows_estimated: i64,
    /// On disk, with its indexes, in bytes.
    pub size_bytes: i64,
}

/// Asks for the server's version and the database's size.
pub fn whole(client: &mut Client) -> Result<Whole> {
    let query = "SELECT current_setting('server_version'), pg_database_size(current_database())";
    let row = client.query_one(query, &[])?;
    Ok(Whole { server_version: row.get(0), size_bytes: row.get(1) })
}

/// Returns the database's name.
pub fn name(client: &mut Client) -> Result<String> {
    Ok(client.query_one("SELECT current_database()::text", &[])?.get(0))
}

/// Lists our tables, where they exist, by name.
pub fn tables(client: &mut Client) -> Result<Vec<Table>> {
    // Each of the two estimates is missing at times: before the first ANALYZE, and after a crash.
    let rows = client.query(
        "SELECT c.relname::text, greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0), pg_total_relation_size(c.oid)
         FROM pg_class c
         WHERE c.relkind IN ('r', 'p') AND (c.relname LIKE 'news\\_%' OR c.relname = 'auth_user')
             AND pg_table_is_visible(c.oid)
         ORDER BY c.relname",
        &[],
    )?;
    let table = |row: &postgres::Row| Table { name: row.get(0), rows_estimated: row.get(1), size_bytes: row.get(2) };
    Ok(rows.iter().map(table).collect())
}

/// Counts the events that are not synced yet. Its cost follows that number, by a partial index.
pub fn pending_events(client: &mut Client) -> Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL", &[])?.get(0))
}
