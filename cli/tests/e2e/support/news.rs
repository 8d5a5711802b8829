//! The binary: run to its end, or in the background.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{DEADLINE, Db, wait_until};

/// The binary under test, with an environment of its own: nothing is inherited but PATH.
#[derive(Debug)]
pub struct News {
    home: TempDir,
    environment: Vec<(String, String)>,
}

impl News {
    /// With `db` as its master.
    pub fn on(db: &Db) -> Self {
        Self::with_url(&db.url())
    }

    /// With the database that `url` names as its master.
    pub fn with_url(url: &str) -> Self {
        Self::bare().env("NEWS_DATABASE_URL", url)
    }

    /// With no database named, and an empty NEWS_HOME.
    pub fn bare() -> Self {
        let home = tempfile::Builder::new().prefix("news-home-").tempdir_in("/tmp").unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        // What the machine is configured to do is no business of the tests.
        let news = Self { home, environment: Vec::new() }.env("NEWS_CONFIG", "/dev/null");
        // Targets here answer at once or not at all, and do within 2 s what they do later.
        let news = news.env("NEWS_TARGET_TIMEOUT", "2s").env("NEWS_TARGET_LATE", "2s");
        news.env("PATH", &path).env("RUST_BACKTRACE", "1")
    }

    /// Sets an environment variable; a later one of the same name wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Returns the NEWS_HOME, gone with `self`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the command, for what the shorter forms cannot do.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_news"));
        command.env_clear().env("HOME", self.home()).env("NEWS_HOME", self.home());
        command.envs(self.environment.iter().cloned()).args(args).current_dir(self.home());
        command
    }

    /// Runs it to its end, with nothing on stdin.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.run_with(args, "")
    }

    /// Runs it to its end with `stdin`.
    pub fn run_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, stdin: &str) -> Output {
        Output::of(self.command(args), stdin)
    }

    /// Starts it in the background, for servers and for what is to be killed.
    pub fn spawn<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Running {
        Running::start(self.command(args))
    }
}

/// What a run left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; of a process that a signal ended 128 + its number.
    pub code: i32,
    /// The report.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Output {
    /// Runs `command` to its end; one that takes longer than [`DEADLINE`] is killed (137).
    pub fn of(command: Command, stdin: &str) -> Self {
        let mut command = assert_cmd::Command::from_std(command);
        let output = command.timeout(DEADLINE).write_stdin(stdin).output().unwrap();
        Self {
            code: code(output.status),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// Passes it on if it ended with `code`; panics with both streams if not.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Self { code: got, stdout, stderr } = &self;
        assert_eq!(*got, code, "exit code\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// [`Self::expect_code`] with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }

    /// Returns stdout as the one JSON document that it is.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A process in the background, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// stderr so far, by line.
    lines: Arc<Mutex<Vec<String>>>,
    stderr: Option<JoinHandle<()>>,
    stdout: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts `command` with nothing on stdin.
    pub fn start(command: Command) -> Self {
        Self::start_writing(command, Stdio::piped())
    }

    /// The same with its stdout elsewhere.
    pub fn start_writing(mut command: Command, stdout: Stdio) -> Self {
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (seen, stderr) = (Arc::clone(&lines), BufReader::new(child.stderr.take().unwrap()));
        let stderr = std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                seen.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let stdout = child.stdout.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut text = String::new();
                pipe.read_to_string(&mut text).ok();
                text
            })
        });
        Self { child, lines, stderr: Some(stderr), stdout }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns stderr so far.
    pub fn stderr(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits for a line on stderr, said before or to come, from which `pick` takes something.
    pub fn wait_line<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let mut found = None;
        wait_until(what, || {
            found = self.lines.lock().unwrap().iter().find_map(|line| pick(line));
            if found.is_none() {
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended ({ended:?}) before {what}:\n{}", self.stderr());
            }
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for the line on stderr that names the address it listens on, and returns that.
    pub fn address(&mut self) -> SocketAddr {
        self.wait_line("it says where it listens", |line| {
            let words = line.split(|c: char| c.is_whitespace() || "/,;()\"".contains(c));
            words.filter_map(|word| word.parse().ok()).find(|address: &SocketAddr| address.port() != 0)
        })
    }

    /// Says whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Returns the most memory that it had so far, in KiB; 0 once it has ended.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }

    /// Waits for its end. Returns the most memory that it had, too, in KiB.
    pub fn wait_and_weigh(mut self) -> (Output, u64) {
        let mut peak = 0;
        wait_until("it ended", || {
            peak = peak.max(self.peak_kib());
            self.child.try_wait().unwrap().is_some()
        });
        (self.wait(), peak)
    }

    /// Waits for its end; panics after [`DEADLINE`].
    pub fn wait(mut self) -> Output {
        let mut status = None;
        wait_until("it ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        if let Some(stderr) = self.stderr.take() {
            stderr.join().unwrap();
        }
        let stdout = self.stdout.take().map(|stdout| stdout.join().unwrap()).unwrap_or_default();
        Output { code: code(status.unwrap()), stdout, stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
