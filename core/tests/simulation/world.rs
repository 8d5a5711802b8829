//! A schedule: the clock, the heap of events, the network between runs and target, and the
//! people who edit. Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use news_core::ledger::Outstanding;
use news_core::merge::{EventType, Presence};
use news_core::session::{Fact, Left};
use news_core::{Entity, Key, PostId};

use crate::column::Column;
use crate::edits::Editor;
use crate::event::{Event, Stats};
use crate::full::{Looked, STRANGE_IDS};
use crate::master::Master;
use crate::net::Weather;
use crate::rng::Rng;
use crate::rules::{Broken, Checked, hold};
use crate::run::Run;
use crate::setup::{Flaw, Setup};
use crate::target::Target;
use crate::wire::Flight;

#[derive(Debug)]
pub struct World {
    pub now: Duration,
    pub rng: Rng,
    pub setup: Setup,
    pub master: Master,
    pub target: Target,
    /// The target as a cache has kept it.
    pub cache: Target,
    /// The target as it was until then, for searches that are late.
    pub earlier: VecDeque<(Duration, Target)>,
    pub runs: Vec<Run>,
    pub flights: Vec<Flight>,
    /// Runs whose question about the target is on its way.
    pub questions: Vec<usize>,
    /// Runs that have met a target that refuses: it does so to their end.
    pub met: BTreeSet<usize>,
    /// What runs so far have sent has had its effect then.
    pub settled_at: Duration,
    pub kill_permille: u64,
    pub stats: Stats,
    pub trace: Option<Vec<String>>,
    pub weather: Weather,
    pub active: bool,
    heap: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    events: Vec<Option<Event>>,
    /// Per object: the last write whose effect is not known for sure, and when it is past.
    pub uncertain: BTreeMap<Key, (usize, Duration)>,
    /// Objects that were refused with 422 at any time: no others may be parked.
    pub refused: BTreeSet<Key>,
    /// Objects that others have changed at the target since the last full sync looked.
    pub damaged: BTreeSet<Key>,
    /// A full sync that has looked once; it holds the lock.
    pub looked: Option<Looked>,
    /// A full sync has waited for earlier requests until then, with so many runs before it.
    pub full_waited: Option<(usize, Duration)>,
    /// Objects that others have changed at the target, and no run has made good since.
    pub spoilt: BTreeSet<Key>,
    /// Objects that were doubled, and not renewed since: they may have any number of records.
    pub doubled: BTreeSet<Key>,
    /// Of these, those that a run has begun to clear.
    pub clearing: BTreeSet<Key>,
    /// Objects that others have made at the target, and no full sync has begun with: a create meets them.
    pub strangers: BTreeSet<Key>,
    /// Objects that a restored dump logged as created, though the target has them.
    pub lied: BTreeSet<Key>,
    /// All objects that it did so.
    pub restored: BTreeSet<Key>,
    /// Objects whose changes an operator gave up, and that were not brought in sync since.
    pub given_up: BTreeSet<Key>,
    /// Of these, comments that the target has deleted with a post since.
    pub taken_along: BTreeSet<Key>,
    /// Posts that were given up at any time.
    pub ever_given_up: BTreeSet<PostId>,
}

/// Where a target's own ids begin: so that they come to be those of objects here, or never.
const OWN_IDS_NEAR: i64 = 2;
pub const OWN_IDS_FAR: i64 = 100;
/// A schedule has no more events.
const EVENTS_MAX: usize = 100_000;

impl World {
    pub fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut rng = Rng::new(seed);
        let until = rng.ms(500, 30_000);
        let setup = Setup::any(flaw, &mut rng);
        let until = if setup.is_long { rng.ms(20_000, 30_000) } else { until };
        let mut master = Master::empty();
        let mut editor = Editor {
            master: &mut master,
            rng: &mut rng,
            now: Duration::ZERO,
            more_ids: &[],
            is_odd: false,
            has_blanks: false,
        };
        editor.import();
        let made = if rng.permille(500) { OWN_IDS_NEAR } else { OWN_IDS_FAR };
        let mut target = Target::equal_to(&master, setup.column, made);
        target.alters = setup.alters;
        let weather = if setup.is_long {
            Weather::losing(setup.timeout_max)
        } else {
            Weather::any(&mut rng, until, setup.timeout_max)
        };
        let kill_permille = rng.pick(if setup.is_long { &[3, 10][..] } else { &[0, 0, 3, 20, 60] }).unwrap_or(0);
        let mut world = Self {
            now: Duration::ZERO,
            setup,
            master,
            cache: target.clone(),
            earlier: VecDeque::new(),
            target,
            runs: Vec::new(),
            flights: Vec::new(),
            questions: Vec::new(),
            met: BTreeSet::new(),
            settled_at: Duration::ZERO,
            kill_permille,
            stats: Stats::default(),
            trace: None,
            weather,
            active: true,
            heap: BinaryHeap::new(),
            events: Vec::new(),
            uncertain: BTreeMap::new(),
            refused: BTreeSet::new(),
            damaged: BTreeSet::new(),
            looked: None,
            full_waited: None,
            spoilt: BTreeSet::new(),
            doubled: BTreeSet::new(),
            clearing: BTreeSet::new(),
            strangers: BTreeSet::new(),
            lied: BTreeSet::new(),
            restored: BTreeSet::new(),
            given_up: BTreeSet::new(),
            taken_along: BTreeSet::new(),
            ever_given_up: BTreeSet::new(),
            rng,
        };
        if world.setup.restored {
            world.restored = world.editor().restore_data_only().into_iter().collect();
            world.lied = world.restored.clone();
        }
        world.first_events(until);
        world
    }

    fn first_events(&mut self, until: Duration) {
        if self.rng.permille(250) {
            let key = if self.rng.permille(500) { Entity::Post.key(2) } else { Entity::Comment.key(3) };
            self.target.refuses = key.ok().map(|key| (key, self.setup.refusal));
        }
        // Edits come in bursts: what matters happens close together.
        let by = if self.setup.is_long { until / 8 } else { until };
        let bursts: Vec<Duration> = (0..self.rng.between(1, 4)).map(|_| self.rng.within(by)).collect();
        let wide = self.rng.pick(&[10, 300, 3000]).unwrap_or(10);
        for _ in 0..self.rng.between(if self.setup.is_long { 12 } else { 2 }, 24) {
            let at = self.rng.pick(&bursts).unwrap_or_default() + self.rng.ms(0, wide);
            self.at(at.min(until), Event::Edit);
        }
        if self.setup.damaged {
            for _ in 0..self.rng.between(1, 6) {
                let at = self.rng.within(until);
                self.at(at, Event::Damage);
            }
            for _ in 0..self.rng.between(1, 4) {
                let at = self.rng.within(until);
                self.at(at, Event::StartFull);
            }
        }
        if self.setup.operators {
            for _ in 0..self.rng.between(1, 5) {
                let at = self.rng.within(until);
                self.at(at, Event::Operate);
            }
        }
        if self.setup.holds {
            for _ in 0..self.rng.between(1, 8) {
                let at = self.rng.within(until);
                self.at(at, Event::Hold);
            }
        }
        if !self.setup.set_back.is_zero() {
            let at = self.rng.within(until);
            self.at(at, Event::SetBack);
        }
        let first = if self.setup.is_long { by } else { Duration::ZERO } + self.rng.ms(0, self.setup.start_gap_ms);
        self.at(first, Event::StartRun);
        self.at(until, Event::Calm);
    }

    pub fn at(&mut self, at: Duration, event: Event) {
        self.heap.push(Reverse((at, self.events.len() as u64, self.events.len())));
        self.events.push(Some(event));
    }

    pub fn note(&mut self, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3} s  {}", self.now.as_secs_f64(), words()));
        }
    }

    /// Plays the schedule to its end.
    pub fn play(&mut self) -> Checked {
        let (column, jobs, rate) = (self.setup.column, self.setup.jobs, self.setup.rate_per_s);
        self.note(|| format!("{column:?}, {jobs} jobs, rate {rate:?}"));
        while self.active || self.runs.iter().any(|run| run.over.is_none()) {
            hold!(self.step()?, "nothing happens any more");
        }
        self.calm_end()
    }

    /// Lets the next event happen. False: there is none.
    pub fn step(&mut self) -> Result<bool, Broken> {
        let Some(Reverse((at, _, place))) = self.heap.pop() else { return Ok(false) };
        hold!(self.events.len() < EVENTS_MAX, "the schedule does not end");
        self.now = self.now.max(at);
        let Some(event) = self.events[place].take() else { return Ok(true) };
        match event {
            Event::Edit if self.active => {
                let words = self.editor().edit();
                self.note(|| format!("somebody {words}"));
            }
            Event::StartRun if self.active => {
                let gap = self.rng.ms(10, self.setup.start_gap_ms);
                self.at(self.now + gap, Event::StartRun);
                // Most runs without work would only cost the simulation time.
                let clock = self.master.clock(self.now, self.setup.late);
                let idle = self.master.pending(&clock).is_empty() && self.rng.permille(950);
                let order = self.any_order();
                if !idle && let Some(run) = self.start_run(order)? {
                    self.plan_accidents(run);
                }
            }
            Event::Damage if self.active => self.damage(),
            Event::Operate if self.active => self.operate(),
            Event::Hold if self.active => self.hold(),
            Event::SetBack if self.active => {
                self.note(|| "the database's clock is set back".to_string());
                self.master.set_back = self.setup.set_back;
            }
            Event::StartFull if self.active => self.start_full(),
            Event::LookAgain => {
                if let (Some(run), true) = (self.look_again()?, self.active) {
                    self.plan_accidents(run);
                }
            }
            Event::Calm => {
                self.note(|| "calm".to_string());
                self.active = false;
                self.master.holds.clear();
                self.weather = self.weather.fine();
                self.kill_permille = 0;
            }
            Event::LoseLock { run } if self.active && self.runs[run].over.is_none() => {
                self.note(|| format!("run {run} loses the lock's session"));
                self.sign_of_life(run);
                self.runs[run].lose_lock();
                self.stats.locks_lost += 1;
                self.master.unlock(run);
            }
            Event::Interrupt { run } if self.active => self.interrupt(run)?,
            Event::Edit
            | Event::StartRun
            | Event::StartFull
            | Event::Damage
            | Event::Operate
            | Event::Hold
            | Event::SetBack
            | Event::LoseLock { .. }
            | Event::Interrupt { .. } => {}
            Event::Wake { run, token } => self.wake(run, token)?,
            Event::Job { run, job } => self.do_job(run, job)?,
            Event::Transmit { flight } => self.transmit(flight)?,
            Event::Effect { flight } => self.effect(flight)?,
            Event::LateEffect { flight } => self.take_effect(flight).map(drop)?,
            Event::Back { flight } => self.come_back(flight)?,
            Event::ListingBack { run, look, back } => self.listing_back(run, &look, back)?,
            Event::ProbeBack { run, key, back } => self.probe_back(run, key, back)?,
            Event::FilterBack { run, key, back } => self.filter_back(run, key, back)?,
        }
        Ok(true)
    }

    pub fn editor(&mut self) -> Editor<'_> {
        Editor {
            master: &mut self.master,
            rng: &mut self.rng,
            now: self.now,
            more_ids: if self.setup.damaged { &STRANGE_IDS } else { &[] },
            is_odd: self.setup.is_odd,
            has_blanks: true,
        }
    }

    /// Three of the creates are asked for first: a lie of the log's may hide among creates of the same kind that are none.
    pub fn is_lie_among_truths(&self, key: Key) -> bool {
        let is_true = |event: &news_core::merge::Event| {
            event.kind == EventType::Created
                && event.key.entity() == key.entity()
                && !self.restored.contains(&event.key)
        };
        self.restored.contains(&key) && self.master.log.iter().any(|row| is_true(&row.event))
    }

    /// Returns how long it takes until no unanswered request of an earlier run can have an effect any more.
    pub fn unsettled(&self) -> Duration {
        let clock = self.master.clock(self.now, self.setup.late);
        let each = self.master.ledger.values().map(news_core::ledger::Entry::outstanding);
        let all = each.fold(Outstanding::default(), |all, one| Outstanding {
            settled_at: all.settled_at.max(one.settled_at),
            is_sent: all.is_sent || one.is_sent,
        });
        clock.until_settled(&all)
    }

    fn plan_accidents(&mut self, run: usize) {
        // Between reading the plan and loading the rows, and while the first requests fly.
        if self.rng.permille(self.setup.early_edits_permille) {
            for _ in 0..self.rng.between(1, 3) {
                let at = self.now + self.rng.ms(0, 2 * self.setup.commit_ms + 20);
                self.at(at, Event::Edit);
            }
        }
        if self.rng.permille(self.setup.lock_losses_permille) {
            let at = self.now + self.rng.ms(0, 4000);
            self.at(at, Event::LoseLock { run });
        }
        if self.rng.permille(self.setup.interrupts_permille) {
            let at = self.now + self.rng.ms(0, 4000);
            self.at(at, Event::Interrupt { run });
        }
    }

    /// What has to hold when a fact was recorded, of an object that `before` was recorded of.
    pub fn recorded(&mut self, fact: &Fact, before: Option<Presence>) -> Checked {
        let key = fact.key();
        // Created and deleted is nothing, whatever stranger is there.
        if matches!(fact, Fact::Done(..)) && !self.damaged.contains(&key) && !self.strangers.contains(&key) {
            self.spoilt.remove(&key);
            self.given_up.remove(&key);
        }
        let is_renewed = matches!(fact, Fact::Done(..)) && before == Some(Presence::Doubled);
        if is_renewed && !self.damaged.contains(&key) {
            self.doubled.remove(&key);
            let count = self.target.count(key);
            hold!(count <= 1 || !self.setup.lag.is_zero(), "{key} is renewed, and there {count} times");
        }
        match fact {
            // Others may have changed it since it was sent.
            Fact::Done(..)
                if [&self.damaged, &self.doubled, &self.strangers].iter().any(|keys| keys.contains(&key)) => {}
            // Its post may not be there.
            Fact::Done(..) if self.is_given_up(key) => {}
            // What takes effect later is looked at in the end.
            Fact::Done(..) if !self.setup.lag.is_zero() => {}
            Fact::Done(..) if self.setup.column != Column::Pretends && !self.master.is_pending(key) => {
                let (here, there) = (self.master.rows.get(&key), self.target.get(key));
                // A target that counts may make a deleted id again.
                let again = here.is_none() && !self.setup.column.keeps();
                hold!(
                    self.target.is_made_of(there, here) || again,
                    "{key} is marked as synced: {here:?} here, {there:?} there"
                );
            }
            Fact::Left { end: Left::Parked, status, why, .. } => {
                // What others have left of it is in the way of a create.
                let excused = [&self.refused, &self.doubled, &self.strangers].iter().any(|keys| keys.contains(&key));
                hold!(excused, "{key} is parked: {status:?} {why}");
            }
            Fact::Done(..) | Fact::Left { .. } => {}
        }
        Ok(())
    }
}
