//! What a Fake API begins with: our own fixtures, or a file.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use news_core::Entity;
use serde_json::value::RawValue;

use crate::error::{Failure, Kind, OrFail, Result};
use crate::fake_api::mode::{Mode, Rules};
use crate::fake_api::record::{Fields, ID, Id, Record};
use crate::fake_api::stock::{BYTES_MAX, RECORDS_MAX, Stock};

const OWN_POSTS: &str = include_str!("../../../fixtures/posts.json");
const OWN_COMMENTS: &str = include_str!("../../../fixtures/comments.json");

/// Records to begin with.
#[derive(Debug, Default)]
pub struct Data {
    posts: Vec<Arc<Record>>,
    comments: Vec<Arc<Record>>,
}

impl Data {
    /// Returns our own fixtures: 100 posts and 500 comments.
    pub fn own(rules: Rules) -> Result<Self> {
        let read = |text: &str, entity: Entity| records(&array(text, entity.plural())?, entity, rules, entity.plural());
        Ok(Self { posts: read(OWN_POSTS, Entity::Post)?, comments: read(OWN_COMMENTS, Entity::Comment)? })
    }

    /// Reads `{"posts": […], "comments": […]}`, or a folder with posts.json and comments.json.
    ///
    /// Fails with [`Kind::Usage`], naming the file and the record, where it is not that.
    pub fn read(path: &Path, rules: Rules) -> Result<Self> {
        if path.is_dir() {
            let read = |entity: Entity| {
                let file = path.join(format!("{}.json", entity.plural()));
                let (text, name) = (text(&file)?, file.display().to_string());
                records(&array(&text, &name)?, entity, rules, &name)
            };
            return Ok(Self { posts: read(Entity::Post)?, comments: read(Entity::Comment)? });
        }
        let (text, name) = (text(path)?, path.display().to_string());
        let document: BTreeMap<String, &RawValue> = serde_json::from_str(&text)
            .or_fail(Kind::Usage, format!("{name} is not {{\"posts\": […], \"comments\": […]}}"))?;
        // json-server's files may have further collections: they are passed over.
        let read = |entity: Entity| match document.get(entity.plural()) {
            Some(value) => records(&array(value.get(), &format!("{entity} of {name}"))?, entity, rules, &name),
            None => Ok(Vec::new()),
        };
        Ok(Self { posts: read(Entity::Post)?, comments: read(Entity::Comment)? })
    }

    /// Makes a stock of them.
    pub fn stock(&self) -> Stock {
        Stock::of(&self.posts, &self.comments)
    }

    /// Returns how many posts and comments there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.posts.len(), self.comments.len())
    }
}

fn text(path: &Path) -> Result<String> {
    let context = || format!("cannot read {}", path.display());
    let bytes = fs::metadata(path).or_fail(Kind::Usage, context())?.len();
    if bytes > BYTES_MAX as u64 {
        return Err(Failure::new(Kind::Usage, format!("{} has {bytes} bytes, more than {BYTES_MAX}", path.display())));
    }
    fs::read_to_string(path).or_fail(Kind::Usage, context())
}

fn array<'a>(text: &'a str, name: &str) -> Result<Vec<&'a RawValue>> {
    serde_json::from_str(text).or_fail(Kind::Usage, format!("{name} is not a JSON array"))
}

fn records(values: &[&RawValue], entity: Entity, rules: Rules, name: &str) -> Result<Vec<Arc<Record>>> {
    let wrong = |at: usize, why: &str| Failure::new(Kind::Usage, format!("{name}: {entity}[{at}] {why}"));
    if values.len() > RECORDS_MAX {
        let why = format!("{name} has {} {entity}, more than {RECORDS_MAX}", values.len());
        return Err(Failure::new(Kind::Usage, why));
    }
    let mut seen = HashSet::new();
    let mut records = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let fields = Fields::parse(value.get()).map_err(|error| wrong(at, &format!("is not an object: {error}")))?;
        let id = fields.get(ID).and_then(Id::of_value).ok_or_else(|| wrong(at, "has no id"))?;
        if rules.mode != Mode::Duplicates && !seen.insert(id.clone()) {
            return Err(wrong(at, &format!("has the id {id} of an earlier one"))
                .hint("`--mode duplicates` takes ids that come twice"));
        }
        records.push(Arc::new(Record::new(id, fields, rules.spelling)));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixtures_are_a_hundred_and_five_hundred() {
        assert_eq!(Data::own(Rules::default()).unwrap().counts(), (100, 500));
    }

    #[test]
    fn what_is_no_data_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.json");
        for (text, expected) in [
            ("", "is not {\"posts\""),
            ("[]", "is not {\"posts\""),
            ("{\"posts\": {}}", "is not a JSON array"),
            ("{\"posts\": [{\"id\": 1}, 7]}", "posts[1] is not an object"),
            ("{\"comments\": [{\"name\": \"x\"}]}", "comments[0] has no id"),
            ("{\"posts\": [{\"id\": 1}, {\"id\": \"1\"}]}", "posts[1] has the id 1 of an earlier one"),
        ] {
            fs::write(&path, text).unwrap();
            let failure = Data::read(&path, Rules::default()).unwrap_err();
            assert_eq!(failure.kind(), Kind::Usage);
            assert!(failure.to_string().contains(expected), "{text}: {failure}");
        }
        let failure = Data::read(folder.path().join("none").as_path(), Rules::default()).unwrap_err();
        assert!(failure.to_string().contains("cannot read"), "{failure}");
        fs::write(&path, "{\"posts\": [{\"id\": 1}], \"users\": []}").unwrap();
        assert_eq!(Data::read(&path, Rules::default()).unwrap().counts(), (1, 0));
    }
}
