//! The fixtures: what the script writes, within the limits and up to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use news_core::Entity;
use news_core::shape::TextField;
use serde_json::Value;

use crate::support::fixtures;

#[test]
fn the_script_writes_what_is_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let output = match Command::new("python3").arg(root.join("scripts/fixtures")).arg(folder.path()).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no Python in CI: {error}");
            println!("skipped: no Python");
            return;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["posts.json", "comments.json"] {
        let written = std::fs::read(folder.path().join(name)).unwrap();
        assert!(written == std::fs::read(root.join("fixtures").join(name)).unwrap(), "{name}: run scripts/fixtures");
    }
}

#[test]
fn a_hundred_posts_of_ten_users_and_five_comments_each() {
    let db = fixtures();
    let count = |list: &str, field: &str| {
        let mut counts = BTreeMap::<i64, usize>::new();
        for record in db[list].as_array().unwrap() {
            *counts.entry(record[field].as_i64().unwrap()).or_default() += 1;
        }
        counts
    };
    assert_eq!(count("posts", "id"), (1..=100).map(|id| (id, 1)).collect());
    assert_eq!(count("posts", "userId"), (1..=10).map(|id| (id, 10)).collect());
    assert_eq!(count("comments", "id"), (1..=500).map(|id| (id, 1)).collect());
    assert_eq!(count("comments", "postId"), (1..=100).map(|id| (id, 5)).collect());
}

#[test]
fn every_text_keeps_its_limit_and_some_reach_it() {
    let db = fixtures();
    let check = |list: &str, field: TextField| {
        let texts: Vec<&str> = db[list].as_array().unwrap().iter().map(|record| text(record, field.name)).collect();
        for text in &texts {
            assert_eq!(field.fault(text), None, "{list} {}", field.name);
        }
        let longest = texts.iter().map(|text| text.chars().count()).max();
        assert_eq!(longest, Some(field.chars_max), "{list} {}", field.name);
        let bytes = texts.iter().map(|text| text.len()).max();
        if field.name != "email" {
            assert_eq!(bytes, Some(field.chars_max * 4), "{list} {}: four bytes each", field.name);
            assert!(texts.contains(&""), "{list} {}: an empty one", field.name);
        }
    };
    for entity in Entity::ALL {
        entity.shape().texts.iter().for_each(|field| check(entity.plural(), *field));
    }
}

fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap()
}
