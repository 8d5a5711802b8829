use proptest::prelude::*;

use super::*;
use clap::Parser as _;

use crate::args::Cli;
use crate::secret::Secret;
use crate::settings::{Layers, Settings};

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The settings of a command without any.
fn settings() -> Settings {
    let cli = Cli::try_parse_from(["news", "parked"]).unwrap();
    Settings::new(&cli.global, Layers::default()).unwrap()
}

/// A service whose database cannot be reached.
fn lonely() -> Service {
    let secret = Secret::new("k".repeat(32));
    let listen = SocketAddr::from(([127, 0, 0, 1], 8000));
    // Port 9 is "discard": nobody listens there, and a refusal is quick.
    let url = Secret::new("postgresql://nobody@127.0.0.1:9/none?connect_timeout=1".to_owned());
    Service::new(
        Tokens::new(&secret, None).unwrap(),
        Allowed { proxy: ProxyTrust::None, origins: Origins::new(&[]), replica_writes: ReplicaWrites::Staff },
        listen,
        (&url, 8),
        (Box::new(|| None), Desk::new(ConsoleMode::Act, &settings(), &url)),
    )
}

fn ask(request: &Request) -> Response {
    answer(&lonely(), request, &routes::find(&request.path))
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(method, target);
    for (name, value) in headers {
        request.add_header(name, value);
    }
    request
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(has, _)| *has == name).map(|(_, value)| value.as_str())
}

fn text(response: &Response) -> &str {
    match &response.body {
        response::Body::Empty => "",
        response::Body::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
        response::Body::List(..) | response::Body::Rows(..) | response::Body::Prints(..) => {
            panic!("a list of a database that is not there")
        }
    }
}

#[test]
fn the_order_of_the_checks() {
    let xml = ("Accept", "application/xml");
    let html = ("Accept", "text/html");
    let browser = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    let table: [(&str, &str, Headers<'_>, u16); 26] = [
        ("GET", "/nothing/", &[xml], 404),
        ("GET", "/news/posts", &[xml], 301),
        ("PATCH", "/news/posts", &[], 301),
        ("GET", "/news/posts/", &[xml], 406),
        ("PATCH", "/news/posts/", &[xml], 406),
        ("PATCH", "/news/posts/", &[], 401),
        ("GET", "/news/posts/abc/", &[], 401),
        ("GET", "/news/posts/abc/comments/", &[], 404),
        ("GET", "/api-auth/token/", &[("Authorization", "Bearer x")], 405),
        ("GET", "/api-auth/token/", &[xml], 406),
        ("OPTIONS", "/api-auth/token/", &[], 200),
        ("POST", "/api-auth/token/", &[], 400),
        ("GET", "/news/", &[("Authorization", "Bearer x")], 200),
        ("POST", "/healthz", &[xml], 405),
        ("GET", "/healthz", &[xml], 200),
        ("HEAD", "/api-auth/token/", &[], 405),
        ("GET", "/news/posts/", &[html], 303),
        ("HEAD", "/news/", &[html], 303),
        ("POST", "/news/posts/", &[html], 406),
        ("GET", "/news/posts/", &[browser], 401),
        ("GET", "/nothing/", &[html], 404),
        ("GET", "/", &[browser], 303),
        ("HEAD", "/", &[html], 303),
        ("POST", "/", &[browser], 404),
        ("GET", "/", &[("Accept", "*/*")], 404),
        ("GET", "/", &[], 404),
    ];
    for (method, target, headers, status) in table {
        assert_eq!(ask(&request(method, target, headers)).status, status, "{method} {target} {headers:?}");
    }
}

#[test]
fn without_a_database_it_is_503_and_says_when_to_come_back() {
    let token = lonely().tokens.issue(TokenType::Access, 1).unwrap();
    let bearer = format!("Bearer {token}");
    let routes = [
        ("GET", "/news/posts/"),
        ("POST", "/news/posts/"),
        ("PATCH", "/news/posts/"),
        ("OPTIONS", "/news/posts/"),
        ("GET", "/news/posts/1/"),
        ("GET", "/news/posts/abc/"),
        ("PUT", "/news/posts/1/"),
        ("DELETE", "/news/comments/1/"),
        ("GET", "/readyz"),
    ];
    for (method, target) in routes {
        let response = ask(&request(method, target, &[("Authorization", &bearer)]));
        assert_eq!(response.status, 503, "{method} {target}");
        assert_eq!(header(&response, "Retry-After"), Some("1"));
        assert!(text(&response).starts_with("{\"detail\":\""));
    }
}

#[test]
fn a_missing_slash_is_added() {
    let table = [
        ("/news/posts?page=2&x=%20y", "/news/posts/?page=2&x=%20y"),
        ("/news/%70osts/7", "/news/posts/7/"),
        ("/news/posts/a%0d%0ab", "/news/posts/a%0D%0Ab/"),
        ("/news/posts?a=\r\nSet-Cookie: x\u{e9}", "/news/posts/?a=%0D%0ASet-Cookie:%20x%C3%A9"),
    ];
    for (target, location) in table {
        let response = ask(&request("DELETE", target, &[]));
        assert_eq!((response.status, header(&response, "Location"), text(&response)), (301, Some(location), ""));
    }
}

#[test]
fn links_name_the_host_the_client_used() {
    let forwarded = [("Host", "a:1"), ("X-Forwarded-Host", "b"), ("X-Forwarded-Proto", "https")];
    let table: [(Headers<'_>, ProxyTrust, Option<&str>); 7] = [
        (&[("Host", "localhost:9999")], ProxyTrust::None, Some("http://localhost:9999/news/posts/")),
        (&[("Host", "[::1]:80")], ProxyTrust::None, Some("http://[::1]:80/news/posts/")),
        (&[], ProxyTrust::None, Some("http://127.0.0.1:8000/news/posts/")),
        (&[("Host", "a/b")], ProxyTrust::None, None),
        (&[("Host", "a\"b")], ProxyTrust::None, None),
        (&forwarded, ProxyTrust::None, Some("http://a:1/news/posts/")),
        (&forwarded, ProxyTrust::Trusted, Some("https://b/news/posts/")),
    ];
    for (headers, proxy, link) in table {
        let mut service = lonely();
        service.allowed.proxy = proxy;
        let request = request("GET", "/news/", headers);
        let response = answer(&service, &request, &routes::find(&request.path));
        match link {
            Some(link) => assert_eq!(text(&response), format!("{{\"posts\":\"{link}\"}}")),
            None => assert_eq!(response.status, 400, "{headers:?}"),
        }
    }
}

#[test]
fn every_answer_tells_browsers_what_not_to_make_of_it() {
    for (method, target) in [("GET", "/news/"), ("GET", "/nothing"), ("GET", "/news/posts"), ("GET", "/news/docs/")] {
        let response = ask(&request(method, target, &[]));
        let found = ["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"]
            .map(|name| response.headers.iter().filter(|(has, _)| *has == name).count());
        assert_eq!(found, [1; 4], "{method} {target}");
    }
    let moved = ask(&request("GET", "/news/posts/1/", &[("Accept", "text/html")]));
    assert_eq!(header(&moved, "Location"), Some("/news/docs/"));
}

#[test]
fn every_rest_answer_says_what_is_allowed() {
    for (method, target) in [("GET", "/news/"), ("GET", "/news/posts/"), ("PUT", "/api-auth/token/")] {
        let response = ask(&request(method, target, &[]));
        assert!(
            header(&response, "Allow").is_some() && header(&response, "Vary") == Some("Accept"),
            "{method} {target}"
        );
    }
}

#[test]
fn pages_of_other_origins() {
    type Row<'a> = (&'a [String], &'a str, Headers<'a>, u16, Option<&'a str>);
    const PREFLIGHT: (&str, &str) = ("Access-Control-Request-Method", "PUT");
    let (ours, evil) = (("Origin", "https://app.example"), ("Origin", "https://evil.example"));
    let exact = ["https://app.example".to_owned(), "http://localhost:5173".to_owned()];
    let table: [Row<'_>; 9] = [
        (&exact, "OPTIONS", &[ours, PREFLIGHT], 204, Some("https://app.example")),
        (&exact, "OPTIONS", &[ours], 401, Some("https://app.example")),
        (&exact, "OPTIONS", &[evil, PREFLIGHT], 401, None),
        (&exact, "GET", &[ours], 401, Some("https://app.example")),
        (&exact, "GET", &[evil], 401, None),
        (&exact, "GET", &[("Origin", "https://app.example.evil")], 401, None),
        (&["*".to_owned()], "OPTIONS", &[evil, PREFLIGHT], 204, Some("*")),
        (&["*".to_owned()], "PATCH", &[evil], 401, Some("*")),
        (&[], "OPTIONS", &[ours, PREFLIGHT], 401, None),
    ];
    for (origins, method, headers, status, allowed) in table {
        let mut service = lonely();
        service.allowed.origins = Origins::new(origins);
        let request = request(method, "/news/posts/1/", headers);
        let response = answer(&service, &request, &routes::find(&request.path));
        let found = (response.status, header(&response, "Access-Control-Allow-Origin"));
        assert_eq!(found, (status, allowed), "{origins:?} {method} {headers:?}");
        assert_eq!(header(&response, "Access-Control-Allow-Methods").is_some(), status == 204);
        let varies = header(&response, "Vary").is_some_and(|value| value.ends_with("Origin"));
        assert_eq!(varies, origins.len() == 2, "{response:?}");
    }
}

proptest! {
    #[test]
    fn never_panics_and_always_answers(
        method in "(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|[A-Z]{1,9})",
        path in "(/(news|posts|comments|api-auth|token|verify|refresh|healthz|-?[0-9]{1,25}|[^/]{0,6})){0,5}/?",
        query in "(\\?[a-z_=&%0-9+]{0,20})?",
        accept in proptest::option::of("[a-z/*;,= ]{0,30}"),
        authorization in proptest::option::of("(Bearer )?[A-Za-z0-9._ -]{0,40}"),
        content_type in proptest::option::of("(application/json|application/x-www-form-urlencoded|multipart/form-data; boundary=a|[a-z/]{0,9})"),
        host in proptest::option::of("[^\r\n]{0,20}"),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut request = Request::new(&method, &format!("{path}{query}"));
        let headers = [("accept", accept), ("authorization", authorization), ("content-type", content_type), ("host", host)];
        for (name, value) in headers {
            if let Some(value) = value {
                request.add_header(name, &value);
            }
        }
        request.body = body;
        let response = ask(&request);
        prop_assert!((200..=503).contains(&response.status) && response.status != 500, "{}", response.status);
        for (name, value) in &response.headers {
            prop_assert!(value.bytes().all(|b| matches!(b, b' '..=b'~')), "{name}: {value:?}");
        }
    }
}
