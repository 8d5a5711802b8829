//! Connections: who asks decides the time-outs.

use std::fs::File;
use std::time::Duration;

use postgres::{Client, Config, NoTls};

use crate::error::{Failure, Kind, OrFail, Result};
use crate::settings::Secret;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests of the API: nothing may take long.
    Api,
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
                 -c jit=off -c plan_cache_mode=force_generic_plan"
            }
            // The lock of a holder that died is free at once only if the server looks.
            Purpose::Run => {
                "-c client_connection_check_interval=200ms -c statement_timeout=10min -c lock_timeout=1min \
                 -c idle_in_transaction_session_timeout=2min"
            }
            Purpose::Bulk => {
                "-c client_connection_check_interval=200ms -c statement_timeout=0 -c lock_timeout=1min \
                 -c idle_in_transaction_session_timeout=0"
            }
            Purpose::Admin => "-c client_connection_check_interval=200ms -c lock_timeout=1min",
        }
    }

    fn application_name(self) -> &'static str {
        match self {
            Purpose::Api => "news serve",
            Purpose::Run => "news run",
            Purpose::Bulk => "news bulk",
            Purpose::Admin => "news admin",
        }
    }
}

/// Connects to the database that `url` names (a URL or a keyword string).
///
/// Fails with [`Kind::Usage`] where `url` is none, with [`Kind::Database`] where nobody answers.
pub fn connect(url: &Secret, purpose: Purpose) -> Result<Client> {
    connect_as(url, purpose, None)
}

/// The same, under a name that others see in pg_stat_activity.
pub fn connect_as(url: &Secret, purpose: Purpose, name: Option<&str>) -> Result<Client> {
    let mut config = super::url::parse(url)?;
    let options = match config.get_options() {
        // Last wins, so what the user set in the URL stays in force.
        Some(own) => format!("{} {own}", purpose.options()),
        None => purpose.options().to_owned(),
    };
    config.options(&options);
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
    room_for_files()?;
    config.connect(NoTls).map_err(|error| {
        Failure::new(Kind::Database, InConnect(describe(&config), error))
            .hint("is it running, and is the URL right? `news db status` tells what is tried")
    })
}

/// Cuts a session's name to what the server shows of it; it would say so in a notice.
pub(super) fn cut(name: &str) -> &str {
    name.get(..APPLICATION_NAME_BYTES_MAX).unwrap_or(name)
}

/// Fails where the process has too few file descriptors left: the client's own event loop would panic.
fn room_for_files() -> Result<()> {
    let tries: std::io::Result<Vec<File>> = (0..FILES).map(|_| File::open("/dev/null")).collect();
    tries.map(drop).or_fail(Kind::Database, "no file descriptors are left for a connection to the database")
}

#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the database {0}")]
struct InConnect(String, #[source] postgres::Error);

/// Returns `NAME at HOST:PORT`, without user or password.
fn describe(config: &Config) -> String {
    use postgres::config::Host;
    let name = config.get_dbname().or_else(|| config.get_user()).unwrap_or("?");
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(i, host)| {
            let port = config.get_ports().get(i).or_else(|| config.get_ports().first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(host) => format!("{host}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    format!("{name} at {}", hosts.join(", "))
}
