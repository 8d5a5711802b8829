//! What a driver does with the database.

use crate::event::Event;
use crate::rules::{Broken, Checked};
use crate::run::{Job, Over, Run};
use crate::setup::Flaw;
use crate::world::World;
use news_core::Key;
use news_core::merge::{Action, Presence};
use news_core::session::{Asks, Fact, Loaded, Stop};

impl World {
    pub fn job(&mut self, run: usize, job: Job) {
        self.runs[run].busy = true;
        let at = self.now + self.rng.ms(1, self.setup.commit_ms);
        self.at(at, Event::Job { run, job });
    }

    /// A transaction of the run is carried out now.
    pub fn do_job(&mut self, number: usize, job: Job) -> Checked {
        if self.runs[number].over.is_some() || self.dies(number) {
            return Ok(());
        }
        self.runs[number].busy = false;
        let flawed = self.setup.flaw == Some(Flaw::RecordsAfterLockLost);
        if !self.holds_lock(number) {
            if !flawed {
                self.end_run(number, Over::LockLost);
                return Ok(());
            }
            // The flawed driver stops, and records all it is told.
            self.runs[number].session.stop(Stop::Asked);
        }
        self.runs[number].confirmed = self.now;
        if self.setup.flaw != Some(Flaw::NoSignOfLife) {
            self.runs[number].alive_at = self.master.moment(self.now);
        }
        match job {
            Job::Confirm => {}
            Job::Replan => return self.replan(number),
            Job::End => {
                self.end_nothing(number)?;
                if self.runs[number].over.is_none() {
                    self.end_run(number, Over::Finished);
                }
                return Ok(());
            }
            Job::Load(keys) => self.load(number, &keys),
            Job::AskMaster(key) => {
                let has = self.master.rows.contains_key(&key);
                self.runs[number].session.owned(key, has);
            }
            Job::Prepare(keys) => self.prepare(number, &keys)?,
            Job::Record(facts) => self.record(number, &facts)?,
        }
        self.drive(number)
    }

    /// A lost session is opened again: the lock counts if no other run had it meanwhile.
    pub fn holds_lock(&mut self, number: usize) -> bool {
        let run = &mut self.runs[number];
        let shard = run.order.shard;
        if !run.session_alive && !run.is_superseded && self.master.is_free(shard) {
            self.master.locks.push((number, shard));
            run.session_alive = true;
        }
        run.session_alive
    }

    /// What was to be created is there: the log is in doubt, and the plan is made anew.
    pub fn replan(&mut self, number: usize) -> Checked {
        self.master.doubt();
        let order = self.runs[number].order;
        let clock = self.master.clock(self.now, self.setup.late);
        let reading = self.master.read(&clock, order.shard, order.patience);
        self.tell_plan(number, &reading);
        let config = self.config(order, Asks::Each);
        let Run { started, confirmed, alive_at, .. } = self.runs[number];
        let again = Run::new(config, reading, order, self);
        self.runs[number] = Run { started, confirmed, alive_at, ..again };
        self.drive(number)
    }

    /// Records what needs no request, once the log is trusted.
    pub fn end_nothing(&mut self, number: usize) -> Checked {
        if !self.runs[number].session.summary().is_log_trusted {
            return Ok(());
        }
        let now = self.master.moment(self.now);
        for (key, mark) in core::mem::take(&mut self.runs[number].nothing) {
            let before = self.master.ledger.get(&key).map(|entry| entry.presence);
            let fact = Fact::Done(key, Action::Nothing, None);
            self.master.record(&fact, &mark, now);
            // That it was created was a lie of the log's, and nothing else was to be created: it stays at the target.
            if (self.lied.remove(&key) || self.spoilt.contains(&key)) && self.target.count(key) > 0 {
                self.spoilt.insert(key);
            } else {
                self.recorded(&fact, before)?;
            }
        }
        Ok(())
    }

    pub fn load(&mut self, number: usize, keys: &[Key]) {
        for key in keys {
            let row = self.master.rows.get(key).cloned();
            let loaded = match &row {
                _ if self.master.holds.contains(key) => Loaded::OnHold,
                Some(_) => Loaded::Ready,
                None => Loaded::Contradicted,
            };
            let run = &mut self.runs[number];
            if loaded == Loaded::Ready {
                run.watch.loaded(*key);
            }
            run.bodies.extend(row.map(|object| (*key, object)));
            run.tell_post(*key);
            self.master.kept.get(key).into_iter().for_each(|kept| run.session.keeps(*key, *kept));
            run.session.loaded(*key, loaded, self.now);
        }
    }

    pub fn prepare(&mut self, number: usize, keys: &[Key]) -> Checked {
        let now = self.master.moment(self.now);
        let mut all = Vec::new();
        for key in keys {
            let run = &mut self.runs[number];
            let (Some(work), Some(mark)) = (run.works.get(key).copied(), run.marks.get(key).copied()) else {
                return Err(Broken(format!("{key} is prepared and not in the plan")));
            };
            let before = self.master.ledger.get(key).cloned();
            let loaded = self.master.prepare(&work, &mark, now);
            // What is left alone is cleared by nobody.
            if loaded != Loaded::OnHold && work.before == Presence::Doubled {
                self.clearing.insert(*key);
            }
            if loaded != Loaded::OnHold && mark.basis == news_core::ledger::Basis::Look {
                self.strangers.remove(key);
            }
            if self.setup.flaw == Some(Flaw::NoPreSendRow) {
                match before {
                    Some(entry) => self.master.ledger.insert(*key, entry),
                    None => self.master.ledger.remove(key),
                };
            }
            if loaded == Loaded::Ready {
                run.unrecorded.insert(*key);
                run.bodies.extend(self.master.rows.get(key).map(|object| (*key, object.clone())));
            }
            all.push((*key, loaded));
        }
        self.note(|| {
            format!(
                "run {number} prepares {}",
                all.iter().map(|(k, l)| format!("{k} {l:?}")).collect::<Vec<_>>().join(", ")
            )
        });
        if self.dies(number) {
            return Ok(());
        }
        for (key, loaded) in all {
            let run = &mut self.runs[number];
            // Whatever the ledger says.
            if !self.master.holds.contains(&key) {
                run.watch.prepared(key, self.now);
            }
            if loaded != Loaded::Ready {
                run.watch.overtaken(key);
                self.stats.overtaken += 1;
            }
            run.tell_post(key);
            self.master.kept.get(&key).into_iter().for_each(|kept| run.session.keeps(key, *kept));
            run.session.loaded(key, loaded, self.now);
        }
        Ok(())
    }

    pub fn record(&mut self, number: usize, facts: &[Fact]) -> Checked {
        self.note(|| format!("run {number} records {facts:?}"));
        let now = self.master.moment(self.now);
        for fact in facts {
            let run = &mut self.runs[number];
            run.unrecorded.remove(&fact.key());
            let Some(mark) = run.marks.get(&fact.key()).copied() else {
                return Err(Broken(format!("a fact about {}, which is not in the plan", fact.key())));
            };
            let before = run.works.get(&fact.key()).map(|work| work.before);
            self.master.record(fact, &mark, now);
            self.recorded(fact, before)?;
        }
        self.dies(number);
        Ok(())
    }
}
