//! The connections to the target: whether anything was sent on one, and whether one keeps another from being served.
//!
//! - A request whose bytes no connection has taken was not sent, whatever the error: no name, no port, no descriptor, no
//!   certificate that is trusted, no tunnel through the proxy.
//! - A server with a single thread and keep-alive serves one connection until that ends. The others wait in its
//!   backlog, however long: their requests time out, and may take effect later. So a connection that has not had its
//!   first answer within [`PATIENCE`] ends those that stand idle; and while one is passed over (a request that was sent
//!   later was answered first), no connection is used for a second request.
//!
//! ureq's transports are not part of its stable interface: this file is what a new version may affect.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ureq::unversioned::transport::time::Duration as UreqDuration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, ShutdownHandle, Transport};
use ureq::{Error, Timeout};

use super::lease::{self, Lease};

/// A first answer may take so long before idle connections are ended for it. A new connection costs a fast target less
/// than this.
const PATIENCE: Duration = Duration::from_millis(250);

thread_local! {
    /// Whether a connection has taken bytes of the request that this thread makes.
    static TAKEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether a request can have reached the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// No connection has taken a byte of it.
    NotSent,
    /// It is on its way, or arrived.
    Sent,
}

/// Makes a call of the HTTP client, and says whether any of its request was sent.
pub(super) fn observed<T>(call: impl FnOnce() -> T) -> (T, Departure) {
    TAKEN.set(false);
    let result = call();
    (result, if TAKEN.get() { Departure::Sent } else { Departure::NotSent })
}

/// All connections of one client, and which of them wait or stand idle.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<ConnectionsState>);

#[derive(Default)]
struct ConnectionsState {
    last_id: u64,
    /// Requests that were sent on any of them.
    sent: u64,
    /// Connections without an answer so far: the number of their request.
    fresh: BTreeMap<u64, u64>,
    /// Of these, those that have waited longer than [`PATIENCE`].
    starving: BTreeSet<u64>,
    /// Connections without a request.
    idle: BTreeMap<u64, Weak<dyn ShutdownHandle>>,
    /// The number of the latest request that was answered.
    answered: u64,
}

impl std::fmt::Debug for ConnectionsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("fresh", &self.fresh).field("starving", &self.starving).finish_non_exhaustive()
    }
}

impl Connections {
    fn state(&self) -> MutexGuard<'_, ConnectionsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was made. Returns its number.
    fn opened(&self) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        state.last_id
    }

    /// A request goes out. Returns its number.
    fn sent(&self, id: u64, age: Age) -> u64 {
        let mut state = self.state();
        state.sent += 1;
        let number = state.sent;
        if age == Age::Fresh {
            state.fresh.insert(id, number);
        }
        number
    }

    fn answered(&self, id: u64, request: u64) {
        let mut state = self.state();
        state.fresh.remove(&id);
        state.starving.remove(&id);
        state.answered = state.answered.max(request);
    }

    /// A connection has waited longer than [`PATIENCE`]: ends all that stand idle.
    fn starves(&self, id: u64) {
        let mut state = self.state();
        state.starving.insert(id);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.into_values().filter_map(|handle| handle.upgrade()).for_each(|handle| handle.shutdown());
    }

    /// Says whether a connection may stand idle until its next request; if so, it does from now on.
    fn rests(&self, id: u64, handle: &Weak<dyn ShutdownHandle>) -> bool {
        let mut state = self.state();
        let is_passed_over = |id: &u64| state.fresh.get(id).is_some_and(|request| *request < state.answered);
        if state.starving.iter().any(is_passed_over) {
            return false;
        }
        state.idle.insert(id, Weak::clone(handle));
        true
    }

    /// Says whether a connection that stood idle is still there, and takes it.
    fn wakes(&self, id: u64) -> bool {
        self.state().idle.remove(&id).is_some()
    }

    fn closed(&self, id: u64) {
        let mut state = self.state();
        state.fresh.remove(&id);
        state.starving.remove(&id);
        state.idle.remove(&id);
    }
}

/// Returns ureq's connectors with ours around them. `proxy` is the authority of the proxy's own URL.
pub(super) fn connector(
    lease: &Arc<Lease>,
    connections: &Arc<Connections>,
    proxy: Option<String>,
) -> impl Connector + use<> {
    let (lease, connections) = (Arc::clone(lease), Arc::clone(connections));
    Observer { inner: lease::connector(&lease), connections, lease, proxy }
}

#[derive(Debug)]
struct Observer<C> {
    inner: C,
    connections: Arc<Connections>,
    lease: Arc<Lease>,
    proxy: Option<String>,
}

impl<C: Connector> Connector for Observer<C> {
    type Out = Observed<C::Out>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        let seen: Arc<Mutex<Option<Weak<dyn ShutdownHandle>>>> = Arc::default();
        let (register, note) = (Arc::clone(&details.register_shutdown), Arc::clone(&seen));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::new(move |handle: Weak<dyn ShutdownHandle>| {
                *note.lock().unwrap_or_else(PoisonError::into_inner) = Some(Weak::clone(&handle));
                register(handle)
            }),
        };
        let Some(inner) = self.inner.connect(&details, chained)? else { return Ok(None) };
        let is_proxy = details.uri.authority().map(ureq::http::uri::Authority::as_str) == self.proxy.as_deref();
        let handle = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The way to the proxy is part of a connection to the target.
        let place = match handle {
            Some(handle) if !is_proxy || self.proxy.is_none() => Some(ConnectionPlace {
                id: self.connections.opened(),
                connections: Arc::clone(&self.connections),
                handle,
                age: Age::Fresh,
                request: 0,
                is_idle: false,
            }),
            Some(_) | None => None,
        };
        Ok(Some(Observed { inner, place, lease: Arc::clone(&self.lease) }))
    }
}

/// Whether a connection has had an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Answered,
}

/// A connection among the others.
struct ConnectionPlace {
    id: u64,
    connections: Arc<Connections>,
    handle: Weak<dyn ShutdownHandle>,
    age: Age,
    /// The number of its request; 0 while there is none.
    request: u64,
    is_idle: bool,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.connections.closed(self.id);
    }
}

struct Observed<T> {
    inner: T,
    place: Option<ConnectionPlace>,
    lease: Arc<Lease>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Observed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<T: Transport> Transport for Observed<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if let Some(place) = &mut self.place {
            // The gate below would refuse it, too: asked here, it is known that nothing was sent.
            self.lease.check()?;
            TAKEN.set(true);
            if place.request == 0 {
                place.request = place.connections.sent(place.id, place.age);
            }
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let Some(place) = &mut self.place else { return self.inner.await_input(timeout) };
        let result = match place.age {
            Age::Fresh => await_first(&mut self.inner, place, timeout),
            Age::Answered => self.inner.await_input(timeout),
        };
        if matches!(result, Ok(true)) && place.request > 0 {
            place.connections.answered(place.id, place.request);
            (place.age, place.request) = (Age::Answered, 0);
        }
        result
    }

    /// The pool asks this before it puts a connection aside, and again before it takes it up.
    fn is_open(&mut self) -> bool {
        let Some(place) = &mut self.place else { return self.inner.is_open() };
        if place.is_idle {
            place.is_idle = false;
            return place.connections.wakes(place.id) && self.inner.is_open();
        }
        place.is_idle = self.inner.is_open() && place.connections.rests(place.id, &place.handle);
        place.is_idle
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Waits for a connection's first answer; others are told when that takes long.
fn await_first(inner: &mut impl Transport, place: &ConnectionPlace, timeout: NextTimeout) -> Result<bool, Error> {
    let limit = timeout.for_read();
    if *limit.after <= PATIENCE {
        return inner.await_input(timeout);
    }
    let soon = NextTimeout { after: UreqDuration::Exact(PATIENCE), reason: Timeout::RecvResponse, ..timeout };
    match inner.await_input(soon) {
        Err(Error::Timeout(_)) => {}
        answered => return answered,
    }
    place.connections.starves(place.id);
    let rest = match limit.after {
        UreqDuration::Exact(time) => UreqDuration::Exact(time.saturating_sub(PATIENCE)),
        UreqDuration::NotHappening => UreqDuration::NotHappening,
    };
    inner.await_input(NextTimeout { after: rest, ..limit })
}
