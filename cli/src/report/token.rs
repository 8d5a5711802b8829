//! The report of `news token`.

use serde::Serialize;

/// An access token.
#[derive(Debug, Serialize)]
pub struct TokenReport {
    /// The token itself.
    pub access: String,
    /// Whose it is.
    pub username: String,
    /// It is good for so long, in seconds.
    pub expires_in_s: i64,
}
