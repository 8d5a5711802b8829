//! PgBouncer in transaction mode: the API goes through it, all else says why not.

use super::SECRET;
use crate::support::{Bouncer, Http, News, OwnPg, wait_until};

#[test]
fn the_api_goes_through_a_pooler_and_a_sync_does_not() {
    let server = OwnPg::start(|_| {});
    News::with_url(&server.url()).run(["db", "migrate"]).ok();
    News::with_url(&server.url()).run_with(["user", "add", "ada", "--staff"], "a password\n").ok();
    // As it comes, it takes no settings with a connection; as most run it, it drops them silently.
    for settings in ["", "ignore_startup_parameters = options,extra_float_digits"] {
        let Some(bouncer) = Bouncer::start(&server, settings) else { return };
        let pooled = News::with_url(&bouncer.url()).env("NEWS_JWT_SECRET", SECRET);
        for command in [&["sync"][..], &["status"], &["db", "migrate"], &["user", "list"]] {
            let refused = pooled.run(command).expect_code(2);
            assert!(refused.stderr.contains("Use the URL of the server"), "{command:?}: {}", refused.stderr);
        }
        let direct = News::with_url(&server.url()).env("NEWS_JWT_SECRET", SECRET);
        let token = direct.run(["token", "ada"]).ok().stdout.trim().to_owned();
        let mut running = pooled.spawn(["serve", "--listen", "127.0.0.1:0"]);
        let base = format!("http://{}", running.address());
        // More clients at once than the pooler has sessions: each request meets another one.
        std::thread::scope(|scope| {
            for n in 0..8 {
                let http = Http::new(&base).bearer(&token);
                scope.spawn(move || {
                    for _ in 0..10 {
                        round(&http, n);
                    }
                });
            }
        });
        // The console needs sessions of its own, and says so.
        let http = Http::new(&base).bearer(&token);
        let session = http.get("/news/sync/session/");
        assert_eq!((session.status, &session.json()["target_readable"]), (200, &false.into()), "{}", session.text);
        for path in ["overview/", "left/", "posts/1/", "posts/1/target/", "prints/posts/?side=master"] {
            let refused = http.get(&format!("/news/sync/{path}"));
            assert_eq!((refused.status, &refused.json()["code"]), (409, &"pooler".into()), "{path}: {}", refused.text);
        }
        let login = Http::new(&base);
        let body = r#"{"username":"ada","password":"a password"}"#;
        assert_eq!(login.send("POST", "/api-auth/token/", body).status, 200);
        assert!(running.stderr().contains("a connection pooler"), "{}", running.stderr());
    }
}

/// Every statement of the API once.
fn round(http: &Http, n: usize) {
    let post = http.send("POST", "/news/posts/", &format!(r#"{{"title":"t{n}","body":"b"}}"#));
    assert_eq!(post.status, 201, "{}", post.text);
    let id = &post.json()["id"];
    let path = format!("/news/posts/{id}/");
    let comment = http.send(
        "POST",
        &format!("{path}comments/"),
        &format!(r#"{{"post":{id},"name":"n","email":"a@example.org","body":"b"}}"#),
    );
    assert_eq!(comment.status, 201, "{}", comment.text);
    let changed = http.send("PUT", &path, r#"{"title":"other","body":"b"}"#);
    assert_eq!(changed.json()["title"], "other", "{}", changed.text);
    for path in [&path, &format!("{path}comments/"), "/news/posts/", "/news/posts/?all=true", "/metrics", "/readyz"] {
        let read = http.get(path);
        assert_eq!(read.status, 200, "{path}: {}", read.text);
    }
    let gone = http.try_send("DELETE", &path, None).unwrap();
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(http.get(&path).status, 404);
}

#[test]
fn several_hosts_are_tried_until_one_takes_writes() {
    let server = OwnPg::start(|_| {});
    let port = server.port();
    let direct = News::with_url(&server.url());
    direct.run(["db", "migrate"]).ok();
    // Nobody at the first one, something that says nothing at the second.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_port = mute.local_addr().unwrap().port();
    let url =
        format!("postgresql://tester@127.0.0.1:1,127.0.0.1:{mute_port},127.0.0.1:{port}/postgres?connect_timeout=1");
    News::with_url(&url).run(["status"]).ok();
    server.client().batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    server.client().batch_execute("SELECT pg_reload_conf()").unwrap();
    wait_until("it takes no writes", || {
        let row = server.client().query_one("SHOW transaction_read_only", &[]).unwrap();
        row.get::<_, String>(0) == "on"
    });
    let refused = News::with_url(&format!("postgresql://tester@127.0.0.1:1,127.0.0.1:{port}/postgres"))
        .run(["status"])
        .expect_code(8);
    for said in ["127.0.0.1:1: ", "nothing listens at 127.0.0.1:1", "is a standby"] {
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}
