//! Objects that runs leave, grouped by what the target said: thousands of refusals mostly have a few reasons.
//!
//! In scope: which objects belong together, and the words that stand for them. Out of scope: which objects are left (`outlook`),
//! and what a response means (`reply`).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::fingerprint::{Fingerprint, write_number, write_text};
use crate::ledger::{Entry, Moment, State};
use crate::model::{Entity, Key};

/// Keys that are named of a group.
const NAMED_MAX: usize = 10;
/// Where an answer in JSON has its words, the best place first.
const WORDS_AT: [&str; 4] = ["error", "detail", "message", "errors"];

/// Names a group: the same reason has the same name at any time, in any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for GroupId {
    type Err = ();

    /// Takes 16 hexadecimal digits in lower case.
    fn from_str(text: &str) -> Result<Self, ()> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_one = text.len() == 16 && text.bytes().all(is_digit);
        is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(GroupId).ok_or(())
    }
}

/// An object that runs leave, as far as its group depends on it.
#[derive(Debug, Clone, Copy)]
pub struct LeftObject<'a> {
    /// Which.
    pub key: Key,
    /// Parked, or waiting.
    pub state: State,
    /// The target's status.
    pub status: Option<u16>,
    /// The reason, as the ledger has it.
    pub reason: &'a str,
    /// Since when it is left.
    pub since: Moment,
    /// When that was recorded last.
    pub updated_at: Moment,
}

impl<'a> LeftObject<'a> {
    /// Describes an object by its entry.
    pub fn of(key: Key, entry: &'a Entry) -> Self {
        let Entry { state, status, since, updated_at, .. } = *entry;
        Self { key, state, status, reason: &entry.reason, since, updated_at }
    }

    /// Returns the group's name.
    pub fn group(&self) -> GroupId {
        let mut fields = Vec::new();
        write_text(self.key.entity().plural().as_bytes(), &mut fields);
        write_text(self.state.word().as_bytes(), &mut fields);
        write_number(self.status.map_or(-1, i64::from), &mut fields);
        write_text(pattern(&said(self.reason)).as_bytes(), &mut fields);
        let Fingerprint(print) = Fingerprint::of_written(&fields);
        // The upper half of it.
        GroupId(u64::try_from(print >> 64).unwrap_or_default())
    }
}

/// Objects with the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Posts or comments.
    pub entity: Entity,
    /// Parked, or waiting.
    pub state: State,
    /// The target's status.
    pub status: Option<u16>,
    /// The words of the one that was recorded last.
    pub said: String,
    /// How many objects.
    pub count: u64,
    /// How many objects are held behind them.
    pub behind: u64,
    /// Since when the first of them is left.
    pub since: Moment,
    /// The first of them, by the order in which they were added.
    pub first: Vec<Key>,
    updated_at: Moment,
}

/// Groups in the making.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    groups: BTreeMap<GroupId, Group>,
    of: BTreeMap<Key, GroupId>,
}

impl Groups {
    /// Adds an object.
    pub fn add(&mut self, left: &LeftObject<'_>) {
        let id = left.group();
        self.of.insert(left.key, id);
        let group = self.groups.entry(id).or_insert_with(|| Group {
            entity: left.key.entity(),
            state: left.state,
            status: left.status,
            said: said(left.reason),
            count: 0,
            behind: 0,
            since: left.since,
            first: Vec::new(),
            updated_at: left.updated_at,
        });
        group.count += 1;
        group.since = group.since.min(left.since);
        if group.first.len() < NAMED_MAX {
            group.first.push(left.key);
        }
        if left.updated_at > group.updated_at {
            group.updated_at = left.updated_at;
            group.said = said(left.reason);
        }
    }

    /// Counts an object that is held behind this one.
    pub fn count_behind(&mut self, key: Key) {
        if let Some(group) = self.of.get(&key).and_then(|id| self.groups.get_mut(id)) {
            group.behind += 1;
        }
    }

    /// Returns the groups, the largest first.
    pub fn finish(self) -> Vec<(GroupId, Group)> {
        let mut groups: Vec<(GroupId, Group)> = self.groups.into_iter().collect();
        groups.sort_by(|(id, a), (other, b)| b.count.cmp(&a.count).then(id.cmp(other)));
        groups
    }
}

/// Returns the target's words in a reason: of an answer in JSON the first text at one of the usual places, else the answer.
/// It may be cut anywhere.
pub fn said(reason: &str) -> String {
    let answer = match reason.strip_prefix("status ").and_then(|rest| rest.split_once(": ")) {
        Some((status, answer)) if status.starts_with(|c: char| c.is_ascii_digit()) => answer,
        Some(_) | None => reason,
    };
    if answer.starts_with(['{', '[']) {
        let tokens = tokens(answer);
        if let Some(words) = WORDS_AT.iter().find_map(|name| text_at(&tokens, name)) {
            return words;
        }
    }
    String::from(answer)
}

/// What JSON consists of, as far as finding a text takes.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Mark(char),
}

/// Reads JSON that may end in the middle, and mistakes nothing for an error.
fn tokens(json: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => tokens.push(Token::Text(text(&mut chars))),
            '{' | '}' | '[' | ']' | ':' | ',' => tokens.push(Token::Mark(c)),
            _ => {}
        }
    }
    tokens
}

/// Reads a text behind its first quotation mark.
fn text(chars: &mut core::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n' | 'r' | 't') => text.push(' '),
                Some('u') => {
                    let digits: String = chars.as_str().chars().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    for _ in digits.chars() {
                        chars.next();
                    }
                    text.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(other) => text.push(other),
                None => break,
            },
            _ => text.push(c),
        }
    }
    text
}

/// Returns the first text that is, or is somewhere in, the value of a member with this name.
fn text_at(tokens: &[Token], name: &str) -> Option<String> {
    let is_name = |pair: &[Token]| matches!(pair, [Token::Text(text), Token::Mark(':')] if text == name);
    let at = tokens.windows(2).position(is_name)?;
    let mut depth = 0_u32;
    for (place, token) in tokens.iter().enumerate().skip(at + 2) {
        match token {
            Token::Text(_) if tokens.get(place + 1) == Some(&Token::Mark(':')) => {}
            Token::Text(text) if text.is_empty() => {}
            Token::Text(text) => return Some(text.clone()),
            Token::Mark('{' | '[') => depth += 1,
            Token::Mark('}' | ']') => depth = depth.saturating_sub(1),
            Token::Mark(_) => {}
        }
        // A number, or nothing more of its value.
        if depth == 0 {
            return None;
        }
    }
    None
}

/// Returns words without what differs from object to object: runs of digits, and what is in quotation marks.
fn pattern(words: &str) -> String {
    let mut pattern = String::with_capacity(words.len());
    let mut rest = words;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        let closing = match c {
            '"' | '`' => Some(c),
            // An apostrophe is within a word.
            '\'' if !before.is_alphanumeric() => Some(c),
            '“' => Some('”'),
            '«' => Some('»'),
            _ => None,
        };
        let quoted = closing.and_then(|closing| Some((closing, behind.split_once(closing)?.1)));
        before = c;
        rest = match quoted {
            Some((closing, after)) => {
                pattern.extend([c, '…', closing]);
                after
            }
            None if c.is_ascii_digit() => {
                pattern.push('#');
                behind.trim_start_matches(|c: char| c.is_ascii_digit())
            }
            None => {
                pattern.push(c);
                behind
            }
        };
    }
    pattern
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_words_of_an_answer() {
        for (reason, words) in [
            ("status 422: a word that is refused", "a word that is refused"),
            (r#"status 422: {"error":"too long"}"#, "too long"),
            (r#"status 400: {"code":400,"message":"Failed.","data":{"error":5}}"#, "Failed."),
            (r#"status 400: {"message":"Failed.","error":"no such post"}"#, "no such post"),
            (r#"status 400: {"errors":{"title":["is \"bad\"","x"]}}"#, "is \"bad\""),
            (r#"status 400: {"errors":[{"code":"E1"},"x"]}"#, "E1"),
            (r#"status 400: {"title":["May not be blank."]}"#, r#"{"title":["May not be blank."]}"#),
            (r#"status 400: {"detail":"cut in the mid"#, "cut in the mid"),
            (r#"status 400: {"detail":{"x":"#, r#"{"detail":{"x":"#),
            (r#"status 400: {"error":null,"detail":"d"}"#, "d"),
            (r#"status 400: {"error":"","detail":"d"}"#, "d"),
            (r#"status 400: {"error":"\u0041\n\u00"#, "A \u{0}"),
            ("status 500", "status 500"),
            ("title: expected a value, found NULL", "title: expected a value, found NULL"),
            ("status of it: x", "status of it: x"),
            ("", ""),
        ] {
            assert_eq!(said(reason), words, "{reason}");
        }
    }

    #[test]
    fn what_differs_from_object_to_object_is_left_out() {
        for (words, expected) in [
            ("post 17 of 2024-01-02", "post # of #-#-#"),
            ("the title \"a 5\" is taken", "the title \"…\" is taken"),
            ("can't find 'x y' or `z`", "can't find '…' or `…`"),
            ("don't quote 5' of it", "don't quote #' of it"),
            ("“one” «two» \"three", "“…” «…» \"three"),
            ("", ""),
        ] {
            assert_eq!(pattern(words), expected);
        }
    }

    fn left<'a>(key: &str, status: u16, reason: &'a str, at: i64) -> LeftObject<'a> {
        let state = State::Parked;
        LeftObject {
            key: key.parse().unwrap(),
            state,
            status: Some(status),
            reason,
            since: Moment(at),
            updated_at: Moment(at),
        }
    }

    #[test]
    fn objects_with_the_same_reason_are_a_group() {
        let mut groups = Groups::default();
        let first = left("posts/5", 422, "status 422: title 5 is taken", 20);
        groups.add(&first);
        groups.add(&left("posts/6", 422, "status 422: title 66 is taken", 10));
        groups.add(&left("posts/7", 400, "status 400: title 7 is taken", 30));
        groups.add(&left("comments/7", 422, "status 422: title 7 is taken", 30));
        groups.add(&LeftObject { state: State::Waiting, ..left("posts/8", 422, "status 422: title 8 is taken", 1) });
        groups.count_behind("posts/6".parse().unwrap());
        groups.count_behind("posts/9".parse().unwrap());
        let groups = groups.finish();
        assert_eq!(groups.len(), 4);
        let (id, group) = &groups[0];
        assert_eq!((group.count, group.behind, group.since), (2, 1, Moment(10)));
        // Of the newest one.
        assert_eq!(group.said, "title 5 is taken");
        assert_eq!(group.first.iter().map(ToString::to_string).collect::<Vec<_>>(), ["posts/5", "posts/6"]);
        assert_eq!((id.to_string().parse(), *id), (Ok(*id), first.group()));
        for bad in ["", "1", "000000000000000G", "000000000000000A", "00000000000000000"] {
            assert_eq!(bad.parse::<GroupId>(), Err(()), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_has_words(reason in "(status [0-9]{3}: )?[{\\[\"\\\\a-z0-9:,'\\]} é]{0,40}") {
            let words = said(&reason);
            proptest::prop_assert!(words.chars().count() <= reason.chars().count());
            pattern(&words);
        }
    }
}
