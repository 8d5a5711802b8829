//! The database: every SQL statement about our tables, and nothing else.
//!
//! In scope: the schema, and a module for each user of the tables:
//!
//! - the API: `records` (one round trip per request, on a leased `session`), `users`, `counts` (of posts);
//! - the console: `side` (its sessions), `fingerprints`, `about` (everything about one object);
//! - a run: `lock`, `shard`, `runs`, `log` (the change log, merged), `ledger`, `objects` (rows by key), `sent` (its result for each
//!   object), `stranded`, `tracking` (whether changes are logged), `remembered` (the target);
//! - operators: `decisions` (retry, discard) and `acts`, `holds`, `left_out`, `events` and `unsynced` (the log as it is), `history` and `run_rows`, `inspect`,
//!   `checks` (for `news doctor`), `prune`;
//! - in bulk: `rows` (import, diff), `sequences`.
//!
//! Out of scope: connecting (`pg`), the screen, the target, decisions.

pub mod about;
pub mod acts;
pub mod checks;
pub mod counts;
mod cursor;
pub mod decisions;
pub mod events;
pub mod fingerprints;
pub mod history;
pub mod holds;
pub mod inspect;
pub mod kept;
pub mod ledger;
pub mod left_out;
pub mod lock;
mod lock_keys;
pub mod log;
pub mod objects;
pub mod prune;
mod readiness;
pub mod records;
pub mod remembered;
pub mod rows;
pub mod run_rows;
pub mod runs;
pub mod schema;
pub mod sent;
pub mod sequences;
mod session;
mod sessions;
pub mod shard;
mod side;
mod stranded;
pub mod tracking;
pub mod unsynced;
pub mod users;
pub mod watch;

pub use cursor::Cursor;
pub use readiness::{readiness, try_to_write};
pub use session::{Live, Session, Trouble};
pub use sessions::Sessions;
pub use side::SideSessions;
