//! `news serve`

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::api::{self, Allowed, BODY_BYTES_MAX, Desk, Origins, ProxyTrust, ReplicaWrites, Service, Tokens};
use crate::args::Serve;
use crate::commands::{Outcome, metrics};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::http::{self, CONNECTIONS_MAX, Limits, Seats, Server};
use crate::master;
use crate::pg::{self, Pooling, Purpose};
use crate::private_pg;
use crate::secret::Secret;
use crate::settings::{Database, Settings, keys};
use crate::store::{counts, schema, sequences};
use crate::systemd::{self, Notify};
use crate::ui::{self, Ui};
use news_core::phrase::count;

/// The watchdog's own request is to be answered within this time: longer than a request waits for a session.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Serves the API until a signal comes.
pub fn run(args: &Serve, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    if args.check {
        return check(&args.listen).map(|()| Outcome::default());
    }
    let tokens = tokens(settings)?;
    // Listened for from the beginning, so that a signal during the start is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT]).or_fail(Kind::Output, "cannot listen for signals")?;
    let url = master::url(settings)?;
    let (mut client, pooling) = pg::connect_api(&url)?;
    schema::require_current(&mut client)?;
    drop(client);

    let listener = listener(args)?;
    let listen = listener.local_addr().or_fail(Kind::Usage, "cannot tell where it listens")?;
    let wanted = Seats { connections: CONNECTIONS_MAX, sessions: usize::from(args.workers) };
    let seats = Seats::afforded(wanted);
    let allowed = Allowed {
        proxy: if args.trust_proxy { ProxyTrust::Trusted } else { ProxyTrust::None },
        origins: Origins::new(&args.cors_origin),
        replica_writes: if args.replica { ReplicaWrites::Staff } else { ReplicaWrites::None },
    };
    let (state_url, state_settings) = (url.clone(), settings.clone());
    let state = Box::new(move || {
        let read = metrics::beside_requests(&state_url, &state_settings);
        read.inspect_err(|failure| log::debug!("metrics without the state of the sync: {failure}")).ok()
    });
    let desk = Desk::new(args.console, settings, &url);
    let service = Arc::new(Service::new(tokens, allowed, listen, (&url, seats.sessions), (state, desk)));
    let for_requests = Arc::clone(&service);
    let limits = Limits { connections_max: seats.connections, body_bytes_max: BODY_BYTES_MAX, ..Limits::default() };
    let server = Server::open(listener, limits, move |request, reply| api::serve(&for_requests, request, reply))
        .or_fail(Kind::Output, "cannot start the service")?;
    // It is set once.
    let _ = service.server.set(server.watch());
    announce(listen);
    match pooling {
        Pooling::None => recount(&url),
        Pooling::Transaction => log::warn!(
            "a connection pooler stands before the database: time limits of statements are what the role has \
             (ALTER ROLE … SET statement_timeout = '10s'), and the numbers of objects are not checked"
        ),
    }
    let notify = Notify::ready(move || answers(listen));

    let signal = signals.forever().next().unwrap_or(SIGTERM);
    notify.stopping();
    let drained = server.drain(args.grace);
    if drained.connections_cut > 0 {
        log::warn!("after {:?}, {} connections with requests in flight were cut", args.grace, drained.connections_cut);
    }
    Err(stopped_by(Some(signal)))
}

fn stopped_by(signal: Option<i32>) -> Failure {
    match signal {
        Some(SIGINT) => Failure::new(Kind::Interrupted, "stopped by SIGINT"),
        Some(_) | None => Failure::new(Kind::Terminated, "stopped by SIGTERM"),
    }
}

/// Returns the socket that systemd hands over, or one of our own.
fn listener(args: &Serve) -> Result<TcpListener> {
    if let Some(listener) = systemd::listener()? {
        return Ok(listener);
    }
    TcpListener::bind(&args.listen).map_err(|error| {
        Failure::new(Kind::Usage, format!("cannot listen on {}: {error}", args.listen))
            .hint("choose another address with --listen")
    })
}

/// Says whether the service answers at all, be it that all are busy: for the watchdog.
fn answers(listen: SocketAddr) -> bool {
    ask(listen, "/healthz").is_ok_and(|head| !head.is_empty())
}

/// Fails with [`Kind::Database`] where the service at `listen` is not ready: for containers, in which there is nothing
/// else to ask with.
fn check(listen: &str) -> Result<()> {
    let head = resolve(listen).and_then(|address| ask(address, "/readyz"));
    let head = head.or_fail(Kind::Database, format!("the service at {listen} does not answer"))?;
    if head.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(Failure::new(Kind::Database, format!("the service at {listen} is not ready: {status:?}"))
        .hint("`news db status` tells whether the database answers and its schema is current"))
}

/// Returns the first address that a name stands for.
fn resolve(listen: &str) -> io::Result<SocketAddr> {
    let unknown = || io::Error::other("no such address");
    listen.to_socket_addrs()?.next().ok_or_else(unknown)
}

/// Returns the beginning of the answer to a GET of `path`.
fn ask(listen: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&http::reachable(listen), ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut head = [0; 64];
    let bytes = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..bytes]).into_owned())
}

/// Puts right, beside the requests, what rows that came without the API may have made wrong: the sequences of ids, where
/// they came with ids of their own, and the kept number of posts, where the triggers were disabled. A failure only means
/// that this is not done.
fn recount(url: &Secret) {
    let url = url.clone();
    let started = thread::Builder::new().name("recount".into()).spawn(move || {
        let mut client = match pg::connect(&url, Purpose::Bulk) {
            Ok(client) => client,
            Err(failure) => return log::warn!("the sequences and the number of posts were not checked: {failure}"),
        };
        match sequences::repair(&mut client) {
            Ok(0) => {}
            Ok(_) => log::warn!("rows had come with ids past the sequence: it was moved behind them"),
            Err(failure) => log::warn!("the sequences were not checked: {failure}"),
        }
        match counts::repair(&mut client) {
            Ok(0) => {}
            Ok(wrong) => log::warn!("the count of {} was wrong: corrected", count(wrong.unsigned_abs(), "post")),
            Err(failure) => log::warn!("the number of posts was not checked: {failure}"),
        }
    });
    if let Err(error) = started {
        log::warn!("the number of posts is not checked: {error}");
    }
}

/// Tells where the service is: port 0 became another one.
fn announce(listen: SocketAddr) {
    ui::line(&format!("listening on http://{listen}"));
}

/// Returns the keys: from the settings, or those that the private database's folder keeps.
pub fn tokens(settings: &Settings) -> Result<Tokens> {
    let secret = match (settings.secret(keys::JWT_SECRET)?, &settings.database) {
        (Some(secret), _) => secret,
        (None, Database::Private) => private_pg::jwt_secret(settings)?,
        (None, Database::Named(_)) => {
            return Err(Failure::new(Kind::Usage, "NEWS_JWT_SECRET is not set: the API signs its tokens with it")
                .hint(
                    "make one with `openssl rand -hex 32`, and keep it; NEWS_JWT_SECRET_FILE may name a file with it",
                ));
        }
    };
    Tokens::new(&secret, settings.secret(keys::JWT_SECRET_PREVIOUS)?.as_ref())
}
