//! PostgreSQL servers of a test's own: for what the shared cluster is too dear.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use postgres::{Client, NoTls};

use super::pg::binaries;
use super::{Reaper, server_user, wait_until};

/// A server, gone when dropped. Its superuser `tester` needs no password.
pub struct OwnPg {
    folder: PathBuf,
    port: u16,
    _reaper: Reaper,
}

impl OwnPg {
    /// Makes a cluster and starts it. `prepare` may change it before, in its folder, where `data` is.
    pub fn start(prepare: impl FnOnce(&Self)) -> Self {
        let server = Self::new();
        server.expect("initdb", &["-D", "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        prepare(&server);
        server.launch();
        server
    }

    /// Makes a copy of a running one that follows it.
    pub fn standby_of(primary: &Self) -> Self {
        let server = Self::new();
        let port = primary.port.to_string();
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "tester", "-D", "data", "-R", "-c", "fast", "-N"];
        server.expect("pg_basebackup", &from);
        server.launch();
        server
    }

    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("news-e2e-").tempdir_in("/tmp").unwrap().keep();
        let user = server_user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let pg_ctl = binaries().join("pg_ctl");
        let end = format!("'{}' -D data -m immediate stop; cd /; rm -rf '{}'", pg_ctl.display(), folder.display());
        let port = free_port();
        Self { _reaper: Reaper::new(&folder, &end, user), folder, port }
    }

    /// Starts it, also again after a crash.
    pub fn launch(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{}' -c fsync=off -c shared_buffers=16MB",
            self.port,
            self.folder.display()
        );
        self.expect("pg_ctl", &["-D", "data", "-l", "server.log", "-w", "-t", "60", "-o", &options, "start"]);
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its folder, which belongs to the server's user.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a URL over TCP.
    pub fn url(&self) -> String {
        format!("postgresql://tester@127.0.0.1:{}/postgres", self.port)
    }

    /// Connects through the socket.
    pub fn client(&self) -> Client {
        let url = format!("postgresql:///postgres?host={}&port={}&user=tester", self.folder.display(), self.port);
        Client::connect(&url, NoTls).unwrap()
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&self) {
        self.expect("pg_ctl", &["-D", "data", "-m", "immediate", "-w", "stop"]);
    }

    /// Sets the standbys that commits wait for: `nobody` for one that never comes, empty for none.
    pub fn set_synchronous_standbys(&self, names: &str) {
        let mut client = self.client();
        client.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        wait_until("it is in force", || {
            self.client().query_one("SHOW synchronous_standby_names", &[]).unwrap().get::<_, String>(0) == names
        });
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.expect("pg_ctl", &["-D", "data", "-w", "promote"]);
    }

    /// Runs one of PostgreSQL's programs, or another, as the server's user in its folder; it must end well.
    pub fn expect(&self, program: &str, args: &[&str]) -> Output {
        let output = self.command(program).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {said}");
        output
    }

    /// Returns a command of the server's user in its folder.
    pub fn command(&self, program: &str) -> Command {
        let own = binaries().join(program);
        let mut command = Command::new(if own.is_file() { own } else { program.into() });
        command.current_dir(&self.folder).env("LC_ALL", "C").process_group(0);
        if let Some((uid, gid)) = server_user() {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Writes a file that belongs to the server's user.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        if let Some((uid, gid)) = server_user() {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// Returns a port that nobody has this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A PgBouncer in transaction mode before a server, with fewer sessions than it has clients.
pub struct Bouncer {
    port: u16,
    child: std::process::Child,
}

impl Bouncer {
    /// Starts one with further settings; nothing where it is not installed.
    pub fn start(server: &OwnPg, settings: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = program.into_iter().find(|path| Path::new(path).is_file()) else {
            assert!(std::env::var_os("CI").is_none(), "PgBouncer is not installed");
            return None;
        };
        let port = free_port();
        let name = format!("bouncer-{port}");
        server.write(&format!("{name}.users"), "\"tester\" \"\"\n");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {name}.users\npool_mode = transaction\n\
             default_pool_size = 3\n{settings}\n",
            server.port()
        );
        server.write(&format!("{name}.ini"), &text);
        let child = server.command(program).arg("-q").arg(format!("{name}.ini")).spawn().unwrap();
        let bouncer = Self { port, child };
        wait_until("PgBouncer listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(bouncer)
    }

    /// Returns a URL of the same database through it.
    pub fn url(&self) -> String {
        format!("postgresql://tester@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
