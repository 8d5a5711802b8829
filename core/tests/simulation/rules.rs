//! What has to hold while a run goes on, checked at every request it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use news_core::Key;
use news_core::merge::{Action, Presence, Wish};
use news_core::object::{ATTEMPTS_MAX, REQUESTS_MAX};
use news_core::plan::{Plan, Stage, Work};
use news_core::profile::{Profile, To};
use news_core::reply::{self, Answer, Method, Reply};
use news_core::session::{Config, ROW_HOLDS, Request};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

pub type Checked = Result<(), Broken>;

macro_rules! hold {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::rules::Broken(format!($($words)+)));
        }
    };
}
pub(crate) use hold;

/// Reading back, looking at a stray and removing it come on top of a conversation.
const ERRAND_REQUESTS_MAX: u32 = 5;
/// As does deleting, and looking whether it is gone: nothing is doubled often here.
const CLEARING_REQUESTS_MAX: u32 = 30;
/// The clock's grain in the pace.
const GRAIN: Duration = Duration::from_millis(5);

#[derive(Debug, Default, Clone, Copy)]
struct Talk {
    flying: bool,
    /// The last answer says that it is as wished.
    good: bool,
    /// When its row was read; `None`: not since it had to wait.
    row_at: Option<Duration>,
    requests: u32,
    troubles: u32,
}

/// The watch over one run.
#[derive(Debug)]
pub struct Watch {
    works: BTreeMap<Key, Work>,
    talks: BTreeMap<Key, Talk>,
    /// The run has said its last word about these.
    closed: BTreeSet<Key>,
    overtaken: BTreeSet<Key>,
    /// Objects that were prepared, and those that were loaded to be asked for: neither was on hold then.
    prepared: BTreeSet<Key>,
    loaded: BTreeSet<Key>,
    deletes_begun: bool,
    flying: usize,
    jobs: usize,
    interval: Option<Duration>,
    /// The earliest time of the next request at the rate.
    next_at: Duration,
    pub requests: u64,
    /// Does the target keep what it accepts?
    keeps: bool,
}

impl Watch {
    pub fn new(plan: &Plan, config: Config, keeps: bool) -> Self {
        Self {
            works: plan.works().iter().map(|work| (work.key, *work)).collect(),
            talks: BTreeMap::new(),
            closed: BTreeSet::new(),
            overtaken: BTreeSet::new(),
            prepared: BTreeSet::new(),
            loaded: BTreeSet::new(),
            deletes_begun: false,
            flying: 0,
            jobs: config.jobs,
            interval: config.rate_per_s.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            next_at: Duration::ZERO,
            requests: 0,
            keeps,
        }
    }

    fn talk(&self, key: Key) -> Talk {
        self.talks.get(&key).copied().unwrap_or_default()
    }

    /// Its row is read now. Requests may be sent for it from now on, unless it is [overtaken](Self::overtaken).
    pub fn prepared(&mut self, key: Key, now: Duration) {
        self.prepared.insert(key);
        self.talks.entry(key).or_default().row_at = Some(now);
    }

    pub fn overtaken(&mut self, key: Key) {
        self.overtaken.insert(key);
    }

    /// It may be asked for from now on.
    pub fn loaded(&mut self, key: Key) {
        self.loaded.insert(key);
    }

    /// Says whether the run had begun with the request's object before that was put on hold.
    pub fn has_begun(&self, request: &Request) -> bool {
        let is_asked_for = request.method == Method::Get && self.loaded.contains(&request.key);
        is_asked_for || self.prepared.contains(&request.key)
    }

    /// A request about the target, not about an object of the plan, counts for jobs and rate like any other.
    pub fn question_sent(&mut self, now: Duration) -> Checked {
        self.one_more(now)
    }

    pub fn question_answered(&mut self) {
        self.flying -= 1;
    }

    fn one_more(&mut self, now: Duration) -> Checked {
        self.flying += 1;
        self.requests += 1;
        hold!(self.flying <= self.jobs, "{} requests under way with {} jobs", self.flying, self.jobs);
        if let Some(interval) = self.interval {
            hold!(now + GRAIN >= self.next_at, "a request at {now:?}, the rate's next is at {:?}", self.next_at);
            self.next_at = self.next_at.max(now) + interval;
        }
        Ok(())
    }

    pub fn sent(&mut self, request: &Request, now: Duration) -> Checked {
        self.one_more(now)?;
        let key = request.key;
        let Some(work) = self.works.get(&key).copied() else {
            return Err(Broken(format!("a request for {key}, which is not in the plan")));
        };
        let talk = self.talks.entry(key).or_default();
        hold!(!talk.flying, "two requests for {key} under way");
        talk.flying = true;
        talk.good = false;
        talk.requests += 1;
        let clearing = if work.before == Presence::Doubled { CLEARING_REQUESTS_MAX } else { 0 };
        hold!(talk.requests <= REQUESTS_MAX + ERRAND_REQUESTS_MAX + clearing, "{} requests for {key}", talk.requests);
        hold!(
            !self.closed.contains(&key),
            "{} {key} after others went on as if it were through",
            request.method.name()
        );
        let own = request.is_own();
        if own && request.method != Method::Get {
            let is_fresh = talk.row_at.is_some_and(|at| now < at + ROW_HOLDS);
            hold!(is_fresh, "{} {key} by a row that was read at {:?}", request.method.name(), talk.row_at);
        }
        match request.method {
            Method::Post | Method::Put if work.stage() == Stage::CreateComments => self.after_its_post(&work),
            Method::Put if work.stage() == Stage::UpdateComments => self.after_its_post(&work),
            // What is there more than once is cleared before it is made again.
            Method::Delete if own && work.action() == Action::Renew => Ok(()),
            Method::Delete if own => self.after_everything_else(&work),
            Method::Get | Method::Post | Method::Put | Method::Delete => Ok(()),
        }
    }

    /// A comment goes out once its post's create is done.
    fn after_its_post(&mut self, comment: &Work) -> Checked {
        let Some(post) = comment.parent.map(Key::Post) else { return Ok(()) };
        let Some(work) = self.works.get(&post) else { return Ok(()) };
        let creates = work.stage() == Stage::CreatePosts && work.action() != Action::Nothing;
        if creates && self.keeps && !self.overtaken.contains(&post) {
            hold!(self.talk(post).good, "{} is sent while the create of {post} is not done", comment.key);
            self.closed.insert(post);
        }
        Ok(())
    }

    /// No DELETE before every create and update is answered or given up; a post's after
    /// its comments'.
    fn after_everything_else(&mut self, work: &Work) -> Checked {
        hold!(work.after == Wish::Absent, "DELETE {}, which is to be there", work.key);
        if !self.deletes_begun {
            self.deletes_begun = true;
            for (key, other) in &self.works {
                if !other.stage().deletes() {
                    let flying = self.talks.get(key).is_some_and(|talk| talk.flying);
                    hold!(!flying, "DELETE {} while {key} is under way", work.key);
                    self.closed.insert(*key);
                }
            }
        }
        for comment in self.works.values() {
            let Some(post) = comment.parent.filter(|_| comment.stage() == Stage::DeleteComments) else { continue };
            if Key::Post(post) == work.key && comment.action() != Action::Nothing {
                let good = self.talks.get(&comment.key).is_some_and(|talk| talk.good);
                let excused = !self.keeps || self.overtaken.contains(&comment.key);
                hold!(good || excused, "DELETE {} while the delete of {} is not done", work.key, comment.key);
                self.closed.insert(comment.key);
            }
        }
        Ok(())
    }

    pub fn answered(&mut self, request: &Request, profile: &Profile, reply: &Reply) -> Checked {
        let Request { key, method, to, .. } = request;
        let (key, method) = (*key, *method);
        self.flying -= 1;
        let wish = self.works.get(&key).map(|work| work.after);
        let talk = self.talks.entry(key).or_default();
        talk.flying = false;
        let (throttled, trouble, good) = match reply {
            Reply::Http { status: 429 | 425, .. } => (true, false, false),
            Reply::NotSent { .. } | Reply::Lost { .. } | Reply::Http { status: 408 | 500.., .. } => {
                (false, true, false)
            }
            Reply::Http { status: 404 | 410, .. } => (false, false, wish == Some(Wish::Absent)),
            // The list of the objects with a key is empty.
            Reply::Http { status: 200..=299, .. } if *to == To::Key(key) && is_gone(profile, key, reply) => {
                (false, false, wish == Some(Wish::Absent))
            }
            Reply::Http { status: 200..=299, body, .. } if method == Method::Get => {
                (false, false, !body.starts_with('<') && wish == Some(Wish::Present))
            }
            Reply::Http { status, .. } => (false, false, (200..=299).contains(status)),
        };
        if throttled {
            talk.requests -= 1;
        }
        // Of several records, each has its own troubles.
        let clears = self.works.get(&key).is_some_and(|work| work.before == Presence::Doubled);
        if clears && good && method == Method::Delete {
            talk.troubles = 0;
        }
        if throttled || trouble {
            talk.row_at = None;
        }
        talk.troubles += u32::from(trouble);
        talk.good = good;
        hold!(talk.troubles <= ATTEMPTS_MAX, "{} attempts for {key}", talk.troubles);
        Ok(())
    }
}

fn is_gone(profile: &Profile, key: Key, reply: &Reply) -> bool {
    reply::read(profile, Method::Get, key, None, reply).answer == Answer::Gone
}
