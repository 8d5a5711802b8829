//! What tests ask and tell: paths with two underscores, which no fault strikes and no journal notes.

use std::collections::BTreeMap;

use news_core::Entity;
use serde::Serialize;

use crate::fake_api::answer::Answer;
use crate::fake_api::faults::Faults;
use crate::fake_api::late::Late;
use crate::fake_api::route::Control;
use crate::fake_api::stock::Tally;
use crate::fake_api::throttle::Bucket;
use crate::fake_api::{Ask, FakeApi, locked};

/// The JSON of `GET /__counts`.
#[derive(Debug, Serialize)]
struct Counts {
    /// Requests by method, ever.
    requests: BTreeMap<String, u64>,
    /// What came into force, by id.
    posts: BTreeMap<String, Tally>,
    /// What came into force, by id.
    comments: BTreeMap<String, Tally>,
    /// Writes that have not come into force yet.
    late: usize,
}

impl FakeApi {
    pub(super) fn control(&self, control: Control, ask: &Ask) -> Answer {
        match (ask.method.as_str(), control) {
            ("GET", Control::Requests) => {
                let (entries, total) = {
                    let journal = locked(&self.journal);
                    (journal.entries().clone(), journal.total())
                };
                Answer::value(200, &entries).with("X-Total-Count", total.to_string())
            }
            ("GET", Control::Counts) => {
                self.catch_up(std::time::Instant::now());
                let requests = locked(&self.journal).methods().clone();
                let tallies = |entity| self.stock().get(entity).tallies();
                let (posts, comments) = (tallies(Entity::Post), tallies(Entity::Comment));
                Answer::value(200, &Counts { requests, posts, comments, late: locked(&self.late).len() })
            }
            ("POST", Control::Reset) => {
                let mut stock = self.stock_mut();
                *locked(&self.late) = Late::default();
                self.late_len.store(0, std::sync::atomic::Ordering::Release);
                *stock = self.setup.data.stock();
                *locked(&self.journal) = super::Journal::default();
                *locked(&self.bucket) = Bucket::default();
                Answer::json(200, "{}")
            }
            ("GET", Control::Faults) => Answer::value(200, &*self.faults()),
            ("PUT", Control::Faults) => match self.new_faults(&ask.body) {
                Ok(faults) => {
                    let answer = Answer::value(200, &faults);
                    *self.faults.write().unwrap_or_else(std::sync::PoisonError::into_inner) = faults.into();
                    answer
                }
                Err(error) => Answer::value(400, &BTreeMap::from([("error", error)])),
            },
            (_, Control::Requests | Control::Counts | Control::Reset | Control::Faults) => {
                Answer::json(405, "{\"error\":\"method not allowed\"}")
            }
        }
    }

    fn new_faults(&self, json: &[u8]) -> Result<Faults, String> {
        let faults: Faults = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if faults.require_token && self.setup.token.is_none() {
            return Err("NEWS_FAKE_TOKEN was not set at the start".to_owned());
        }
        faults.fault().map_or(Ok(faults), Err)
    }
}
