//! The HTTP server: it admits complete, well-framed, bounded requests, and runs the handler on the connection's thread.
//!
//! ```text
//! client ──TCP──▶ acceptor ─▶ connection's thread: head ─▶ body ─▶ handler(Request, Reply)
//!                    │                                                        │
//!                  links ◀── watchdog: 504                client ◀── outlet ◀─┘ Response::raw_print
//! ```
//!
//! In scope: connections (cap, deadlines, eviction of those that only wait, drain), framing (RFC 9112), the pace of
//! responses, panics of the handler, and what to do when the process runs out of files.
//! Out of scope: TLS, HTTP/2, routes, authentication, compression, access logs: what a request *means*.
//!
//! tiny_http supplies the vocabulary (`Method`, `Header`, `StatusCode`) and writes every response. Its own server is not
//! used: one huge Content-Length aborts it, keep-alive clients are left unserved, nothing has a deadline or a cap, it
//! takes requests whose end is in doubt, and it stops accepting after one EMFILE.
//!
//! Invariants:
//! - A handler never sees a request that is not whole.
//! - A response that broke off never looks whole.
//! - Memory of a connection: its request (bounded), a piece of its response, and what the handler holds.
//! - Every wait ends: for bytes by deadlines, for the handler by the watchdog, for room by an eviction or a refusal.
//!
//! The process must ignore SIGPIPE, as Rust programs do unless told otherwise.

mod acceptor;
mod chunked;
mod connection;
mod head;
mod limits;
mod links;
mod outlet;
mod refusal;
mod request;
mod stats;
mod watchdog;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

pub use crate::http::limits::{CONNECTIONS_MAX, Limits, Seats};
pub use crate::http::outlet::Reply;
pub use crate::http::request::{Fields, HttpRequest};
pub use crate::http::stats::Stats;

use crate::http::limits::{ACCEPT_TICK, BACKLOG};
use crate::http::links::Links;
use crate::http::stats::Counters;
use crate::http::watchdog::Watchdog;

/// How long the acceptor is given to notice a drain: the connection that wakes it is local.
const WAKE_MAX: Duration = Duration::from_millis(200);

/// What answers requests: on the connection's thread, concurrently. It may panic: the client gets a 500, or is cut off
/// if the response had begun, and the connection ends.
type Handler = dyn Fn(HttpRequest, Reply<'_>) + Send + Sync;

/// What all threads of the server share.
struct Shared {
    limits: Limits,
    links: Arc<Links>,
    counters: Arc<Counters>,
    handler: Box<Handler>,
}

/// A running server. Dropped without [`Server::drain`] it stops at once.
pub struct Server {
    links: Arc<Links>,
    counters: Arc<Counters>,
    acceptor: Option<thread::JoinHandle<()>>,
    address: SocketAddr,
    _watchdog: Watchdog,
}

/// A view of a server's counters.
#[derive(Clone)]
pub struct ServerWatch {
    links: Arc<Links>,
    counters: Arc<Counters>,
}

impl fmt::Debug for ServerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.stats()).finish()
    }
}

impl ServerWatch {
    /// Returns the counters as they are now.
    pub fn stats(&self) -> Stats {
        self.counters.snapshot(self.links.open_now())
    }
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had to be cut in the middle of something.
    pub connections_cut: usize,
}

impl Server {
    /// Serves `listener`. Returns when the first client can be answered.
    pub fn open(
        listener: TcpListener,
        limits: Limits,
        handler: impl Fn(HttpRequest, Reply<'_>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        // A listener handed over by systemd may be non-blocking, or have a time-out of its previous owner.
        listener.set_nonblocking(false)?;
        SockRef::from(&listener).set_read_timeout(Some(ACCEPT_TICK))?;
        // A second listen() sets a longer queue: the standard library's 128 overflows in a burst, and costs a second.
        SockRef::from(&listener).listen(BACKLOG)?;
        let (links, counters) = (Arc::new(Links::new(&limits)), Arc::new(Counters::default()));
        let watchdog = Watchdog::start(&limits, &links, &counters)?;
        let shared =
            Shared { limits, links: Arc::clone(&links), counters: Arc::clone(&counters), handler: Box::new(handler) };
        let acceptor = thread::Builder::new().name("acceptor".into());
        let acceptor = acceptor.spawn(move || acceptor::run(&listener, &Arc::new(shared)))?;
        Ok(Self { links, counters, acceptor: Some(acceptor), address, _watchdog: watchdog })
    }

    /// Returns the address that clients connect to.
    #[cfg(test)]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the counters as they are now.
    #[cfg(test)]
    pub fn stats(&self) -> Stats {
        self.watch().stats()
    }

    /// Returns a view of the counters, which outlives the server.
    pub fn watch(&self) -> ServerWatch {
        ServerWatch { links: Arc::clone(&self.links), counters: Arc::clone(&self.counters) }
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish within `grace`, those included that
    /// connections just accepted are about to send, then cuts the rest.
    pub fn drain(mut self, grace: Duration) -> Drained {
        self.stop(grace)
    }

    fn stop(&mut self, grace: Duration) -> Drained {
        let deadline = Instant::now() + grace;
        self.links.start_drain();
        if let Some(acceptor) = self.acceptor.take() {
            wake(self.address);
            // It ends within a tick at worst; it does not panic, and if it did, it has ended.
            let _ = acceptor.join();
        }
        // Between the flag and the end of the acceptor one more may have come in.
        self.links.start_drain();
        Drained { connections_cut: self.links.finish_drain(deadline) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// Connects to the server itself, so that a blocked `accept()` returns. Should it fail, there is the tick. The listener
/// is not shut down: systemd may hold it, too, for the next process.
fn wake(address: SocketAddr) {
    drop(TcpStream::connect_timeout(&reachable(address), WAKE_MAX));
}

/// Returns where a service that listens on `address` is reached from its own machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}
