//! Sessions beside those of the API, for the operator's console: they see the whole master, and a statement may take longer
//! than a request of the API. A few at most, opened when needed, and closed when nobody has asked for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use postgres::Client;

use crate::error::{Failure, Kind, Result};
use crate::pg::{Purpose, connect};
use crate::pool::Queue;
use crate::secret::Secret;

/// Sessions at most: operators are few, and the database belongs to the API.
const SESSIONS_MAX: usize = 4;
/// A client that waited this long is better told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A session that nobody used for so long is closed with the next use of another one.
const IDLE_MAX: Duration = Duration::from_mins(1);
/// A connection that was idle for longer is tried before it is used: the server may have been restarted.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The sessions.
pub struct SideSessions {
    url: Secret,
    places: Queue,
    idle: Mutex<Vec<(Client, Instant)>>,
}

impl SideSessions {
    /// Makes none yet, with the database that `url` names.
    pub fn new(url: &Secret) -> Self {
        Self { url: url.clone(), places: Queue::new(SESSIONS_MAX), idle: Mutex::new(Vec::new()) }
    }

    /// Returns the URL.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// Lends a session to `work`. It is closed where that fails: nobody knows what state it is in then.
    ///
    /// Fails as [`connect`] does, and with [`Kind::Database`] where all sessions are busy for too long.
    pub fn with<T>(&self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let busy = || Failure::new(Kind::Database, "all sessions of the console are busy");
        let _place = self.places.take(WAIT_MAX).ok_or_else(busy)?;
        let mut client = match self.warm() {
            Some(client) => client,
            None => connect(&self.url, Purpose::Console)?,
        };
        let done = work(&mut client)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((client, Instant::now()));
        Ok(done)
    }

    /// Returns an idle session that still works.
    fn warm(&self) -> Option<Client> {
        loop {
            let (mut client, used_at) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|(_, used_at)| used_at.elapsed() < IDLE_MAX);
                idle.pop()?
            };
            if used_at.elapsed() < TRUSTED_FOR || client.check_connection().is_ok() {
                return Some(client);
            }
        }
    }
}
