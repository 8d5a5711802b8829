//! Which proxy requests to a target go through: `HTTPS_PROXY` and `HTTP_PROXY` by the target's scheme, else `ALL_PROXY`,
//! unless `NO_PROXY` names the target. Names in lower case mean the same and take precedence, as in curl.

use std::fmt;
use std::net::IpAddr;

use super::base::host_and_port;
use crate::error::{Failure, Kind, Result};
use crate::settings;

const EXAMPLE: &str = "Write http://HOST:PORT, or unset it.";

/// A proxy, and where it is configured. It prints without the credentials that its URL may hold.
#[derive(Debug, Clone)]
pub struct Proxy {
    shown: String,
    variable: &'static str,
    inner: ureq::Proxy,
}

impl Proxy {
    /// Returns the proxy for a target with this base URL, if one is configured for it.
    ///
    /// Fails with [`Kind::Usage`] where the variable holds something else than the URL of an HTTP proxy.
    pub fn of(base: &str) -> Result<Option<Self>> {
        let Some((host, port)) = host_and_port(base) else { return Ok(None) };
        let by_scheme =
            if base.starts_with("https:") { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
        let mut named = None;
        for variable in by_scheme.into_iter().chain(["all_proxy", "ALL_PROXY"]) {
            named = settings::variable(variable)?.map(|value| (variable, value));
            if named.is_some() {
                break;
            }
        }
        let Some((variable, value)) = named else { return Ok(None) };
        let exceptions = match settings::variable("no_proxy")? {
            Some(list) => Some(list),
            None => settings::variable("NO_PROXY")?,
        };
        if is_exempt(&exceptions.unwrap_or_default(), &host, port) {
            return Ok(None);
        }
        Self::parse(variable, &value).map(Some)
    }

    fn parse(variable: &'static str, value: &str) -> Result<Self> {
        let usage = |why: &str| Failure::new(Kind::Usage, format!("{variable}: {why}")).hint(EXAMPLE);
        let inner = ureq::Proxy::new(value).map_err(|_| usage("expected the URL of a proxy"))?;
        let scheme = match inner.protocol() {
            ureq::ProxyProtocol::Http => "http",
            ureq::ProxyProtocol::Https => "https",
            ureq::ProxyProtocol::Socks4
            | ureq::ProxyProtocol::Socks4A
            | ureq::ProxyProtocol::Socks5
            | ureq::ProxyProtocol::Socks5h
            | _ => return Err(usage("expected an HTTP proxy, found a SOCKS proxy")),
        };
        let shown = format!("{scheme}://{}:{}", inner.host(), inner.port());
        Ok(Self { shown, variable, inner })
    }

    /// Returns its URL without credentials.
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// Returns the environment variable that it comes from.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns what the HTTP client takes.
    pub(super) fn client(&self) -> ureq::Proxy {
        self.inner.clone()
    }

    /// Returns the proxy's host and port, as its own connections name them.
    pub(super) fn authority(&self) -> Option<String> {
        self.inner.uri().authority().map(|authority| authority.as_str().to_owned())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} ({})", self.shown, self.variable)
    }
}

/// Says whether a list as in `NO_PROXY` names this host, as Go's `httpproxy` reads it: `*`; `example.com` with all names
/// below it; `.example.com` with those alone; `10.1.2.3`; `10.0.0.0/8`; each with or without a port.
///
/// This machine's own addresses need no naming: a proxy would take them for its own.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    let mut entries = entries.map(str::to_ascii_lowercase);
    entries.any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(names_it) = address.and_then(|address| in_block(&entry, address)) {
            return names_it;
        }
        let (name, wanted_port) = split_port(&entry);
        if wanted_port.is_some_and(|wanted| wanted != port) {
            return false;
        }
        match (address, name.parse::<IpAddr>()) {
            (Some(address), Ok(entry)) => address == entry,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
            (None, Err(_)) => is_below(host, name),
        }
    })
}

/// Says whether `10.0.0.0/8` holds an address; `None` where `entry` is not such a block.
fn in_block(entry: &str, address: IpAddr) -> Option<bool> {
    let (network, bits) = entry.split_once('/')?;
    let (network, bits): (IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Some(false),
    };
    let rest = u32::checked_sub(width, bits)?;
    // A shift by all bits of the type has no result: then every address is in.
    let prefix = |bits: u128| bits.checked_shr(rest).unwrap_or(0);
    Some(prefix(network) == prefix(address))
}

/// Splits `host:80`, `[::1]:80` and `[::1]`; an address of version 6 without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, behind)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, behind.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        Some(_) | None => (entry, None),
    }
}

fn is_below(host: &str, name: &str) -> bool {
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some("") => false,
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_by_name_address_block_and_port() {
        for (list, host, port, exempt) in [
            ("", "api.example", 443, false),
            ("", "127.0.0.1", 80, true),
            ("", "::1", 80, true),
            ("", "localhost", 80, true),
            ("*", "api.example", 443, true),
            ("other, api.example", "api.example", 443, true),
            ("other api.example", "api.example", 443, true),
            ("API.Example", "api.example", 443, true),
            ("example", "api.example", 443, true),
            ("ample", "api.example", 443, false),
            (".example", "api.example", 443, true),
            ("*.example", "api.example", 443, true),
            (".api.example", "api.example", 443, false),
            (".", "api.example", 443, false),
            ("api.example:443", "api.example", 443, true),
            ("api.example:80", "api.example", 443, false),
            ("10.0.0.7", "10.0.0.7", 80, true),
            ("10.0.0.7:80", "10.0.0.7", 80, true),
            ("10.0.0.7:81", "10.0.0.7", 80, false),
            ("10.0.0.0/8", "10.200.0.7", 80, true),
            ("10.0.0.0/8", "11.0.0.7", 80, false),
            ("0.0.0.0/0", "11.0.0.7", 80, true),
            ("10.0.0.0/33", "10.0.0.7", 80, false),
            ("10.0.0.0/8", "10.0.0.7.example", 80, false),
            ("fd00::/8", "fd12::7", 80, true),
            ("::/0", "fd12::7", 80, true),
            ("fd00::/8", "fe80::7", 80, false),
            ("[fd12::7]:80", "fd12::7", 80, true),
            ("fd12::7", "fd12::7", 80, true),
            ("[fd12::7]:81", "fd12::7", 80, false),
        ] {
            assert_eq!(is_exempt(list, host, port), exempt, "{list:?} {host} {port}");
        }
    }

    #[test]
    fn a_proxy_is_shown_without_its_credentials() {
        let proxy = Proxy::parse("HTTPS_PROXY", "http://me:s3cret@Proxy.example:3128/").unwrap();
        assert_eq!(proxy.to_string(), "the proxy http://Proxy.example:3128 (HTTPS_PROXY)");
        assert_eq!(Proxy::parse("ALL_PROXY", "proxy").unwrap().to_string(), "the proxy http://proxy:80 (ALL_PROXY)");
        for (value, why) in
            [("socks5://me:s3cret@host", "SOCKS"), ("ftp://s3cret@host", "the URL of a proxy"), ("http://", "the URL")]
        {
            let failure = Proxy::parse("ALL_PROXY", value).unwrap_err();
            assert_eq!(failure.kind(), Kind::Usage);
            let text = failure.to_string();
            assert!(text.starts_with("ALL_PROXY: ") && text.contains(why) && !text.contains("s3cret"), "{text}");
        }
    }
}
