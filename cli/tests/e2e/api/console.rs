//! The operator's console, as far as the service goes: who comes in, what is told, what is done.

mod access;
mod acts;
mod hostile;
mod reads;
mod target;

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::wire::{Reply, Wire};
use super::{SECRET, Service, add_user, bearer};
use crate::support::{News, Pair, Running};

/// Every endpoint that only staff may use: the method, a path, and whether it changes something.
const STAFF: [(&str, &str, bool); 21] = [
    ("GET", "/news/sync/overview/", false),
    ("GET", "/news/sync/events/", false),
    ("GET", "/news/sync/plan/", false),
    ("GET", "/news/sync/left/", false),
    ("GET", "/news/sync/left/groups/", false),
    ("GET", "/news/sync/runs/", false),
    ("GET", "/news/sync/runs/1/", false),
    ("GET", "/news/sync/acts/", false),
    ("GET", "/news/sync/left/out/", false),
    ("GET", "/news/sync/posts/1/", false),
    ("GET", "/news/sync/comments/1/", false),
    ("GET", "/news/sync/posts/1/target/", false),
    ("GET", "/news/sync/comments/1/target/", false),
    ("GET", "/news/sync/target/", false),
    ("GET", "/news/sync/prints/posts/?side=master", false),
    ("GET", "/news/sync/prints/comments/?side=target", false),
    ("POST", "/news/sync/look/", false),
    ("POST", "/news/sync/retry/", true),
    ("POST", "/news/sync/discard/", true),
    ("POST", "/news/sync/hold/", true),
    ("POST", "/news/sync/release/", true),
];

/// Starts a service whose user 1 is staff.
pub fn for_staff(flags: &[&str], adapt: impl FnOnce(News) -> News) -> Service {
    let service = Service::start_with(flags, adapt);
    service.db.client().batch_execute("UPDATE auth_user SET is_staff = true WHERE id = 1").unwrap();
    service
}

/// A service beside a master and its target, and a user who is staff.
struct Console {
    pair: Pair,
    address: SocketAddr,
    _running: Running,
}

impl Console {
    /// Starts it for a pair.
    #[track_caller]
    fn over(pair: Pair, flags: &[&str]) -> Self {
        add_user(&pair.db, "ada", "true");
        pair.db.client().batch_execute("UPDATE auth_user SET is_staff = true").unwrap();
        let news = News::on(&pair.db).env("NEWS_JWT_SECRET", SECRET);
        let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"].iter().chain(flags));
        let address = running.address();
        Self { pair, address, _running: running }
    }

    /// Sends a request to an endpoint below `/news/sync/`.
    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let bearer = bearer();
        let mut all = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        all.extend(headers);
        let text = body.map(Value::to_string);
        let path = format!("/news/sync/{path}");
        Wire::open(self.address).send(method, &path, &all, text.as_deref().map(str::as_bytes)).expect("an answer")
    }

    /// Does something, and returns the answer.
    #[track_caller]
    fn act(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], Some(body))
    }

    /// Names objects as they are now.
    #[track_caller]
    fn seen(&self, keys: &[&str]) -> Value {
        let one = |key: &&str| json!({ "key": key, "event_id": self.get(&format!("{key}/"))["event_id"] });
        keys.iter().map(one).collect()
    }

    /// Returns what an endpoint tells.
    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.send("GET", path, &[], None).expect(200).json()
    }
}

/// A master with objects that the target has refused: the posts 900 and 901, behind each a comment, and the comment 5.
#[track_caller]
fn refused() -> Pair {
    let mut pair = Pair::new(["--reject-text", "refuse me"]);
    pair.edit(
        "INSERT INTO news_post (id, user_id, title, body) VALUES (900, 1, 'refuse me 900', 'b'), (901, 1, 'refuse me 901', 'b');
         INSERT INTO news_comment (id, post_id, name, email, body)
         VALUES (900, 900, 'n', 'e', 'b'), (901, 901, 'n', 'e', 'b');
         INSERT INTO news_post (id, user_id, title, body) VALUES (902, 1, 't', 'b');
         UPDATE news_comment SET body = 'refuse me' WHERE id = 5",
    );
    pair.sync([]).expect_code(3);
    pair
}
