//! Cross-origin requests (the Fetch standard, section 3.2): which pages of other origins may use the API.

use tiny_http::Method;

use super::request::Request;
use super::response::Response;
use super::routes::Route;

/// What a page may read beside what it may read anyway.
const EXPOSED: &str = "Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id";
/// What a page may send beside what it may send anyway.
const ACCEPTED: &str = "Authorization, Content-Type, If-Match, If-None-Match";
/// A browser may remember the answer for so long, in seconds; Chromium keeps none for longer than two hours.
const REMEMBERED_S: &str = "7200";

/// The origins that may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, as browsers write them: `https://app.example:8443`.
    These(Vec<String>),
}

impl Origins {
    /// Takes what the flags say: exact origins, or `*`.
    pub fn new(origins: &[String]) -> Self {
        if origins.iter().any(|origin| origin == "*") { Origins::Any } else { Origins::These(origins.to_vec()) }
    }

    /// Returns what an answer to a page of this origin says; nothing where it may not read it.
    fn allowed<'a>(&'a self, origin: &str) -> Option<&'a str> {
        match self {
            // Not the origin itself: no credentials come along by themselves, tokens are put in by the page.
            Origins::Any => Some("*"),
            Origins::These(origins) => origins.iter().find(|has| *has == origin).map(String::as_str),
        }
    }

    /// Adds what lets the page that asked read the answer.
    pub fn mark(&self, request: &Request, response: Response) -> Response {
        // A cache must not give one origin's answer to another one.
        let mut response = match self {
            Origins::These(origins) if !origins.is_empty() => vary_by_origin(response),
            Origins::These(_) | Origins::Any => response,
        };
        if let Some(allowed) = request.header("origin").and_then(|origin| self.allowed(origin)) {
            response = response
                .header("Access-Control-Allow-Origin", allowed)
                .header("Access-Control-Expose-Headers", EXPOSED);
        }
        response
    }

    /// Answers a preflight: the question whether a request to this route would be let through, asked without
    /// credentials. Returns nothing where the request is none, or where the origin may not.
    pub fn preflight(&self, request: &Request, route: &Route) -> Option<Response> {
        if request.method != Method::Options {
            return None;
        }
        request.header("access-control-request-method")?;
        self.allowed(request.header("origin")?)?;
        let response = Response::empty(204)
            .header("Access-Control-Allow-Methods", route.allow())
            .header("Access-Control-Allow-Headers", ACCEPTED)
            .header("Access-Control-Max-Age", REMEMBERED_S);
        Some(response)
    }
}

fn vary_by_origin(mut response: Response) -> Response {
    match response.headers.iter_mut().find(|(name, _)| *name == "Vary") {
        Some((_, value)) => value.push_str(", Origin"),
        None => response.headers.push(("Vary", "Origin".to_owned())),
    }
    response
}
