//! The cluster and its server: made, started, watched, stopped.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use crate::error::{Failure, Kind, OrFail, Result};

use super::Started;
use super::binaries::{self, Binaries};
use super::place::{self, Home};
use super::process::{self, Finished};
use super::socket::{self, NAME, SOCKET};
use super::texts::{reason, settings};

/// In the server's folder.
const DATA: &str = "data";
const LOG: &str = "server.log";
/// A cluster is made under this name, and gets its own when it is whole.
const NEW: &str = "data.new";

/// initdb takes a second or two; on a slow disk a minute.
const MAKE_LIMIT: Duration = Duration::from_mins(2);
/// After a crash the server may have a gigabyte of log to replay before it is ready.
const START_LIMIT_S: u32 = 120;
/// A fast shutdown writes what is in memory to disk.
const STOP_LIMIT_S: u32 = 60;
/// After a kill -9 of the server its children end by themselves, but not before what they are doing.
const CHILDREN_LIMIT: Duration = Duration::from_secs(15);
/// The log is put aside at a start above this, in kilobytes; one old one is kept.
const LOG_KB_MAX: u32 = 8 * 1024;
/// `postmaster.pid` has some hundred bytes.
const PID_FILE_BYTES_MAX: u64 = 8 * 1024;
/// Of a log of a start that failed no more is read.
const LOG_BYTES_READ_MAX: u32 = 32 * 1024;
/// What a failure cites of a complaint, in characters.
const CITED_CHARS_MAX: usize = 600;

/// How the server stands, by `postmaster.pid` and the process it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It takes connections.
    Ready(i32),
    /// It starts or stops.
    Changing(i32),
    /// It does not run.
    Gone,
    /// It does not run, but a process that has nothing to do with it has its number now:
    /// the server itself cannot tell, and would not start.
    Stranger,
}

/// The cluster at a place.
#[derive(Debug)]
pub struct Cluster {
    place: Home,
}

impl Cluster {
    /// The cluster at `place`, made or not.
    pub fn new(place: Home) -> Self {
        Self { place }
    }

    /// Returns the folder of its data.
    pub fn data(&self) -> PathBuf {
        self.place.server_folder().join(DATA)
    }

    /// Returns its major version; none if it was not made yet.
    pub fn major(&self) -> Result<Option<u32>> {
        let path = self.data().join("PG_VERSION");
        let Some(text) = read(&path)? else { return Ok(None) };
        let major = text.trim().parse().or_fail(Kind::Database, format!("cannot make sense of {}", path.display()))?;
        Ok(Some(major))
    }

    /// Looks at the server.
    pub fn server(&self) -> Result<ServerState> {
        // Lines: pid, data folder, start time, port, socket folder, address, shared memory, status.
        let Some(text) = read(&self.data().join("postmaster.pid"))? else { return Ok(ServerState::Gone) };
        let mut lines = text.lines();
        let Some(pid) = lines.next().and_then(|line| line.trim().parse::<i32>().ok()).filter(|&pid| pid > 0) else {
            // Being written just now, or cut by a full disk: the server tells these apart.
            return Ok(ServerState::Gone);
        };
        let ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Ok(match (whose(pid, &self.data()), ready) {
            (Whose::Ours, true) => ServerState::Ready(pid),
            (Whose::Ours, false) => ServerState::Changing(pid),
            (Whose::Nobodys, _) => ServerState::Gone,
            (Whose::Strangers, _) => ServerState::Stranger,
        })
    }

    /// Says whether the socket is where the URL says: what cleans /tmp or a runtime folder may have taken it.
    pub fn socket_is_there(&self) -> Result<bool> {
        Ok(socket::folder(self.place.home())?.join(SOCKET).exists())
    }

    /// Makes and starts it where needed, and says so in a line. Call it under the lock.
    pub fn bring_up(&self) -> Result<Started> {
        match self.settled()? {
            ServerState::Ready(_) if self.socket_is_there()? => return Ok(Started::Already),
            ServerState::Ready(pid) | ServerState::Changing(pid) => {
                log::info!("the private PostgreSQL (pid {pid}) has lost its socket");
                self.stop()?;
            }
            ServerState::Stranger => {
                let socket = socket::folder(self.place.home())?.join(SOCKET);
                self.place.shell("rm -f data/postmaster.pid \"$1\" \"$1.lock\"", &socket, "")?;
            }
            ServerState::Gone => {}
        }
        let made = self.major()?;
        let binaries = binaries::find(made)?;
        let started = if made.is_some() {
            log::info!("starting the private PostgreSQL {} in {}", binaries.major, self.place.home().display());
            Started::Now
        } else {
            log::info!(
                "making and starting a private PostgreSQL {} in {}",
                binaries.major,
                self.place.home().display()
            );
            self.make(&binaries)?;
            Started::Made
        };
        self.start(&binaries)?;
        Ok(started)
    }

    /// Stops it, and returns the process that was stopped. Call it under the lock.
    pub fn stop(&self) -> Result<Option<i32>> {
        let (ServerState::Ready(pid) | ServerState::Changing(pid)) = self.server()? else { return Ok(None) };
        let binaries = binaries::find(self.major()?)?;
        let mut command = self.place.command(binaries.folder.join("pg_ctl"));
        command.args(["-D", DATA, "-m", "fast", "-w", "-t", &STOP_LIMIT_S.to_string(), "stop"]);
        let stopped = Self::run(&mut command, seconds(STOP_LIMIT_S) + MAKE_LIMIT)?;
        // It may have ended by itself meanwhile.
        if !stopped.success && !matches!(self.server()?, ServerState::Gone | ServerState::Stranger) {
            return Err(complaint("the private PostgreSQL does not stop", &stopped.complaint));
        }
        Ok(Some(pid))
    }

    /// Waits while it starts or stops without us: whoever asked for that is gone, or is an operator.
    fn settled(&self) -> Result<ServerState> {
        let start = Instant::now();
        loop {
            match self.server()? {
                ServerState::Changing(_) if start.elapsed() < seconds(START_LIMIT_S) => {
                    thread::sleep(Duration::from_millis(20));
                }
                ServerState::Changing(pid) => {
                    let text = format!("the private PostgreSQL (pid {pid}) neither starts nor stops");
                    return Err(Failure::new(Kind::Database, text).hint(self.see_log()));
                }
                settled @ (ServerState::Ready(_) | ServerState::Gone | ServerState::Stranger) => return Ok(settled),
            }
        }
    }

    /// Makes the cluster: under another name first, so that a half-made one is never taken for one.
    fn make(&self, binaries: &Binaries) -> Result<()> {
        let Finished { success, complaint: text, .. } =
            self.place.shell("rm -rf data.new && [ ! -e data ]", Path::new(""), "")?;
        if !success {
            let text = format!("{} contains something that is not a cluster {text}", self.data().display());
            return Err(Failure::new(Kind::Database, text.trim_end().to_owned()).hint("move it away"));
        }
        // initdb wants a name, too, and would say so less well.
        let user = Self::caller()?;
        // Not every system has C.UTF-8; C sorts the same way but knows no case beyond ASCII.
        let mut made = self.initdb(binaries, "C.UTF-8")?;
        if !made.success && made.complaint.contains("locale") {
            self.place.shell("rm -rf data.new", Path::new(""), "")?;
            made = self.initdb(binaries, "C")?;
        }
        if !made.success {
            return Err(complaint("initdb failed", &made.complaint));
        }
        for (file, text) in [
            ("pg_hba.conf", format!("# Written by news.\nlocal all {NAME} peer map={NAME}\n")),
            (
                "pg_ident.conf",
                format!("# Written by news: who made the cluster may connect.\n{NAME} \"{user}\" {NAME}\n"),
            ),
            (
                "postgresql.conf",
                String::from(
                    "\n# Settings of news, written at each start; what you set below wins.\ninclude 'news.conf'\n",
                ),
            ),
            ("news.conf", settings(Path::new("/nowhere"))),
        ] {
            let operator = if file == "postgresql.conf" { ">>" } else { ">" };
            self.write(&format!("cat {operator} \"$1\""), &Path::new(NEW).join(file), &text)?;
        }
        // Without a server that others could meet half-made.
        let mut single = self.place.command(binaries.folder.join("postgres"));
        single.args(["--single", "-D", NEW, "postgres"]);
        let named = process::run(&mut single, &format!("CREATE DATABASE {NAME}\n"), MAKE_LIMIT);
        let named = named.or_fail(Kind::Database, "cannot run postgres --single")?;
        if !named.success || named.complaint.contains("ERROR:") || named.complaint.contains("FATAL:") {
            return Err(complaint("cannot make the database", &named.complaint));
        }
        let mut sync = self.place.command(binaries.folder.join("initdb"));
        let synced = Self::run(sync.args(["--sync-only", "-D", NEW]), MAKE_LIMIT)?;
        if !synced.success {
            return Err(complaint("initdb --sync-only failed", &synced.complaint));
        }
        self.write("mv -- \"$1\" data", Path::new(NEW), "")
    }

    fn initdb(&self, binaries: &Binaries, locale: &str) -> Result<Finished> {
        let mut command = self.place.command(binaries.folder.join("initdb"));
        command.args(["-D", NEW, "-U", NAME, "-E", "UTF8", "--data-checksums", "--lc-messages=C"]);
        command.args(["--auth-local=peer", "--auth-host=reject"]).arg(format!("--locale={locale}"));
        Self::run(&mut command, MAKE_LIMIT)
    }

    /// Starts the server; pg_ctl gives it a session of its own, so that Ctrl-C here is nothing to it.
    fn start(&self, binaries: &Binaries) -> Result<()> {
        let socket = socket::prepare(&self.place)?;
        self.write(
            "cat > \"$1.new\" && mv -- \"$1.new\" \"$1\"",
            &Path::new(DATA).join("news.conf"),
            &settings(&socket),
        )?;
        // A folder of its own is not needed for one old log.
        let rotate = format!("[ -z \"$(find \"$1\" -size +{LOG_KB_MAX}k 2>/dev/null)\" ] || mv -f -- \"$1\" \"$1.1\"");
        self.write(&rotate, Path::new(LOG), "")?;
        let begin = Instant::now();
        loop {
            let logged = self.place.shell("wc -c < \"$1\" 2>/dev/null || echo 0", Path::new(LOG), "")?.stdout;
            let logged: u64 = logged.trim().parse().unwrap_or(0);
            let mut command = self.place.command(binaries.folder.join("pg_ctl"));
            // Relative paths: pg_ctl puts them into a shell's command line as they are.
            command.args(["-D", DATA, "-l", LOG, "-w", "-t", &START_LIMIT_S.to_string(), "start"]);
            let started = Self::run(&mut command, seconds(START_LIMIT_S) + MAKE_LIMIT)?;
            if started.success {
                return Ok(());
            }
            // What this attempt has added.
            let script = format!("tail -c +{} -- \"$1\" | head -c {LOG_BYTES_READ_MAX}", logged + 1);
            let log = self.place.shell(&script, Path::new(LOG), "")?.stdout;
            let children = ["pre-existing shared memory", "is still in use"].iter().any(|text| log.contains(text));
            if !children || begin.elapsed() > CHILDREN_LIMIT {
                // If the disk has no room for the log, only pg_ctl's own output is left.
                let why = reason(&log).unwrap_or(started.complaint);
                return Err(complaint("the private PostgreSQL does not start", &why).hint(self.see_log()));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
        let program = command.get_program().to_string_lossy().into_owned();
        process::run(command, "", limit).or_fail(Kind::Database, format!("cannot run {program}"))
    }

    fn write(&self, script: &str, argument: &Path, input: &str) -> Result<()> {
        let written = self.place.shell(script, argument, input)?;
        if written.success {
            return Ok(());
        }
        let text =
            format!("cannot write {}: {}", self.place.server_folder().join(argument).display(), written.complaint);
        Err(Failure::new(Kind::Output, text))
    }

    /// Returns the name of the user this process runs as: peer authentication goes by names.
    fn caller() -> Result<String> {
        let answer =
            process::run(Command::new("id").arg("-un").env("PATH", process::path()), "", seconds(STOP_LIMIT_S));
        let answer = answer.or_fail(Kind::Usage, "cannot run id")?;
        let name = answer.stdout.trim();
        // A leading slash would make it a pattern.
        if !answer.success || name.is_empty() || name.starts_with('/') || name.contains(['"', '\n']) {
            return Err(Failure::new(Kind::Usage, "this user has no name, and PostgreSQL wants one")
                .hint("add the user to /etc/passwd, or name a database"));
        }
        Ok(name.to_owned())
    }

    fn see_log(&self) -> String {
        format!("see {}", self.place.server_folder().join(LOG).display())
    }
}

/// Whose process a number is.
enum Whose {
    Ours,
    Strangers,
    Nobodys,
}

/// Finds out whether `pid` is the server of `data`. The number may belong to another
/// process by now, above all in a container, where the same few come again at each start.
fn whose(pid: i32, data: &Path) -> Whose {
    let Some(id) = Pid::from_raw(pid) else { return Whose::Nobodys };
    if test_kill_process(id).is_err_and(|error| error == rustix::io::Errno::SRCH) {
        return Whose::Nobodys;
    }
    if cfg!(target_os = "linux") && Path::new("/proc/self/cwd").exists() {
        // The server works in its data folder. A zombie works nowhere.
        return match (fs::read_link(format!("/proc/{pid}/cwd")), fs::canonicalize(data)) {
            (Ok(works_in), Ok(data)) if works_in == data => Whose::Ours,
            (Ok(_), Ok(_)) => Whose::Strangers,
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => Whose::Strangers,
            // Not ours to look at: neither is it our server, nor ours to call dead.
            (Err(_), _) | (_, Err(_)) => Whose::Ours,
        };
    }
    let named = process::run(
        Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]).env("PATH", process::path()),
        "",
        seconds(STOP_LIMIT_S),
    );
    match named {
        Ok(named) if named.success && !named.stdout.contains("postgres") => Whose::Strangers,
        Ok(_) | Err(_) => Whose::Ours,
    }
}

/// Reads a small file of the server's user; none where there is none.
fn read(path: &Path) -> Result<Option<String>> {
    let mut text = String::new();
    let opened = OpenOptions::new().read(true).custom_flags(place::no_follow()).open(path);
    match opened.and_then(|file| file.take(PID_FILE_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_fail(Kind::Database, format!("cannot read {}", path.display())),
    }
}

fn complaint(what: &str, text: &str) -> Failure {
    let cited: String = text.chars().take(CITED_CHARS_MAX).collect();
    Failure::new(Kind::Database, format!("{what}: {cited}"))
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_by_where_its_process_works() {
        let here = std::env::current_dir().unwrap();
        let us = i32::try_from(std::process::id()).unwrap();
        assert!(matches!(whose(us, &here), Whose::Ours));
        assert!(matches!(whose(us, Path::new("/usr")), Whose::Strangers));
        assert!(matches!(whose(i32::MAX, &here), Whose::Nobodys));
    }
}
