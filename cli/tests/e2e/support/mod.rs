//! What every test needs: a database of its own ([`Db`]), the binary ([`News`]) and a target ([`Fake`], [`Node`]).
//!
//! ```text
//! let db = Db::new();                             // migrated, empty, dropped at the end
//! let news = News::on(&db);                       // temporary NEWS_HOME, no other environment
//! let json = news.run(["--json", "status"]).ok().json();
//! let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
//! let address = server.address();                 // from the line on stderr that names it
//! let fake = Fake::start(["--cut-after", "10%"]); // our own target, with faults
//! let mut pair = Pair::new([]);                   // a master and a fake in step
//! let Some(real) = Node::json_server(&fixtures()) else { return };
//! ```

pub mod applications;
pub mod canned;
mod fake;
mod http;
mod network;
mod news;
mod node;
pub mod pair;
mod pg;
pub mod pocketbase;
mod psql;
mod reaper;
mod server;
pub mod told;
pub mod wordpress;

pub use fake::Fake;
pub use http::{Answer, Http};
pub use network::Network;
pub use news::{News, Output, Running};
pub use node::{Node, Server, Watch, fixtures};
pub use pair::Pair;
pub use pg::{Db, migrations, server_user};
pub use psql::psql;
pub use reaper::Reaper;
pub use server::{Bouncer, OwnPg, free_port};

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waiting ends here, well above what a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until `condition` holds; panics, naming `what`, after [`DEADLINE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a server that does not say which port it has taken: it is told one that is free. Where another process is faster,
/// it ends, and is started with another port. It is there once it answers GET `ready` with a 2xx, or asks for credentials.
pub fn served(ready: &str, command: impl Fn(SocketAddr) -> Command) -> (Running, SocketAddr) {
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut running = Running::start(command(free));
        let http = Http::new(&format!("http://{free}"));
        let mut has_ended = false;
        wait_until("the server answers", || {
            has_ended = running.has_ended();
            has_ended || http.try_send("GET", ready, None).is_ok_and(|answer| matches!(answer.status, 200..=299 | 401))
        });
        if !has_ended {
            return (running, free);
        }
    }
}
