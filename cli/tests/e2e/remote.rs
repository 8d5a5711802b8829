//! The way to the target: proxies, caches, connections, and trouble that is our own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::told::{Scene, Threads, answer};
use crate::support::{Db, Fake, News, wait_until};

#[test]
fn every_get_asks_for_fresh_data() {
    let mut scene = Scene::new(Threads::Many);
    scene.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (101, 1, 'new', 'b')");
    scene.news().run(["sync"]).ok();
    scene.news().run(["diff"]).ok();
    scene.news().run(["doctor"]);
    let asked = scene.told.asked();
    let gets: Vec<_> = asked.iter().filter(|asked| asked.line.starts_with("GET")).collect();
    assert!(gets.len() > 4, "{gets:?}");
    for get in gets {
        assert_eq!(get.headers.get("cache-control").map(String::as_str), Some("no-cache"), "{}", get.line);
    }
}

#[test]
fn a_cache_between_hides_nothing_that_was_sent() {
    let mut scene = Scene::new(Threads::Many);
    scene.edit("INSERT INTO news_post (id, user_id, title, body) VALUES (101, 1, 'new', 'b')");
    // The post is there once it was posted, and the answer to that gets lost. A cache remembers that it was not there.
    let is_posted = Arc::new(Mutex::new(false));
    scene.told.tell(move |asked| {
        let mut is_posted = is_posted.lock().unwrap();
        let is_fresh = asked.headers.get("cache-control").is_some_and(|value| value == "no-cache");
        if asked.line == "GET /posts/101" && !(is_fresh && *is_posted) {
            return Some(answer(404, "", "{}"));
        }
        (asked.line == "POST /posts" && !std::mem::replace(&mut *is_posted, true)).then(Vec::new)
    });
    scene.told.change(|records| {
        records.insert(("posts".into(), 101), json!({"id": 101, "userId": 1, "title": "new", "body": "b"}));
    });
    scene.news().run(["sync"]).ok();
    let posts = scene.told.lines().iter().filter(|line| *line == "POST /posts").count();
    assert_eq!(posts, 1);
    assert!(scene.told.record("posts", 101).is_some());
}

#[test]
fn bytes_behind_an_answer_are_not_the_next_answer() {
    let mut scene = Scene::new(Threads::Many);
    scene.edit("UPDATE news_post SET title = 'x' WHERE id <= 3");
    scene.told.tell(|asked| {
        let first = answer(200, "", &asked.body);
        asked.line.starts_with("PUT").then(|| [first, answer(404, "", "{}")].concat())
    });
    scene.news().run(["sync", "--jobs", "1"]).ok();
    let asked = scene.told.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(lines, ["PUT /posts/1", "PUT /posts/2", "PUT /posts/3"]);
    let connections: Vec<usize> = asked.iter().map(|asked| asked.connection).collect();
    assert!(connections[0] < connections[1] && connections[1] < connections[2], "{connections:?}");
}

#[test]
fn a_server_with_one_thread_and_keep_alive_serves_all_connections_in_time() {
    let mut scene = Scene::new(Threads::One);
    for jobs in ["4", "8"] {
        scene.edit(&format!("UPDATE news_post SET title = '{jobs} jobs' WHERE id <= 40"));
        let begun = Instant::now();
        scene.news().run(["sync", "--jobs", jobs]).ok();
        // A request that is left in the backlog would time out after 30 s.
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        let mut lines = scene.told.lines();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 40, "{lines:?}");
    }
}

#[test]
fn trouble_before_anything_is_sent_is_told_plainly_and_leaves_no_doubt() {
    let mut scene = Scene::new(Threads::Many);
    scene.edit("UPDATE news_post SET title = 'x' WHERE id = 1");
    let (tls, plain) = (Tls::start(), Fake::start::<&str>([]));
    for (url, said) in [
        // The first one also by a run, which tries it as often as any trouble.
        (tls.url(), "not signed by a trusted CA"),
        (plain.url().replace("http:", "https:"), "it does not speak TLS there"),
        ("http://no-such-host.invalid".to_owned(), "its host name"),
    ] {
        let doctor = scene.news().run(["--target-url", &url, "doctor"]).expect_code(5).stdout;
        let synced = (url == tls.url()).then(|| scene.news().run(["--target-url", &url, "sync"]).expect_code(5).stderr);
        for text in synced.into_iter().chain([doctor]) {
            assert!(text.contains(said), "{url}: {text}");
            for word in ["Error", "InvalidCertificate", "rustls", "Os {", "io:", "kind:"] {
                assert!(!text.contains(word), "{word}: {text}");
            }
        }
    }
    // Nothing was sent: what the log says is still known, and nothing has to be asked for.
    scene.news().run(["sync"]).ok();
    assert_eq!(scene.told.lines(), ["PUT /posts/1"]);
}

#[test]
fn a_proxy_is_used_as_configured_and_named() {
    let (fake, db) = (Fake::start::<&str>([]), Db::new());
    let proxy = Proxy::to(fake.url());
    let news = || News::on(&db).env("NEWS_TARGET_URL", "http://target.example");
    let url = format!("http://me:s3cret@{}", proxy.address);
    let through = || news().env("HTTP_PROXY", &url);
    let imported = through().run(["import"]).ok();
    assert_eq!(proxy.tunnels(), ["target.example:80"]);
    let shown = format!("http://{}", proxy.address);
    let doctor = through().run(["doctor"]);
    assert!(doctor.stdout.contains(&format!("through the proxy {shown} (HTTP_PROXY)")), "{}", doctor.stdout);
    let config = through().run(["--json", "config"]).ok();
    let settings = config.json();
    let row = settings["settings"].as_array().unwrap().iter().find(|one| one["name"] == "proxy").unwrap().clone();
    assert_eq!(row["value"], shown.as_str());
    assert_eq!(row["from"], "environment HTTP_PROXY");
    for output in [imported, doctor, config] {
        assert!(!format!("{output:?}").contains("s3cret"));
    }

    let tunnels = proxy.tunnels().len();
    for exempt in ["target.example", ".example", "target.example:80", "*"] {
        let direct = through().env("NO_PROXY", exempt).run(["diff"]).expect_code(5);
        assert!(direct.stderr.contains("its host name"), "{exempt}: {}", direct.stderr);
    }
    // The proxy of the other scheme is none of this target's.
    let direct = news().env("HTTPS_PROXY", &url).run(["diff"]).expect_code(5);
    assert!(direct.stderr.contains("its host name"), "{}", direct.stderr);
    assert_eq!(proxy.tunnels().len(), tunnels);

    let dead = news().env("ALL_PROXY", "http://me:s3cret@127.0.0.1:1").run(["diff"]).expect_code(5);
    let said = "connection refused (through the proxy http://127.0.0.1:1 (ALL_PROXY))";
    assert!(dead.stderr.contains(said) && !dead.stderr.contains("s3cret"), "{}", dead.stderr);
    let socks = news().env("ALL_PROXY", "socks5://127.0.0.1:1").run(["diff"]).expect_code(2);
    assert!(socks.stderr.contains("ALL_PROXY: expected an HTTP proxy"), "{}", socks.stderr);
}

#[test]
fn one_target_has_one_url_however_it_is_written() {
    let scene = Scene::new(Threads::Many);
    let (scheme, rest) = scene.told.url().split_once(':').unwrap();
    let written = format!("{}:{rest}//", scheme.to_uppercase());
    let output = scene.news().env("NEWS_TARGET_URL", &written).run(["sync"]).ok();
    assert!(!output.stderr.contains("followed"), "{}", output.stderr);
}

/// A proxy for CONNECT that knows one target, whatever host is asked for.
struct Proxy {
    address: String,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(base: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, target) = (listener.local_addr().unwrap().to_string(), base.replace("http://", ""));
        let tunnels = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&tunnels);
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let (target, seen) = (target.clone(), Arc::clone(&seen));
                thread::spawn(move || {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        if client.read(&mut byte).unwrap_or(0) == 0 {
                            return;
                        }
                        head.extend(byte);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let host = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                    seen.lock().unwrap().push(host.to_owned());
                    let server = TcpStream::connect(target).unwrap();
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                    pass(client.try_clone().unwrap(), server.try_clone().unwrap());
                    pass(server, client);
                });
            }
        });
        Self { address, tunnels }
    }

    /// Returns the hosts that were asked for, each once.
    fn tunnels(&self) -> Vec<String> {
        let mut hosts = self.tunnels.lock().unwrap().clone();
        hosts.dedup();
        hosts
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        std::io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
}

/// An HTTPS server with a certificate that nobody trusts.
struct Tls {
    port: u16,
    server: Child,
    _folder: tempfile::TempDir,
}

impl Tls {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = |args: &str| {
            let mut command = Command::new("openssl");
            command.args(args.split(' ')).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                    -addext subjectAltName=DNS:localhost -keyout key -out crt";
        assert!(run(made).status().unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = run(&format!("s_server -accept 127.0.0.1:{port} -key key -cert crt -www")).spawn().unwrap();
        let tls = Self { port, server, _folder: folder };
        wait_until("openssl listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        tls
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}
