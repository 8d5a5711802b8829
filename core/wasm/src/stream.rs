//! A comparison whose two sides arrive in pieces: only objects without a partner yet stay in memory.
//!
//! A side comes as records or as a JSON array, both cut anywhere. A record has 32 bytes, little-endian:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 to 8 | the object's id; of the end record, the number of records before it |
//! | 8 to 16 | 0: an object, 1: an unreadable one, 2: one without an id of ours, 3: what the target keeps in place of the row that comes next, 255: the end |
//! | 16 to 32 | the fingerprint |
//!
//! A side without its end record is cut, whatever HTTP says.

use news_core::diff::{Difference, Join};
use news_core::fingerprint::Fingerprint;
use news_core::wire::Element;
use news_core::{Entity, Key};
use serde::Serialize;

use crate::split::Splitter;

/// The length of a record.
pub const RECORD_BYTES: usize = 32;

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The master's rows, in id order.
    Rows = 1,
    /// The target's listing, in any order.
    Listing = 2,
}

/// How a side's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Records.
    Records,
    /// A JSON array.
    Json,
}

/// Which side the comparison wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Neither: both have ended.
    Nothing = 0,
    /// Rows.
    Rows = 1,
    /// The listing.
    Listing = 2,
    /// Nothing any more: [`Comparison::done`] says what was wrong.
    Fault = 3,
}

/// A comparison at work.
#[derive(Debug)]
pub struct Comparison {
    taken: Taken,
    rows: Input,
    listing: Input,
    fault: Option<String>,
}

/// What was taken of both sides.
#[derive(Debug)]
struct Taken {
    entity: Entity,
    join: Join,
    row_last: Option<Key>,
    /// The highest id of the listing so far.
    listed_max: i64,
}

/// What is left of a side's bytes until the next ones arrive.
#[derive(Debug, Default)]
struct Input {
    form: Option<Form>,
    record: Vec<u8>,
    records: u64,
    json: Splitter,
    has_ended: bool,
}

#[derive(Serialize)]
struct Done {
    counts: CountsOut,
    differences: Vec<(String, &'static str)>,
    more: usize,
}

#[derive(Serialize)]
struct CountsOut {
    local: u64,
    target: u64,
    equal: u64,
    altered: u64,
    nameless: u64,
    copies: u64,
}

impl Comparison {
    /// Starts a comparison of one entity.
    pub fn new(entity: Entity) -> Self {
        let taken = Taken { entity, join: Join::new(entity), row_last: None, listed_max: 0 };
        Self { taken, rows: Input::default(), listing: Input::default(), fault: None }
    }

    /// Takes the next bytes of a side; none: the side has ended.
    pub fn push(&mut self, side: Side, form: Form, bytes: &[u8]) -> Wants {
        if self.fault.is_none() {
            let input = match side {
                Side::Rows => &mut self.rows,
                Side::Listing => &mut self.listing,
            };
            let what = match side {
                Side::Rows => "the master's rows",
                Side::Listing => "the target's listing",
            };
            if let Err(why) = input.take(&mut self.taken, side, form, bytes) {
                self.fault = Some(format!("{what}: {why}"));
            }
        }
        self.wants()
    }

    /// Notes a call that was not as described.
    pub fn refuse(&mut self, why: &str) -> Wants {
        self.fault.get_or_insert_with(|| why.to_owned());
        Wants::Fault
    }

    /// Says which side keeps what has to be remembered small, if it comes next.
    fn wants(&self) -> Wants {
        match (&self.fault, self.rows.has_ended, self.listing.has_ended) {
            (Some(_), _, _) => Wants::Fault,
            (None, true, true) => Wants::Nothing,
            (None, false, true) => Wants::Rows,
            (None, false, false) if self.taken.join.wants_local(self.taken.listed_max) => Wants::Rows,
            (None, true | false, false) => Wants::Listing,
        }
    }

    /// Ends the comparison and returns its result as JSON, with the first `limit` differences by key.
    ///
    /// `{"counts": {"local": 2, "target": 2, "equal": 1, "altered": 0, "nameless": 0, "copies": 0}, "differences": [["posts/5", "different"]], "more": 0}`,
    /// or `{"error": "…"}` after a fault, and where a side has not ended.
    pub fn done(self, limit: usize) -> String {
        crate::calls::answer(self.try_done(limit))
    }

    fn try_done(self, limit: usize) -> Result<Done, String> {
        match self.wants() {
            Wants::Nothing => {}
            Wants::Rows => return Err(String::from("the master's rows have not ended")),
            Wants::Listing => return Err(String::from("the target's listing has not ended")),
            Wants::Fault => return Err(self.fault.unwrap_or_default()),
        }
        let (differences, counts) = self.taken.join.finish();
        let pair = |difference: &Difference| (difference.key.to_string(), difference.kind.word());
        let listed: Vec<_> = differences.iter().take(limit).map(pair).collect();
        let more = differences.len() - listed.len();
        let news_core::diff::Counts { local, target, equal, altered, nameless, copies } = counts;
        let counts = CountsOut { local, target, equal, altered, nameless, copies };
        Ok(Done { counts, differences: listed, more })
    }
}

impl Input {
    fn take(&mut self, taken: &mut Taken, side: Side, form: Form, bytes: &[u8]) -> Result<(), String> {
        if *self.form.get_or_insert(form) != form {
            return Err(String::from("records and JSON cannot be mixed"));
        }
        match form {
            Form::Json if bytes.is_empty() => {
                self.json.end()?;
                self.end(taken, side);
                Ok(())
            }
            Form::Json if self.has_ended => Err(String::from("the side has ended")),
            Form::Json => self.json.push(bytes, |json| taken.element(side, json)),
            Form::Records if bytes.is_empty() && self.has_ended => Ok(()),
            Form::Records if bytes.is_empty() => {
                Err(format!("there is no end record: the side was cut after {} records", self.records))
            }
            Form::Records => self.records(taken, side, bytes),
        }
    }

    fn end(&mut self, taken: &mut Taken, side: Side) {
        self.has_ended = true;
        match side {
            Side::Rows => taken.join.end_rows(),
            Side::Listing => {}
        }
    }

    fn records(&mut self, taken: &mut Taken, side: Side, mut bytes: &[u8]) -> Result<(), String> {
        if !self.record.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(RECORD_BYTES - self.record.len()));
            self.record.extend_from_slice(head);
            bytes = rest;
            if let Ok(record) = <[u8; RECORD_BYTES]>::try_from(self.record.as_slice()) {
                self.record(taken, side, &record)?;
                self.record.clear();
            }
        }
        let (records, part) = bytes.as_chunks::<RECORD_BYTES>();
        for record in records {
            self.record(taken, side, record)?;
        }
        self.record.extend_from_slice(part);
        Ok(())
    }

    fn record(&mut self, taken: &mut Taken, side: Side, record: &[u8; RECORD_BYTES]) -> Result<(), String> {
        let (id, what, print) = parts(record);
        if self.has_ended {
            return Err(String::from("a record comes after the end record"));
        }
        match what {
            255 if u64::try_from(id) == Ok(self.records) => {
                self.end(taken, side);
                return Ok(());
            }
            255 => return Err(format!("the end record says {id} records, and {} came", self.records)),
            0 => taken.print(side, id, Some(print))?,
            1 if side == Side::Listing => taken.print(side, id, None)?,
            2 if side == Side::Listing => taken.join.listed(None, || None),
            3 if side == Side::Rows => taken.kept(id, print)?,
            what => return Err(format!("record {} has the unknown kind {what}", self.records + 1)),
        }
        self.records += 1;
        Ok(())
    }
}

/// Returns the id, the kind and the fingerprint of a record.
fn parts(record: &[u8; RECORD_BYTES]) -> (i64, u64, Fingerprint) {
    let (mut id, mut kind, mut print) = ([0; 8], [0; 8], [0; 16]);
    id.copy_from_slice(&record[..8]);
    kind.copy_from_slice(&record[8..16]);
    print.copy_from_slice(&record[16..]);
    (i64::from_le_bytes(id), u64::from_le_bytes(kind), Fingerprint(u128::from_le_bytes(print)))
}

impl Taken {
    fn print(&mut self, side: Side, id: i64, print: Option<Fingerprint>) -> Result<(), String> {
        let key = self.entity.key(id).map_err(|_| format!("{id} is not an id"))?;
        match (side, print) {
            (Side::Rows, Some(print)) => self.row(key, print),
            (Side::Rows, None) => Err(format!("row {key} cannot be read")),
            (Side::Listing, print) => {
                self.listed_max = self.listed_max.max(id);
                self.join.listed(Some(key), || print);
                Ok(())
            }
        }
    }

    fn kept(&mut self, id: i64, print: Fingerprint) -> Result<(), String> {
        let key = self.entity.key(id).map_err(|_| format!("{id} is not an id"))?;
        self.join.keeps(key, print);
        Ok(())
    }

    fn element(&mut self, side: Side, json: &[u8]) -> Result<(), String> {
        match side {
            Side::Rows => {
                let object = crate::calls::row_of(self.entity, json)?;
                self.row(object.key(), Fingerprint::of(&object))
            }
            Side::Listing => {
                let element = Element::from_json(self.entity, json).map_err(|error| error.to_string())?;
                self.listed_max = self.listed_max.max(element.key().map_or(0, Key::id));
                self.join.target(&element);
                Ok(())
            }
        }
    }

    fn row(&mut self, key: Key, print: Fingerprint) -> Result<(), String> {
        if let Some(last) = self.row_last.filter(|last| *last >= key) {
            return Err(format!("{last} does not come before {key}"));
        }
        self.row_last = Some(key);
        self.join.row(key, print);
        Ok(())
    }
}
