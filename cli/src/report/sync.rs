//! What `news sync` reports.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use news_core::ledger::Hold;
use news_core::merge::Action;
use news_core::outlook::Outlook;
use news_core::plan::Tally;
use news_core::reply::Method;
use news_core::session::Summary;
use news_core::{Entity, Key};
use serde::Serialize;
use serde_json::Value;

use crate::report::holds::{HoldRow, utc};

/// How many of what, of one entity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// POST.
    pub create: u64,
    /// PUT.
    pub update: u64,
    /// DELETE.
    pub delete: u64,
    /// GET first; in what was done, GET alone.
    pub ask: u64,
    /// Of what the target has more than once: DELETE until it is gone, then POST. Rare, and left out where it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub renew: u64,
    /// Changes that come to nothing: created and deleted in between.
    pub nothing: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Actions {
    fn kept(report: &Value) -> Self {
        let of = |name: &str| report[name].as_u64().unwrap_or_default();
        Self {
            create: of("create"),
            update: of("update"),
            delete: of("delete"),
            ask: of("ask"),
            renew: of("renew"),
            nothing: of("nothing"),
        }
    }
}

impl From<Tally> for Actions {
    fn from(tally: Tally) -> Self {
        let Tally { create, update, delete, ask, renew, nothing } = tally;
        Self { create, update, delete, ask, renew, nothing }
    }
}

/// By entity, under the names of the API: `posts`, `comments`.
pub type ByEntity<T> = BTreeMap<&'static str, T>;

/// Names the entities of a tally.
pub fn by_entity(tallies: &BTreeMap<Entity, Tally>) -> ByEntity<Actions> {
    Entity::ALL
        .into_iter()
        .map(|entity| (entity.plural(), tallies.get(&entity).copied().unwrap_or_default().into()))
        .collect()
}

/// `news sync --dry-run`
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// Names exactly this plan, for `--checksum`.
    pub checksum: String,
    /// What it would do.
    pub plan: ByEntity<Actions>,
    /// The actions, in sending order, up to a limit for each kind.
    pub actions: Vec<PlannedAction>,
    /// Actions left out here.
    pub more: u64,
    /// Objects that are parked, and not tried.
    pub parked: u64,
    /// Objects that wait for another one, and are not tried.
    pub held: u64,
    /// Objects that failed in an earlier run, and are tried again.
    pub waiting: u64,
    /// Objects whose request a run at work has sent.
    pub in_flight: u64,
    /// Objects on hold that have something pending.
    pub on_hold: u64,
    /// The first of these, by key.
    pub holds: Vec<HoldRow>,
    /// The limit that refuses the run, and by how much the plan exceeds it.
    pub over_limit: Option<String>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// One line of a plan.
#[derive(Debug, Serialize)]
pub struct PlannedAction {
    /// posts, comments.
    pub entity: &'static str,
    /// The id.
    pub id: i64,
    /// create, update, delete, ask, renew.
    pub action: &'static str,
}

impl PlanReport {
    /// Describes what a run would do, with at most `limit` actions of each kind and entity. `holds` are all there are.
    pub fn new(outlook: &Outlook, holds: &BTreeMap<Key, Hold>, limit: usize, warnings: Vec<String>) -> Self {
        let (mut actions, mut shown, mut more) = (Vec::new(), BTreeMap::new(), 0);
        for (key, action) in outlook.actions() {
            let Some(action) = word(action) else { continue };
            let shown: &mut usize = shown.entry((key.entity(), action)).or_default();
            if *shown < limit {
                *shown += 1;
                actions.push(PlannedAction { entity: key.entity().plural(), id: key.id(), action });
            } else {
                more += 1;
            }
        }
        let on_hold = outlook.untried.on_hold.iter();
        let holds: BTreeMap<Key, Hold> = on_hold.filter_map(|key| Some((*key, holds.get(key)?.clone()))).collect();
        Self {
            checksum: outlook.plan.checksum(),
            plan: by_entity(&outlook.tallies),
            actions,
            more,
            parked: outlook.untried.parked.len() as u64,
            held: outlook.untried.held.len() as u64,
            waiting: outlook.retried.len() as u64,
            in_flight: outlook.in_flight,
            on_hold: outlook.untried.on_hold.len() as u64,
            holds: HoldRow::first(&holds),
            over_limit: None,
            warnings,
        }
    }

    /// Says whether nothing is sent, now or by such a run.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.more == 0 && self.in_flight == 0
    }
}

fn add_nothing(actions: &mut ByEntity<Actions>, nothing: &BTreeMap<Entity, u64>) {
    for (entity, count) in nothing {
        actions.entry(entity.plural()).or_default().nothing += count;
    }
}

fn word(action: Action) -> Option<&'static str> {
    match action {
        Action::Create => Some("create"),
        Action::Update => Some("update"),
        Action::Delete => Some("delete"),
        Action::Ask => Some("ask"),
        Action::Renew => Some("renew"),
        Action::Nothing => None,
    }
}

/// `news sync`
#[derive(Debug, Serialize)]
pub struct SyncReport {
    /// The run's id in the history.
    pub run: i64,
    /// Whereto.
    pub target: String,
    /// When it began: UTC, RFC 3339.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// How long it took.
    pub seconds: f64,
    /// What was to be done.
    pub plan: ByEntity<Actions>,
    /// What was done, which may be other than was planned; `ask`: asked for, and found as it should be.
    pub done: ByEntity<Actions>,
    /// Of these, objects that the target keeps with other texts than it was sent.
    pub altered: u64,
    /// Requests sent.
    pub requests: u64,
    /// Of these, by method.
    pub methods: BTreeMap<&'static str, u64>,
    /// Attempts spent on trouble.
    pub retries: u64,
    /// Time that the target made us wait, in seconds.
    pub throttled_s: f64,
    /// Objects that the next run goes on with, after trouble.
    pub failed: u64,
    /// Objects parked, before this run or by it.
    pub parked: u64,
    /// Objects that failed in earlier runs and wait for their time, which only repeated runs let them.
    pub waiting: u64,
    /// Objects that wait for another one.
    pub held: u64,
    /// Objects on hold that have something pending.
    pub on_hold: u64,
    /// The first of these, by key.
    pub holds: Vec<HoldRow>,
    /// Objects that a stop left untouched.
    pub untouched: u64,
    /// Objects that a newer change overtook: the next run's.
    pub overtaken: u64,
    /// Objects whose row was not as the plan says, though no newer change says so: the next run's.
    pub contradicted: u64,
    /// Warnings.
    pub warnings: Vec<String>,
    /// What caused the exit code: why the run stopped, else the first object that was not sent, and why.
    pub first_error: Option<String>,
    /// The first trouble that a retry overcame, with its object.
    pub overcome: Option<String>,
    /// Why it stopped early, if it did.
    pub stopped: Option<String>,
    /// With `--verify`: how many objects were then found to differ that are not pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<u64>,
}

impl SyncReport {
    /// Describes what a run came to.
    pub fn new(run: i64, target: &str, plan: ByEntity<Actions>, summary: &Summary) -> Self {
        Self {
            run,
            target: target.to_owned(),
            started_at: String::new(),
            finished_at: String::new(),
            seconds: 0.0,
            plan,
            done: by_entity(&summary.done),
            altered: summary.altered,
            requests: summary.requests,
            methods: summary.methods.iter().map(|(method, n)| (method.name(), *n)).collect(),
            retries: summary.retries,
            throttled_s: summary.throttled.as_secs_f64(),
            failed: summary.failed,
            parked: summary.parked + summary.parked_before,
            waiting: summary.waiting,
            held: summary.held,
            on_hold: summary.on_hold.len() as u64,
            holds: Vec::new(),
            untouched: summary.untouched,
            overtaken: summary.overtaken,
            contradicted: summary.contradicted,
            warnings: Vec::new(),
            first_error: None,
            overcome: summary.overcome.clone(),
            stopped: summary.stop.as_ref().map(ToString::to_string),
            drift: None,
        }
    }

    /// Tells when it ran.
    pub fn ran(&mut self, started_at: SystemTime, took: Duration) {
        self.started_at = utc(started_at);
        self.finished_at = utc(started_at + took);
        self.seconds = took.as_secs_f64();
    }

    /// Reads the report of a run as the history keeps it, whichever release wrote it; `None`: it is not one of a sync.
    pub fn kept(report: &Value) -> Option<Self> {
        let text = |name: &str| report[name].as_str().map(str::to_owned);
        let number = |name: &str| report[name].as_u64().unwrap_or_default();
        let texts = |name: &str| {
            let all = report[name].as_array().into_iter().flatten();
            all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let actions = |name: &str| {
            Entity::ALL
                .into_iter()
                .map(|entity| (entity.plural(), Actions::kept(&report[name][entity.plural()])))
                .collect()
        };
        let methods = [Method::Get, Method::Post, Method::Put, Method::Delete].map(Method::name);
        let methods = methods.into_iter().map(|name| (name, report["methods"][name].as_u64()));
        report["done"].is_object().then(|| Self {
            run: report["run"].as_i64().unwrap_or_default(),
            target: text("target").unwrap_or_default(),
            started_at: text("started_at").unwrap_or_default(),
            finished_at: text("finished_at").unwrap_or_default(),
            seconds: report["seconds"].as_f64().unwrap_or_default(),
            plan: actions("plan"),
            done: actions("done"),
            altered: number("altered"),
            requests: number("requests"),
            methods: methods.filter_map(|(name, count)| Some((name, count?))).collect(),
            retries: number("retries"),
            throttled_s: report["throttled_s"].as_f64().unwrap_or_default(),
            failed: number("failed"),
            parked: number("parked"),
            waiting: number("waiting"),
            held: number("held"),
            on_hold: number("on_hold"),
            // They are told as they are now: by `news parked`.
            holds: Vec::new(),
            untouched: number("untouched"),
            overtaken: number("overtaken"),
            contradicted: number("contradicted"),
            warnings: texts("warnings"),
            first_error: text("first_error"),
            overcome: text("overcome"),
            stopped: text("stopped"),
            drift: report["drift"].as_u64(),
        })
    }

    /// Adds the objects that needed a record and no request.
    pub fn count_nothing(&mut self, nothing: &BTreeMap<Entity, u64>) {
        add_nothing(&mut self.plan, nothing);
        add_nothing(&mut self.done, nothing);
    }

    /// Says whether nothing was sent and nothing recorded of any object.
    pub fn sent_nothing(&self) -> bool {
        self.requests == 0 && self.done.values().all(|done| *done == Actions::default())
    }
}
