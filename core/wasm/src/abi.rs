//! The exported functions. One text at a time: the request, then the answer in its place.

use std::cell::RefCell;
use std::ptr;

use crate::calls;

/// A text may have so many bytes: a listing of 200,000 posts, and far below the 4 GiB that
/// wasm32 can address at all.
const TEXT_BYTES_MAX: usize = 256 * 1024 * 1024;

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for a text of `bytes` bytes and returns its address; null if that is too much.
#[expect(unsafe_code, reason = "a name for the host; the lint's only exception")]
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
#[expect(unsafe_code, reason = "a name for the host; the lint's only exception")]
#[unsafe(no_mangle)]
pub extern "C" fn news_text() -> *const u8 {
    TEXT.with_borrow(Vec::as_ptr)
}

/// Answers the text with [`calls::merge`] and returns how many bytes the answer has.
#[expect(unsafe_code, reason = "a name for the host; the lint's only exception")]
#[unsafe(no_mangle)]
pub extern "C" fn news_merge() -> usize {
    answered_by(calls::merge)
}

/// Answers the text with [`calls::diff`] and returns how many bytes the answer has.
#[expect(unsafe_code, reason = "a name for the host; the lint's only exception")]
#[unsafe(no_mangle)]
pub extern "C" fn news_diff() -> usize {
    answered_by(calls::diff)
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

    #[test]
    fn the_answer_takes_the_texts_place() {
        assert!(!news_room(3).is_null());
        let bytes = news_merge();
        let answer = TEXT.with_borrow(|text| String::from_utf8(text.clone()).unwrap());
        assert_eq!(bytes, answer.len());
        assert!(answer.starts_with(r#"{"error":"expected value"#), "{answer}");
        assert!(news_room(TEXT_BYTES_MAX + 1).is_null());
    }
}
