//! How a listing is cut into pages.

use super::Path;

/// How a listing is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Not at all: one response has everything.
    None,
    /// By the number of the page in the query.
    Page {
        /// The parameter with the page's number.
        param: &'static str,
        /// The parameter with the number of elements on a page.
        size_param: &'static str,
        /// So many elements are asked for.
        size: u64,
        /// The number of the first page.
        first: u64,
        /// How many elements all pages have. Without it, nothing tells the last page from one that is cut.
        total: Total,
    },
    /// By the number of elements in front of the page.
    Offset {
        /// The parameter with that number.
        param: &'static str,
        /// The parameter with the number of elements on a page.
        size_param: &'static str,
        /// So many elements are asked for.
        size: u64,
        /// How many elements all pages have.
        total: Total,
    },
    /// Each page has the next one's address in its body.
    Next {
        /// Where in the body that is.
        field: Path,
        /// How many elements all pages have.
        total: Total,
    },
    /// Each page has the next one's address in its `Link` field (RFC 8288).
    Link {
        /// How many elements all pages have.
        total: Total,
    },
    /// Each page has a mark in its body, with which the next one is asked for.
    Cursor {
        /// Where in the body that is.
        field: Path,
        /// The parameter with the mark.
        param: &'static str,
        /// How many elements all pages have.
        total: Total,
    },
}

/// Where a target says how many elements all pages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Nowhere.
    None,
    /// In the body of each page.
    Body(Path),
    /// In a header field of each page.
    Header(&'static str),
}

impl Pages {
    /// Returns where the target says how many elements there are.
    pub fn total(self) -> Total {
        match self {
            Pages::None => Total::None,
            Pages::Page { total, .. }
            | Pages::Offset { total, .. }
            | Pages::Next { total, .. }
            | Pages::Link { total }
            | Pages::Cursor { total, .. } => total,
        }
    }
}
