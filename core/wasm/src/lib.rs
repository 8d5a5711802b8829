//! `news-core` behind a C ABI, for wasm32: JSON text in, JSON text out.
//!
//! ```text
//! address = news_room(bytes)     room for a text; the host writes it there, UTF-8
//! bytes   = news_merge()         or news_diff(): the answer takes the text's place
//! address = news_text()          the host reads the answer there, before its next call
//! ```
//!
//! What the texts say: [`calls`]. Ids stay inside them, so that 64 bits stay exact. No
//! memory is handed over, so none can be freed twice or forgotten.

mod abi;
pub mod calls;
