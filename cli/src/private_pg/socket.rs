//! Where the socket is, and the URL that says so.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::error::{Failure, Kind, OrFail, Result};

use super::place::{self, Home};

/// The role and the database, both called so.
pub const NAME: &str = "news";
/// Part of the socket's name only: there is no TCP.
pub const PORT: u16 = 5432;
/// The socket's name in its folder.
pub const SOCKET: &str = ".s.PGSQL.5432";

/// A socket's path fits into `sun_path` with its NUL: unix(7), unix(4).
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// The file in HOME that remembers a folder elsewhere.
const ELSEWHERE: &str = "pg.socket";
/// Somebody else may have made a folder of the name in /tmp; so often another name is tried.
const NAMES_MAX: u32 = 10;

/// Returns the socket's folder, as the last start left it, or as the first one will have it.
pub fn folder(home: &Path) -> Result<PathBuf> {
    let path = home.join(ELSEWHERE);
    match fs::read(&path) {
        Ok(bytes) if bytes.first() == Some(&b'/') => Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes))),
        Ok(_) => Err(Failure::new(Kind::Usage, format!("{} does not hold a path", path.display())).hint("remove it")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(home.join("pg").join("run")),
        Err(error) => Err(error).or_fail(Kind::Usage, format!("cannot read {}", path.display())),
    }
}

/// Makes the socket's folder, closed to all but the server's user, and returns it. Call it under the lock.
pub fn prepare(place: &Home) -> Result<PathBuf> {
    let wanted = folder(place.home())?;
    if fits(&wanted) && make(place, &wanted)? {
        return Ok(wanted);
    }
    // Short, and gone when the user logs out or the machine starts anew: made again then.
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir() && !geteuid().is_root());
    let parents = [runtime, Some(PathBuf::from("/tmp"))];
    for parent in parents.iter().flatten() {
        for _ in 0..NAMES_MAX {
            let number = getrandom::u32().or_fail(Kind::Database, "no randomness from the system")?;
            let folder = parent.join(format!("news-{number:08x}"));
            if fits(&folder) && make(place, &folder)? {
                remember(place.home(), &folder)?;
                return Ok(folder);
            }
        }
    }
    Err(Failure::new(Kind::Database, format!("no folder for the socket: {} does not serve", wanted.display()))
        .hint("set NEWS_HOME to a shorter path"))
}

/// Says whether a socket in `folder` has a path that the system takes. A comma separates
/// hosts where psql reads a URL, and cannot be escaped there.
fn fits(folder: &Path) -> bool {
    folder.join(SOCKET).as_os_str().len() <= SOCKET_PATH_BYTES_MAX && !folder.as_os_str().as_bytes().contains(&b',')
}

/// Makes `folder`, or finds it made by us before; false where it is somebody else's, or cannot be.
fn make(place: &Home, folder: &Path) -> Result<bool> {
    // As the server's user, who is to own it.
    place.shell("mkdir -m 700 -- \"$1\"", folder, "")?;
    let meta = fs::symlink_metadata(folder);
    Ok(meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == place.server_uid() && place::is_closed(&meta)))
}

fn remember(home: &Path, folder: &Path) -> Result<()> {
    let context = || format!("cannot write {}", home.join(ELSEWHERE).display());
    let mut file = tempfile::NamedTempFile::new_in(home).or_fail(Kind::Output, context())?;
    file.write_all(folder.as_os_str().as_bytes()).or_fail(Kind::Output, context())?;
    file.persist(home.join(ELSEWHERE)).map_err(|error| error.error).or_fail(Kind::Output, context())?;
    Ok(())
}

/// Returns the URL of the database behind a socket in `folder`, as libpq and others read it.
pub fn url(folder: &Path) -> String {
    let mut host = String::new();
    for &byte in folder.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            host.push(char::from(byte));
        } else {
            let _ = write!(host, "%{byte:02X}");
        }
    }
    // The port is said, since libpq would take it from PGPORT.
    format!("postgresql:///{NAME}?host={host}&port={PORT}&user={NAME}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_escaped() {
        for (folder, expected) in [
            (
                "/home/me/.local/share/news/pg/run",
                "postgresql:///news?host=/home/me/.local/share/news/pg/run&port=5432&user=news",
            ),
            ("/a b/ü@&%", "postgresql:///news?host=/a%20b/%C3%BC%40%26%25&port=5432&user=news"),
        ] {
            assert_eq!(url(Path::new(folder)), expected);
        }
    }

    #[test]
    fn long_paths_do_not_fit() {
        let longest = SOCKET_PATH_BYTES_MAX - SOCKET.len() - 1;
        assert!(fits(Path::new(&format!("/{}", "x".repeat(longest - 1)))));
        assert!(!fits(Path::new(&format!("/{}", "x".repeat(longest)))));
        assert!(!fits(Path::new("/a,b")));
    }
}
