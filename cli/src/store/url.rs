//! A database's URL, or keyword string, and what of it may be shown.
//!
//! The text is cut where tokio-postgres cuts it, so that what counts as a password there never shows here.

use postgres::Config;

use crate::error::{Failure, Kind, Result};
use crate::settings::Secret;

/// A URL in two parts.
#[derive(Debug)]
pub struct Parts {
    /// The URL or keyword string without the password, as it was otherwise.
    pub shown: String,
    /// The password in it, if there is one.
    pub password: Option<Secret>,
}

/// Takes the password out of `url`.
///
/// Fails with [`Kind::Usage`] where `url` is none.
pub fn split(url: &Secret) -> Result<Parts> {
    let config = parse(url)?;
    let password = match config.get_password() {
        None => None,
        Some(bytes) => {
            let text = String::from_utf8(bytes.to_vec());
            Some(Secret::new(text.map_err(|_| Failure::new(Kind::Usage, "the database's password is not UTF-8"))?))
        }
    };
    let text = url.expose();
    let rest = ["postgresql://", "postgres://"].iter().find_map(|scheme| Some((scheme, text.strip_prefix(*scheme)?)));
    let shown = match rest {
        Some((scheme, rest)) => format!("{scheme}{}", without_password(rest)),
        None => keywords_without_password(text),
    };
    Ok(Parts { shown, password })
}

/// Parses `url`; its errors name the wrong part, never the password.
pub fn parse(url: &Secret) -> Result<Config> {
    url.expose().parse().map_err(|error: postgres::Error| {
        Failure::new(Kind::Usage, error).hint("write postgresql://USER:PASSWORD@HOST/DATABASE")
    })
}

/// `USER:PASSWORD@HOST/DATABASE?password=…&KEY=VALUE`
fn without_password(rest: &str) -> String {
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) => (Some(user.split(':').next().unwrap_or_default()), rest),
        None => (None, rest),
    };
    let (front, query) = match rest.split_once('?') {
        Some((front, query)) => (front, Some(query)),
        None => (rest, None),
    };
    let mut shown = user.map(|user| format!("{user}@")).unwrap_or_default();
    shown.push_str(front);
    let kept = query.into_iter().flat_map(|query| query.split('&')).filter(|pair| {
        // `%` in a key: it may be a disguised `password`, and no key needs one.
        let key = pair.split('=').next().unwrap_or_default();
        key != "password" && !key.contains('%')
    });
    for (i, pair) in kept.enumerate() {
        shown.push(if i == 0 { '?' } else { '&' });
        shown.push_str(pair);
    }
    shown
}

/// `host=… password='it\'s' dbname=…`
fn keywords_without_password(text: &str) -> String {
    let mut kept = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let value = after.trim_start();
        let end = value_end(value);
        if key.trim() != "password" {
            kept.push(format!("{}={}", key.trim(), value.get(..end).unwrap_or_default()));
        }
        rest = value.get(end..).unwrap_or_default().trim_start();
    }
    kept.join(" ")
}

/// Returns where a value of a keyword string ends: after its closing quote, or before a space.
fn value_end(value: &str) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (i, c) in value.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return i + 1,
            _ if c.is_whitespace() && !quoted => return i,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_show() {
        for (url, shown, password) in [
            (
                "postgresql://me:s%40cret@db:5433/news?connect_timeout=3",
                "postgresql://me@db:5433/news?connect_timeout=3",
                Some("s@cret"),
            ),
            ("postgres://me:a:b@db/news", "postgres://me@db/news", Some("a:b")),
            ("postgresql://me:a/b@db/news", "postgresql://me@db/news", Some("a/b")),
            (
                "postgresql:///news?host=/run/pg&user=me&password=s&port=1",
                "postgresql:///news?host=/run/pg&user=me&port=1",
                Some("s"),
            ),
            ("postgresql:///news?%70assword=s", "postgresql:///news", Some("s")),
            ("postgresql://me@db/news", "postgresql://me@db/news", None),
            ("host=db user=me password=s dbname=news", "host=db user=me dbname=news", Some("s")),
            (r"host = db password = 'it\'s a b' dbname='a b'", "host=db dbname='a b'", Some("it's a b")),
            (r"password=a\ b dbname=x", "dbname=x", Some("a b")),
        ] {
            let parts = split(&Secret::new(url.to_owned())).unwrap();
            assert_eq!(parts.shown, shown, "{url}");
            assert_eq!(parts.password.as_ref().map(Secret::expose), password, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_text() {
        let failure = split(&Secret::new(String::from("postgresql://me:s3cret@db/news?nonsense=1"))).unwrap_err();
        assert_eq!(failure.kind(), Kind::Usage);
        assert!(!failure.to_string().contains("s3cret"), "{failure}");
    }
}
