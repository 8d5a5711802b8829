//! The schema: embedded migrations, brought up by one process at a time.

use postgres::{Client, GenericClient};
use refinery::Target;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::store::lock_keys::MIGRATE;
use crate::store::{checks, lock, tracking};

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// The table with the applied migrations. Refinery's default name may be another application's in the same schema.
const HISTORY: &str = "news_schema_history";

/// How the database's schema compares with this binary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The same.
    Current,
    /// Older, or none at all.
    Behind,
    /// Made by a newer binary.
    Ahead,
    /// Made before the first release: its history is in `refinery_schema_history`, and no migration leads from there.
    Unreleased,
}

/// Brings the schema up to this binary's version. Returns the names of the migrations that were applied.
///
/// Who comes second waits for the first (as long as the session's `lock_timeout`), and finds nothing to do.
pub fn migrate(client: &mut Client) -> Result<Vec<String>> {
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATE])?;
    wait_for_no_standby(client)?;
    let applied = migrate_locked(client);
    // A lost session has given the lock back by itself; its first error is the one to tell.
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATE]);
    let applied = applied?;
    unlocked?;
    Ok(applied)
}

/// Lets the session's commits return once they are on this server's disk. For what is done again if a failover loses it: whatever
/// a standby has acknowledged since came after it in the server's log.
pub fn wait_for_no_standby(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute("SET synchronous_commit = local")?)
}

fn migrate_locked(client: &mut Client) -> Result<Vec<String>> {
    require_utf8(&encoding(client)?)?;
    tracking::require_unforced(client)?;
    match version(client)? {
        Version::Ahead => Err(ahead()),
        Version::Unreleased => Err(unreleased()),
        Version::Current => Ok(Vec::new()),
        // A run must not find its tables changed under it.
        Version::Behind => lock::between_runs(client, |client| {
            checks::require_writable(client)?;
            // Grouped: a migration and its row in the history are one transaction.
            let mut runner = embedded::migrations::runner().set_grouped(true).set_target(Target::Latest);
            let report = runner
                .set_migration_table_name(HISTORY)
                .run(client)
                .or_fail(Kind::Database, "cannot migrate the schema")?;
            Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
        }),
    }
}

/// Returns the newest version this binary knows.
pub fn newest() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

/// Returns the body of the function `name()`, which takes no arguments, as the migrations make it.
pub fn function_body(name: &str) -> Option<String> {
    let heads = [format!("CREATE FUNCTION {name}()"), format!("CREATE OR REPLACE FUNCTION {name}()")];
    let made = |migration: &refinery::Migration| {
        let sql = migration.sql()?;
        let (_, rest) = heads.iter().find_map(|head| sql.rsplit_once(head))?;
        rest.split("$$").nth(1).map(str::to_owned)
    };
    embedded::migrations::runner().get_migrations().iter().rev().find_map(made)
}

/// Returns the version that the database has; 0 where it has none.
pub fn applied(client: &mut impl GenericClient) -> Result<i32> {
    // Its statements are not prepared: a pooler would lose them.
    let history = client.query_typed_one("SELECT to_regclass('news_schema_history') IS NOT NULL", &[])?;
    if !history.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_typed_one("SELECT coalesce(max(version), 0) FROM news_schema_history", &[])?;
    Ok(row.get(0))
}

/// Compares the database's schema with this binary's.
pub fn version(client: &mut Client) -> Result<Version> {
    let applied = applied(client)?;
    if applied == 0 && is_unreleased(client)? {
        return Ok(Version::Unreleased);
    }
    Ok(match applied.cmp(&newest()) {
        std::cmp::Ordering::Less => Version::Behind,
        std::cmp::Ordering::Equal => Version::Current,
        std::cmp::Ordering::Greater => Version::Ahead,
    })
}

/// The first migrations before the first release. Another application has a table of that name, too, if it uses refinery:
/// its columns are read by their names in JSON, so that nothing is taken for granted of them.
const UNRELEASED: &str = "
    SELECT count(*) = 3 FROM refinery_schema_history h, to_jsonb(h) AS row
    WHERE (row ->> 'version', row ->> 'name') IN (('1', 'tables'), ('2', 'tracking'), ('3', 'sync'))";

fn is_unreleased(client: &mut Client) -> Result<bool> {
    let readable = "SELECT coalesce(has_table_privilege(to_regclass('refinery_schema_history'), 'SELECT'), false)
                           AND to_regclass('news_modelevent') IS NOT NULL";
    if !client.query_typed_one(readable, &[])?.get::<_, bool>(0) {
        return Ok(false);
    }
    Ok(client.query_typed_one(UNRELEASED, &[])?.get(0))
}

/// The only encoding in which each text of a target can be kept.
const ENCODING: &str = "UTF8";

/// Returns the database's encoding.
pub fn encoding(client: &mut Client) -> Result<String> {
    Ok(client.query_typed_one("SELECT getdatabaseencoding()::text", &[])?.get(0))
}

/// Fails with [`Kind::Database`] unless `encoding`, the database's, can keep all texts.
pub fn require_utf8(encoding: &str) -> Result<()> {
    if encoding == ENCODING {
        return Ok(());
    }
    Err(Failure::new(Kind::Database, format!("the database's encoding is {encoding}, expected {ENCODING}")).hint(
        "Create another one and move the data: createdb --template=template0 --encoding=UTF8 NAME; pg_dump and psql \
         convert between encodings.",
    ))
}

/// Fails with [`Kind::Database`] unless the schema is this binary's, in a database that can keep all texts.
pub fn require_current(client: &mut Client) -> Result<()> {
    require_utf8(&encoding(client)?)?;
    match version(client)? {
        Version::Current => Ok(()),
        Version::Ahead => Err(ahead()),
        Version::Unreleased => Err(unreleased()),
        Version::Behind => {
            let (has, wants) = (applied(client)?, newest());
            Err(Failure::new(Kind::Database, format!("the schema is at version {has}, this binary wants {wants}"))
                .hint("bring it up with `news db migrate`"))
        }
    }
}

fn ahead() -> Failure {
    Failure::new(Kind::Database, "the schema was made by a newer version of news").hint("update this binary")
}

fn unreleased() -> Failure {
    Failure::new(
        Kind::Database,
        "the schema was made before the first release of news: expected its history in news_schema_history, \
         found it in refinery_schema_history",
    )
    .hint(
        "Dump the posts and comments as JSON and import them into a fresh database with `news import --from DIR`: \
         see \"A schema from before the first release\" in docs/recovery.md.",
    )
}
