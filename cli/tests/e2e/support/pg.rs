//! PostgreSQL for the tests: a cluster per test process, a database per test.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};

use super::{News, Reaper, wait_until};

/// The superuser of the tests' cluster, and its password over TCP.
const USER: &str = "tester";
const PASSWORD: &str = "p@ss/word";
const TEMPLATE: &str = "news_template";

/// A cluster without care for its data, gone with the test process.
struct Cluster {
    folder: PathBuf,
    port: u16,
    _reaper: Reaper,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
/// The database that the others are copies of, migrated by the binary itself.
static MIGRATED: LazyLock<()> = LazyLock::new(|| {
    admin().batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).unwrap();
    News::with_url(&CLUSTER.socket_url(TEMPLATE)).run(["db", "migrate"]).ok();
    admin().batch_execute(&format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")).unwrap();
    // A database with a session in it is no template; the migrator's ends when the server has noticed.
    wait_until("nobody is connected to the template", || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        admin().query_one(query, &[&TEMPLATE]).unwrap().get::<_, i64>(0) == 0
    });
});

/// Returns (uid, gid) of the user that servers run as, where the tests run as root: PostgreSQL refuses to.
pub fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    ["postgres", "nobody"].iter().find_map(|user| Some((id("-u", user)?, id("-g", user)?)))
}

/// Returns the folder of the server's programs.
pub fn binaries() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let installed =
        Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let mut installed: Vec<PathBuf> = installed.collect();
    installed.sort();
    std::env::split_paths(&on_path)
        .chain(installed.into_iter().rev())
        .find(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file()))
        .expect("PostgreSQL's server binaries are on PATH or below /usr/lib/postgresql")
}

impl Cluster {
    fn start() -> Self {
        let binaries = binaries();
        let user = server_user();
        let folder = tempfile::Builder::new().prefix("news-e2e-").tempdir_in("/tmp").unwrap().keep();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let pg_ctl = binaries.join("pg_ctl");
        let end = format!("'{}' -D data -m immediate stop; cd /; rm -rf '{}'", pg_ctl.display(), folder.display());
        // Before the server: from here on nothing is left behind.
        let reaper = Reaper::new(&folder, &end, user);
        let run = |program: &str, args: &[&str]| {
            let mut command = Command::new(binaries.join(program));
            command.args(args).current_dir(&folder).env("LC_ALL", "C").process_group(0);
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command.output().unwrap()
        };
        let init = ["-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"];
        let made = run("initdb", &init);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // Somebody else may take the port between our look and the server's start.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let options = format!(
                "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{}' -c fsync=off \
                 -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 -c shared_buffers=128MB \
                 -c autovacuum=off -c max_wal_size=4GB -c jit=off",
                folder.display()
            );
            if run("pg_ctl", &["-D", "data", "-l", "server.log", "-w", "-t", "60", "-o", &options, "start"])
                .status
                .success()
            {
                let cluster = Self { folder, port, _reaper: reaper };
                cluster.ask_for_passwords();
                return cluster;
            }
        }
        panic!("PostgreSQL does not start: {:?}", std::fs::read_to_string(folder.join("server.log")));
    }

    /// Over TCP anybody on the machine may knock.
    fn ask_for_passwords(&self) {
        let mut client = Client::connect(&self.socket_url("postgres"), NoTls).unwrap();
        client.batch_execute(&format!("ALTER USER {USER} PASSWORD '{PASSWORD}'")).unwrap();
        let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.folder.join("data/pg_hba.conf"), rules).unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    fn socket_url(&self, database: &str) -> String {
        format!("postgresql:///{database}?host={}&port={}&user={USER}", self.folder.display(), self.port)
    }
}

/// Returns how many migrations there are.
pub fn migrations() -> usize {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").read_dir().unwrap().count()
}

fn admin() -> Client {
    Client::connect(&CLUSTER.socket_url("postgres"), NoTls).unwrap()
}

/// A database for one test, dropped at its end.
#[derive(Debug)]
pub struct Db {
    name: String,
}

impl Db {
    /// Makes a database with the schema of the binary and nothing in it.
    pub fn new() -> Self {
        LazyLock::force(&MIGRATED);
        Self::make(&format!("TEMPLATE {TEMPLATE} STRATEGY WAL_LOG"))
    }

    /// Makes a database with nothing in it at all.
    pub fn empty() -> Self {
        Self::make("TEMPLATE template0")
    }

    /// Makes an empty database with another encoding than UTF-8.
    pub fn encoded(encoding: &str) -> Self {
        Self::make(&format!("TEMPLATE template0 ENCODING '{encoding}'"))
    }

    fn make(from: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        admin().batch_execute(&format!("CREATE DATABASE {name} {from}")).unwrap();
        Self { name }
    }

    /// Says whether the server is built with a library: `tls` or `icu`. A test that needs it says that it is skipped.
    pub fn is_built_with(&self, library: &str) -> bool {
        let query = match library {
            "tls" => "SELECT current_setting('ssl_library') <> ''",
            "icu" => "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')",
            other => panic!("{other}"),
        };
        let built: bool = self.client().query_one(query, &[]).unwrap().get(0);
        if !built {
            eprintln!("skipped: PostgreSQL is built without {library}");
        }
        built
    }

    /// Returns its URL, through the Unix socket, without a password.
    pub fn url(&self) -> String {
        CLUSTER.socket_url(&self.name)
    }

    /// Returns its URL over TCP, with a password (in need of escapes).
    pub fn tcp_url(&self) -> String {
        let password = PASSWORD.replace('@', "%40").replace('/', "%2F");
        format!("postgresql://{USER}:{password}@127.0.0.1:{}/{}", CLUSTER.port, self.name)
    }

    /// Connects to it.
    pub fn client(&self) -> Client {
        Client::connect(&self.url(), NoTls).unwrap()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // A failing test must fail with its own panic, not with this one's.
        if let Ok(mut client) = Client::connect(&CLUSTER.socket_url("postgres"), NoTls) {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).ok();
        }
    }
}
