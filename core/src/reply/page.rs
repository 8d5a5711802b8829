//! A page of HTML, or another document with markup, in words: gateways and frameworks answer with one where an API would
//! answer with a message.
//!
//! In scope: the text that a reader would see. Out of scope: being a parser of HTML. Whatever the markup is, the result is
//! some of its text.

use alloc::string::String;

/// Elements whose text no reader sees.
const UNSEEN: [&str; 2] = ["script", "style"];
/// References to characters, as pages about errors have them.
const REFERENCES: [(&str, char); 7] = [
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&quot;", '"'),
    ("&#39;", '\''),
    ("&nbsp;", ' '),
    ("&hellip;", '…'),
];

/// Says whether a body is a page: an API says nothing, or JSON, or a word.
pub fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// Returns the words of a page, without markup. A heading that repeats the title is left out.
pub fn words(page: &str) -> String {
    let mut text = String::new();
    let mut title = None;
    let mut rest = page;
    while let Some((before, markup)) = rest.split_once('<') {
        text.push_str(before);
        rest = after_markup(markup);
        if title.is_none() && is_element(markup, "/title") {
            title = Some(core::mem::take(&mut text));
        }
        // Tags separate words, and most separate lines.
        text.push(' ');
    }
    text.push_str(rest);
    for (reference, character) in REFERENCES.iter().rev() {
        text = text.replace(reference, character.encode_utf8(&mut [0; 4]));
    }
    let title = title.as_deref().map(str::trim).unwrap_or_default();
    let text = text.trim();
    if text.starts_with(title) { String::from(text) } else { alloc::format!("{title}: {text}") }
}

/// Returns what follows the tag, the comment or the unseen element whose beginning was just read.
fn after_markup(markup: &str) -> &str {
    let behind = |end: &str| markup.find(end).map_or("", |at| &markup[at + end.len()..]);
    if markup.starts_with("!--") {
        return behind("-->");
    }
    match UNSEEN.iter().find(|name| is_element(markup, name)) {
        Some(name) => {
            let end =
                markup.match_indices("</").find(|(at, _)| is_element(&markup[at + 1..], &alloc::format!("/{name}")));
            end.map_or("", |(at, _)| markup[at..].split_once('>').map_or("", |(_, rest)| rest))
        }
        None => behind(">"),
    }
}

/// Says whether markup begins with this element's name, in any case.
fn is_element(markup: &str, name: &str) -> bool {
    let is_named = markup.get(..name.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(name));
    is_named && !markup[name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use crate::reply::excerpt;

    #[test]
    fn a_page_is_reduced_to_its_words() {
        for (page, said) in [
            (
                "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n\
                 <hr><center>nginx/1.22.1</center>\n</body></html>",
                "502 Bad Gateway nginx/1.22.1",
            ),
            (
                "<!DOCTYPE html><TITLE>Log in</TITLE><STYLE>p > a { color: red }</STYLE><script>if (a<b) f('</p>')</SCRIPT>\
                 <p>You have to sign&nbsp;in&nbsp;&amp; <b>pay</b>.<!-- <p>padding</p> -->",
                "Log in: You have to sign in & pay .",
            ),
            ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
            ("<p>", ""),
            ("<script>never closed", ""),
            ("<", ""),
            ("<!--", ""),
            ("<é>ß</é>", "ß"),
            ("<styles>a", "a"),
        ] {
            assert_eq!(excerpt(page), said, "{page}");
        }
        assert_eq!(excerpt(r#"{"error": "a < b"}"#), r#"{"error": "a < b"}"#, "no page");
    }
}
