//! Numbers and times as people read them.

use std::fmt::Write as _;

pub use news_core::phrase::{count, counted, number};

/// Returns a time in the two units that say most: `3 d 4 h`, `12 s`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round();
    if whole < 1.0 {
        return format!("{} ms", (seconds.max(0.0) * 1000.0).round());
    }
    let units = [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)];
    let first = units.iter().position(|(_, size)| whole >= *size).unwrap_or(units.len() - 1);
    let (unit, size) = units[first];
    let mut text = format!("{} {unit}", (whole / size).floor());
    if let Some((unit, size)) = units.get(first + 1) {
        let rest = ((whole % units[first].1) / size).floor();
        if rest > 0.0 {
            // Writing to a String has no way to fail.
            let _ = write!(text, " {rest} {unit}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, text) in [
            (0.012, "12 ms"),
            (1.0, "1 s"),
            (59.6, "1 min"),
            (61.0, "1 min 1 s"),
            (7_260.0, "2 h 1 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
