//! Names -> addresses, remembered for a while: ureq asks before each request, also for one that a
//! connection is there for, and its own resolver starts a thread each time.
//!
//! ureq's resolvers are outside its promise of stability: this file is what a new version may touch.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Who moves to another address is found there after so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// The target, and a proxy or two.
const NAMES_MAX: usize = 16;

/// A resolver with a memory.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    system: DefaultResolver,
    known: Mutex<BTreeMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl Resolver for Remembering {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return self.system.resolve(uri, config, timeout);
        };
        let Some(name) = DefaultResolver::host_and_port(scheme, authority) else {
            return self.system.resolve(uri, config, timeout);
        };
        // What is an address already needs nobody's help.
        if let Some(address) = literal(&name) {
            return self.listed(&[address]);
        }
        let now = Instant::now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((_, addresses)) = known.filter(|(at, _)| now.duration_since(*at) < REMEMBERED_FOR) {
            return self.listed(&addresses);
        }
        let found = self.system.resolve(uri, config, timeout)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert(name, (now, found.to_vec()));
        Ok(found)
    }
}

impl Remembering {
    fn listed(&self, addresses: &[SocketAddr]) -> Result<ResolvedSocketAddrs, Error> {
        let mut list = self.empty();
        for address in addresses {
            list.push(*address);
        }
        if list.is_empty() { Err(Error::HostNotFound) } else { Ok(list) }
    }
}

/// Reads `127.0.0.1:80` and `[::1]:80`.
fn literal(name: &str) -> Option<SocketAddr> {
    let (host, port) = name.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (name, address) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("[::1]:3000", Some("[::1]:3000")),
            ("localhost:80", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(literal(name), address.map(|address| address.parse().unwrap()), "{name}");
        }
    }
}
