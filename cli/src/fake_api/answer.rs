//! Answers as data: what is said, before it becomes bytes on a connection.

use std::sync::Arc;

use serde::Serialize;

use crate::fake_api::guise::Page;
use crate::fake_api::record::Record;

/// What a request is for, as faults see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A write, or the read of one object.
    Object,
    /// A list, or what is neither.
    Other,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields beyond type and length.
    pub headers: Vec<(&'static str, String)>,
    /// The content.
    pub body: Body,
    /// Of a listing in pages: which page it is.
    pub page: Option<Page>,
}

/// An answer's content.
#[derive(Debug, Clone)]
pub enum Body {
    /// None.
    Empty,
    /// JSON text.
    Json(String),
    /// A page.
    Html(String),
    /// One record.
    Record(Arc<Record>),
    /// A JSON array of records, made while it is sent.
    Records(Vec<Arc<Record>>),
}

/// How an answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Whole.
    Whole,
    /// Its first half, the length told accordingly.
    HalfTold,
    /// Its first half, then the connection is cut.
    HalfCut,
    /// Not at all: the connection is cut.
    Cut,
}

impl Answer {
    /// An answer with this content, and no more.
    pub fn of(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body, page: None }
    }

    /// An answer with this JSON text.
    pub fn json(status: u16, text: impl Into<String>) -> Self {
        Self::of(status, Body::Json(text.into()))
    }

    /// An answer with this value as JSON.
    pub fn value(status: u16, value: &impl Serialize) -> Self {
        // Our own types have text keys and always a JSON form.
        Self::json(status, serde_json::to_string(value).unwrap_or_default())
    }

    /// An answer with a page that shows `text`.
    pub fn html(status: u16, text: &str) -> Self {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
             <body>\n<pre>{text}</pre>\n</body>\n</html>\n"
        );
        Self::of(status, Body::Html(page))
    }

    /// An answer with text that calls itself HTML, as Express sends a stack.
    pub fn stack(status: u16, error: &str) -> Self {
        let text =
            format!("{error}\n    at update (router/plural.js:1:1)\n    at Layer.handle (express/layer.js:95:5)");
        Self::of(status, Body::Html(text))
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Body {
    /// Returns the media type, if there is content.
    pub fn media_type(&self) -> Option<&'static str> {
        match self {
            Body::Empty => None,
            Body::Html(_) => Some("text/html; charset=utf-8"),
            Body::Json(_) | Body::Record(_) | Body::Records(_) => Some("application/json; charset=utf-8"),
        }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Body::Empty => 0,
            Body::Json(text) | Body::Html(text) => text.len(),
            Body::Record(record) => record.json().len(),
            Body::Records(records) => {
                let texts: usize = records.iter().map(|record| record.json().len()).sum();
                // Brackets, and a comma and a line break between two.
                texts + 2 + 2 * records.len().saturating_sub(1)
            }
        }
    }

    /// Returns the whole of it.
    pub fn text(&self) -> String {
        let pieces = (0..).map_while(|at| self.piece(at));
        pieces.fold(String::with_capacity(self.len()), |text, (before, piece)| text + before + piece)
    }

    /// Returns the pieces it consists of; `at` counts from 0, `None` is the end.
    pub fn piece(&self, at: usize) -> Option<(&str, &str)> {
        match (self, at) {
            (Body::Json(text) | Body::Html(text), 0) => Some((text, "")),
            (Body::Record(record), 0) => Some((record.json(), "")),
            (Body::Records(records), at) => {
                let before = if at == 0 { "[" } else { ",\n" };
                match records.get(at) {
                    Some(record) => Some((before, record.json())),
                    None if at == records.len() => Some((if at == 0 { "[]" } else { "]" }, "")),
                    None => None,
                }
            }
            (Body::Empty | Body::Json(_) | Body::Html(_) | Body::Record(_), _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::record::{Fields, Id, Spelling};

    #[test]
    fn lengths_are_those_of_the_pieces() {
        let record = |n: i64| Arc::new(Record::new(Id::Number(n), Fields::default(), Spelling::AsCame));
        for (body, text) in [
            (Body::Empty, ""),
            (Body::Json("{}".into()), "{}"),
            (Body::Record(record(1)), "{\"id\":1}"),
            (Body::Records(vec![]), "[]"),
            (Body::Records(vec![record(1)]), "[{\"id\":1}]"),
            (Body::Records(vec![record(1), record(22)]), "[{\"id\":1},\n{\"id\":22}]"),
        ] {
            assert_eq!((body.text().as_str(), body.len()), (text, text.len()));
        }
    }
}
