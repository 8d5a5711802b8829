//! The parts of a body that are kept and shown.

use alloc::string::String;

use super::page::{self, is_page};
use crate::chars::misleads;

/// An error body is kept up to here, in characters.
pub const EXCERPT_CHARS_MAX: usize = 200;

/// An answer's body is kept up to here, in characters, for an operator who looks into one object.
pub const KEPT_CHARS_MAX: usize = 2000;

/// Returns the first 2,000 characters, with spaces for what misleads.
pub fn kept(body: &str) -> String {
    body.chars().take(KEPT_CHARS_MAX).map(|c| if misleads(c) { ' ' } else { c }).collect()
}

/// Returns the first 200 characters in one line, with spaces for what misleads; of a page of HTML those of its words.
pub fn excerpt(body: &str) -> String {
    if is_page(body) {
        return first_line(&page::words(body));
    }
    first_line(body)
}

fn first_line(body: &str) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for word in body.split(|c: char| misleads(c) || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if chars == EXCERPT_CHARS_MAX {
                line.push('…');
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    line
}
