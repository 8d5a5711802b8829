//! What commands return: plain data, ready for JSON, that knows nothing of screens.

pub mod token;
pub mod user;

use serde::Serialize;

/// A command's report. In JSON it is its content alone: the command says which it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// `news token`
    Token(token::Token),
    /// `news user add|passwd|remove`
    UserChange(user::UserChange),
    /// `news user list`
    Users(user::Users),
}
