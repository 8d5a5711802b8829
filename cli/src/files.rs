//! Files that appear whole, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

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
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|data| !data.is_file()) {
        // In the place of /dev/null a file would be nobody's wish.
        let mut out = BufWriter::new(open_at_once(path).map_err(cannot)?);
        return write(&mut out).and_then(|()| out.flush()).map_err(cannot);
    }
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
