//! All rows of an entity in id order, as a comparison wants them: the key, and the fields in
//! the form that fingerprints take. Read by binary COPY, never made into objects.

use std::io::BufRead;

use news_core::Key;
use news_core::fingerprint::{self, Fingerprint};
use news_core::kept::Kept;
use news_core::profile::{Dialect, NOT_CARRIED};
use postgres::{CopyOutReader, Transaction};

use crate::error::{Failure, Kind, OrFail, Result};
use crate::store::kept::{self, Entries};
use crate::store::objects;

/// Begins every binary COPY (PostgreSQL, "COPY", File Formats); flags and an extension follow.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Flags and the length of the extension.
const HEAD_BYTES: usize = SIGNATURE.len() + 8;

/// Stands for NULL in the form that fingerprints take: shorter than a number, and than the length of a text.
const NULL: &[u8] = b"NULL";

/// A stream of rows.
pub struct Prints<'a> {
    dialect: &'static Dialect,
    rows: CopyOutReader<'a>,
    /// The start of a row whose rest is still to come.
    part: Vec<u8>,
    is_open: bool,
    /// Of the row that was returned last.
    row: Row,
}

/// What is kept of a row.
#[derive(Debug, Default)]
struct Row {
    fields: Vec<u8>,
    sent: Option<Fingerprint>,
    kept: Option<Fingerprint>,
}

/// What the bytes at hand come to.
enum Parsed {
    /// A row, and how long it is.
    Row(Key, usize),
    /// No row comes after.
    End,
    /// More bytes are needed.
    Incomplete,
}

impl<'a> Prints<'a> {
    /// Starts the stream, with what the target keeps in place of rows, if there are `entries` of that. Fields that the target of
    /// this dialect does not have are as in [`Dialect::carried`].
    pub fn open(transaction: &'a mut Transaction<'_>, dialect: &'static Dialect, entries: Entries) -> Result<Self> {
        let entity = dialect.entity;
        let select = match entries {
            Entries::None => objects::select(entity),
            Entries::Some => objects::select_with_kept(entity),
        };
        let rows = transaction.copy_out(&format!("COPY ({select} ORDER BY id) TO STDOUT (FORMAT binary)"))?;
        Ok(Self { dialect, rows, part: Vec::new(), is_open: false, row: Row::default() })
    }

    /// Returns the fields of the row that came last, as [`Fingerprint::of_written`] takes them.
    pub fn fields(&self) -> &[u8] {
        &self.row.fields
    }

    /// Returns the fingerprint of the row that came last.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_written(&self.row.fields)
    }

    /// Returns what is recorded of the row that came last: what the target keeps in place of a row.
    pub fn kept(&self) -> Option<Kept> {
        Some(Kept { sent: self.row.sent?, kept: self.row.kept? })
    }

    /// Moves to the next row. Returns its key.
    pub fn next(&mut self) -> Result<Option<Key>> {
        loop {
            let bytes = self.rows.fill_buf().or_fail(Kind::Database, "cannot read the rows")?;
            if bytes.is_empty() {
                return Err(Failure::new(Kind::Database, "the rows end in the middle"));
            }
            let came = bytes.len();
            if self.part.is_empty() && self.is_open {
                // The server sends a row a message: this is the way that they take.
                match parse(self.dialect, bytes, &mut self.row)? {
                    Parsed::Row(key, used) => {
                        self.rows.consume(used);
                        return Ok(Some(key));
                    }
                    Parsed::End => {
                        self.rows.consume(came);
                        return Ok(None);
                    }
                    Parsed::Incomplete => {}
                }
            }
            self.part.extend_from_slice(bytes);
            self.rows.consume(came);
            if !self.is_open {
                let Some(head) = head(&self.part)? else { continue };
                self.part.drain(..head);
                self.is_open = true;
            }
            match parse(self.dialect, &self.part, &mut self.row)? {
                Parsed::Row(key, used) => {
                    self.part.drain(..used);
                    return Ok(Some(key));
                }
                Parsed::End => return Ok(None),
                Parsed::Incomplete => {}
            }
        }
    }
}

/// Returns the length of what stands in front of the first row.
fn head(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = bytes.get(..HEAD_BYTES) else { return Ok(None) };
    let mut at = HEAD_BYTES - 4;
    if !head.starts_with(SIGNATURE) {
        return Err(odd());
    }
    let extension = usize::try_from(take(bytes, &mut at).map_or(0, i32::from_be_bytes)).map_err(|_| odd())?;
    let whole = HEAD_BYTES + extension;
    Ok((bytes.len() >= whole).then_some(whole))
}

fn odd() -> Failure {
    Failure::new(Kind::Database, "the server's binary COPY is not what it should be")
}

fn take<const N: usize>(bytes: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let taken = bytes.get(*at..*at + N)?.try_into().ok()?;
    *at += N;
    Some(taken)
}

/// Reads a row: id, a number, then texts, as [`objects::select`] has them; then two fingerprints, if there are any.
fn parse(dialect: &Dialect, bytes: &[u8], row: &mut Row) -> Result<Parsed> {
    let entity = dialect.entity;
    let mut at = 0;
    let Row { fields: written, sent, kept } = row;
    written.clear();
    (*sent, *kept) = (None, None);
    let texts_end = 2 + entity.shape().texts.len();
    let Some(fields) = take(bytes, &mut at).map(i16::from_be_bytes) else { return Ok(Parsed::Incomplete) };
    if fields == -1 {
        return Ok(Parsed::End);
    }
    let mut key = None;
    for field in 0..fields {
        let Some(length) = take(bytes, &mut at).map(i32::from_be_bytes) else { return Ok(Parsed::Incomplete) };
        let column = usize::try_from(field).map_err(|_| odd())?;
        if length == -1 && column >= texts_end {
            continue;
        }
        if length == -1 && column > 0 {
            // The owner has let a column be NULL: this row is equal to no object, and the others are compared.
            written.extend_from_slice(NULL);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| odd())?;
        let Some(value) = bytes.get(at..at + length) else { return Ok(Parsed::Incomplete) };
        at += length;
        let (no_number, no_text) = NOT_CARRIED;
        match column {
            0 => key = Some(entity.key(number(value)?).or_fail(Kind::Database, "a row of ours")?),
            1 if !dialect.number.is_carried() => fingerprint::write_number(no_number, written),
            1 => fingerprint::write_number(number(value)?, written),
            text if text < texts_end && !dialect.texts[text - 2].is_carried() => {
                fingerprint::write_text(no_text.as_bytes(), written);
            }
            // UTF-8, as every connection of ours says: to be compared, it need not be looked at.
            text if text < texts_end => fingerprint::write_text(value, written),
            print if print == texts_end => *sent = Some(kept::print(value)?),
            _ => *kept = Some(kept::print(value)?),
        }
    }
    let key = key.ok_or_else(odd)?;
    Ok(Parsed::Row(key, at))
}

fn number(value: &[u8]) -> Result<i64> {
    value.try_into().map(i64::from_be_bytes).map_err(|_| odd())
}

#[cfg(test)]
mod tests {
    use news_core::Entity;
    use news_core::profile::{Field, JSON_SERVER};
    use news_core::wire::Element;

    use super::*;

    fn row() -> Vec<u8> {
        let mut row = 4i16.to_be_bytes().to_vec();
        for value in [&7i64.to_be_bytes()[..], &3i64.to_be_bytes(), "déjà".as_bytes(), b""] {
            row.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            row.extend(value);
        }
        row
    }

    #[test]
    fn a_row_is_hashed_as_its_element_is() {
        let row = row();
        let mut read = Row::default();
        let Parsed::Row(key, used) = parse(&JSON_SERVER.posts, &row, &mut read).unwrap() else { panic!("no row") };
        let element =
            Element::from_json(Entity::Post, r#"{"id":7,"userId":3,"title":"déjà","body":""}"#.as_bytes()).unwrap();
        let print = Fingerprint::of_written(&read.fields);
        assert_eq!((Some(key), Some(print), used), (element.key(), element.fingerprint(), row.len()));
    }

    #[test]
    fn a_row_with_null_is_equal_to_no_object() {
        let mut null = row();
        let empty_body = null.len() - 4;
        null[empty_body..].copy_from_slice(&(-1i32).to_be_bytes());
        let (mut with_null, mut others) = (Row::default(), Row::default());
        assert!(
            matches!(parse(&JSON_SERVER.posts, &null, &mut with_null).unwrap(), Parsed::Row(_, used) if used == null.len())
        );
        parse(&JSON_SERVER.posts, &row(), &mut others).unwrap();
        assert_ne!(with_null.fields, others.fields);
    }

    #[test]
    fn a_row_may_have_what_the_target_keeps_in_its_place() {
        let mut joined = row();
        joined[..2].copy_from_slice(&6i16.to_be_bytes());
        let nothing = [joined.clone(), (-1i32).to_be_bytes().repeat(2)].concat();
        let mut read = Row::default();
        parse(&JSON_SERVER.posts, &nothing, &mut read).unwrap();
        assert_eq!((read.sent, read.kept), (None, None));
        for print in [1u128, 2] {
            joined.extend(16i32.to_be_bytes());
            joined.extend(print.to_le_bytes());
        }
        let mut altered = Row::default();
        parse(&JSON_SERVER.posts, &joined, &mut altered).unwrap();
        assert_eq!((altered.sent, altered.kept), (Some(Fingerprint(1)), Some(Fingerprint(2))));
        assert_eq!(altered.fields, read.fields);
    }

    #[test]
    fn what_the_target_does_not_have_is_the_same_on_both_sides() {
        let mut profile = JSON_SERVER.clone();
        (profile.posts.number, profile.posts.texts[0]) = (Field::NONE, Field::NONE);
        let mut read = Row::default();
        parse(&profile.posts, &row(), &mut read).unwrap();
        let json = br#"{"id":7,"userId":9,"title":"another","body":""}"#;
        let element = Element::read(&profile, Entity::Post, json).unwrap();
        assert_eq!(element.fingerprint(), Some(Fingerprint::of_written(&read.fields)));
        let whole = Element::from_json(Entity::Post, json).unwrap().into_object().unwrap();
        assert_eq!(Fingerprint::of(&profile.posts.carried(whole)), Fingerprint::of_written(&read.fields));
    }

    #[test]
    fn a_row_in_pieces_waits_for_its_rest_and_nonsense_is_refused() {
        let row = row();
        let parse = |bytes: &[u8]| parse(&JSON_SERVER.posts, bytes, &mut Row::default());
        for end in 0..row.len() {
            assert!(matches!(parse(&row[..end]), Ok(Parsed::Incomplete)), "{end}");
        }
        assert!(matches!(parse(&(-1i16).to_be_bytes()), Ok(Parsed::End)));
        let mut null_id = row.clone();
        null_id[2..6].copy_from_slice(&(-1i32).to_be_bytes());
        assert_eq!(parse(&null_id).map(|_| ()).unwrap_err().kind(), Kind::Database);
        assert!(head(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0").unwrap().is_none());
        assert_eq!(head(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap(), Some(19));
        assert!(head(&[0; 30]).is_err());
    }
}
