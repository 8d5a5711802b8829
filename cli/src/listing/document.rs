//! One document with both listings, `{"posts": […], "comments": […]}`, as json-server keeps
//! it, read once from beginning to end.

use std::io::Read;

use news_core::Entity;
use news_core::profile::JSON_SERVER;
use news_core::wire::Element;

use super::texts::{Broken, Readable, Texts, begins_utf16};
use super::{Progress, elements, not_whole};
use crate::error::{Failure, Kind, Result};

/// What a document holds, as it comes.
pub enum Piece<'a> {
    /// A listing begins.
    Begun,
    /// One of its elements.
    Element(Element<'a>, Progress),
    /// It has ended, whole.
    Ended,
}

/// A member's name.
struct Name;

impl Readable for Name {
    type Read<'a> = String;
}

/// Reads a document; `each` is given what it holds. Other members are passed over, and a
/// listing that is not there is an empty one.
///
/// The posts have to come first, since comments can only be judged once their posts are
/// known, and nothing is kept: else, and where a listing comes twice, [`Kind::Refused`].
pub fn read(what: &str, reader: impl Read, mut each: impl FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
    let mut texts = Texts::new(reader);
    let broken = |broken: Broken| not_whole(what, &broken);
    let refused = |why: String| Failure::new(Kind::Refused, format!("{what}: {why}"));
    texts.skip_mark().map_err(broken)?;
    if !texts.skip_if(b'{').map_err(broken)? {
        return Err(match texts.peek() {
            Ok(Some(first)) if begins_utf16(first) => refused(String::from("expected UTF-8, found UTF-16")),
            Ok(Some(first)) => refused(format!("no document: it begins with '{}'", char::from(first).escape_default()))
                .hint("what is read is {\"posts\": […], \"comments\": […]}"),
            Ok(None) => not_whole(what, &"it is empty"),
            Err(broken) => not_whole(what, &broken),
        });
    }
    let mut came = Vec::new();
    let mut more = !texts.skip_if(b'}').map_err(broken)?;
    while more {
        let name = texts.next::<_, Name>(|name| name).map_err(broken)?;
        if !texts.skip_if(b':').map_err(broken)? {
            return Err(not_whole(what, &texts.wrong("no ':' behind a name")));
        }
        match Entity::ALL.into_iter().find(|entity| entity.plural() == name) {
            None => texts.pass().map_err(broken)?,
            Some(entity) => {
                if came.contains(&entity) {
                    return Err(refused(format!("{entity} come twice")));
                }
                if entity == Entity::Comment && came.is_empty() {
                    return Err(refused(String::from("comments come before posts"))
                        .hint("posts first: `jq '{posts, comments}' db.json | news import --from -`"));
                }
                if !texts.skip_if(b'[').map_err(broken)? {
                    return Err(refused(format!("{entity} is not a list")));
                }
                came.push(entity);
                each(Piece::Begun)?;
                elements(what, &JSON_SERVER, entity, &mut texts, |element, progress| {
                    each(Piece::Element(element, progress))
                })?;
                each(Piece::Ended)?;
            }
        }
        more = texts.comma_before(b'}').map_err(broken)?;
    }
    if texts.peek().map_err(broken)?.is_some() {
        return Err(not_whole(what, &texts.wrong("something behind its end")));
    }
    if came.is_empty() {
        return Err(refused(String::from("no posts in it")).hint("what is read is {\"posts\": […], \"comments\": […]}"));
    }
    // A listing that is not there has ended, too.
    for _ in came.len()..Entity::ALL.len() {
        each(Piece::Begun)?;
        each(Piece::Ended)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(json: &str) -> Result<Vec<String>, (Kind, String)> {
        let mut seen = Vec::new();
        let note = |piece: Piece<'_>| {
            seen.push(match piece {
                Piece::Begun => String::from("["),
                Piece::Element(element, progress) => {
                    format!("{} of {}", element.id().unwrap_or_default(), progress.elements)
                }
                Piece::Ended => String::from("]"),
            });
            Ok(())
        };
        read("stdin", json.as_bytes(), note).map(|()| seen).map_err(|failure| (failure.kind(), failure.to_string()))
    }

    #[test]
    fn both_listings_and_whatever_else_there_is() {
        let json = r#" {"profile": {"a": [1, "}"]}, "posts": [{"id": 1}, {"id": 2}], "photos": [{}, [], 7],
            "comments": [{"id": "9"}], "x": null} "#;
        assert_eq!(ids(json).unwrap(), ["[", "1 of 1", "2 of 2", "]", "[", "9 of 1", "]"]);
        assert_eq!(ids(r#"{"p\u006fsts":[]}"#).unwrap(), ["[", "]", "[", "]"]);
        let long = format!(
            r#"{{"settings":{{"a":[{{}},{{"b":{{"c":[1,2]}}}}],"d":["{}"]}},"posts":[]}}"#,
            "x,".repeat(1_100_000).replace(',', r#"",""#)
        );
        assert_eq!(ids(&long).unwrap(), ["[", "]", "[", "]"]);
    }

    #[test]
    fn what_is_no_document_is_refused_and_what_is_cut_is_told_apart() {
        for (json, kind, told) in [
            ("", Kind::Target, "empty"),
            ("[]", Kind::Refused, "no document"),
            ("{}", Kind::Refused, "no posts"),
            (r#"{"comments":[],"posts":[]}"#, Kind::Refused, "comments come before posts"),
            (r#"{"posts":[],"posts":[]}"#, Kind::Refused, "posts come twice"),
            (r#"{"posts":{}}"#, Kind::Refused, "posts is not a list"),
            (r#"{"posts":[]"#, Kind::Target, "ends after"),
            (r#"{"posts":[{"id":1}"#, Kind::Target, "ends after"),
            (r#"{"posts":[]} {}"#, Kind::Target, "behind its end"),
            (r#"{"posts" []}"#, Kind::Target, "no ':'"),
            (r#"{"posts":[];"comments":[]}"#, Kind::Target, "instead of a comma"),
        ] {
            let (got, why) = ids(json).unwrap_err();
            assert!(got == kind && why.contains(told), "{json}: {got:?} {why}");
        }
    }
}
