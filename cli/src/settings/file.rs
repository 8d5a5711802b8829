//! `news.toml`: where it is looked for, and what it says, with the line of each value.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, Shape};
use super::variable;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::files;
use crate::nearest::nearest;
use crate::profile::kind;

/// For all users of the machine.
const SYSTEM: &str = "/etc/news/news.toml";
/// A file larger than this is no configuration, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// A file with a secret in it may not be written by its group, nor read by others: 0640 is root's for a service.
const OPEN_BITS: u32 = 0o027;

/// A file that was read.
#[derive(Debug, Default)]
pub struct File {
    /// Where it is; nothing where there is none.
    pub path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// A value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As a flag would have it; several for a list.
    pub texts: Vec<String>,
    /// Where it stands.
    pub line: usize,
}

impl File {
    /// Reads the file that `named`, or else NEWS_CONFIG names; else the first that is there of
    /// the user's and the machine's. There need not be one.
    ///
    /// Fails with [`Kind::Usage`] where it cannot be read, or says what nobody understands.
    pub fn find(named: Option<&Path>) -> Result<Option<Self>> {
        if let Some(path) = named {
            return Self::read(path).map(Some);
        }
        if let Some(path) = variable("NEWS_CONFIG")? {
            return Self::read(Path::new(&path)).map(Some);
        }
        for (path, closed_is_absent) in user_file().map(|path| (path, true)).into_iter().chain([(SYSTEM.into(), false)])
        {
            match fs::metadata(&path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                // HOME may be somebody else's: under sudo, or for a service that is kept out of homes.
                Err(error) if closed_is_absent && error.kind() == io::ErrorKind::PermissionDenied => {}
                // One that is there and cannot be read is an error: without it another database may be meant.
                Ok(_) | Err(_) => return Self::read(&path).map(Some),
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Self> {
        let context = || format!("cannot read {}", path.display());
        let metadata = fs::metadata(path).or_fail(Kind::Usage, context())?;
        let Some(text) = files::read_small(path, BYTES_MAX).or_fail(Kind::Usage, context())? else {
            return Err(Failure::new(Kind::Usage, format!("{} is too large for a configuration", path.display())));
        };
        let path = std::path::absolute(path).or_fail(Kind::Usage, context())?;
        let file = Self { entries: parse(&path, &text)?, path };
        file.refuse_open_secrets(metadata.permissions().mode())?;
        Ok(file)
    }

    /// Returns what it says of `name`.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    fn refuse_open_secrets(&self, mode: u32) -> Result<()> {
        if mode & OPEN_BITS == 0 {
            return Ok(());
        }
        for key in KEYS.iter().filter(|key| key.is_secret()) {
            let Some(entry) = self.get(key.name) else { continue };
            // The one that is a secret only if it holds one.
            if key.name == "database_url" && !entry.texts.iter().any(|url| may_hold_password(url)) {
                continue;
            }
            let (path, line, name) = (self.path.display(), entry.line, key.name);
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{path}:{line}: {name} is a secret, and others may read or change this file (mode {:04o})",
                    mode & 0o7777
                ),
            )
            .hint(format!("chmod 600 {path}"))
            .hint(format!("or keep it in a file of its own, and name that: {name}_file = \"…\"")));
        }
        Ok(())
    }
}

fn may_hold_password(url: &str) -> bool {
    let credentials = url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    credentials.is_some_and(|(credentials, _)| credentials.contains(':')) || url.contains("password")
}

/// `news/news.toml` in the XDG folder of configurations.
fn user_file() -> Option<PathBuf> {
    let xdg = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = xdg.or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config")))?;
    Some(folder.join("news/news.toml"))
}

/// Reads the text of the file at `path`.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Entry>> {
    let reading = FileReading { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let line = reading.line(error.span().map_or(0, |span| span.start));
        Failure::new(Kind::Usage, format!("{}:{line}: {}", path.display(), error.message().replace('\n', ", ")))
            .hint("a value is written NAME = \"TEXT\", NAME = 5 or NAME = true")
    })?;
    let mut entries = BTreeMap::new();
    for (name, value) in table.into_inner() {
        let name: Spanned<String> = Spanned::new(name.span(), name.into_inner().into_owned());
        match value.get_ref() {
            DeValue::Table(inner) if is_table(name.get_ref()) => {
                for (inner_name, value) in inner {
                    let full = format!("{}.{}", name.get_ref(), inner_name.get_ref());
                    reading.add(&mut entries, full, inner_name.span().start, value)?;
                }
            }
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                let at = name.span().start;
                reading.add(&mut entries, name.into_inner(), at, &value)?;
            }
        }
    }
    Ok(entries)
}

fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(table, _)| table == name))
}

struct FileReading<'a> {
    path: &'a Path,
    text: &'a str,
}

impl FileReading<'_> {
    fn line(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or(self.text).matches('\n').count()
    }

    fn failure(&self, at: usize, what: &str) -> Failure {
        Failure::new(Kind::Usage, format!("{}:{}: {what}", self.path.display(), self.line(at)))
    }

    fn add(
        &self,
        entries: &mut BTreeMap<String, Entry>,
        name: String,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let shape = self.shape(&name, at)?;
        let mut texts = texts(shape, value.get_ref()).ok_or_else(|| {
            self.failure(
                value.span().start,
                &format!("{name}: expected {}, found {}", wanted(shape), kind(value.get_ref())),
            )
        })?;
        if shape == Shape::Path {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            for text in &mut texts {
                *text = folder.join(&*text).display().to_string();
            }
        }
        if texts.iter().any(String::is_empty) {
            return Err(self.failure(value.span().start, &format!("{name} is empty")).hint("Remove the line."));
        }
        entries.insert(name, Entry { texts, line: self.line(at) });
        Ok(())
    }

    /// Returns the shape of a known name.
    fn shape(&self, name: &str, at: usize) -> Result<Shape> {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            return Ok(key.shape);
        }
        let secret = |key: &&Key| key.is_secret() && name.strip_suffix("_file") == Some(key.name);
        if KEYS.iter().any(|key| secret(&key)) {
            return Ok(Shape::Path);
        }
        let failure = self.failure(at, &format!("unknown setting {name}"));
        let names: Vec<String> = KEYS
            .iter()
            .flat_map(|key| [Some(key.name.to_owned()), key.is_secret().then(|| format!("{}_file", key.name))])
            .flatten()
            .collect();
        // `listen` alone may be meant to be in a table.
        let in_table = KEYS.iter().find(|key| key.name.split_once('.').is_some_and(|(_, inner)| inner == name));
        let near = in_table.map(|key| key.name).or_else(|| nearest(name, names.iter().map(String::as_str)));
        Err(match near.map(|near| near.split_once('.').ok_or(near)) {
            Some(Ok((table, inner))) => failure.hint(format!("Did you mean {inner} in the table [{table}]?")),
            Some(Err(near)) => failure.hint(format!("Did you mean {near}?")),
            None => failure.hint("Run `news config`: it lists the settings."),
        })
    }
}

/// Returns a value as a flag would have it; nothing where it is of another type.
fn texts(shape: Shape, value: &DeValue<'_>) -> Option<Vec<String>> {
    let one = |text: String| Some(vec![text]);
    match (shape, value) {
        (Shape::Text | Shape::Path | Shape::Time | Shape::List, DeValue::String(text)) => one(text.to_string()),
        (Shape::Integer | Shape::Number, DeValue::Integer(number)) => {
            i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                .ok()
                .map(|number| vec![number.to_string()])
        }
        (Shape::Number, DeValue::Float(number)) => one(number.as_str().replace('_', "")),
        (Shape::Boolean, DeValue::Boolean(value)) => one(value.to_string()),
        (Shape::List, DeValue::Array(values)) => {
            values.iter().map(|value| value.get_ref().as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

fn wanted(shape: Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Path => "a string",
        Shape::Time => "a time with a unit, such as \"15m\"",
        Shape::Integer => "an integer",
        Shape::Number => "a number",
        Shape::Boolean => "true or false",
        Shape::List => "a string or a list of strings",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_their_lines() {
        let text = "# ours\ntarget_url = \"http://t\"\n\n[serve]\nworkers = 1_6\ncors_origin = [\"https://a\", \"https://b\"]\n\
                    grace = \"5s\"\n[sync]\nrate = 2.5\nmetrics_file = \"m.prom\"\n";
        let entries = parse(Path::new("/etc/news/news.toml"), text).unwrap();
        for (name, texts, line) in [
            ("target_url", &["http://t"][..], 2),
            ("serve.workers", &["16"], 5),
            ("serve.cors_origin", &["https://a", "https://b"], 6),
            ("serve.grace", &["5s"], 7),
            ("sync.rate", &["2.5"], 9),
            ("sync.metrics_file", &["/etc/news/m.prom"], 10),
        ] {
            let entry = &entries[name];
            assert_eq!(
                (entry.texts.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), entry.line),
                (texts, line),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_the_nearest_name() {
        for (text, error, hint) in [
            ("\ndatabse_url = \"x\"", "/n.toml:2: unknown setting databse_url", "Did you mean database_url?"),
            (
                "[serve]\nlissen = \"x\"",
                "/n.toml:2: unknown setting serve.lissen",
                "Did you mean listen in the table [serve]?",
            ),
            ("[srve]\nlisten = \"x\"", "/n.toml:1: unknown setting srve", ""),
            ("listen = \"x\"", "/n.toml:1: unknown setting listen", "Did you mean listen in the table [serve]?"),
            ("jwt_secret_fil = \"x\"", "/n.toml:1: unknown setting jwt_secret_fil", "jwt_secret_file"),
            ("[serve]\nworkers = \"8\"", "/n.toml:2: serve.workers: expected an integer, found a string", ""),
            ("target_url = 5", "/n.toml:1: target_url: expected a string, found an integer", ""),
            (
                "[serve]\ntrust_proxy = \"yes\"",
                "/n.toml:2: serve.trust_proxy: expected true or false, found a string",
                "",
            ),
            ("serve = 5", "/n.toml:1: unknown setting serve", ""),
            (
                "[serve]\ngrace = 5",
                "/n.toml:2: serve.grace: expected a time with a unit, such as \"15m\", found an integer",
                "",
            ),
            ("target_url = \"\"", "/n.toml:1: target_url is empty", ""),
            ("a = ", "/n.toml:1: ", "NAME = "),
            ("target_url = \"a\"\ntarget_url = \"b\"", "/n.toml:2: ", ""),
        ] {
            let failure = parse(Path::new("/n.toml"), text).unwrap_err();
            assert!(failure.to_string().starts_with(error), "{text:?}: {failure}");
            assert!(failure.hints().join(" ").contains(hint), "{text:?}: {:?}", failure.hints());
        }
    }
}
