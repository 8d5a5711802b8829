//! What this process has learnt of its target, from run to run: a loop's runs are many and small.

use std::sync::{Mutex, PoisonError};

use news_core::session::Memory;

use crate::clock::Tick;

/// Of one target, as it was when a run ended.
struct Kept {
    url: String,
    at: Tick,
    memory: Memory,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// Returns what was learnt of the target with this base URL.
pub fn recall(url: &str) -> Memory {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.as_ref()
        .filter(|kept| kept.url == url)
        .map_or_else(Memory::default, |kept| kept.memory.clone().aged(kept.at.elapsed()))
}

/// Keeps what a run has learnt, which ends now.
pub fn keep(url: &str, memory: Memory) {
    let kept = Kept { url: url.to_owned(), at: Tick::now(), memory };
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
}
