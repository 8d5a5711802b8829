//! The exported functions. One text at a time: the request, then the answer in its place. One comparison at a time.

use std::cell::RefCell;
use std::ptr;

use news_core::Entity;

use crate::calls;
use crate::stream::{Comparison, Form, Side, Wants};

/// A text may have so many bytes: a listing of 200,000 posts, and far below the 4 GiB that
/// wasm32 can address at all.
const TEXT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A piece of a stream may have so many bytes: a browser's pieces have 64 KiB, and the room stays.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static COMPARISON: RefCell<Option<Comparison>> = const { RefCell::new(None) };
}

/// Makes room for a text of `bytes` bytes and returns its address; null if that is too much.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_room(bytes: usize) -> *mut u8 {
    if bytes > TEXT_BYTES_MAX {
        return ptr::null_mut();
    }
    TEXT.with_borrow_mut(|text| {
        text.clear();
        text.resize(bytes, 0);
        text.as_mut_ptr()
    })
}

/// Returns the address of the text: after a call, of its answer.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_text() -> *const u8 {
    TEXT.with_borrow(Vec::as_ptr)
}

/// Answers the text with [`calls::merge`] and returns how many bytes the answer has.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_merge() -> usize {
    answered_by(calls::merge)
}

/// Answers the text with [`calls::diff`] and returns how many bytes the answer has.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff() -> usize {
    answered_by(calls::diff)
}

/// Starts a comparison of posts (0) or comments (1), and forgets an earlier one. Returns which side it
/// wants first, or 3 where `entity` is neither.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff_open(entity: u32) -> u32 {
    let entity = Entity::ALL.into_iter().zip(0..).find(|(_, number)| *number == entity);
    let comparison = entity.map(|(entity, _)| Comparison::new(entity));
    let wants = if comparison.is_some() { Wants::Listing } else { Wants::Fault };
    COMPARISON.set(comparison);
    wants as u32
}

/// Gives the comparison the first `bytes` bytes of the text, as the next ones of `side` (1 rows, 2 listing), in
/// `form` (0 records, 1 JSON); 0 bytes: the side has ended. Returns which side it wants next: 1, 2, 0 where
/// both have ended, or 3 after a fault, which [`news_diff_done`] describes.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff_push(side: u32, form: u32, bytes: usize) -> u32 {
    let side = match side {
        1 => Some(Side::Rows),
        2 => Some(Side::Listing),
        _ => None,
    };
    let form = match form {
        0 => Some(Form::Records),
        1 => Some(Form::Json),
        _ => None,
    };
    let wants = COMPARISON.with_borrow_mut(|comparison| {
        let Some(comparison) = comparison else { return Wants::Fault };
        TEXT.with_borrow(|text| match (side, form, text.get(..bytes)) {
            (Some(side), Some(form), Some(piece)) if bytes <= PIECE_BYTES_MAX => comparison.push(side, form, piece),
            _ => comparison.refuse("a piece is longer than its room, or of an unknown side or form"),
        })
    });
    wants as u32
}

/// Ends the comparison: the text becomes [`Comparison::done`], with the first `limit` differences. Returns how many bytes it has.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff_done(limit: usize) -> usize {
    let answer = match COMPARISON.take() {
        Some(comparison) => comparison.done(limit),
        None => String::from(r#"{"error":"no comparison was started"}"#),
    };
    TEXT.with_borrow_mut(|text| {
        *text = answer.into_bytes();
        text.len()
    })
}

/// Forgets the comparison and the text.
#[expect(unsafe_code, reason = "an exported name; the lint allows nothing else")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff_close() {
    COMPARISON.set(None);
    TEXT.set(Vec::new());
}

fn answered_by(call: fn(&[u8]) -> String) -> usize {
    TEXT.with_borrow_mut(|text| {
        *text = call(text).into_bytes();
        text.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        TEXT.with_borrow(|text| String::from_utf8(text.clone()).unwrap())
    }

    #[test]
    fn the_answer_takes_the_texts_place() {
        assert!(!news_room(3).is_null());
        let bytes = news_merge();
        assert_eq!(bytes, text().len());
        assert!(text().starts_with(r#"{"error":"expected value"#), "{}", text());
        assert!(news_room(TEXT_BYTES_MAX + 1).is_null());
    }

    #[test]
    fn a_comparison_wants_one_side_after_the_other_and_is_gone_after_its_answer() {
        let put = |piece: &str| {
            news_room(piece.len());
            TEXT.set(piece.as_bytes().to_vec());
            piece.len()
        };
        assert_eq!(news_diff_push(1, 1, 0), 3);
        assert_eq!(news_diff_open(2), 3);
        assert_eq!(news_diff_open(0), 2);
        assert_eq!(news_diff_push(2, 1, put(r#"[{"id":7}"#)), 2);
        assert_eq!(news_diff_push(2, 1, put("]")), 1);
        assert_eq!(news_diff_push(2, 1, 0), 1);
        assert_eq!(news_diff_push(1, 1, put("[]")), 1);
        assert_eq!(news_diff_push(1, 1, 0), 0);
        news_diff_done(5);
        let counts = r#"{"local":0,"target":1,"equal":0,"altered":0,"nameless":0,"copies":0}"#;
        let expected = format!(r#"{{"counts":{counts},"differences":[["posts/7","unreadable"]],"more":0}}"#);
        assert_eq!(text(), expected);
        news_diff_done(5);
        assert!(text().contains("no comparison was started"));
        for (side, form, bytes) in [(0, 1, 0), (1, 2, 0), (1, 1, 9), (1, 1, PIECE_BYTES_MAX + 1)] {
            news_diff_open(1);
            put("[");
            assert_eq!(news_diff_push(side, form, bytes), 3);
        }
        news_diff_close();
        assert!(text().is_empty());
    }
}
