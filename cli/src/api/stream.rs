//! A whole list as JSON, written while it is read: memory holds one window of it.

use std::io::{self, Read};

use serde::Serialize;

use super::negotiate::DocLayout;
use super::response::to_json;
use crate::error::Failure;
use crate::store::Cursor;

/// A JSON array, to be read.
pub struct JsonArray<'a, T> {
    cursor: Cursor<'a, T>,
    layout: DocLayout,
    /// Written, and not read yet.
    buffer: Vec<u8>,
    /// So much of it was read.
    taken: usize,
    state: StreamState,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamState {
    /// Nothing is written.
    Fresh,
    /// `[` is.
    Open,
    /// `]` is.
    Closed,
    /// The database broke off: there will be no `]`, so that nobody takes it for the whole.
    Broken,
}

impl<'a, T: Serialize> JsonArray<'a, T> {
    /// Begins: the first window is read at once, so that a database that is away is noticed in time.
    pub fn new(cursor: Cursor<'a, T>, layout: DocLayout) -> Result<Self, postgres::Error> {
        let mut array = Self { cursor, layout, buffer: Vec::new(), taken: 0, state: StreamState::Fresh };
        array.fill()?;
        Ok(array)
    }

    /// Returns how far it is.
    pub fn state(&self) -> StreamState {
        self.state
    }

    /// Writes the next window into the buffer.
    fn fill(&mut self) -> Result<(), postgres::Error> {
        let rows = self.cursor.next_window()?;
        self.buffer.clear();
        self.taken = 0;
        for row in &rows {
            self.buffer.push(if self.state == StreamState::Fresh { b'[' } else { b',' });
            self.state = StreamState::Open;
            element(&to_json(row, self.layout), self.layout, &mut self.buffer);
        }
        if rows.is_empty() {
            let end: &[u8] = match (self.state, self.layout.indent) {
                (StreamState::Fresh, _) => b"[]",
                (_, None) => b"]",
                (_, Some(_)) => b"\n]",
            };
            self.buffer.extend_from_slice(end);
            self.state = StreamState::Closed;
        }
        Ok(())
    }
}

/// Writes an element; indented, each of its lines goes one level deeper.
fn element(json: &[u8], layout: DocLayout, out: &mut Vec<u8>) {
    let Some(spaces) = layout.indent else {
        out.extend_from_slice(json);
        return;
    };
    for line in json.split(|&byte| byte == b'\n') {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', usize::from(spaces)));
        out.extend_from_slice(line);
    }
}

impl<T: Serialize> Read for JsonArray<'_, T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() && self.state == StreamState::Open {
            self.fill().map_err(|error| {
                self.state = StreamState::Broken;
                let failure = Failure::from(error);
                log::warn!("a list broke off: {failure}");
                io::Error::other(failure)
            })?;
        }
        let count = self.buffer.get(self.taken..).unwrap_or_default().read(into)?;
        self.taken += count;
        Ok(count)
    }
}
