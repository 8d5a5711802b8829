//! The routes: one description, from which requests are routed, `Allow` is made, metrics are
//! named, and the OpenAPI document is written.

use super::request::Method;

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Credentials -> a pair of tokens.
    TokenObtain,
    /// A refresh token -> an access token.
    TokenRefresh,
    /// Is a token good?
    TokenVerify,
    /// What there is.
    Root,
    /// The posts.
    Posts,
    /// A post.
    Post,
    /// A post's comments.
    PostComments,
    /// A comment.
    Comment,
    /// The process lives.
    Healthz,
    /// The database can be reached, and its schema is ours.
    Readyz,
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Bearers of an access token.
    Bearer,
}

/// Whose manners a route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Django REST framework's: negotiation, `Allow` on every answer, a slash at the end.
    Rest,
    /// A plain page for machines that watch the service.
    Plain,
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// What it leads to.
    pub endpoint: Endpoint,
    /// The path. `{id}` stands for a segment without a dot, `{number}` for an integer.
    pub pattern: &'static str,
    /// Its methods; GET brings HEAD with it, and OPTIONS is always there.
    pub methods: &'static [Method],
    /// Who may come in.
    pub access: Access,
    /// Whose manners it has.
    pub manners: Manners,
}

/// Every route.
pub const ROUTES: &[Route] = &[
    Route::rest(Endpoint::TokenObtain, "/api-auth/token/", &[Method::Post], Access::Public),
    Route::rest(Endpoint::TokenRefresh, "/api-auth/token/refresh/", &[Method::Post], Access::Public),
    Route::rest(Endpoint::TokenVerify, "/api-auth/token/verify/", &[Method::Post], Access::Public),
    Route::rest(Endpoint::Root, "/news/", &[Method::Get], Access::Public),
    Route::rest(Endpoint::Posts, "/news/posts/", &[Method::Get, Method::Post], Access::Bearer),
    Route::rest(Endpoint::Post, "/news/posts/{id}/", &[Method::Get, Method::Put, Method::Delete], Access::Bearer),
    Route::rest(Endpoint::PostComments, "/news/posts/{number}/comments/", &[Method::Get, Method::Post], Access::Bearer),
    Route::rest(Endpoint::Comment, "/news/comments/{id}/", &[Method::Get, Method::Put, Method::Delete], Access::Bearer),
    Route::plain(Endpoint::Healthz, "/healthz"),
    Route::plain(Endpoint::Readyz, "/readyz"),
];

/// Where a path leads.
#[derive(Debug)]
pub enum Found<'p> {
    /// To a route; with the segment that stood for the placeholder, empty without one.
    Route(&'static Route, &'p str),
    /// To a route, were there a slash at its end.
    SlashMissing,
    /// Nowhere.
    Nothing,
}

impl Route {
    const fn rest(endpoint: Endpoint, pattern: &'static str, methods: &'static [Method], access: Access) -> Self {
        Self { endpoint, pattern, methods, access, manners: Manners::Rest }
    }

    const fn plain(endpoint: Endpoint, pattern: &'static str) -> Self {
        Self { endpoint, pattern, methods: &[Method::Get], access: Access::Public, manners: Manners::Plain }
    }

    /// Says whether the route has this method.
    pub fn allows(&self, method: &Method) -> bool {
        match method {
            Method::Options => true,
            Method::Head => self.methods.contains(&Method::Get),
            Method::Get | Method::Post | Method::Put | Method::Delete | Method::Other(_) => {
                self.methods.contains(method)
            }
        }
    }

    /// Returns the value of `Allow`.
    pub fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::name).collect();
        if self.allows(&Method::Head) {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    /// Matches a decoded path. Returns what stands for the placeholder; without one, an empty text.
    fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut found = "";
        let (mut wanted, mut segments) = (self.pattern.split('/'), path.split('/'));
        loop {
            let (want, segment) = match (wanted.next(), segments.next()) {
                (None, None) => return Some(found),
                (Some(want), Some(segment)) => (want, segment),
                (_, _) => return None,
            };
            let fits = match want {
                "{id}" => !segment.is_empty() && !segment.contains('.'),
                "{number}" => is_integer(segment),
                literal => literal == segment,
            };
            if !fits {
                return None;
            }
            if want.starts_with('{') {
                found = segment;
            }
        }
    }
}

/// Finds the route of a decoded path.
pub fn find(path: &str) -> Found<'_> {
    let route_of = |path| ROUTES.iter().find_map(|route| route.matches(path).map(|segment| (route, segment)));
    if let Some((route, segment)) = route_of(path) {
        return Found::Route(route, segment);
    }
    let slashed = format!("{path}/");
    // Bound to a local: it borrows from `slashed`.
    let leads_somewhere = ROUTES.iter().any(|route| route.matches(&slashed).is_some());
    if leads_somewhere { Found::SlashMissing } else { Found::Nothing }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Reads the id in a path: nothing where it is no integer. Python's leniency (`+1`, `1_0`, other
/// scripts' digits) is not ours. Beyond bigint it is 0, which no object has.
pub fn id(segment: &str) -> Option<i64> {
    is_integer(segment).then(|| segment.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let table = [
            ("/news/", Some((Endpoint::Root, ""))),
            ("/news/posts/", Some((Endpoint::Posts, ""))),
            ("/news/posts/7/", Some((Endpoint::Post, "7"))),
            ("/news/posts/abc/", Some((Endpoint::Post, "abc"))),
            ("/news/posts/-7/comments/", Some((Endpoint::PostComments, "-7"))),
            ("/news/comments/7/", Some((Endpoint::Comment, "7"))),
            ("/api-auth/token/refresh/", Some((Endpoint::TokenRefresh, ""))),
            ("/healthz", Some((Endpoint::Healthz, ""))),
            ("/", None),
            ("", None),
            ("*", None),
            ("//news/posts/", None),
            ("/news//posts/", None),
            ("/news/posts//", None),
            ("/news/posts/1.5/", None),
            ("/news/posts/abc/comments/", None),
            ("/news/posts/+1/comments/", None),
            ("/news/comments/", None),
            ("/healthz/", None),
        ];
        for (path, expected) in table {
            let found = match find(path) {
                Found::Route(route, segment) => Some((route.endpoint, segment)),
                Found::Nothing => None,
                Found::SlashMissing => panic!("{path}"),
            };
            assert_eq!(found, expected, "{path}");
        }
        for path in
            ["/news", "/news/posts", "/news/posts/1", "/news/posts/abc", "/news/posts/1/comments", "/api-auth/token"]
        {
            assert!(matches!(find(path), Found::SlashMissing), "{path}");
        }
    }

    #[test]
    fn ids() {
        let table = [
            ("1", Some(1)),
            ("007", Some(7)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", Some(0)),
            ("99999999999999999999999999", Some(0)),
            ("-99999999999999999999999999", Some(0)),
            ("+1", None),
            ("1_0", None),
            ("１", None),
            (" 1", None),
            ("-", None),
            ("--1", None),
            ("abc", None),
            ("", None),
        ];
        for (segment, expected) in table {
            assert_eq!(id(segment), expected, "{segment}");
        }
    }

    #[test]
    fn methods() {
        for route in ROUTES {
            assert!(route.allows(&Method::Options));
            assert!(!route.allows(&Method::new("PATCH")) && !route.allows(&Method::new("get")));
            let expected = match route.endpoint {
                Endpoint::Posts | Endpoint::PostComments => "GET, POST, HEAD, OPTIONS",
                Endpoint::Post | Endpoint::Comment => "GET, PUT, DELETE, HEAD, OPTIONS",
                Endpoint::TokenObtain | Endpoint::TokenRefresh | Endpoint::TokenVerify => "POST, OPTIONS",
                Endpoint::Root | Endpoint::Healthz | Endpoint::Readyz => "GET, HEAD, OPTIONS",
            };
            assert_eq!(route.allow(), expected, "{}", route.pattern);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(path in ".*", segment in ".*") {
            find(&path);
            id(&segment);
        }
    }
}
