//! The word `pages`: how a listing is cut into pages.

use news_core::profile::{Pages, Total};

use super::headers;
use super::read::{ProfileTable, keep};
use crate::error::Result;

/// Elements of a page, where the profile does not say.
const SIZE: u64 = 100;
/// Begins a total that is in a header field.
const HEADER: &str = "header:";

/// Reads its table.
pub fn read(mut table: ProfileTable<'_>) -> Result<Pages> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Page,
        Offset,
        Next,
        Link,
        Cursor,
    }
    let kind = table.required("kind")?.one_of(&[
        ("none", Kind::None),
        ("page", Kind::Page),
        ("offset", Kind::Offset),
        ("next", Kind::Next),
        ("link", Kind::Link),
        ("cursor", Kind::Cursor),
    ])?;
    let pages = match kind {
        Kind::None => Pages::None,
        Kind::Page => Pages::Page {
            param: table.required("param")?.parameter()?,
            size_param: table.required("size_param")?.parameter()?,
            size: table.number("size", 1)?.unwrap_or(SIZE),
            first: table.number("first", 0)?.unwrap_or(1),
            total: required_total(&mut table)?,
        },
        Kind::Offset => Pages::Offset {
            param: table.required("param")?.parameter()?,
            size_param: table.required("size_param")?.parameter()?,
            size: table.number("size", 1)?.unwrap_or(SIZE),
            total: required_total(&mut table)?,
        },
        Kind::Next => Pages::Next { field: table.required("field")?.path()?, total: total(&mut table)? },
        Kind::Link => Pages::Link { total: total(&mut table)? },
        Kind::Cursor => Pages::Cursor {
            field: table.required("field")?.path()?,
            param: table.required("param")?.parameter()?,
            total: total(&mut table)?,
        },
    };
    table.end()?;
    Ok(pages)
}

/// Without it, nothing tells the last page from one that is cut.
fn required_total(table: &mut ProfileTable<'_>) -> Result<Total> {
    match total(table)? {
        Total::None => Err(table.missing("total")),
        total @ (Total::Body(_) | Total::Header(_)) => Ok(total),
    }
}

fn total(table: &mut ProfileTable<'_>) -> Result<Total> {
    let Some(text) = table.text("total")? else { return Ok(Total::None) };
    match text.said.strip_prefix(HEADER) {
        Some(name) if headers::is_name(name) => Ok(Total::Header(keep(name))),
        Some(_) => Err(text.wrong("expected header:NAME with the name of a header field")),
        None => match text.path()? {
            [] => Ok(Total::None),
            path => Ok(Total::Body(path)),
        },
    }
}
