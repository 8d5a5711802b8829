//! Secrets: they print as stars, and one that came from a file can be read again when it was rotated.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::files;

/// A secret file larger than this is no secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret: it prints as stars and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    file: Option<SecretFile>,
}

/// Where a secret came from.
#[derive(Debug, Clone)]
struct SecretFile {
    path: PathBuf,
    /// The variable or the line that names the file.
    named_by: String,
}

impl Secret {
    /// Keeps `text` secret.
    pub fn new(text: String) -> Self {
        Self { text: Zeroizing::new(text), file: None }
    }

    /// Reads the secret that the file at `path` holds; its last line break does not count.
    ///
    /// Fails with [`Kind::Usage`] where the file cannot be read, is empty, or is too large for a secret.
    pub fn from_file(path: &Path, named_by: &str) -> Result<Self> {
        let shown = path.display();
        let context = || format!("cannot read {shown}, named by {named_by}");
        let Some(text) = files::read_small(path, SECRET_BYTES_MAX).or_fail(Kind::Usage, context())? else {
            return Err(Failure::new(
                Kind::Usage,
                format!("{shown} has more than {SECRET_BYTES_MAX} bytes, too many for a secret"),
            ));
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            // A mount that failed must not make `news` go on without the secret.
            return Err(Failure::new(Kind::Usage, format!("{shown}, named by {named_by}, is empty")));
        }
        let file = Some(SecretFile { path: path.to_owned(), named_by: named_by.to_owned() });
        Ok(Self { text: Zeroizing::new(text.to_owned()), file })
    }

    /// Returns the secret itself.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the file that holds it, if one does.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Returns the secret as its file has it now. Where it came from elsewhere, or the file cannot be read at this moment
    /// (it may just be replaced), it is the same as before.
    #[must_use]
    pub fn fresh(&self) -> Self {
        let Some(file) = &self.file else { return self.clone() };
        Self::from_file(&file.path, &file.named_by).unwrap_or_else(|failure| {
            log::warn!("{failure}; going on with what it held before");
            self.clone()
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_of_a_file_follows_the_file_and_outlives_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one\n").unwrap();
        let first = Secret::from_file(&path, "NEWS_TARGET_TOKEN_FILE").unwrap();
        fs::write(&path, "two").unwrap();
        let second = first.fresh();
        fs::write(&path, "").unwrap();
        let third = second.fresh();
        fs::remove_file(&path).unwrap();
        let fourth = third.fresh();
        assert_eq!([&first, &second, &third, &fourth].map(Secret::expose), ["one", "two", "two", "two"]);
        assert_eq!(fourth.file(), Some(path.as_path()));
        assert_eq!(Secret::new(String::from("plain")).fresh().expose(), "plain");
        assert_eq!(format!("{first:?}"), "Secret(***)");
    }
}
