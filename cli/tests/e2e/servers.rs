//! PostgreSQL as operators run it: with TLS, behind PgBouncer, with a standby.

mod failover;
mod pooler;
mod standby;
mod tls;

use super::support::{Http, News, Running};

/// The API on `url`, and a client of it with a token.
fn serve(news: &News) -> (Running, Http) {
    news.run_with(["user", "add", "ada"], "a password\n").ok();
    let token = news.run(["token", "ada"]).ok().stdout.trim().to_owned();
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let http = Http::new(&format!("http://{}", running.address())).bearer(&token);
    (running, http)
}

/// What the services sign with.
const SECRET: &str = "a-key-of-the-tests-that-nobody-else-has-0123456789";
