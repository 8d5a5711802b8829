//! WordPress, with a MariaDB of its own: Debian's packages, which need no network and no web server.
//!
//! `NEWS_WORDPRESS` names the directory of WordPress; `scripts/test profiles` installs it. Without it there is no server, and a
//! line says so.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Db, News, Reaper, Running, served, server_user, wait_until};

/// The user that `install.php` makes.
const USER: &str = "ada";
/// Processes that answer requests.
const WORKERS: &str = "4";

/// An empty WordPress, gone when dropped.
#[derive(Debug)]
pub struct WordPress {
    base: String,
    password: String,
    _running: Running,
    _database: Reaper,
}

impl WordPress {
    /// Starts one on a free port.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("NEWS_WORDPRESS") else {
            println!("skipped: NEWS_WORDPRESS does not name the directory of WordPress");
            return None;
        };
        let (folder, database) = database();
        let php = |arguments: &[&str]| {
            let mut command = Command::new("php");
            // A new site tells its owner so.
            command.args(["-d", "sendmail_path=/bin/true"]).args(arguments).current_dir(&folder);
            command.env("WORDPRESS", &program).env("SOCKET", folder.join("socket"));
            command.env("PHP_CLI_SERVER_WORKERS", WORKERS);
            command
        };
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wordpress");
        let installed = php(&[&format!("{scripts}/install.php")]).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        let password = String::from_utf8(installed.stdout).unwrap();
        let serve = |free: SocketAddr| php(&["-S", &free.to_string(), "-t", scripts]);
        let (running, free) = served("/index.php/wp-json/", serve);
        let base = format!("http://{free}/index.php/wp-json/wp/v2");
        Some(Self { base, password, _running: running, _database: database })
    }

    /// Returns the base URL, as the profile means it.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns the binary on `db`, with this WordPress at `url` as its target.
    pub fn news(&self, db: &Db, url: &str) -> News {
        let news = News::on(db).env("NEWS_TARGET_URL", url).env("NEWS_TARGET_PROFILE", "wordpress");
        news.env("NEWS_TARGET_USER", USER).env("NEWS_TARGET_PASSWORD", &self.password)
    }
}

/// Starts a MariaDB that listens on `socket` in the directory that is returned.
#[expect(clippy::zombie_processes, reason = "the reaper ends it")]
fn database() -> (PathBuf, Reaper) {
    let folder = tempfile::Builder::new().prefix("news-wordpress-").tempdir_in("/tmp").unwrap().keep();
    let user = server_user();
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    let end = format!("kill -9 $(cat '{0}/pid'); cd /; rm -rf '{0}'", folder.display());
    let reaper = Reaper::new(&folder, &end, user);
    let command = |program: &str| {
        let mut command = Command::new(program_path(program));
        command.arg("--no-defaults").current_dir(&folder).stdout(Stdio::null()).process_group(0);
        // At its start a server clears away what it finds in there.
        command.arg(format!("--tmpdir={}", folder.display()));
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    let at = |name: &str| folder.join(name).display().to_string();
    let mut install = command("mariadb-install-db");
    install
        .arg(format!("--datadir={}", at("data")))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    let installed = install.stderr(Stdio::piped()).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
    let mut server = command("mariadbd");
    server.arg(format!("--datadir={}", at("data"))).arg(format!("--socket={}", at("socket")));
    server.arg(format!("--pid-file={}", at("pid"))).args(["--skip-networking", "--innodb-flush-log-at-trx-commit=0"]);
    server.stderr(Stdio::null()).spawn().unwrap();
    wait_until("MariaDB has made a database", || {
        let mut client = Command::new("mariadb");
        client.arg("--no-defaults").arg(format!("--socket={}", at("socket"))).args(["--user=root", "--execute"]);
        client.arg("CREATE DATABASE IF NOT EXISTS wordpress").stdout(Stdio::null()).stderr(Stdio::null());
        client.status().is_ok_and(|status| status.success())
    });
    (folder, reaper)
}

/// Returns where a program is: a server's may not be on the path of an ordinary user.
fn program_path(name: &str) -> PathBuf {
    let server = Path::new("/usr/sbin").join(name);
    if server.is_file() { server } else { name.into() }
}
