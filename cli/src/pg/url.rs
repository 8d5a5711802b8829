//! A database's URL, or keyword string, and what of it may be shown.
//!
//! The text is cut where tokio-postgres cuts it, so that what counts as a password there never shows here.

use std::path::Path;

use postgres::Config;
use postgres::config::TargetSessionAttrs;

use super::tls::{PARAMETERS as TLS_PARAMETERS, Tls};
use crate::error::{Failure, Kind, Result};
use crate::nearest::nearest;
use crate::secret::Secret;

/// A URL in two parts.
#[derive(Debug)]
pub struct Parts {
    /// The URL or keyword string without the password, as it was otherwise.
    pub shown: String,
    /// The password in it, if there is one.
    pub password: Option<Secret>,
}

/// What a URL asks for.
#[derive(Debug)]
pub struct WantedSession {
    /// For the client.
    pub config: Config,
    /// For us: the client knows only a part of it.
    pub tls: Tls,
}

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// What tokio-postgres understands besides.
const CLIENT_PARAMETERS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Where a server's socket is looked for if no host is named: Debian's place, and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const PORT: u16 = 5432;

const EXAMPLE: &str = "write postgresql://USER:PASSWORD@HOST/DATABASE";

/// Takes the password out of `url`.
///
/// Fails with [`Kind::Usage`] where `url` is none.
pub fn split(url: &Secret) -> Result<Parts> {
    let config = parse(url)?.config;
    let password = match config.get_password() {
        None => None,
        Some(bytes) => {
            let text = String::from_utf8(bytes.to_vec());
            Some(Secret::new(text.map_err(|_| Failure::new(Kind::Usage, "the database's password is not UTF-8"))?))
        }
    };
    let text = url.expose();
    let rest = SCHEMES.iter().find_map(|scheme| Some((scheme, text.strip_prefix(*scheme)?)));
    let shown = match rest {
        Some((scheme, rest)) => format!("{scheme}{}", without_password(rest)),
        None => keywords_without_password(text),
    };
    Ok(Parts { shown, password })
}

/// Parses `url`; its errors name the wrong part, never the password.
pub fn parse(url: &Secret) -> Result<WantedSession> {
    let (text, mut own) = take_own(url.expose())?;
    // libpq's newer word for it; the client knows this one only.
    let attributes = own.iter().position(|(key, _)| key == "target_session_attrs").map(|at| own.swap_remove(at).1);
    let mut config: Config =
        text.parse().map_err(|error: postgres::Error| Failure::new(Kind::Usage, BadUrl(error)).hint(EXAMPLE))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host_path(socket_folder(config.get_ports().first().copied().unwrap_or(PORT)));
    }
    let attributes = match attributes.as_deref() {
        Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
        // Of several hosts the one that takes writes is meant.
        None if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 => TargetSessionAttrs::ReadWrite,
        Some("any") | None => TargetSessionAttrs::Any,
        Some(other) => {
            return Err(Failure::new(
                Kind::Usage,
                format!("the database's URL: target_session_attrs={other:?} is of no use here"),
            )
            .hint("it is read-write (the default with several hosts), primary or any"));
        }
    };
    config.target_session_attrs(attributes);
    let tls = Tls::new(|name| own.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))?;
    Ok(WantedSession { config, tls })
}

/// A URL that the client does not take.
#[derive(Debug, thiserror::Error)]
#[error("the database's URL")]
struct BadUrl(#[source] postgres::Error);

fn socket_folder(port: u16) -> &'static str {
    let there = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_FOLDERS.iter().find(there).unwrap_or(&SOCKET_FOLDERS[0])
}

/// The keys and values that were taken out.
type Own = Vec<(String, String)>;

/// Takes out what is ours to read, and refuses what nobody knows.
fn take_own(text: &str) -> Result<(String, Own)> {
    let rest = SCHEMES.iter().find_map(|scheme| Some((scheme, text.strip_prefix(*scheme)?)));
    let Some((scheme, rest)) = rest else {
        check_scheme(text)?;
        return take_own_keywords(text);
    };
    // tokio-postgres ends the user's name and password at the first @.
    let (user, rest) = rest.split_once('@').map_or(("", rest), |(user, rest)| (user, rest));
    let (front, query) = rest.split_once('?').unwrap_or((rest, ""));
    if front.contains('@') {
        return Err(Failure::new(Kind::Usage, "the database's URL has more than one @")
            .hint("in a password write @ as %40, / as %2F, : as %3A, % as %25"));
    }
    let (mut kept, mut own) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key);
        check_key(&key)?;
        if is_own(&key) {
            own.push((key, decoded(value)));
        } else {
            kept.push(pair);
        }
    }
    let at = if rest.len() + scheme.len() < text.len() { "@" } else { "" };
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{scheme}{user}{at}{front}{mark}{}", kept.join("&")), own))
}

fn take_own_keywords(text: &str) -> Result<(String, Own)> {
    let (mut kept, mut own) = (Vec::new(), Vec::new());
    for (key, value) in keywords(text) {
        check_key(key)?;
        if is_own(key) {
            own.push((key.to_owned(), unquoted(value)));
        } else {
            kept.push(format!("{key}={value}"));
        }
    }
    Ok((kept.join(" "), own))
}

fn is_own(key: &str) -> bool {
    key == "target_session_attrs" || TLS_PARAMETERS.iter().any(|(own, _)| *own == key)
}

/// Fails where `text` is neither a URL of PostgreSQL nor a keyword string.
fn check_scheme(text: &str) -> Result<()> {
    let failure = match text.split_once("://") {
        // What comes before may be a keyword string with a URL in a value.
        Some((scheme, _)) if !scheme.contains('=') => {
            Failure::new(Kind::Usage, format!("the database's URL begins with {scheme}://, not postgresql://"))
        }
        Some(_) => return Ok(()),
        None if text.contains('=') => return Ok(()),
        None => Failure::new(Kind::Usage, "the database's URL does not begin with postgresql://"),
    };
    Err(failure.hint(EXAMPLE))
}

/// Fails where nobody knows the parameter `key`.
fn check_key(key: &str) -> Result<()> {
    let known: Vec<&str> = CLIENT_PARAMETERS.into_iter().chain(TLS_PARAMETERS.iter().map(|(name, _)| *name)).collect();
    if known.contains(&key) {
        return Ok(());
    }
    // What is no word may be a piece of a password.
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(Failure::new(Kind::Usage, "the database's URL has a parameter whose name is not a word")
            .hint("in a password write @ as %40, / as %2F, ? as %3F, & as %26, % as %25"));
    }
    let failure = Failure::new(Kind::Usage, format!("the database's URL has the unknown parameter {key}"));
    Err(match nearest(key, known.iter().copied()) {
        Some(near) => failure.hint(format!("Did you mean {near}?")),
        None => failure.hint("leave it out; parameters are libpq's: sslmode, connect_timeout, target_session_attrs, …"),
    })
}

/// Undoes percent-encoding; what is none stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, hex(after.first()), hex(after.get(1))) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    let kept = keywords(text).into_iter().filter(|(key, _)| *key != "password");
    kept.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Returns the keys, and the values as they are written.
fn keywords(text: &str) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let value = after.trim_start();
        let end = value_end(value);
        pairs.push((key.trim(), value.get(..end).unwrap_or_default()));
        rest = value.get(end..).unwrap_or_default().trim_start();
    }
    pairs
}

/// Takes quotes and backslashes away.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')).unwrap_or(value);
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            escaped = c == '\\' && !escaped;
            !escaped
        })
        .collect()
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
    fn what_is_ours_is_taken_out() {
        for (text, rest, own) in [
            (
                "postgresql://me@db/news?sslmode=verify-full&connect_timeout=3",
                "postgresql://me@db/news?connect_timeout=3",
                "sslmode=verify-full",
            ),
            ("postgresql://@db/news", "postgresql://@db/news", ""),
            ("postgresql:///news?sslrootcert=%2Fa%20b.pem", "postgresql:///news", "sslrootcert=/a b.pem"),
            (r"host=db sslrootcert='/it\'s' dbname=news", "host=db dbname=news", "sslrootcert=/it's"),
            (r"sslmode=require host=db", "host=db", "sslmode=require"),
        ] {
            let (got, taken) = take_own(text).unwrap();
            let taken: Vec<String> = taken.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!((got.as_str(), taken.join(" ").as_str()), (rest, own), "{text}");
        }
    }

    #[test]
    fn several_hosts_mean_the_one_that_takes_writes() {
        let attributes = |url: &str| parse(&Secret::new(url.to_owned())).unwrap().config.get_target_session_attrs();
        assert_eq!(attributes("postgresql://a,b/news"), TargetSessionAttrs::ReadWrite);
        assert_eq!(attributes("postgresql://a,b/news?target_session_attrs=any"), TargetSessionAttrs::Any);
        assert_eq!(attributes("postgresql://a/news?target_session_attrs=primary"), TargetSessionAttrs::ReadWrite);
        assert_eq!(attributes("postgresql://a/news"), TargetSessionAttrs::Any);
    }

    #[test]
    fn what_is_wrong_is_named_with_advice() {
        for (url, error, hint) in [
            ("postgress://me:s3cret@db/news", "begins with postgress://", "postgresql://USER"),
            ("mysql://me:s3cret@db/news", "begins with mysql://", "postgresql://USER"),
            ("s3cret", "does not begin with postgresql://", "postgresql://USER"),
            ("postgresql://me:s3cret@db/news?sslmod=require", "unknown parameter sslmod", "Did you mean sslmode?"),
            ("host=db passwort=s3cret", "unknown parameter passwort", "Did you mean password?"),
            ("postgresql://me:s3cret@x@db/news", "more than one @", "%40"),
            ("postgresql://db/news?S3%26cret=1", "not a word", "%26"),
            ("postgresql://me:s3cret@db/news?sslmode=full", "sslmode=\"full\"", "verify-full"),
            ("postgresql://me:s3cret@db:54x/news", "port", "postgresql://USER"),
            ("postgresql://me:s3cret@db/news?target_session_attrs=standby", "of no use", "read-write"),
        ] {
            let failure = parse(&Secret::new(url.to_owned())).unwrap_err();
            assert_eq!(failure.kind(), Kind::Usage, "{url}");
            assert!(failure.to_string().contains(error), "{url}: {failure}");
            assert!(failure.hints().iter().any(|one| one.contains(hint)), "{url}: {:?}", failure.hints());
            assert!(!format!("{failure} {:?}", failure.hints()).contains("s3cret"), "{url}: {failure}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_text() {
        let failure = split(&Secret::new(String::from("postgresql://me:s3cret@db/news?nonsense=1"))).unwrap_err();
        assert_eq!(failure.kind(), Kind::Usage);
        assert!(!failure.to_string().contains("s3cret"), "{failure}");
    }
}
