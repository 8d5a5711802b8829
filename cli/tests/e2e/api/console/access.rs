//! Who comes in, and what each mode allows.

use serde_json::json;

use super::{STAFF, for_staff};
use crate::api::wire::{Reply, Wire};
use crate::api::{Service, bearer};

/// Sends a request to the console's endpoints, with these header lines beside an empty form.
fn send(service: &Service, (method, path): (&str, &str), headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers);
    let body = (method == "POST").then_some(b"{}".as_slice());
    Wire::open(service.address).send(method, path, &all, body).unwrap()
}

#[test]
fn nobody_comes_in_without_a_token_of_a_user_who_is_staff() {
    let service = Service::start_with(&["--console", "act"], |news| news);
    let bearer = bearer();
    let all = STAFF.iter().map(|(method, path, _)| (*method, *path));
    for endpoint in all.clone() {
        send(&service, endpoint, &[]).expect(401);
        send(&service, endpoint, &[("Authorization", "Bearer x")]).expect(401);
        let refused = send(&service, endpoint, &[("Authorization", &bearer)]).expect(403);
        assert_eq!(refused.json()["code"], "not_staff", "{endpoint:?}");
    }
    // Who is not staff is told so, and no more.
    let session = service.ask("GET", "/news/sync/session/", None).expect(200).json();
    assert_eq!(
        (&session["username"], &session["staff"], &session["may_act"]),
        (&"admin".into(), &false.into(), &false.into())
    );
    assert_eq!((&session["target"], &session["mode"]), (&json!(null), &"act".into()));
    send(&service, ("GET", "/news/sync/session/"), &[]).expect(401);
    service.db.client().batch_execute("UPDATE auth_user SET is_staff = true, is_active = false").unwrap();
    for endpoint in all {
        assert_eq!(send(&service, endpoint, &[("Authorization", &bearer)]).expect(401).json()["code"], "user_inactive");
    }
}

#[test]
fn a_console_that_is_off_is_not_there() {
    let service = for_staff(&["--console", "off"], |news| news);
    let all = STAFF.iter().map(|(method, path, _)| (*method, *path));
    let more = [
        ("GET", "/news/console/"),
        ("GET", "/news/console"),
        ("GET", "/news/sync/session/"),
        ("GET", "/news/sync/overview"),
    ];
    let bearer = bearer();
    for endpoint in all.chain(more) {
        send(&service, endpoint, &[("Authorization", &bearer)]).expect(404);
    }
}

#[test]
fn a_console_that_reads_changes_nothing() {
    for service in [for_staff(&[], |news| news), for_staff(&[], |news| news.env("NEWS_SERVE_CONSOLE", "read"))] {
        for (method, path, _) in STAFF.iter().filter(|(_, _, acts)| *acts) {
            let refused = send(&service, (method, path), &[("Authorization", &bearer())]).expect(403);
            assert_eq!(refused.json()["code"], "read_only", "{path}");
        }
        send(&service, ("POST", "/news/sync/discard/?preview=true"), &[("Authorization", &bearer())]).expect(403);
        let session = service.ask("GET", "/news/sync/session/", None).expect(200).json();
        assert_eq!(
            (&session["staff"], &session["may_act"], &session["mode"]),
            (&true.into(), &false.into(), &"read".into())
        );
    }
}

#[test]
fn pages_of_other_origins_are_kept_out() {
    let service = for_staff(&["--console", "act", "--cors-origin", "*"], |news| news);
    let bearer = bearer();
    let (token, origin) = (("Authorization", bearer.as_str()), ("Origin", "https://evil.example"));
    for (method, path, _) in STAFF {
        for site in ["cross-site", "same-site", "none"] {
            let reply = send(&service, (method, path), &[token, origin, ("Sec-Fetch-Site", site)]);
            assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
            if method == "POST" {
                assert_eq!(reply.expect(403).json()["code"], "cross_site", "{path}");
            }
        }
        let preflight = [origin, ("Access-Control-Request-Method", method)];
        let reply = send(&service, ("OPTIONS", path), &preflight);
        assert!(reply.status == 401 && reply.header("access-control-allow-methods").is_none(), "{path}");
    }
    let reply = send(&service, ("GET", "/news/posts/"), &[token, origin]).expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn the_page_comes_with_a_policy_and_a_tag() {
    let service = for_staff(&[], |news| news);
    let page = send(&service, ("GET", "/news/console/"), &[]).expect(200);
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'", "trusted-types news"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        let values: Vec<&str> = page.headers.iter().filter(|(has, _)| has == name).map(|(_, value)| &**value).collect();
        assert_eq!(values, [value], "{name}");
    }
    let tag = page.header("etag").unwrap().to_owned();
    let again = send(&service, ("GET", "/news/console/"), &[("If-None-Match", &tag)]).expect(304);
    assert_eq!((again.header("etag"), again.body.len()), (Some(&*tag), 0));
    assert!(again.header("content-security-policy").is_some());
    for (path, status) in [("/news/console", 301), ("/news/console/nothing.js", 404), ("/news/console/../docs/", 404)] {
        send(&service, ("GET", path), &[]).expect(status);
    }
    send(&service, ("POST", "/news/console/"), &[]).expect(405);
}

#[test]
fn staff_are_made_and_unmade() {
    let service = Service::start();
    let news = &service.news;
    let added = news.run_with(["--json", "user", "add", "jo", "--staff"], "pw\n").ok().json();
    assert_eq!(added["change"], "added");
    let staff = || {
        let list = news.run(["--json", "user", "list"]).ok().json();
        list["users"].as_array().unwrap().iter().map(|user| user["staff"].as_bool().unwrap()).collect::<Vec<bool>>()
    };
    assert_eq!(staff(), [false, true]);
    assert_eq!(news.run(["--json", "user", "staff", "admin", "on"]).ok().json()["change"], "staff_on");
    assert_eq!(news.run(["--json", "user", "staff", "jo", "off"]).ok().json()["change"], "staff_off");
    assert_eq!(staff(), [true, false]);
    news.run(["user", "staff", "nobody", "on"]).expect_code(4);
    news.run(["user", "staff", "jo", "perhaps"]).expect_code(2);
    assert_eq!(service.ask("GET", "/news/sync/session/", None).expect(200).json()["staff"], true);
}

#[test]
fn files_of_the_page_are_sent_as_gzip_to_those_who_take_it() {
    use std::io::Read as _;
    let service = for_staff(&[], |news| news);
    let get = |name: &str, headers: &[(&str, &str)]| send(&service, ("GET", &format!("/news/console/{name}")), headers);
    for name in ["", "app.js", "views/acts.js", "console.css", "core.wasm"] {
        let plain = get(name, &[]).expect(200);
        let zipped = get(name, &[("Accept-Encoding", "br, gzip")]).expect(200);
        assert_eq!(
            (plain.header("content-encoding"), zipped.header("content-encoding")),
            (None, Some("gzip")),
            "{name}"
        );
        assert_eq!(zipped.header("vary"), Some("Accept-Encoding"), "{name}");
        assert_ne!(plain.header("etag"), zipped.header("etag"), "{name}");
        assert!(zipped.body.len() < plain.body.len() * 6 / 10, "{name}");
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&*zipped.body).read_to_end(&mut read).unwrap();
        assert_eq!(read, plain.body, "{name}");
        let tag = zipped.header("etag").unwrap();
        get(name, &[("Accept-Encoding", "gzip"), ("If-None-Match", tag)]).expect(304);
        get(name, &[("If-None-Match", tag)]).expect(200);
    }
    assert_eq!(get("app.js", &[("Accept-Encoding", "gzip;q=0")]).expect(200).header("content-encoding"), None);
}
