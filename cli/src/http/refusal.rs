//! What the server answers by itself: a status, a sentence, and the end of the connection.

use std::io::Cursor;

use tiny_http::{HTTPVersion, Header, Response};

use crate::http::head::Verb;
use crate::http::outlet::{CLOSE, insert_field};

/// Why a request does not reach a handler, or gets no response from it. Its text is the response's `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// 400: not a request, or one whose end cannot be told beyond doubt (RFC 9112 §11.2).
    #[error("Bad request: {0}.")]
    Malformed(&'static str),
    /// 408 (RFC 9110 §15.5.9).
    #[error("The request did not arrive in time.")]
    Late,
    /// 413 (RFC 9110 §15.5.14).
    #[error("The request body is too large.")]
    BodyTooLarge,
    /// 417 (RFC 9110 §10.1.1).
    #[error("The expectation cannot be met.")]
    Expectation,
    /// 431 (RFC 6585 §5).
    #[error("The request head is too large.")]
    HeadTooLarge,
    /// 500: the handler panicked, or its response broke before it began.
    #[error("Internal server error.")]
    Failed,
    /// 503: no room for another connection.
    #[error("Too many connections.")]
    Full,
    /// 504: the handler took too long. It goes on, so a write may still be done.
    #[error("The response took too long. A change may have been made: look before you send it again.")]
    Slow,
    /// 505 (RFC 9110 §15.6.6).
    #[error("Only HTTP/1.0 and HTTP/1.1 are supported.")]
    Version,
}

/// The statuses of all refusals, ascending.
pub(super) const STATUSES: [u16; 9] = [400, 408, 413, 417, 431, 500, 503, 504, 505];

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Late => 408,
            Self::BodyTooLarge => 413,
            Self::Expectation => 417,
            Self::HeadTooLarge => 431,
            Self::Failed => 500,
            Self::Full => 503,
            Self::Slow => 504,
            Self::Version => 505,
        }
    }

    /// Returns the whole response: head and, unless the request was a HEAD, `{"detail":"…"}`.
    pub(super) fn render(self, verb: Verb) -> Vec<u8> {
        // The details are our own constants: nothing in them needs escaping.
        let body = format!("{{\"detail\":\"{self}\"}}").into_bytes();
        let retry = (self.status() == 503).then_some(("Retry-After", "1"));
        let fields = [("Server", "news"), ("Content-Type", "application/json")].into_iter().chain(retry);
        let fields = fields.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
        let length = body.len();
        let response = Response::new(self.status().into(), fields, Cursor::new(body), Some(length), None);
        let mut out = Vec::with_capacity(512);
        // Memory takes everything.
        let _ = response.raw_print(&mut out, HTTPVersion(1, 1), &[], verb == Verb::Head, None);
        insert_field(&mut out, CLOSE);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_whole_response_that_ends_the_connection() {
        let text = String::from_utf8(Refusal::Full.render(Verb::Other)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "{\"detail\":\"Too many connections.\"}");
        for line in ["HTTP/1.1 503 Service Unavailable", "Content-Length: 34", "Retry-After: 1", "Connection: close"] {
            assert!(head.lines().any(|has| has == line), "{line} is not in {head}");
        }
        assert!(String::from_utf8(Refusal::Slow.render(Verb::Head)).unwrap().ends_with("Connection: close\r\n\r\n"));
    }
}
