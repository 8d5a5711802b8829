//! Connections: who asks decides the time-outs.

use std::fs::File;
use std::time::Duration;

use postgres::{Client, Config, SimpleQueryMessage};

use super::hosts;
use super::url::WantedSession;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::secret::Secret;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests of the API: nothing may take long.
    Api,
    /// What the operator's console asks: a moment of everything, while somebody waits for it.
    Console,
    /// A run: holds the lock, many short transactions.
    Run,
    /// One long snapshot or copy: no statement time-out, since the target sets the pace.
    Bulk,
    /// Schema changes.
    Admin,
}

/// A connection that is not there by then is refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Data that the server's host does not acknowledge for so long means that it is gone.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);
/// A silent connection is probed after so long, so that a dead peer is noticed.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);

/// What a connection opens: a socket, and the three of the client's event loop.
const FILES: usize = 4;
/// NAMEDATALEN - 1.
const APPLICATION_NAME_BYTES_MAX: usize = 63;

impl Purpose {
    /// Returns the server's settings for it.
    fn options(self) -> &'static str {
        match self {
            // The statements are prepared, short, and the same for all values: compiling them or planning them anew would
            // cost more than it gains.
            Purpose::Api => {
                "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=10s \
                 -c idle_session_timeout=0 -c jit=off -c plan_cache_mode=force_generic_plan"
            }
            // Shorter than the 30 s after which a request is answered with 504.
            Purpose::Console => {
                "-c client_connection_check_interval=200ms -c statement_timeout=20s -c lock_timeout=2s \
                 -c idle_in_transaction_session_timeout=30s -c idle_session_timeout=0"
            }
            // The lock of a holder that died is free at once only if the server looks; of one whose host vanished, within half
            // a minute. It is held while a listing comes in.
            Purpose::Run => {
                "-c client_connection_check_interval=200ms -c statement_timeout=10min -c lock_timeout=1min \
                 -c idle_in_transaction_session_timeout=2min -c idle_session_timeout=0 \
                 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4 \
                 -c tcp_user_timeout=30000"
            }
            Purpose::Bulk | Purpose::Admin => {
                "-c client_connection_check_interval=200ms -c statement_timeout=0 -c lock_timeout=1min \
                 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0"
            }
        }
    }

    /// Returns the settings that come after those of the URL: with others, a session would see another master.
    fn fixed(self) -> &'static str {
        match self {
            // A policy may well decide what the API shows.
            Purpose::Api => "",
            // A part of the rows is not the master: where a policy would hide some, the statement fails.
            Purpose::Console | Purpose::Run | Purpose::Bulk | Purpose::Admin => " -c row_security=off",
        }
    }

    fn application_name(self) -> &'static str {
        match self {
            Purpose::Api => "news serve",
            Purpose::Console => "news console",
            Purpose::Run => "news run",
            Purpose::Bulk => "news bulk",
            Purpose::Admin => "news admin",
        }
    }
}

/// Says whether a session is ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// It is: settings, prepared statements and locks last as long as it does.
    None,
    /// Something like PgBouncer gives each transaction whatever session is free.
    Transaction,
}

/// Connects to the database that `url` names (a URL or a keyword string).
///
/// Fails with [`Kind::Usage`] where `url` is none, or names a pooler; with [`Kind::Database`] where nobody answers.
pub fn connect(url: &Secret, purpose: Purpose) -> Result<Client> {
    connect_as(url, purpose, None)
}

/// The same, under a name that others see in pg_stat_activity.
pub fn connect_as(url: &Secret, purpose: Purpose, name: Option<&str>) -> Result<Client> {
    match open(url, purpose, name)? {
        (client, Pooling::None) => Ok(client),
        (_, Pooling::Transaction) => Err(pooled()),
    }
}

/// Connects for the requests of the API, which a pooler is no hindrance to.
pub fn connect_api(url: &Secret) -> Result<(Client, Pooling)> {
    open(url, Purpose::Api, None)
}

/// Lets a session of the API see the whole master, as a run does: where a policy would hide rows, statements fail.
pub fn see_all_rows(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute("SET row_security = off")?)
}

fn pooled() -> Failure {
    Failure::new(
        Kind::Usage,
        "a connection pooler is between news and the database, and this command needs a direct connection",
    )
    .hint("Use the URL of the server, not of PgBouncer: only `news serve` works with a pooler.")
}

fn open(url: &Secret, purpose: Purpose, name: Option<&str>) -> Result<(Client, Pooling)> {
    // A password may have been rotated since the process began.
    let url = &url.fresh();
    let WantedSession { mut config, tls } = super::url::parse(url)?;
    // The last one wins: what the user set in the URL stays in force, but for what is fixed.
    let own = config.get_options().unwrap_or_default();
    let options = format!("{} {ANY_OWNER} {MARK} {own}{}", purpose.options(), purpose.fixed());
    match name {
        Some(name) => config.application_name(cut(name)),
        None => config.application_name(purpose.application_name()),
    };
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    config.keepalives_idle(KEEPALIVES_IDLE);
    config.ssl_mode(tls.client_mode());
    let connector = tls.connector()?;
    room_for_files()?;
    let what = describe(&config);
    let plain = config.clone();
    config.options(&options);
    let hosts = hosts::each(&config);
    match hosts::first(&hosts, &connector) {
        Ok(mut client) => {
            let pooling = pooling(&mut client, purpose)?;
            Ok((client, pooling))
        }
        Err(tried) if tried.iter().any(hosts::Tried::is_pooler) => {
            if purpose != Purpose::Api {
                return Err(pooled());
            }
            // An older PgBouncer takes no settings with a connection at all.
            let client = hosts::first(&hosts::each(&plain), &connector)
                .map_err(|tried| unreachable(url, what, &config, tried))?;
            Ok((client, Pooling::Transaction))
        }
        Err(tried) => Err(unreachable(url, what, &config, tried)),
    }
}

/// Settings that the owner may have changed for the role or the database (ALTER ROLE … SET), and that our statements
/// rely on. `default_transaction_read_only` is not here: with it an owner, or a provider whose disk is full, stops all
/// writers on purpose.
const ANY_OWNER: &str = "-c default_transaction_isolation=read\\ committed -c default_transaction_deferrable=off \
    -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c standard_conforming_strings=on -c extra_float_digits=1";

/// What a run has committed is on disk, whatever somebody has made the default: "a request may have been sent" must survive
/// a crash of the server. remote_apply is more than that, and stays.
const COMMITS_ON_DISK: &str = ", CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
    THEN set_config('synchronous_commit', 'on', false) END";

/// A setting that the server keeps for us: where it is gone, the session is not the one that we opened.
const MARK: &str = "-c news.session=own";

/// Looks for the mark, and takes a time limit off that only servers since 17 have: an older one would not let us in with it.
const LOOK: &str = "
    SELECT current_setting('news.session', true),
        CASE WHEN current_setting('news.session', true) = 'own' AND current_setting('transaction_timeout', true) IS NOT NULL
             THEN set_config('transaction_timeout', '0', false) END";

/// Returns whether the session is ours. A pooler may drop what it cannot keep (`ignore_startup_parameters = options`).
fn pooling(client: &mut Client, purpose: Purpose) -> Result<Pooling> {
    // One round trip for all of it.
    let answer = match purpose {
        Purpose::Run => client.simple_query(&format!("{LOOK}{COMMITS_ON_DISK}"))?,
        Purpose::Api | Purpose::Console | Purpose::Bulk | Purpose::Admin => client.simple_query(LOOK)?,
    };
    let kept =
        answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("own")));
    Ok(if kept { Pooling::None } else { Pooling::Transaction })
}

fn unreachable(url: &Secret, what: String, config: &Config, tried: Vec<hosts::Tried>) -> Failure {
    let several = tried.len() > 1;
    let mut hints: Vec<String> = tried.iter().map(|one| one.hint(config)).collect();
    if let (Some(file), true) = (url.file(), tried.iter().any(hosts::Tried::is_refused_password)) {
        hints.push(format!("The URL with the password is in {}, which is read again at each attempt.", file.display()));
    }
    let text = if several {
        let each: Vec<String> = tried.iter().map(ToString::to_string).collect();
        format!("{what}: {}", each.join("; "))
    } else {
        what
    };
    let Some(last) = tried.into_iter().next_back() else {
        return Failure::new(Kind::Usage, "the database's URL names no host");
    };
    let failure = Failure::new(Kind::Database, InConnect(text, last.cause));
    let mut said: Vec<&String> = Vec::new();
    hints.iter().fold(failure, |failure, hint| {
        if said.contains(&hint) {
            return failure;
        }
        said.push(hint);
        failure.hint(hint)
    })
}

/// Cuts a session's name to what the server shows of it; it would say so in a notice.
pub fn cut(name: &str) -> &str {
    name.get(..APPLICATION_NAME_BYTES_MAX).unwrap_or(name)
}

/// Fails where the process has too few file descriptors left: the client's own event loop would panic.
fn room_for_files() -> Result<()> {
    let tries: std::io::Result<Vec<File>> = (0..FILES).map(|_| File::open("/dev/null")).collect();
    tries.map(drop).or_fail(Kind::Database, "no file descriptors are left for a connection to the database")
}

#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the database {0}")]
struct InConnect(String, #[source] hosts::HostFailure);

/// Returns `NAME at HOST:PORT`, without user or password. The server knows the name where the URL has none.
fn describe(config: &Config) -> String {
    let name = config.get_dbname().or_else(|| config.get_user()).map_or_else(String::new, |name| format!("{name} "));
    let hosts: Vec<String> = hosts::each(config).into_iter().map(|host| host.name).collect();
    format!("{name}at {}", hosts.join(", "))
}
