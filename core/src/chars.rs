//! Characters that a terminal or a reader could be misled by.

/// Says whether a character is none that one sees, and changes what one sees: controls, what sets the
/// direction of writing, line separators, marks without a width, tags. Joiners are left: names
/// and emoji are written with them.
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_and_what_misleads() {
        for c in ['a', ' ', 'é', '漢', '😀', '\u{200d}', '\u{200c}', '\u{301}', '\u{fffd}', 'ש'] {
            assert!(!misleads(c), "{c:?}");
        }
        for c in [
            '\0',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{85}',
            '\u{202e}',
            '\u{2066}',
            '\u{2028}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(misleads(c), "{c:?}");
        }
    }
}
