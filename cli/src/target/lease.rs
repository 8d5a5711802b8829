//! Nothing goes out once a run's lease is over, however long its connection took: another
//! run may have begun, and waits no longer for what this one sends.
//!
//! ureq's transports are outside its promise of stability: this file is what a new version may touch.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport,
};

use crate::clock::Tick;

const ENDLESS: u64 = u64::MAX;

/// Until when requests may go out: for ever, until it is first renewed.
#[derive(Debug)]
pub struct Lease {
    begun: Tick,
    /// In milliseconds since `begun`.
    until_ms: AtomicU64,
}

impl Default for Lease {
    fn default() -> Self {
        Self { begun: Tick::now(), until_ms: AtomicU64::new(ENDLESS) }
    }
}

impl Lease {
    /// Lets requests go out until `until`, or longer if that was said before.
    pub fn renew(&self, until: Tick) {
        let until_ms = u64::try_from(until.since(self.begun).as_millis()).unwrap_or(ENDLESS - 1);
        let later = |old| Some(if old == ENDLESS { until_ms } else { until_ms.max(old) });
        // The closure always has an answer.
        let _ = self.until_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// Says whether a request may go out now.
    pub fn is_valid(&self) -> bool {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        until_ms == ENDLESS || self.begun.elapsed() < Duration::from_millis(until_ms)
    }

    /// Fails where no request may go out now.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_valid() {
            return Ok(());
        }
        Err(Error::Io(io::Error::other("not sent: the lock may be another run's by now")))
    }
}

/// Returns ureq's connectors with a gate between TCP and TLS: a handshake takes its time, too.
pub(super) fn connector(lease: &Arc<Lease>) -> impl Connector + use<> {
    ().chain(ConnectProxyConnector::default())
        .chain(TcpConnector::default())
        .chain(Gatekeeper(Arc::clone(lease)))
        .chain(RustlsConnector::default())
}

#[derive(Debug)]
struct Gatekeeper(Arc<Lease>);

impl<In: Transport> Connector<In> for Gatekeeper {
    type Out = LeaseGate<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| LeaseGate { inner, lease: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct LeaseGate<T> {
    inner: T,
    lease: Arc<Lease>,
}

impl<T: Transport> Transport for LeaseGate<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.lease.check()?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_lease_lasts_as_long_as_was_last_said() {
        let lease = Lease::default();
        assert!(lease.is_valid());
        let now = Tick::now();
        lease.renew(now);
        assert!(!lease.is_valid());
        lease.renew(now + Duration::from_hours(1));
        lease.renew(now);
        assert!(lease.is_valid());
    }

    #[test]
    fn nothing_goes_out_without_a_lease() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/posts", listener.local_addr().unwrap());
        let lease = Arc::new(Lease::default());
        lease.renew(Tick::now());
        let resolver = ureq::unversioned::resolver::DefaultResolver::default();
        let agent = ureq::Agent::with_parts(ureq::config::Config::default(), connector(&lease), resolver);
        let error = agent.post(&url).send("{}").unwrap_err();
        assert!(error.to_string().contains("not sent"), "{error}");
        // There is a connection, and nothing on it.
        drop(agent);
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"");
    }
}
