//! What every test needs: a database of its own ([`Db`]) and the binary ([`News`]).
//!
//! ```text
//! let db = Db::new();                             // migrated, empty, dropped at the end
//! let news = News::on(&db);                       // temporary NEWS_HOME, no other environment
//! let json = news.run(["--json", "status"]).ok().json();
//! let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
//! let address = server.address();                 // from the line on stderr that names it
//! ```

mod news;
mod pg;
mod psql;
mod reaper;

pub use news::{News, Output, Running};
pub use pg::{Db, server_user};
pub use psql::psql;
pub use reaper::Reaper;

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
