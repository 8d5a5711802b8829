//! The private PostgreSQL, for when no database is named: made and started when it is needed.
//!
//! In scope: finding the server's binaries, a cluster below [`Settings::home`], starting and
//! stopping it, and the secrets beside it. Out of scope: its schema (`store`), and any
//! database that somebody named.
//!
//! ```text
//! HOME/             ours: NEWS_HOME, or the XDG data folder, or /var/lib/news for root
//!   pg.lock         held while somebody makes, starts or stops it
//!   pg.socket       where the socket is, if HOME's path is too long for one
//!   jwt-secret      see [`jwt_secret`]
//!   pg/             the server user's, closed to everybody else
//!     data/ run/ server.log
//! ```
//!
//! Who may connect: whoever made it, by the kernel's word (peer authentication), through a
//! socket in a folder that is closed to others; there is no TCP. Made by root, the server
//! runs as `postgres` (or `nobody`), since PostgreSQL refuses to run as root; root passes
//! the folder. Everything below `pg/` is then done as that user, so that no link in there
//! can make root write elsewhere.

mod binaries;
mod cluster;
mod place;
mod process;
mod secret;
mod socket;
mod texts;

pub use binaries::psql;
pub use secret::{JWT_SECRET, jwt_secret};

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::secret::Secret;

use cluster::{Cluster, ServerState};
use place::Home;

/// What a call of [`start`] found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It ran already.
    Already,
    /// It was there, and was started.
    Now,
    /// It was made and started.
    Made,
}

/// How it stands.
#[derive(Debug)]
pub struct ClusterState {
    /// Where its data is.
    pub data: PathBuf,
    /// Its major version; none if it was not made yet.
    pub major: Option<u32>,
    /// The server's process id while it runs.
    pub pid: Option<i32>,
}

/// Makes it and starts it, where needed. Its schema is the caller's business.
///
/// Fails with [`Kind::Database`](crate::error::Kind) where PostgreSQL is missing or does not
/// start, with [`Kind::Usage`](crate::error::Kind) where `home` cannot serve.
pub fn start(home: &Path) -> Result<Started> {
    if let Some(place) = Home::look(home)? {
        let cluster = Cluster::new(place);
        if let ServerState::Ready(_) = cluster.server()?
            && cluster.socket_is_there()?
        {
            return Ok(Started::Already);
        }
    }
    let place = Home::prepare(home)?;
    let _lock = place.lock()?;
    Cluster::new(place).bring_up()
}

/// Fails where data is there that no installed server can read: it would not start.
pub fn require_server(home: &Path) -> Result<()> {
    match state(home)?.major {
        Some(major) => binaries::find(Some(major)).map(drop),
        None => Ok(()),
    }
}

/// Stops it and waits until it has; returns the process that was stopped, if there was one.
/// Sessions are cut, nothing that was committed is lost.
pub fn stop(home: &Path) -> Result<Option<i32>> {
    let Some(place) = Home::look(home)? else { return Ok(None) };
    let _lock = place.lock()?;
    Cluster::new(place).stop()
}

/// Tells how it stands, and changes nothing.
pub fn state(home: &Path) -> Result<ClusterState> {
    let Some(place) = Home::look(home)? else {
        return Ok(ClusterState { data: home.join("pg").join("data"), major: None, pid: None });
    };
    let cluster = Cluster::new(place);
    let pid = match cluster.server()? {
        ServerState::Ready(pid) | ServerState::Changing(pid) => Some(pid),
        ServerState::Gone | ServerState::Stranger => None,
    };
    Ok(ClusterState { data: cluster.data(), major: cluster.major()?, pid })
}

/// Returns its URL, whether it runs or not. There is no password in it: see the module's words on who may connect.
pub fn url(home: &Path) -> Result<Secret> {
    Ok(Secret::new(socket::url(&socket::folder(home)?)))
}
