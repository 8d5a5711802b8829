//! Numbers as people read them, in every text of the core and of the commands.

use alloc::format;
use alloc::string::{String, ToString as _};

/// Returns a number with thousands set apart: `1,234`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with its noun, whose plural ends with an s, or with -ies after a consonant: `1 post`, `2 posts`, `3 retries`.
pub fn count(n: u64, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if n == 1 => format!("1 {one}"),
        Some(stem) => format!("{} {stem}ies", number(n)),
        None => format!("{} {one}s", number(n)),
    }
}

/// Returns a number with its noun and verb: `1 object is`, `2 objects are`.
pub fn counted(n: u64, one: &str, [is, are]: [&str; 2]) -> String {
    format!("{} {}", count(n, one), if n == 1 { is } else { are })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
        for (n, one, text) in [(0, "post", "0 posts"), (1, "post", "1 post"), (1200, "post", "1,200 posts")] {
            assert_eq!(count(n, one), text);
        }
        assert_eq!((count(1, "retry"), count(2, "retry")), ("1 retry".into(), "2 retries".into()));
        assert_eq!(counted(1, "object", ["is", "are"]), "1 object is");
        assert_eq!(counted(2, "object", ["is", "are"]), "2 objects are");
    }
}
