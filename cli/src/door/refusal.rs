//! What the door answers by itself: a status, a sentence, and the end of the connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::door::head::Verb;

/// Why a request is not passed on, or its answer not to be had. Its text is the answer's `detail`.
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
    /// 502: the handler's connection broke before the answer began.
    #[error("The request was given up without an answer.")]
    NoAnswer,
    /// 503: no room for another connection.
    #[error("Too many connections.")]
    Full,
    /// 503: no worker came free in time.
    #[error("All workers are busy.")]
    Busy,
    /// 504: the handler took too long.
    #[error("The answer took too long.")]
    Slow,
    /// 505 (RFC 9110 §15.6.6).
    #[error("Only HTTP/1.0 and HTTP/1.1 are spoken here.")]
    Version,
}

/// The statuses of all refusals, ascending.
pub(super) const STATUSES: [u16; 9] = [400, 408, 413, 417, 431, 502, 503, 504, 505];

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Late => 408,
            Self::BodyTooLarge => 413,
            Self::Expectation => 417,
            Self::HeadTooLarge => 431,
            Self::NoAnswer => 502,
            Self::Full | Self::Busy => 503,
            Self::Slow => 504,
            Self::Version => 505,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Malformed(_) => "Bad Request",
            Self::Late => "Request Timeout",
            Self::BodyTooLarge => "Content Too Large",
            Self::Expectation => "Expectation Failed",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::NoAnswer => "Bad Gateway",
            Self::Full | Self::Busy => "Service Unavailable",
            Self::Slow => "Gateway Timeout",
            Self::Version => "HTTP Version Not Supported",
        }
    }

    /// Returns the whole answer: head and, unless the request was a HEAD, `{"detail":"…"}`.
    pub(super) fn render(self, verb: Verb) -> Vec<u8> {
        // The details are our own constants: nothing in them needs escaping.
        let body = format!("{{\"detail\":\"{self}\"}}");
        let retry = if self.status() == 503 { "Retry-After: 1\r\n" } else { "" };
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n",
            self.status(),
            self.reason(),
            http_date(SystemTime::now()),
            body.len(),
        );
        match verb {
            Verb::Head => {}
            Verb::Other => answer.push_str(&body),
        }
        answer.into_bytes()
    }
}

/// Returns `at` as an IMF-fixdate, for example `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let days = seconds / 86_400;
    // Counted from 1 March of year 0, so that leap days come last (Hinnant, "chrono-compatible date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month >= 10);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS.iter().cycle().nth((days % 7) as usize).unwrap_or(&""),
        MONTHS.get(month as usize).unwrap_or(&""),
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_imf_fixdates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
