//! Content negotiation: we speak JSON, and a client may ask for indentation.

use super::media::Media;

/// How the JSON of an answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocLayout {
    /// Spaces a level, 1 to 8; nothing: one line.
    pub indent: Option<u8>,
}

/// More indentation than this is not given, in spaces a level (as in Django REST framework).
const INDENT_MAX: i64 = 8;

/// Chooses the layout for an Accept header (none: anything goes). Returns nothing where it
/// leaves no room for JSON. Media types are looked at from the most to the least specific, `q` is not.
pub fn negotiate(accept: Option<&str>) -> Option<DocLayout> {
    let Some(accept) = accept else { return Some(DocLayout::default()) };
    let fitting = accept.split(',').map(|media| Media::parse(media.trim())).filter(fits);
    // The first of the most specific: max_by_key would return the last.
    let chosen = fitting.min_by_key(|media| std::cmp::Reverse(precedence(media)))?;
    let indent = chosen.param("indent").and_then(|text| text.trim().parse::<i64>().ok());
    let indent = indent.and_then(|spaces| u8::try_from(spaces.clamp(0, INDENT_MAX)).ok()).filter(|&spaces| spaces > 0);
    Some(DocLayout { indent })
}

/// Says whether an Accept header names a page.
pub fn wants_page(accept: Option<&str>) -> bool {
    let is_page =
        |media: &str| matches!(Media::parse(media.trim()).kind.as_str(), "text/html" | "application/xhtml+xml");
    accept.is_some_and(|accept| accept.split(',').any(is_page))
}

/// Says whether an Accept-Encoding header takes gzip (RFC 9110, section 12.5.3).
pub fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    let codings = accept_encoding.unwrap_or_default().split(',').map(|coding| Media::parse(coding.trim()));
    let is_refused =
        |coding: &Media| coding.param("q").and_then(|q| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
    codings.filter(|coding| !is_refused(coding)).any(|coding| matches!(coding.kind.as_str(), "gzip" | "x-gzip"))
}

fn fits(media: &Media) -> bool {
    let (main, sub) = media.kind.split_once('/').unwrap_or((&media.kind, ""));
    matches!(main, "*" | "application") && matches!(sub, "*" | "json")
}

fn precedence(media: &Media) -> u8 {
    let (main, sub) = media.kind.split_once('/').unwrap_or((&media.kind, ""));
    match (main, sub) {
        ("*", _) => 0,
        (_, "*") => 1,
        _ if !media.is_refined() => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_django_rest_framework_chooses() {
        let table = [
            (None, Some(None)),
            (Some("*/*"), Some(None)),
            (Some("application/*"), Some(None)),
            (Some("application/json"), Some(None)),
            (Some("APPLICATION/JSON"), Some(None)),
            (Some("application/json;q=0.5"), Some(None)),
            (Some("application/xml, application/json;q=0.5"), Some(None)),
            (Some("text/html,*/*;q=0.1"), Some(None)),
            (Some("application/json; indent=2"), Some(Some(2))),
            (Some("application/json; indent=99"), Some(Some(8))),
            (Some("application/json; indent=0"), Some(None)),
            (Some("application/json; indent=-3"), Some(None)),
            (Some("application/json; indent=x"), Some(None)),
            (Some("*/*; indent=4"), Some(Some(4))),
            (Some("*/*; indent=4, application/json"), Some(None)),
            (Some("application/json, application/json; indent=3"), Some(Some(3))),
            (Some(""), None),
            (Some("application/xml"), None),
            (Some("text/*"), None),
            (Some("application"), None),
            (Some("json"), None),
        ];
        for (accept, indent) in table {
            assert_eq!(negotiate(accept).map(|layout| layout.indent), indent, "{accept:?}");
        }
    }

    #[test]
    fn gzip_is_taken_by_name_alone() {
        for (header, takes) in [
            (None, false),
            (Some(""), false),
            (Some("gzip"), true),
            (Some("gzip, deflate, br, zstd"), true),
            (Some("br, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip; q=0.000, identity"), false),
            (Some("identity"), false),
            (Some("*"), false),
        ] {
            assert_eq!(takes_gzip(header), takes, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(accept in ".*") {
            negotiate(Some(&accept));
        }
    }
}
