//! The front door of tiny_http: it admits complete, well-framed, bounded requests, and nothing else.
//!
//! ```text
//! client ──TCP──▶ client thread ──Unix socket──▶ tiny_http ──▶ worker: handler(Request)
//!          read head and body, judge,   one request in flight      │
//!        ◀────────────────────────────── relay the answer ◀────────┘
//! ```
//!
//! In scope: connections (cap, deadlines, eviction of those that only wait, drain), framing (RFC 9112), the pace of
//! answers, who asks (`X-News-Peer`), and what to do when the process runs out of files or a handler panics.
//! Out of scope: TLS, HTTP/2, routes, authentication, compression, access logs: what a request *means*.
//!
//! Why it exists: tiny_http 0.12 met by strangers is aborted by one huge Content-Length, leaves keep-alive clients
//! unserved, has no deadlines and no caps, takes requests whose end is in doubt, and stops accepting after one EMFILE
//! (CRATES.md has the list). Behind the door it meets one well-behaved client on connections that stay open.
//!
//! What would make it go away: a tiny_http with deadlines, caps, strict framing and an accept loop that survives
//! errors; or a proxy that is always there, which a single binary cannot ask for.
//!
//! The process must ignore SIGPIPE, as Rust programs do unless told otherwise.

mod acceptor;
mod chunked;
mod conversation;
mod head;
mod limits;
mod links;
mod refusal;
mod relay;
mod socket;
mod stats;
mod upstream;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tiny_http::{Request, Server};

pub use crate::door::head::PEER_FIELD;
pub use crate::door::limits::Limits;
pub use crate::door::stats::Stats;

use crate::door::limits::{ACCEPT_TICK, BACKLOG, Seats};
use crate::door::links::Links;
use crate::door::socket::Socket;
use crate::door::stats::Counters;
use crate::door::upstream::Upstreams;
use crate::door::worker::Crew;

/// How long the acceptor is given to notice a drain: the connection that wakes it is local.
const WAKE_MAX: Duration = Duration::from_millis(200);

/// How long idle workers are given to leave when the grace is over.
const LEAVE_MAX: Duration = Duration::from_millis(200);

/// What all threads of the door share.
struct Shared {
    limits: Limits,
    links: Arc<Links>,
    upstreams: Arc<Upstreams>,
    counters: Arc<Counters>,
}

/// A running service: a listener, tiny_http behind it, and the workers.
///
/// Dropped without [`Door::drain`] it stops at once.
pub struct Door {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    server: Option<Arc<Server>>,
    acceptor: Option<thread::JoinHandle<()>>,
    address: SocketAddr,
}

/// A view of a door's counters.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.stats()).finish()
    }
}

impl Watch {
    /// Returns the counters as they are now.
    pub fn stats(&self) -> Stats {
        self.0.counters.snapshot(self.0.links.open_now(), self.0.upstreams.open_now())
    }
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Client connections that had to be cut in the middle of something.
    pub connections_cut: usize,
    /// Workers whose handler had not come back.
    pub workers_left: usize,
}

impl Drained {
    /// Tells whether everything in flight was finished in time.
    pub fn in_time(&self) -> bool {
        *self == Self { connections_cut: 0, workers_left: 0 }
    }
}

impl Door {
    /// Serves `listener` with `workers` threads, on each of which `make_worker(index)` makes the handler of requests.
    ///
    /// A handler returns what [`Request::respond`] returned: after an error the client is cut off, so that half an
    /// answer does not look like a whole one. It may panic: the client gets a 500, or is cut off if the answer had
    /// begun, and the thread goes on with a handler made anew.
    ///
    /// Returns when everything is ready and the first client can be answered.
    pub fn open<F, H>(listener: TcpListener, limits: Limits, workers: usize, make_worker: F) -> io::Result<Self>
    where
        F: Fn(usize) -> H + Send + Sync + 'static,
        H: FnMut(Request) -> io::Result<()>,
    {
        let workers = workers.max(1);
        let address = listener.local_addr()?;
        // A listener handed over by systemd may be non-blocking, or have a time-out of its previous owner.
        listener.set_nonblocking(false)?;
        SockRef::from(&listener).set_read_timeout(Some(ACCEPT_TICK))?;
        // A second listen() sets a longer queue: the standard library's 128 overflows in a burst, and costs a second.
        SockRef::from(&listener).listen(BACKLOG)?;
        let files_max = limits::files_max();
        let seats = Seats::fit(&limits, workers, files_max);
        if seats.connections < limits.connections_max || seats.workers < workers {
            log::warn!(
                "room for {} connections instead of {}, and {} workers instead of {workers}: the limit of open files is {}",
                seats.connections,
                limits.connections_max,
                seats.workers,
                files_max.unwrap_or(usize::MAX)
            );
        }
        let counters = Arc::new(Counters::default());
        let (inner, socket) = Socket::listen()?;
        let server = Arc::new(Server::from_listener(inner, None).map_err(io::Error::other)?);
        let upstreams = Arc::new(Upstreams::new(socket, seats.upstreams, &limits, Arc::clone(&counters)));
        let crew = Crew::start(seats.workers, make_worker, &server, &upstreams, &counters)?;
        let links = Arc::new(Links::new(&limits, seats.connections));
        let shared = Arc::new(Shared { limits, links, upstreams, counters });
        let mut door = Self { shared: Arc::clone(&shared), crew, server: Some(server), acceptor: None, address };
        // If one of these fails, dropping the door stops what runs.
        shared.upstreams.open_all()?;
        let acceptor = thread::Builder::new().name("acceptor".into());
        door.acceptor = Some(acceptor.spawn(move || acceptor::run(&listener, &shared))?);
        Ok(door)
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

    /// Returns a view of the counters, good as long as anybody likes.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// Stops accepting, closes idle connections, lets what is in flight finish within `grace`, the requests of those
    /// included who have just come, then cuts the rest and sends the workers home.
    pub fn drain(mut self, grace: Duration) -> Drained {
        self.stop(grace)
    }

    fn stop(&mut self, grace: Duration) -> Drained {
        let deadline = Instant::now() + grace;
        self.shared.links.start_drain();
        if let Some(acceptor) = self.acceptor.take() {
            wake(self.address);
            // It ends within a tick at worst; it does not panic, and if it did, it has ended.
            let _ = acceptor.join();
        }
        // Between the flag and the end of the acceptor one more may have come in.
        self.shared.links.start_drain();
        let connections_cut = self.shared.links.finish_drain(deadline);
        let mut workers_left = 0;
        if let Some(server) = self.server.take() {
            self.crew.stop(&server);
            // Even without any grace, those that have nothing to do get the time to leave.
            workers_left = self.crew.wait(deadline.max(Instant::now() + LEAVE_MAX));
            self.shared.upstreams.close_all();
            // tiny_http ends with its last reference. It cannot wake its own acceptor: the socket has no name.
            drop(server);
            self.shared.upstreams.wake_acceptor();
        }
        Drained { connections_cut, workers_left }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// Connects to the door itself, so that a blocked `accept()` returns. Should it fail, there is the tick. The listener
/// is not shut down: systemd may hold it, too, for our successor.
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
