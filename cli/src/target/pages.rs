//! Listings in pages: each page is read whole, and asked for again by itself where that fails.

use std::io::Read;
use std::time::Instant;

use news_core::Entity;
use news_core::coverage::{Coverage, next_link};
use news_core::paging::{Address, Page, Paging};
use news_core::profile::{Call, Pages, Path, Total};
use news_core::wire::{Element, text_at};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::Response;

use super::listing::{Away, Patience, coverage, part};
use super::trouble::Plain;
use super::{Target, header};
use crate::error::{Failure, Kind, Result};
use crate::listing::{self, Extent, Progress};

/// A page is held in memory: it has no more bytes than this.
const PAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A page as it came.
struct Came {
    bytes: u64,
    /// The JSON of the array.
    array: String,
    page: Page,
}

impl Target {
    /// Says whether a listing comes in one response that is the array itself.
    pub(super) fn lists_at_once(&self) -> bool {
        self.profile.pages == Pages::None && self.profile.envelope.is_empty()
    }

    /// Reads a whole listing page by page. Returns how many elements there were.
    ///
    /// Fails as [`Target::list`] does; a collection that changes between two pages is [`Kind::Target`].
    pub(super) fn list_pages(
        &self,
        entity: Entity,
        patience: &Patience<'_>,
        begun: impl FnOnce(Extent) -> Result<()>,
        mut each: impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<u64> {
        let call = self.profile.dialect(entity).list;
        let started = Instant::now();
        let mut progress = Progress::default();
        let mut begun = Some(begun);
        let mut tell = |total: Option<u64>| match begun.take() {
            Some(begun) => begun(total.map_or(Extent::Unknown, Extent::Elements)),
            None => Ok(()),
        };
        if call.after.is_none() {
            self.list_path(entity, call.before, patience, started, &mut progress, &mut tell, &mut each)?;
            return Ok(progress.elements);
        }
        // One listing for each object of the parent entity.
        tell(None)?;
        for parent in self.parents(entity, patience, started)? {
            let path = call.path(&parent);
            self.list_path(entity, &path, patience, started, &mut progress, &mut |_| Ok(()), &mut each)?;
        }
        Ok(progress.elements)
    }

    /// Returns the ids of the objects that the objects of `entity` belong to, as the target writes them.
    fn parents(&self, entity: Entity, patience: &Patience<'_>, started: Instant) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let Some(parent) = entity.shape().number.parent else { return Ok(ids) };
        let path = self.profile.dialect(parent).list.before;
        let mut take = |element: Element<'_>, _: Progress| {
            ids.extend(element.id().map(|id| self.profile.id_as.write(id)));
            Ok(())
        };
        self.list_path(parent, path, patience, started, &mut Progress::default(), &mut |_| Ok(()), &mut take)?;
        Ok(ids)
    }

    #[expect(clippy::too_many_arguments, reason = "one listing of several has its own path, and shares the rest")]
    fn list_path(
        &self,
        entity: Entity,
        path: &str,
        patience: &Patience<'_>,
        started: Instant,
        progress: &mut Progress,
        tell: &mut impl FnMut(Option<u64>) -> Result<()>,
        each: &mut impl FnMut(Element<'_>, Progress) -> Result<()>,
    ) -> Result<()> {
        let mut paging = Paging::new(self.profile.pages, path);
        while let Some(address) = paging.next().cloned() {
            let what = self.what_page(&address);
            if started.elapsed() > self.listing_timeout {
                return Err(not_whole(&what, "no complete answer in time"));
            }
            let came = self.patiently(patience, || self.page(entity, &address, &what))?;
            let elements = came.page.elements;
            paging.read(came.page).map_err(|why| not_whole(&what, &why))?;
            tell(paging.total())?;
            let before = *progress;
            let each = |element: Element<'_>, now: Progress| {
                each(element, Progress { elements: before.elements + now.elements, bytes: before.bytes + now.bytes })
            };
            listing::read(&what, self.profile, entity, came.array.as_bytes(), each)?;
            *progress = Progress { elements: before.elements + elements, bytes: before.bytes + came.bytes };
        }
        Ok(())
    }

    fn what_page(&self, address: &Address) -> String {
        format!("GET {}", self.page_url(address))
    }

    fn page_url(&self, address: &Address) -> String {
        match address {
            Address::BelowBase(path) => format!("{}{path}", self.base),
            Address::OfServer(path) => {
                let host = self.base.find("://").map_or(0, |at| at + 3);
                let end = self.base[host..].find('/').map_or(self.base.len(), |at| host + at);
                format!("{}{path}", &self.base[..end])
            }
        }
    }

    /// Asks for a page, once.
    fn page(&self, entity: Entity, address: &Address, what: &str) -> std::result::Result<Came, Away> {
        let response =
            self.ask_listing(what, &self.page_url(address)).and_then(|response| self.judge(what, response))?;
        // Where there are no pages, nobody but the header says that this is only one.
        let coverage = match self.profile.pages {
            Pages::None => coverage(&response),
            Pages::Page { .. }
            | Pages::Offset { .. }
            | Pages::Next { .. }
            | Pages::Link { .. }
            | Pages::Cursor { .. } => Coverage::default(),
        };
        let came = self.read_page(entity, response);
        if let Some(why) = came.as_ref().ok().and_then(|came| coverage.contradicts(came.page.elements)) {
            return Err(Away::never(part(what, &why)));
        }
        // Cut on its way, or no page: the next answer may be better.
        came.map_err(|why| Away::trouble(not_whole(what, &why)))
    }

    fn read_page(&self, entity: Entity, response: Response<Body>) -> std::result::Result<Came, String> {
        let pages = self.profile.pages;
        let mut page = Page::default();
        if let Total::Header(name) = pages.total() {
            page.total = header(response.headers(), name).and_then(|total| total.parse().ok());
        }
        if let Pages::Link { .. } = pages {
            let links = response.headers().get_all("link").iter().filter_map(|link| link.to_str().ok());
            page.next = links.filter_map(next_link).map(str::to_owned).next();
        }
        let mut body = String::new();
        let reader = Plain(response.into_body().into_reader());
        reader.take(PAGE_BYTES_MAX + 1).read_to_string(&mut body).map_err(|error| error.to_string())?;
        if body.len() as u64 > PAGE_BYTES_MAX {
            return Err(format!("a page of more than {PAGE_BYTES_MAX} bytes"));
        }
        let whole: &RawValue = serde_json::from_str(body.trim_start_matches('\u{feff}'))
            .map_err(|error| format!("the page is not JSON: {error}"))?;
        let text = |path: Path| text_at(whole.get(), path).filter(|_| !path.is_empty());
        let array = text_at(whole.get(), self.profile.envelope)
            .filter(|array| array.starts_with('['))
            .ok_or_else(|| format!("no array at {:?} in the page", self.profile.envelope.join(".")))?;
        let count = listing::read("", self.profile, entity, array.as_bytes(), |element, _| {
            page.ids.extend(element.id());
            Ok(())
        });
        page.elements = count.map_err(|failure| failure.to_string())?;
        if let Total::Body(path) = pages.total() {
            page.total = text(path).and_then(|total| serde_json::from_str(total).ok());
        }
        if let Pages::Next { field, .. } | Pages::Cursor { field, .. } = pages {
            page.next = text(field).and_then(mark);
        }
        Ok(Came { bytes: body.len() as u64, array: array.to_owned(), page })
    }

    /// Asks for the first page of an entity's listing and returns its array, for a look at some elements. Whether a second page
    /// follows as the profile says is looked at, too.
    pub(super) fn first_page(&self, entity: Entity) -> std::result::Result<Vec<u8>, Away> {
        let Call { before, after, .. } = self.profile.dialect(entity).list;
        // Of which object's listing?
        if after.is_some() {
            return Ok(b"[]".to_vec());
        }
        let mut paging = Paging::new(self.profile.pages, before);
        let mut first = None;
        for _ in 0..2 {
            let Some(address) = paging.next().cloned() else { break };
            let what = self.what_page(&address);
            let came = self.page(entity, &address, &what)?;
            paging.read(came.page).map_err(|why| Away::never(not_whole(&what, &why)))?;
            first.get_or_insert(came.array);
        }
        Ok(first.unwrap_or_default().into_bytes())
    }
}

/// Reads what leads to the next page: a text, or a number. An empty one, `null` and `false` lead nowhere.
fn mark(json: &str) -> Option<String> {
    match serde_json::from_str(json).ok()? {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn not_whole(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Target, format!("{what}: the listing is not whole: {why}"))
}
