//! Whether every change of the tables comes into the change log, and can be read: one catalog query, asked at the start of each run.

use std::fmt;

use postgres::types::Type;
use postgres::{Client, GenericClient};

use crate::error::{Failure, Kind, Result};
use crate::pg::POLICY_HINT;
use crate::store::schema;

/// The triggers that write the change log: each is on both tables (migration V2).
const TRACKING: [&str; 4] = ["news_track_insert", "news_track_update", "news_track_delete", "news_track_truncate"];
/// The triggers that count posts (migration V3).
const COUNTING: [&str; 4] = ["news_count_insert", "news_count_update", "news_count_delete", "news_count_truncate"];
const TABLES: [&str; 2] = ["news_post", "news_comment"];

/// Returns the table and the name of each of our triggers.
pub(super) fn triggers() -> impl Iterator<Item = (&'static str, &'static str)> {
    let tracking = TABLES.into_iter().flat_map(|table| TRACKING.into_iter().map(move |name| (table, name)));
    tracking.chain(COUNTING.into_iter().map(|name| ("news_post", name)))
}

/// Why changes of a table are not tracked, or cannot all be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The table.
    pub table: String,
    /// What is wrong with it.
    pub kind: FaultKind,
    /// The trigger, the subscription, the other table, the role, the column.
    pub what: String,
}

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The trigger does not exist, or calls another function.
    Missing,
    /// The trigger never fires.
    Disabled,
    /// The trigger does not fire in each session (`session_replication_role`).
    Sometimes,
    /// A subscription writes to the table: its worker fires row triggers only.
    Subscription,
    /// Another table inherits from the table: its rows are read as the table's, and its triggers are its own.
    Child,
    /// The table inherits from another table, or is its partition: a statement there fires that one's triggers.
    Parent,
    /// A policy of row security hides rows from the role of this session.
    Hidden,
    /// A column of ids is not a bigint: it cannot hold every id, nor be read as one.
    Narrow,
}

impl FaultKind {
    const ALL: [FaultKind; 8] = [
        FaultKind::Missing,
        FaultKind::Disabled,
        FaultKind::Sometimes,
        FaultKind::Subscription,
        FaultKind::Child,
        FaultKind::Parent,
        FaultKind::Hidden,
        FaultKind::Narrow,
    ];

    /// Returns its word in [`FAULTS`].
    fn word(self) -> &'static str {
        match self {
            FaultKind::Missing => "missing",
            FaultKind::Disabled => "disabled",
            FaultKind::Sometimes => "sometimes",
            FaultKind::Subscription => "subscription",
            FaultKind::Child => "child",
            FaultKind::Parent => "parent",
            FaultKind::Hidden => "hidden",
            FaultKind::Narrow => "narrow",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, kind, what } = self;
        match kind {
            FaultKind::Missing => write!(f, "the trigger {what} of {table} is missing: changes get lost"),
            FaultKind::Disabled => write!(f, "the trigger {what} of {table} is disabled: changes get lost"),
            FaultKind::Sometimes => {
                write!(f, "the trigger {what} of {table} is not enabled for every session: changes get lost")
            }
            FaultKind::Subscription => {
                write!(f, "the subscription {what} writes to {table}: its changes are not tracked")
            }
            FaultKind::Child => write!(f, "the table {what} inherits from {table}: its changes are not tracked"),
            FaultKind::Parent => {
                write!(f, "{table} inherits from {what}: changes made through that table are not tracked")
            }
            FaultKind::Hidden => write!(f, "a policy of row security hides rows of {table} from role {what}"),
            FaultKind::Narrow => write!(f, "the column {what} of {table} is not a bigint"),
        }
    }
}

impl Fault {
    /// Returns it as an error of the database, with what to do.
    pub fn failure(&self) -> Failure {
        let Self { table, kind, what } = self;
        let enable = format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {what}");
        let repair = match kind {
            FaultKind::Missing => String::from("Create it again as migrations/ has it, with ENABLE ALWAYS."),
            FaultKind::Disabled | FaultKind::Sometimes => enable,
            FaultKind::Subscription => format!(
                "Drop it (DROP SUBSCRIPTION {what}), or let it feed other tables and copy the rows from there: a \
                 subscription fires row triggers only."
            ),
            FaultKind::Child => format!("Move its rows into {table}, then ALTER TABLE {what} NO INHERIT {table}."),
            FaultKind::Parent => {
                format!("ALTER TABLE {table} NO INHERIT {what}; or DETACH PARTITION, if it is a partition.")
            }
            FaultKind::Hidden => String::from(POLICY_HINT),
            FaultKind::Narrow => format!("ALTER TABLE {table} ALTER COLUMN {what} TYPE bigint"),
        };
        let failure = Failure::new(Kind::Database, self.to_string()).hint(repair);
        match kind {
            FaultKind::Hidden | FaultKind::Narrow => failure,
            FaultKind::Missing
            | FaultKind::Disabled
            | FaultKind::Sometimes
            | FaultKind::Subscription
            | FaultKind::Child
            | FaultKind::Parent => {
                failure.hint("What changed meanwhile is in no log: `news diff` shows it, `news sync --full` sends it.")
            }
        }
    }
}

/// The two tables, each with our triggers that are off, and with what else writes to it or hides its rows; and columns that
/// were made narrower.
///
/// A trigger of the name that calls another function is not ours. `row_security_active` tells of the role and the
/// session that ask. The catalogs are readable by everybody.
const FAULTS: &str = "
    WITH ours (name, rel, track) AS (
        VALUES ('news_post', to_regclass('news_post'), to_regproc('news_track_post')),
               ('news_comment', to_regclass('news_comment'), to_regproc('news_track_comment'))
    ), expected (name, rel, trigger, function) AS (
        SELECT name, rel, trigger,
               CASE trigger WHEN 'news_track_truncate' THEN to_regproc('news_track_truncate') ELSE track END
        FROM ours CROSS JOIN unnest($1::text[]) AS t (trigger)
    )
    SELECT CASE WHEN t.tgfoid IS DISTINCT FROM e.function::oid THEN 'missing' WHEN t.tgenabled = 'D' THEN 'disabled'
                ELSE 'sometimes' END,
           e.name, e.trigger
    FROM expected e JOIN pg_trigger t ON t.tgrelid = e.rel AND t.tgname = e.trigger AND NOT t.tgisinternal
    WHERE t.tgenabled <> 'A' OR t.tgfoid IS DISTINCT FROM e.function::oid
    UNION ALL
    SELECT 'missing', e.name, e.trigger FROM expected e
    WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = e.rel AND t.tgname = e.trigger AND NOT t.tgisinternal)
    UNION ALL
    SELECT 'subscription', o.name, s.subname::text
    FROM ours o JOIN pg_subscription_rel r ON r.srrelid = o.rel JOIN pg_subscription s ON s.oid = r.srsubid
    UNION ALL
    SELECT 'child', o.name, i.inhrelid::regclass::text FROM ours o JOIN pg_inherits i ON i.inhparent = o.rel
    UNION ALL
    SELECT 'parent', o.name, i.inhparent::regclass::text FROM ours o JOIN pg_inherits i ON i.inhrelid = o.rel
    UNION ALL
    SELECT 'hidden', o.name, current_user::text FROM ours o WHERE row_security_active(o.rel)
    UNION ALL
    SELECT 'narrow', c.name, a.attname::text
    FROM (VALUES ('news_post', 'id'), ('news_post', 'user_id'), ('news_comment', 'id'), ('news_comment', 'post_id'),
                 ('news_modelevent', 'id'), ('news_modelevent', 'entity_pk')) AS c (name, column_name)
    JOIN pg_attribute a ON a.attrelid = to_regclass(c.name) AND a.attname = c.column_name AND a.atttypid <> 'int8'::regtype";

/// Lists why changes are not tracked; nothing where all are.
pub fn faults(client: &mut impl GenericClient) -> Result<Vec<Fault>> {
    // One round trip: each run asks, and under --follow there are many.
    let rows = client.query_typed(FAULTS, &[(&TRACKING.as_slice(), Type::TEXT_ARRAY)])?;
    rows.iter()
        .map(|row| {
            let word: &str = row.get(0);
            let kind = FaultKind::ALL.into_iter().find(|kind| kind.word() == word);
            let kind = kind.ok_or_else(|| Failure::new(Kind::Bug, format!("{word:?} is not a fault of tracking")))?;
            Ok(Fault { table: row.get(1), kind, what: row.get(2) })
        })
        .collect()
}

/// The functions that write the change log.
const FUNCTIONS: [&str; 4] = ["news_actor", "news_track_post", "news_track_comment", "news_track_truncate"];

/// Lists the functions of the change log that are missing, or that are not as this version makes them.
pub fn changed_functions(client: &mut Client) -> Result<Vec<Failure>> {
    let rows = client.query(
        "SELECT n.name, (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regproc(n.name)) FROM unnest($1::text[]) AS n (name)",
        &[&FUNCTIONS.as_slice()],
    )?;
    let fault = |row: &postgres::Row| {
        let (name, body): (&str, Option<&str>) = (row.get(0), row.get(1));
        let what = match body {
            None => format!("the function {name}() is missing: changes of the tables fail"),
            Some(body) if schema::function_body(name).as_deref() != Some(body) => {
                format!("the function {name}() is not as `news db migrate` makes it")
            }
            Some(_) => return None,
        };
        Some(Failure::new(Kind::Database, what).hint("Create it again as migrations/V2__tracking.sql has it."))
    };
    Ok(rows.iter().filter_map(fault).collect())
}

/// Fails with [`Kind::Database`] unless each change is tracked and this session sees each row.
pub fn require(client: &mut Client) -> Result<()> {
    match faults(client)?.first() {
        None => Ok(()),
        Some(fault) => Err(fault.failure().hint("`news doctor` lists all such faults.")),
    }
}

/// Names the triggers that others have made for the tables: our own are off while an import loads, and theirs are not.
pub fn others(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let rows = client.query(
        "SELECT format('the trigger %s of %s', tgname, tgrelid::regclass) FROM pg_trigger
         WHERE tgrelid IN (to_regclass('news_post'), to_regclass('news_comment')) AND NOT tgisinternal AND tgenabled <> 'D'
             AND tgname::text <> ALL ($1) AND tgname::text <> ALL ($2)
         ORDER BY 1",
        &[&TRACKING.as_slice(), &COUNTING.as_slice()],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Lists the triggers that count posts and do not fire for everybody.
pub fn uncounted(client: &mut Client) -> Result<Vec<&'static str>> {
    let rows = client.query(
        "SELECT tgname::text FROM pg_trigger
         WHERE tgrelid = to_regclass('news_post') AND tgenabled = 'A' AND tgname::text = ANY ($1)",
        &[&COUNTING.as_slice()],
    )?;
    let on: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(COUNTING.into_iter().filter(|name| !on.iter().any(|one| one == name)).collect())
}

/// Policies that the owner of the functions obeys, too: with `row_security = off` each change would fail.
const FORCED: &str = "
    SELECT c.relname::text, r.rolname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE c.oid IN (to_regclass('news_post'), to_regclass('news_comment'))
        AND c.relrowsecurity AND c.relforcerowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
    ORDER BY c.relname";

/// Fails with [`Kind::Database`] where FORCE ROW LEVEL SECURITY makes tracking impossible: each change of the table would
/// be refused.
pub fn require_unforced(client: &mut Client) -> Result<()> {
    let rows = client.query(FORCED, &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (table, owner): (&str, &str) = (row.get(0), row.get(1));
    Err(Failure::new(
        Kind::Database,
        format!(
            "{table} has FORCE ROW LEVEL SECURITY: the tracking functions run as its owner, {owner}, and must see each \
             row; each change is refused"
        ),
    )
    .hint(format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; policies for other roles may stay.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_says_what_is_wrong_and_what_to_do() {
        for kind in FaultKind::ALL {
            let fault = Fault { table: String::from("news_post"), kind, what: String::from("other") };
            let failure = fault.failure();
            assert!(failure.to_string().contains("news_post") && failure.to_string().contains("other"), "{failure}");
            assert_eq!((failure.kind(), failure.hints().is_empty()), (Kind::Database, false), "{failure}");
        }
    }
}
