//! A master and a target in step: where most tests of the sync begin.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use serde_json::Value;

use super::{Db, Fake, News, Output};

/// A database with our fixtures in it, the binary on it, and a Fake API with the same.
pub struct Pair {
    /// The binary, with the target's URL in its environment.
    pub news: News,
    /// The target.
    pub fake: Fake,
    /// The master, for whoever edits it.
    pub sql: Client,
    /// The database.
    pub db: Db,
    /// Requests that were looked at before.
    seen: usize,
}

impl Pair {
    /// Starts the target with `flags` and imports from it.
    #[track_caller]
    pub fn new<const N: usize>(flags: [&str; N]) -> Self {
        Self::over(Fake::start(flags), &["import"], 0)
    }

    /// Runs this import, which ends with `code`, from a target that was prepared.
    #[track_caller]
    pub fn over(fake: Fake, import: &[&str], code: i32) -> Self {
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", fake.url());
        news.run(import).expect_code(code);
        let mut pair = Self { sql: db.client(), news, fake, db, seen: 0 };
        pair.sent();
        pair
    }

    /// Changes the master, a statement a transaction.
    #[track_caller]
    pub fn edit(&mut self, statements: &str) {
        for statement in statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            self.sql.batch_execute(statement).unwrap_or_else(|error| panic!("{error:?} in {statement}"));
        }
    }

    /// Returns one number of the master.
    #[track_caller]
    pub fn number(&mut self, query: &str) -> i64 {
        self.sql.query_one(query, &[]).unwrap_or_else(|error| panic!("{error:?} in {query}")).get(0)
    }

    /// Counts the events that are not synced.
    #[track_caller]
    pub fn unsynced(&mut self) -> i64 {
        self.number("SELECT count(*) FROM news_modelevent WHERE synced_at IS NULL")
    }

    /// Runs `news --json sync` with `flags`.
    pub fn sync<const N: usize>(&self, flags: [&str; N]) -> Output {
        self.news.run(["--json", "sync"].into_iter().chain(flags))
    }

    /// Returns what `news diff` says after it ended with `code`.
    #[track_caller]
    pub fn diff(&self, code: i32) -> Value {
        self.news.run(["--json", "diff"]).expect_code(code).json()
    }

    /// Returns the requests since the last look: `PUT /posts/5 200`.
    #[track_caller]
    pub fn sent(&mut self) -> Vec<String> {
        let requests = self.fake.requests();
        let new = requests[self.seen..].to_vec();
        self.seen = requests.len();
        new
    }

    /// Begins to look anew: at another target, or one that has forgotten.
    pub fn forget_requests(&mut self) {
        self.seen = 0;
        self.sent();
    }

    /// Counts the requests since the last look, without looking.
    #[track_caller]
    pub fn arrived(&self) -> usize {
        self.fake.requests().len() - self.seen
    }

    /// Waits until `count` requests arrived since the last look.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) {
        super::wait_until(&format!("{count} requests arrived"), || self.arrived() >= count);
    }

    /// Returns the status, exit code and first trouble of the last run.
    #[track_caller]
    pub fn last_run(&self) -> (String, i64, String) {
        last_run(&self.news)
    }
}

/// Returns the status, exit code (-1: none) and first trouble of the last run.
#[track_caller]
pub fn last_run(news: &News) -> (String, i64, String) {
    let run = &news.run(["--json", "runs", "--limit", "1"]).ok().json()["runs"][0];
    let text = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
    (text("status"), run["exit_code"].as_i64().unwrap_or(-1), text("first_error"))
}

/// What two states of the master and the log between them come to, worked out naively: the requests that bring a target
/// from one to the other, as sets of `PUT /posts/5`; creates are `POST /posts` as often as there are some.
pub struct Change {
    posts: BTreeSet<i64>,
    comments: BTreeSet<i64>,
    last_event: i64,
}

impl Change {
    /// Remembers the state now.
    #[track_caller]
    pub fn begin(sql: &mut Client) -> Self {
        let last_event = sql.query_one("SELECT coalesce(max(id), 0) FROM news_modelevent", &[]).unwrap().get(0);
        Self { posts: ids(sql, "news_post"), comments: ids(sql, "news_comment"), last_event }
    }

    /// Returns how often each request is needed to bring the target to the state now. For creates that is a POST; of each
    /// entity the lowest, the middle and the highest are asked for before the first write, and the first is read back.
    #[track_caller]
    pub fn requests(&self, sql: &mut Client) -> BTreeMap<String, usize> {
        let mut requests = BTreeMap::new();
        for (table, path, before) in [("news_post", "posts", &self.posts), ("news_comment", "comments", &self.comments)]
        {
            let after = ids(sql, table);
            let query = "SELECT DISTINCT entity_pk FROM news_modelevent WHERE entity_table = $1 AND id > $2";
            let touched = sql.query(query, &[&table, &self.last_event]).unwrap();
            let mut creates = 0;
            for id in touched.iter().map(|row| row.get::<_, i64>(0)) {
                match (before.contains(&id), after.contains(&id)) {
                    (false, true) => creates += 1,
                    (true, true) => *requests.entry(format!("PUT /{path}/{id}")).or_default() += 1,
                    (true, false) => *requests.entry(format!("DELETE /{path}/{id}")).or_default() += 1,
                    (false, false) => {}
                }
            }
            if creates > 0 {
                requests.insert(format!("POST /{path}"), creates);
                requests.insert(format!("GET /{path}/…"), creates.min(3) + 1);
            }
        }
        requests
    }
}

fn ids(sql: &mut Client, table: &str) -> BTreeSet<i64> {
    let rows = sql.query(&format!("SELECT id FROM {table}"), &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Counts requests of [`Pair::sent`] in the same way; the id of a GET is left open.
pub fn counted(sent: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in sent {
        let (request, _) = line.rsplit_once(' ').unwrap();
        let request = match request.rsplit_once('/') {
            Some((path, id)) if request.starts_with("GET") && id.parse::<i64>().is_ok() => format!("{path}/…"),
            _ => request.to_owned(),
        };
        *counts.entry(request).or_default() += 1;
    }
    counts
}

/// No id was created twice, and none was tried to be.
#[track_caller]
pub fn nothing_twice(fake: &Fake) {
    let counts = fake.counts();
    for entity in ["posts", "comments"] {
        for (id, tally) in counts[entity].as_object().unwrap() {
            let (creates, refused) = (tally["creates"].as_u64().unwrap_or(0), tally["refused"].as_u64().unwrap_or(0));
            assert!(creates <= 1 && refused == 0, "{entity}/{id}: {tally}");
        }
    }
}

/// Fifty edits of every sort, of what the fixtures have and of what is new: more than fifty events.
pub const FIFTY_EDITS: &str = include_str!("fifty_edits.sql");
