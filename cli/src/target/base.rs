//! A target's base URL: checked, and written in one way (RFC 3986 section 6.2), so that one target has one name.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use news_core::profile::Profile;
use ureq::http::Uri;

use crate::error::{Failure, Kind, Result};

const EXAMPLE: &str = "Write http://HOST:PORT or https://HOST/PATH.";

/// Checks and normalises a base URL: what is remembered, compared and shown. Scheme and host are written in lower case,
/// the scheme's own port and slashes at the end are left out, and escapes have one form.
///
/// Fails with [`Kind::Usage`]; the failure does not repeat the URL, which may hold credentials.
pub fn base_url(url: &str) -> Result<String> {
    let uri: Uri = url.parse().map_err(|_| usage("not a URL", EXAMPLE))?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme { name: "http", port: 80 },
        Some("https") => Scheme { name: "https", port: 443 },
        Some(_) | None => return Err(usage("neither http:// nor https://", EXAMPLE)),
    };
    let authority = uri.authority().map(ureq::http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err(usage(
            "credentials in the URL would be remembered and shown",
            "Put a bearer token into NEWS_TARGET_TOKEN.",
        ));
    }
    if url.contains(['?', '#']) {
        return Err(usage("a base URL has no query", EXAMPLE));
    }
    let path = normal_path(uri.path());
    Ok(format!("{}://{}{path}", scheme.name, normal_host(authority, scheme.port)?))
}

/// Fails with [`Kind::Usage`] where a base URL is the address of an object: below one, json-server answers `[]` to anything,
/// which looks like an empty target.
pub(super) fn require_api(base: &str, profile: &Profile) -> Result<()> {
    let uri: Uri = base.parse().map_err(|_| usage("not a URL", EXAMPLE))?;
    if profile.is_of_an_object(uri.path()) {
        return Err(usage("it names an object, not the API", EXAMPLE));
    }
    Ok(())
}

/// Says whether a base URL that [`base_url`] has returned is that of `remembered`, which an earlier version may have
/// written in another way.
pub fn is_same_base(base: &str, remembered: &str) -> bool {
    base == remembered || base_url(remembered).is_ok_and(|remembered| remembered == base)
}

/// Returns the host of a URL that [`base_url`] has returned, without brackets, and its port.
pub fn host_and_port(base: &str) -> Option<(String, u16)> {
    let uri: Uri = base.parse().ok()?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host, uri.port_u16().unwrap_or(default)))
}

struct Scheme {
    name: &'static str,
    port: u16,
}

fn usage(why: &str, hint: &str) -> Failure {
    Failure::new(Kind::Usage, format!("target URL: {why}")).hint(hint)
}

/// The http crate takes any text for a port, and ignores one that is not a number: another port would be asked.
fn normal_host(authority: &str, default_port: u16) -> Result<String> {
    let (host, behind) = match authority.split_once(']') {
        Some((host, behind)) => (host.trim_start_matches('['), behind),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(usage("no host", EXAMPLE));
    }
    let port = match behind.strip_prefix(':') {
        None if behind.is_empty() => None,
        None => return Err(usage("expected :PORT after the host", EXAMPLE)),
        Some(digits) => {
            let port = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
            Some(port.filter(|port| *port > 0).ok_or_else(|| usage("expected :PORT after the host", EXAMPLE))?)
        }
    };
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_ascii_lowercase(),
    };
    Ok(match port.filter(|port: &u16| *port != default_port) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

/// Returns a path without dot segments and without a slash at its end. Escapes of characters that need none are
/// written as these, all others in upper case.
fn normal_path(path: &str) -> String {
    let mut segments: Vec<String> = Vec::new();
    for segment in path.trim_end_matches('/').split('/').skip(1) {
        match normal_segment(segment).as_str() {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.to_owned()),
        }
    }
    segments.iter().fold(String::new(), |path, segment| path + "/" + segment)
}

fn normal_segment(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    let mut bytes = segment.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        let escaped = match (byte, rest) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| 16 * high + low),
            _ => None,
        };
        if escaped.is_some() {
            bytes = &rest[2..];
        }
        let (byte, is_plain) = match escaped {
            Some(byte) => (byte, is_unreserved(byte)),
            None => (byte, byte.is_ascii()),
        };
        if is_plain {
            out.push(char::from(byte));
        } else {
            push_escape(&mut out, byte);
        }
    }
    out
}

fn push_escape(out: &mut String, byte: u8) {
    // Writing to a String has no way to fail.
    let _ = write!(out, "%{byte:02X}");
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use news_core::profile::JSON_SERVER;

    use super::*;

    #[test]
    fn one_target_has_one_base_url() {
        for (url, base) in [
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
            ("https://host/api/v1", "https://host/api/v1"),
            ("http://[::1]/api", "http://[::1]/api"),
            ("http://[::1]:65535/api", "http://[::1]:65535/api"),
            ("http://host/posts.example", "http://host/posts.example"),
            ("HTTP://Host.Example:80/API//", "http://host.example/API"),
            ("https://HOST:443", "https://host"),
            ("https://host:80", "https://host:80"),
            ("http://host:0080/x", "http://host/x"),
            ("http://[0:0:0:0:0:0:0:1]:080", "http://[::1]"),
            ("http://host/%7euser/%c3%a9%2f", "http://host/~user/%C3%A9%2F"),
            ("http://host/a/./b/../c/", "http://host/a/c"),
            ("http://host/%2e%2e/a", "http://host/a"),
            ("http://host/100%", "http://host/100%"),
        ] {
            assert_eq!(base_url(url).unwrap(), base, "{url}");
            assert_eq!(base_url(base).unwrap(), base, "what is normal stays as it is");
        }
    }

    #[test]
    fn what_is_not_a_base_url_is_refused() {
        let urls = ["", "host:80", "ftp://host", "http://u:p@host", "http://host/?a=1", "http://host/#x", "http://"];
        let ports = ["http://host:85836", "http://host:abc/api", "http://host:0", "http://host:", "http://[::1]:x"];
        let hosts = ["http://[::1]18778", "http://[]:80", "http://:80", "http://host:+80", "http://host:80:80"];
        for url in urls.into_iter().chain(ports).chain(hosts) {
            assert_eq!(base_url(url).unwrap_err().kind(), Kind::Usage, "{url}");
        }
        for url in ["http://host/api/comments/7/", "http://host/posts/2"] {
            let base = base_url(url).unwrap();
            assert_eq!(require_api(&base, &JSON_SERVER).unwrap_err().kind(), Kind::Usage, "{url}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        for (base, host, port) in
            [("http://host/api", "host", 80), ("https://host", "host", 443), ("http://[::1]:3000", "::1", 3000)]
        {
            assert_eq!(host_and_port(base), Some((host.to_owned(), port)), "{base}");
        }
    }
}
