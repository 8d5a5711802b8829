//! Reports of `news user`.

use serde::Serialize;

/// What happened to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Added.
    Added,
    /// Got another password.
    PasswordSet,
    /// Became staff: may see the console.
    StaffOn,
    /// Is no longer staff.
    StaffOff,
    /// Removed.
    Removed,
}

/// `news user add|passwd|staff|remove`
#[derive(Debug, Serialize)]
pub struct UserChange {
    /// The name.
    pub username: String,
    /// The id.
    pub id: i64,
    /// What happened.
    pub change: Change,
}

/// A user in a list.
#[derive(Debug, Serialize)]
pub struct ListedUser {
    /// The id.
    pub id: i64,
    /// The name.
    pub username: String,
    /// May the user log in?
    pub active: bool,
    /// May the user see the console?
    pub staff: bool,
    /// When the user was added (RFC 3339).
    pub added_at: String,
}

/// `news user list`
#[derive(Debug, Serialize)]
pub struct Users {
    /// By name.
    pub users: Vec<ListedUser>,
}
