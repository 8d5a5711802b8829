//! The console's core.wasm is made of the sources of this commit. `scripts/wasm` compares the bytes; this compares what made them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const STAMP: &str = "cli/src/api/console/core.wasm.stamp";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(path: &str) -> String {
    String::from_utf8(read(path)).unwrap()
}

/// A line of the stamp for a file, as sha256sum writes it.
fn line_of(path: &str) -> String {
    let mut line = String::new();
    for byte in Sha256::digest(read(path)) {
        write!(line, "{byte:02x}").unwrap();
    }
    format!("{line}  {path}")
}

/// Adds the Rust files below a directory that are not tests.
fn sources(directory: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if name != "tests" {
                sources(&path, paths);
            }
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            paths.push(path);
        }
    }
}

#[test]
fn the_console_has_the_core_of_these_sources() {
    let mut paths = vec!["core/Cargo.toml", "core/wasm/Cargo.toml", "cli/src/api/console/core.wasm"];
    let mut found = Vec::new();
    sources("core/src", &mut found);
    sources("core/wasm/src", &mut found);
    paths.extend(found.iter().map(String::as_str));
    let mut wanted: BTreeSet<String> = paths.into_iter().map(line_of).collect();

    let manifest = text("Cargo.toml");
    let profile = manifest.split("[profile.wasm]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    wanted.extend(profile.lines().map(|line| format!("profile {line}")));

    let stamp = text(STAMP);
    let is_compared = |line: &&str| !line.starts_with("compiler ") && !line.starts_with("crate ");
    let seen: BTreeSet<String> = stamp.lines().filter(is_compared).map(str::to_owned).collect();
    let changed: Vec<&String> = seen.symmetric_difference(&wanted).collect();
    assert!(changed.is_empty(), "core.wasm is not made of these sources; run: scripts/wasm --update\n{changed:#?}");

    let lock = text("Cargo.lock");
    for line in stamp.lines().filter_map(|line| line.strip_prefix("crate ")) {
        let (name, version) = line.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "core.wasm was built with {line}; run: scripts/wasm --update");
    }
}
