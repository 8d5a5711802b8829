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
//! randomness are arguments. That this stays so is checked by the compiler: the crate is
//! `no_std`, and it compiles to wasm32.

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
