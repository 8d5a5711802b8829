//! Asks the target for some objects, each by its own address: what `news diff KEY` and `news show` compare with. Nothing is
//! changed, so no lock is needed.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use news_core::Key;
use news_core::object::{Effects, Wait};
use news_core::session::{Asks, Config, LATE, SETTLE, Session, Sight, Stop, Strangers};

use crate::error::Result;
use crate::run::crew::{Alarm, Crew, Errand};
use crate::signals::{NOTICED_WITHIN, Signals};
use crate::store::sent::Exchange;
use crate::target::{Peer as _, Reader};

/// How a look goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Maximum concurrent requests.
    pub jobs: usize,
    /// Maximum requests per second.
    pub rate_per_s: Option<f64>,
    /// Attempts that trouble may cost an object.
    pub attempts_max: u32,
}

/// What was seen.
#[derive(Debug)]
pub struct Looked {
    /// Of each object.
    pub sights: BTreeMap<Key, Sight>,
    /// The last response of each object that has one.
    pub exchanges: BTreeMap<Key, Exchange>,
}

/// Asks for these objects, all of them or none.
///
/// Fails with why the look was stopped.
pub fn look(target: &Reader, keys: &[Key], pace: Pace, signals: &Signals) -> Result<Looked> {
    let (looked, stop) = ask(target, keys, pace, signals)?;
    match stop {
        Some(stop) => Err(super::stopped(&stop, target, signals, super::Asker::Look)),
        None => Ok(looked),
    }
}

/// Asks for these objects.
///
/// Fails where a thread cannot be started.
fn ask(target: &Reader, keys: &[Key], pace: Pace, signals: &Signals) -> Result<(Looked, Option<Stop>)> {
    let Pace { jobs, rate_per_s, attempts_max } = pace;
    // None of these matters where nothing is written.
    let effects = Effects { settle: SETTLE, late: LATE, wait: Wait::Never };
    let (settled_in, strangers, asks) = (Duration::ZERO, Strangers::Refused, Asks::Each);
    let config = Config { jobs, rate_per_s, effects, settled_in, strangers, asks, profile: target.profile() };
    let (sender, errands) = channel();
    let crew = Crew::new(Session::looking(config, keys, attempts_max, Duration::ZERO), target, jobs, sender);
    let done: Result<()> = thread::scope(|scope| {
        let _alarm = Alarm(&crew);
        crew.start(scope)?;
        loop {
            match errands.recv_timeout(NOTICED_WITHIN) {
                Ok(Errand::Over) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                // A session that only looks asks for none of the others.
                Ok(Errand::Prepare(_) | Errand::Load(_) | Errand::Record(_) | Errand::AskMaster(_))
                | Err(RecvTimeoutError::Timeout) => {}
            }
            if signals.stop().is_some() {
                crew.tell(|session, _| session.stop(Stop::Asked));
            }
        }
    });
    done?;
    let (session, exchanges) = crew.into_session();
    let stop = session.summary().stop.clone();
    let mut sights = session.into_sights();
    // Comments of one post ask for it once.
    let mut posts = BTreeMap::new();
    for sight in sights.values_mut() {
        if let Sight::There(element) = sight
            && let Some(post) = element.target_parent().cloned()
        {
            let ours = *posts.entry(post.to_string()).or_insert_with(|| target.our_post(&post));
            element.resolve_parent(ours);
        }
    }
    Ok((Looked { sights, exchanges }, stop))
}
