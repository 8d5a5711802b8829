//! What `news doctor` returns.

use serde::Serialize;

/// `news doctor`
#[derive(Debug, Serialize)]
pub struct DoctorReport {
    /// The worst of the checks.
    pub verdict: CheckVerdict,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    /// All is well.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at: `database`, `schema`, `target`, …; a name may be there more than once.
    pub name: &'static str,
    /// How it went.
    pub verdict: CheckVerdict,
    /// What was seen.
    pub text: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// What a command ends with that meets this trouble.
    pub exit_code: Option<u8>,
}
