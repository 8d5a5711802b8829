//! Does a response hold a whole collection, or only a part of it? Decided from its status and header fields.
//!
//! A bare JSON array says nothing about itself: the first page of ten looks like a small collection. What says so is
//! around it. In scope: `206`, `Link` (RFC 8288), `Content-Range` (RFC 9110 section 14.4), and the header fields in
//! which APIs name the number of elements or pages. Out of scope: reading the array (`wire`).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::phrase::count;
use crate::reply::excerpt;

/// Header fields that name the number of elements on all pages.
const TOTALS: [&str; 4] = ["X-Total-Count", "X-WP-Total", "X-Total", "X-Pagination-Total"];
/// Header fields that name the number of pages.
const PAGES: [&str; 3] = ["X-WP-TotalPages", "X-Total-Pages", "X-Pagination-Pages"];
/// The header field in which GitLab names the next page; it is empty on the last one.
const NEXT_PAGE: &str = "X-Next-Page";
/// No more totals than this are kept of one response.
const TOTALS_MAX: usize = 16;

/// What a response says about how much of a collection it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Why it is only a part, if that is certain before its body is read.
    part: Option<String>,
    /// How many elements it should have, and which header field says so.
    totals: Vec<(String, u64)>,
}

impl Coverage {
    /// Reads a response's status and header fields, in any order; names in any case.
    pub fn read<'a>(status: u16, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut coverage = Self::default();
        if status == 206 {
            coverage.part("status 206 (partial content)".to_owned());
        }
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("Link") {
                if let Some(next) = next_link(value) {
                    coverage.part(format!("Link names a next page: {}", excerpt(next)));
                }
            } else if is("Content-Range") {
                coverage.range(value);
            } else if is(NEXT_PAGE) && !value.trim().is_empty() {
                coverage.part(format!("{NEXT_PAGE} names a next page: {}", excerpt(value)));
            } else if let Some(known) = PAGES.into_iter().find(|known| is(known)) {
                if let Some(pages) = numbers(value).find(|pages| *pages > 1) {
                    coverage.part(format!("{known} says that there are {pages} pages"));
                }
            } else if let Some(known) = TOTALS.into_iter().find(|known| is(known)) {
                numbers(value).for_each(|total| coverage.total_of(known, total));
            }
        }
        coverage
    }

    /// Returns why the response is only a part, whatever its body holds.
    pub fn is_part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// Returns how many elements there should be, where a header field says so.
    pub fn total(&self) -> Option<u64> {
        self.totals.first().map(|(_, total)| *total)
    }

    /// Returns why a body of so many elements is not the whole collection.
    pub fn contradicts(&self, elements: u64) -> Option<String> {
        if let Some(part) = &self.part {
            return Some(part.clone());
        }
        let (name, total) = self.totals.iter().find(|(_, total)| *total != elements)?;
        Some(format!("{}, but {name} says {total}", count(elements, "element")))
    }

    fn part(&mut self, why: String) {
        self.part.get_or_insert(why);
    }

    fn total_of(&mut self, name: &str, total: u64) {
        if self.totals.len() < TOTALS_MAX {
            self.totals.push((name.to_owned(), total));
        }
    }

    /// Reads `items 0-24/573`, `0-24/*` (PostgREST names no unit) and `*/0`. A range that cannot be understood is a
    /// part: whatever it means, a whole collection does not need one.
    fn range(&mut self, value: &str) {
        let why = || format!("Content-Range is {}", excerpt(value));
        let value = value.trim();
        let (unit, spec) = value.rsplit_once([' ', '\t', '=']).unwrap_or(("items", value));
        let Some((range, size)) = spec.split_once('/') else { return self.part(why()) };
        let size = match (size, number(size)) {
            ("*", _) => None,
            (_, Some(size)) => Some(size),
            (_, None) => return self.part(why()),
        };
        let length = match range.split_once('-') {
            // Of an empty collection there is no range.
            None if range == "*" && size.unwrap_or(0) == 0 => 0,
            Some((first, last)) if number(first) == Some(0) => match number(last) {
                Some(last) if size.is_none_or(|size| size == last.saturating_add(1)) => last.saturating_add(1),
                Some(_) | None => return self.part(why()),
            },
            Some(_) | None => return self.part(why()),
        };
        // Bytes say nothing about elements.
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            self.total_of("Content-Range", length);
        }
    }
}

/// Reads a number of digits alone.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the numbers of a field; a proxy may have joined several lines by commas (RFC 9110 section 5.3).
fn numbers(value: &str) -> impl Iterator<Item = u64> {
    value.split(',').filter_map(|part| number(part.trim()))
}

/// Returns the address of the first link whose relation is `next`, in a Link field (RFC 8288 section 3).
pub fn next_link(value: &str) -> Option<&str> {
    let mut rest = value;
    loop {
        let (_, from) = rest.split_once('<')?;
        let (address, mut parameters) = from.split_once('>')?;
        let mut relation = None;
        while let Some(parameter) = after(parameters, ';') {
            let (name, value, behind) = split_parameter(parameter);
            // Of several, the first counts (RFC 8288 section 3.3).
            if name.eq_ignore_ascii_case("rel") && relation.is_none() {
                relation = Some(value);
            }
            parameters = behind;
        }
        let is_next = |relation: &str| {
            let mut types = relation.split(|c: char| c.is_ascii_whitespace() || c == '\'');
            types.any(|relation| relation.eq_ignore_ascii_case("next"))
        };
        if relation.is_some_and(is_next) {
            return Some(address);
        }
        rest = parameters;
    }
}

/// Returns what stands behind `mark`, if that is what comes next.
fn after(text: &str, mark: char) -> Option<&str> {
    text.trim_start().strip_prefix(mark)
}

/// Splits ` name = "value" ; …` into name, value and the rest from `;` or `,` on.
fn split_parameter(text: &str) -> (&str, &str, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = after(rest, '=') else { return (name.trim(), "", rest) };
    if let Some(quoted) = after(value, '"') {
        let mut is_escaped = false;
        let end = quoted.find(|c: char| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let (value, rest) = quoted.split_at(end.unwrap_or(quoted.len()));
        return (name.trim(), value, rest.get(1..).unwrap_or_default());
    }
    let end = value.find([';', ',']).unwrap_or(value.len());
    let (value, rest) = value.split_at(end);
    (name.trim(), value.trim(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Coverage {
        Coverage::read(200, fields.iter().copied())
    }

    #[test]
    fn links_to_a_next_page_in_all_their_forms() {
        for (link, next) in [
            (r#"</posts?page=2>; rel="next""#, Some("/posts?page=2")),
            ("</p?2>;rel=next", Some("/p?2")),
            ("</p?2>; REL=Next", Some("/p?2")),
            (r#"</p?2> ; rel = "next" "#, Some("/p?2")),
            (r#"</p?1>; rel="prev", </p?3>; rel="next", </p?9>; rel="last""#, Some("/p?3")),
            (r#"</p?3>; rel="prefetch next""#, Some("/p?3")),
            (r#"</p?3>; rel="NEXT last"; title="the rest""#, Some("/p?3")),
            (r#"</p?3>; title="a; rel=\"prev\", b"; rel=next"#, Some("/p?3")),
            (r"</p?3,4>; rel='next'", Some("/p?3,4")),
            ("</a>, </b>; rel=next", Some("/b")),
            ("</a>; rel=first rel=last, <>; rel=next", Some("")),
            (r#"</p?1>; rel="prev", </p?9>; rel="last""#, None),
            (r#"</p?2>; rel="prev"; rel="next""#, None),
            (r#"</p?2>; rel="nextpage""#, None),
            (r#"</p?2>; title="rel=next""#, None),
            (r"</p?rel=next>; rel=alternate", None),
            ("</p?2>; rev=next", None),
            ("rel=next", None),
            ("", None),
            ("<", None),
            ("</a>; rel=\"nex", None),
        ] {
            assert_eq!(next_link(link), next, "{link}");
        }
        let paged = read(&[("link", r#"</a>; rel="first""#), ("LINK", "</posts?page=2>; rel=next")]);
        assert_eq!(paged.is_part(), Some("Link names a next page: /posts?page=2"));
    }

    #[test]
    fn totals_by_every_name_and_pages() {
        for (fields, elements, part) in [
            (&[("x-total-count", "10")][..], 10, None),
            (&[("X-Total-Count", "11")], 10, Some("10 elements, but X-Total-Count says 11")),
            (&[("X-Total-Count", "9")], 10, Some("10 elements, but X-Total-Count says 9")),
            (&[("x-wp-total", "99")], 10, Some("10 elements, but X-WP-Total says 99")),
            (&[("X-Total", " 99 ")], 10, Some("10 elements, but X-Total says 99")),
            (&[("X-Pagination-Total", "99")], 10, Some("10 elements, but X-Pagination-Total says 99")),
            (&[("X-Total-Count", "10, 99")], 10, Some("10 elements, but X-Total-Count says 99")),
            (&[("X-Total-Count", "10"), ("X-Total", "99")], 10, Some("10 elements, but X-Total says 99")),
            (&[("X-Total-Count", "ten"), ("X-Total", "+99"), ("X-WP-Total", "")], 10, None),
            (&[("X-WP-TotalPages", "1"), ("X-Total-Pages", "1"), ("X-Next-Page", "")], 10, None),
            (&[("X-WP-TotalPages", "10")], 10, Some("X-WP-TotalPages says that there are 10 pages")),
            (&[("X-Pagination-Pages", "2")], 10, Some("X-Pagination-Pages says that there are 2 pages")),
            (&[("X-Next-Page", "2")], 10, Some("X-Next-Page names a next page: 2")),
        ] {
            assert_eq!(read(fields).contradicts(elements).as_deref(), part, "{fields:?}");
        }
        assert_eq!(read(&[("X-Total", "99")]).total(), Some(99));
    }

    #[test]
    fn content_ranges() {
        for (range, elements, part) in [
            ("items 0-9/10", 10, None),
            ("0-9/10", 10, None),
            ("items=0-9/10", 10, None),
            ("0-9/*", 10, None),
            ("*/0", 0, None),
            ("*/*", 0, None),
            ("bytes 0-499/500", 10, None),
            ("0-9/*", 11, Some("11 elements, but Content-Range says 10")),
            ("items 0-9/573", 10, Some("Content-Range is items 0-9/573")),
            ("bytes 0-499/1234", 10, Some("Content-Range is bytes 0-499/1234")),
            ("items 10-19/*", 10, Some("Content-Range is items 10-19/*")),
            ("*/10", 0, Some("Content-Range is */10")),
            ("some of it", 10, Some("Content-Range is some of it")),
            ("0-9/ten", 10, Some("Content-Range is 0-9/ten")),
        ] {
            assert_eq!(read(&[("Content-Range", range)]).contradicts(elements).as_deref(), part, "{range}");
        }
    }

    #[test]
    fn a_206_is_a_part_and_nothing_else_says_nothing() {
        assert_eq!(Coverage::read(206, []).is_part(), Some("status 206 (partial content)"));
        let silent = read(&[("Content-Type", "application/json"), ("Content-Length", "5")]);
        assert_eq!((silent.is_part(), silent.total(), silent.contradicts(7)), (None, None, None));
    }
}
