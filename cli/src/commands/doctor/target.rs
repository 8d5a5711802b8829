//! The target: is it there, does it speak as we do, what time is it there.

use std::time::SystemTime;

use news_core::Entity;

use super::database::{Remembers, SKEW_MAX, apart};
use super::{Findings, profile};
use crate::args::{Doctor as Args, Global};
use crate::error::{Failure, Kind, Result};
use crate::report::others::{LOST, OthersRow};
use crate::run::profile_of;
use crate::settings::{self, Layers};
use crate::target::{Target, base_url, is_same_base};

/// Looks at both listings, and tries the profile.
pub fn check(args: &Args, global: &Global, layers: &Layers, remembered: &Remembers, findings: &mut Findings) {
    let target = match find(global, layers, remembered, findings) {
        Ok(Some(target)) => target,
        Ok(None) => return,
        Err(failure) => return findings.fail("target", &failure),
    };
    let (mut date, mut listed) = (None, Vec::new());
    for entity in [Entity::Post, Entity::Comment] {
        let probe = target.probe(entity);
        date = date.or(probe.date);
        match probe.listing {
            Ok(seen) => listed.push((entity, seen)),
            Err(failure) => {
                // What answers with no listing is not the target.
                let kind = if failure.kind() == Kind::Refused { Kind::Target } else { failure.kind() };
                let again = Failure::new(kind, failure.to_string());
                findings.fail("target", &failure.hints().iter().fold(again, |again, hint| again.hint(hint.as_str())));
                // The second listing would say the same once more.
                return clock(date, findings);
            }
        }
    }
    let through = target.proxy().map_or_else(String::new, |proxy| format!(", through {proxy}"));
    findings.ok("target", format!("{} lists posts and comments{through}", target.url()));
    for (entity, seen) in &listed {
        if let Some(others) = OthersRow::new(target.profile(), *entity, &seen.others) {
            findings.warn("fields", others.to_string(), LOST);
        }
    }
    profile::check(args, &target, &listed, findings);
    clock(date, findings);
}

fn clock(date: Option<SystemTime>, findings: &mut Findings) {
    let Some(date) = date else { return };
    let skew = apart(date, SystemTime::now());
    if skew > SKEW_MAX {
        findings.warn(
            "clock",
            format!("the target's clock and this machine's are {} s apart", skew.as_secs()),
            "which one is wrong? let this machine follow a time server (timedatectl, chronyc)",
        );
    } else {
        findings.ok("clock", "this machine's clock agrees with the target's");
    }
}

fn find(global: &Global, layers: &Layers, remembered: &Remembers, findings: &mut Findings) -> Result<Option<Target>> {
    let named = settings::target_url(global, layers)?.map(|found| base_url(&found.value)).transpose()?;
    let known = match (&named, remembered) {
        (Some(named), Remembers::Target(one)) if !is_same_base(named, &one.url) => None,
        (_, Remembers::Target(one)) => Some(one),
        (_, Remembers::Nothing | Remembers::Unknown) => None,
    };
    let chosen = settings::target_profile(global, layers)?.map(|found| found.value);
    let (chosen, warning) = profile_of(chosen.as_ref(), known)?;
    if let Some(warning) = warning {
        findings.warn("target", warning, "name the profile that is meant with NEWS_TARGET_PROFILE");
    }
    let url = match (named, remembered) {
        (Some(named), Remembers::Target(remembered)) if !is_same_base(&named, &remembered.url) => {
            findings.warn(
                "target",
                format!("{named} is named, but this database followed {}", remembered.url),
                "if that is meant: `news sync --full` brings the new one in step",
            );
            named
        }
        (Some(named), _) => named,
        (None, Remembers::Target(remembered)) => remembered.clone().in_force()?,
        (None, Remembers::Unknown) => {
            findings.warn(
                "target",
                "no target is named, and the database, which remembers it, could not be asked",
                "see to the database first, or name the target with NEWS_TARGET_URL",
            );
            return Ok(None);
        }
        (None, Remembers::Nothing) => {
            return Err(Failure::new(Kind::Usage, "no target is named, and this database has not met one yet")
                .hint("name it with --target-url or NEWS_TARGET_URL; `news import` remembers the one it loads from"));
        }
    };
    let Ok(access) = settings::access(chosen, layers) else {
        // Why not is told by another check; what the target would say without it is no news.
        return Ok(None);
    };
    Target::new(&url, &access, 1, global.target_timeout).map(Some)
}
