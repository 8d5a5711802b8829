//! One run at a time: a session advisory lock, and the epoch that tells a run which lost
//! its session whether another one was there meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use news_core::shard::Shard;
use postgres::{Client, GenericClient, Transaction};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::clock::Tick;
use crate::error::{Failure, Kind, Result};
use crate::pg::cut;
use crate::pg::{Purpose, connect_as, is_lost};
use crate::secret::Secret;
use crate::store::lock_keys::CLASS;
use crate::store::shard::{self, Epoch};
use crate::store::{schema, sequences, tracking};
use crate::times::Times;

/// The database may be away so long in the middle of a run.
const RECONNECT_WITHIN: Duration = Duration::from_secs(30);
const RECONNECT_EVERY: Duration = Duration::from_millis(500);
/// The server looks after its clients every 200 ms (`Purpose::Run`); a busy one takes longer.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
const NOTICED_EVERY: Duration = Duration::from_millis(20);

/// The lock, held on a connection of its own. The run's transactions go through it, so
/// that nothing is recorded by a run that lost it.
pub struct Lock {
    client: Client,
    url: Secret,
    what: String,
    shard: Option<Shard>,
    epoch: Epoch,
}

impl Lock {
    /// Takes the lock for `what` (sync, import, …), or fails with [`Kind::Locked`] and says who has it.
    pub fn take(url: &Secret, what: &str, times: Times) -> Result<Self> {
        Self::take_for(url, what, None, times)
    }

    /// Takes a shard's lock, or the whole one, as [`Lock::take`] does.
    pub fn take_for(url: &Secret, what: &str, shard: Option<Shard>, times: Times) -> Result<Self> {
        let what = shard.map_or_else(|| what.to_owned(), |shard| format!("{what} {shard}"));
        let what = format!("news {what} {}@{}", std::process::id(), host());
        let mut client = connect_as(url, Purpose::Run, Some(&what))?;
        schema::require_current(&mut client)?;
        tracking::require(&mut client)?;
        take_lock(&mut client, shard)?;
        sequences::repair_log(&mut client)?;
        let busy = Busy::begin();
        let epoch = shard::begin(&mut client, shard, times.timeout)?;
        drop(busy);
        Ok(Self { client, url: url.clone(), what, shard, epoch })
    }

    /// Returns the epoch that this lock began.
    pub fn epoch(&self) -> i64 {
        match self.shard {
            None => self.epoch.whole,
            Some(_) => self.epoch.shards,
        }
    }

    /// Returns which shard's it is.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Returns the connection, for reading what need not survive its loss.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Makes sure that no other run had the lock, and that none takes it before `transaction` ends, which is of another session.
    ///
    /// Fails with [`Kind::Locked`] if one had it.
    pub fn guard(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        // Who takes the lock writes an epoch first.
        transaction.batch_execute("LOCK TABLE news_sync_state, news_sync_shard IN SHARE MODE")?;
        if shard::epoch(transaction, self.shard)? == self.epoch { Ok(()) } else { Err(overtaken()) }
    }

    /// Runs a transaction once: its failure, a lost session included, is the run's.
    pub fn once<T>(&mut self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let _busy = Busy::begin();
        work(&mut self.client)
    }

    /// Makes sure that the lock is still ours.
    pub fn confirm(&mut self) -> Result<()> {
        self.run(|client| Ok(client.batch_execute("SELECT 1")?))
    }

    /// Runs a transaction. If the session is lost, takes the lock again and repeats it,
    /// provided that nobody had the lock meanwhile: `work` must be one transaction that may be repeated.
    ///
    /// Fails with [`Kind::Locked`] if another run was there, with [`Kind::Database`] if the
    /// database stays away.
    pub fn run<T>(&mut self, mut work: impl FnMut(&mut Client) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        loop {
            let busy = Busy::begin();
            let done = work(&mut self.client);
            drop(busy);
            let failure = match done {
                Ok(value) => return Ok(value),
                Err(failure) if !lost(&failure) => return Err(failure),
                // Lost and taken again all the time: that leads nowhere.
                Err(failure) if started.elapsed() > RECONNECT_WITHIN => return Err(failure),
                Err(failure) => failure,
            };
            log::warn!("the run's database session is lost, taking the lock again: {failure}");
            loop {
                match self.retake() {
                    Ok(Retaken::Ours) => break,
                    Ok(Retaken::Another(holder)) => return Err(holder),
                    Ok(Retaken::NotYet(why)) | Err(why) if started.elapsed() > RECONNECT_WITHIN => return Err(why),
                    Ok(Retaken::NotYet(why)) | Err(why) => {
                        log::debug!("{why}");
                        thread::sleep(RECONNECT_EVERY);
                    }
                }
            }
        }
    }

    fn retake(&mut self) -> Result<Retaken> {
        let mut client = connect_as(&self.url, Purpose::Run, Some(&self.what))?;
        if !shard::try_lock(&mut client, self.shard)? {
            // The server may not have noticed yet that our old session is dead.
            let ours = in_the_way(&mut client, self.shard)?.is_none_or(|holder| holder.who == cut(&self.what));
            let held = held(&mut client, self.shard);
            return Ok(if ours { Retaken::NotYet(held) } else { Retaken::Another(held) });
        }
        if shard::epoch(&mut client, self.shard)? != self.epoch {
            return Ok(Retaken::Another(overtaken()));
        }
        self.client = client;
        Ok(Retaken::Ours)
    }
}

fn overtaken() -> Failure {
    Failure::new(Kind::Locked, "another run took the lock while this one had lost it")
        .hint("what this run had sent is asked for again by the next one")
}

/// When the transaction that is under way on the lock's session began, in milliseconds of the boot clock; 0: none is. One
/// for the process, as the lock is.
static BUSY_SINCE_MS: AtomicU64 = AtomicU64::new(0);

/// A transaction on the lock's session, or one that is watched all the same: a commit may wait for a standby that never answers.
pub struct Busy;

impl Busy {
    /// Begins one, until it is dropped.
    pub fn begin() -> Self {
        BUSY_SINCE_MS.store(Tick::now().as_ms().max(1), Ordering::Relaxed);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY_SINCE_MS.store(0, Ordering::Relaxed);
    }
}

/// Returns for how long a transaction has been under way on the lock's session, if one is.
pub fn busy_for() -> Option<Duration> {
    match BUSY_SINCE_MS.load(Ordering::Relaxed) {
        0 => None,
        since_ms => Some(Duration::from_millis(Tick::now().as_ms().saturating_sub(since_ms))),
    }
}

/// Gives the lock back at once: the server would notice the end of the session a moment
/// later, and a run that comes right after this one would be told that it is in the way.
impl Drop for Lock {
    fn drop(&mut self) {
        if !self.client.is_closed() {
            // Where the session is lost, the lock is, too.
            let _ = shard::unlock(&mut self.client, self.shard);
        }
    }
}

/// What became of a lost lock.
enum Retaken {
    /// It is ours again, and nobody had it meanwhile.
    Ours,
    /// It will be free soon.
    NotYet(Failure),
    /// Another run has it, or had it.
    Another(Failure),
}

/// Does `work` while no run is in progress, and keeps runs away meanwhile.
///
/// Fails with [`Kind::Locked`] if one is.
pub fn between_runs<T>(client: &mut Client, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
    take_lock(client, None)?;
    let done = work(client);
    // A lost session has given the lock back by itself; its first error is the one to tell.
    let unlocked = shard::unlock(client, None);
    let done = done?;
    unlocked?;
    Ok(done)
}

fn lost(failure: &Failure) -> bool {
    std::error::Error::source(failure).and_then(|error| error.downcast_ref::<postgres::Error>()).is_some_and(is_lost)
}

/// Takes the lock, or fails at once with [`Kind::Locked`]; with [`Kind::Database`] where its holder is gone and its session is
/// not. For one whose holder is dead, or
/// gave it back this moment, it waits until the server has noticed.
fn take_lock(client: &mut Client, shard: Option<Shard>) -> Result<()> {
    let started = Instant::now();
    while !shard::try_lock(client, shard)? {
        let alive = in_the_way(client, shard)?.is_some_and(|holder| !holder.is_dead());
        if alive || started.elapsed() > NOTICED_WITHIN {
            return Err(held(client, shard));
        }
        thread::sleep(NOTICED_EVERY);
    }
    Ok(())
}

/// Who holds the lock.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Its application name: what, pid and host.
    pub who: String,
    /// Since when its session is there.
    pub since: String,
}

impl Holder {
    /// Returns what runs, the process id and the host.
    fn parts(&self) -> Option<(&str, &str, &str)> {
        let (what, place) = self.who.strip_prefix("news ")?.rsplit_once(' ')?;
        let (pid, host) = place.split_once('@')?;
        Some((what, pid, host))
    }

    /// Returns the shard that it works on; `None` where it has the whole lock.
    fn shard(&self) -> Option<Shard> {
        self.parts().and_then(|(what, _, _)| what.rsplit(' ').next()?.parse().ok())
    }

    /// Says whether it was a process on this machine, and is no more.
    fn is_dead(&self) -> bool {
        self.parts().is_some_and(|(_, pid, at)| at == host() && pid.parse().is_ok_and(|pid| !exists(pid)))
    }
}

/// Returns who holds the lock: nobody, one, or as many shards.
pub fn holders(client: &mut impl GenericClient) -> Result<Vec<Holder>> {
    // Everybody holds the whole lock, alone or shared.
    let rows = client.query(
        // Of another role's session not everything is shown.
        "SELECT coalesce(a.application_name, ''),
                coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '?')
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
           AND l.classid = $1::bigint::oid AND l.objid = 0
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         ORDER BY a.backend_start",
        &[&i64::from(CLASS)],
    )?;
    Ok(rows.iter().map(|row| Holder { who: row.get(0), since: row.get(1) }).collect())
}

/// Returns who keeps a run of `shard` away, the living before the dead.
fn in_the_way(client: &mut Client, shard: Option<Shard>) -> Result<Option<Holder>> {
    let holders = holders(client)?.into_iter().filter(|holder| Shard::clash(shard, holder.shard()));
    Ok(holders.min_by_key(Holder::is_dead))
}

fn held(client: &mut Client, shard: Option<Shard>) -> Failure {
    let who = match in_the_way(client, shard) {
        Ok(Some(holder)) if holder.is_dead() => {
            let why = format!("the database session of a process that is gone still holds the lock: {}", holder.who);
            return Failure::new(Kind::Database, why).hint(format!(
                "does a commit of it wait for a synchronous standby? Bring that back, or end the session: \
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'",
                holder.who.replace('\'', "''")
            ));
        }
        Ok(Some(holder)) => match (holder.parts(), &holder.since) {
            (Some((what, pid, host)), since) => {
                format!("another run holds the lock: news {what}, pid {pid} on host {host}, since {since}")
            }
            (None, since) => format!("another run holds the lock: {}, since {since}", holder.who),
        },
        Ok(None) | Err(_) => String::from("another run holds the lock"),
    };
    Failure::new(Kind::Locked, who).hint("it is safe to try again when that run has ended")
}

/// Says whether there is a process with this id on this machine.
pub(super) fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_none_or(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// Returns this machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
