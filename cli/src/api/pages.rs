//! Pages: which one is wanted, and the links to its neighbours.

use std::collections::BTreeMap;

use super::percent;
use super::request::Request;

/// Objects a page, unless `page_size` says otherwise.
pub const PAGE_SIZE: i64 = 10;
/// More objects than this are not put on one page.
const PAGE_SIZE_MAX: i64 = 1000;
/// Pages beyond this one are all alike: there are not so many ids (2^53), and offsets stay within bigint.
const PAGE_MAX: i64 = 1 << 53;

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedPage {
    /// From 1.
    Number(i64),
    /// Whichever is the last.
    Last,
}

/// Reads `page`: nothing where there can be no such page. An empty one means 1.
pub fn wanted(request: &Request) -> Option<WantedPage> {
    match request.param("page").as_deref() {
        None | Some("") => Some(WantedPage::Number(1)),
        Some("last") => Some(WantedPage::Last),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            // Too long for a number is too far for a page.
            let number = text.parse::<i64>().map_or(PAGE_MAX, |number| number.min(PAGE_MAX));
            (number > 0).then_some(WantedPage::Number(number))
        }
        Some(_) => None,
    }
}

/// Reads `page_size`: 1 to 1000; more is 1000, and what is no such number is 10 (as in Django REST framework).
pub fn size(request: &Request) -> i64 {
    let text = request.param("page_size").unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return PAGE_SIZE;
    }
    match text.parse::<i64>() {
        Ok(0) => PAGE_SIZE,
        Ok(size) => size.min(PAGE_SIZE_MAX),
        Err(_) => PAGE_SIZE_MAX,
    }
}

/// Says whether the whole list is wanted, as one array.
pub fn wants_all(request: &Request) -> bool {
    request.param("all").as_deref() == Some("true")
}

/// Returns the number of pages, at least 1, of so many objects.
pub fn pages(count: i64, size: i64) -> i64 {
    (count.max(1) - 1) / size.max(1) + 1
}

/// Returns the link to a page: other parameters stay, names sorted; page 1 has no `page`.
pub fn link(base: &str, query: &str, page: i64) -> String {
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in percent::pairs(query) {
        params.entry(name).or_default().push(value);
    }
    if page == 1 {
        params.remove("page");
    } else {
        params.insert("page".to_owned(), vec![page.to_string()]);
    }
    let mut link = base.to_owned();
    let mut separator = '?';
    for (name, values) in &params {
        for value in values {
            link.push(separator);
            separator = '&';
            percent::encode_plus(name, &mut link);
            link.push('=');
            percent::encode_plus(value, &mut link);
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_page() {
        let table = [
            ("", Some(WantedPage::Number(1))),
            ("page=", Some(WantedPage::Number(1))),
            ("page=3", Some(WantedPage::Number(3))),
            ("page=03", Some(WantedPage::Number(3))),
            ("page=1&page=2", Some(WantedPage::Number(2))),
            ("page=last", Some(WantedPage::Last)),
            ("page=99999999999999999999", Some(WantedPage::Number(PAGE_MAX))),
            ("page=0", None),
            ("page=-1", None),
            ("page=%2B1", None),
            ("page=1_0", None),
            ("page=1.0", None),
            ("page=abc", None),
            ("page=Last", None),
            ("page=%EF%BC%91", None),
        ];
        for (query, expected) in table {
            assert_eq!(wanted(&Request::new("GET", &format!("/?{query}"))), expected, "{query}");
        }
    }

    #[test]
    fn how_large_a_page() {
        let table = [
            ("", 10),
            ("3", 3),
            ("1000", 1000),
            ("1001", 1000),
            ("99999999999999999999", 1000),
            ("0", 10),
            ("-1", 10),
            ("x", 10),
        ];
        for (text, expected) in table {
            assert_eq!(size(&Request::new("GET", &format!("/?page_size={text}"))), expected, "{text}");
        }
        for (query, expected) in
            [("all=true", true), ("all=false", false), ("all", false), ("all=true&all=1", false), ("", false)]
        {
            assert_eq!(wants_all(&Request::new("GET", &format!("/?{query}"))), expected, "{query}");
        }
    }

    #[test]
    fn how_many_pages() {
        for (count, size, expected) in
            [(0, 10, 1), (1, 10, 1), (10, 10, 1), (11, 10, 2), (100, 10, 10), (101, 10, 11), (5, 1, 5)]
        {
            assert_eq!(pages(count, size), expected);
        }
    }

    #[test]
    fn links_as_django_rest_framework_makes_them() {
        let table = [
            ("", 2, "b?page=2"),
            ("page=2", 3, "b?page=3"),
            ("page=2", 1, "b"),
            ("foo=bar&page=2&z=1", 3, "b?foo=bar&page=3&z=1"),
            ("foo=bar&page=2&z=1", 1, "b?foo=bar&z=1"),
            ("q=a%20b%C3%A9&page=2", 3, "b?page=3&q=a+b%C3%A9"),
            ("page_size=3", 2, "b?page=2&page_size=3"),
            ("z=2&z=1&a", 2, "b?a=&page=2&z=2&z=1"),
            ("page=5&page=2", 3, "b?page=3"),
            ("page=2&a=%0d%0a", 1, "b?a=%0D%0A"),
        ];
        for (query, page, expected) in table {
            assert_eq!(link("b", query, page), expected, "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_link_has_the_page_and_keeps_the_rest(query in "[a-z=&%+ é]{0,30}", page in 1..100_i64) {
            let link = link("/p", &query, page);
            let request = Request::new("GET", &link);
            proptest::prop_assert_eq!(wanted(&request), Some(WantedPage::Number(page)));
            let mut before: Vec<_> = percent::pairs(&query).filter(|(name, _)| name != "page").collect();
            let mut after: Vec<_> = percent::pairs(&request.query).filter(|(name, _)| name != "page").collect();
            before.sort();
            after.sort();
            proptest::prop_assert_eq!(before, after);
        }
    }
}
