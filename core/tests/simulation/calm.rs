//! The end of a schedule: everything is fine, and what was left is made good.

use std::collections::{BTreeMap, BTreeSet};

use news_core::ledger::{Pending, State};
use news_core::session::{Stop, Warning};
use news_core::{Entity, Key, Object, PostId};

use crate::column::Column;
use crate::rules::{Broken, Checked, hold};
use crate::run::Order;
use crate::world::{OWN_IDS_FAR, World};

impl World {
    /// Repairs what others have done, once nothing is on its way any more.
    fn calm_full_run(&mut self) -> Result<usize, Broken> {
        while self.step()? {}
        self.find_lost(None);
        self.now = self.now.max(self.settled_at).max(self.now + self.unsettled());
        self.full_waited = Some((self.runs.len(), self.now));
        self.start_full();
        while self.looked.is_some() {
            hold!(self.step()?, "the full sync does not look again");
        }
        self.end_calmly(Some(self.runs.len() - 1))
    }

    fn calm_run(&mut self) -> Result<usize, Broken> {
        let run = self.start_run(Order::WHOLE)?;
        self.end_calmly(run)
    }

    fn end_calmly(&mut self, run: Option<usize>) -> Result<usize, Broken> {
        let Some(run) = run else { return Err(Broken("the lock is not free".to_string())) };
        while self.runs[run].over.is_none() {
            hold!(self.step()?, "run {run} hangs");
        }
        // A target that acknowledges first is given the time that it has.
        while !self.setup.lag.is_zero() && self.step()? {}
        Ok(run)
    }

    /// Everything is fine now: one run does all that the target takes; once an operator has
    /// repaired what it refused, one more does the rest.
    pub fn calm_end(&mut self) -> Checked {
        if matches!(self.setup.column, Column::OwnIds { .. } | Column::OddKeys { .. }) {
            // What is still on its way leaves its own strays.
            while self.step()? {}
        }
        if self.setup.damaged {
            while self.step()? {}
            self.calm_run()?;
            // Clearing a post has left its comments to the next one, where they were found equal before.
            self.calm_run()?;
            self.only_others_did_harm()?;
        }
        let strays = self.target.strays(&self.master);
        let run = if self.setup.damaged { self.calm_full_run()? } else { self.calm_run()? };
        if matches!(self.setup.column, Column::OwnIds { .. } | Column::OddKeys { .. }) {
            // Where its ids may be ours by chance, it takes more than one create to tell.
            let clear = self.target.made >= OWN_IDS_FAR;
            hold!(!clear || self.target.strays(&self.master) <= strays, "a stray is left behind");
            let stop = &self.runs[run].session.summary().stop;
            let refused = matches!(stop, Some(Stop::OwnIds { .. } | Stop::KeyLost { .. } | Stop::Unfiltered(_)));
            let parked = !self.refused.is_empty();
            let excused = refused || parked || !self.missing_posts().is_empty();
            hold!(excused || self.runs[run].all_done(), "{:?}", self.runs[run].session.summary());
            return Ok(());
        }
        let stop = &self.runs[run].session.summary().stop;
        // Where nothing else was accepted after it, it may be the credentials.
        let may_stop = self.target.refuses.is_some_and(|(key, status)| {
            matches!(status, 401 | 403) && self.refused.contains(&key) && matches!(stop, Some(Stop::Credentials(_)))
        });
        hold!(stop.is_none() || may_stop, "a calm run stops: {stop:?}");
        self.ask_for_stranded()?;
        self.the_rest_is_synced()?;
        let refused = self.target.refuses.take().map(|(key, _)| key).filter(|key| self.refused.contains(key));
        let given_up = self.missing_posts();
        if refused.is_some() || !given_up.is_empty() {
            self.note(|| format!("{refused:?} is accepted from now on, and {given_up:?} are to be created after all"));
            let keys = refused.into_iter().chain(given_up.into_iter().map(Key::Post));
            for key in keys.filter(|key| self.master.rows.contains_key(key)).collect::<Vec<Key>>() {
                self.editor().touch(key);
            }
            self.calm_run()?;
            self.ask_for_stranded()?;
        }
        let last = self.runs.len() - 1;
        hold!(self.runs[last].all_done(), "not everything is done: {:?}", self.runs[last].session.summary());
        let clock = self.master.clock(self.now, self.setup.late);
        let left = self.master.pending(&clock);
        hold!(left.is_empty(), "something is left: {left:?}");
        if self.setup.column.keeps() {
            let excused = !self.given_up.is_empty() || !self.ever_given_up.is_empty();
            hold!(
                excused || self.target.len() == self.master.rows.len(),
                "the target has {} records",
                self.target.len()
            );
            let warned: Vec<&Warning> = self.runs.iter().flat_map(|run| &run.warnings).collect();
            // Others may have changed what is read back; another shard's DELETE of a post may have taken a comment along; and
            // a comment of a post that was given up is an orphan, which a target may drop.
            hold!(warned.is_empty() || self.setup.damaged || self.setup.shards > 1 || excused, "{warned:?}");
        }
        self.the_rest_is_synced()
    }

    /// A run that has deleted a post with a comment that was given up leaves the comment to the next one.
    fn ask_for_stranded(&mut self) -> Checked {
        let is_stranded = |key: &Key| self.master.ledger.get(key).is_some_and(|entry| entry.state != State::Discarded);
        if self.given_up.iter().any(is_stranded) { self.calm_run().map(drop) } else { Ok(()) }
    }

    /// Where full syncs did not come to their end, plain ones went on with all that they had begun: what differs
    /// by then was changed by others, or refused.
    fn only_others_did_harm(&self) -> Checked {
        let keys = self.master.rows.keys().copied().chain(self.target.keys());
        for key in keys.filter(|key| self.differs(*key) && !self.master.is_pending(*key)) {
            let post = self.master.parent_of(key).map(Key::Post);
            let is_refused = self.refused.contains(&key) || post.is_some_and(|post| self.refused.contains(&post));
            let is_doubled = self.doubled.contains(&key) && !self.clearing.contains(&key);
            let is_spoilt = self.spoilt.contains(&key) || is_doubled;
            let (here, there) = (self.master.rows.get(&key), self.target.get(key));
            hold!(
                is_refused || is_spoilt || self.is_given_up(key),
                "{key} differs, and nobody else changed it: {here:?} here, {there:?} there"
            );
        }
        Ok(())
    }

    /// Posts whose creation was given up, so that their comments wait. Where the target chooses the ids, they wait as well
    /// where it is not known whether the creation was sent.
    fn missing_posts(&self) -> BTreeSet<PostId> {
        let mut posts = self.master.given_up();
        if self.setup.column.has_keys() {
            let is_missing = |post: &&PostId| self.target.count(Key::Post(**post)) == 0;
            posts.extend(self.ever_given_up.iter().filter(is_missing).copied());
        }
        posts
    }

    /// An operator gave it up, or its post.
    pub fn is_given_up(&self, key: Key) -> bool {
        let posts = [self.master.parent_of(key), self.target.get(key).and_then(Object::parent)];
        // What was sent while its post was not there may be gone, also when the post is there again.
        let is_orphaned = posts.into_iter().flatten().any(|post| self.ever_given_up.contains(&post));
        self.given_up.contains(&key) || is_orphaned
    }

    /// What is not pending is equal; what is pending was refused, or waits for what was.
    fn the_rest_is_synced(&self) -> Checked {
        let clock = self.master.clock(self.now, self.setup.late);
        let pending: BTreeMap<Key, Pending> =
            self.master.pending(&clock).into_iter().map(|one| (one.key, one)).collect();
        let given_up = self.missing_posts();
        for key in &self.taken_along {
            let is_left = self.master.ledger.get(key).is_some_and(|entry| entry.state == State::Discarded);
            let is_missing = self.master.rows.contains_key(key) && self.target.count(*key) == 0;
            hold!(!is_left || !is_missing, "the target has deleted {key} with its post, and nothing tells so");
        }
        let is_left = |one: &Pending| {
            let post = one.parent.map(Key::Post);
            let why = self.refused.contains(&one.key) || post.is_some_and(|post| self.refused.contains(&post));
            why || one.parent.is_some_and(|post| given_up.contains(&post))
        };
        for (key, one) in &pending {
            // A post's DELETE waits for a comment that could not be moved away.
            let awaits = pending
                .values()
                .any(|other| is_left(other) && other.leaves.iter().any(|post| Key::Post(*post) == *key));
            hold!(is_left(one) || awaits, "{key} is still pending: {one:?}");
        }
        if !self.setup.column.keeps() {
            return Ok(());
        }
        for entity in Entity::ALL {
            for key in (1..10).filter_map(|id| entity.key(id).ok()).filter(|key| !pending.contains_key(key)) {
                // A full sync leaves what was refused, and what waits for that, without an event.
                let post = self.master.parent_of(key).map(Key::Post);
                let excused = self.refused.contains(&key) || post.is_some_and(|post| self.refused.contains(&post));
                if self.setup.damaged && excused && self.master.ledger.contains_key(&key) {
                    continue;
                }
                if self.is_given_up(key) {
                    continue;
                }
                let (here, there) = (self.master.rows.get(&key), self.target.get(key));
                hold!(self.target.is_made_of(there, here), "{key} differs: {here:?} here, {there:?} there");
                hold!(!self.differs(key), "{key} is equal, and looks different: {here:?} here, {there:?} there");
            }
        }
        Ok(())
    }
}
