//! This machine: configuration, secrets, disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Findings;
use crate::api::Tokens;
use crate::args::Global;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::private_pg;
use crate::settings::keys::{KEYS, Key};
use crate::settings::{self, Layers, keys};

/// Others may read it, or their group write it.
const OPEN_BITS: u32 = 0o026;

/// Says which file is in force, and whether every secret can be read, and by whom.
pub fn configuration(layers: &Layers, findings: &mut Findings) {
    let version = env!("CARGO_PKG_VERSION");
    match layers.path() {
        Some(path) => findings.ok("configuration", format!("news {version}, {}", path.display())),
        None => findings.ok("configuration", format!("news {version}, no news.toml, environment and defaults")),
    }
    for key in KEYS.iter().filter(|key| key.is_secret()) {
        if let Err(failure) = secret(key, layers, findings) {
            // The database and the API's key are told of where they are used.
            if key != keys::DATABASE_URL && key != keys::JWT_SECRET {
                findings.fail("credentials", &failure);
            }
        }
    }
}

fn secret(key: &Key, layers: &Layers, findings: &mut Findings) -> Result<()> {
    if let Some(path) = layers.secret_file(key)? {
        // What is no file is told of when it is read.
        let mode = fs::metadata(&path).ok().filter(fs::Metadata::is_file).map_or(0, |data| data.permissions().mode());
        if mode & OPEN_BITS != 0 {
            let path = path.display();
            findings.warn(
                "credentials",
                format!("{path}, which holds {}, is open to others (mode {:04o})", key.name, mode & 0o7777),
                format!("chmod 600 {path}"),
            );
        }
    }
    layers.secret(key).map(drop)
}

/// Looks at the key that the API signs with, and the target's token.
pub fn credentials(global: &Global, layers: &Layers, findings: &mut Findings) {
    match signing(global, layers) {
        Ok(Some(text)) => findings.ok("credentials", text),
        Ok(None) => findings.warn(
            "credentials",
            "NEWS_JWT_SECRET is not set: `news serve` will not start",
            "make one with `openssl rand -hex 32`; NEWS_JWT_SECRET_FILE may name a file with it",
        ),
        Err(failure) => findings.fail("credentials", &failure),
    }
}

fn signing(global: &Global, layers: &Layers) -> Result<Option<String>> {
    let previous = layers.secret(keys::JWT_SECRET_PREVIOUS).ok().flatten().map(|found| found.value);
    if let Some(found) = layers.secret(keys::JWT_SECRET)? {
        Tokens::new(&found.value, previous.as_ref())?;
        return Ok(Some(format!("the API signs with the key from {}", found.origin)));
    }
    // One that cannot be read is told of by the database's check.
    if !matches!(settings::database(global, layers), Ok(None)) {
        return Ok(None);
    }
    let path = settings::home(layers)?.value.join(private_pg::JWT_SECRET);
    Ok(Some(if path.exists() {
        format!("the API signs with {}", path.display())
    } else {
        format!("the API will sign with {}, made when it first starts", path.display())
    }))
}

/// Below so much free space the private PostgreSQL is about to stop, in bytes.
const FREE_BYTES_MIN: u64 = 100 * 1024 * 1024;
/// Below so much somebody should look.
const FREE_BYTES_LOW: u64 = 1024 * 1024 * 1024;

/// Looks for room for the private PostgreSQL. The disk of a named one is its own machine's business.
pub fn disk(global: &Global, layers: &Layers, findings: &mut Findings) {
    if !matches!(settings::database(global, layers), Ok(None)) {
        return;
    }
    let seen = settings::home(layers).and_then(|home| free_bytes(&home.value).map(|free| (home.value, free)));
    let (home, free) = match seen {
        Ok(seen) => seen,
        Err(failure) => return findings.fail("disk", &failure),
    };
    let text = format!("{} MiB are free for {}", free / 1024 / 1024, home.display());
    let hint = "free some space there, or set NEWS_HOME to a folder on another disk";
    if free < FREE_BYTES_MIN {
        findings.fail("disk", &Failure::new(Kind::Output, text).hint(hint));
    } else if free < FREE_BYTES_LOW {
        findings.warn("disk", text, hint);
    } else {
        findings.ok("disk", text);
    }
}

/// Returns how much a user may write below `folder`, which need not be there yet.
fn free_bytes(folder: &Path) -> Result<u64> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let seen =
        rustix::fs::statvfs(there).or_fail(Kind::Output, format!("cannot look at the disk of {}", there.display()))?;
    Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
}
