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
        ("/news/replica/comments/", Some((Endpoint::Replicas(Entity::Comment), ""))),
        ("/news/replica/comments/7/", Some((Endpoint::Replica(Entity::Comment), "7"))),
        ("/news/replica/posts/7/comments/", None),
        ("/news/replica/", None),
        ("/healthz/", None),
        ("/news/openapi.json", Some((Endpoint::OpenApi, ""))),
        ("/news/docs/docs.js", Some((Endpoint::Docs(DocPage::Js), ""))),
        ("/news/docs/x", None),
    ];
    for (path, expected) in table {
        let found = match find(path) {
            RouteMatch::Route(route, segment) => Some((route.endpoint, segment)),
            RouteMatch::Nothing => None,
            RouteMatch::SlashMissing(_) => panic!("{path}"),
        };
        assert_eq!(found, expected, "{path}");
    }
    for path in
        ["/news", "/news/posts", "/news/posts/1", "/news/posts/abc", "/news/posts/1/comments", "/api-auth/token"]
    {
        assert!(matches!(find(path), RouteMatch::SlashMissing(_)), "{path}");
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
    for route in all() {
        assert!(route.allows(&Method::Options));
        assert!(!route.allows(&Method::Patch) && !route.allows(&"get".parse().unwrap()));
        let expected = match route.endpoint {
            Endpoint::Posts | Endpoint::PostComments => "GET, POST, HEAD, OPTIONS",
            Endpoint::Post | Endpoint::Comment | Endpoint::Replica(_) => "GET, PUT, DELETE, HEAD, OPTIONS",
            Endpoint::TokenObtain
            | Endpoint::TokenRefresh
            | Endpoint::TokenVerify
            | Endpoint::Operator(
                Operator::Look | Operator::Retry | Operator::Discard | Operator::Hold | Operator::Release,
            ) => "POST, OPTIONS",
            Endpoint::Root
            | Endpoint::Replicas(_)
            | Endpoint::OpenApi
            | Endpoint::Docs(_)
            | Endpoint::Healthz
            | Endpoint::Readyz
            | Endpoint::Metrics
            | Endpoint::Console
            | Endpoint::Operator(_) => "GET, HEAD, OPTIONS",
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
