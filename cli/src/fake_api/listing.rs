//! Which records a list shows: filters and pages, as the real targets have them.
//!
//! In scope: `field=value` (repeated: any of them), `field_ne=value`, `_page`/`_limit`, `_start`/`_end`. Out of
//! scope, and passed over: `_sort`, `q`, `_like`, `_gte`, `_embed` and the like.

use std::sync::Arc;

use news_core::Entity;
use serde_json::Value;

use crate::fake_api::mode::Mode;
use crate::fake_api::record::{Fields, ID, Id, POST_ID, Record};
use crate::fake_api::route::Parameters;
use crate::fake_api::stock::Stock;

/// Records of a page when `_limit` does not say.
const PAGE_DEFAULT: usize = 10;

/// A list to be sent.
#[derive(Debug, Default)]
pub struct Listing {
    /// The records, in order.
    pub records: Vec<Arc<Record>>,
    /// How many there are on all pages; for `X-Total-Count`.
    pub total: usize,
    /// Whether a part was asked for: then the total and the links are told.
    pub part: Part,
}

/// Whether a list was asked for whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// `_start`, `_end`, `_limit`.
    Slice,
    /// `_page`, from 1, of so many records.
    Page(usize, usize),
}

/// Selects what `query` asks of a collection.
pub fn select(stock: &Stock, entity: Entity, query: &Parameters, mode: Mode) -> Listing {
    let mut records = filtered(stock, entity, query, mode);
    let total = records.len();
    let number = |name: &str| value(query, name).map(|text| text.parse::<usize>().unwrap_or(0));
    let (page, limit, start, end) = (number("_page"), number("_limit"), number("_start"), number("_end"));
    // An empty value counts as not asked for, like every falsy one.
    let asked = |name: &str| value(query, name).is_some_and(|text| !text.is_empty());
    let size = limit.filter(|n| *n > 0).unwrap_or(PAGE_DEFAULT);
    let part = match mode {
        // It has _per_page instead, and loses its way when it meets _limit.
        Mode::OwnIds if asked("_page") && asked("_limit") => {
            return Listing { records: Vec::new(), total, part: Part::Whole };
        }
        Mode::Duplicates if asked("_page") => Part::Page(1, size),
        Mode::Strict | Mode::Pretend | Mode::OwnIds | Mode::Duplicates => {
            if asked("_page") {
                Part::Page(page.unwrap_or(1).max(1), size)
            } else if asked("_limit") || asked("_end") {
                Part::Slice
            } else {
                Part::Whole
            }
        }
    };
    let (from, to) = match part {
        Part::Whole => (0, total),
        Part::Slice => {
            let from = start.unwrap_or(0);
            (from, end.filter(|_| asked("_end")).unwrap_or_else(|| from.saturating_add(limit.unwrap_or(0))))
        }
        Part::Page(page, size) => ((page - 1).saturating_mul(size), page.saturating_mul(size)),
    };
    records.truncate(to);
    records.drain(..from.min(records.len()));
    Listing { records, total, part }
}

impl Listing {
    /// Makes a whole list the first page of so many records, as most APIs list.
    pub fn cap(&mut self, size: usize) {
        if size > 0 && self.part == Part::Whole && self.records.len() > size {
            self.records.truncate(size);
            self.part = Part::Page(1, size);
        }
    }
}

/// Returns the `Link` header of a page, for the URL that was asked for; `None` where all fits one page.
pub fn links(listing: &Listing, url: &str) -> Option<String> {
    let Part::Page(page, size) = listing.part else { return None };
    if listing.records.is_empty() || listing.records.len() == listing.total {
        return None;
    }
    let last = listing.total.div_ceil(size);
    let link = |number: usize, rel: &str| {
        let url = if url.contains("page=") {
            url.replacen(&format!("page={page}"), &format!("page={number}"), 1)
        } else {
            // A list that was capped: nobody asked for a page.
            format!("{url}{}_page={number}&_limit={size}", if url.contains('?') { '&' } else { '?' })
        };
        format!("<{url}>; rel=\"{rel}\"")
    };
    let mut links = vec![link(1, "first")];
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < last {
        links.push(link(page + 1, "next"));
    }
    links.push(link(last, "last"));
    Some(links.join(", "))
}

fn value<'a>(query: &'a Parameters, name: &str) -> Option<&'a str> {
    query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// One field's condition: any of the values, or none of them.
struct Filter<'a> {
    field: &'a str,
    values: Vec<&'a str>,
    sense: Sense,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    AnyOf,
    NoneOf,
}

impl Filter<'_> {
    fn admits(&self, fields: &Fields) -> bool {
        let text = match fields.get(self.field) {
            None | Some(Value::Null) => return false,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let any = self.values.iter().any(|value| *value == text);
        match self.sense {
            Sense::AnyOf => any,
            Sense::NoneOf => !any,
        }
    }
}

fn filtered(stock: &Stock, entity: Entity, query: &Parameters, mode: Mode) -> Vec<Arc<Record>> {
    let collection = stock.get(entity);
    let mut filters: Vec<Filter<'_>> = Vec::new();
    for (name, value) in query {
        let (field, sense) = match name.strip_suffix("_ne") {
            Some(field) => (field, Sense::NoneOf),
            None => (name.as_str(), Sense::AnyOf),
        };
        let is_field = match mode {
            // Any field, whether a record has it or not.
            Mode::OwnIds => !field.starts_with('_'),
            // What no record has is passed over.
            Mode::Strict | Mode::Pretend | Mode::Duplicates => known(entity).any(|known| known == field),
        };
        if !is_field {
            continue;
        }
        match filters.iter_mut().find(|filter| filter.field == field && filter.sense == sense) {
            Some(filter) => filter.values.push(value),
            None => filters.push(Filter { field, values: vec![value], sense }),
        }
    }
    let one = |name: &str| {
        let filter = filters.iter().find(|filter| filter.field == name && filter.sense == Sense::AnyOf)?;
        if let [value] = filter.values.as_slice() { Some(Id::of_text(value)) } else { None }
    };
    // What an index finds need not be searched for.
    let candidates: Vec<&Arc<Record>> = if let Some(id) = one(ID) {
        collection.of_id(&id).map(|(_, record)| record).collect()
    } else if let Some(post) = one(POST_ID) {
        collection.of_post(&post).map(|(_, record)| record).collect()
    } else {
        collection.iter().map(|(_, record)| record).collect()
    };
    if filters.is_empty() {
        return candidates.into_iter().cloned().collect();
    }
    let admitted = candidates.into_iter().filter(|record| {
        let fields = record.fields();
        filters.iter().all(|filter| filter.admits(&fields))
    });
    admitted.cloned().collect()
}

/// Returns the fields that can be filtered by.
fn known(entity: Entity) -> impl Iterator<Item = &'static str> {
    let shape = entity.shape();
    [ID, shape.number.json].into_iter().chain(shape.texts.iter().map(|text| text.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::record::Spelling;

    fn stock() -> Stock {
        let comments: Vec<Arc<Record>> = (1..=25)
            .map(|id| {
                let fields = format!("{{\"postId\":{},\"id\":{id},\"name\":\"n{}\"}}", (id - 1) / 5 + 1, id % 2);
                Arc::new(Record::new(Id::Number(id), Fields::parse(&fields).unwrap(), Spelling::AsCame))
            })
            .collect();
        Stock::of(&[], &comments)
    }

    fn ids(query: &str, mode: Mode) -> (String, usize) {
        let query = crate::fake_api::route::parameters(query);
        let listing = select(&stock(), Entity::Comment, &query, mode);
        let ids: Vec<String> = listing.records.iter().map(|record| record.id().to_string()).collect();
        (ids.join(" "), listing.total)
    }

    #[test]
    fn filters_and_parts() {
        for (query, expected, total) in [
            ("postId=2", "6 7 8 9 10", 5),
            ("postId=2&name=n0", "6 8 10", 3),
            ("postId=2&name_ne=n0", "7 9", 2),
            ("postId=1&postId=2&_limit=7", "1 2 3 4 5 6 7", 10),
            ("id=7", "7", 1),
            ("id=7&postId=1", "", 0),
            ("postId=99", "", 0),
            ("nothing=1&_limit=2", "1 2", 25),
            ("_page=2&_limit=3", "4 5 6", 25),
            ("_page=0&_limit=3", "1 2 3", 25),
            ("_page=9&_limit=3", "25", 25),
            ("_page=10&_limit=3", "", 25),
            ("_page=3", "21 22 23 24 25", 25),
            ("_start=3&_end=5", "4 5", 25),
            ("_start=3&_limit=1", "4", 25),
            ("_page=2&_limit=x", "11 12 13 14 15 16 17 18 19 20", 25),
        ] {
            assert_eq!(ids(query, Mode::Strict), (expected.to_owned(), total), "{query}");
        }
        assert_eq!(ids("_page=2&_limit=3", Mode::OwnIds).0, "");
        assert_eq!(ids("_page=2&_limit=3", Mode::Duplicates).0, "1 2 3");
    }

    #[test]
    fn a_capped_list_links_to_the_next_page() {
        let query = crate::fake_api::route::parameters("");
        let mut listing = select(&stock(), Entity::Comment, &query, Mode::Strict);
        listing.cap(25);
        assert_eq!((listing.part, links(&listing, "http://h/comments")), (Part::Whole, None));
        listing.cap(10);
        assert_eq!(listing.records.len(), 10);
        let links = links(&listing, "http://h/comments").unwrap();
        assert!(links.contains("<http://h/comments?_page=2&_limit=10>; rel=\"next\""), "{links}");
    }

    #[test]
    fn links_of_a_page() {
        let query = crate::fake_api::route::parameters("_page=2&_limit=10");
        let listing = select(&stock(), Entity::Comment, &query, Mode::Strict);
        let links = links(&listing, "http://h/comments?_page=2&_limit=10").unwrap();
        assert_eq!(
            links,
            "<http://h/comments?_page=1&_limit=10>; rel=\"first\", <http://h/comments?_page=1&_limit=10>; rel=\"prev\", \
             <http://h/comments?_page=3&_limit=10>; rel=\"next\", <http://h/comments?_page=3&_limit=10>; rel=\"last\""
        );
    }
}
