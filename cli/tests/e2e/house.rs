//! Rules about the sources themselves: their size, their names, what imports what, and where documents point.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `cli/src` in their order: a room imports only rooms that come before it, so there is no circle.
/// ARCHITECTURE.md ("The rooms") says what each is for.
const ROOMS: [&[&str]; 9] = [
    &["error", "nearest", "json", "pool", "http", "clock", "values"],
    &["files", "random", "signals", "times", "systemd", "ui"],
    &["secret", "fake_api"],
    &["args", "profile", "listing", "pg"],
    &["settings", "store"],
    &["private_pg", "target"],
    &["master", "source", "run"],
    &["compare", "report", "render", "views"],
    &["api", "commands", "main"],
];

const LINES_MAX: usize = 400;

/// Folders whose names are their own, each with the reason.
const OWN_NAMES: [(&str, &str); 2] = [
    ("cli/src/fake_api/", "a server of its own, which shares nothing with the rest but `http`"),
    ("cli/src/args", "the options of a command are named like the command, as clap has it"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the files below `folder` with this extension, as paths from the root with their text.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found.sort();
    found
}

/// Returns the lines of a source that are neither comments nor its unit tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn no_source_has_more_than_400_lines() {
    for folder in ["core/src", "core/wasm", "core/tests", "cli/src", "cli/tests", "cli/examples"] {
        for (name, text) in files(folder, "rs") {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{name} has {lines} lines: split it where it has a seam");
        }
    }
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let order: Vec<&str> = ROOMS.concat();
    let place = |room: &str| order.iter().position(|one| *one == room);
    for (name, text) in files("cli/src", "rs") {
        let room = name.trim_start_matches("cli/src/").trim_end_matches(".rs").split('/').next().unwrap();
        let own = place(room).unwrap_or_else(|| panic!("{name}: expected a room of ROOMS"));
        if name.ends_with("/tests.rs") || name.contains("/tests/") {
            continue;
        }
        let text: String = code(&text).collect::<Vec<_>>().join("\n");
        for (at, _) in text.match_indices("crate::") {
            let path = &text[at + "crate::".len()..];
            // `crate::{files, master}` or `crate::files::replace`.
            let (list, end) = path.strip_prefix('{').map_or((path, ": ;,)>"), |list| (list, "}"));
            let list = list.split(|c| end.contains(c)).next().unwrap();
            for imported in list.split(',').map(str::trim) {
                // What is no room is an item of `main`.
                let Some(other) = place(imported) else { continue };
                assert!(other <= own, "{name}: `{room}` imports `{imported}`, which comes after it in ROOMS");
            }
        }
    }
}

#[test]
fn a_type_name_has_one_meaning_in_its_crate() {
    for folder in ["core/src", "cli/src"] {
        let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, text) in files(folder, "rs") {
            if name.contains("/tests") || OWN_NAMES.iter().any(|(own, _)| name.starts_with(own)) {
                continue;
            }
            // Inner items and associated types are indented.
            for line in code(&text).filter(|line| !line.starts_with(' ')) {
                let mut words = line
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .skip_while(|word| ["pub", "super", "crate", "in", "", "unsafe"].contains(word));
                if words.next().is_some_and(|word| ["struct", "enum", "trait", "type", "union"].contains(&word)) {
                    homes.entry(words.next().unwrap_or_default().to_owned()).or_default().insert(name.clone());
                }
            }
        }
        homes.retain(|_, homes| homes.len() > 1);
        assert!(homes.is_empty(), "{folder}: rename the more special one of these: {homes:#?}");
    }
}

/// Returns the anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut in_block = false;
    let headings = text.lines().filter(|line| {
        in_block ^= line.starts_with("```");
        !in_block && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn documents_point_to_documents_of_the_repository() {
    let mut documents = files("docs", "md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        documents.push((name.to_owned(), fs::read_to_string(root().join(name)).unwrap()));
    }
    let mut links = 0;
    for (name, text) in &documents {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let from = root().join(name);
            let path = if path.is_empty() { from } else { from.parent().unwrap().join(path) };
            assert!(path.exists(), "{name}: {target}");
            if let Some(anchor) = anchor {
                let there = anchors(&fs::read_to_string(&path).unwrap());
                assert!(there.iter().any(|one| one == anchor), "{name}: {target}; there are {there:?}");
            }
            links += 1;
        }
    }
    assert!(links > 30, "{links}");
    for folder in ["core/src", "core/wasm", "core/tests", "cli/src", "cli/tests"] {
        for (name, text) in files(folder, "rs") {
            let words = text.split(|c: char| c.is_whitespace() || "\"'`()<>,;".contains(c));
            for word in words.filter(|word| word.starts_with("docs/") && word.contains(".md")) {
                let path = word.split(".md").next().unwrap();
                assert!(root().join(format!("{path}.md")).exists(), "{name}: {word}");
            }
        }
    }
}
