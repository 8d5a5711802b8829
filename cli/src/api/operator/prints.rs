//! GET `prints/{entity}/`: fingerprints of one side, 32 bytes an object, as the core takes them. They are read while they are
//! sent, so memory holds a window of them, however many there are.

use std::io::{self, Read};
use std::time::Duration;

use news_core::Entity;
use news_core::fingerprint::Fingerprint;
use news_core::profile::JSON_SERVER;
use news_core::wire::Element;

use super::query;
use super::{Desk, refused};
use crate::api::handlers::Context;
use crate::api::response::{Body, Coded, Problem, Response};
use crate::error::Result;
use crate::pg::{Purpose, connect};
use crate::run::{self, Followed};
use crate::signals::Signals;
use crate::source::{Ahead, Batch, Source, Step};
use crate::store::fingerprints::Prints;
use crate::store::{kept, rows, schema};
use crate::target::{Reader, Tries};

/// A record: id, what it is, fingerprint.
const RECORD_BYTES: usize = 32;
/// Rows that are read at once.
const WINDOW: usize = 1024;
/// So much is read before anything is sent, in bytes: what goes wrong by then is told with a status.
const BEGIN_BYTES: usize = 64 * 1024;
/// A stream that has been sent gives its place back within this time.
const NEXT_WITHIN: Duration = Duration::from_secs(1);

/// What a record is.
const OBJECT: u64 = 0;
const UNREADABLE: u64 = 1;
const NAMELESS: u64 = 2;
/// Of the row that comes next: the fingerprint of what the target keeps in its place.
const KEPT: u64 = 3;
const END: u64 = 255;

/// Which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Our rows.
    Master,
    /// The target's listing.
    Target,
}

/// Answers with a stream. One at a time reads each side.
pub fn get(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let sides = [("master", Side::Master), ("target", Side::Target)];
    let side = query::one_of(context.request, "side", &sides)?;
    let side = side.ok_or_else(|| query::bad("side", "one of master, target", ""))?;
    let desk = &context.service.desk;
    let places = match side {
        Side::Master => &desk.reading_master,
        Side::Target => &desk.reading_target,
    };
    // A page that has read one entity asks for the next one at once, before the place of the first is free.
    let place = places.take(NEXT_WITHIN);
    let place = place.ok_or_else(|| Coded::problem(429, "busy", "Another comparison reads this side now."))?;
    let response = Response {
        status: 200,
        headers: vec![("Content-Type", "application/octet-stream".to_owned())],
        body: Body::Prints(entity, side),
        held: Some(place),
    };
    Ok(response.header("Cache-Control", "no-store"))
}

/// Appends a record.
fn write(into: &mut Vec<u8>, id: i64, what: u64, print: Fingerprint) {
    into.extend_from_slice(&id.to_le_bytes());
    into.extend_from_slice(&what.to_le_bytes());
    into.extend_from_slice(&print.0.to_le_bytes());
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    More,
    Ended,
}

/// Records, to be read.
struct Records<F> {
    fill: F,
    buffer: Vec<u8>,
    taken: usize,
    count: i64,
    flow: Flow,
}

impl<F: FnMut(&mut Vec<u8>) -> Result<Flow>> Records<F> {
    /// Begins: the first records are read at once, so that what is wrong is told in time.
    fn begin(fill: F) -> Result<Self> {
        let mut records = Self { fill, buffer: Vec::new(), taken: 0, count: 0, flow: Flow::More };
        records.next_window(BEGIN_BYTES)?;
        Ok(records)
    }

    /// Reads at least so many bytes, or to the end.
    fn next_window(&mut self, bytes: usize) -> Result<()> {
        self.buffer.clear();
        self.taken = 0;
        while self.buffer.len() < bytes && self.flow == Flow::More {
            self.flow = (self.fill)(&mut self.buffer)?;
        }
        self.count += i64::try_from(self.buffer.len() / RECORD_BYTES).unwrap_or(i64::MAX);
        if self.flow == Flow::Ended {
            write(&mut self.buffer, self.count, END, Fingerprint(0));
        }
        Ok(())
    }
}

impl<F: FnMut(&mut Vec<u8>) -> Result<Flow>> Read for Records<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() && self.flow == Flow::More {
            // Without its end record the stream says nothing.
            self.next_window(1).map_err(|failure| {
                log::warn!("a comparison broke off: {failure}");
                // What came before is sent, and then the connection is cut.
                io::Error::new(io::ErrorKind::ConnectionAborted, failure)
            })?;
        }
        let count = self.buffer.get(self.taken..).unwrap_or_default().read(into)?;
        self.taken += count;
        Ok(count)
    }
}

/// Opens one side, and passes it, or what is wrong, to `send`.
pub fn open<T>(desk: &Desk, entity: Entity, side: Side, send: impl FnOnce(Result<&mut dyn Read, Problem>) -> T) -> T {
    match side {
        Side::Master => master(desk, entity, send),
        Side::Target => target(desk, entity, send),
    }
}

fn master<T>(desk: &Desk, entity: Entity, send: impl FnOnce(Result<&mut dyn Read, Problem>) -> T) -> T {
    let connected = connect(desk.sessions.url(), Purpose::Bulk).and_then(|mut client| {
        schema::require_current(&mut client)?;
        Ok(client)
    });
    let mut client = match connected {
        Ok(client) => client,
        Err(failure) => return send(Err(refused(&failure))),
    };
    // Without a target the page compares with a file, which is in the names of the default.
    let followed = run::followed(&desk.settings, &mut client).ok().flatten();
    let profile = followed.map_or(&JSON_SERVER, |followed| followed.access.chosen.profile);
    let token = client.cancel_token();
    let mut snapshot = match rows::snapshot(&mut client) {
        Ok(snapshot) => snapshot,
        Err(failure) => return send(Err(refused(&failure))),
    };
    let opened =
        kept::any(&mut snapshot).and_then(|entries| Prints::open(&mut snapshot, profile.dialect(entity), entries));
    let opened = opened.and_then(|mut prints| {
        Records::begin(move |buffer| {
            for _ in 0..WINDOW {
                match prints.next()? {
                    Some(key) => {
                        let here = prints.fingerprint();
                        if let Some(kept) = prints.kept().and_then(|kept| kept.instead_of(here)) {
                            write(buffer, key.id(), KEPT, kept);
                        }
                        write(buffer, key.id(), OBJECT, here);
                    }
                    None => return Ok(Flow::Ended),
                }
            }
            Ok(Flow::More)
        })
    });
    match opened {
        Ok(mut records) => {
            let done = send(Ok(&mut records));
            if records.flow == Flow::More {
                rows::cancel(&token);
            }
            done
        }
        Err(failure) => send(Err(refused(&failure))),
    }
}

/// Elements as records.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Batch for Elements {
    fn add(&mut self, element: Element<'_>) {
        match (element.key(), element.fingerprint()) {
            (Some(key), Some(print)) => write(&mut self.0, key.id(), OBJECT, print),
            (Some(key), None) => write(&mut self.0, key.id(), UNREADABLE, Fingerprint(0)),
            (None, _) => write(&mut self.0, 0, NAMELESS, Fingerprint(0)),
        }
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }
}

fn target<T>(desk: &Desk, entity: Entity, send: impl FnOnce(Result<&mut dyn Read, Problem>) -> T) -> T {
    let signals = Signals::none();
    let reader = match desk.ask_target(|client| {
        let Followed { url, access, .. } = run::to_follow(&desk.settings, client)?;
        Reader::new(&url, &access, 1, desk.timeout(), Tries::One)
    }) {
        Ok(reader) => reader,
        Err(problem) => return send(Err(problem)),
    };
    let source = Source::Target(reader);
    let opened = Ahead::start(&source, &[entity], &signals, Elements::default).and_then(|listing| {
        Records::begin(move |buffer| match listing.step(&signals)? {
            Step::Batch(Elements(records), _) => {
                buffer.extend_from_slice(&records);
                Ok(Flow::More)
            }
            Step::Begun(_) => Ok(Flow::More),
            Step::Ended | Step::Over => Ok(Flow::Ended),
        })
    });
    match opened {
        Ok(mut records) => send(Ok(&mut records)),
        Err(failure) => send(Err(refused(&failure))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Kind};

    fn records(windows: &[&[i64]], ends: bool) -> io::Result<Vec<u8>> {
        let mut windows = windows.iter();
        let records = Records::begin(|buffer| match windows.next() {
            Some(ids) => {
                ids.iter().for_each(|id| write(buffer, *id, OBJECT, Fingerprint(7)));
                Ok(Flow::More)
            }
            None if ends => Ok(Flow::Ended),
            None => Err(Failure::new(Kind::Target, "cut")),
        });
        let mut read = Vec::new();
        records.map_err(io::Error::other)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn a_stream_ends_with_its_number_of_records_or_is_cut() {
        for windows in [&[][..], &[&[1, 2][..], &[], &[3]]] {
            let count: usize = windows.iter().map(|ids| ids.len()).sum();
            let read = records(windows, true).unwrap();
            assert_eq!(read.len(), (count + 1) * RECORD_BYTES);
            let end = &read[count * RECORD_BYTES..];
            let mut expected = Vec::new();
            write(&mut expected, i64::try_from(count).unwrap(), END, Fingerprint(0));
            assert_eq!(end, expected);
            assert!(records(windows, false).is_err());
        }
        let mut one = Vec::new();
        write(&mut one, 1, OBJECT, Fingerprint(7));
        assert_eq!(records(&[&[1]], true).unwrap()[..RECORD_BYTES], one);
        assert_eq!(&one[..17], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }
}
