//! Threads that send requests. Each asks the session itself what comes next: from an answer
//! to the next request no other thread has to wake up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use news_core::reply::Method;
use news_core::session::{Fact, LEASE, Next, Session, Summary};
use news_core::{Key, Object, wire};

use crate::run::random;
use crate::target::Target;

/// A request needs little of it.
pub const STACK_BYTES: usize = 512 * 1024;
/// Who waits looks around again after so long, whatever it waits for.
const REST_MAX: Duration = Duration::from_millis(500);

/// What the database is needed for.
#[derive(Debug)]
pub enum Errand {
    /// Commit that requests may be sent for these, load them, and say so.
    Prepare(Vec<Key>),
    /// Commit what was learnt.
    Record(Vec<Fact>),
    /// Tell whether the master has this object.
    AskMaster(Key),
    /// Nothing comes after this.
    Over,
}

/// A session and who works on it.
pub struct Crew<'a> {
    state: Mutex<State>,
    /// Somebody may find something to do.
    changed: Condvar,
    target: &'a Target,
    /// When the lock's session was last known to be there, in milliseconds of the run: nothing
    /// is sent later than [`LEASE`] after that.
    confirmed_ms: AtomicU64,
    errands: Sender<Errand>,
    started: Instant,
}

struct State {
    session: Session,
    /// Rows of objects that are prepared and not through.
    objects: BTreeMap<Key, Arc<Object>>,
    warnings: Vec<String>,
    /// What the clerk was asked for and has not told yet.
    asked: Option<Key>,
    /// Threads that wait.
    resting: usize,
    over: bool,
}

impl<'a> Crew<'a> {
    /// Makes one; its threads call [`Crew::work`].
    pub fn new(session: Session, target: &'a Target, errands: Sender<Errand>) -> Self {
        let state =
            State { session, objects: BTreeMap::new(), warnings: Vec::new(), asked: None, resting: 0, over: false };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            target,
            confirmed_ms: AtomicU64::new(0),
            errands,
            started: Instant::now(),
        }
    }

    /// Works until the run is over.
    pub fn work(&self) {
        let _alarm = Alarm(self);
        let mut state = self.state();
        while !state.over {
            if !self.has_lease() {
                state = self.rest(state, None);
                continue;
            }
            match state.session.next(self.now()) {
                Next::Send(request) => {
                    // A GET is compared with the object, so it goes along.
                    let object = match request.method {
                        Method::Get | Method::Post | Method::Put => state.objects.get(&request.key).cloned(),
                        Method::Delete => None,
                    };
                    self.wake_one(&state);
                    drop(state);
                    let json = match request.method {
                        Method::Post | Method::Put => object.as_deref().map(wire::to_json),
                        Method::Get | Method::Delete => None,
                    };
                    let reply = self.target.send(&request, json.as_deref());
                    // Bad random numbers make bad delays, no bad data.
                    let random = random().unwrap_or_default();
                    state = self.state();
                    state.session.answered(request.key, &reply, object.as_deref(), self.now(), random);
                }
                Next::CheckListing => {
                    self.wake_one(&state);
                    drop(state);
                    let listing = self.target.look_at_listing();
                    let random = random().unwrap_or_default();
                    state = self.state();
                    state.session.listed(listing, self.now(), random);
                }
                Next::Prepare(keys) => self.ask(Errand::Prepare(keys)),
                Next::Record(facts) => {
                    for fact in &facts {
                        state.objects.remove(&fact.key());
                    }
                    self.ask(Errand::Record(facts));
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
                Next::Wait(until) => state = self.rest(state, until),
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

    /// Hands over the rows of prepared objects, and tells the session.
    pub fn prepared(
        &self,
        rows: BTreeMap<Key, Arc<Object>>,
        say: impl FnOnce(&mut Session, &BTreeMap<Key, Arc<Object>>, Duration),
    ) {
        let mut state = self.state();
        let now = self.now();
        say(&mut state.session, &rows, now);
        state.objects.extend(rows);
        self.changed.notify_all();
    }

    /// Sends everybody home once their requests are answered. Those answers do not count.
    pub fn dismiss(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// Returns what it came to.
    pub fn outcome(self) -> (Summary, Vec<String>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.session.summary().clone(), state.warnings)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the run's time.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes note that the lock's session was there at `time`.
    pub fn confirm(&self, time: Duration) {
        let had = self.has_lease();
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.confirmed_ms.fetch_max(ms, Ordering::Relaxed);
        if !had {
            self.changed.notify_all();
        }
    }

    fn has_lease(&self) -> bool {
        let confirmed = Duration::from_millis(self.confirmed_ms.load(Ordering::Relaxed));
        self.now() < confirmed + LEASE
    }

    fn ask(&self, errand: Errand) {
        // Fails only when the clerk has given up, and then says so by `dismiss`.
        let _ = self.errands.send(errand);
    }

    /// Who found something to do lets another one look for more.
    fn wake_one(&self, state: &State) {
        if state.resting > 0 {
            self.changed.notify_one();
        }
    }

    /// Waits for a change, or until the run's time `until`.
    fn rest<'s>(&'s self, mut state: MutexGuard<'s, State>, until: Option<Duration>) -> MutexGuard<'s, State> {
        let time = until.map_or(REST_MAX, |until| until.saturating_sub(self.now()).min(REST_MAX));
        state.resting += 1;
        let (mut state, _) = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
        state.resting -= 1;
        state
    }
}

/// Ends the run for everybody if a thread panics: its answer would be waited for in vain.
struct Alarm<'a>(&'a Crew<'a>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.dismiss();
            self.0.ask(Errand::Over);
        }
    }
}
