//! Conditional requests (RFC 9110, section 13), so that two editors do not overwrite each other.
//!
//! An object's entity tag is its version; an indented answer differs in bytes, so its tag does, too.

use super::negotiate::DocLayout;

/// More tags than this in one header are not looked at.
const TAGS_MAX: usize = 32;

/// Returns the entity tag of a version in a layout: `"0123…"`, `"0123…-2"`.
pub fn tag(version: &str, layout: DocLayout) -> String {
    match layout.indent {
        None => format!("\"{version}\""),
        Some(spaces) => format!("\"{version}-{spaces}\""),
    }
}

/// A tag of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    opaque: String,
}

/// What a header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// One of these.
    These(Vec<Tag>),
}

fn read(header: &str) -> Tags {
    if header.trim() == "*" {
        return Tags::Any;
    }
    let mut tags = Vec::new();
    let mut rest = header;
    while tags.len() < TAGS_MAX
        && let Some((before, behind)) = rest.split_once('"')
        && let Some((opaque, behind)) = behind.split_once('"')
    {
        let is_weak = before.trim_start_matches([',', ' ', '\t']).starts_with("W/");
        tags.push(Tag { is_weak, opaque: opaque.to_owned() });
        rest = behind;
    }
    Tags::These(tags)
}

/// Says whether a client that sends this If-None-Match has the answer already (weak comparison).
pub fn is_known(if_none_match: Option<&str>, version: &str, layout: DocLayout) -> bool {
    let wanted = tag(version, layout);
    match if_none_match.map(read) {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(|tag| wanted.trim_matches('"') == tag.opaque),
    }
}

/// Says whether a client that sends this If-None-Match wants to create an object, and to change none.
pub fn is_new(if_none_match: Option<&str>) -> bool {
    if_none_match.map(read) == Some(Tags::Any)
}

/// Returns the versions that If-Match lets be changed; nothing where any will do (strong comparison).
pub fn changeable(if_match: Option<&str>) -> Option<Vec<String>> {
    match read(if_match?) {
        Tags::Any => None,
        Tags::These(tags) => {
            let strong = tags.into_iter().filter(|tag| !tag.is_weak);
            // Whatever the layout was, the object is the same.
            Some(strong.map(|tag| tag.opaque.split('-').next().unwrap_or_default().to_owned()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: DocLayout = DocLayout { indent: None };
    const DEEP: DocLayout = DocLayout { indent: Some(2) };

    #[test]
    fn if_none_match() {
        let table = [
            (None, FLAT, false),
            (Some("*"), FLAT, true),
            (Some("\"abc\""), FLAT, true),
            (Some("W/\"abc\""), FLAT, true),
            (Some("\"x\", \"abc\""), FLAT, true),
            (Some("\"abc\""), DEEP, false),
            (Some("\"abc-2\""), DEEP, true),
            (Some("abc"), FLAT, false),
            (Some("\"abc"), FLAT, false),
            (Some(""), FLAT, false),
        ];
        for (header, layout, expected) in table {
            assert_eq!(is_known(header, "abc", layout), expected, "{header:?}");
        }
        assert!(is_known(Some(&tag("abc", DEEP)), "abc", DEEP));
    }

    #[test]
    fn if_match() {
        let table: [(Option<&str>, Option<&[&str]>); 7] = [
            (None, None),
            (Some(" * "), None),
            (Some("\"abc\""), Some(&["abc"])),
            (Some("\"abc-2\",\"d\""), Some(&["abc", "d"])),
            (Some("W/\"abc\", \"d\""), Some(&["d"])),
            (Some("W/\"abc\""), Some(&[])),
            (Some("nonsense"), Some(&[])),
        ];
        for (header, expected) in table {
            let expected = expected.map(|tags| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>());
            assert_eq!(changeable(header), expected, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(header in ".*") {
            is_known(Some(&header), "abc", FLAT);
            proptest::prop_assert!(changeable(Some(&header)).is_none_or(|tags| tags.len() <= TAGS_MAX));
        }
    }
}
