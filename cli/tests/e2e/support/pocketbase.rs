//! PocketBase, a target that people run, and a network in front of a target that loses requests and responses.
//!
//! `NEWS_POCKETBASE` names the program; `scripts/test profiles` installs it. Without it there is no server, and a line says
//! so.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Db, Http, News, Running, served};

const USER: &str = "news@example.org";
const PASSWORD: &str = "a password of 22 bytes";

/// A PocketBase with empty collections, stopped when dropped.
#[derive(Debug)]
pub struct PocketBase {
    base: String,
    _running: Running,
    _folder: TempDir,
}

impl PocketBase {
    /// Starts one on a free port, with the collections that the profile expects.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("NEWS_POCKETBASE") else {
            println!("skipped: NEWS_POCKETBASE does not name PocketBase");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let command = |args: &[&str]| {
            let mut command = Command::new(&program);
            // Beside its data it keeps migrations, which another one must not find.
            command.args(args).arg("--dir").arg(folder.path().join("data"));
            command
        };
        let upsert = command(&["superuser", "upsert", USER, PASSWORD]).output().unwrap();
        assert!(upsert.status.success(), "{upsert:?}");
        let serve = |free: SocketAddr| command(&["serve", "--http", &free.to_string()]);
        let (running, free) = served("/api/health", serve);
        let http = Http::new(&format!("http://{free}/api"));
        let login = json!({"identity": USER, "password": PASSWORD}).to_string();
        let login = http.send("POST", "/collections/_superusers/auth-with-password", &login).json();
        let http = http.authorization(login["token"].as_str().unwrap());
        let text = |name: &str| json!({"name": name, "type": "text"});
        let collection = |name: &str, fields: Value| -> String {
            let made = json!({"name": name, "type": "base", "fields": fields}).to_string();
            let made = http.send("POST", "/collections", &made);
            made.json()["id"].as_str().unwrap_or_else(|| panic!("{}", made.text)).to_owned()
        };
        let posts = collection("posts", json!([{"name": "userId", "type": "number"}, text("title"), text("body")]));
        let post = json!({
            "name": "postId", "type": "relation", "collectionId": posts, "cascadeDelete": true, "maxSelect": 1,
            "required": true,
        });
        collection("comments", json!([post, text("name"), text("email"), text("body")]));
        Some(Self { base: format!("http://{free}/api/collections"), _running: running, _folder: folder })
    }

    /// Returns the base URL, as a profile means it.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns the binary on `db`, with a PocketBase at `url` as its target and the credentials in the environment.
    pub fn news(db: &Db, url: &str) -> News {
        let news = News::on(db).env("NEWS_TARGET_URL", url).env("NEWS_TARGET_PROFILE", "pocketbase");
        news.env("NEWS_TARGET_USER", USER).env("NEWS_TARGET_PASSWORD", PASSWORD)
    }
}

/// A network in front of a target that loses some requests and some responses: the connection is cut.
#[derive(Debug)]
pub struct Lossy {
    port: u16,
    cuts: Arc<AtomicU64>,
}

impl Lossy {
    /// Relays to the server of `url`; of `of` messages from clients, one is cut off: every other time before it is passed
    /// on, else once the server has begun to answer. It relays until the test process ends.
    pub fn to(url: &str, of: u64) -> Self {
        let server = url.split_once("://").unwrap().1.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (messages, cuts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&cuts);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let (messages, cuts) = (Arc::clone(&messages), Arc::clone(&counted));
                thread::spawn(move || relay(client, server, of, &messages, &cuts));
            }
        });
        Self { port, cuts }
    }

    /// Returns `url` through it.
    pub fn url(&self, url: &str) -> String {
        let (_, rest) = url.split_once("://").unwrap();
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns how often it has cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

fn relay(mut client: TcpStream, mut server: TcpStream, of: u64, messages: &AtomicU64, cuts: &AtomicU64) {
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let is_doomed = Arc::new(AtomicU64::new(0));
    let doomed = Arc::clone(&is_doomed);
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if doomed.load(Ordering::Relaxed) > 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    });
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        // Spread without a pattern that a client could fall in step with (splitmix64).
        let number = messages.fetch_add(1, Ordering::Relaxed);
        let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        if (z >> 33).is_multiple_of(of) {
            if cuts.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                break;
            }
            is_doomed.store(1, Ordering::Relaxed);
        }
        if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
}
