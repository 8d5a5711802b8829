//! Files that appear whole, or not at all.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::error::{Failure, Kind, Result};

/// Puts what `write` writes in the place of `path`, with these permissions, less the umask: whoever reads sees the old or
/// the new file. A device or a pipe is written to. Until then it has a name with a dot in front, and no ending.
///
/// Fails with [`Kind::Output`].
pub fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let cannot = |error: io::Error| {
        Failure::new(Kind::Output, format!("cannot write {}: {}", path.display(), without_temporary_name(&error)))
    };
    let path = &match place(path).map_err(cannot)? {
        Destination::File(path) => path,
        Destination::Stream(file) => {
            let mut out = BufWriter::new(file);
            return write(&mut out).and_then(|()| out.flush()).map_err(cannot);
        }
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let file =
        builder.prefix(".news-").permissions(Permissions::from_mode(mode)).tempfile_in(folder).map_err(cannot)?;
    let mut out = BufWriter::new(file);
    write(&mut out).map_err(cannot)?;
    let file = out.into_inner().map_err(|error| cannot(error.into_error()))?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map(drop).map_err(|error| cannot(error.error))
}

/// Reads a file of at most so many bytes; nothing where it has more, or never ends.
pub fn read_small(path: &Path, bytes_max: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Where something is to be written.
enum Destination {
    /// A regular file, or none yet.
    File(PathBuf),
    /// What takes it as it comes: in the place of /dev/null a file would be nobody's wish.
    Stream(File),
}

fn place(path: &Path) -> io::Result<Destination> {
    // Follows links, those in /proc to what has no name any more, too.
    let data = match path.metadata() {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Destination::File(where_it_leads(path.to_owned())));
        }
        Err(error) => return Err(error),
    };
    // /dev/stdout, whatever it is: what stands in that file already is not ours to replace.
    for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
        let ours = File::from(stream.try_clone_to_owned()?);
        if ours.metadata().is_ok_and(|ours| is_same(&ours, &data)) {
            return Ok(Destination::Stream(ours));
        }
    }
    if !data.is_file() {
        return open_at_once(path).map(Destination::Stream);
    }
    match path.canonicalize() {
        Ok(real) if real.metadata().is_ok_and(|real| is_same(&real, &data)) => Ok(Destination::File(real)),
        Ok(_) | Err(_) => File::options().write(true).truncate(true).open(path).map(Destination::Stream),
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns what a link names that leads nowhere yet, else the path itself. Links in a circle are no such thing: the
/// kernel says so before.
fn where_it_leads(mut path: PathBuf) -> PathBuf {
    while let Ok(link) = path.read_link() {
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    path
}

/// Opens what is no regular file, without waiting for somebody to read from a pipe.
fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().write(true).custom_flags(flags).open(path)?;
    // From here on it may wait: for a reader that is there.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// tempfile names the file that is on its way, which says nothing to who asked for another one.
fn without_temporary_name(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path \"").map_or(text.as_str(), |(why, _)| why).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_file_is_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        replace(&path, 0o644, |out| out.write_all(b"one")).unwrap();
        let failed = replace(&path, 0o644, |out| {
            out.write_all(b"tw")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.unwrap_err().to_string().ends_with("report: the disk is full"));
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"one".to_vec(), 1));
        let (link, other) = (folder.path().join("link"), folder.path().join("other"));
        std::os::unix::fs::symlink("other", &link).unwrap();
        for text in ["one", "two"] {
            replace(&link, 0o644, |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(std::fs::read_to_string(&other).unwrap(), text);
            assert!(link.is_symlink());
        }
        assert_eq!(read_small(&other, 3).unwrap().as_deref(), Some("two"));
        assert_eq!(read_small(&other, 2).unwrap(), None);
        assert_eq!(read_small(Path::new("/dev/zero"), 1000).unwrap(), None);
        let links = folder.path().join("links");
        std::fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink("b", links.join("a")).unwrap();
        std::os::unix::fs::symlink("c", links.join("b")).unwrap();
        replace(&links.join("a"), 0o644, |out| out.write_all("ä".as_bytes())).unwrap();
        assert_eq!(read_small(&links.join("c"), 2).unwrap().as_deref(), Some("ä"));
        assert_eq!(read_small(&links.join("c"), 1).unwrap(), None, "too large rather than half a letter");
        assert!(links.join("b").is_symlink());
        let circle = links.join("d");
        std::os::unix::fs::symlink("d", &circle).unwrap();
        assert!(replace(&circle, 0o644, |out| out.write_all(b"x")).is_err());
        // A file without a name, which /proc still leads to.
        let nameless = tempfile::tempfile().unwrap();
        let path = format!("/proc/self/fd/{}", nameless.as_fd().as_raw_fd());
        replace(Path::new(&path), 0o644, |out| out.write_all(b"here")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "here");
        replace(Path::new("/dev/null"), 0o644, |out| out.write_all(b"x")).unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(replace(&pipe, 0o644, |_| Ok(())).is_err(), "nobody reads");
    }

    #[test]
    fn the_file_that_was_asked_for_is_the_one_that_is_named() {
        let error = replace(Path::new("/nowhere/at all"), 0o644, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nowhere/at all: No such file or directory (os error 2)");
        assert_eq!(error.kind(), Kind::Output);
    }
}
