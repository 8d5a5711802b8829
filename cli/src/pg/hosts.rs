//! The hosts of a URL, tried one after the other, each for a limited time, and what to do
//! where none of them will have us.
//!
//! The client's own time-out ends with the TCP connection: a server that is stopped, or
//! something that is no PostgreSQL, would be waited for without end.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use postgres::config::{Host, LoadBalanceHosts};
use postgres::error::SqlState;
use postgres::{Client, Config};
use rustls::CertificateError;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::with_causes;

/// A host: how errors call it, and how to connect to it alone.
#[derive(Debug)]
pub struct OneHost {
    /// `HOST:PORT`
    pub name: String,
    /// Of this host alone.
    pub config: Config,
}

/// A host is given up after so many `connect_timeout`s: a first address that does not answer, and for the
/// second one TLS and the password, too.
const TIMEOUTS_MAX: u32 = 2;
/// Attempts that hang hold a thread each until the host speaks or dies. More there shall not be.
const HANGING_MAX: usize = 32;
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// Returns the hosts of `config`, in the order in which to try them.
pub fn each(config: &Config) -> Vec<OneHost> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let mut each: Vec<OneHost> = (0..hosts.len().max(addresses.len()))
        .map(|i| {
            let port = ports.get(i).or_else(|| ports.first()).copied().unwrap_or(5432);
            let mut one = without_hosts(config);
            one.port(port);
            let name = match (hosts.get(i), addresses.get(i)) {
                (Some(Host::Unix(path)), _) => {
                    one.host_path(path);
                    // As libpq does: nobody listens in on a socket of this machine.
                    one.ssl_mode(postgres::config::SslMode::Disable);
                    format!("{}:{port}", path.display())
                }
                (Some(Host::Tcp(host)), address) => {
                    one.host(host);
                    if let Some(address) = address {
                        one.hostaddr(*address);
                    }
                    format!("{host}:{port}")
                }
                (None, Some(address)) => {
                    // A certificate may be an address', too.
                    one.host(&address.to_string());
                    format!("{address}:{port}")
                }
                (None, None) => String::new(),
            };
            OneHost { name, config: one }
        })
        .collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        // Where there are no random numbers, any order is as good.
        let by = usize::try_from(getrandom::u32().unwrap_or(0)).unwrap_or(0) % each.len().max(1);
        each.rotate_left(by);
    }
    each
}

/// The client's configuration knows no way to take a host out again.
fn without_hosts(config: &Config) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives());
    one.keepalives_idle(config.get_keepalives_idle());
    one.ssl_mode(config.get_ssl_mode());
    one.ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.target_session_attrs(config.get_target_session_attrs());
    one
}

/// Connects to the first host that will have us; else tells what became of each.
pub fn first(hosts: &[OneHost], connector: &MakeRustlsConnect) -> Result<Client, Vec<Tried>> {
    let mut tried = Vec::new();
    for host in hosts {
        match within_limit(&host.config, connector) {
            Ok(client) => return Ok(client),
            Err(cause) => {
                log::debug!("{}: {cause}", host.name);
                tried.push(Tried { host: host.name.clone(), cause });
            }
        }
    }
    Err(tried)
}

fn within_limit(config: &Config, connector: &MakeRustlsConnect) -> Result<Client, HostFailure> {
    let limit = config.get_connect_timeout().copied().unwrap_or_default() * TIMEOUTS_MAX;
    if HANGING.load(Ordering::Relaxed) >= HANGING_MAX {
        return Err(HostFailure::Silent(Silent(limit)));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let (config, connector) = (config.clone(), connector.clone());
    HANGING.fetch_add(1, Ordering::Relaxed);
    let attempt = thread::Builder::new().name(String::from("connect")).spawn(move || {
        let result = config.connect(connector);
        HANGING.fetch_sub(1, Ordering::Relaxed);
        // Where nobody waits any more, the connection is closed.
        let _ = sender.send(result);
    });
    if let Err(error) = attempt {
        HANGING.fetch_sub(1, Ordering::Relaxed);
        return Err(HostFailure::Thread(error));
    }
    match receiver.recv_timeout(limit) {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(HostFailure::Answer(error)),
        Err(_) => Err(HostFailure::Silent(Silent(limit))),
    }
}

/// Why a host gave no session.
#[derive(Debug, thiserror::Error)]
pub enum HostFailure {
    /// It, or the way to it, said so.
    #[error("{0}")]
    Answer(#[source] postgres::Error),
    /// It said nothing.
    #[error("{0}")]
    Silent(#[source] Silent),
    /// It was not asked.
    #[error("no thread to connect with: {0}")]
    Thread(io::Error),
}

/// No answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub struct Silent(Duration);

/// A host that was tried.
#[derive(Debug)]
pub struct Tried {
    host: String,
    /// Why it failed.
    pub cause: HostFailure,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, with_causes(&self.cause))
    }
}

impl Tried {
    /// Says whether it is a PgBouncer that takes no settings with a connection.
    pub fn is_pooler(&self) -> bool {
        match &self.cause {
            HostFailure::Answer(error) => {
                error.as_db_error().is_some_and(|error| error.message().starts_with("unsupported startup parameter"))
            }
            HostFailure::Silent(_) | HostFailure::Thread(_) => false,
        }
    }

    /// Says whether the server refused the password.
    pub fn is_refused_password(&self) -> bool {
        match &self.cause {
            HostFailure::Answer(error) => error.code() == Some(&SqlState::INVALID_PASSWORD),
            HostFailure::Silent(_) | HostFailure::Thread(_) => false,
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self, config: &Config) -> String {
        match &self.cause {
            HostFailure::Answer(error) => {
                let user = config.get_user().map_or_else(|| String::from("the role"), |user| format!("role {user}"));
                let name = config.get_dbname().or_else(|| config.get_user()).unwrap_or("NAME");
                advice(error, &user, name, &self.host)
            }
            HostFailure::Silent(_) => format!(
                "something takes connections at {} and says nothing: is it PostgreSQL, is it stopped?",
                self.host
            ),
            HostFailure::Thread(_) => String::from("too many processes or threads run on this machine"),
        }
    }
}

fn advice(error: &postgres::Error, user: &str, name: &str, host: &str) -> String {
    if let Some(db) = error.as_db_error() {
        return advice_by_state(db, user, name);
    }
    if let Some(certificate) = certificate_error(error) {
        return advice_on_certificate(certificate, host);
    }
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    let text = causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            format!(
                "nothing listens at {host}: is PostgreSQL running, are host and port right, does it listen there (listen_addresses)?"
            )
        }
        Some(io::ErrorKind::NotFound) => {
            format!(
                "There is no socket at {host}: start PostgreSQL, or correct the directory (unix_socket_directories)."
            )
        }
        Some(io::ErrorKind::PermissionDenied) if text.contains("does not allow writes") => {
            format!("{host} is a standby: name the primary, too, or promote this one")
        }
        Some(io::ErrorKind::PermissionDenied) => format!("this user may not open the socket at {host}"),
        Some(io::ErrorKind::TimedOut) => format!("{host} does not answer: is the host right, is a firewall between?"),
        Some(_) | None if text.contains("lookup address") || text.contains("resolve") => {
            format!("the name in {host} is known to no name server: is it spelled right?")
        }
        Some(_) | None if text.contains("does not support TLS") => {
            format!("{host} has TLS switched off: switch it on there (ssl = on), or take sslmode=prefer")
        }
        Some(_) | None if text.contains("password missing") => {
            format!("the server asks {user} for a password: put it into the URL, and that into NEWS_DATABASE_URL_FILE")
        }
        Some(_) | None => String::from("is it running, and is the URL right? `news db status` tells what is tried"),
    }
}

fn advice_by_state(error: &postgres::error::DbError, user: &str, name: &str) -> String {
    let state = error.code();
    if *state == SqlState::INVALID_PASSWORD {
        return format!("the password for {user} is wrong; in a URL, write @ as %40, / as %2F, : as %3A, % as %25");
    }
    if *state == SqlState::INVALID_CATALOG_NAME {
        return format!("make it: createdb {name}; then `news db migrate`");
    }
    if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return if error.message().contains("no encryption") {
            String::from("the server wants TLS from here: add sslmode=require to the URL")
        } else if error.message().contains("pg_hba.conf") {
            format!("the server's pg_hba.conf has no line that lets {user} into {name} from here")
        } else {
            format!("{user} may not log in this way: does it exist, and what does the server's pg_hba.conf ask of it?")
        };
    }
    if *state == SqlState::CANNOT_CONNECT_NOW {
        return String::from("the server is starting or stopping: try again in a moment");
    }
    if *state == SqlState::TOO_MANY_CONNECTIONS {
        return String::from("raise the server's max_connections, or lower --workers");
    }
    if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        return format!("let it in: GRANT CONNECT ON DATABASE {name}");
    }
    error.hint().map_or_else(|| String::from("the server's log says more"), str::to_owned)
}

fn advice_on_certificate(error: &CertificateError, host: &str) -> String {
    let text = format!("{error:?}");
    if text.starts_with("NotValidForName") {
        return format!(
            "the server's certificate is not made for {host}: connect by a name that is in it, or have it made with this one \
             (subjectAltName); sslmode=verify-ca does not look at the name"
        );
    }
    if text.starts_with("Expired") {
        return String::from("the server's certificate is out of date: renew it there; is this machine's clock right?");
    }
    if text.starts_with("NotValidYet") {
        return String::from("the server's certificate is not valid yet: is this machine's clock right?");
    }
    String::from(
        "The server's certificate is not signed by a trusted CA: set sslrootcert=FILE to the CA that signed it.",
    )
}

/// What a failed handshake says of the certificate.
fn certificate_error(error: &postgres::Error) -> Option<&CertificateError> {
    causes(error).find_map(|cause| {
        let error = match cause.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref()?.downcast_ref::<rustls::Error>(),
            None => cause.downcast_ref::<rustls::Error>(),
        };
        match error {
            Some(rustls::Error::InvalidCertificate(error)) => Some(error),
            Some(_) | None => None,
        }
    })
}

fn causes(error: &postgres::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'_ (dyn Error + 'static)| (*cause).source())
}
