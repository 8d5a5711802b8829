//! Where listings come from: the target, saved files, or stdin.

mod ahead;

use std::fs::File;
use std::path::PathBuf;

use news_core::Entity;
use news_core::profile::{JSON_SERVER, Profile};
use news_core::wire::Element;

pub use self::ahead::{Ahead, Batch, Step};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::listing::{Extent, Progress, read};
use crate::signals::Signals;
use crate::target::{Peer as _, Reader};

/// Where listings come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// `GET /posts`, `GET /comments`.
    Target(Reader),
    /// posts.json and comments.json.
    Folder(PathBuf),
    /// One document with both, on stdin: it can be read once.
    Stdin,
}

impl Source {
    /// Returns what reports call it.
    pub fn name(&self) -> String {
        match self {
            Source::Target(target) => target.url().to_owned(),
            Source::Folder(folder) => folder.display().to_string(),
            Source::Stdin => String::from("stdin"),
        }
    }

    /// Returns in whose names it is written.
    pub fn profile(&self) -> &'static Profile {
        match self {
            Source::Target(target) => target.profile(),
            Source::Folder(_) | Source::Stdin => &JSON_SERVER,
        }
    }

    /// Returns how many records without a key of ours the last listing of an entity had.
    pub fn strangers(&self, entity: Entity) -> u64 {
        match self {
            Source::Target(target) => target.strangers(entity),
            Source::Folder(_) | Source::Stdin => 0,
        }
    }

    /// Fails with [`Kind::Usage`] where it cannot be read a second time.
    pub fn require_repeatable(&self, entities: &[Entity]) -> Result<()> {
        let Source::Folder(folder) = self else { return Ok(()) };
        for entity in entities {
            let path = folder.join(format!("{entity}.json"));
            // What is not there is told when it is opened.
            if path.metadata().is_ok_and(|data| !data.is_file()) {
                return Err(Failure::new(Kind::Usage, format!("{} is not a regular file", path.display()))
                    .hint("It is read twice, to confirm differences."));
            }
        }
        Ok(())
    }

    /// Reads the whole listing of an entity; `begun` is told how long it is, then `each` is
    /// given every element. Returns how many there were.
    ///
    /// A listing that is not whole is [`Kind::Target`] at a target and [`Kind::Refused`] in
    /// a file, which gets no better by waiting; what is none at all is [`Kind::Refused`].
    pub fn list(
        &self,
        entity: Entity,
        signals: &Signals,
        begun: impl FnOnce(Extent) -> Result<()>,
        each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        match self {
            Source::Target(target) => target.list(entity, signals, begun, each),
            Source::Folder(folder) => {
                let path = folder.join(format!("{entity}.json"));
                let name = path.display().to_string();
                let file = File::open(&path).or_fail(Kind::Usage, format!("cannot read {name}"))?;
                let extent = file.metadata().map_or(Extent::Unknown, |data| Extent::Bytes(data.len()));
                begun(extent)?;
                read(&name, &JSON_SERVER, entity, file, each).map_err(of_file)
            }
            Source::Stdin => Err(Failure::new(Kind::Bug, "stdin is read as a document")),
        }
    }
}

/// Gives trouble with a file its kind: waiting does not help.
fn of_file(failure: Failure) -> Failure {
    match failure.kind() {
        Kind::Target => Failure::new(Kind::Refused, failure),
        // The hint about a URL is none here.
        Kind::Refused => Failure::new(Kind::Refused, failure.to_string()),
        Kind::Usage
        | Kind::Partly
        | Kind::Credentials
        | Kind::Database
        | Kind::Locked
        | Kind::Bug
        | Kind::Output
        | Kind::ClosedPipe
        | Kind::Interrupted
        | Kind::Terminated => failure,
    }
}
