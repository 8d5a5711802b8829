//! The way of a request: out, into effect, and back with an answer, or not.

use std::time::Duration;

use news_core::ledger::State;
use news_core::reply::{Method, Reply};
use news_core::session::{Request, SETTLE};
use news_core::{Key, Object};

use crate::event::Event;
use crate::manners::Asked;
use crate::net::{Back, Fate, Takes, Trouble};
use crate::rules::{Broken, Checked, hold};
use crate::run::{Arrival, Over};
use crate::setup::{Flaw, Setup};
use crate::target::Target;
use crate::world::World;

/// A request on its way.
#[derive(Debug)]
pub struct Flight {
    pub run: usize,
    pub request: Request,
    /// Its run has taken the answer.
    pub back: bool,
    object: Option<Object>,
    sent_at: Duration,
    effects: [Option<Duration>; 2],
    /// Its run ended without it; whatever it does, it has done by then.
    done_by: Option<Duration>,
    comes: Back,
    answer: Option<(u16, String)>,
}

impl World {
    /// A run sends a request.
    pub fn send(&mut self, run: usize, request: Request) -> Checked {
        self.stats.requests += 1;
        let key = request.key;
        if let Some((_, until)) = self.uncertain.get(&key)
            && self.setup.flaw.is_none()
            // What a run that has lost the lock asks for leads to no write: it cannot prepare one.
            && (request.method != Method::Get || self.runs[run].has_session())
        {
            hold!(*until <= self.now, "{} {key} while an earlier request may still take effect", request.method.name());
        }
        let is_on_hold = self.master.holds.contains(&key) && !self.runs[run].watch.has_begun(&request);
        hold!(!is_on_hold, "{} {key}, which is on hold", request.method.name());
        let object = match request.method {
            Method::Post | Method::Put => self.runs[run].body(key).cloned(),
            Method::Get | Method::Delete => None,
        };
        let carries = matches!(request.method, Method::Post | Method::Put);
        hold!(object.is_some() == carries, "{} {key} without its row", request.method.name());
        self.note(|| {
            let what = object.as_ref().map(|o| format!(" {:?}", o.fields().collect::<Vec<_>>())).unwrap_or_default();
            format!("run {run} sends {} {}/{}{what}", request.method.name(), key.entity(), request.to)
        });
        let flight = self.flights.len();
        let connected = self.now + self.weather.connecting(&mut self.rng);
        self.flights.push(Flight {
            run,
            request,
            back: false,
            object,
            sent_at: connected,
            effects: [None, None],
            done_by: None,
            comes: Back::Lost,
            answer: None,
        });
        if connected > self.now {
            self.at(connected, Event::Transmit { flight });
            return Ok(());
        }
        self.transmit(flight)
    }

    /// A request goes out, if its run is still there and may.
    pub fn transmit(&mut self, number: usize) -> Checked {
        let flight = &self.flights[number];
        let run = &self.runs[flight.run];
        let (method, key) = (flight.request.method, flight.request.key);
        let own = flight.request.is_own();
        if run.over == Some(Over::Killed) {
            return Ok(());
        }
        if !run.has_lease(self.now) && self.setup.flaw != Some(Flaw::NoGate) {
            self.note(|| format!("            {} {key} comes too late to be sent", method.name()));
            return self.come_back(number);
        }
        if method != Method::Get && own {
            self.uncertain.insert(key, (number, Duration::MAX));
        }
        let number_of_run = flight.run;
        if let Some(back) = self.manners(number_of_run, Asked::Object(method, key)) {
            let at = self.now + self.rng.ms(1, 60);
            self.flights[number].comes = back;
            self.at(at, Event::Back { flight: number });
            return Ok(());
        }
        let (fate, trouble) = self.fate(method);
        if let Some(trouble) = trouble {
            self.note(|| format!("            {} {key}: {trouble:?}", method.name()));
        }
        for at in fate.effects.into_iter().flatten() {
            self.at(at, Event::Effect { flight: number });
        }
        self.at(fate.at, Event::Back { flight: number });
        self.flights[number].comes = fate.back;
        self.flights[number].effects = fate.effects;
        Ok(())
    }

    /// What becomes of a request that is sent now.
    pub fn fate(&mut self, method: Method) -> (Fate, Option<Trouble>) {
        let Setup { column, late, search_lag, .. } = self.setup;
        let takes = Takes { late: late.saturating_sub(search_lag), settle: SETTLE.saturating_sub(search_lag) };
        self.weather.fate(method, column, self.now, takes, &mut self.rng)
    }

    /// The run of these requests is gone, and with it its connections: they are lost now.
    pub fn abandon_flights(&mut self, run: usize) {
        let takes = self.setup.late.saturating_sub(self.setup.search_lag);
        let done_by = self.now + takes;
        for number in 0..self.flights.len() {
            let flight = &mut self.flights[number];
            if flight.run != run || flight.back {
                continue;
            }
            flight.done_by = Some(done_by);
            let later = flight.effects.into_iter().flatten().filter(|at| *at > done_by).count();
            let key = flight.request.key;
            if let Some((last, until)) = self.uncertain.get_mut(&key)
                && *last == number
            {
                *until = done_by;
            }
            for _ in 0..later {
                let at = self.now + self.rng.within(takes);
                self.at(at, Event::Effect { flight: number });
            }
        }
    }

    /// A request arrives. Most targets do at once what they acknowledge.
    pub fn effect(&mut self, number: usize) -> Checked {
        let flight = &self.flights[number];
        if flight.done_by.is_some_and(|done_by| self.now > done_by) {
            return Ok(());
        }
        let Request { key: _, method, .. } = &flight.request;
        let answer = if self.setup.lag.is_zero() || *method == Method::Get {
            self.take_effect(number)?
        } else {
            // Later, but within what is assumed; and writes keep their order.
            let at = (self.now + self.setup.lag).min(flight.sent_at + SETTLE);
            let answer = self.target.clone().take(&flight.request, flight.object.as_ref(), &mut self.rng);
            if (200..=299).contains(&answer.0) {
                self.at(at, Event::LateEffect { flight: number });
            }
            answer
        };
        let Request { key, method, .. } = &self.flights[number].request;
        let (key, method) = (*key, *method);
        let status = answer.0;
        if self.target.refuses == Some((key, status)) {
            self.refused.insert(key);
        }
        let flight = &mut self.flights[number];
        flight.answer = Some(answer);
        let run = flight.run;
        self.note(|| format!("            {} {key} of run {run} arrives: {status}", method.name()));
        Ok(())
    }

    /// A request takes effect. Returns the status and the body of the answer.
    pub fn take_effect(&mut self, number: usize) -> Result<(u16, String), Broken> {
        let flight = &self.flights[number];
        let request = flight.request.clone();
        let Request { key, method, .. } = request;
        let run = flight.run;
        let answer = match method {
            Method::Get => self.shown(key.entity(), &request.to),
            Method::Post | Method::Put | Method::Delete => {
                let object = flight.object.clone();
                self.keep_for_searches();
                let before = self.target.clone();
                let answer = self.target.take(&request, object.as_ref(), &mut self.rng);
                self.nothing_goes_along(run, key, &before)?;
                answer
            }
        };
        self.note(|| format!("            {} {key} of run {run} takes effect", method.name()));
        if self.setup.column.keeps() || self.setup.column.has_keys() {
            let count = self.target.count(key);
            if count > 1 && (self.strangers.remove(&key) || self.is_lie_among_truths(key)) {
                self.doubled.insert(key);
            }
            hold!(count <= 1 || self.doubled.contains(&key), "{key} is there {count} times");
        }
        Ok(answer)
    }

    /// A post's DELETE takes along no comment that the master has.
    fn nothing_goes_along(&mut self, run: usize, key: Key, before: &Target) -> Checked {
        if !self.setup.column.keeps() {
            return Ok(());
        }
        let gone: Vec<Key> = before.keys().into_iter().filter(|other| self.target.count(*other) == 0).collect();
        for comment in gone.into_iter().filter(|other| *other != key && self.master.rows.contains_key(other)) {
            if self.master.ledger.get(&comment).is_some_and(|entry| entry.state == State::Discarded) {
                self.taken_along.insert(comment);
            }
            // Of a restored dump's objects the log may say that they were never there.
            let others = [&self.damaged, &self.spoilt, &self.doubled, &self.strangers, &self.restored];
            let excused = others.iter().any(|keys| keys.contains(&comment)) || self.is_given_up(comment);
            // A post that is there several times is cleared, and its comments are asked for after that.
            let clears = self.runs[run].clears(key);
            // Before the second look of a full sync it was deleted with its post, and created anew since; or it was moved to a
            // post that was not there at the first look. Events that the look did not read say so to the next run.
            let post = before.get(comment).and_then(Object::parent).map(Key::Post);
            let is_orphan = post.is_some_and(|post| before.count(post) == 0);
            // Its post was given up, and is not there: such a comment is an orphan, wherever the master has it by now.
            let of_given_up = self.ever_given_up.iter().any(|given_up| post == Some(Key::Post(*given_up)));
            let is_unseen = self.runs[run].is_full() && (is_orphan || !self.runs[run].has(comment));
            // Another shard's run has put it under a post that was made again, after this run had planned to delete the post.
            let planned_at = self.master.moment(self.runs[run].started());
            let is_newer = self.setup.shards > 1 && self.master.changed_since(comment, planned_at);
            hold!(
                excused || clears || is_unseen || is_newer || (is_orphan && of_given_up),
                "run {run}: the target has deleted {comment} with {key}, and the master has it"
            );
        }
        Ok(())
    }

    pub fn come_back(&mut self, number: usize) -> Checked {
        let flight = &self.flights[number];
        let run = flight.run;
        if self.runs[run].over == Some(Over::Killed) {
            return Ok(());
        }
        let reply = flight.comes.reply(flight.answer.as_ref());
        let key = flight.request.key;
        let takes = match &reply {
            Reply::Http { status: 408 | 502 | 504, .. } | Reply::Lost { .. } => Some(self.setup.late),
            Reply::Http { status: 500.., .. } => Some(SETTLE),
            Reply::Http { .. } | Reply::NotSent { .. } => None,
        };
        if self.uncertain.get(&key).is_some_and(|(flight, _)| *flight == number) {
            match takes {
                Some(takes) => self.uncertain.insert(key, (number, self.now + takes)),
                None => self.uncertain.remove(&key),
            };
        }
        if self.runs[run].over.is_some() {
            return Ok(());
        }
        self.note(|| match &reply {
            Reply::Http { status, retry_after, .. } => {
                format!("            run {run} gets {status} for {key} {retry_after:?}")
            }
            Reply::NotSent { why } | Reply::Lost { why } => {
                format!("            run {run} gets nothing for {key}: {why}")
            }
        });
        self.arrive(run, Arrival::Answer { flight: number, reply })
    }
}
