//! Secrets beside the private PostgreSQL: made once, kept, closed to others.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::secret::Secret;
use crate::settings::{Database, Settings, keys};

use super::place;

/// The file of the key that signs the API's tokens.
pub const JWT_SECRET: &str = "jwt-secret";
/// A made secret's randomness: as much as HS256 uses (RFC 7518 §3.2).
const SECRET_BYTES: usize = 32;
/// A kept secret is no longer than this, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Returns the key that signs the API's tokens: NEWS_JWT_SECRET (or its `_FILE`), else,
/// with the private PostgreSQL, one that is made once and kept in `HOME/jwt-secret`.
///
/// Fails with [`Kind::Usage`] with a named database and no key: its servers must share one.
pub fn jwt_secret(settings: &Settings) -> Result<Secret> {
    if let Some(secret) = settings.secret(keys::JWT_SECRET)? {
        return Ok(secret);
    }
    match settings.database {
        Database::Private => secret(&settings.home, JWT_SECRET),
        Database::Named(_) => Err(Failure::new(Kind::Usage, "NEWS_JWT_SECRET is not set")
            .hint("set it to 32 or more random characters, such as `openssl rand -hex 32` prints")
            .hint("or let NEWS_JWT_SECRET_FILE name a file that holds it")),
    }
}

/// Returns the secret that is kept in `home/name` (mode 0600); makes it where there is none.
/// Of several processes that make it at once, all return the same one.
///
/// Fails with [`Kind::Usage`] where others may read the file, or it is no secret.
pub fn secret(home: &Path, name: &str) -> Result<Secret> {
    place::prepare_home(home)?;
    let path = home.join(name);
    let context = || format!("cannot keep a secret in {}", path.display());
    if !path.exists() {
        match make(home, &path) {
            // Somebody else was faster: theirs it is.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).or_fail(Kind::Output, context()),
            Ok(()) => {}
        }
    }
    read(&path)
}

/// Makes the file whole or not at all.
fn make(home: &Path, path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
    let mut text = Zeroizing::new(String::with_capacity(2 * SECRET_BYTES + 1));
    for byte in bytes.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    // tempfile makes it with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    fs::File::open(home)?.sync_all()
}

fn read(path: &Path) -> Result<Secret> {
    let context = || format!("cannot read {}", path.display());
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(place::no_follow()).open(path).or_fail(Kind::Usage, context())?;
    let meta = file.metadata().or_fail(Kind::Usage, context())?;
    if !meta.is_file() || !place::is_closed(&meta) {
        return Err(Failure::new(Kind::Usage, format!("{} is open to others", path.display()))
            .hint(format!("if nobody has read it: chmod 600 {}; else remove it, and all tokens end", path.display())));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text).or_fail(Kind::Usage, context())?;
    let secret = text.trim_end();
    if secret.len() < SECRET_BYTES {
        return Err(Failure::new(
            Kind::Usage,
            format!("{} has {} bytes, too few for a secret", path.display(), secret.len()),
        )
        .hint("remove it, and a new one is made; all tokens end then"));
    }
    Ok(Secret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::thread;

    use super::*;

    #[test]
    fn a_secret_is_made_once_whoever_asks() {
        let home = tempfile::tempdir().unwrap();
        let made: Vec<String> = thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| secret(home.path(), "key").unwrap())).collect();
            asking.into_iter().map(|one| one.join().unwrap().expose().to_owned()).collect()
        });
        assert!(made.iter().all(|one| *one == made[0] && one.len() == 2 * SECRET_BYTES), "{made:?}");
        assert_eq!(fs::metadata(home.path().join("key")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn an_open_or_short_secret_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        secret(home.path(), "key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(home.path(), "key").unwrap_err().to_string().contains("open to others"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(secret(home.path(), "key").unwrap_err().to_string().contains("too few"));
    }
}
