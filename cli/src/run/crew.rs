//! Threads that send requests. Each asks the session itself what comes next: from an answer
//! to the next request no other thread has to wake up.
//!
//! There is one thread more than there may be requests: it has an eye on the clock while all
//! others are under way.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use news_core::kept::Kept;
use news_core::reply::{Method, Reply};
use news_core::session::{IMPOSSIBLE_ID, LEASE, Loaded, Memory, Next, Session, Summary};
use news_core::{Key, Object, wire};

use crate::clock::Tick;
use crate::error::{Kind, OrFail, Result};
use crate::random::random;
use crate::run::QUIET;
use crate::store::sent::{Exchange, Recorded};
use crate::target::Peer;

/// A request needs little of it.
const STACK_BYTES: usize = 512 * 1024;
/// One of those who wait looks after what is due so often; the others are woken when they are needed.
const WATCH_EVERY: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_millis(500);
/// Who has had nothing to do for so long tells why.
const IDLE_FOR: Duration = Duration::from_millis(500);

/// What the database is needed for.
#[derive(Debug)]
pub enum Errand {
    /// Commit that requests may be sent for these, load them, and say so.
    Prepare(Vec<Key>),
    /// Load these, and say so.
    Load(Vec<Key>),
    /// Commit what was learnt.
    Record(Vec<Recorded>),
    /// Tell whether the master has this object.
    AskMaster(Key),
    /// Nothing comes after this.
    Over,
}

/// A session and who works on it.
pub struct Crew<'a> {
    state: Mutex<CrewState>,
    /// Somebody may find something to do.
    changed: Condvar,
    target: &'a dyn Peer,
    jobs: usize,
    errands: Sender<Errand>,
    started: Tick,
}

struct CrewState {
    session: Session,
    /// Rows of objects that are prepared and not through.
    objects: BTreeMap<Key, Arc<Object>>,
    /// The last exchange of each object that was asked for and is not recorded.
    exchanges: BTreeMap<Key, Exchange>,
    warnings: Vec<String>,
    /// What the clerk was asked for and has not told yet.
    asked: Option<Key>,
    /// Threads that have a request under way.
    busy: usize,
    /// Threads that wait.
    resting: usize,
    /// One of these has an eye on the clock.
    watched: bool,
    /// Since when there is nothing to do but wait.
    idle_since: Option<Duration>,
    /// Until when was last said to be waited.
    told_until: Duration,
    over: bool,
}

impl<'a> Crew<'a> {
    /// Makes one for `jobs` requests at the same time.
    pub fn new(session: Session, target: &'a dyn Peer, jobs: usize, errands: Sender<Errand>) -> Self {
        let state = CrewState {
            session,
            objects: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            warnings: Vec::new(),
            asked: None,
            busy: 0,
            resting: 0,
            watched: false,
            idle_since: None,
            told_until: Duration::ZERO,
            over: false,
        };
        let (state, changed, started) = (Mutex::new(state), Condvar::new(), Tick::now());
        Self { state, changed, target, jobs, errands, started }
    }

    /// Starts the threads.
    ///
    /// Fails with [`Kind::Usage`] where one cannot be started; the others then go home.
    pub fn start<'s>(&'s self, scope: &'s thread::Scope<'s, '_>) -> Result<()> {
        for n in 0..=self.jobs {
            let hand = thread::Builder::new().name(format!("request-{n}")).stack_size(STACK_BYTES);
            let started = hand.spawn_scoped(scope, || self.work()).or_fail(Kind::Usage, "cannot start a thread");
            if let Err(failure) = started {
                self.dismiss();
                return Err(failure.hint("fewer --jobs, or a higher limit (TasksMax, ulimit -u -v)"));
            }
        }
        Ok(())
    }

    /// Works until the run is over.
    fn work(&self) {
        let _alarm = Alarm(self);
        let mut state = self.state();
        while !state.over {
            if !self.target.lease().is_valid() {
                state = self.rest(state, None);
                continue;
            }
            let next = state.session.next(self.now());
            if !matches!(next, Next::Wait(_)) {
                state.idle_since = None;
            }
            match next {
                Next::Send(request) => {
                    // A GET is compared with the object, so it goes along.
                    let object = match request.method {
                        Method::Get | Method::Post | Method::Put => state.objects.get(&request.key).cloned(),
                        Method::Delete => None,
                    };
                    self.leave(state);
                    let json = match request.method {
                        Method::Post | Method::Put => {
                            let profile = self.target.profile();
                            object.as_deref().map(|object| wire::to_json(profile, object, request.parent.as_ref()))
                        }
                        Method::Get | Method::Delete => None,
                    };
                    let sent_at = Tick::now();
                    let reply = self.target.send(&request, json.as_deref());
                    let back_at = Tick::now();
                    // Bad random numbers make bad delays, no bad data.
                    let random = random().unwrap_or_default();
                    state = self.come_back();
                    state.session.answered(request.key, &reply, object.as_deref(), self.now(), random);
                    state.exchanges.insert(request.key, Exchange::new(request.method, reply, sent_at, back_at));
                }
                Next::CheckListing(look) => {
                    self.leave(state);
                    let listing = self.target.look(&look);
                    let random = random().unwrap_or_default();
                    state = self.come_back();
                    state.session.listed(listing, self.now(), random);
                }
                Next::Probe(key) => {
                    self.leave(state);
                    let reply = self.target.ask_for(key);
                    let random = random().unwrap_or_default();
                    state = self.come_back();
                    state.session.probed(key, &reply, self.now(), random);
                }
                Next::ProbeFilter(entity) => {
                    self.leave(state);
                    let reply = entity
                        .key(IMPOSSIBLE_ID)
                        .map_or_else(|bad| Reply::NotSent { why: bad.to_string() }, |key| self.target.ask_for(key));
                    let random = random().unwrap_or_default();
                    state = self.come_back();
                    state.session.filter_probed(&reply, self.now(), random);
                }
                Next::Prepare(keys) => self.ask(Errand::Prepare(keys)),
                Next::Load(keys) => self.ask(Errand::Load(keys)),
                Next::Record(facts) => {
                    let told = facts.into_iter().map(|fact| {
                        state.objects.remove(&fact.key());
                        let last = state.exchanges.remove(&fact.key());
                        Recorded { fact, last }
                    });
                    let told = told.collect();
                    self.ask(Errand::Record(told));
                }
                Next::AskMaster(key) => {
                    if state.asked.replace(key).is_none() {
                        self.ask(Errand::AskMaster(key));
                    }
                    state = self.rest(state, None);
                }
                Next::Warn(warning) => {
                    log::warn!("{warning}");
                    state.warnings.push(warning.to_string());
                }
                Next::Wait(until) => {
                    self.tell_of_waiting(&mut state, until);
                    state = self.rest(state, until);
                }
                Next::Finished => {
                    state.over = true;
                    self.changed.notify_all();
                    self.ask(Errand::Over);
                }
            }
        }
    }

    /// Tells the session something, at the time that it is handed.
    pub fn tell(&self, say: impl FnOnce(&mut Session, Duration)) {
        let mut state = self.state();
        state.asked = None;
        let now = self.now();
        say(&mut state.session, now);
        self.changed.notify_all();
    }

    /// Hands over the rows of objects, with what the target keeps in their place, and tells the session what loading them gave.
    pub fn loaded(&self, rows: BTreeMap<Key, Arc<Object>>, kept: &BTreeMap<Key, Kept>, loaded: Vec<(Key, Loaded)>) {
        let mut state = self.state();
        let now = self.now();
        for (key, object) in &rows {
            object.parent().into_iter().for_each(|post| state.session.belongs_to(*key, post));
        }
        for (key, kept) in kept {
            state.session.keeps(*key, *kept);
        }
        state.objects.extend(rows);
        for (key, loaded) in loaded {
            state.session.loaded(key, loaded, now);
        }
        self.changed.notify_all();
    }

    /// Sends everybody home once their requests are answered. Those answers do not count.
    pub fn dismiss(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// Returns what the run came to, its warnings, and what later runs of this process are to know.
    pub fn outcome(self) -> (Summary, Vec<String>, Memory) {
        let now = self.now();
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.session.summary().clone(), state.warnings, state.session.memory(now))
    }

    /// Returns the session, and the last exchange of each object that was asked for and is not recorded.
    pub fn into_session(self) -> (Session, BTreeMap<Key, Exchange>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.session, state.exchanges)
    }

    fn state(&self) -> MutexGuard<'_, CrewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the run's time.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes note that the lock's session was there at the run's time `time`: nothing is sent
    /// later than [`LEASE`] after that.
    pub fn confirm(&self, time: Duration) {
        let had = self.target.lease().is_valid();
        self.target.lease().renew(self.started + time + LEASE);
        if !had {
            self.changed.notify_all();
        }
    }

    fn ask(&self, errand: Errand) {
        // Fails only when the clerk has given up, and then says so by `dismiss`.
        let _ = self.errands.send(errand);
    }

    /// Goes off with a request. Where there may be more to do, or nobody watches, another one wakes up.
    fn leave(&self, mut state: MutexGuard<'_, CrewState>) {
        state.busy += 1;
        if state.resting > 0 && (state.busy < self.jobs || !state.watched) {
            self.changed.notify_one();
        }
    }

    fn come_back(&self) -> MutexGuard<'_, CrewState> {
        let mut state = self.state();
        state.busy -= 1;
        state
    }

    /// Says that nothing is sent for long: a run that waits looks like one that hangs.
    fn tell_of_waiting(&self, state: &mut CrewState, until: Option<Duration>) {
        let now = self.now();
        let idle = now.saturating_sub(*state.idle_since.get_or_insert(now));
        let Some(until) = until.filter(|until| *until > state.told_until) else { return };
        let time = until.saturating_sub(now);
        // A transaction takes less than that.
        if state.busy == 0 && idle > IDLE_FOR && time > QUIET {
            state.told_until = until;
            log::info!(
                "waiting {:.0} s: the target limits us, or a request that it has not answered may still take effect",
                time.as_secs_f64().ceil()
            );
        }
    }

    /// Waits for a change, or until the run's time `until`.
    fn rest<'s>(&'s self, mut state: MutexGuard<'s, CrewState>, until: Option<Duration>) -> MutexGuard<'s, CrewState> {
        let watches = !std::mem::replace(&mut state.watched, true);
        let most = if watches { WATCH_EVERY } else { REST_MAX };
        let time = until.map_or(most, |until| until.saturating_sub(self.now()).min(most));
        state.resting += 1;
        let (mut state, _) = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
        state.resting -= 1;
        if watches {
            state.watched = false;
        }
        state
    }
}

/// Ends the run for everybody if a thread panics, the one that holds the transactions included: the others would wait for it
/// for ever, and keep the lock.
pub struct Alarm<'a>(pub &'a Crew<'a>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.dismiss();
            self.0.ask(Errand::Over);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::channel;

    use news_core::merge::{Presence, Wish};
    use news_core::object::{Effects, Wait};
    use news_core::plan::{Plan, Standing, Work};
    use news_core::session::{Asks, Config, SETTLE, Strangers};

    use super::*;
    use crate::settings::TargetAccess;

    /// Were it not so, the threads that send would wait for it for ever, and keep the lock.
    #[test]
    fn a_panic_of_the_thread_that_holds_the_transactions_ends_all_others() {
        let target = crate::target::Target::new("http://127.0.0.1:9", &TargetAccess::default(), 2, SETTLE).unwrap();
        let effects = Effects { settle: SETTLE, late: SETTLE, wait: Wait::Once };
        let (strangers, asks, settled_in) = (Strangers::Refused, Asks::Some, Duration::ZERO);
        let config =
            Config { jobs: 2, rate_per_s: None, effects, settled_in, strangers, asks, profile: target.profile() };
        let key: Key = "posts/1".parse().unwrap();
        let (before, after, standing) = (Presence::Present, Wish::Present, Standing::Ready);
        let plan = Plan::new(vec![Work { key, parent: None, before, after, standing, settles_in: Duration::ZERO }]);
        let (sender, errands) = channel();
        let crew = Crew::new(Session::new(config, &plan, Duration::ZERO), &target, 2, sender);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                let _alarm = Alarm(&crew);
                crew.start(scope).unwrap();
                assert!(matches!(errands.recv(), Ok(Errand::Prepare(_))), "a transaction is asked for");
                panic!("on purpose");
            });
        }));
        assert!(ended.is_err());
    }
}
