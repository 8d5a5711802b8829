//! The first look: every row of one snapshot, and every element of the listing.

use news_core::Key;
use news_core::diff::{Join, Match};
use news_core::fingerprint::Fingerprint;
use news_core::kept::Kept;
use news_core::wire::Element;
use postgres::Transaction;

use super::{Altered, Comparison, FOUND_MAX, Sides, Suspicious, begin, move_on};
use crate::error::{Failure, Kind, Result};
use crate::listing::Extent;
use crate::source::{Ahead, Batch, Step};
use crate::store::fingerprints::Prints;
use crate::store::kept::{self, Entries};
use crate::store::log as change_log;
use crate::store::runs;

/// Elements as a join wants them.
#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    /// Their fields, one element's behind the other's.
    fields: Vec<u8>,
}

struct Line {
    key: Option<Key>,
    is_readable: bool,
    /// Where its fields end.
    end: usize,
}

impl Batch for Lines {
    fn add(&mut self, element: Element<'_>) {
        let is_readable = element.write_fields(&mut self.fields);
        self.lines.push(Line { key: element.key(), is_readable, end: self.fields.len() });
    }

    fn bytes(&self) -> usize {
        self.fields.len()
    }
}

/// Joins the rows of one snapshot with the listing, which another thread reads. Returns what
/// differs, too.
pub fn look(snapshot: &mut Transaction<'_>, sides: &Sides<'_>) -> Result<(Comparison, Suspicious)> {
    let clock = runs::clock(snapshot, sides.times)?;
    let entries = match sides.altered {
        Altered::Equal => kept::any(snapshot)?,
        Altered::Differs => Entries::None,
    };
    let mut comparison = Comparison { pending: change_log::pending(snapshot, &clock)?, ..Comparison::default() };
    let mut suspicious = Suspicious::new();
    let listing = Ahead::start(sides.source, sides.entities, sides.signals, Lines::default)?;
    for &entity in sides.entities {
        let reading = sides.ui.reading(entity.plural(), "objects");
        let mut extent = Extent::Unknown;
        let rows = Prints::open(snapshot, sides.source.profile().dialect(entity), entries)?;
        let mut local = Local { rows, has_ended: false, as_sent: &mut comparison.as_sent };
        let mut join = Join::new(entity);
        loop {
            match listing.step(sides.signals)? {
                Step::Begun(length) => extent = begin(&reading, length),
                Step::Batch(batch, progress) => {
                    local.join(&mut join, &batch)?;
                    if join.found() > FOUND_MAX {
                        let why = format!(
                            "{}: more than {FOUND_MAX} {entity} that are not here, or not as here",
                            sides.source.name()
                        );
                        return Err(Failure::new(Kind::Refused, why)
                            .hint("is this the right target, or a listing without end?"));
                    }
                    move_on(&reading, extent, progress);
                }
                Step::Ended | Step::Over => break,
            }
        }
        while let Some(key) = local.next(&mut join)? {
            local.row(&mut join, key);
        }
        let (differences, counts) = join.finish();
        suspicious.extend(differences.into_iter().map(|difference| (difference.key, difference.kind)));
        comparison.counts.insert(entity, counts);
        comparison.strangers.insert(entity, sides.source.strangers(entity));
    }
    Ok((comparison, suspicious))
}

/// The master's rows of one entity.
struct Local<'a> {
    rows: Prints<'a>,
    has_ended: bool,
    /// Objects that were altered, and are kept as they were sent by now.
    as_sent: &'a mut Vec<Key>,
}

impl Local<'_> {
    fn next(&mut self, join: &mut Join) -> Result<Option<Key>> {
        let next = if self.has_ended { None } else { self.rows.next()? };
        if next.is_none() {
            self.has_ended = true;
            join.end_rows();
        }
        Ok(next)
    }

    /// Takes a row that has no element at hand.
    fn row(&self, join: &mut Join, key: Key) {
        let here = self.rows.fingerprint();
        if let Some(kept) = self.rows.kept().and_then(|kept| kept.instead_of(here)) {
            join.keeps(key, kept);
        }
        join.row(key, here);
    }

    /// Takes elements, and the rows up to theirs. Where a row and its element meet their fields
    /// are compared as they are: only what has to wait for its partner is hashed.
    fn join(&mut self, join: &mut Join, batch: &Lines) -> Result<()> {
        let mut from = 0;
        for Line { key, is_readable, end } in &batch.lines {
            let fields = &batch.fields[from..*end];
            from = *end;
            let mut met = false;
            while !met && key.is_some_and(|key| join.wants_local(key.id())) {
                let Some(row) = self.next(join)? else { break };
                met = Some(row) == *key;
                if met {
                    let kept = self.rows.kept();
                    let is_altered =
                        |kept: Kept| kept.explains(self.rows.fingerprint(), Fingerprint::of_written(fields));
                    let found = match is_readable {
                        true if fields == self.rows.fields() => Match::Equal,
                        true if kept.is_some_and(is_altered) => Match::Altered,
                        true => Match::Different,
                        false => Match::Unreadable,
                    };
                    if kept.is_some() && found == Match::Equal {
                        self.as_sent.push(row);
                    }
                    join.both(row, found, || self.rows.fingerprint());
                } else {
                    self.row(join, row);
                }
            }
            if !met {
                join.listed(*key, || is_readable.then(|| Fingerprint::of_written(fields)));
            }
        }
        Ok(())
    }
}
