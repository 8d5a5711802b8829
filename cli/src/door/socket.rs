//! The Unix socket between the door and tiny_http: where it is, and that nobody else finds it.
//!
//! It is made in a private folder (mode 0700). On Linux its name is removed at once: the door goes on reaching it
//! through an `O_PATH` descriptor, so that a `kill -9` leaves nothing behind and no other process can connect.
//! Elsewhere the folder stays until the drop.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How often another name is tried when one is taken: names hold the time in nanoseconds, so once is a lot.
const NAMES_MAX: usize = 16;

/// How to connect to the listener that was made with it.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// Keeps what `path` names alive: the descriptor, or the folder.
    anchor: Anchor,
}

#[derive(Debug)]
enum Anchor {
    #[expect(dead_code, reason = "held for its descriptor, which the path names")]
    File(File),
    Folder(PathBuf),
}

impl Socket {
    /// Makes a listener that only this process, or at worst this user, can reach.
    pub(super) fn listen() -> io::Result<(UnixListener, Self)> {
        let folder = private_folder()?;
        let path = folder.join("s");
        let made = UnixListener::bind(&path);
        let socket = Self { path, anchor: Anchor::Folder(folder) };
        Ok((made?, socket.hidden()))
    }

    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.path)
    }

    /// Removes the name if the socket can be reached without.
    fn hidden(self) -> Self {
        let Some(file) = open_path(&self.path) else { return self };
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // Without /proc this is no descriptor's name, and the folder stays.
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::metadata(&path), fs::metadata(&self.path)) {
            // The old self removes the folder as it goes.
            (Ok(through), Ok(direct)) if same(&through, &direct) => Self { path, anchor: Anchor::File(file) },
            _ => self,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Anchor::Folder(folder) = &self.anchor {
            remove(folder);
        }
    }
}

fn remove(folder: &Path) {
    // Best effort: a leftover in the temporary folder is no reason to fail.
    let _ = fs::remove_file(folder.join("s"));
    let _ = fs::remove_dir(folder);
}

#[cfg(target_os = "linux")]
fn open_path(path: &Path) -> Option<File> {
    let flags = i32::try_from(rustix::fs::OFlags::PATH.bits()).ok()?;
    OpenOptions::new().read(true).custom_flags(flags).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_path(_path: &Path) -> Option<File> {
    None
}

fn private_folder() -> io::Result<PathBuf> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut taken = None;
    for _ in 0..NAMES_MAX {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let name = format!("news-{}-{}-{nanos}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        // Not recursive: fails when the name exists, whoever made it.
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(taken.unwrap_or_else(|| io::Error::other("no name for a private folder")))
}
