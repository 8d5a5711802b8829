//! The target that the database remembers, and whether this is still the database that does.

use news_core::identity::{Identity, IdentityDifference};
use postgres::GenericClient;
use postgres::types::Type;

use crate::error::{Failure, Kind, Result};
use crate::profile::Chosen;

/// The target that a database followed.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Where it is.
    pub url: String,
    /// What finds its profile, and what that said.
    pub profile: Option<(String, String)>,
    /// How the database that followed it differs from this one; `None`: it is this one.
    elsewhere: Option<(Identity, IdentityDifference, Identity)>,
}

impl Remembered {
    /// Returns the target's URL.
    ///
    /// Fails with [`Kind::Refused`] where another database followed it: this one may be a copy.
    pub fn in_force(self) -> Result<String> {
        let Some((then, difference, now)) = self.elsewhere else { return Ok(self.url) };
        let url = &self.url;
        let changed = match difference {
            IdentityDifference::Server => "it is in another server",
            IdentityDifference::Database => "it is another database",
        };
        let what = format!(
            "this database may be a copy of the one that followed {url}: {changed} (its identity was {then}, and is {now})"
        );
        Err(Failure::new(Kind::Refused, what)
            .hint("A copy must not write to the target of its original: set the target explicitly, with --target-url or NEWS_TARGET_URL.")
            .hint(format!(
                "If it takes the original's place (after an upgrade or a restore it has another identity), type once: \
                 news --target-url {url} sync"
            )))
    }
}

impl Remembered {
    /// Returns what finds the target's profile, if one is remembered.
    ///
    /// Fails as [`Remembered::in_force`] does.
    pub fn profile_in_force(mut self) -> Result<Option<String>> {
        let profile = self.profile.take();
        self.in_force().map(|_| profile.map(|(name, _)| name))
    }
}

/// Returns the target that is remembered, if one is.
pub fn remembered(client: &mut impl GenericClient) -> Result<Option<Remembered>> {
    let row =
        client.query_typed_one(
        "SELECT target_url, target_identity, news_identity(), target_profile, target_profile_print FROM news_sync_state",
        &[],
    )?;
    let profile = row.get::<_, Option<String>>(3).zip(row.get(4));
    let (url, then, now): (Option<String>, Option<&str>, &str) = (row.get(0), row.get(1), row.get(2));
    let Some(url) = url else { return Ok(None) };
    let odd = |text: &str| Failure::new(Kind::Database, format!("expected an identity SYSTEM/OID, got {text:?}"));
    let elsewhere = match then {
        None => None,
        Some(then) => {
            let then = Identity::parse(then).ok_or_else(|| odd(then))?;
            let now = Identity::parse(now).ok_or_else(|| odd(now))?;
            then.difference(now).map(|difference| (then, difference, now))
        }
    };
    Ok(Some(Remembered { url, profile, elsewhere }))
}

/// Remembers that this database follows `url`, with this profile.
pub fn remember(client: &mut impl GenericClient, url: &str, chosen: &Chosen) -> Result<()> {
    client.execute_typed(
        "UPDATE news_sync_state
         SET target_url = $1, target_identity = news_identity(), target_profile = $2, target_profile_print = $3",
        &[(&url, Type::TEXT), (&chosen.name, Type::TEXT), (&chosen.print, Type::TEXT)],
    )?;
    Ok(())
}
