//! A TOML table that is read to its last word: what nobody asks for is an error, and each error has its place.

use std::collections::BTreeMap;

use news_core::profile::Constant;
use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

use crate::error::{Failure, Kind, Result};
use crate::nearest::nearest;

/// A file.
#[derive(Clone, Copy)]
pub struct ProfileSource<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
}

impl<'a> ProfileSource<'a> {
    /// Reads it as TOML. Returns with it a fingerprint of what it says: 8 hexadecimal digits.
    pub fn table(self) -> Result<(ProfileTable<'a>, String)> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.wrong(error.span().map_or(0, |span| span.start), error.message()))?;
        let table = table.into_inner();
        let mut hasher = Sha256::new();
        says(&table, &mut hasher);
        let hash = hasher.finalize();
        let print = hash.iter().take(4).fold(String::new(), |print, byte| format!("{print}{byte:02x}"));
        Ok((ProfileTable::new(self, String::new(), 0, table), print))
    }

    /// Returns that something is wrong at a byte of the text.
    pub fn wrong(self, at: usize, what: &str) -> Failure {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        Failure::new(Kind::Usage, format!("{}:{line}:{column}: {}", self.name, what.replace('\n', ", ")))
    }
}

/// Takes what a table says into a hash, in the order of its names.
fn says(table: &DeTable<'_>, hasher: &mut Sha256) {
    let members: BTreeMap<&str, &DeValue<'_>> =
        table.iter().map(|(name, value)| (name.get_ref().as_ref(), value.get_ref())).collect();
    for (name, value) in members {
        hasher.update(format!("{name:?}="));
        value_says(value, hasher);
    }
    hasher.update(";");
}

fn value_says(value: &DeValue<'_>, hasher: &mut Sha256) {
    match value {
        DeValue::Table(table) => says(table, hasher),
        DeValue::Array(values) => values.iter().for_each(|value| value_says(value.get_ref(), hasher)),
        DeValue::String(text) => hasher.update(format!("{text:?}")),
        DeValue::Integer(number) => hasher.update(number.as_str()),
        DeValue::Float(number) => hasher.update(number.as_str()),
        DeValue::Boolean(value) => hasher.update(value.to_string()),
        DeValue::Datetime(value) => hasher.update(value.to_string()),
    }
    hasher.update(",");
}

/// A text, and where it stands.
#[derive(Clone)]
pub struct ProfileText<'a> {
    source: ProfileSource<'a>,
    at: usize,
    /// The word that it belongs to: `posts.list`.
    pub word: String,
    /// What it says.
    pub said: String,
}

impl ProfileText<'_> {
    /// Returns that the text cannot be.
    pub fn wrong(&self, what: &str) -> Failure {
        self.source.wrong(self.at, &format!("{}: {what}, found {:?}", self.word, self.said))
    }

    /// The same without repeating it.
    pub fn wrong_silently(&self, what: &str) -> Failure {
        self.source.wrong(self.at, &format!("{}: {what}", self.word))
    }

    /// Returns the text for the rest of the process, which reads one profile.
    pub fn keep(&self) -> &'static str {
        keep(&self.said)
    }

    /// Reads one of several words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let found = words.iter().find(|(word, _)| *word == self.said).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(&format!("expected {}", names.join(" or ")))
        })
    }

    /// Reads the name of a member.
    pub fn member(&self) -> Result<&'static str> {
        if self.said.is_empty() || self.said.contains('.') {
            return Err(self.wrong("expected the name of a member of the record itself"));
        }
        Ok(self.keep())
    }

    /// Reads a path of members that leads somewhere.
    pub fn members(&self) -> Result<&'static [&'static str]> {
        match self.path()? {
            [] => Err(self.wrong("expected the name of a member")),
            path => Ok(path),
        }
    }

    /// Reads the name of a parameter of a query.
    pub fn parameter(&self) -> Result<&'static str> {
        if self.said.is_empty() || self.said.contains(['&', '=', '?']) || !is_plain(&self.said) {
            return Err(self.wrong("expected the name of a parameter, as it stands in a URL"));
        }
        Ok(self.keep())
    }

    /// Reads a path below the base URL, with a query if need be.
    pub fn url_path(&self) -> Result<&'static str> {
        if self.said.starts_with('/') && is_plain(&self.said) {
            return Ok(self.keep());
        }
        Err(self.wrong("expected /PATH"))
    }

    /// Reads a path of members: `meta.total`. An empty one is none.
    pub fn path(&self) -> Result<&'static [&'static str]> {
        if self.said.is_empty() {
            return Ok(&[]);
        }
        if self.said.split('.').any(str::is_empty) {
            return Err(self.wrong("expected names with dots between them"));
        }
        Ok(self.said.split('.').map(keep).collect::<Vec<_>>().leak())
    }
}

/// Keeps a text for the rest of the process.
pub fn keep(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// Says whether a text can stand in a URL as it is.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}#\"<>\\^`|".contains(&byte))
}

/// A text or a table.
pub enum Either<'a> {
    /// A text.
    Text(ProfileText<'a>),
    /// A table.
    Table(ProfileTable<'a>),
    /// `false`.
    No,
}

/// A table whose words are taken one by one.
pub struct ProfileTable<'a> {
    source: ProfileSource<'a>,
    name: String,
    at: usize,
    members: BTreeMap<String, (usize, usize, DeValue<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> ProfileTable<'a> {
    fn new(source: ProfileSource<'a>, name: String, at: usize, table: DeTable<'a>) -> Self {
        let members = table.into_iter().map(|(name, value)| {
            let (name_at, value_at) = (name.span().start, value.span().start);
            (name.into_inner().into_owned(), (name_at, value_at, value.into_inner()))
        });
        Self { source, name, at, members: members.collect(), known: Vec::new() }
    }

    fn word(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    fn take(&mut self, name: &'static str) -> Option<(usize, DeValue<'a>)> {
        self.known.push(name);
        self.members.remove(name).map(|(_, at, value)| (at, value))
    }

    fn expected(&self, name: &str, at: usize, what: &str, value: &DeValue<'_>) -> Failure {
        self.source.wrong(at, &format!("{}: expected {what}, found {}", self.word(name), kind(value)))
    }

    /// Returns that the table cannot be as it is.
    pub fn wrong(&self, what: &str) -> Failure {
        self.source.wrong(self.at, what)
    }

    /// Takes a text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<ProfileText<'a>>> {
        match self.take(name) {
            None => Ok(None),
            Some((at, DeValue::String(text))) => {
                Ok(Some(ProfileText { source: self.source, at, word: self.word(name), said: text.into_owned() }))
            }
            Some((at, value)) => Err(self.expected(name, at, "a string", &value)),
        }
    }

    /// Takes a text, a table, or `false`.
    pub fn text_or_table(&mut self, name: &'static str) -> Result<Option<Either<'a>>> {
        let word = self.word(name);
        match self.take(name) {
            None => Ok(None),
            Some((at, DeValue::String(text))) => {
                Ok(Some(Either::Text(ProfileText { source: self.source, at, word, said: text.into_owned() })))
            }
            Some((at, DeValue::Table(table))) => {
                Ok(Some(Either::Table(ProfileTable::new(self.source, word, at, table))))
            }
            Some((_, DeValue::Boolean(false))) => Ok(Some(Either::No)),
            Some((at, value)) => Err(self.expected(name, at, "a string, a table or false", &value)),
        }
    }

    /// Takes all that is left, which has to be texts.
    pub fn texts(&mut self) -> Result<Vec<ProfileText<'a>>> {
        let members = std::mem::take(&mut self.members);
        let text = |(name, (_, at, value)): (String, (usize, usize, DeValue<'a>))| {
            let DeValue::String(text) = value else { return Err(self.expected(&name, at, "a string", &value)) };
            Ok(ProfileText { source: self.source, at, word: self.word(&name), said: text.into_owned() })
        };
        members.into_iter().map(text).collect()
    }

    /// Takes all that is left: names, and values that are texts, whole numbers, true or false.
    pub fn constants(&mut self) -> Result<&'static [(&'static str, Constant)]> {
        let members = std::mem::take(&mut self.members);
        let constant = |(name, (name_at, at, value)): (String, (usize, usize, DeValue<'a>))| {
            if name.is_empty() || name.contains('.') {
                let what = format!("{}: expected the name of a member of the record itself", self.word(&name));
                return Err(self.source.wrong(name_at, &what));
            }
            let what = "a string, an integer, true or false";
            let constant = match &value {
                DeValue::String(text) => Constant::Text(keep(text)),
                DeValue::Boolean(flag) => Constant::Flag(*flag),
                DeValue::Integer(_) => self.read_number(&name, at, &value).and_then(|number| {
                    i64::try_from(number).map(Constant::Number).map_err(|_| self.expected(&name, at, what, &value))
                })?,
                DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                    return Err(self.expected(&name, at, what, &value));
                }
            };
            Ok((keep(&name), constant))
        };
        let constants: Vec<(&'static str, Constant)> = members.into_iter().map(constant).collect::<Result<_>>()?;
        Ok(constants.leak())
    }

    /// Takes a text that has to be there.
    pub fn required(&mut self, name: &'static str) -> Result<ProfileText<'a>> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Returns that a word has to be there.
    pub fn missing(&self, name: &str) -> Failure {
        self.wrong(&format!("{} is missing", self.word(name)))
    }

    /// Takes a whole number of at least `min`.
    pub fn number(&mut self, name: &'static str, min: u64) -> Result<Option<u64>> {
        let Some((at, value)) = self.take(name) else { return Ok(None) };
        let number = self.read_number(name, at, &value)?;
        if number < min {
            let what = format!("{}: expected at least {min}, found {number}", self.word(name));
            return Err(self.source.wrong(at, &what));
        }
        Ok(Some(number))
    }

    fn read_number(&self, name: &str, at: usize, value: &DeValue<'_>) -> Result<u64> {
        let number = match value {
            DeValue::Integer(number) => u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok(),
            DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        number.ok_or_else(|| self.expected(name, at, "an integer", value))
    }

    /// Takes a list of numbers, each with its place.
    pub fn numbers(&mut self, name: &'static str) -> Result<Option<Vec<(usize, u64)>>> {
        match self.take(name) {
            None => Ok(None),
            Some((_, DeValue::Array(values))) => {
                let number = |value: &toml::Spanned<DeValue<'_>>| {
                    let at = value.span().start;
                    self.read_number(name, at, value.get_ref()).map(|number| (at, number))
                };
                values.iter().map(number).collect::<Result<_>>().map(Some)
            }
            Some((at, value)) => Err(self.expected(name, at, "a list of numbers", &value)),
        }
    }

    /// Returns that a value of such a list cannot be.
    pub fn wrong_at(&self, name: &str, at: usize, what: &str) -> Failure {
        self.source.wrong(at, &format!("{}: {what}", self.word(name)))
    }

    /// Takes a table.
    pub fn table(&mut self, name: &'static str) -> Result<Option<ProfileTable<'a>>> {
        let word = self.word(name);
        match self.take(name) {
            None => Ok(None),
            Some((at, DeValue::Table(table))) => Ok(Some(ProfileTable::new(self.source, word, at, table))),
            Some((at, value)) => Err(self.expected(name, at, "a table", &value)),
        }
    }

    /// Takes a table that has to be there.
    pub fn required_table(&mut self, name: &'static str) -> Result<ProfileTable<'a>> {
        self.table(name)?.ok_or_else(|| self.missing(name))
    }

    /// Fails where a word was not taken: nobody knows it, or it has no meaning beside the others.
    pub fn end(self) -> Result<()> {
        let Some((name, (at, ..))) = self.members.first_key_value() else { return Ok(()) };
        let failure = self.source.wrong(*at, &format!("unknown word {}", self.word(name)));
        Err(match nearest(name, self.known.iter().copied()) {
            Some(near) => failure.hint(format!("Do you mean {near}?")),
            None => failure.hint(format!("Known here are {}.", self.known.join(", "))),
        })
    }
}

/// Returns what a TOML value is, in words.
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
