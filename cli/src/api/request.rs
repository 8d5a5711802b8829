//! A request as plain data: the handlers know nothing of sockets.

use std::collections::BTreeMap;

use super::percent;

/// A method, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: GET without the body.
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Anything else: no route offers it.
    Other(String),
}

impl Method {
    /// Reads a method's name, which is case-sensitive (RFC 9110, section 9.1).
    pub fn new(name: &str) -> Self {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            other => Method::Other(other.to_owned()),
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other(name) => name,
        }
    }
}

/// A whole request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, decoded.
    pub path: String,
    /// What is behind the `?`, as it came.
    pub query: String,
    headers: BTreeMap<String, String>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Names the request in the log and in `X-Request-Id`.
    pub id: String,
    /// Who asks, as `ip:port`.
    pub peer: String,
}

impl Request {
    /// Makes a request of a method and a target such as `/news/posts/?page=2`.
    pub fn new(method: &str, target: &str) -> Self {
        // Only a proxy is sent an absolute form (RFC 9112, section 3.2.2), but a server takes it, too.
        let target = match target
            .strip_prefix("http://")
            .map(|rest| rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")))
        {
            Some(origin_form) => origin_form,
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: Method::new(method),
            path: percent::decode_path(path),
            query: query.to_owned(),
            headers: BTreeMap::new(),
            body: Vec::new(),
            id: String::new(),
            peer: String::new(),
        }
    }

    /// Adds a header; values of one name are joined by commas (RFC 9110, section 5.3).
    pub fn add_header(&mut self, name: &str, value: &str) {
        let joined = self.headers.entry(name.to_ascii_lowercase()).or_default();
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }

    /// Returns a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns a parameter of the query; the last one of a name wins.
    pub fn param(&self, name: &str) -> Option<String> {
        percent::pairs(&self.query).filter(|(has, _)| has == name).last().map(|(_, value)| value)
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
            ("http://host:1/a?b", "/a", "b"),
            ("http://host", "/", ""),
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
