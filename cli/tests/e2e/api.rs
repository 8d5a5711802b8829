//! `news serve`: what its clients get, and what it does when things go wrong.

mod actors;
mod console;
mod edits;
mod lists;
mod machines;
mod recorded;
mod replica;
mod strangers;
mod tokens;
mod trouble;
mod users;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use self::tokens::{Claims, mint};
use self::wire::{Reply, Wire};
use super::support::{Db, News, Running};

/// What the tests' services sign with.
const SECRET: &str = "a-key-of-the-tests-that-nobody-else-has-0123456789";

/// A running `news serve` on a database of its own, with a user `admin`.
struct Service {
    // In this order: the process ends before its database goes.
    running: Running,
    news: News,
    address: SocketAddr,
    db: Db,
}

impl Service {
    fn start() -> Self {
        Self::start_with(&[], |news| news)
    }

    /// Starts it with further flags, and an environment that `adapt` makes.
    fn start_with(flags: &[&str], adapt: impl FnOnce(News) -> News) -> Self {
        let db = Db::new();
        let news = adapt(News::on(&db).env("NEWS_JWT_SECRET", SECRET));
        add_user(&db, "admin", "true");
        let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
        args.extend(flags);
        let mut running = news.spawn(args);
        let address = running.address();
        Self { running, news, address, db }
    }

    /// Returns a connection of one's own.
    fn wire(&self) -> Wire {
        Wire::open(self.address)
    }

    /// Sends one request as the user 1, on a connection of its own.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask_with(method, path, &[], body)
    }

    /// The same with further header lines.
    #[track_caller]
    fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let bearer = bearer();
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend(headers);
        let text = body.map(Value::to_string);
        if text.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        self.wire().send(method, path, &all, text.as_deref().map(str::as_bytes)).expect("an answer")
    }

    /// Makes posts with SQL: with the ids 1 to `count`, and bodies of `body_chars` characters.
    fn posts(&self, count: i64, body_chars: i32) {
        let sql = "INSERT INTO news_post (user_id, title, body)
                   SELECT 1, 'title ' || n, left(repeat(md5(n::text), 32), $2::int) FROM generate_series(1, $1::bigint) n";
        self.db.client().execute(sql, &[&count, &body_chars]).unwrap();
    }

    /// Returns the ids of all posts.
    fn post_ids(&self) -> Vec<i64> {
        let rows = self.db.client().query("SELECT id FROM news_post ORDER BY id", &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Returns the Authorization of the first user: a token as good as one from a login.
fn bearer() -> String {
    format!("Bearer {}", mint(&json!({ "alg": "HS256", "typ": "JWT" }), &Claims::access(), SECRET))
}

/// Adds a user with SQL, without a password: `news user` has tests of its own, and hashing takes its time.
fn add_user(db: &Db, name: &str, is_active: &str) {
    let sql = format!("INSERT INTO auth_user (username, password, is_active) VALUES ('{name}', '!', {is_active})");
    db.client().batch_execute(&sql).unwrap();
}

/// Counts what is equal.
fn tally<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}
