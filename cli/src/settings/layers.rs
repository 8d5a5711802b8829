//! Flags, environment, file, default: the one place where it is decided which of them speaks.
//!
//! clap parses every value, wherever it comes from: what environment and file say becomes the
//! default of the flag.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use clap::builder::OsStr;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::file::File;
use super::keys::{KEYS, Key, KeyPlace, Shape};
use super::variable;
use crate::args::Cli;
use crate::error::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::ui::{Format, LogFormat, Look, When};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// A variable.
    Environment(String),
    /// A line of the file.
    File(PathBuf, usize),
    /// The database, which remembers its target.
    Database,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag --{name}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Database => f.write_str("remembered by the database"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value, and where it comes from.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// What was found besides the flags.
#[derive(Debug, Default)]
pub struct Layers {
    file: Option<File>,
    /// The global flags on the command line.
    flags: Vec<&'static str>,
}

/// Why there is no command to run.
pub enum Stop {
    /// clap has something to say: help, or what is wrong.
    Clap(clap::Error),
    /// Something is wrong with the file or the environment; it is to be told this way.
    Failure(Look, Failure),
}

/// Reads the command line over environment and file.
pub fn command_line(arguments: &[OsString]) -> Result<(Cli, Layers), Stop> {
    // Once without the file, since the file's name is a flag.
    let bare = Cli::command().try_get_matches_from(arguments).map_err(Stop::Clap)?;
    let bare = Cli::from_arg_matches(&bare).map_err(Stop::Clap)?;
    let fail = |failure| Stop::Failure(super::look(&bare.global), failure);
    let mut layers = Layers { file: File::find(bare.global.config.as_deref()).map_err(fail)?, flags: Vec::new() };
    let matches = layers.command().map_err(fail)?.try_get_matches_from(arguments).map_err(Stop::Clap)?;
    let cli = Cli::from_arg_matches(&matches).map_err(Stop::Clap)?;
    layers.flags = given(&matches);
    Ok((cli, layers))
}

/// Returns how to print an error of the command line if log lines are to be JSON: the flag or its variable says so. clap does not
/// tell which flags it has read before an error, and the file's name may be what is wrong.
pub fn json_look(arguments: &[OsString]) -> Option<Look> {
    let flag = arguments.iter().enumerate().find_map(|(at, argument)| {
        match argument.to_str()?.strip_prefix("--log-format")? {
            "" => arguments.get(at + 1)?.to_str(),
            with_value => with_value.strip_prefix('='),
        }
    });
    let variable = variable("NEWS_LOG_FORMAT").ok().flatten();
    let look = Look {
        format: Format::Text,
        color: When::Never,
        progress: When::Never,
        log_format: LogFormat::Json,
        level: log::LevelFilter::Info,
    };
    (flag.or(variable.as_deref()) == Some("json")).then_some(look)
}

/// Returns the global flags that are on the command line.
fn given(matches: &ArgMatches) -> Vec<&'static str> {
    // clap hands global values on to the innermost command.
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let is_given = |id: &&str| {
        innermost.try_contains_id(id).is_ok() && innermost.value_source(id) == Some(ValueSource::CommandLine)
    };
    ["config", "database_url", "target_url", "target_profile", "color", "progress", "log_format"]
        .into_iter()
        .filter(is_given)
        .collect()
}

impl Layers {
    /// Returns the file that is in force.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Returns what the environment, or else the file, says of `key`, as a flag would have it.
    pub fn found(&self, key: &Key) -> Result<Option<Found<Vec<String>>>> {
        let name = key.variable();
        if let Some(text) = variable(&name)? {
            let value = match key.shape {
                Shape::List => {
                    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
                }
                Shape::Text | Shape::Path | Shape::Time | Shape::Integer | Shape::Number | Shape::Boolean => vec![text],
            };
            return Ok(Some(Found { value, origin: Origin::Environment(name) }));
        }
        Ok(self.in_file(key.name))
    }

    /// The same of a value that is one text.
    pub fn text(&self, key: &Key) -> Result<Option<Found<String>>> {
        let one =
            |found: Found<Vec<String>>| Some(Found { value: found.value.into_iter().next()?, origin: found.origin });
        Ok(self.found(key)?.and_then(one))
    }

    /// Returns a secret: from its variable, from the file that `NAME_FILE` names, or from `news.toml`.
    pub fn secret(&self, key: &Key) -> Result<Option<Found<Secret>>> {
        if let Some(found) = secret_in_environment(&key.variable())? {
            return Ok(Some(found));
        }
        let (file_name, one) =
            (format!("{}_file", key.name), |found: Found<Vec<String>>| found.value.into_iter().next());
        let (direct, path) = (self.in_file(key.name), self.in_file(&file_name));
        match (direct, path) {
            (Some(direct), Some(_)) => {
                Err(Failure::new(Kind::Usage, format!("{}: both {} and {file_name} are set", direct.origin, key.name))
                    .hint("Remove one of them."))
            }
            (Some(direct), None) => {
                let origin = direct.origin.clone();
                Ok(one(direct).map(|text| Found { value: Secret::new(text), origin }))
            }
            (None, Some(path)) => {
                let origin = path.origin.clone();
                let secret =
                    one(path).map(|path| Secret::from_file(Path::new(&path), &origin.to_string())).transpose()?;
                Ok(secret.map(|value| Found { value, origin }))
            }
            (None, None) => Ok(None),
        }
    }

    /// Returns the path of the file that holds a secret, if one does.
    pub fn secret_file(&self, key: &Key) -> Result<Option<PathBuf>> {
        if let Some(path) = variable(&format!("{}_FILE", key.variable()))? {
            return Ok(Some(path.into()));
        }
        if variable(&key.variable())?.is_some() {
            return Ok(None);
        }
        let found = self.in_file(&format!("{}_file", key.name));
        Ok(found.and_then(|found| found.value.into_iter().next()).map(PathBuf::from))
    }

    /// Returns the origin of a global flag that is on the command line.
    pub fn flag(&self, id: &str) -> Option<Origin> {
        self.flags.contains(&id).then(|| Origin::Flag(id.replace('_', "-")))
    }

    fn in_file(&self, name: &str) -> Option<Found<Vec<String>>> {
        let file = self.file.as_ref()?;
        let entry = file.get(name)?;
        Some(Found { value: entry.texts.clone(), origin: Origin::File(file.path.clone(), entry.line) })
    }

    /// Returns the command line's description with what was found as defaults.
    ///
    /// Fails with [`Kind::Usage`] where a value is none, also one for another command than the one that runs.
    pub fn command(&self) -> Result<Command> {
        let mut command = Cli::command();
        for key in &KEYS {
            if matches!(key.place, KeyPlace::Setting | KeyPlace::Secret) {
                continue;
            }
            let Some(found) = self.found(key)? else { continue };
            check(key, &found)?;
            command = with_default(command, key, &found.value);
        }
        Ok(command)
    }
}

fn with_default(command: Command, key: &Key, texts: &[String]) -> Command {
    let texts: Vec<OsStr> = texts.iter().map(|text| OsStr::from(text.clone())).collect();
    match key.place {
        KeyPlace::Setting | KeyPlace::Secret => command,
        KeyPlace::Global(id) => command.mut_arg(id, |arg| arg.default_values(texts)),
        KeyPlace::Flag(name, id) => {
            command.mut_subcommand(name, |inner| inner.mut_arg(id, |arg| arg.default_values(texts)))
        }
    }
}

/// Lets clap look at one value.
fn check(key: &Key, found: &Found<Vec<String>>) -> Result<()> {
    let command = match key.place {
        KeyPlace::Flag(command, _) => command,
        KeyPlace::Setting | KeyPlace::Secret | KeyPlace::Global(_) => "parked",
    };
    match with_default(Cli::command(), key, &found.value).try_get_matches_from(["news", command]) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let said = line.trim_start_matches("error: ");
            let values = text.lines().find_map(|line| line.trim().strip_prefix("[possible values: "));
            let failure = Failure::new(Kind::Usage, format!("{}: {}: {said}", found.origin, key.name));
            Err(match values {
                Some(values) => failure.hint(format!("it is one of {}", values.trim_end_matches(']'))),
                None => failure,
            })
        }
    }
}

/// Returns a secret from the variable `name`, or from the file that `name`_FILE names
/// (its last line break does not count).
pub fn secret_in_environment(name: &str) -> Result<Option<Found<Secret>>> {
    let file_variable = format!("{name}_FILE");
    let file = variable(&file_variable)?;
    match (variable(name)?, file) {
        (Some(_), Some(_)) => {
            Err(Failure::new(Kind::Usage, format!("both {name} and {file_variable} are set"))
                .hint("Unset one of them."))
        }
        (Some(text), None) => {
            Ok(Some(Found { value: Secret::new(text), origin: Origin::Environment(name.to_owned()) }))
        }
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let value = Secret::from_file(Path::new(&path), &file_variable)?;
            Ok(Some(Found { value, origin: Origin::Environment(file_variable) }))
        }
    }
}
