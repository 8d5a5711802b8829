//! What is there for machines: the OpenAPI document and its page, numbers for Prometheus, systemd.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use serde_json::json;

use super::wire::Wire;
use super::{SECRET, Service};
use crate::support::{DEADLINE, Db, News, Running, wait_until};

#[test]
fn the_document_describes_what_is_served_and_its_page_needs_nothing_else() {
    let service = super::console::for_staff(&[], |news| news);
    let get = |path: &str| service.wire().send("GET", path, &[], None).unwrap().expect(200);
    let document = get("/news/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        // What an operation says of its methods is what Allow says.
        let path = path.replace("{id}", "1").replace("{post_id}", "1");
        let allow = service.ask("OPTIONS", &path, None).expect(200).header("allow").unwrap().to_owned();
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let described = item.get(method.to_ascii_lowercase()).is_some();
            assert_eq!(allow.contains(method), described, "{method} {path}");
        }
    }
    let page = get("/news/docs/");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    for file in ["docs.css", "docs.js"] {
        assert!(page.text().contains(&format!("\"{file}\"")));
        let text = get(&format!("/news/docs/{file}")).text();
        for word in ["http://", "https://", "@import", "url("] {
            assert!(!text.contains(word) && !page.text().contains(word), "{file}: {word}");
        }
    }
    let moved = service.wire().send("GET", "/news/docs", &[], None).unwrap().expect(301);
    assert_eq!(moved.header("location"), Some("/news/docs/"));
}

#[test]
fn numbers_of_routes_connections_and_database() {
    let service = Service::start();
    service.posts(3, 10);
    service.ask("GET", "/news/posts/1/", None).expect(200);
    service.ask("GET", "/news/posts/2/", None).expect(200);
    service.ask("GET", "/news/posts/9/", None).expect(404);
    service.ask("GET", "/nowhere/1", None).expect(404);
    let metrics = || service.wire().send("GET", "/metrics", &[], None).unwrap().expect(200);
    let reply = metrics();
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "news_http_requests_total{route=\"/news/posts/{id}/\",status=\"200\"} 2",
        "news_http_requests_total{route=\"/news/posts/{id}/\",status=\"404\"} 1",
        "news_http_requests_total{route=\"none\",status=\"404\"} 1",
        "news_http_request_duration_seconds_count{route=\"/news/posts/{id}/\"} 3",
        "news_pending_events 3",
        "news_database_up 1",
        "news_http_panics_total 0",
        "news_http_refusals_total{status=\"413\"} 0",
    ] {
        assert!(reply.text().lines().any(|has| has == line), "{line} is not in\n{}", reply.text());
    }
    let value = |name: &str| {
        let text = metrics().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse::<f64>().unwrap()
    };
    assert!(value("news_database_sessions") >= 1.0 && value("news_http_connections_open") >= 1.0);
    let mib = value("process_resident_memory_bytes") / 1024.0 / 1024.0;
    assert!((1.0..1000.0).contains(&mib) && value("process_cpu_seconds_total") > 0.0);
    // Connections that stay open are a file and a thread each.
    let fewest = || value("process_open_fds").min(value("process_threads"));
    assert!(fewest() < 64.0 && value("process_max_fds") > 64.0);
    let wires: Vec<Wire> = (0..64).map(|_| service.wire()).collect();
    wait_until("64 files and threads", || fewest() >= 64.0);
    drop(wires);
    wait_until("they are gone", || value("process_open_fds").max(value("process_threads")) < 64.0);
    // Each sample's family is declared, once.
    let text = reply.text();
    let mut declared = Vec::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            declared.push(family.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            let family = declared.last().expect("declared");
            assert!(line.starts_with(family), "{line} below {family}");
        }
    }
    let count = declared.len();
    declared.sort_unstable();
    declared.dedup();
    assert_eq!(declared.len(), count);
}

#[test]
fn a_page_of_another_origin_may_ask_first() {
    let service = Service::start_with(&["--cors-origin", "https://app.example"], |news| news);
    let origin = ("Origin", "https://app.example");
    let preflight =
        [origin, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "authorization")];
    let reply = service.wire().send("OPTIONS", "/news/posts/1/", &preflight, None).unwrap().expect(204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(reply.header("access-control-allow-methods").unwrap().contains("PUT"));
    assert!(reply.header("access-control-allow-headers").unwrap().contains("Authorization"));
    let reply = service.ask_with("GET", "/news/posts/", &[origin], None).expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(reply.header("vary"), Some("Accept, Origin"));
    let refused = service.news.run(["serve", "--cors-origin", "https://app.example/"]);
    assert!(refused.expect_code(2).stderr.contains("without a path"));
}

#[test]
fn a_socket_of_systemd_is_taken_over_and_word_is_sent() {
    let db = Db::new();
    super::add_user(&db, "admin", "true");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    fcntl_setfd(&listener, FdFlags::empty()).unwrap();
    let news = News::on(&db).env("NEWS_JWT_SECRET", SECRET);
    let path = news.home().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let hear = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).expect("word from the service");
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    let inner = news.command(["serve"]);
    let mut command = Command::new("bash");
    let script = format!("exec 3<&{}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", listener.as_raw_fd());
    command.args(["-c", &script, "bash"]).arg(inner.get_program()).args(inner.get_args());
    command
        .env_clear()
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(news.home());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    // Whoever comes before the service is there waits.
    let mut early = Wire::open(address);
    early.push(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut running = Running::start(command);
    assert_eq!(hear(), "READY=1");
    assert_eq!(running.address(), address);
    assert_eq!(early.reply("GET").unwrap().expect(200).json(), json!({ "status": "ok" }));
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    running.signal(Signal::TERM);
    let mut word = String::new();
    wait_until("it says that it stops", || {
        word = hear();
        word != "WATCHDOG=1"
    });
    assert_eq!(word, "STOPPING=1");
    running.wait().expect_code(143);
    // The socket is still systemd's.
    Wire::open(address);
}
