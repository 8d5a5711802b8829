//! The server's binaries: where they may be, which version they are, how to get them.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Failure, Kind, Result};

use super::process;

/// Older ones are not tested against.
pub const MAJOR_MIN: u32 = 15;

/// `postgres --version` answers at once, or is none.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Where packages put them, each with a folder per version: (parent, start of its name, what is below it).
const PLACES: [(&str, &str, &str); 7] = [
    // Debian, Ubuntu
    ("/usr/lib/postgresql", "", "bin"),
    // SUSE
    ("/usr/lib", "postgresql", "bin"),
    // PostgreSQL's own packages for Fedora and its kin
    ("/usr", "pgsql-", "bin"),
    // Alpine
    ("/usr/libexec", "postgresql", ""),
    // Homebrew on Apple silicon, on Intel, on Linux
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
];

/// A folder with `initdb`, `pg_ctl` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder.
    pub folder: PathBuf,
    /// Their major version.
    pub major: u32,
}

/// Finds the binaries for a cluster of version `made`, or for a new one.
///
/// Fails with [`Kind::Database`] and says how to install them.
pub fn find(made: Option<u32>) -> Result<Binaries> {
    let mut found = Vec::new();
    for folder in folders() {
        if !["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file()) {
            continue;
        }
        let Some(major) = version(&folder.join("postgres")) else { continue };
        if made.map_or(major >= MAJOR_MIN, |made| made == major) {
            return Ok(Binaries { folder, major });
        }
        found.push(format!("{major} in {}", folder.display()));
    }
    Err(not_found(made, &found))
}

/// Finds `psql`.
pub fn psql() -> Result<PathBuf> {
    folders()
        .into_iter()
        .map(|folder| folder.join("psql"))
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::new(Kind::Database, "psql is not installed").hint(install("client")))
}

fn not_found(made: Option<u32>, found: &[String]) -> Failure {
    let found = if found.is_empty() { String::from("none") } else { found.join(", ") };
    match made {
        Some(made) => Failure::new(
            Kind::Database,
            format!("the private PostgreSQL's data is of version {made}, but its server is not installed (found: {found})"),
        )
        .hint(format!("install PostgreSQL {made} beside the others; `pg_dump` takes the data to a newer one")),
        None => Failure::new(
            Kind::Database,
            format!("no database is named, and no PostgreSQL {MAJOR_MIN} or newer is installed for a private one (found: {found})"),
        )
        .hint(install("server"))
        .hint("or name a database: --database-url, or NEWS_DATABASE_URL"),
    }
}

/// Lists the folders to look into, the best first: PATH, then the packages', newest first.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter(|folder| folder.is_absolute());
    on_path.chain(PLACES.iter().flat_map(|&(parent, start, below)| versions(Path::new(parent), start, below))).collect()
}

fn versions(parent: &Path, start: &str, below: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(start)?.trim_start_matches(['@', '-']);
            Some((number.parse().unwrap_or(0), entry.path().join(below)))
        })
        .collect();
    versions.sort_by_key(|(number, _)| Reverse(*number));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn version(postgres: &Path) -> Option<u32> {
    let answer = process::run(Command::new(postgres).arg("--version").env("LC_ALL", "C"), "", VERSION_LIMIT).ok()?;
    major(&answer.stdout)
}

/// Reads `postgres (PostgreSQL) 15.17 (Debian 15.17-0+deb12u1)`, `… 18beta1`.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version.len() - version.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    version.get(..digits)?.parse().ok()
}

/// Says how to install PostgreSQL's `what` (`server` or `client`) on this system.
fn install(what: &str) -> String {
    if cfg!(target_os = "macos") {
        return String::from("install it: brew install postgresql@17");
    }
    let release = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
    match command(&release.unwrap_or_default(), what) {
        Some(command) => format!("install it: {sudo}{command}"),
        None => format!("install PostgreSQL's {what}, version {MAJOR_MIN} or newer"),
    }
}

/// Picks the command by os-release(5).
fn command(release: &str, what: &str) -> Option<&'static str> {
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let (id, like, version) = (value("ID"), value("ID_LIKE"), value("VERSION_ID"));
    let server = what == "server";
    // Red Hat's first choice is too old up to its version 9; later there are no modules.
    let old_red_hat = id != "fedora" && ["8", "9"].contains(&version.split('.').next().unwrap_or_default());
    std::iter::once(id.as_str()).chain(like.split_whitespace()).find_map(|id| match id {
        "debian" | "ubuntu" if server => Some("apt-get install -y postgresql"),
        "debian" | "ubuntu" => Some("apt-get install -y postgresql-client"),
        "fedora" | "rhel" | "centos" if server && old_red_hat => Some("dnf module install -y postgresql:16/server"),
        "fedora" | "rhel" | "centos" if server => Some("dnf install -y postgresql-server"),
        "fedora" | "rhel" | "centos" => Some("dnf install -y postgresql"),
        "alpine" if server => Some("apk add postgresql"),
        "alpine" => Some("apk add postgresql-client"),
        "arch" => Some("pacman -S --noconfirm postgresql"),
        "suse" | "opensuse" if server => Some("zypper install -y postgresql-server"),
        "suse" | "opensuse" => Some("zypper install -y postgresql"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_versions() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.17 (Debian 15.17-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("postgres (PostgreSQL) 19devel", Some(19)),
            ("postgres (EnterpriseDB) 15", None),
            ("", None),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }

    #[test]
    fn install_commands() {
        for (release, expected) in [
            ("NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"", Some("apt-get install -y postgresql")),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Some("apt-get install -y postgresql")),
            ("ID=fedora\nVERSION_ID=43", Some("dnf install -y postgresql-server")),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"",
                Some("dnf module install -y postgresql:16/server"),
            ),
            (
                "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"10.0\"",
                Some("dnf install -y postgresql-server"),
            ),
            ("ID=alpine\nVERSION_ID=3.22", Some("apk add postgresql")),
            ("ID=arch", Some("pacman -S --noconfirm postgresql")),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"", Some("zypper install -y postgresql-server")),
            ("ID=plan9", None),
            ("", None),
        ] {
            assert_eq!(command(release, "server"), expected, "{release}");
        }
    }

    #[test]
    fn newer_versions_come_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@15", "postgresql@17", "other"] {
            fs::create_dir_all(parent.path().join(name).join("bin")).unwrap();
        }
        let names: Vec<PathBuf> = [17, 15, 9].map(|n| parent.path().join(format!("postgresql@{n}/bin"))).to_vec();
        assert_eq!(versions(parent.path(), "postgresql", "bin"), names);
    }
}
