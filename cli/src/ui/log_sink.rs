//! The log's sink: lines on stderr, as text, as JSON, or with priorities for the journal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use news_core::chars::misleads;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::LogFormat;

/// A log line ends here, in bytes: what a target sends back may be long.
const LINE_BYTES_MAX: usize = 8 * 1024;

struct Sink {
    format: LogFormat,
    /// Under systemd's journal a line starts with its priority (sd-daemon(3)).
    journal: bool,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Installs the sink; a second call changes nothing.
pub fn install(level: LevelFilter, format: LogFormat) {
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_stderr(&stream));
    let sink = SINK.get_or_init(|| Sink { format, journal });
    if log::set_logger(sink).is_ok() {
        log::set_max_level(level);
    }
}

/// Says whether stderr is the stream `DEVICE:INODE` (systemd.exec(5), JOURNAL_STREAM): the variable is inherited also
/// where stderr has become a file or a pipe since.
fn is_stderr(stream: &str) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Returns `text` as the journal wants it where stderr is one: each line with its priority.
pub fn with_priority(level: Level, text: &str) -> Cow<'_, str> {
    if !SINK.get().is_some_and(|sink| sink.journal) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.lines().map(|line| format!("{}{line}", priority(level))).collect();
    Cow::Owned(lines.join("\n"))
}

/// Says whether log lines are JSON.
pub fn is_json() -> bool {
    SINK.get().is_some_and(|sink| sink.format == LogFormat::Json)
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The crates below us have much to say that no operator asked for.
        metadata.target().starts_with("news") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = match self.format {
            LogFormat::Text => text(record),
            LogFormat::Json => json(record),
        };
        if line.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX).rev().find(|&i| line.is_char_boundary(i)).unwrap_or(0);
            line.truncate(end);
        }
        super::line(&with_priority(record.level(), &line));
    }

    fn flush(&self) {}
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Appends ` key=value`.
struct TextPairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        // A text is borrowed; anything else is written first.
        let text = value.to_borrowed_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
        let _ = write!(self.0, " {key}={}", shown(&text));
        Ok(())
    }
}

/// Inserts a member; numbers stay numbers.
struct JsonPairs<'a>(&'a mut serde_json::Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let json = value
            .to_i64()
            .map(serde_json::Value::from)
            .or_else(|| value.to_f64().map(serde_json::Value::from))
            .unwrap_or_else(|| value.to_string().into());
        self.0.insert(key.to_string(), json);
        Ok(())
    }
}

fn text(record: &Record<'_>) -> String {
    let mut line = match record.level() {
        Level::Error => String::from("error: "),
        Level::Warn => String::from("warning: "),
        Level::Info => String::new(),
        Level::Debug | Level::Trace => String::from("debug: "),
    };
    match record.args().as_str() {
        Some(message) => line.push_str(&shown(message)),
        None => line.push_str(&shown(&record.args().to_string())),
    }
    let _ = record.key_values().visit(&mut TextPairs(&mut line));
    line
}

fn json(record: &Record<'_>) -> String {
    let mut object = serde_json::Map::new();
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    object.insert("time".into(), now.into());
    object.insert("level".into(), record.level().as_str().to_ascii_lowercase().into());
    object.insert("message".into(), record.args().to_string().into());
    let _ = record.key_values().visit(&mut JsonPairs(&mut object));
    crate::json::line(&object)
}

/// Returns `text` with an escape for each character that misleads, so that what a stranger sent
/// stays one line, and is what it seems to be.
pub fn printable(text: &str) -> String {
    shown(text).into_owned()
}

/// The same, without a copy where there is nothing to escape.
fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(misleads) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if misleads(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}
