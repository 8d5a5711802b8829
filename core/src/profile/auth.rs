//! How a request shows who sends it.

use super::Path;

/// How a request shows who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// By a token that we are given: `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). Without a token: not at all.
    Bearer,
    /// By a name and a password (RFC 7617).
    Basic,
    /// By a token that we are given, in a header field of the target's own. Without a token: not at all.
    Header {
        /// The field.
        name: &'static str,
        /// What stands in front of the token.
        prefix: &'static str,
    },
    /// By a token that a login gives for a name and a password.
    Login(Login),
}

/// A login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Where the name and the password are sent, below the base URL, as a JSON object by POST.
    pub path: &'static str,
    /// The member with the name.
    pub user: &'static str,
    /// The member with the password.
    pub password: &'static str,
    /// Where in the response the token is.
    pub token: Path,
    /// What stands in front of the token in `Authorization`: `Bearer `.
    pub prefix: &'static str,
}
