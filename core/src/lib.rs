//! What `news` decides, without doing any of it.
//!
//! ```text
//! change log ──merge──▶ changes ──plan──▶ steps ──session──▶ requests to send
//! rows × listing ──diff──▶ differences ──┘           ▲  │
//!                                           answers ─┘  └─▶ facts to record
//! ```
//!
//! In scope: the model and its limits, the target's JSON shape, merging events, comparing
//! two sides, ordering and limiting what to send, and the conversation with the target.
//!
//! Out of scope: sockets, databases, files, the clock and random numbers. Time and
//! randomness are arguments. The compiler checks this: the crate is `no_std`, and it
//! compiles to wasm32.
//!
//! # From events to requests
//!
//! Five events of three objects become two requests: a post that was created and deleted needs none.
//!
//! ```
//! use core::time::Duration;
//! use news_core::merge::{Event, EventType, merge};
//! use news_core::object::{Effects, Wait};
//! use news_core::plan::{Plan, Standing, Work};
//! use news_core::reply::Reply;
//! use news_core::session::{Asks, Config, LATE, Listing, Loaded, Next, SETTLE, Sample, Session, Strangers};
//! use news_core::{Object, profile::JSON_SERVER, wire};
//!
//! // The change log: two updates of a post, a post that came and went, and a comment that was deleted.
//! let log = [("posts/1", EventType::Updated), ("posts/7", EventType::Created), ("posts/1", EventType::Updated),
//!     ("posts/7", EventType::Deleted), ("comments/3", EventType::Deleted)];
//! let event = |(id, (key, kind)): (i64, &(&str, EventType))| Event { id, key: key.parse().unwrap(), kind: *kind, doubtful: false };
//! let changes = merge((1..).zip(&log).map(event));
//!
//! // The plan: one piece of work for each object, in sending order.
//! let works = changes.iter().map(|(key, merged)| Work {
//!     key: *key,
//!     parent: key.entity().parent(1), // of a comment: its post
//!     before: merged.change.presence(),
//!     after: merged.change.after,
//!     standing: Standing::Ready,
//!     settles_in: Duration::ZERO,
//! });
//! let plan = Plan::new(works.collect());
//!
//! // The session says what to do next. A driver does it, and tells the result.
//! let effects = Effects { settle: SETTLE, late: LATE, wait: Wait::Once };
//! let config = Config { jobs: 1, rate_per_s: None, effects, settled_in: Duration::ZERO, strangers: Strangers::Refused,
//!     asks: Asks::Some, profile: &JSON_SERVER };
//! let (mut session, mut now, mut sent, mut done) = (Session::new(config, &plan, Duration::ZERO), Duration::ZERO, vec![], 0);
//! loop {
//!     match session.next(now) {
//!         Next::Prepare(keys) => keys.into_iter().for_each(|key| session.loaded(key, Loaded::Ready, now)),
//!         Next::Send(request) => {
//!             sent.push(format!("{} {}", request.method.name(), request.key));
//!             let object = Object::new(request.key, 1, ["a title", "a body", "c"].map(String::from)).unwrap();
//!             let body = wire::to_json(&JSON_SERVER, &object, None);
//!             let reply = Reply::Http { status: 200, retry_after: None, location: None, body };
//!             session.answered(request.key, &reply, Some(&object), now, 0);
//!         }
//!         Next::CheckListing(_) => session.listed(Listing::Read(Sample::default()), now, 0),
//!         Next::Record(facts) => done += facts.len(),
//!         Next::Wait(until) => now = until.expect("nothing is in flight here"),
//!         Next::Finished => break,
//!         other => unreachable!("not in this example: {other:?}"),
//!     }
//! }
//! assert_eq!(sent, ["PUT posts/1", "DELETE comments/3"]);
//! assert_eq!(done, 3); // the post that came and went is marked as synced, too
//! ```

#![no_std]

extern crate alloc;

pub mod chars;
pub mod coverage;
pub mod diff;
pub mod fingerprint;
pub mod groups;
pub mod identity;
pub mod ids;
pub mod kept;
pub mod ledger;
pub mod left_out;
pub mod merge;
pub mod model;
pub mod object;
pub mod outlook;
pub mod paging;
pub mod phrase;
pub mod plan;
pub mod portion;
pub mod profile;
pub mod prospect;
pub mod repair;
pub mod reply;
pub mod session;
pub mod shape;
pub mod shard;
pub mod tail;
pub mod target_id;
pub mod tryout;
pub mod wire;

pub use model::{CommentId, Entity, Key, Object, PostId};
