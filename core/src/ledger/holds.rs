//! Holds: an operator has stopped the sync of an object.
//!
//! A hold says nothing of an object's presence at the target, so it is not part of an [`Entry`](super::Entry): an object
//! that is in sync can be on hold, and so can one that the master does not have. While it is:
//!
//! ```text
//! a plan has the object as OnHold      ─▶ no request, no record: its events stay pending
//! it is prepared by a run that planned before ─▶ the same (Loaded::OnHold)
//! what depends on it                   ─▶ is held, as behind a parked object
//! it differs at a look                 ─▶ is not repaired, and not taken for equal either
//! ```
//!
//! A conversation that was prepared before the hold goes on to its end. No run, discard, retry or import ends a hold.

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::{Moment, Pending};
use crate::chars::misleads;
use crate::model::Key;
use crate::plan::Standing;

/// No more objects than this are on hold: each run reads all holds.
pub const HOLDS_MAX: u64 = 10_000;
/// An operator's reason has no more characters than this.
pub const WHY_CHARS_MAX: usize = 200;

/// What is remembered of an object that is on hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub since: Moment,
    /// The operator: `ada@host`.
    pub by: String,
    /// The operator's reason; empty where none was given.
    pub why: String,
}

/// Returns what is pending as it is in view of `holds`.
#[must_use]
pub fn on_hold(holds: &BTreeSet<Key>, one: Pending) -> Pending {
    if holds.contains(&one.key) { Pending { standing: Standing::OnHold, ..one } } else { one }
}

/// Checks an operator's reason: one line of at most [`WHY_CHARS_MAX`] characters.
///
/// Fails with what was expected and what was found.
pub fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars > WHY_CHARS_MAX {
        return Err(alloc::format!("expected at most {WHY_CHARS_MAX} characters, found {chars}"));
    }
    match text.chars().find(|c| misleads(*c)) {
        Some(c) => Err(alloc::format!("expected one line of plain text, found {c:?}")),
        None => Ok(String::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_at_most_200_characters() {
        for (text, accepted) in [
            ("", true),
            ("  the target's team asked for it ", true),
            ("ä".repeat(200).as_str(), true),
            ("ä".repeat(201).as_str(), false),
            ("two\nlines", false),
            ("\u{1b}[31mred", false),
            ("\u{202e}turned", false),
        ] {
            assert_eq!(reason(text).is_ok(), accepted, "{text:?}");
        }
        assert_eq!(reason(" asked for "), Ok("asked for".into()));
    }
}
