//! A listing in pages: which page is next, and is what came the whole?
//!
//! ```text
//! next() ─▶ address ─▶ page ─▶ read(ids, total, next) ─┬ more ─▶ next()
//!                                                      ├ end: nothing is missing, as far as the target says
//!                                                      └ why it is not whole: it changed between two pages, or it was cut
//! ```
//!
//! Pages are asked for one after the other, and the target's collection may change meanwhile: what comes in or goes in front
//! moves the rest. An id that comes again, or a total that changes or is not met, shows that. A part of a listing looks
//! like a target from which the rest was deleted, so it is never taken for the whole.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ids::IdSet;
use crate::phrase::count;
use crate::profile::{Pages, escape};

/// No listing has more pages: a target that always names a next page has no end.
const PAGES_MAX: u64 = 1_000_000;

/// What a page holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// How many elements.
    pub elements: u64,
    /// The ids of those that have one.
    pub ids: Vec<i64>,
    /// How many elements all pages have, where the profile says that the target tells.
    pub total: Option<u64>,
    /// The address of the next page, or the mark to ask for it with, where the profile says that the target tells, and there
    /// is one.
    pub next: Option<String>,
}

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A path below the base URL.
    BelowBase(String),
    /// A path of the same server.
    OfServer(String),
}

/// A listing that is read page by page.
#[derive(Debug, Clone)]
pub struct Paging {
    pages: Pages,
    path: String,
    next: Option<Address>,
    seen: IdSet,
    elements: u64,
    total: Option<u64>,
    read: u64,
}

impl Paging {
    /// Begins with the listing at `path`, below the base URL.
    pub fn new(pages: Pages, path: &str) -> Self {
        let mut paging = Self {
            pages,
            path: path.to_string(),
            next: None,
            seen: IdSet::default(),
            elements: 0,
            total: None,
            read: 0,
        };
        paging.next = Some(Address::BelowBase(match pages {
            Pages::None | Pages::Next { .. } | Pages::Link { .. } | Pages::Cursor { .. } => path.to_string(),
            Pages::Page { param, size_param, size, first, .. } => {
                paging.with(&format!("{size_param}={size}&{param}={first}"))
            }
            Pages::Offset { param, size_param, size, .. } => paging.with(&format!("{size_param}={size}&{param}=0")),
        }));
        paging
    }

    /// Returns where the next page is; `None` once the listing has ended, whole.
    pub fn next(&self) -> Option<&Address> {
        self.next.as_ref()
    }

    /// Returns how many elements there are in all, as far as the target has said.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Takes the page that was asked for.
    ///
    /// Fails with the reason where it shows that the listing is not whole.
    pub fn read(&mut self, page: Page) -> Result<(), String> {
        // Twice on one page is the target's own doubled object.
        if let Some(again) = page.ids.iter().find(|id| self.seen.contains(**id)) {
            return Err(format!("id {again} comes on two pages: the target changed meanwhile, or it repeats a page"));
        }
        for id in page.ids {
            self.seen.insert(id);
        }
        if let (Some(before), Some(now)) = (self.total, page.total)
            && before != now
        {
            return Err(format!("{} in all became {now}: the target changed meanwhile", count(before, "element")));
        }
        self.total = page.total.or(self.total);
        self.elements += page.elements;
        self.read += 1;
        if self.read >= PAGES_MAX {
            return Err(format!("more than {PAGES_MAX} pages"));
        }
        self.next = match (self.pages, page.next) {
            (Pages::None, _) | (Pages::Next { .. } | Pages::Link { .. } | Pages::Cursor { .. }, None) => None,
            (Pages::Next { .. } | Pages::Link { .. }, Some(next)) => Some(self.named(&next)?),
            (Pages::Cursor { param, .. }, Some(mark)) => Some(self.marked(param, &mark)?),
            (Pages::Page { param, size_param, size, first, .. }, _) => self
                .goes_on(page.elements)?
                .then(|| self.with(&format!("{size_param}={size}&{param}={}", first + self.read)))
                .map(Address::BelowBase),
            // From where it ended: a target may put less on a page than it is asked for.
            (Pages::Offset { param, size_param, size, .. }, _) => self
                .goes_on(page.elements)?
                .then(|| self.with(&format!("{size_param}={size}&{param}={}", self.elements)))
                .map(Address::BelowBase),
        };
        match self.total {
            Some(total) if self.next.is_none() && total != self.elements => {
                Err(format!("{}, but the target says {total}", count(self.elements, "element")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says whether there are more, where only the total tells.
    fn goes_on(&self, elements: u64) -> Result<bool, String> {
        let Some(total) = self.total else {
            return Err("the page does not say how many there are".to_string());
        };
        if self.elements < total && elements == 0 {
            return Err(format!("an empty page after {} of {}", self.elements, count(total, "element")));
        }
        Ok(self.elements < total)
    }

    /// Returns the listing's path with more parameters.
    fn with(&self, parameters: &str) -> String {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{mark}{parameters}", self.path)
    }

    /// Returns the address of the page that a mark stands for.
    fn marked(&self, param: &str, mark: &str) -> Result<Address, String> {
        let mut parameter = format!("{param}=");
        escape(mark, &mut parameter);
        let address = Address::BelowBase(self.with(&parameter));
        if Some(&address) == self.next.as_ref() {
            return Err("a page names itself as the next one".to_string());
        }
        Ok(address)
    }

    /// Reads an address that the target named. Its host is not looked at: our credentials stay with the server that we were
    /// told, which may be reached by another name than it knows.
    fn named(&self, next: &str) -> Result<Address, String> {
        let wrong = || format!("the address of the next page cannot be read: {}", crate::reply::excerpt(next));
        if next.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        let address = if let Some(query) = next.strip_prefix('?') {
            let path = self.path.split('?').next().unwrap_or_default();
            Address::BelowBase(format!("{path}?{query}"))
        } else {
            let path = match next.split_once("://") {
                Some(("http" | "https", rest)) => rest.find('/').and_then(|at| rest.get(at..)).ok_or_else(wrong)?,
                Some(_) | None => next,
            };
            if !path.starts_with('/') || path.starts_with("//") {
                return Err(wrong());
            }
            Address::OfServer(path.to_string())
        };
        if Some(&address) == self.next.as_ref() {
            return Err("a page names itself as the next one".to_string());
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Total;

    const NUMBERED: Pages =
        Pages::Page { param: "page", size_param: "perPage", size: 2, first: 1, total: Total::Body(&["totalItems"]) };
    const NAMED: Pages = Pages::Next { field: &["next"], total: Total::Body(&["count"]) };
    const COUNTED: Pages =
        Pages::Offset { param: "skip", size_param: "take", size: 2, total: Total::Header("X-Total") };
    const LINKED: Pages = Pages::Link { total: Total::None };
    const MARKED: Pages = Pages::Cursor { field: &["after"], param: "after", total: Total::None };

    fn page(ids: &[i64], total: u64, next: Option<&str>) -> Page {
        Page { elements: ids.len() as u64, ids: ids.to_vec(), total: Some(total), next: next.map(String::from) }
    }

    /// Reads the pages, and returns the addresses that were asked for and how it ended.
    fn read(pages: Pages, all: &[Page]) -> (Vec<String>, Result<(), String>) {
        let mut paging = Paging::new(pages, "/posts?sort=id");
        let (mut asked, mut all) = (Vec::new(), all.iter().cloned());
        while let Some(address) = paging.next() {
            let (Address::BelowBase(path) | Address::OfServer(path)) = address;
            asked.push(path.clone());
            let Some(page) = all.next() else { return (asked, Err("no such page".to_string())) };
            if let Err(why) = paging.read(page) {
                return (asked, Err(why));
            }
        }
        (asked, Ok(()))
    }

    #[test]
    fn pages_by_number_end_where_the_total_is_met() {
        let (asked, ended) = read(NUMBERED, &[page(&[1, 2], 3, None), page(&[3], 3, None)]);
        let paths = ["/posts?sort=id&perPage=2&page=1", "/posts?sort=id&perPage=2&page=2"];
        assert_eq!((asked, ended), (paths.map(String::from).to_vec(), Ok(())));
        assert_eq!(read(NUMBERED, &[page(&[], 0, None)]).1, Ok(()));
    }

    #[test]
    fn pages_that_name_the_next_one_are_asked_of_the_same_server() {
        let pages = [page(&[1], 2, Some("http://other:1/api/posts?page=2")), page(&[2], 2, None)];
        let (asked, ended) = read(NAMED, &pages);
        assert_eq!((asked, ended), (["/posts?sort=id", "/api/posts?page=2"].map(String::from).to_vec(), Ok(())));
        assert_eq!(read(NAMED, &[page(&[1], 2, Some("?page=2")), page(&[2], 2, None)]).0[1], "/posts?page=2");
    }

    #[test]
    fn pages_by_offset_go_on_where_the_last_one_ended() {
        let (asked, ended) = read(COUNTED, &[page(&[1], 3, None), page(&[2, 3], 3, None)]);
        let paths = ["/posts?sort=id&take=2&skip=0", "/posts?sort=id&take=2&skip=1"];
        assert_eq!((asked, ended), (paths.map(String::from).to_vec(), Ok(())));
    }

    #[test]
    fn links_and_marks_lead_to_the_page_without_one() {
        let untold = |ids: &[i64], next| Page { total: None, ..page(ids, 0, next) };
        let (asked, ended) = read(LINKED, &[untold(&[1], Some("https://h/posts?page=2")), untold(&[2], None)]);
        assert_eq!((asked, ended), (["/posts?sort=id", "/posts?page=2"].map(String::from).to_vec(), Ok(())));
        let (asked, ended) = read(MARKED, &[untold(&[1], Some("a=/")), untold(&[2], None)]);
        assert_eq!(
            (asked, ended),
            (["/posts?sort=id", "/posts?sort=id&after=a%3D%2F"].map(String::from).to_vec(), Ok(()))
        );
    }

    #[test]
    fn a_listing_that_changes_or_is_cut_is_not_whole() {
        let no_total = Page { total: None, ..page(&[1], 0, None) };
        for (pages, all, why) in [
            (NUMBERED, &[page(&[1, 2], 3, None), page(&[2], 3, None)][..], "id 2 comes on two pages"),
            (NUMBERED, &[page(&[1, 2], 3, None), page(&[3], 2, None)], "3 elements in all became 2"),
            (NUMBERED, &[page(&[1, 2], 4, None), page(&[], 4, None)], "an empty page after 2 of 4"),
            (NUMBERED, &[page(&[1, 2, 3], 2, None)], "3 elements, but the target says 2"),
            (NUMBERED, &[no_total], "does not say how many"),
            (COUNTED, &[page(&[1, 2], 4, None), page(&[2, 3], 4, None)], "id 2 comes on two pages"),
            (COUNTED, &[page(&[1, 2], 4, None), page(&[], 4, None)], "an empty page after 2 of 4"),
            (LINKED, &[page(&[1], 2, None)], "1 element, but the target says 2"),
            (MARKED, &[page(&[1], 2, Some("x")), page(&[2], 2, Some("x"))], "names itself"),
            (NAMED, &[page(&[1], 2, None)], "1 element, but the target says 2"),
            (NAMED, &[page(&[1], 2, Some("/p")), page(&[2], 2, Some("/p"))], "names itself"),
            (NAMED, &[page(&[1], 2, Some("ftp://x/y"))], "cannot be read"),
            (NAMED, &[page(&[1], 2, Some("//other/y"))], "cannot be read"),
            (NAMED, &[page(&[1], 2, Some("/a\r\nb"))], "cannot be read"),
        ] {
            let ended = read(pages, all).1;
            assert!(ended.as_ref().is_err_and(|error| error.contains(why)), "{why}: {ended:?}");
        }
        // Twice on one page is a doubled object, which a comparison is to see.
        assert_eq!(read(NUMBERED, &[page(&[1, 1], 2, None)]).1, Ok(()));
    }
}
