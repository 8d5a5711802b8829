//! A request as plain data: the handlers know nothing of sockets.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tiny_http::Method;

use super::percent;
use crate::http::{self, Fields};

/// A whole request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, decoded.
    pub path: String,
    /// What is behind the `?`, as it came.
    pub query: String,
    fields: Fields,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Names the request in the log and in `X-Request-Id`: 16 hexadecimal digits.
    pub id: String,
}

impl From<http::HttpRequest> for Request {
    fn from(incoming: http::HttpRequest) -> Self {
        let http::HttpRequest { method, target, fields, body, peer: _ } = incoming;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (path, query) = (percent::decode_path(path), query.to_owned());
        Self { method, path, query, fields, body, id: new_id() }
    }
}

impl Request {
    /// Returns a header; values of one name are joined by commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Returns a parameter of the query; the last one of a name wins.
    pub fn param(&self, name: &str) -> Option<String> {
        percent::pairs(&self.query).filter(|(has, _)| has == name).last().map(|(_, value)| value)
    }

    /// Says whether the method reads an object.
    pub fn reads(&self) -> bool {
        matches!(self.method, Method::Get | Method::Head)
    }
}

/// Returns 16 hexadecimal digits, other ones each time. They start anywhere, so that two processes share none; nothing
/// depends on their being hard to guess, and asking the kernel each time would cost a system call.
fn new_id() -> String {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| {
        let mut bytes = [0_u8; 8];
        if let Err(error) = getrandom::fill(&mut bytes) {
            log::warn!("no random numbers for request ids: {error}");
        }
        u64::from_be_bytes(bytes)
    });
    // SplitMix64 (Steele, Lea, Flood 2014): a bijection, so that no two counts give the same.
    let mut id = start.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", id ^ (id >> 31))
}

/// A request without a body, for tests.
#[cfg(test)]
impl Request {
    /// Makes a request of a method and a target such as `/news/posts/?page=2`.
    pub fn new(method: &str, target: &str) -> Self {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let (method, target) = (method.parse().unwrap_or(Method::Get), target.to_owned());
        http::HttpRequest { method, target, fields: Fields::default(), body: Vec::new(), peer }.into()
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.fields.add(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let table = [
            ("/news/%70osts/?page=2&x=%20", "/news/posts/", "page=2&x=%20"),
            ("/a?", "/a", ""),
            ("/a?b?c", "/a", "b?c"),
            ("/%ff", "/\u{fffd}", ""),
            ("*", "*", ""),
        ];
        for (target, path, query) in table {
            let request = Request::new("GET", target);
            assert_eq!((request.path.as_str(), request.query.as_str()), (path, query), "{target}");
        }
        let mut request = Request::new("GET", "/?page=1&page=2&page_size=");
        request.add_header("Accept", "a/b");
        request.add_header("ACCEPT", "c/d");
        assert_eq!(request.header("accept"), Some("a/b,c/d"));
        assert_eq!(
            (request.param("page").as_deref(), request.param("page_size").as_deref(), request.param("x")),
            (Some("2"), Some(""), None)
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(method in ".*", target in ".*") {
            Request::new(&method, &target).param("page");
        }
    }
}
