//! What `news config` returns.

use serde::Serialize;

/// `news config`
#[derive(Debug, Serialize)]
pub struct ConfigReport {
    /// The `news.toml` that is in force, if there is one.
    pub file: Option<String>,
    /// Every setting, in a fixed order.
    pub settings: Vec<Setting>,
    /// The target profile in force, as TOML.
    pub profile: String,
    /// It alone was asked for.
    #[serde(skip)]
    pub is_profile_alone: bool,
}

/// One setting.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// As in the file: `serve.listen`.
    pub name: &'static str,
    /// Its value as text, secrets as stars; none where it has none. A list's parts are set apart by commas.
    pub value: Option<String>,
    /// `flag`, `environment`, `file`, `database` or `default`.
    pub origin: &'static str,
    /// The same with the name of the flag or variable, or the place in the file: `/etc/news/news.toml:3`.
    pub from: String,
    /// The variable that sets it.
    pub variable: String,
}
