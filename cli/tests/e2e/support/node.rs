//! The real targets: JSONPlaceholder, json-server 0.17 and 1.0, from their npm packages (`cli/tests/node`).
//!
//! Without Node, or where its packages cannot be installed, there is no server, and a line says so; in CI that is a
//! failure.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::{Http, Running};

/// The folder with our scripts, and the packages' names and checksums.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node");

/// Where the packages are installed, once for all runs, or why they are not.
static PACKAGES: LazyLock<Result<PathBuf, String>> = LazyLock::new(install);

/// Starts real targets.
#[derive(Debug)]
pub struct Node;

/// Whether json-server watches its file: then it loses writes that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// `--watch`
    File,
    /// Without it.
    Nothing,
}

/// A real target on 127.0.0.1, stopped when dropped.
#[derive(Debug)]
pub struct Server {
    base: String,
    http: Http,
    folder: TempDir,
    _running: Running,
}

impl Server {
    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns a client of it.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Returns the file that json-server keeps its data in, or had it from.
    pub fn db_file(&self) -> PathBuf {
        self.folder.path().join("db.json")
    }
}

impl Node {
    /// json-server 0.17 with `db` in memory.
    pub fn json_server(db: &Value) -> Option<Server> {
        Self::start(Some(db), |modules| {
            vec![modules.join("json-server/lib/cli/bin.js"), script("memory.js"), "--quiet".into()]
        })
    }

    /// json-server 0.17 with `db` in a file, rewritten at every change.
    pub fn json_server_on_file(db: &Value, watch: Watch) -> Option<Server> {
        Self::start(Some(db), |modules| {
            let mut args = vec![modules.join("json-server/lib/cli/bin.js"), "db.json".into(), "--quiet".into()];
            if watch == Watch::File {
                args.push("--watch".into());
            }
            args
        })
    }

    /// json-server 1.0, which chooses the ids, with `db` in a file.
    pub fn json_server_1(db: &Value) -> Option<Server> {
        Self::start(Some(db), |modules| vec![modules.join("json-server-1/lib/bin.js"), "db.json".into()])
    }

    /// JSONPlaceholder, with `db` or its own data.
    pub fn jsonplaceholder(db: Option<&Value>) -> Option<Server> {
        Self::start(db, |modules| vec![modules.with_file_name("jsonplaceholder.js")])
    }

    fn start(db: Option<&Value>, args: impl FnOnce(&Path) -> Vec<PathBuf>) -> Option<Server> {
        let packages = match &*PACKAGES {
            Ok(packages) => packages,
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "the real targets are missing in CI: {why}");
                println!("skipped: {why}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db.json");
        let mut command = Command::new("node");
        if let Some(db) = db {
            fs::write(&file, db.to_string()).unwrap();
            command.env("NEWS_TEST_DB", &file);
        }
        // json-server finds pages to serve below its current folder: there are none in this one, and 1.0 insists on a place.
        fs::create_dir(folder.path().join("public")).unwrap();
        command.current_dir(folder.path()).env("NODE_ENV", "production");
        command.arg("--require").arg(script("local.js")).args(args(&packages.join("node_modules")));
        let mut running = Running::start(command);
        let base = format!("http://{}", running.address());
        Some(Server { http: Http::new(&base), base, folder, _running: running })
    }
}

/// Returns our own fixtures as one document: `{"posts": […], "comments": […]}`.
pub fn fixtures() -> Value {
    let read = |name: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    serde_json::json!({"posts": read("posts.json"), "comments": read("comments.json")})
}

fn script(name: &str) -> PathBuf {
    Path::new(SCRIPTS).join(name)
}

/// Installs the packages into a folder of their own for each state of the lock file.
fn install() -> Result<PathBuf, String> {
    let version =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !version("node") || !version("npm") {
        return Err("no Node".to_owned());
    }
    let sources = ["package.json", "package-lock.json", "jsonplaceholder.js"];
    let mut hasher = DefaultHasher::new();
    for name in sources {
        fs::read(script(name)).unwrap().hash(&mut hasher);
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(cache).unwrap();
    let folder = cache.join(format!("node-{:016x}", hasher.finish()));
    // Test processes may run side by side: one installs, the others wait.
    let lock = File::create(cache.join("node.lock")).unwrap();
    lock.lock().unwrap();
    let marker = folder.join("installed");
    if !marker.exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for name in sources {
            fs::copy(script(name), folder.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        let output = npm.current_dir(&folder).stdin(Stdio::null()).output().map_err(|error| format!("npm: {error}"))?;
        if !output.status.success() {
            return Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        File::create(&marker).unwrap();
    }
    Ok(folder)
}
