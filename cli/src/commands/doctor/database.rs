//! The database: is it there, is it ours, does it track, what waits in it.

use std::time::{Duration, SystemTime};

use postgres::Client;

use super::Findings;
use crate::args::Global;
use crate::error::{Failure, Kind, Result};
use crate::pg::{self, Purpose};
use crate::private_pg;
use crate::settings::{self, Layers};
use crate::store::remembered::Remembered;
use crate::store::schema::{self, Version};
use crate::store::{checks, inspect, lock, log, remembered, rows, runs, sequences, tracking};
use crate::times::Times;
use news_core::phrase::{count, counted};

/// What the database knows of the target.
#[derive(Debug)]
pub enum Remembers {
    /// It could not be asked.
    Unknown,
    /// No target yet.
    Nothing,
    /// This one.
    Target(Remembered),
}

/// The oldest server that has all that is used here: `client_connection_check_interval` came with it.
const VERSION_MIN: i32 = 140_000;
/// Clocks further apart make nonsense of times in logs, tokens and Retry-After.
pub const SKEW_MAX: Duration = Duration::from_secs(10);

/// Looks at everything.
pub fn check(global: &Global, layers: &Layers, findings: &mut Findings) -> Remembers {
    let mut client = match connect(global, layers, findings) {
        Ok(Some(client)) => client,
        Ok(None) => return Remembers::Unknown,
        Err(failure) => {
            findings.fail("database", &failure);
            return Remembers::Unknown;
        }
    };
    if let Err(failure) = server(&mut client, findings) {
        findings.fail("database", &failure);
        return Remembers::Unknown;
    }
    match schema(&mut client, findings) {
        Ok(true) => {}
        Ok(false) => return Remembers::Unknown,
        Err(failure) => {
            findings.fail("schema", &failure);
            return Remembers::Unknown;
        }
    }
    for (name, check) in [
        ("roles", roles as fn(&mut Client, &mut Findings) -> Result<()>),
        ("tracking", tracking),
        ("sequences", sequences),
        ("lock", holders),
    ] {
        if let Err(failure) = check(&mut client, findings) {
            findings.fail(name, &failure);
        }
    }
    if let Err(failure) = pending(&mut client, global, findings) {
        findings.fail("pending", &failure);
    }
    match remembered::remembered(&mut client) {
        Ok(Some(remembered)) => Remembers::Target(remembered),
        Ok(None) => Remembers::Nothing,
        Err(_) => Remembers::Unknown,
    }
}

fn connect(global: &Global, layers: &Layers, findings: &mut Findings) -> Result<Option<Client>> {
    if let Some(found) = settings::database(global, layers)? {
        return pg::connect(&found.value, Purpose::Admin).map(Some);
    }
    let home = settings::home(layers)?.value;
    let state = private_pg::state(&home)?;
    if state.pid.is_some() {
        return pg::connect(&private_pg::url(&home)?, Purpose::Admin).map(Some);
    }
    private_pg::require_server(&home)?;
    let what = if state.major.is_some() { "does not run" } else { "was not made yet" };
    findings.warn(
        "database",
        format!("the private PostgreSQL {what}: no database is named"),
        "the first command that needs it starts it (`news db start`); or name one with NEWS_DATABASE_URL",
    );
    Ok(None)
}

fn server(client: &mut Client, findings: &mut Findings) -> Result<()> {
    let server = checks::server(client)?;
    let name: String = inspect::name(client)?;
    let tls = server.tls.as_deref().unwrap_or("no TLS");
    let text = format!("PostgreSQL {}, database {name}, {tls}", server.version);
    if server.version_number < VERSION_MIN {
        return Err(Failure::new(Kind::Database, format!("{text}: too old")).hint("PostgreSQL 14 or newer is needed"));
    }
    if server.is_standby {
        return Err(Failure::new(Kind::Database, format!("{text}: a standby, which takes no writes"))
            .hint("name the primary, or both: postgresql://USER@ONE,TWO/DATABASE"));
    }
    checks::require_writable(client)?;
    if server.tls.is_none() && !server.is_local {
        findings.warn(
            "database",
            format!("{text}, over a network"),
            "passwords and data go in the clear: switch TLS on there, and take sslmode=verify-full",
        );
    } else {
        findings.ok("database", text);
    }
    let skew = apart(server.now, SystemTime::now());
    if skew > SKEW_MAX {
        findings.warn(
            "clock",
            format!("the database's clock and this machine's are {} s apart", skew.as_secs()),
            "let both follow a time server (timedatectl, chronyc)",
        );
    } else {
        findings.ok("clock", "this machine's clock agrees with the database's");
    }
    Ok(())
}

/// Returns how far apart two moments are.
pub fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).or_else(|_| other.duration_since(one)).unwrap_or_default()
}

fn schema(client: &mut Client, findings: &mut Findings) -> Result<bool> {
    if schema::version(client)? == Version::Current {
        findings.ok("schema", format!("version {}, as news {} wants it", schema::newest(), env!("CARGO_PKG_VERSION")));
        return Ok(true);
    }
    schema::require_current(client).map(|()| true)
}

fn roles(client: &mut Client, findings: &mut Findings) -> Result<()> {
    let role = checks::role(client)?;
    let missing = checks::missing_rights(client)?;
    if missing.is_empty() {
        findings.ok("roles", format!("{role} may do what it must"));
        return Ok(());
    }
    Err(Failure::new(Kind::Database, format!("role {role} lacks {}", missing.join(", "))).hint(format!(
        "as the tables' owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    )))
}

fn tracking(client: &mut Client, findings: &mut Findings) -> Result<()> {
    let uncounted = tracking::uncounted(client)?;
    if !uncounted.is_empty() {
        findings.warn(
            "counts",
            format!("triggers of news_post are off: {}; lists show a wrong number of posts", uncounted.join(", ")),
            format!(
                "As the owner: {}; then restart `news serve`, which counts again.",
                uncounted
                    .iter()
                    .map(|name| format!("ALTER TABLE news_post ENABLE ALWAYS TRIGGER {name}"))
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
        );
    }
    tracking::require_unforced(client)?;
    let faults = tracking::faults(client)?;
    for fault in &faults {
        findings.fail("tracking", &fault.failure());
    }
    let changed = tracking::changed_functions(client)?;
    for failure in &changed {
        findings.fail("tracking", failure);
    }
    if !(faults.is_empty() && changed.is_empty()) {
        return Ok(());
    }
    if !checks::is_tracking(client)? {
        return Err(Failure::new(Kind::Database, "a change to a table did not come into the change log")
            .hint("Look for triggers and rules of others on news_post, news_comment and news_modelevent."));
    }
    findings.ok("tracking", "a change to a table comes into the change log");
    Ok(())
}

fn sequences(client: &mut Client, findings: &mut Findings) -> Result<()> {
    let behind = sequences::behind(client)?;
    if behind.is_empty() {
        findings.ok("sequences", "the next ids are free");
    }
    for one in behind {
        findings.warn(
            "sequences",
            format!(
                "the sequence of {} gives id {} next, but ids up to {} are in use: what is written may fail",
                one.table, one.next, one.highest
            ),
            "Restart `news serve`, which moves it; or, as the owner: SELECT news_sequences_repair()",
        );
    }
    Ok(())
}

fn holders(client: &mut Client, findings: &mut Findings) -> Result<()> {
    let holders = lock::holders(client)?;
    if holders.is_empty() {
        findings.ok("lock", "no run is in progress");
    }
    for holder in holders {
        findings.ok("lock", format!("held by {}, since {}", holder.who, holder.since));
    }
    Ok(())
}

fn pending(client: &mut Client, global: &Global, findings: &mut Findings) -> Result<()> {
    let times = Times::new(global.target_timeout, global.target_late)?;
    let mut moment = rows::snapshot(client)?;
    let clock = runs::clock(&mut moment, times)?;
    let outlook = log::outlook(&mut moment, &clock, None)?;
    moment.commit()?;
    let (parked, held) = (outlook.untried.parked.len(), outlook.untried.held.len());
    let events = counted(outlook.events, "event", ["is", "are"]);
    let text = format!("{events} pending, {} parked, {held} held", count(parked as u64, "object"));
    if parked + held > 0 {
        findings.warn("pending", text, "`news parked` shows them; `news retry` and `news discard` decide");
    } else {
        findings.ok("pending", text);
    }
    Ok(())
}
