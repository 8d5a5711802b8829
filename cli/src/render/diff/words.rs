//! Two texts as one, with the words that changed marked, and what is equal cut where it is long.

use std::fmt::Write as _;

use crate::render::paint;
use crate::report::diff::FieldRow;
use crate::ui::Colour;
use crate::ui::printable;

/// Words kept around a change.
const CONTEXT_WORDS: usize = 4;
/// Shown of a word, in characters: it may be anything.
const WORD_CHARS_MAX: usize = 60;
/// Runs of changed words shown of a field.
const CHANGES_MAX: usize = 4;
/// Words shown of one side of a change.
const CHANGED_WORDS_MAX: usize = 16;
/// Texts with more words are not compared word by word, which takes their product: what
/// lies between their common ends is one change. Fields of ours have at most 1024 characters.
const COMPARED_WORDS_MAX: usize = 1100;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// On both sides.
    Same(&'a str),
    /// At the target, and to go.
    Old(&'a str),
    /// At the master.
    New(&'a str),
}

/// Returns what has to change at the target: `the [-old-]{+new+} words …`.
pub fn changed(field: &FieldRow, colour: Colour) -> String {
    let Some(target) = &field.target else {
        let words: Vec<Part<'_>> = words(&field.local).into_iter().map(Part::New).collect();
        return format!("(unreadable) {}", written(&words, colour));
    };
    written(&parts(&words(target), &words(&field.local)), colour)
}

/// Cuts a text into words and what is between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_space = first.is_whitespace();
        let end = rest.find(|c: char| c.is_whitespace() != is_space).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        words.push(word);
        rest = behind;
    }
    words
}

/// Compares word by word, by the longest common subsequence.
fn parts<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Part<'a>> {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[front..], &new[front..]);
    let back = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old_rest[..old_rest.len() - back], &new_rest[..new_rest.len() - back]);

    let mut parts: Vec<Part<'a>> = old[..front].iter().map(|word| Part::Same(word)).collect();
    if a.len() > COMPARED_WORDS_MAX || b.len() > COMPARED_WORDS_MAX {
        parts.extend(a.iter().map(|word| Part::Old(word)));
        parts.extend(b.iter().map(|word| Part::New(word)));
    } else {
        common(a, b, &mut parts);
    }
    parts.extend(old[old.len() - back..].iter().map(|word| Part::Same(word)));
    parts
}

fn common<'a>(a: &[&'a str], b: &[&'a str], parts: &mut Vec<Part<'a>>) {
    // lengths[i][j]: of the longest common subsequence of a[i..] and b[j..].
    let mut lengths = vec![vec![0u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] =
                if a[i] == b[j] { lengths[i + 1][j + 1] + 1 } else { lengths[i + 1][j].max(lengths[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut added = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            parts.append(&mut added);
            parts.push(Part::Same(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            // What goes stands before what comes.
            parts.push(Part::Old(a[i]));
            i += 1;
        } else {
            added.push(Part::New(b[j]));
            j += 1;
        }
    }
    parts.append(&mut added);
}

/// A blank alone between two changes belongs to them.
fn joined<'a>(parts: &[Part<'a>]) -> Vec<(Vec<&'a str>, Vec<&'a str>, Vec<&'a str>)> {
    let mut runs: Vec<(Vec<&str>, Vec<&str>, Vec<&str>)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Same(word) => {
                let in_change = matches!(runs.last(), Some((_, old, new)) if !(old.is_empty() && new.is_empty()));
                let next_changes = parts.get(at + 1).is_some_and(|next| !matches!(next, Part::Same(_)));
                if in_change && next_changes && word.trim().is_empty() {
                    if let Some((_, old, new)) = runs.last_mut() {
                        old.push(word);
                        new.push(word);
                    }
                } else if in_change || runs.is_empty() {
                    runs.push((vec![word], Vec::new(), Vec::new()));
                } else if let Some((same, _, _)) = runs.last_mut() {
                    same.push(word);
                }
            }
            Part::Old(word) | Part::New(word) => {
                if runs.is_empty() {
                    runs.push((Vec::new(), Vec::new(), Vec::new()));
                }
                if let Some((_, old, new)) = runs.last_mut() {
                    if matches!(part, Part::Old(_)) { old.push(word) } else { new.push(word) }
                }
            }
        }
    }
    runs
}

fn written(parts: &[Part<'_>], colour: Colour) -> String {
    let runs = joined(parts);
    let changes = runs.iter().filter(|(_, old, new)| !(old.is_empty() && new.is_empty())).count();
    let mut text = String::new();
    for (at, (same, old, new)) in runs.iter().enumerate() {
        let is_change = !(old.is_empty() && new.is_empty());
        // In front of the first change only its last words, behind the last only the first ones.
        let keep_front = if at == 0 { 0 } else { CONTEXT_WORDS };
        let keep_back = if is_change { CONTEXT_WORDS } else { 0 };
        if same.len() > keep_front + keep_back + 1 {
            text.extend(same[..keep_front].iter().map(|word| shown(word)));
            text.push('…');
            text.extend(same[same.len() - keep_back..].iter().map(|word| shown(word)));
        } else {
            text.extend(same.iter().map(|word| shown(word)));
        }
        if is_change {
            mark(old, ("[-", "-]"), "31", colour, &mut text);
            mark(new, ("{+", "+}"), "32", colour, &mut text);
        }
        if at + 1 >= CHANGES_MAX && changes > CHANGES_MAX {
            let more = changes - CHANGES_MAX;
            let changes = if more == 1 { "change" } else { "changes" };
            // Writing to a String has no way to fail.
            let _ = write!(text, "… ({more} more {changes})");
            break;
        }
    }
    text
}

fn mark(words: &[&str], signs: (&str, &str), code: &str, colour: Colour, text: &mut String) {
    if words.is_empty() {
        return;
    }
    let mut inner: String = words.iter().take(CHANGED_WORDS_MAX).map(|word| shown(word)).collect();
    if words.len() > CHANGED_WORDS_MAX {
        inner.push('…');
    }
    // The signs stay: not everybody sees the colours, and no copy keeps them.
    text.push_str(&paint(&format!("{}{inner}{}", signs.0, signs.1), code, colour));
}

/// What a stranger sent stays one line, and no longer than there is room.
fn shown(word: &str) -> String {
    let cut: String = word.chars().take(WORD_CHARS_MAX).collect();
    let rest = if cut.len() < word.len() { "…" } else { "" };
    format!("{}{rest}", printable(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(target: &str, local: &str) -> String {
        let field = FieldRow { field: "title", local: local.to_owned(), target: Some(target.to_owned()) };
        changed(&field, Colour::Off)
    }

    #[test]
    fn changed_words_are_marked() {
        for (target, local, expected) in [
            ("a b c", "a x c", "a [-b-]{+x+} c"),
            ("", "new", "{+new+}"),
            ("old", "", "[-old-]"),
            ("a b", "a b c d", "a b{+ c d+}"),
            ("1", "2", "[-1-]{+2+}"),
            ("a b c d e", "a x y d e", "a [-b c-]{+x y+} d e"),
            ("one two", "two", "[-one -]two"),
            ("a\tb", "a b", "a[-\\t-]{+ +}b"),
            ("tick\u{1b}[2J", "tick", "[-tick\\u{1b}[2J-]{+tick+}"),
        ] {
            assert_eq!(text(target, local), expected, "{target:?} {local:?}");
        }
    }

    #[test]
    fn the_console_marks_the_same_words() {
        #[derive(serde::Deserialize)]
        struct Vectors {
            cases: Vec<Case>,
        }
        #[derive(serde::Deserialize)]
        struct Case {
            target: String,
            local: String,
            runs: Vec<(Vec<String>, Vec<String>, Vec<String>)>,
        }
        let vectors: Vectors = serde_json::from_str(include_str!("../../../tests/vectors/words.json")).unwrap();
        assert!(vectors.cases.len() >= 20, "{}", vectors.cases.len());
        for Case { target, local, runs } in vectors.cases {
            let parts = parts(&words(&target), &words(&local));
            let owned = |words: &Vec<&str>| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
            let seen: Vec<_> =
                joined(&parts).iter().map(|(same, old, new)| (owned(same), owned(old), owned(new))).collect();
            assert_eq!(seen, runs, "{target:?} {local:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let long: Vec<String> = (0..400).map(|n| format!("w{n}")).collect();
        let mut other = long.clone();
        other[200] = String::from("x");
        assert_eq!(text(&long.join(" "), &other.join(" ")), "…w198 w199 [-w200-]{+x+} w201 w202…");
        let all: Vec<String> = (0..1000).map(|n| format!("v{n}")).collect();
        let both = text(&long.join(" "), &all.join(" "));
        assert!(both.chars().count() < 200 && both.contains("w7 …-]{+v0 "), "{both}");
        assert!(text(&"x".repeat(5000), &"y".repeat(5000)).chars().count() < 140);
        for at in (0..400).step_by(40) {
            other[at] = String::from("x");
        }
        assert!(text(&long.join(" "), &other.join(" ")).ends_with(" more changes)"));
    }

    #[test]
    fn colour_comes_on_top_of_the_signs() {
        let field = FieldRow { field: "title", local: "b".into(), target: Some("a".into()) };
        assert_eq!(changed(&field, Colour::On), "\u{1b}[31m[-a-]\u{1b}[0m\u{1b}[32m{+b+}\u{1b}[0m");
    }
}
