//! `news config`: what is in force, and where each value comes from.

use clap::CommandFactory;

use crate::args::{Cli, Config as Args, Global};
use crate::commands::Outcome;
use crate::error::Result;
use crate::pg::{self, Purpose};
use crate::private_pg;
use crate::profile::{Chosen, in_words};
use crate::report::Report;
use crate::report::config::{ConfigReport, Setting};
use crate::secret::Secret;
use crate::settings::keys::{KEYS, Key, KeyPlace};
use crate::settings::{self, Found, Layers, Origin, keys};
use crate::store;
use crate::store::remembered::{self, Remembered};
use crate::target::Proxy;

/// In a secret's place.
const STARS: &str = "***";

/// Runs the command. It starts nothing; a database that does not answer is only not asked.
pub fn run(args: &Args, global: &Global, layers: &Layers) -> Result<Outcome> {
    let database = settings::database(global, layers)?;
    let profile = match settings::target_profile(global, layers)? {
        Some(found) => found,
        None => remembered(database.as_ref(), layers, Remembered::profile_in_force)
            .map(|found| Chosen::find(&found.value).map(|value| Found { value, origin: found.origin }))
            .transpose()?
            .unwrap_or_else(|| Found { value: Chosen::default(), origin: Origin::Default }),
    };
    let mut settings: Vec<Setting> = Vec::with_capacity(KEYS.len() + 1);
    for key in &KEYS {
        let setting = setting(key, global, layers, database.as_ref(), &profile)?;
        let target = if key == keys::TARGET_URL { setting.value.clone() } else { None };
        settings.push(setting);
        if let Some(target) = target {
            settings.push(proxy(&target)?);
        }
    }
    let file = layers.path().map(|path| path.display().to_string());
    let (profile, is_profile_alone) = (in_words(profile.value.profile), args.profile);
    Ok(Outcome::done(Report::Config(ConfigReport { file, settings, profile, is_profile_alone })))
}

fn setting(
    key: &Key,
    global: &Global,
    layers: &Layers,
    database: Option<&Found<Secret>>,
    profile: &Found<Chosen>,
) -> Result<Setting> {
    let found = match key.place {
        KeyPlace::Global(_) | KeyPlace::Flag(..) => flag(key, global, layers)?,
        KeyPlace::Secret if key == keys::DATABASE_URL => match database {
            Some(found) => {
                let value = pg::url::split(&found.value)?.shown;
                Some(Found { value, origin: found.origin.clone() })
            }
            None => Some(Found { value: String::from("the private PostgreSQL"), origin: Origin::Default }),
        },
        KeyPlace::Secret => layers.secret(key)?.map(|found| Found { value: String::from(STARS), origin: found.origin }),
        KeyPlace::Setting if key == keys::TARGET_URL => match settings::target_url(global, layers)? {
            Some(found) => Some(Found { value: crate::target::base_url(&found.value)?, origin: found.origin }),
            None => remembered(database, layers, |remembered| remembered.in_force().map(Some)),
        },
        KeyPlace::Setting if key == keys::TARGET_PROFILE => {
            Some(Found { value: profile.value.name.clone(), origin: profile.origin.clone() })
        }
        KeyPlace::Setting if key == keys::TARGET_USER => layers.text(key)?,
        KeyPlace::Setting => {
            let home = settings::home(layers)?;
            Some(Found { value: home.value.display().to_string(), origin: home.origin })
        }
    };
    let (value, origin) = found.map_or((None, Origin::Default), |found| (Some(found.value), found.origin));
    let kind = match &origin {
        Origin::Flag(_) => "flag",
        Origin::Environment(_) => "environment",
        Origin::File(..) => "file",
        Origin::Database => "database",
        Origin::Default => "default",
    };
    Ok(Setting { name: key.name, value, origin: kind, from: origin.to_string(), variable: key.variable() })
}

/// Returns the proxy for a target with this base URL. It has no place in the file: it is the machine's setting.
fn proxy(target: &str) -> Result<Setting> {
    let proxy = Proxy::of(target)?;
    let by_scheme = if target.starts_with("https:") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let variable = proxy.as_ref().map_or(by_scheme, Proxy::variable).to_owned();
    let (origin, from) = match &proxy {
        Some(_) => ("environment", Origin::Environment(variable.clone()).to_string()),
        None => ("default", Origin::Default.to_string()),
    };
    Ok(Setting { name: "proxy", value: proxy.map(|proxy| proxy.url().to_owned()), origin, from, variable })
}

/// Returns a flag's value: from this command line, from environment or file, or clap's own default.
fn flag(key: &Key, global: &Global, layers: &Layers) -> Result<Option<Found<String>>> {
    let (command, id) = match key.place {
        KeyPlace::Flag(command, id) => (Some(command), id),
        KeyPlace::Global(id) => (None, id),
        KeyPlace::Setting | KeyPlace::Secret => return Ok(None),
    };
    if let Some(origin) = layers.flag(id) {
        use clap::ValueEnum;
        let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        let value = match id {
            "color" => name(global.color.to_possible_value()),
            "progress" => name(global.progress.to_possible_value()),
            _ => name(global.log_format.to_possible_value()),
        };
        return Ok(value.map(|value| Found { value, origin }));
    }
    if let Some(found) = layers.found(key)? {
        return Ok(Some(Found { value: found.value.join(","), origin: found.origin }));
    }
    let cli = Cli::command();
    let command = command.map_or(Some(&cli), |name| cli.find_subcommand(name));
    let arg = command.and_then(|command| command.get_arguments().find(|arg| arg.get_id() == id));
    let defaults = arg.map(|arg| arg.get_default_values().to_vec()).unwrap_or_default();
    let texts: Vec<String> = defaults.iter().map(|text| text.to_string_lossy().into_owned()).collect();
    let is_switch = arg.is_some_and(|arg| matches!(arg.get_action(), clap::ArgAction::SetTrue));
    let value = if is_switch && texts.is_empty() { Some(String::from("false")) } else { Some(texts.join(",")) };
    Ok(value.filter(|value| !value.is_empty()).map(|value| Found { value, origin: Origin::Default }))
}

/// Asks the database for the target that it remembers, if it can be asked. Returns what `pick` takes of that.
fn remembered(
    database: Option<&Found<Secret>>,
    layers: &Layers,
    pick: impl FnOnce(Remembered) -> Result<Option<String>>,
) -> Option<Found<String>> {
    let asked = || -> Result<Option<String>> {
        let url = if let Some(found) = database {
            found.value.clone()
        } else {
            let home = settings::home(layers)?.value;
            if private_pg::state(&home)?.pid.is_none() {
                return Ok(None);
            }
            private_pg::url(&home)?
        };
        let mut client = pg::connect(&url, Purpose::Admin)?;
        if store::schema::applied(&mut client)? == 0 {
            return Ok(None);
        }
        remembered::remembered(&mut client)?.map_or(Ok(None), pick)
    };
    match asked() {
        Ok(value) => value.map(|value| Found { value, origin: Origin::Database }),
        Err(failure) => {
            log::warn!("the database was not asked which target it remembers: {failure}");
            None
        }
    }
}
