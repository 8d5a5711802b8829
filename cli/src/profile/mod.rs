//! Profiles: how a target exposes posts and comments, read from TOML into `news_core::profile`.
//!
//! In scope: finding a profile by name or path, what its words may say, and where in the file they are wrong. Out of
//! scope: what follows from it (`news_core`, `target`, `listing`).

mod auth;
mod headers;
mod pages;
mod read;
mod shown;
mod words;

use std::path::Path;

use news_core::profile::{JSON_SERVER, JSON_SERVER_1, Profile};
pub use read::kind;
pub use shown::in_words;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::files;

/// A larger file is not a profile, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// Profiles that are in the binary, beside the default. Each runs against the real software in `scripts/test`.
const BUILT_IN: [(&str, &str); 3] = [
    ("pocketbase", include_str!("pocketbase.toml")),
    ("wordpress", include_str!("wordpress.toml")),
    ("news", include_str!("news.toml")),
];

/// A profile, and by what a database remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The profile. It stays as long as the process, which needs one.
    pub profile: &'static Profile,
    /// What finds it again: the name of a built-in one, or the path of a file.
    pub name: String,
    /// A fingerprint of what its file says: comments and the order of the words do not count. Empty for the default.
    pub print: String,
}

impl Default for Chosen {
    fn default() -> Self {
        Self { profile: &JSON_SERVER, name: JSON_SERVER.name.to_owned(), print: String::new() }
    }
}

impl Chosen {
    /// Finds a profile: a built-in one by its name, or a file by its path, which has a slash or a dot in it ([`is_path`]).
    ///
    /// Fails with [`Kind::Usage`], naming the place in the file, where there is none or it says what cannot be.
    pub fn find(name: &str) -> Result<Self> {
        if name == JSON_SERVER.name {
            return Ok(Self::default());
        }
        if name == JSON_SERVER_1.name {
            let (name, print) = (JSON_SERVER_1.name.to_owned(), String::new());
            return Ok(Self { profile: &JSON_SERVER_1, name, print });
        }
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return words::profile(name, name, name, text);
        }
        if !is_path(name) {
            let names = names().collect::<Vec<_>>().join(", ");
            return Err(Failure::new(Kind::Usage, format!("unknown target profile {name:?}"))
                .hint(format!("Built in are {names}; a file is named by its path, ./{name}.toml.")));
        }
        let path = Path::new(name);
        let context = || format!("cannot read the target profile {name}");
        let Some(text) = files::read_small(path, BYTES_MAX).or_fail(Kind::Usage, context())? else {
            return Err(Failure::new(
                Kind::Usage,
                format!("{name} is larger than a target profile ({BYTES_MAX} bytes)"),
            ));
        };
        let stem = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
        let whole = std::path::absolute(path).or_fail(Kind::Usage, context())?;
        words::profile(&whole.display().to_string(), &stem, name, &text)
    }
}

/// Says whether a profile is named by a path.
pub fn is_path(name: &str) -> bool {
    name.contains(['/', '.'])
}

/// Returns the names of the built-in profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    [JSON_SERVER.name, JSON_SERVER_1.name].into_iter().chain(BUILT_IN.iter().map(|(name, _)| *name))
}

#[cfg(test)]
mod tests;
