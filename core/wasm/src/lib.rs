//! `news-core` behind a C ABI, for wasm32: JSON text in, JSON text out.
//!
//! ```text
//! address = news_room(bytes)     room for a text; the host writes it there, UTF-8
//! bytes   = news_merge()         or news_diff(): the answer takes the text's place
//! address = news_text()          the host reads the answer there, before its next call
//! ```
//!
//! A comparison of any size comes in pieces, and the core says which side it wants next:
//!
//! ```text
//! wants   = news_diff_open(0)             0 posts, 1 comments
//! address = news_room(bytes)              at most 4 MiB for a piece
//! wants   = news_diff_push(2, 0, bytes)   side 1 rows, 2 listing; form 0 records, 1 JSON; no bytes: it has ended
//! bytes   = news_diff_done(20000)         once it wants 0, or 3 after a fault
//!           news_diff_close()             forgets everything
//! ```
//!
//! What the texts say: [`stream`] and [`calls`]. Ids stay inside them, so that 64 bits stay exact. No
//! memory is handed over, so none can be freed twice or forgotten.

mod abi;
pub mod calls;
mod split;
pub mod stream;
