//! What commands return: plain data, ready for JSON, that knows nothing of screens.

use serde::Serialize;

/// A command's report. In JSON it is its content alone: the command says which it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {}
